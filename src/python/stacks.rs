//! Where every Python thread stands, and what request it is in: for a person who asks why nothing moves.
//!
//! Called by `server`, on a thread of its own that waits for the GIL.

use std::fmt::Write as _;
use std::time::Duration;

use pyo3::prelude::*;

use super::crew::Seats;
use crate::semantics::path::in_ascii;

/// A request in a thread's hands.
#[derive(Debug)]
pub struct Held {
    /// The name of the thread.
    pub thread: String,
    /// Python's number for it.
    ident: u64,
    /// Method, path and age.
    pub request: String,
    age: Duration,
}

/// The requests that threads are in, the oldest first. Needs no GIL.
#[must_use]
pub fn held(seats: &Seats) -> Vec<Held> {
    let mut held: Vec<Held> = seats
        .held(|running, ident, seat| {
            let age = running.since.elapsed();
            let (method, path, seconds) = (&running.method, in_ascii(running.uri.path()), age.as_secs_f64());
            let request = format!("{method} {path}, for {seconds:.1} s");
            Held { thread: thread_name(seat), ident, request, age }
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
        let request = held.get(place).map_or_else(String::new, |held| format!(": {}", held.request));
        // Infallible for a String.
        let _ = writeln!(text, "Thread {name}{request}\n{}", lines.concat());
    }
    Ok(text)
}
