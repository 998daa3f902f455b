//! What the loaded framework says of its static files, so that they need no option.
//!
//! Reads attributes only; a framework that says nothing sensible is left alone.

pub(super) mod django;
pub(super) mod flask;

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::config::found::Found;
use crate::config::settings::{Mount, ROOT};
use crate::semantics::path::below_root;

/// Whether the application is the only one of its process, so that a framework that was imported is its.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sole {
    Yes,
    /// It may not be. Its files are live if the program says so, whatever the framework does.
    No {
        live: bool,
    },
}

/// What the framework of `callable` says; URLs are below `root_path` (`--root-path`).
#[must_use]
pub fn found(py: Python<'_>, callable: &Py<PyAny>, root_path: &str, sole: Sole) -> Found {
    let mut found = Found { live: sole == Sole::No { live: true }, ..Found::default() };
    let callable = callable.bind(py);
    let is_django = || if sole == Sole::Yes { Ok(true) } else { django::is_handler(callable) };
    let django = is_django().and_then(|is| if is { django::look(py, root_path, &mut found) } else { Ok(()) });
    let looked = [django, flask::look(callable, root_path, &mut found)];
    for error in looked.into_iter().filter_map(Result::err) {
        tracing::debug!(%error, "the framework does not say where its static files are");
    }
    found
}

/// The directories that the framework which was imported for `callable` has its templates in.
#[must_use]
pub fn template_dirs(py: Python<'_>, callable: &Py<PyAny>) -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    let looked = [django::template_dirs(py, &mut dirs), flask::template_dirs(callable.bind(py), &mut dirs)];
    for error in looked.into_iter().filter_map(Result::err) {
        tracing::debug!(%error, "the framework does not say where its templates are");
    }
    dirs
}

/// A module that is imported already; never imports one.
fn imported<'py>(py: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?.get_item(name)
}

/// A directory at a URL of this host; a CDN's URL is served by the CDN.
fn mount(url: &str, dir: PathBuf, root_path: &str) -> Option<Mount> {
    if !url.starts_with('/') || url.starts_with("//") || dir.as_os_str().is_empty() {
        return None;
    }
    let path = below_root(url, root_path).trim_matches('/');
    let url = if path.is_empty() { ROOT.to_owned() } else { format!("/{path}/") };
    Some(Mount { url, dir })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_host_are_mounted() {
        let url = |url: &str, root_path: &str| mount(url, "/srv/static".into(), root_path).map(|mount| mount.url);
        assert_eq!(url("/static/", "").as_deref(), Some("/static/"));
        assert_eq!(url("/a/b", "").as_deref(), Some("/a/b/"));
        assert_eq!(url("/app/static/", "/app").as_deref(), Some("/static/"));
        assert_eq!(url("/apps/static/", "/app").as_deref(), Some("/apps/static/"));
        assert_eq!(url("/", "").as_deref(), Some("/"));
        for elsewhere in ["https://cdn.example/static/", "//cdn.example/x/", "", "static/"] {
            assert_eq!(url(elsewhere, ""), None, "{elsewhere}");
        }
    }
}
