//! Django: STATIC_ROOT at STATIC_URL, and the settings of WhiteNoise that its users bring along.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{imported, mount};
use crate::config::found::{Found, ImmutableTest};

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
    if let (Some(url), Some(root)) = (url, setting("STATIC_ROOT")?) {
        found.mounts.extend(mount(&text(&url)?, text(&root)?.into(), root_path));
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
