//! The extension module `monopod._monopod`: the face of the wheel.

mod server;

use std::ffi::OsString;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::{CompressError, Face, Mode, run};

/// How long Ctrl-C may go unnoticed.
const PATIENCE: Duration = Duration::from_millis(100);

#[pymodule(name = "_monopod", gil_used = false)]
mod _monopod {
    #[pymodule_export]
    use super::server::{Server, default_threads, options};
    #[pymodule_export]
    use super::{CompressReport, compress, main};

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
    // Where whoever started this has it ignored, Python has no handler, and commands below `init` shall find it so.
    let signal = py.import("signal")?;
    let interrupt = signal.getattr("SIGINT")?;
    if !signal.call_method1("getsignal", (&interrupt,))?.eq(signal.getattr("SIG_IGN")?)? {
        signal.call_method1("signal", (interrupt, signal.getattr("SIG_DFL")?))?;
    }
    crate::split_off_init(py)?;
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

/// What a run of [`compress`] did.
#[pyclass(frozen, module = "monopod")]
struct CompressReport {
    #[pyo3(get)]
    files: usize,
    #[pyo3(get)]
    written: usize,
    #[pyo3(get)]
    up_to_date: usize,
    #[pyo3(get)]
    skipped: usize,
    #[pyo3(get)]
    removed: usize,
    #[pyo3(get)]
    bytes_before: u64,
    #[pyo3(get)]
    bytes_after: u64,
    #[pyo3(get)]
    seconds: f64,
    sentence: String,
}

#[pymethods]
impl CompressReport {
    fn __repr__(&self) -> String {
        let Self { files, written, up_to_date, skipped, removed, bytes_before, bytes_after, seconds, .. } = self;
        format!(
            "CompressReport(files={files}, written={written}, up_to_date={up_to_date}, skipped={skipped}, \
             removed={removed}, bytes_before={bytes_before}, bytes_after={bytes_after}, seconds={seconds:.3})"
        )
    }

    fn __str__(&self) -> &str {
        &self.sentence
    }
}

impl From<crate::CompressReport> for CompressReport {
    fn from(report: crate::CompressReport) -> Self {
        Self {
            files: report.files,
            written: report.written,
            up_to_date: report.up_to_date,
            skipped: report.skipped,
            removed: report.removed,
            bytes_before: report.bytes_before,
            bytes_after: report.bytes_after,
            seconds: report.elapsed.as_secs_f64(),
            sentence: report.to_string(),
        }
    }
}

impl From<CompressError> for PyErr {
    fn from(error: CompressError) -> Self {
        let sentence = error.to_string();
        match error {
            CompressError::Directory { source, .. }
            | CompressError::Read { source, .. }
            | CompressError::Write { source, .. } => io::Error::new(source.kind(), sentence).into(),
            CompressError::Outdated { .. } | CompressError::Undigested { .. } => PyValueError::new_err(sentence),
            CompressError::Interrupted => PyRuntimeError::new_err(sentence),
        }
    }
}

/// `monopod compress`, on threads of its own and without the GIL; this one waits, and looks for signals meanwhile.
#[pyfunction]
#[pyo3(signature = (dirs, *, check = false))]
#[allow(clippy::needless_pass_by_value)] // pyo3 hands over what it converted
fn compress(py: Python<'_>, dirs: Vec<PathBuf>, check: bool) -> PyResult<CompressReport> {
    if dirs.is_empty() {
        return Err(PyValueError::new_err("name at least one directory"));
    }
    let mode = if check { Mode::Check } else { Mode::Write };
    let interrupted = AtomicBool::new(false);
    let progress =
        |_| if interrupted.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    py.detach(|| {
        let (done, ended) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let run = scope.spawn(|| {
                // Dropped at the end, also at that of a panic.
                let _done = done;
                crate::compress(&dirs, mode, &progress)
            });
            while ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                #[allow(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime only")]
                if let Err(signal) = Python::attach(|py: Python<'_>| py.check_signals()) {
                    // What is being compressed is still written.
                    interrupted.store(true, Ordering::Relaxed);
                    return Err(signal);
                }
            }
            let result = run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok(CompressReport::from(result?))
        })
    })
}
