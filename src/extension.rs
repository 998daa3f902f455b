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
    // A closed standard stream's number would go to the next socket, and log lines into it.
    open_missing_streams(py)?;
    // SIGINT is the server's: Python's own handler would raise KeyboardInterrupt into the shutdown.
    let signal = py.import("signal")?;
    signal.call_method1("signal", (signal.getattr("SIGINT")?, signal.getattr("SIG_DFL")?))?;
    Ok(py.detach(|| run(Face::Wheel, &argv)))
}

/// Opens /dev/null on what is closed of descriptors 0, 1 and 2, as the binary's runtime does by itself.
fn open_missing_streams(py: Python<'_>) -> PyResult<()> {
    let os = py.import("os")?;
    loop {
        let number: i32 = os.call_method1("open", ("/dev/null", os.getattr("O_RDWR")?))?.extract()?;
        os.call_method1("set_inheritable", (number, true))?;
        if number > 2 {
            os.call_method1("close", (number,))?;
            return Ok(());
        }
    }
}
