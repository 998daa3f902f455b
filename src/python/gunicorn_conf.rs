//! Evaluates a gunicorn.conf.py, which is a program in Python, for `monopod explain`.
//!
//! As gunicorn does it: the whole file is run in a module of its own, with the working directory on the path. What it
//! then defines is handed over as text. Knows nothing of what a name means.

use std::ffi::CString;

use pyo3::prelude::*;

/// A name that the file defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defined {
    pub name: String,
    pub kind: Kind,
    /// The value's text, or each item's; of a table its keys, of a function its name.
    pub values: Vec<String>,
    /// Where it was last given a value, as far as the source tells.
    pub line: Option<usize>,
    /// The value is not written there but computed.
    pub computed: bool,
    /// It comes from elsewhere.
    pub imported: bool,
}

/// What sort of value a name has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `None`.
    Nothing,
    /// Text, number, or several of them.
    Plain,
    Table,
    Callable,
}

/// Runs `text`, which is called `name` in tracebacks, with `directory` on the path.
///
/// # Errors
/// What the file raises, `SystemExit` too.
pub fn evaluate(py: Python<'_>, name: &str, text: &str, directory: &str) -> PyResult<Vec<Defined>> {
    let source = CString::new(include_str!("gunicorn_conf.py"))?;
    let module = PyModule::from_code(py, &source, c"monopod/gunicorn_conf.py", c"_monopod_gunicorn_conf")?;
    let rows: Vec<(String, String, Vec<String>, usize, bool)> =
        module.getattr("evaluate")?.call1((name, text, directory))?.extract()?;
    Ok(rows.into_iter().map(defined).collect())
}

fn defined((name, kind, values, line, computed): (String, String, Vec<String>, usize, bool)) -> Defined {
    let imported = kind.starts_with("imported");
    let kind = match kind.trim_start_matches("imported ") {
        "none" => Kind::Nothing,
        "table" => Kind::Table,
        "callable" => Kind::Callable,
        _ => Kind::Plain,
    };
    Defined { name, kind, values, line: (line > 0).then_some(line), computed, imported }
}
