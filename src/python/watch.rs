//! Who has been running one job for too long, and what follows from it (`--timeout`, `--slow-request`,
//! `--stream-threads`).
//!
//! A job that nobody has an answer to in time is answered 504 on the application's behalf, and its thread counts as
//! stuck until it comes back. A thread that sends a response that lasts is no use to others meanwhile. Fresh threads
//! stand in for both, up to a number for each. Looked at by the front, on its ticks; the clock of a job starts when a
//! thread takes it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::seat::{Away, Running};
use crate::exchange::Replies;
use crate::exchange::ticket::Stage;
use crate::semantics::fault::Fault;

/// A response that lasts longer than this while requests wait for a thread is a stream.
const STREAM_WHILE_OTHERS_WAIT: Duration = Duration::from_millis(50);
/// And any that lasts longer than this.
const STREAM: Duration = Duration::from_secs(1);

/// What a look at a job has found for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Its client has been waiting for longer than `--slow-request`.
    Slow,
    /// It takes longer than `--timeout`.
    Overdue,
}

/// How long a job may take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    /// `--slow-request`; `None`: nobody wants to know.
    pub slow: Option<Duration>,
    /// `--timeout`; `None`: for ever.
    pub timeout: Option<Duration>,
}

/// The limits, and the counts that they apply to.
pub struct Watch {
    patience: Patience,
    /// Streams that others stand in for (`--stream-threads`), and stuck threads that others stand in for.
    most_streams: usize,
    most_stuck: usize,
    streams: AtomicUsize,
    /// Stuck threads that others stand in for.
    replaced: AtomicUsize,
    stuck: AtomicUsize,
    /// Streams found in this round of looks that nobody stands in for.
    crowd: AtomicUsize,
    replies: Replies,
    told_full: AtomicBool,
}

impl Watch {
    /// Jobs may take what `patience` says; at most `most_streams` streams and `most_stuck` stuck threads have a stand-in. Where that
    /// is not enough, `replies` is told that no stream may begin.
    #[must_use]
    pub fn new(patience: Patience, most_streams: usize, most_stuck: usize, replies: Replies) -> Self {
        Self {
            patience,
            most_streams,
            most_stuck,
            streams: AtomicUsize::new(0),
            replaced: AtomicUsize::new(0),
            stuck: AtomicUsize::new(0),
            crowd: AtomicUsize::new(0),
            replies,
            told_full: AtomicBool::new(false),
        }
    }

    /// Threads that may stand in for others.
    #[must_use]
    pub fn stand_ins(&self) -> usize {
        self.most_streams + self.most_stuck
    }

    /// Threads that do not come back from their job.
    #[must_use]
    pub fn stuck(&self) -> usize {
        self.stuck.load(Ordering::Relaxed)
    }

    /// So many of a pool of `threads` hang that only a new process helps: half of it, and more than one.
    #[must_use]
    pub fn is_stuck(&self, threads: usize) -> bool {
        self.stuck() >= threads.div_ceil(2).max(2)
    }

    /// Threads that send a response that lasts, and that others stand in for.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    /// Looks at a job, `waits`: while others wait for a thread. Sets why its thread is away.
    pub fn look(&self, running: &mut Running, now: Instant, waits: bool) -> Option<Found> {
        let Patience { slow, timeout } = self.patience;
        let age = now.saturating_duration_since(running.since);
        let unheard = match running.ticket.stage() {
            Stage::Awaited => {
                if timeout.is_none_or(|timeout| age < timeout) {
                    let is_slow = !running.slow && slow.is_some_and(|slow| age >= slow);
                    running.slow |= is_slow;
                    return is_slow.then_some(Found::Slow);
                }
                if !running.ticket.decide() {
                    // The application has, at this moment.
                    return None;
                }
                running.ticket.took(age);
                running.ticket.put(Err(Fault::app_timeout()));
                age
            }
            Stage::Streaming => {
                let lasts = age > STREAM || (waits && age > STREAM_WHILE_OTHERS_WAIT);
                if lasts && running.away.is_none() {
                    if take_one(&self.streams, self.most_streams) {
                        running.away = Some(Away::Streaming);
                    } else {
                        self.crowd.fetch_add(1, Ordering::Relaxed);
                    }
                }
                return None;
            }
            Stage::Unheard => now.saturating_duration_since(*running.unheard_since.get_or_insert(now)),
        };
        if running.overdue || timeout.is_none_or(|timeout| unheard < timeout) {
            return None;
        }
        running.overdue = true;
        self.stuck.fetch_add(1, Ordering::Relaxed);
        if running.away.is_none() && take_one(&self.replaced, self.most_stuck) {
            running.away = Some(Away::Stuck);
        }
        Some(Found::Overdue)
    }

    /// All jobs were looked at, in a pool of `threads`: may more streams begin? As long as they leave half of the threads
    /// to others.
    pub fn looked(&self, threads: usize) {
        let crowd = self.crowd.swap(0, Ordering::Relaxed);
        let streams = self.streams();
        let full = streams >= self.most_streams && crowd >= threads / 2 && streams + crowd > 0;
        self.replies.refuse_streams(full);
        if full && !self.told_full.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                streams = streams + crowd,
                reason = "streams-full",
                "streamed responses hold all threads they may, so new ones are answered 503: raise --stream-threads"
            );
        }
    }

    /// The thread that ran this job has come back.
    pub fn is_back(&self, running: &Running) {
        if running.overdue {
            self.stuck.fetch_sub(1, Ordering::Relaxed);
        }
        match running.away {
            Some(Away::Streaming) => self.streams.fetch_sub(1, Ordering::Relaxed),
            Some(Away::Stuck) => self.replaced.fetch_sub(1, Ordering::Relaxed),
            None => return,
        };
    }
}

/// One more of `most`, if there is one.
fn take_one(count: &AtomicUsize, most: usize) -> bool {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < most).then_some(count + 1)).is_ok()
}
