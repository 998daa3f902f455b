//! Exceptions and stacks as text, for a log record: one line of JSON, or lines below a line of text (`telemetry::line`).
//!
//! Called by `wsgi` and `python` where an exception of the application ends. Reports what it can: the application may have
//! broken what it takes to tell.

use std::cell::RefCell;

use pyo3::prelude::*;

/// A longer text loses its middle, in bytes: what raised stands at the end, and where it began at the beginning.
const MOST: usize = 64 << 10;

/// `error` with its traceback, its causes and its notes.
#[must_use]
pub fn of(py: Python<'_>, error: &PyErr) -> String {
    let format = || -> PyResult<String> {
        let lines = py.import("traceback")?.call_method1("format_exception", exception(py, error))?;
        Ok(lines.extract::<Vec<Bound<'_, PyAny>>>()?.iter().map(text).collect())
    };
    // Twice, as an exception meant for the application (`--timeout`) may come in between.
    let told = format().or_else(|_| format()).unwrap_or_else(|_| {
        let class = error.get_type(py);
        class.name().map_or_else(|_| "an exception that cannot be told".to_owned(), |name| text(name.as_any()))
    });
    shortened(told)
}

thread_local! {
    /// What [`tell`] tells of.
    static TOLD: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Has `say` tell of `error`, given its text. The calling thread [`told`] it meanwhile.
pub fn tell(py: Python<'_>, error: &PyErr, say: impl FnOnce(&str)) {
    let text = of(py, error);
    TOLD.set(Some(error.clone_ref(py)));
    let _done = Done;
    say(&text);
}

/// Nothing is told of any more, also after a panic.
struct Done;

impl Drop for Done {
    fn drop(&mut self) {
        TOLD.set(None);
    }
}

/// Type, value and traceback of the exception that the calling thread tells of.
#[must_use]
pub fn told(py: Python<'_>) -> Option<Exception<'_>> {
    TOLD.with_borrow(|told| told.as_ref().map(|error| exception(py, error)))
}

/// Type, value and traceback.
type Exception<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

/// Where the thread with Python's number `ident` stands, the innermost call last; `None` where it runs no Python code.
///
/// # Errors
/// What `traceback` raises.
pub fn of_thread(py: Python<'_>, ident: u64) -> PyResult<Option<String>> {
    let frames = py.import("sys")?.call_method0("_current_frames")?;
    let Ok(frame) = frames.get_item(ident) else { return Ok(None) };
    let lines: Vec<String> = py.import("traceback")?.call_method1("format_stack", (frame,))?.extract()?;
    Ok(Some(shortened(lines.concat())))
}

fn exception<'py>(py: Python<'py>, error: &PyErr) -> Exception<'py> {
    let traceback = error.traceback(py).map(Bound::into_any);
    (error.get_type(py).into_any(), error.value(py).clone().into_any(), traceback)
}

/// What has no UTF-8 form (a lone surrogate) is replaced.
fn text(line: &Bound<'_, PyAny>) -> String {
    line.str().map_or_else(|_| String::new(), |line| line.to_string_lossy().into_owned())
}

fn shortened(text: String) -> String {
    if text.len() <= MOST {
        return text;
    }
    let (head, tail) = (text.floor_char_boundary(MOST / 4), text.ceil_char_boundary(text.len() - MOST / 4 * 3));
    format!("{}\n... {} bytes ...\n{}", &text[..head], tail - head, &text[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_text_both_ends_are_kept() {
        assert_eq!(shortened("short".into()), "short");
        let text = format!("first{}last", "\u{e9}".repeat(MOST));
        let kept = shortened(text);
        assert!(kept.starts_with("first") && kept.ends_with("last") && kept.len() < MOST + 64, "{}", kept.len());
        assert!(kept.contains(" bytes ..."));
    }
}
