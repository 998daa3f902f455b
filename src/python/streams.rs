//! `sys.stdout` and `sys.stderr` of the application: its lines and the log's do not cut each other.
//!
//! Below either text stream lies an [`Output`], which hands each write on at once and whole, through the same gate as the
//! log. The text stream gathers a line, so `print` to a pipe shows when the line ends, not when 8 KiB are full. Descriptors
//! 1 and 2 stay what they are: child processes, C libraries and whoever replaces a descriptor notice nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCFunction, PyDict};

use crate::telemetry::gate::Gate;

/// A binary stream that writes to descriptor 1 or 2.
#[pyclass(frozen, module = "monopod", name = "Output")]
struct Output {
    number: i32,
    gate: Arc<Gate>,
    closed: AtomicBool,
}

#[pymethods]
impl Output {
    /// Writes all of a bytes-like object, at once.
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        self.check_open()?;
        if let Ok(bytes) = data.cast::<PyBytes>() {
            return self.put(py, bytes.as_bytes());
        }
        let copied: Vec<u8> = PyBuffer::get(data)?.to_vec(py)?;
        self.put(py, &copied)
    }

    /// There is nothing to flush.
    fn flush(&self) -> PyResult<()> {
        self.check_open()
    }

    /// Takes no more; the descriptor stays open, as it does with the interpreter's own streams.
    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    #[getter]
    fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn fileno(&self) -> PyResult<i32> {
        self.check_open()?;
        Ok(self.number)
    }

    fn isatty(&self, py: Python<'_>) -> PyResult<bool> {
        self.check_open()?;
        py.import("os")?.call_method1("isatty", (self.number,))?.extract()
    }

    fn readable(&self) -> PyResult<bool> {
        self.check_open()?;
        Ok(false)
    }

    fn writable(&self) -> PyResult<bool> {
        self.check_open()?;
        Ok(true)
    }

    fn seekable(&self) -> PyResult<bool> {
        self.check_open()?;
        Ok(false)
    }

    #[getter]
    fn name(&self) -> &'static str {
        if self.number == 1 { "<stdout>" } else { "<stderr>" }
    }

    #[getter]
    #[allow(clippy::unused_self)] // a property to Python
    fn mode(&self) -> &'static str {
        "wb"
    }

    /// As in `sys.stdout.buffer.raw`: there is nothing between the two.
    #[getter]
    fn raw(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __enter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    #[pyo3(signature = (*_exc_info))]
    fn __exit__(&self, _exc_info: &Bound<'_, PyAny>) {
        self.close();
    }
}

impl Output {
    fn put(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<usize> {
        py.detach(|| self.gate.write(self.number, bytes))?;
        Ok(bytes.len())
    }

    fn check_open(&self) -> PyResult<()> {
        if self.closed() { Err(PyValueError::new_err("I/O operation on closed file")) } else { Ok(()) }
    }
}

/// Puts `gates` below `sys.stdout` and `sys.stderr`, where those are the interpreter's own. Call before the application is
/// imported, which may keep what it finds.
///
/// # Errors
/// What `io` raises.
pub fn install(py: Python<'_>, gates: &[Arc<Gate>; 2]) -> PyResult<()> {
    let (sys, io) = (py.import("sys")?, py.import("io")?);
    // For `isinstance`; the class has no state that the base would need.
    io.getattr("BufferedIOBase")?.call_method1("register", (py.get_type::<Output>(),))?;
    for (number, name, gate) in [(1, "stdout", &gates[0]), (2, "stderr", &gates[1])] {
        let had = sys.getattr(name)?;
        if !had.is_instance(&io.getattr("TextIOWrapper")?)? || own_number(&had)? != Some(number) {
            continue;
        }
        had.call_method0("flush")?;
        let output = Output { number, gate: Arc::clone(gate), closed: AtomicBool::new(false) };
        let options = PyDict::new(py);
        for option in ["encoding", "errors"] {
            options.set_item(option, had.getattr(option)?)?;
        }
        options.set_item("newline", "\n")?;
        options.set_item("line_buffering", true)?;
        let stream = io.getattr("TextIOWrapper")?.call((Bound::new(py, output)?,), Some(&options))?;
        stream.setattr("mode", "w")?;
        sys.setattr(name, &stream)?;
        sys.setattr(format!("__{name}__"), &stream)?;
    }
    let gates = gates.clone();
    let tell = PyCFunction::new_closure(py, None, None, move |_, _| gates.iter().for_each(|gate| gate.forked()))?;
    let options = PyDict::new(py);
    options.set_item("after_in_child", tell)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&options))?;
    Ok(())
}

fn own_number(stream: &Bound<'_, PyAny>) -> PyResult<Option<i32>> {
    match stream.call_method0("fileno") {
        Ok(number) => Ok(Some(number.extract()?)),
        // Closed, or not of a file.
        Err(error) if error.is_instance_of::<PyValueError>(stream.py()) => Ok(None),
        Err(error) => Err(error),
    }
}
