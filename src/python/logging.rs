//! Python's `logging`, to which a server in a program hands its records: the loggers `monopod` and `monopod.access`.
//!
//! Nothing is configured here: whoever has the program decides what becomes of them. Called on threads that hold the GIL.

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use tracing::Level;

use super::traceback;
use crate::telemetry::access::ACCESS;
use crate::telemetry::records::{Record, Value};

/// Hands `record` over. What a handler raises is reported as `logging` itself would, on `sys.stderr`.
/// False: nobody wants it.
#[must_use]
pub fn emit(py: Python<'_>, record: &Record) -> bool {
    hand_over(py, record).unwrap_or_else(|error| {
        error.display(py);
        true
    })
}

/// Whether somebody wants access records.
///
/// # Errors
/// What `logging` raises.
pub fn wants_access(py: Python<'_>) -> PyResult<bool> {
    py.import("logging")?
        .call_method1("getLogger", (ACCESS_LOGGER,))?
        .call_method1("isEnabledFor", (INFO,))?
        .is_truthy()
}

const ACCESS_LOGGER: &str = "monopod.access";
/// `logging.INFO`.
const INFO: u8 = 20;

fn hand_over(py: Python<'_>, record: &Record) -> PyResult<bool> {
    let name = if record.target == ACCESS { ACCESS_LOGGER } else { "monopod" };
    let logger = py.import("logging")?.call_method1("getLogger", (name,))?;
    let level = match record.level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => INFO,
        _ => 10,
    };
    if !logger.call_method1("isEnabledFor", (level,))?.is_truthy()? {
        return Ok(false);
    }
    let fields = PyDict::new(py);
    for (key, value) in &record.fields {
        match value {
            Value::Text(text) => fields.set_item(key, text)?,
            Value::Number(number) => fields.set_item(key, number)?,
            Value::Integer(number) => fields.set_item(key, number)?,
            Value::Truth(truth) => fields.set_item(key, truth)?,
        }
    }
    let extra = PyDict::new(py);
    extra.set_item("monopod", fields)?;
    let (none, no_args) = (py.None(), PyTuple::empty(py));
    // The exception itself, where this is the thread that tells of it: handlers and formatters of the program know more
    // to do with it than to show its text.
    let told = traceback::told(py);
    let exc_info = told.as_ref().map_or_else(|| Ok(none.bind(py).clone()), |told| told.into_bound_py_any(py))?;
    let has_exception = !exc_info.is_none();
    // Without args the message is taken as it is, whatever `%` it has.
    let made = (name, level, "monopod", 0, &record.message, no_args, exc_info, &none, extra);
    let made = logger.call_method1("makeRecord", made)?;
    if let Some(below) = record.below.as_ref().filter(|_| !has_exception) {
        // Formatters put it below the message, as they do a traceback of their own.
        made.setattr("exc_text", below)?;
    }
    logger.call_method1("handle", (made,))?;
    Ok(true)
}
