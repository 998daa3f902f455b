//! The extension module `monopod._monopod`: the face of the wheel.

use std::ffi::OsString;

use pyo3::prelude::*;

use crate::{Face, run};

#[pymodule(name = "_monopod", gil_used = false)]
mod _monopod {
    #[pymodule_export]
    use super::main;

    #[pymodule_export]
    #[allow(non_upper_case_globals)] // a Python name
    const version: &str = env!("CARGO_PKG_VERSION");
}

/// Runs the `monopod` command with `argv` (the program's name first) and returns its exit code (sysexits.h).
///
/// Call on the main thread. A server that has served leaves the process and does not return.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // pyo3 hands over what it converted
fn main(py: Python<'_>, argv: Vec<OsString>) -> PyResult<u8> {
    // SIGINT is the server's: Python's own handler would raise KeyboardInterrupt into the shutdown.
    let signal = py.import("signal")?;
    signal.call_method1("signal", (signal.getattr("SIGINT")?, signal.getattr("SIG_DFL")?))?;
    Ok(py.detach(|| run(Face::Wheel, &argv)))
}
