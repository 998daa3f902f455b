//! `wsgi.file_wrapper` (PEP 3333, "Optional Platform-Specific File Handling").
//!
//! Returned as the application's iterable, a wrapper of a real file gives up its descriptor and the front reads
//! it, without the GIL and without a pool thread. Around any other object, or inside middleware, it is an
//! ordinary iterator of blocks.

use std::fs::File;
use std::io;
use std::sync::Arc;

use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyType};

use crate::exchange::{FileSlice, FileSource};
use crate::sys::fd;

static BUFFERED_READER: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static BUFFERED_RANDOM: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static FILE_IO: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// The default block size in bytes, where the application gives none.
const BLOCK_SIZE: usize = 64 * 1024;

/// `wsgi.file_wrapper(filelike, block_size=65536)`.
#[pyclass(frozen, module = "monopod", name = "FileWrapper")]
pub struct FileWrapper {
    filelike: Py<PyAny>,
    block_size: usize,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, block_size = BLOCK_SIZE, /))]
    fn new(filelike: Py<PyAny>, block_size: usize) -> Self {
        Self { filelike, block_size: block_size.max(1) }
    }

    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let block = self.filelike.bind(py).call_method1("read", (self.block_size,))?;
        Ok(if block.is_truthy()? { Some(block) } else { None })
    }

    /// Closes the wrapped object, if it can be closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.filelike.bind(py).call_method0("close") {
            Err(error) if error.is_instance_of::<PyAttributeError>(py) => Ok(()),
            other => other.map(drop),
        }
    }
}

impl FileWrapper {
    /// The rest of the file from where the application has read to, when it is a regular file behind nothing but
    /// CPython's own buffering. A subclass or any other class may give other bytes than its descriptor holds
    /// (`gzip.GzipFile` does), so only the exact types count.
    ///
    /// # Errors
    /// What `fileno` or `tell` raise: a closed file.
    pub fn file_slice(&self, py: Python<'_>) -> PyResult<Option<FileSlice>> {
        let filelike = self.filelike.bind(py);
        if !is_plain_file(py, filelike)? {
            return Ok(None);
        }
        let number: i32 = filelike.call_method0("fileno")?.extract()?;
        let Some((file, len)) = regular(number)? else { return Ok(None) };
        let offset: u64 = filelike.call_method0("tell")?.extract()?;
        let source = FileSource::Open(Arc::new(file));
        Ok(Some(FileSlice::new(source, offset, len.saturating_sub(offset)).sendable()))
    }
}

/// `FileIO`, or `BufferedReader`/`BufferedRandom` right over one.
fn is_plain_file(py: Python<'_>, filelike: &Bound<'_, PyAny>) -> PyResult<bool> {
    let file_io = FILE_IO.import(py, "io", "FileIO")?;
    let class = filelike.get_type();
    if class.is(file_io) {
        return Ok(true);
    }
    let buffered = class.is(BUFFERED_READER.import(py, "io", "BufferedReader")?)
        || class.is(BUFFERED_RANDOM.import(py, "io", "BufferedRandom")?);
    Ok(buffered && filelike.getattr("raw")?.get_type().is(file_io))
}

/// A duplicate of descriptor `number` and the file's size, when it is a regular file.
fn regular(number: i32) -> io::Result<Option<(File, u64)>> {
    let file = fd::duplicate(number)?;
    let meta = file.metadata()?;
    // What /proc and /sys say of their files' sizes is not so: those are read as they come.
    let honest = meta.is_file() && !fd::is_of_kernel(&file)?;
    Ok(honest.then_some((file, meta.len())))
}

/// `bytes` of a block that an iterator gave; `None` when it is not `bytes`.
#[must_use]
pub fn as_bytes<'a, 'py>(block: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, PyBytes>> {
    block.cast::<PyBytes>().ok()
}
