//! The files that the application consists of: those of its modules, and where its templates are.
//!
//! For `monopod dev`, which watches them. Reads what is there, and imports nothing.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::framework;

/// How many modules there are. Cheap.
///
/// # Errors
/// That `sys.modules` is none.
pub fn count(py: Python<'_>) -> PyResult<usize> {
    Ok(modules(py)?.len())
}

/// The files of all modules that are imported by now.
///
/// # Errors
/// That `sys.modules` is none.
pub fn files(py: Python<'_>) -> PyResult<Vec<PathBuf>> {
    // A copy: reading an attribute may import (lazy modules), which changes it.
    let modules = modules(py)?.copy()?;
    let path = |module: &Bound<'_, PyAny>| -> Option<PathBuf> {
        // From the dictionary alone: a lazy module's own getattr would load it.
        let space = module.getattr("__dict__").ok()?.cast_into::<PyDict>().ok()?;
        let file = space.get_item("__file__").ok()??;
        let file = PathBuf::from(file.cast::<PyString>().ok()?.to_string_lossy().into_owned());
        std::path::absolute(file).ok()
    };
    let mut files: Vec<PathBuf> = modules.values().iter().filter_map(|module| path(&module)).collect();
    files.sort_unstable();
    files.dedup();
    Ok(files)
}

/// The directories that modules are looked for in.
///
/// # Errors
/// That `sys.path` is no list of names.
pub fn search_path(py: Python<'_>) -> PyResult<Vec<PathBuf>> {
    let path = py.import("sys")?.getattr("path")?;
    let dirs = path.try_iter()?.filter_map(|dir| std::path::absolute(dir.ok()?.extract::<PathBuf>().ok()?).ok());
    Ok(dirs.filter(|dir| dir.is_dir()).collect())
}

/// The directories of the application's templates.
#[must_use]
pub fn template_dirs(py: Python<'_>, callable: &Py<PyAny>) -> Vec<PathBuf> {
    let found = framework::template_dirs(py, callable);
    found.into_iter().filter_map(|dir| std::path::absolute(dir).ok()).collect()
}

fn modules(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    Ok(py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?)
}
