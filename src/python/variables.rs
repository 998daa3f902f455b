//! Puts the operator's variables (`--env`, `--env-dir`) into the process environment, before anything is imported.
//!
//! Through `os.environ`, which in the wheel was filled long before; it passes them on to the C library, where everybody
//! else reads. Called once, on the main thread, while there is no other thread of ours: changing the environment under
//! a thread that reads it is undefined (setenv(3)).

use pyo3::prelude::*;

use crate::config::strays::DEV_LINK;
use crate::config::variables::Variables;

/// Sets all of them; what was there under the same name is replaced. What is between a supervisor and this process is not
/// the application's, nor that of processes it starts.
///
/// # Errors
/// What Python raised.
pub fn export(py: Python<'_>, variables: &Variables) -> PyResult<()> {
    let environ = py.import("os")?.getattr("environ")?;
    environ.call_method1("pop", (DEV_LINK, py.None()))?;
    for variable in variables.iter() {
        environ.set_item(&variable.name, &variable.value)?;
    }
    // The C library looks at TZ when it is told to, and then keeps that.
    if variables.get("TZ").is_some() {
        py.import("time")?.call_method0("tzset")?;
    }
    Ok(())
}
