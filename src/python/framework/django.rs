//! Django: STATIC_ROOT at STATIC_URL, and the settings of WhiteNoise that its users bring along.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{imported, mount};
use crate::config::found::{Found, ImmutableTest};

/// Whether `app` is Django's own, bare or in the handler of its static files.
pub fn is_handler(app: &Bound<'_, PyAny>) -> PyResult<bool> {
    let Some(module) = imported(app.py(), "django.core.handlers.wsgi")? else { return Ok(false) };
    app.is_instance(&module.getattr("WSGIHandler")?)
}

pub fn look(py: Python<'_>, root_path: &str, found: &mut Found) -> PyResult<()> {
    let Some(conf) = imported(py, "django.conf")? else { return Ok(()) };
    let settings = conf.getattr("settings")?;
    if !settings.getattr("configured")?.is_truthy()? {
        return Ok(());
    }
    let setting = |name: &str| -> PyResult<Option<Bound<'_, PyAny>>> {
        Ok(settings.getattr_opt(name)?.filter(|value| !value.is_none()))
    };
    let url = match setting("WHITENOISE_STATIC_PREFIX")? {
        Some(prefix) => Some(prefix),
        None => setting("STATIC_URL")?,
    };
    found.live |= settings.getattr("DEBUG")?.is_truthy()?;
    if let Some(url) = &url {
        let url = text(url)?;
        if found.live {
            finders(py, &settings, &url, root_path, found)?;
        }
        if let Some(root) = setting("STATIC_ROOT")? {
            let root = PathBuf::from(text(&root)?);
            // Nobody collects while working.
            if !found.live || root.is_dir() {
                found.mounts.extend(mount(&url, root, root_path));
            }
        }
    }
    if let Some(root) = setting("WHITENOISE_ROOT")? {
        found.roots.push(text(&root)?.into());
    }
    // Each is named if it cannot be used: it would be missed in silence.
    read(&setting, "WHITENOISE_MAX_AGE", |value| {
        let seconds: f64 = value.extract()?;
        found.max_age =
            Some(Duration::try_from_secs_f64(seconds).map_err(|error| PyValueError::new_err(error.to_string()))?);
        Ok(())
    });
    read(&setting, "WHITENOISE_INDEX_FILE", |value| {
        found.index = Some(match value.extract::<bool>() {
            Ok(false) => None,
            Ok(true) => Some("index.html".to_owned()),
            Err(_) => Some(text(value)?),
        });
        Ok(())
    });
    read(&setting, "WHITENOISE_IMMUTABLE_FILE_TEST", |value| {
        found.immutable = Some(immutable_test(value)?);
        Ok(())
    });
    read(&setting, "WHITENOISE_ALLOW_ALL_ORIGINS", |value| {
        found.all_origins = Some(value.is_truthy()?);
        Ok(())
    });
    read(&setting, "WHITENOISE_MIMETYPES", |value| {
        for (name, kind) in value.cast::<PyDict>()? {
            let kind = text(&kind)?;
            if HeaderValue::from_str(&kind).is_err() {
                return Err(PyValueError::new_err(format!("{kind:?} is no media type")));
            }
            found.media_types.insert(text(&name)?.to_lowercase(), kind);
        }
        Ok(())
    });
    Ok(())
}

/// The directories that `runserver` serves: those of STATICFILES_DIRS and of the apps.
fn finders(py: Python<'_>, settings: &Bound<'_, PyAny>, url: &str, root_path: &str, found: &mut Found) -> PyResult<()> {
    if !settings.getattr("INSTALLED_APPS")?.contains("django.contrib.staticfiles")? {
        return Ok(());
    }
    let finders = py.import("django.contrib.staticfiles.finders")?;
    for finder in finders.call_method0("get_finders")?.try_iter()? {
        // A finder of another kind knows more than directories.
        let Some(storages) = finder?.getattr_opt("storages")? else { continue };
        for storage in storages.call_method0("values")?.try_iter()? {
            let storage = storage?;
            let prefix = storage.getattr_opt("prefix")?.filter(|prefix| !prefix.is_none());
            let prefix = prefix.map_or_else(|| Ok(String::new()), |prefix| text(&prefix))?;
            let url = format!("{}/{}", url.trim_end_matches('/'), prefix.trim_matches('/'));
            found.mounts.extend(mount(&url, text(&storage.getattr("location")?)?.into(), root_path));
        }
    }
    Ok(())
}

/// Imports the URLs, and with them the views, which Django would do with the first request; `runserver` does so too.
pub fn import_urls(py: Python<'_>) -> PyResult<()> {
    let Some(conf) = imported(py, "django.conf")? else { return Ok(()) };
    let settings = conf.getattr("settings")?;
    if !settings.getattr("configured")?.is_truthy()? || settings.getattr_opt("ROOT_URLCONF")?.is_none() {
        return Ok(());
    }
    py.import("django.urls")?.call_method0("get_resolver")?.getattr("url_patterns").map(drop)
}

/// Those of all engines: `DIRS`, those of the apps, and of loaders that have others.
pub fn template_dirs(py: Python<'_>, dirs: &mut Vec<PathBuf>) -> PyResult<()> {
    let Some(conf) = imported(py, "django.conf")? else { return Ok(()) };
    if !conf.getattr("settings")?.getattr("configured")?.is_truthy()? {
        return Ok(());
    }
    let engines = py.import("django.template")?.getattr("engines")?.call_method0("all")?;
    for engine in engines.try_iter()? {
        let engine = engine?;
        for dir in engine.getattr("template_dirs")?.try_iter()? {
            dirs.push(text(&dir?)?.into());
        }
        // Only Django's own engine has loaders.
        let Some(engine) = engine.getattr_opt("engine")? else { continue };
        for loader in engine.getattr("template_loaders")?.try_iter()? {
            let Some(get_dirs) = loader?.getattr_opt("get_dirs")? else { continue };
            for dir in get_dirs.call0()?.try_iter()? {
                dirs.push(text(&dir?)?.into());
            }
        }
    }
    Ok(())
}

/// A setting may be a `Path` or a lazy string.
fn text(value: &Bound<'_, PyAny>) -> PyResult<String> {
    value.str()?.extract()
}

fn read<'py>(
    setting: &dyn Fn(&str) -> PyResult<Option<Bound<'py, PyAny>>>,
    name: &str,
    mut take: impl FnMut(&Bound<'py, PyAny>) -> PyResult<()>,
) {
    match setting(name).and_then(|value| value.map_or(Ok(()), |value| take(&value))) {
        Ok(()) => {}
        Err(error) => tracing::warn!(%error, "the setting {name} cannot be used"),
    }
}

/// A callable of path and URL, or a regular expression that is searched for in the URL.
fn immutable_test(value: &Bound<'_, PyAny>) -> PyResult<ImmutableTest> {
    let py = value.py();
    let (test, takes_path) = if value.is_callable() {
        (value.clone().unbind(), true)
    } else {
        (py.import("re")?.call_method1("compile", (value,))?.getattr("search")?.unbind(), false)
    };
    Ok(Arc::new(move |path: &Path, url: &str| {
        Python::attach(|py| {
            let test = test.bind(py);
            let said = if takes_path { test.call1((path.to_string_lossy(), url)) } else { test.call1((url,)) };
            said.and_then(|said| said.is_truthy()).unwrap_or_else(|error| {
                tracing::warn!(%error, url, "WHITENOISE_IMMUTABLE_FILE_TEST failed; the file counts as one that changes");
                false
            })
        })
    }))
}
