//! `wsgi.input`: CPython's own `io.BytesIO` or `io.BufferedReader` over the spooled body.
//!
//! No class of ours: every file method, seeking and iteration included, is the interpreter's.

use std::os::fd::IntoRawFd;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyType};

use crate::exchange::{Permit, Spooled};

static BYTES_IO: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static FILE_IO: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static BUFFERED_READER: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// The stream for `body`, and the memory permit to keep until the request has ended.
///
/// # Errors
/// `MemoryError`, or what opening the descriptor raises.
pub fn open(py: Python<'_>, body: Spooled) -> PyResult<(Bound<'_, PyAny>, Option<Permit>)> {
    match body {
        Spooled::Empty => Ok((BYTES_IO.import(py, "io", "BytesIO")?.call0()?, None)),
        Spooled::Memory { chunks, len, permit } => {
            let bytes = PyBytes::new_with(py, len, |buffer| {
                let mut at = 0;
                for chunk in &chunks {
                    buffer[at..at + chunk.len()].copy_from_slice(chunk);
                    at += chunk.len();
                }
                Ok(())
            })?;
            Ok((BYTES_IO.import(py, "io", "BytesIO")?.call1((bytes,))?, Some(permit)))
        }
        Spooled::File { file, .. } => {
            // FileIO owns the descriptor from here and closes it with the stream.
            let raw = FILE_IO.import(py, "io", "FileIO")?.call1((file.into_raw_fd(), "rb"))?;
            Ok((BUFFERED_READER.import(py, "io", "BufferedReader")?.call1((raw,))?, None))
        }
    }
}
