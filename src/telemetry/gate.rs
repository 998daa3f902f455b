//! One writer at a time to what may be one pipe: the log, and the application's `sys.stdout` and `sys.stderr`.
//!
//! The kernel keeps writes to a pipe apart up to PIPE_BUF only (pipe(7)), so the writers of this process keep themselves
//! apart. Held by [`super::sink`] and by `python::streams`. Whoever holds the gate may wait for the reader of the pipe, as
//! everybody else who writes to it would.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::sys::fd;

/// The way to one open file.
#[derive(Debug, Default)]
pub struct Gate {
    lock: Mutex<()>,
    /// What was written last did not end its line.
    mid_line: AtomicBool,
    /// This is a child that was forked without exec: the lock may be held by a thread that is not there any more.
    is_child: AtomicBool,
}

impl Gate {
    /// Gates for standard output and standard error: one where both lead to the same place.
    #[must_use]
    pub fn pair() -> [Arc<Self>; 2] {
        let output = Arc::new(Self::default());
        let error = if fd::is_same(1, 2) { Arc::clone(&output) } else { Arc::default() };
        [output, error]
    }

    /// Writes all of `bytes`, which may be any part of a line, to descriptor `number`.
    ///
    /// # Errors
    /// What `write(2)` says.
    pub fn write(&self, number: i32, bytes: &[u8]) -> io::Result<()> {
        let Some(last) = bytes.last() else { return Ok(()) };
        let _held = self.hold();
        self.mid_line.store(*last != b'\n', Ordering::Relaxed);
        fd::write_to(number, bytes)
    }

    /// Writes whole `lines`, from the beginning of a line.
    ///
    /// # Errors
    /// What `write(2)` says.
    pub fn write_lines(&self, fd: BorrowedFd<'_>, lines: &[u8]) -> io::Result<()> {
        let _held = self.hold();
        if self.mid_line.swap(false, Ordering::Relaxed) {
            fd::write_all(fd, b"\n")?;
        }
        fd::write_all(fd, lines)
    }

    /// The calling process was forked from the one that these gates are of; it has one thread.
    pub fn forked(&self) {
        self.is_child.store(true, Ordering::Relaxed);
    }

    /// Whether [`Gate::forked`] was called.
    #[must_use]
    pub fn is_child(&self) -> bool {
        self.is_child.load(Ordering::Relaxed)
    }

    fn hold(&self) -> Option<parking_lot::MutexGuard<'_, ()>> {
        (!self.is_child()).then(|| self.lock.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::{AsFd, AsRawFd};

    #[test]
    fn a_whole_line_begins_where_a_line_begins() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let gate = Gate::default();
        gate.write(writer.as_raw_fd(), b"whole\nhalf").unwrap();
        gate.write_lines(writer.as_fd(), b"ours\n").unwrap();
        gate.write_lines(writer.as_fd(), b"ours again\n").unwrap();
        gate.write(writer.as_raw_fd(), b"").unwrap();
        gate.write(writer.as_raw_fd(), b" and half\n").unwrap();
        gate.write_lines(writer.as_fd(), b"last\n").unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "whole\nhalf\nours\nours again\n and half\nlast\n");
    }

    #[test]
    fn a_forked_child_does_not_wait_for_a_thread_that_is_not_there() {
        let gate = Gate::default();
        let held = gate.hold();
        gate.forked();
        assert!(gate.hold().is_none());
        drop(held);
    }
}
