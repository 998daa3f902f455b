//! What the loaded framework says of its static files, so that they need no option.
//!
//! Django: STATIC_URL and STATIC_ROOT. Flask: the application's static folder. Reads attributes only; a framework
//! that says nothing sensible is left alone.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::config::settings::Mount;

/// The static mounts of the framework that was imported for `callable`.
#[must_use]
pub fn static_mounts(py: Python<'_>, callable: &Py<PyAny>) -> Vec<Mount> {
    let callable = callable.bind(py);
    let found = [django(py), flask(py, callable)];
    found.into_iter().filter_map(|mount| mount.ok().flatten()).filter_map(normal).collect()
}

/// A module that is imported already; never imports one.
fn imported<'py>(py: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?.get_item(name)
}

fn django(py: Python<'_>) -> PyResult<Option<(String, PathBuf)>> {
    let Some(conf) = imported(py, "django.conf")? else { return Ok(None) };
    let settings = conf.getattr("settings")?;
    if !settings.getattr("configured")?.is_truthy()? {
        return Ok(None);
    }
    let (url, root) = (settings.getattr("STATIC_URL")?, settings.getattr("STATIC_ROOT")?);
    if url.is_none() || root.is_none() {
        return Ok(None);
    }
    Ok(Some((url.extract()?, root.str()?.extract::<String>()?.into())))
}

fn flask(py: Python<'_>, app: &Bound<'_, PyAny>) -> PyResult<Option<(String, PathBuf)>> {
    let Some(flask) = imported(py, "flask")? else { return Ok(None) };
    if !app.is_instance(&flask.getattr("Flask")?)? || !app.getattr("has_static_folder")?.is_truthy()? {
        return Ok(None);
    }
    let url = app.getattr("static_url_path")?;
    if url.is_none() {
        return Ok(None);
    }
    // Every Flask application names a folder, whether or not it has one.
    let folder: PathBuf = app.getattr("static_folder")?.extract()?;
    Ok(folder.is_dir().then_some((url.extract()?, folder)))
}

/// A URL on this host with a path below `/`; a CDN's URL is served by the CDN.
fn normal((url, dir): (String, PathBuf)) -> Option<Mount> {
    if !url.starts_with('/') || url.starts_with("//") || dir.as_os_str().is_empty() {
        return None;
    }
    let path = url.trim_matches('/');
    (!path.is_empty()).then(|| Mount { url: format!("/{path}/"), dir })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_below_this_host_are_mounted() {
        let url = |url: &str| normal((url.to_owned(), "/srv/static".into())).map(|mount| mount.url);
        assert_eq!(url("/static/").as_deref(), Some("/static/"));
        assert_eq!(url("/a/b").as_deref(), Some("/a/b/"));
        for elsewhere in ["https://cdn.example/static/", "//cdn.example/x/", "/", "", "static/"] {
            assert_eq!(url(elsewhere), None, "{elsewhere}");
        }
    }
}
