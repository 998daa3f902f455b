//! What makes debuggers at home in `monopod dev`: Werkzeug's page with its console, and a word at a `breakpoint()`.
//!
//! Called by `server` after the import, for `dev` alone.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict};

use super::framework::{django, flask};
use super::load::LoadError;
use crate::config::error::StartError;
use crate::config::settings::Serve;
use crate::telemetry::console;

/// Prepares the interpreter, before the import: a crash in C code tells where Python stood, and what forks by itself
/// (`RUN_MAIN`, `WERKZEUG_RUN_MAIN`) sees that this is the process that serves.
///
/// # Errors
/// What Python raised.
pub fn prepare(py: Python<'_>, serve: &Serve) -> PyResult<()> {
    let environ = py.import("os")?.getattr("environ")?;
    for name in ["RUN_MAIN", "WERKZEUG_RUN_MAIN"] {
        environ.set_item(name, "true")?;
    }
    let options = PyDict::new(py);
    // The descriptor itself: the stream above it is the application's to replace.
    options.set_item("file", 2)?;
    py.import("faulthandler")?.call_method("enable", (), Some(&options))?;
    // `PYTHONBREAKPOINT` (PEP 553): none at all, or one that has another place than the terminal.
    let chosen: String = environ.call_method1("get", ("PYTHONBREAKPOINT", ""))?.extract()?;
    let has_terminal = ["", "pdb", "ipdb", "pudb", "bdb"].contains(&chosen.split('.').next().unwrap_or_default());
    if serve.threads > 1 && has_terminal {
        tell_at_breakpoint(py, serve.threads)?;
    }
    Ok(())
}

/// The first `breakpoint()` tells that the other threads go on.
fn tell_at_breakpoint(py: Python<'_>, threads: usize) -> PyResult<()> {
    let sys = py.import("sys")?;
    let hook = sys.getattr("breakpointhook")?.unbind();
    let is_told = AtomicBool::new(false);
    let tell = PyCFunction::new_closure(py, None, None, move |args, options| {
        if !is_told.swap(true, Ordering::Relaxed) {
            let others = threads - 1;
            console::print_error(&format!(
                "\nbreakpoint() has the terminal; {others} other threads go on. With --threads 1 one request runs at a time."
            ));
        }
        // There is no Python frame of this function, so the debugger stops at its caller.
        hook.bind(args.py()).call(args, options).map(Bound::unbind)
    })?;
    sys.setattr("breakpointhook", tell)
}

/// Imports what the framework would leave to the first request, so that a mistake there is told of at once.
///
/// # Errors
/// What it raised, and a sentence.
pub fn import_the_rest(py: Python<'_>) -> Result<(), LoadError> {
    django::import_urls(py).map_err(|exception| LoadError {
        error: StartError::software("importing the URLs failed: mend what the traceback above says"),
        exception: Some(exception),
    })
}

/// The application with Werkzeug's debugger around it, and the PIN for its console, where it is a Flask application in debug
/// mode.
#[must_use]
pub fn debugged(py: Python<'_>, callable: &Py<PyAny>) -> Option<(Py<PyAny>, Option<String>)> {
    flask::debugged(callable.bind(py)).unwrap_or_else(|error| {
        tracing::warn!(%error, "Werkzeug's debugger cannot be put around the application");
        None
    })
}
