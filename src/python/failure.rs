//! An exception of the application as data: what `monopod dev` shows in the browser when the import fails.
//!
//! Made by `server` where it also goes to the terminal. Tells what a traceback tells, with the lines around, and nothing
//! that only the running program knows: no local variables, no environment.

use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use super::traceback;

/// Lines shown before and after the one that counts.
const AROUND: usize = 5;
/// Of a chain of exceptions, and of a recursion, only so much is shown; the text has the rest.
const MOST_EXCEPTIONS: usize = 8;
const MOST_FRAMES: usize = 100;
/// A longer line is some data.
const LONGEST_LINE: usize = 400;

/// Why there is no application to answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// In one sentence, and what to do.
    pub sentence: String,
    /// As Python prints it; empty: nothing was raised.
    pub text: String,
    /// In the order in which Python prints them, so that the last one ended it.
    pub exceptions: Vec<Raised>,
}

/// One exception.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raised {
    /// `KeyError`, `django.core.exceptions.ImproperlyConfigured`.
    pub kind: String,
    pub message: String,
    /// What leads to the next one.
    pub leads: String,
    /// The innermost last; of a syntax error the place it is at is the last one.
    pub frames: Vec<Frame>,
}

/// A place in the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    pub file: String,
    pub line: usize,
    pub function: String,
    /// The lines around it, with their numbers.
    pub source: Vec<(usize, String)>,
    /// What part of the line is meant, in characters: from, and up to.
    pub mark: Option<(usize, usize)>,
}

/// `exception` with its causes; `sentence` is what the terminal is told besides.
#[must_use]
pub fn of(py: Python<'_>, exception: &PyErr, sentence: &str) -> Failure {
    let text = traceback::of(py, exception);
    let exceptions = chain(py, exception).unwrap_or_default();
    Failure { sentence: sentence.to_owned(), text, exceptions }
}

fn chain(py: Python<'_>, exception: &PyErr) -> PyResult<Vec<Raised>> {
    let told = py.import("traceback")?.getattr("TracebackException")?;
    let mut next = Some(told.call_method1("from_exception", (exception.value(py),))?);
    let mut chain: Vec<Raised> = Vec::new();
    let mut leads = "";
    while let Some(told) = next.take().filter(|_| chain.len() < MOST_EXCEPTIONS) {
        chain.push(raised(&told, leads)?);
        let (cause, context) = (told.getattr("__cause__")?, told.getattr("__context__")?);
        if !cause.is_none() {
            leads = "was the direct cause of";
            next = Some(cause);
        } else if !context.is_none() && !told.getattr("__suppress_context__")?.is_truthy()? {
            leads = "was being handled when there came";
            next = Some(context);
        }
    }
    chain.reverse();
    Ok(chain)
}

fn raised(told: &Bound<'_, PyAny>, leads: &str) -> PyResult<Raised> {
    let py = told.py();
    let said: Vec<String> =
        told.call_method0("format_exception_only")?.try_iter()?.map(|line| text(&line?)).collect::<PyResult<_>>()?;
    let mut frames: Vec<Frame> = Vec::new();
    let stack: Vec<Bound<'_, PyAny>> = told.getattr("stack")?.try_iter()?.collect::<PyResult<_>>()?;
    for summary in stack.iter().skip(stack.len().saturating_sub(MOST_FRAMES)) {
        // The import system's own, which Python leaves out too.
        if !text(&summary.getattr("filename")?)?.starts_with("<frozen importlib") {
            frames.push(frame(py, summary)?);
        }
    }
    // A syntax error has its place in itself: the file was never run.
    let place = told.getattr_opt("filename")?.filter(|name| !name.is_none());
    let (kind, message) = if let Some(name) = place {
        frames.push(syntax(py, told, &text(&name)?)?);
        let last = said.iter().rev().find(|line| !line.starts_with(' ')).cloned().unwrap_or_default();
        (last.split(':').next().unwrap_or_default().trim().to_owned(), text(&told.getattr("msg")?)?)
    } else {
        let whole = said.concat();
        let (kind, message) = whole.split_once(": ").unwrap_or((whole.trim_end(), ""));
        (kind.to_owned(), message.trim_end().to_owned())
    };
    Ok(Raised { kind, message, leads: leads.to_owned(), frames })
}

fn frame(py: Python<'_>, summary: &Bound<'_, PyAny>) -> PyResult<Frame> {
    let number = |name: &str| -> PyResult<Option<usize>> {
        summary.getattr_opt(name)?.map_or(Ok(None), |value| value.extract())
    };
    let file = text(&summary.getattr("filename")?)?;
    let line = number("lineno")?.unwrap_or(0);
    let source = around(py, &file, line)?;
    // From Python 3.11 on, in bytes of the line.
    let mark = match (number("colno")?, number("end_colno")?, number("end_lineno")?) {
        (Some(from), Some(to), end) if end == Some(line) => {
            let of_line = source.iter().find(|(number, _)| *number == line).map_or("", |(_, text)| text);
            let characters = |bytes: usize| of_line.get(..bytes).map_or(bytes, |text| text.chars().count());
            // Python underlines nothing where all of it is meant.
            let all = of_line.trim();
            let part = of_line.get(from..to).unwrap_or_default();
            (part != all).then(|| (characters(from), characters(to)))
        }
        _ => None,
    };
    Ok(Frame { source, file, line, function: text(&summary.getattr("name")?)?, mark })
}

fn syntax(py: Python<'_>, told: &Bound<'_, PyAny>, file: &str) -> PyResult<Frame> {
    let number = |name: &str| -> Option<usize> { told.getattr_opt(name).ok()??.extract::<String>().ok()?.parse().ok() };
    let count = |name: &str| -> Option<usize> { number(name).or_else(|| told.getattr_opt(name).ok()??.extract().ok()) };
    let line = count("lineno").unwrap_or(0);
    // In characters from 1 on; without an end, or one on another line, one character is meant.
    let mark = count("offset").filter(|from| *from > 0).map(|from| {
        let is_on_line = count("end_lineno").is_none_or(|end| end == line);
        let to = count("end_offset").filter(|to| *to > from && is_on_line).unwrap_or(from + 1);
        (from - 1, to - 1)
    });
    Ok(Frame { file: file.to_owned(), line, function: String::new(), source: around(py, file, line)?, mark })
}

/// The lines around `line`, as they are in the file now.
fn around(py: Python<'_>, file: &str, line: usize) -> PyResult<Vec<(usize, String)>> {
    let linecache = py.import("linecache")?;
    linecache.call_method1("checkcache", (file,))?;
    let lines: Vec<Bound<'_, PyAny>> = linecache.call_method1("getlines", (file,))?.extract()?;
    let first = line.saturating_sub(AROUND + 1);
    let shown = lines.iter().enumerate().skip(first).take(line + AROUND - first);
    shown.map(|(at, line)| Ok((at + 1, shortened(text(line)?.trim_end_matches(['\r', '\n']))))).collect()
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// What has no UTF-8 form (a lone surrogate) is replaced.
fn text(value: &Bound<'_, PyAny>) -> PyResult<String> {
    Ok(value.str()?.to_string_lossy().into_owned())
}
