//! How the wheel's command becomes two processes where it is PID 1: init, and the server below it.
//!
//! The interpreter runs by then, and may have threads: tools that wrap the command (`ddtrace-run`, `newrelic-admin`) start
//! some at its start. Alone, it forks as `os.fork()` does; beside other threads a copy without them would not be sound,
//! so the same command is started once more. Decision 007.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::sys::init::{self, Held};

/// Goes on in a child where this process is PID 1, which stays behind as init. Call on the main thread.
///
/// # Errors
/// What `fork(2)` and `exec(2)` say.
pub fn split_off_init(py: Python<'_>) -> PyResult<()> {
    if !init::is_due() {
        return Ok(());
    }
    if !is_alone() {
        return start_again(py);
    }
    let held = Held::all()?;
    // With the hooks that modules have for it.
    match py.import("os")?.call_method0("fork")?.extract()? {
        0 => Ok(held.go_on()?),
        child => held.attend(child),
    }
}

/// Whether the process has no other thread, Python's or not. Where that cannot be told, it is believed.
fn is_alone() -> bool {
    std::fs::read_dir("/proc/self/task").map_or(true, |threads| threads.count() == 1)
}

/// Starts the command as it was typed, and is its init.
fn start_again(py: Python<'_>) -> PyResult<()> {
    let (python, typed) = typed(py)?;
    let Some((name, arguments)) = typed.split_first() else {
        return Err(PyRuntimeError::new_err("sys.orig_argv is empty: run monopod by its command"));
    };
    init::pass_on_signals();
    let mut command = Command::new(python);
    command.arg0(name).args(arguments);
    let child = start_isolated(command)?;
    py.detach(|| init::reap_until_end_of(child))
}

/// The interpreter, and the words that it was started with, its own options included.
///
/// # Errors
/// What Python raised.
pub fn typed(py: Python<'_>) -> PyResult<(OsString, Vec<OsString>)> {
    let sys = py.import("sys")?;
    Ok((sys.getattr("executable")?.extract()?, sys.getattr("orig_argv")?.extract()?))
}

fn start_isolated(mut command: Command) -> io::Result<i32> {
    init::isolate(&mut command);
    let child = command.spawn()?;
    i32::try_from(child.id()).map_err(io::Error::other)
}
