//! Where every Python thread stands, and what request it is in: for a person who asks why nothing moves.
//!
//! Called by `server`, on a thread of its own that waits for the GIL.

use std::fmt::Write as _;
use std::time::Duration;

use http::Method;
use pyo3::prelude::*;

use super::crew::Seats;
use crate::semantics::path::in_ascii;

/// A request in a thread's hands.
#[derive(Debug)]
pub struct Held {
    /// The name of the thread.
    pub thread: String,
    /// Python's number for it.
    pub ident: u64,
    pub method: Method,
    /// As it came.
    pub path: String,
    /// Since the thread took it.
    pub age: Duration,
}

impl Held {
    /// The age in seconds, to a tenth.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        (self.age.as_secs_f64() * 10.0).floor() / 10.0
    }

    /// Method, path and age in words.
    #[must_use]
    pub fn request(&self) -> String {
        format!("{} {}, for {:.1} s", self.method, in_ascii(&self.path), self.age.as_secs_f64())
    }
}

/// The requests that threads are in, the oldest first. Needs no GIL.
#[must_use]
pub fn held(seats: &Seats) -> Vec<Held> {
    let mut held: Vec<Held> = seats
        .held(|running, ident, seat| {
            let (method, path) = (running.method.clone(), running.uri.path().to_owned());
            Held { thread: thread_name(seat), ident, method, path, age: running.since.elapsed() }
        })
        .collect();
    held.sort_by_key(|held| std::cmp::Reverse(held.age));
    held
}

/// What `threading` calls the thread of a seat.
#[must_use]
pub fn thread_name(seat: usize) -> String {
    format!("monopod-{}", seat + 1)
}

/// The stacks of the threads with these numbers; `None` for one that runs no Python code.
///
/// # Errors
/// What `traceback` raises.
pub fn of(py: Python<'_>, idents: &[u64]) -> PyResult<Vec<Option<String>>> {
    let frames = py.import("sys")?.call_method0("_current_frames")?;
    let format = py.import("traceback")?.getattr("format_stack")?;
    let stack = |ident: &u64| {
        let Ok(frame) = frames.get_item(ident) else { return Ok(None) };
        let lines: Vec<String> = format.call1((frame,))?.extract()?;
        Ok(Some(lines.concat()))
    };
    idents.iter().map(stack).collect()
}

/// The stacks of all Python threads, those in a request first.
///
/// # Errors
/// What `threading` and `traceback` raise.
pub fn all(py: Python<'_>, seats: &Seats) -> PyResult<String> {
    let held = held(seats);
    let frames = py.import("sys")?.call_method0("_current_frames")?;
    let format = py.import("traceback")?.getattr("format_stack")?;
    let mut threads: Vec<(usize, u64, String)> = Vec::new();
    for thread in py.import("threading")?.call_method0("enumerate")?.try_iter()? {
        let thread = thread?;
        let Ok(ident) = thread.getattr("ident")?.extract::<u64>() else { continue };
        let place = held.iter().position(|held| held.ident == ident).unwrap_or(usize::MAX);
        threads.push((place, ident, thread.getattr("name")?.str()?.extract()?));
    }
    threads.sort();
    let mut text = String::new();
    for (place, ident, name) in threads {
        let lines: Vec<String> = match frames.get_item(ident) {
            Ok(frame) => format.call1((frame,))?.extract()?,
            Err(_) => vec!["  in no Python code\n".to_owned()],
        };
        let request = held.get(place).map_or_else(String::new, |held| format!(": {}", held.request()));
        // Infallible for a String.
        let _ = writeln!(text, "Thread {name}{request}\n{}", lines.concat());
    }
    Ok(text)
}
