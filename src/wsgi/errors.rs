//! `wsgi.errors`: a text stream whose whole lines become log lines.
//!
//! Middleware and frameworks write here what went wrong (PEP 3333, "environ Variables"). Lines of several
//! threads never mix.

use parking_lot::Mutex;
use pyo3::prelude::*;

/// A line longer than this is logged in pieces rather than gathered for ever.
const LONGEST_LINE: usize = 64 * 1024;

/// The stream; one per process.
#[pyclass(frozen, module = "monopod", name = "ErrorStream")]
#[derive(Default)]
pub struct ErrorStream {
    partial: Mutex<String>,
}

#[pymethods]
impl ErrorStream {
    /// Adds text; every line it completes is logged. Returns the number of characters, as text streams do.
    fn write(&self, text: &str) -> usize {
        let mut partial = self.partial.lock();
        partial.push_str(text);
        while let Some(end) = partial.find('\n') {
            let line: String = partial.drain(..=end).collect();
            log(line.trim_end_matches(['\r', '\n']));
        }
        if partial.len() > LONGEST_LINE {
            log(&std::mem::take(&mut *partial));
        }
        text.chars().count()
    }

    /// Writes each string of an iterable.
    fn writelines(&self, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        for line in lines.try_iter()? {
            self.write(line?.extract::<&str>()?);
        }
        Ok(())
    }

    /// Logs what has no line end yet.
    fn flush(&self) {
        let rest = std::mem::take(&mut *self.partial.lock());
        if !rest.is_empty() {
            log(&rest);
        }
    }
}

fn log(line: &str) {
    if !line.is_empty() {
        tracing::error!(target: "monopod::wsgi.errors", "{line}");
    }
}
