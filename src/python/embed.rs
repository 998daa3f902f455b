//! Starts the interpreter inside the native binary, as the chosen environment's `python3` would start; and what else of
//! CPython's C API has no safe face.
//!
//! PyConfig's `executable` is set to that python, so CPython's own path search finds `pyvenv.cfg`, `sys.prefix`
//! and site-packages (PEP 587, PEP 405). Signal handlers stay ours. The wheel never comes here.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use pyo3::ffi;
use pyo3::prelude::*;

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
