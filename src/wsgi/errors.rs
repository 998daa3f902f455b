//! `wsgi.errors`: a text stream whose whole lines become log lines.
//!
//! Middleware and frameworks write here what went wrong (PEP 3333, "environ Variables"). What a thread has not ended
//! with a line end waits for that thread, so lines of several threads never mix.

use std::cell::RefCell;

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::exchange::RequestId;
use crate::semantics::printable::printable;
use crate::telemetry::log::OF_APPLICATION;

/// A line longer than this is logged in pieces rather than gathered for ever, in bytes.
const LONGEST_LINE: usize = 64 * 1024;

thread_local! {
    /// The line that the thread has begun.
    static PARTIAL: RefCell<String> = const { RefCell::new(String::new()) };
    /// The request that the thread is in.
    static CURRENT: RefCell<Option<RequestId>> = const { RefCell::new(None) };
}

/// The calling thread is in this request until what this returns is dropped: lines that it writes have its id.
pub fn current(id: RequestId) -> Current {
    CURRENT.set(Some(id));
    Current
}

/// See [`current`].
#[must_use]
pub struct Current;

impl Drop for Current {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

/// The stream; one per process.
#[pyclass(frozen, module = "monopod", name = "ErrorStream")]
#[derive(Default)]
pub struct ErrorStream;

#[pymethods]
impl ErrorStream {
    /// Adds text; every line it completes is logged. Returns the number of characters, as text streams do. What has no
    /// UTF-8 form (a lone surrogate) is replaced, as an error about an error helps nobody.
    #[allow(clippy::unused_self)] // a method to Python
    fn write(&self, text: &Bound<'_, PyString>) -> PyResult<usize> {
        PARTIAL.with_borrow_mut(|partial| {
            let text = text.to_string_lossy();
            let mut lines = text.split('\n');
            if let Some(first) = lines.next() {
                partial.push_str(first);
            }
            for line in lines {
                log(partial);
                partial.clear();
                partial.push_str(line);
            }
            if partial.len() > LONGEST_LINE {
                log(&std::mem::take(partial));
            }
        });
        text.len()
    }

    /// Writes each string of an iterable.
    fn writelines(&self, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        for line in lines.try_iter()? {
            self.write(line?.cast::<PyString>()?)?;
        }
        Ok(())
    }

    /// Logs what the calling thread has begun and not ended.
    #[allow(clippy::unused_self)] // a method to Python
    fn flush(&self) {
        log(&PARTIAL.take());
    }
}

/// The stream of a server in a program: whatever `sys.stderr` is at that moment, which tests and notebooks replace.
#[pyclass(frozen, module = "monopod", name = "StandardError")]
pub struct StandardError;

#[pymethods]
impl StandardError {
    /// As that of `sys.stderr`.
    #[allow(clippy::unused_self)] // a method to Python
    fn write(&self, text: &Bound<'_, PyString>) -> PyResult<usize> {
        let stderr = text.py().import("sys")?.getattr("stderr")?;
        // Under `pythonw`, or after somebody took it away, there is none.
        if !stderr.is_none() {
            stderr.call_method1("write", (text,))?;
        }
        text.len()
    }

    /// Writes each string of an iterable.
    fn writelines(&self, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        for line in lines.try_iter()? {
            self.write(line?.cast::<PyString>()?)?;
        }
        Ok(())
    }

    /// As that of `sys.stderr`.
    #[allow(clippy::unused_self)] // a method to Python
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let stderr = py.import("sys")?.getattr("stderr")?;
        if !stderr.is_none() {
            stderr.call_method0("flush")?;
        }
        Ok(())
    }
}

fn log(line: &str) {
    let line = line.trim_end_matches('\r');
    if !line.is_empty() {
        CURRENT.with_borrow(|id| {
            let request_id = id.as_ref().map(tracing::field::display);
            tracing::error!(target: OF_APPLICATION, request_id, "{}", printable(line));
        });
    }
}
