//! `wsgi.input`: CPython's own `io.BytesIO` or `io.BufferedReader` over the spooled body.
//!
//! No class of ours: every file method, seeking and iteration included, is the interpreter's.

use std::os::fd::IntoRawFd;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use crate::exchange::{Permit, Spooled};
use crate::python::embed::joined;

static BYTES_IO: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static FILE_IO: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static BUFFERED_READER: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// The stream of one request, for as long as the request lasts.
pub struct Input<'py> {
    stream: Bound<'py, PyAny>,
    /// Counts the body against the budget until the application is done with it.
    _permit: Option<Permit>,
    has_descriptor: bool,
}

impl<'py> Input<'py> {
    /// The stream for `body`.
    ///
    /// # Errors
    /// `MemoryError`, or what opening the descriptor raises.
    pub fn open(py: Python<'py>, body: Spooled) -> PyResult<Self> {
        let bytes_io = BYTES_IO.import(py, "io", "BytesIO")?;
        match body {
            Spooled::Empty => Ok(Self { stream: bytes_io.call0()?, _permit: None, has_descriptor: false }),
            Spooled::Memory { chunks, permit, .. } => {
                let bytes = joined(py, &chunks)?;
                Ok(Self { stream: bytes_io.call1((bytes,))?, _permit: Some(permit), has_descriptor: false })
            }
            Spooled::File { file, permit, .. } => {
                // FileIO owns the descriptor from here and closes it with the stream.
                let raw = FILE_IO.import(py, "io", "FileIO")?.call1((file.into_raw_fd(), "rb"))?;
                let stream = BUFFERED_READER.import(py, "io", "BufferedReader")?.call1((raw,))?;
                Ok(Self { stream, _permit: Some(permit), has_descriptor: true })
            }
        }
    }

    /// What goes into environ.
    #[must_use]
    pub fn stream(&self) -> &Bound<'py, PyAny> {
        &self.stream
    }

    /// Gives the temp file back now, whatever the application still refers to; left to the collector it would be a
    /// ResourceWarning.
    pub fn close(self) {
        if self.has_descriptor
            && let Err(error) = self.stream.call_method0("close")
        {
            error.display(self.stream.py());
        }
    }
}
