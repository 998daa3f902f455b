//! The interpreter's end: non-daemon threads get a bounded time, `atexit` hooks run, streams are flushed.
//!
//! The process then exits without finalising: finalisation under live daemon threads crashes, and frees
//! nothing that the kernel does not free better.

use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict};

use crate::semantics::printable::printable;

/// Joins the application's non-daemon threads, all but the pool's `own`, for at most `limit`, runs `atexit` hooks and
/// flushes `sys.stdout` and `sys.stderr`. Errors are printed: nobody is left to handle them.
pub fn finish(py: Python<'_>, own: &[Py<PyAny>], limit: Duration) {
    for step in [join_threads(py, own, limit), run_atexit(py)] {
        if let Err(error) = step {
            error.display(py);
        }
    }
    flush(py);
}

fn join_threads(py: Python<'_>, own: &[Py<PyAny>], limit: Duration) -> PyResult<()> {
    let threading = py.import("threading")?;
    let main = threading.call_method0("main_thread")?;
    let deadline = Instant::now() + limit;
    tell_executors(py, &threading, limit)?;
    for thread in threading.call_method0("enumerate")?.try_iter()? {
        let thread = thread?;
        if thread.is(&main) || own.iter().any(|own| thread.is(own)) || thread.getattr("daemon")?.is_truthy()? {
            continue;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        thread.call_method1("join", (left.as_secs_f64(),))?;
        if thread.call_method0("is_alive")?.is_truthy()? {
            let name: String = thread.getattr("name")?.extract()?;
            let thread = printable(&name).into_owned();
            tracing::warn!(thread, "a thread of the application did not end in time and is left behind");
        }
    }
    Ok(())
}

/// Tells the workers of `concurrent.futures` to end, as `threading._shutdown` would: their hooks join without a
/// time limit, so they run on a thread that can be left behind.
fn tell_executors(py: Python<'_>, threading: &Bound<'_, PyAny>, limit: Duration) -> PyResult<()> {
    let Some(hooks) = threading.getattr_opt("_threading_atexits")? else { return Ok(()) };
    if hooks.is_empty()? {
        return Ok(());
    }
    let hooks: Vec<Py<PyAny>> = hooks.extract()?;
    let run = PyCFunction::new_closure(py, None, None, move |args, _| {
        for hook in hooks.iter().rev() {
            if let Err(error) = hook.call0(args.py()) {
                error.display(args.py());
            }
        }
    })?;
    let options = PyDict::new(py);
    options.set_item("target", run)?;
    options.set_item("daemon", true)?;
    let thread = threading.getattr("Thread")?.call((), Some(&options))?;
    thread.call_method0("start")?;
    thread.call_method1("join", (limit.as_secs_f64(),))?;
    Ok(())
}

fn run_atexit(py: Python<'_>) -> PyResult<()> {
    // The public atexit module has no call for this; the underscored one is what Py_FinalizeEx reaches too.
    py.import("atexit")?.call_method0("_run_exitfuncs")?;
    Ok(())
}

/// Flushes `sys.stdout` and `sys.stderr`. Errors are printed.
pub fn flush(py: Python<'_>) {
    for name in ["stdout", "stderr"] {
        let flushed = py
            .import("sys")
            .and_then(|sys| sys.getattr(name))
            .and_then(|stream| if stream.is_none() { Ok(()) } else { stream.call_method0("flush").map(drop) });
        if let Err(error) = flushed {
            error.display(py);
        }
    }
}
