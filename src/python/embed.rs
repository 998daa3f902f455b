//! Starts the interpreter inside the native binary, as the chosen environment's `python3` would start; and what else of
//! CPython's C API has no safe face.
//!
//! PyConfig's `executable` is set to that python, so CPython's own path search finds `pyvenv.cfg`, `sys.prefix`
//! and site-packages (PEP 587, PEP 405). Signal handlers stay ours. The wheel never starts one.

use std::ffi::{CStr, CString};
use std::hint::black_box;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bytes::Bytes;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyIterator, PyString};

use crate::config::error::StartError;

/// Initialises CPython with `executable` as `sys.executable`, then lets go of the GIL.
///
/// # Errors
/// `StartError` (70, software) with CPython's own message, such as a missing standard library.
#[allow(unsafe_code)] // PEP 587 has no safe face
pub fn initialize(executable: Option<&Path>) -> Result<(), StartError> {
    let executable = executable
        .map(|path| CString::new(path.as_os_str().as_bytes()))
        .transpose()
        .map_err(|_| StartError::usage("the path of the Python environment holds a NUL byte"))?;
    // SAFETY: PyConfig is plain data and is initialised by PyConfig_InitPythonConfig before any other use; the
    // strings live through the calls, which copy them; nothing has touched the interpreter before.
    unsafe {
        let mut config: ffi::PyConfig = std::mem::zeroed();
        ffi::PyConfig_InitPythonConfig(&raw mut config);
        config.install_signal_handlers = 0;
        config.parse_argv = 0;
        let mut status = ffi::PyStatus_Ok();
        if let Some(executable) = &executable {
            status = ffi::PyConfig_SetBytesString(&raw mut config, &raw mut config.executable, executable.as_ptr());
        }
        if ffi::PyStatus_Exception(status) == 0 {
            let mut argv = [c"monopod".as_ptr()];
            status = ffi::PyConfig_SetBytesArgv(&raw mut config, 1, argv.as_mut_ptr());
        }
        if ffi::PyStatus_Exception(status) == 0 {
            status = ffi::Py_InitializeFromConfig(&raw const config);
        }
        ffi::PyConfig_Clear(&raw mut config);
        if ffi::PyStatus_Exception(status) != 0 {
            let said = if status.err_msg.is_null() {
                "no message".into()
            } else {
                CStr::from_ptr(status.err_msg).to_string_lossy()
            };
            return Err(StartError::software(format!(
                "Python cannot start ({said}): check --venv, PYTHONHOME and PYTHONPATH"
            )));
        }
        // The main thread attaches again where it needs to.
        ffi::PyEval_SaveThread();
    }
    Ok(())
}

/// Has `exception` raised in the thread with Python's number `ident` at its next bytecode, or takes back one that was
/// not raised yet. Nothing happens when there is no such thread. Does not let go of the GIL.
#[allow(unsafe_code)] // no safe face either
pub fn set_async_exception(_: Python<'_>, ident: u64, exception: Option<&Bound<'_, PyAny>>) {
    let exception = exception.map_or(std::ptr::null_mut(), Bound::as_ptr);
    // SAFETY: the caller is attached, as its token says; the exception lives through the call, which takes a reference
    // of its own; any number is allowed, and the sign of the C type is a relic.
    unsafe {
        ffi::PyThreadState_SetAsyncExc(ident.cast_signed(), exception);
    }
}

/// Before 3.14 CPython ends a thread that comes for the GIL while the interpreter is finalised by `pthread_exit`, which
/// unwinds its stack; in frames of Rust that is the process's end by SIGABRT. With this on the stack the thread stays where
/// it is, as in 3.14, without the GIL, until the process has ended.
struct Stay {
    is_needed: bool,
}

impl Drop for Stay {
    fn drop(&mut self) {
        if self.is_needed {
            loop {
                std::thread::park();
            }
        }
    }
}

type Vectorcall = unsafe extern "C-unwind" fn(
    *mut ffi::PyObject,
    *const *mut ffi::PyObject,
    usize,
    *mut ffi::PyObject,
) -> *mut ffi::PyObject;
type Next = unsafe extern "C-unwind" fn(*mut ffi::PyObject) -> *mut ffi::PyObject;

/// Calls what may not return before the interpreter ends: the application.
///
/// # Errors
/// What it raises.
#[allow(unsafe_code)]
pub fn call<'py, const N: usize>(
    callable: &Bound<'py, PyAny>,
    args: [&Bound<'py, PyAny>; N],
) -> PyResult<Bound<'py, PyAny>> {
    let args = args.map(Bound::as_ptr);
    let mut stay = Stay { is_needed: true };
    // SAFETY: the ABIs differ in that this one may unwind, which pyo3 says of none of CPython's functions; hidden, as the
    // compiler would go by its declaration again. The caller is attached, as a `Bound` says; callable and arguments live
    // through the call, which borrows them; no keyword is named.
    let result = unsafe {
        let vectorcall: unsafe extern "C" fn(_, _, _, _) -> _ = ffi::PyObject_VectorcallDict;
        let vectorcall: Vectorcall = std::mem::transmute(black_box(vectorcall));
        vectorcall(callable.as_ptr(), args.as_ptr(), N, std::ptr::null_mut())
    };
    stay.is_needed = false;
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(callable.py(), result) }
}

/// The next item, which the application may not have before the interpreter ends.
#[allow(unsafe_code)]
pub fn next<'py>(iterator: &Bound<'py, PyIterator>) -> Option<PyResult<Bound<'py, PyAny>>> {
    let mut stay = Stay { is_needed: true };
    // SAFETY: as above for the ABIs; the caller is attached; it is an iterator, as its type says.
    let item = unsafe {
        let next: unsafe extern "C" fn(_) -> _ = ffi::PyIter_Next;
        let next: Next = std::mem::transmute(black_box(next));
        next(iterator.as_ptr())
    };
    stay.is_needed = false;
    // SAFETY: a new reference, or null.
    let item = unsafe { Bound::from_owned_ptr_or_opt(iterator.py(), item) };
    item.map(Ok).or_else(|| PyErr::take(iterator.py()).map(Err))
}

/// A string of as many characters as there are bytes, latin-1: WSGI's "native string" (PEP 3333, "Unicode Issues").
///
/// # Errors
/// `MemoryError`.
#[allow(unsafe_code)] // pyo3's strings are made of UTF-8, which is to be checked and decoded
pub fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    // SAFETY: pointer and length are of a live slice, whose length fits isize; null errors are the strict ones, of which
    // latin-1 has none; the result is a new reference to a str, or null with an exception set.
    unsafe {
        let string = ffi::PyUnicode_DecodeLatin1(bytes.as_ptr().cast(), bytes.len().cast_signed(), std::ptr::null());
        Ok(Bound::from_owned_ptr_or_err(py, string)?.cast_into_unchecked())
    }
}

/// The bytes of `chunks` in one object, written once: [`pyo3::types::PyBytes::new_with`] would fill it with zeros before.
///
/// # Errors
/// `MemoryError`.
#[allow(unsafe_code)]
pub fn joined<'py>(py: Python<'py>, chunks: &[Bytes]) -> PyResult<Bound<'py, PyBytes>> {
    let len = chunks.iter().map(Bytes::len).sum::<usize>();
    // SAFETY: null asks for an object with room for `len` bytes, which are ours to write until anybody else sees it; the
    // chunks fill it exactly, as its length is their sum. A failed allocation is null with an exception set.
    unsafe {
        let object = ffi::PyBytes_FromStringAndSize(std::ptr::null(), len.cast_signed());
        let bytes = Bound::from_owned_ptr_or_err(py, object)?;
        let mut at = ffi::PyBytes_AsString(object).cast::<u8>();
        for chunk in chunks {
            std::ptr::copy_nonoverlapping(chunk.as_ptr(), at, chunk.len());
            at = at.add(chunk.len());
        }
        Ok(bytes.cast_into_unchecked())
    }
}
