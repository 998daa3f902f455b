//! A progress bar for commands that take a while: on standard error, and only where that is a terminal.
//!
//! Called from several threads at once. A thread that finds another one drawing goes on with its work.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// More often is not seen.
const INTERVAL: Duration = Duration::from_millis(50);

const CELLS: u64 = 30;

/// One line that is drawn over and over, and gone when this is dropped.
#[derive(Debug)]
pub struct Bar {
    what: &'static str,
    /// When it was drawn last. None: there is no terminal.
    drawn: Option<Mutex<Option<Instant>>>,
}

impl Bar {
    /// A bar for what is being done; nothing is drawn before the first [`show`](Self::show).
    #[must_use]
    pub fn new(what: &'static str) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { what, drawn: (std::io::stderr().is_terminal() && !dumb).then(Mutex::default) }
    }

    /// Draws `done` of `all`, unless that was done a moment ago.
    pub fn show(&self, done: u64, all: u64) {
        let Some(mut drawn) = self.drawn.as_ref().and_then(Mutex::try_lock) else { return };
        let now = Instant::now();
        if drawn.is_none_or(|last| now.duration_since(last) >= INTERVAL) {
            *drawn = Some(now);
            write(&format!("\r{}\x1b[K", line(self.what, done, all)));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.drawn.take().is_some_and(|drawn| drawn.into_inner().is_some()) {
            write("\r\x1b[K");
        }
    }
}

fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}

fn line(what: &str, done: u64, all: u64) -> String {
    let share = |of: u64| u64::try_from(u128::from(done.min(all)) * u128::from(of) / u128::from(all.max(1)));
    let (cells, percent) = (share(CELLS).unwrap_or(CELLS), share(100).unwrap_or(100));
    let bar: String = (0..CELLS).map(|cell| if cell < cells { '#' } else { '.' }).collect();
    format!("{what} [{bar}] {percent:3} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fills() {
        assert_eq!(line("packing", 0, 10), "packing [..............................]   0 %");
        assert_eq!(line("packing", 5, 10), "packing [###############...............]  50 %");
        assert_eq!(line("packing", 10, 10), "packing [##############################] 100 %");
        assert_eq!(line("packing", 9, 0), line("packing", 0, 10));
        assert_eq!(line("packing", u64::MAX, u64::MAX), line("packing", 10, 10));
    }
}
