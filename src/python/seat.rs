//! One thread's place in the pool: who sits there, and which job is in their hands.
//!
//! The thread writes it at the beginning and end of each job; the front reads it to see what takes too long, and
//! whoever has the pool to interrupt it. Knows nothing of Python but the number it gives a thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use http::{Method, Uri};
use parking_lot::{Mutex, MutexGuard};

use crate::exchange::{Job, RequestId, Ticket};
use crate::sys::thread::ThreadClock;

/// A place that one thread at a time takes.
#[derive(Default)]
pub struct Seat {
    sitter: Mutex<Option<Sitter>>,
    woken: AtomicBool,
    running: Mutex<Option<Running>>,
}

struct Sitter {
    thread: Thread,
    clock: Option<ThreadClock>,
    ident: u64,
}

/// A job in a thread's hands.
pub struct Running {
    pub ticket: Arc<Ticket>,
    pub method: Method,
    pub uri: Uri,
    pub id: RequestId,
    pub since: Instant,
    /// Since when what it does has reached nobody, as far as anybody has looked.
    pub unheard_since: Option<Instant>,
    /// Why its thread does not count as one of the pool's, where it does not.
    pub away: Option<Away>,
    /// It has been found to be slow (`--slow-request`).
    pub slow: bool,
    /// It has been found to take too long.
    pub overdue: bool,
    /// An exception was raised in its thread.
    pub interrupted: bool,
}

/// A job that somebody has found to take long, to be told of also when it has ended since.
#[derive(Clone, Debug)]
pub struct Late {
    pub ticket: Arc<Ticket>,
    pub method: Method,
    pub uri: Uri,
    pub id: RequestId,
    pub since: Instant,
}

impl Running {
    /// What to tell of it.
    #[must_use]
    pub fn late(&self) -> Late {
        let Self { ticket, method, uri, id, since, .. } = self;
        let (ticket, method, uri, id) = (Arc::clone(ticket), method.clone(), uri.clone(), id.clone());
        Late { ticket, method, uri, id, since: *since }
    }
}

/// Why a fresh thread may take this one's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Away {
    /// It sends a response that lasts.
    Streaming,
    /// It does not come back (`--timeout`).
    Stuck,
}

impl Seat {
    /// The calling thread takes the place; `ident` is Python's number for it (`threading.get_ident()`).
    pub fn take(&self, ident: u64) {
        let clock = ThreadClock::current().ok();
        *self.sitter.lock() = Some(Sitter { thread: std::thread::current(), clock, ident });
    }

    /// CPU time of the thread; zero where that cannot be told.
    #[must_use]
    pub fn clock(&self) -> Duration {
        let clock = self.sitter.lock().as_ref().and_then(|sitter| sitter.clock);
        clock.and_then(ThreadClock::read).unwrap_or_default()
    }

    /// Ends a [`Seat::park`], also one that has not begun.
    pub fn wake(&self) {
        self.woken.store(true, Ordering::Release);
        if let Some(sitter) = &*self.sitter.lock() {
            sitter.thread.unpark();
        }
    }

    /// Blocks until woken; for the thread that sits here.
    pub fn park(&self) {
        while !self.woken.swap(false, Ordering::Acquire) {
            std::thread::park();
        }
    }

    /// The thread begins with `job`.
    pub fn begin(&self, job: &Job) {
        let parts = &job.head.parts;
        *self.running.lock() = Some(Running {
            ticket: Arc::clone(job.reply.ticket()),
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            id: job.head.id.clone(),
            since: job.reply.taken_at().unwrap_or_else(Instant::now),
            unheard_since: None,
            away: None,
            slow: false,
            overdue: false,
            interrupted: false,
        });
    }

    /// The thread is done with its job: a last look at it, if there was one.
    pub fn end<T>(&self, look: impl FnOnce(&Running) -> T) -> Option<T> {
        let mut running = self.running.lock();
        let seen = running.as_ref().map(look);
        // Where it is, which moves nothing.
        *running = None;
        seen
    }

    /// The job in the thread's hands, for as long as the lock is held.
    pub fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock()
    }

    /// Looks at the job in the thread's hands, if it is still that of `ticket`, and at Python's number for the thread.
    pub fn job<T>(&self, ticket: &Arc<Ticket>, look: impl FnOnce(&Running, u64) -> T) -> Option<T> {
        let running = self.running.lock();
        let running = running.as_ref().filter(|running| Arc::ptr_eq(&running.ticket, ticket))?;
        Some(look(running, self.ident()?))
    }

    /// Does `interrupt` to the thread, given Python's number for it, while it cannot end the job of `ticket`; not at all if
    /// it has ended it already. `interrupt` must not let go of the GIL.
    pub fn interrupt(&self, ticket: &Arc<Ticket>, interrupt: impl FnOnce(u64)) {
        let mut running = self.running.lock();
        let running = running.as_mut().filter(|running| Arc::ptr_eq(&running.ticket, ticket));
        if let (Some(running), Some(ident)) = (running, self.ident()) {
            running.interrupted = true;
            interrupt(ident);
        }
    }

    /// Python's number for the thread.
    pub fn ident(&self) -> Option<u64> {
        self.sitter.lock().as_ref().map(|sitter| sitter.ident)
    }
}
