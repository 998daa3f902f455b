//! Where log lines go: into memory, and from there to standard output by a thread of its own.
//!
//! Whoever logs never waits for a reader: beyond [`MOST`] bytes lines are dropped and counted, and once the reader is back
//! one line tells how many. The descriptor is a duplicate made at the start, so what the application does to descriptor 1
//! is no matter.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use memchr::{memchr_iter, memrchr};
use parking_lot::{Condvar, Mutex};

use super::gate::Gate;
use crate::sys::fd;

/// Bytes that may wait for the thread, while as many are being written.
const MOST: usize = 8 << 20;
/// How long the thread lets lines gather: a busy server is not to wake it for each of them.
const GATHER: Duration = Duration::from_millis(2);
/// Bytes that are worth a write at once.
const ENOUGH: usize = 32 << 10;
/// Room that is kept for the next lines.
const KEPT: usize = 256 << 10;
/// How long the end of the process waits for a reader.
const PATIENCE: Duration = Duration::from_secs(1);
/// What is written at once to a pipe, so that the kernel keeps even the lines of other processes apart (PIPE_BUF).
const PORTION_OF_PIPE: usize = 4096;
const PORTION: usize = 64 << 10;

/// Makes the line that tells of so many dropped ones.
pub type TellDropped = dyn Fn(u64) -> String + Send + Sync;

/// The lines on their way. Shared by all who log, and by the thread that writes.
pub struct Sink {
    waiting: Mutex<Waiting>,
    /// There is something to write, or an end to come to.
    work: Condvar,
    /// Everything is written.
    idle: Condvar,
    dropped: AtomicU64,
    /// Also that of the application's `sys.stdout`.
    gate: Arc<Gate>,
    file: File,
    portion: usize,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Dropped, and not told yet.
    dropped: u64,
    /// The thread has taken lines that are not written yet.
    is_writing: bool,
    /// Nothing more is taken.
    is_closed: bool,
}

impl Sink {
    /// Lines go to a duplicate of descriptor `number` through `gate`; `tell` makes the line about dropped ones.
    ///
    /// # Errors
    /// No descriptor or no thread is to be had.
    pub fn start(number: i32, gate: Arc<Gate>, tell: Box<TellDropped>) -> io::Result<Arc<Self>> {
        let file = fd::duplicate(number)?;
        let portion = if fd::is_pipe(&file) { PORTION_OF_PIPE } else { PORTION };
        let sink = Arc::new(Self {
            waiting: Mutex::default(),
            work: Condvar::new(),
            idle: Condvar::new(),
            dropped: AtomicU64::new(0),
            gate,
            file,
            portion,
        });
        let writer = Arc::clone(&sink);
        thread::Builder::new().name("monopod-log".into()).spawn(move || writer.work(&*tell))?;
        Ok(sink)
    }

    /// Takes one whole line, or several.
    pub fn put(&self, line: &str) {
        if self.gate.is_child() {
            // There is no thread in a forked child, and the lock may be held for ever.
            drop(self.gate.write_lines(self.file.as_fd(), line.as_bytes()));
            return;
        }
        let mut waiting = self.waiting.lock();
        if waiting.is_closed {
            return;
        }
        if waiting.lines.len() + line.len() > MOST {
            waiting.dropped += 1;
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let (had, has) = (waiting.lines.len(), waiting.lines.len() + line.len());
        waiting.lines.extend_from_slice(line.as_bytes());
        drop(waiting);
        if had == 0 || (had < ENOUGH && has >= ENOUGH) {
            self.work.notify_one();
        }
    }

    /// Lines dropped so far, because nobody took them or because they could not be written.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Takes no more lines, and waits until all are written, for a second at most.
    pub fn close(&self) {
        if self.gate.is_child() {
            return;
        }
        let mut waiting = self.waiting.lock();
        waiting.is_closed = true;
        self.work.notify_one();
        while !waiting.lines.is_empty() || waiting.is_writing {
            if self.idle.wait_for(&mut waiting, PATIENCE).timed_out() {
                return;
            }
        }
    }

    fn work(&self, tell: &TellDropped) {
        let mut lines = Vec::new();
        loop {
            let dropped = {
                let mut waiting = self.waiting.lock();
                waiting.is_writing = false;
                while waiting.lines.is_empty() {
                    self.idle.notify_all();
                    if waiting.is_closed {
                        return;
                    }
                    self.work.wait(&mut waiting);
                }
                if waiting.lines.len() < ENOUGH && !waiting.is_closed {
                    self.work.wait_for(&mut waiting, GATHER);
                }
                std::mem::swap(&mut lines, &mut waiting.lines);
                waiting.is_writing = true;
                std::mem::take(&mut waiting.dropped)
            };
            self.write(&lines);
            if dropped > 0 {
                self.write(tell(dropped).as_bytes());
            }
            lines.clear();
            lines.shrink_to(KEPT);
        }
    }

    /// Writes whole lines, a portion at a time; the application's own lines come between two of them.
    fn write(&self, lines: &[u8]) {
        for portion in portions(lines, self.portion) {
            if self.gate.write_lines(self.file.as_fd(), portion).is_err() {
                self.dropped.fetch_add(memchr_iter(b'\n', portion).count() as u64, Ordering::Relaxed);
            }
        }
    }
}

/// Cuts `lines` into runs of whole lines of at most `most` bytes; a line that is longer stays whole.
fn portions(mut lines: &[u8], most: usize) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if lines.is_empty() {
            return None;
        }
        let ends_within = memrchr(b'\n', &lines[..lines.len().min(most)]);
        let end = ends_within.or_else(|| memchr::memchr(b'\n', lines)).map_or(lines.len(), |at| at + 1);
        let (portion, rest) = lines.split_at(end);
        lines = rest;
        Some(portion)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::fd::AsRawFd;

    #[test]
    fn portions_are_whole_lines() {
        let cut = |lines: &'static str| -> Vec<&str> {
            portions(lines.as_bytes(), 6).map(|portion| str::from_utf8(portion).unwrap()).collect()
        };
        assert_eq!(cut(""), Vec::<&str>::new());
        assert_eq!(cut("a\nb\nc\n"), ["a\nb\nc\n"]);
        assert_eq!(cut("a\nb\nc\nd\n"), ["a\nb\nc\n", "d\n"]);
        assert_eq!(cut("too long\nb\n"), ["too long\n", "b\n"]);
        assert_eq!(cut("a\ntoo long\nb\n"), ["a\n", "too long\n", "b\n"]);
        assert_eq!(cut("a\nno end"), ["a\n", "no end"]);
    }

    #[test]
    fn nobody_waits_for_a_reader_who_is_told_what_was_dropped() {
        let (reader, writer) = std::io::pipe().unwrap();
        let tell = Box::new(|dropped| format!("dropped {dropped}\n"));
        let sink = Sink::start(writer.as_raw_fd(), Arc::default(), tell).unwrap();
        drop(writer);
        let line = format!("{}\n", "x".repeat((64 << 10) - 1));
        // Twice what may wait, and the thread has at most as much in its hands, of which a pipe's part is written.
        let sent = 3 * MOST as u64 / line.len() as u64;
        for _ in 0..sent {
            sink.put(&line);
        }
        let dropped = sink.dropped();
        assert!(dropped > 0 && dropped < sent, "{dropped}");
        let mut reader = BufReader::new(reader).lines().map(Result::unwrap);
        let told = reader.by_ref().take_while(|line| line.starts_with('x')).count() as u64;
        // `take_while` has taken the line that tells.
        assert_eq!(told, sent - dropped);
        sink.put("goes on\n");
        assert_eq!(reader.next().unwrap(), "goes on");
        sink.put("the last\n");
        sink.close();
        sink.put("too late\n");
        assert_eq!((reader.next().unwrap().as_str(), sink.dropped()), ("the last", dropped));
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        let (reader, writer) = std::io::pipe().unwrap();
        let sink = Sink::start(writer.as_raw_fd(), Arc::default(), Box::new(|_| String::new())).unwrap();
        drop(reader);
        sink.put("one\ntwo\n");
        sink.close();
        assert_eq!(sink.dropped(), 2);
    }
}
