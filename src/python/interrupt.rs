//! Ends a request that takes too long, from the thread that has the pool (`--timeout`).
//!
//! CPython raises an exception in another thread at its next bytecode, so a thread that waits in C code, such as a
//! database driver's socket, gets it when that call returns. Where it stands is told at once.

use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;

use super::embed;

pyo3::create_exception!(
    monopod,
    RequestTimeout,
    PyBaseException,
    "Raised in a request that takes longer than --timeout.\n\nIts client has its answer, 504. Like SystemExit no \
     Exception, so that `finally` and `with` blocks run and `except Exception` does not keep the request alive."
);

/// Raises [`RequestTimeout`] in the thread with Python's number `ident` (`threading.get_ident()`), at its next bytecode.
/// Does not let go of the GIL.
pub fn raise_in(py: Python<'_>, ident: u64) {
    embed::set_async_exception(py, ident, Some(py.get_type::<RequestTimeout>().as_any()));
}

/// Takes back an exception that has not reached the thread with number `ident` yet. Runs no bytecode, at which it would.
pub fn take_back(py: Python<'_>, ident: u64) {
    embed::set_async_exception(py, ident, None);
}

/// Python's number for the calling thread.
///
/// # Errors
/// Only what allocating Python objects raises.
pub fn ident(py: Python<'_>) -> PyResult<u64> {
    py.import("threading")?.call_method0("get_ident")?.extract()
}
