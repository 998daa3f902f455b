//! Python's `logging`, to which a server in a program hands its records: the loggers `monopod` and `monopod.access`.
//!
//! Nothing is configured here: whoever has the program decides what becomes of them. Called on threads that hold the GIL.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use tracing::Level;

use crate::telemetry::access::ACCESS;
use crate::telemetry::records::{Record, Value};

/// Hands `record` over. What a handler raises is reported as `logging` itself would, on `sys.stderr`.
pub fn emit(py: Python<'_>, record: &Record) {
    if let Err(error) = hand_over(py, record) {
        error.display(py);
    }
}

fn hand_over(py: Python<'_>, record: &Record) -> PyResult<()> {
    let name = if record.target == ACCESS { "monopod.access" } else { "monopod" };
    let logger = py.import("logging")?.call_method1("getLogger", (name,))?;
    let level = match record.level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        _ => 10,
    };
    if !logger.call_method1("isEnabledFor", (level,))?.is_truthy()? {
        return Ok(());
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
    // Without args the message is taken as it is, whatever `%` it has.
    let made = (name, level, "monopod", 0, &record.message, no_args, &none, &none, extra);
    let made = logger.call_method1("makeRecord", made)?;
    if let Some(below) = &record.below {
        // Formatters put it below the message, as they do a traceback of their own.
        made.setattr("exc_text", below)?;
    }
    logger.call_method1("handle", (made,))?;
    Ok(())
}
