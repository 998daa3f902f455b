//! What every environ begins with: what the process says, and what the connection does.
//!
//! Most requests come through the same proxy to the same place as the one before them, so that is in the dictionary which
//! is copied for the next.

use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::exchange::Client;
use crate::python::embed::latin1;

/// The dictionary that an environ is a copy of.
pub struct Template {
    /// What no request changes, and the places of what each one says.
    plain: Py<PyDict>,
    last: Mutex<Last>,
}

/// The same with what the last request's connection said.
struct Last {
    template: Py<PyDict>,
    remote_addr: String,
    server_name: String,
    server_port: String,
}

impl Template {
    /// `plain` has what no request changes, and a place for what each says.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn new(plain: &Bound<'_, PyDict>) -> PyResult<Self> {
        // No connection's, so that the first one's are set.
        let unsaid = || "?".to_owned();
        let template = plain.copy()?.unbind();
        let last = Last { template, remote_addr: unsaid(), server_name: unsaid(), server_port: unsaid() };
        Ok(Self { plain: plain.clone().unbind(), last: Mutex::new(last) })
    }

    /// A copy, with `REMOTE_ADDR`, `SERVER_NAME` and `SERVER_PORT` of `client`.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn copy<'py>(&self, py: Python<'py>, client: &Client) -> PyResult<Bound<'py, PyDict>> {
        let names = [intern!(py, "REMOTE_ADDR"), intern!(py, "SERVER_NAME"), intern!(py, "SERVER_PORT")];
        let texts = [&client.remote_addr, &client.server_name, &client.server_port];
        // To copy may run the collector, which may run what lets go of the GIL: nobody may wait for this lock with it.
        if let Some(mut last) = self.last.try_lock() {
            let Last { template, remote_addr, server_name, server_port } = &mut *last;
            let template = template.bind(py);
            for ((name, text), last) in names.into_iter().zip(texts).zip([remote_addr, server_name, server_port]) {
                set_again(template, name, last, text)?;
            }
            return template.copy();
        }
        let environ = self.plain.bind(py).copy()?;
        for (name, text) in names.into_iter().zip(texts) {
            environ.set_item(name, latin1(py, text.as_bytes())?)?;
        }
        Ok(environ)
    }
}

/// Sets `name` to `text` where that is not what it was set to `last`.
fn set_again(template: &Bound<'_, PyDict>, name: &Bound<'_, PyString>, last: &mut String, text: &str) -> PyResult<()> {
    // Empty ones are not compared, see `below_root`.
    let is_same = last.len() == text.len() && (text.is_empty() || last == text);
    if !is_same {
        template.set_item(name, latin1(template.py(), text.as_bytes())?)?;
        text.clone_into(last);
    }
    Ok(())
}
