//! The way back: replies go from pool threads to the async front in batches, one wake-up a batch.
//!
//! A pool thread puts a reply in the outbox and says nothing; it flushes when it runs out of jobs, when the
//! batch is full, or when the oldest reply had waited [`FLUSH_AFTER`] as the last came. One task of the front empties the
//! outbox and wakes each request on its own thread, which costs no system call there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::budget::Permit;
use super::file_slice::FileSlice;
use super::named_file::NamedFile;
use super::response::Reader;
use super::ticket::{Ticket, Waiting};
use super::trail::Trail;
use crate::semantics::fault::Fault;
use crate::telemetry::metrics::Metrics;

/// Replies held back at most.
const FLUSH_COUNT: usize = 16;
/// How long the oldest reply may be held back while more jobs run.
const FLUSH_AFTER: Duration = Duration::from_micros(250);

/// Status, header section and body of a response, as the application gave them.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    /// The reason phrase where it is not the standard one (PEP 3333: kept).
    pub reason: Option<Bytes>,
    pub headers: HeaderMap,
    pub body: ReplyBody,
}

/// The body of a [`Reply`].
#[derive(Debug)]
pub enum ReplyBody {
    /// Complete, with the budget that it holds where it is large.
    Full(Bytes, Option<Permit>),
    /// Comes chunk by chunk; `len`: bytes still to come, where the application declared Content-Length. Boxed, or every reply
    /// would carry room for a reader through the stack.
    Pipe { reader: Box<Reader>, len: Option<u64> },
    /// A real file that `wsgi.file_wrapper` handed over.
    File(FileSlice),
    /// Not given: the application named a file instead.
    Named(Box<NamedFile>),
}

/// What becomes of a job.
pub type Outcome = Result<Reply, Fault>;

/// The outbox that all pool threads share; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Replies {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    outbox: Mutex<Outbox>,
    /// Replies put in since the last flush; lets `flush` skip the lock. Written with the lock held, but for the flush's own
    /// zero: one that is overwritten makes the next flush come sooner.
    unflushed: AtomicUsize,
    /// The batch is full, or its oldest reply had waited long enough when the last came.
    due: AtomicBool,
    ready: Notify,
    /// So many streams are being sent that none may begin.
    no_streams: AtomicBool,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Outbox {
    /// Tickets whose outcome has been put down.
    letters: Vec<Arc<Ticket>>,
    /// When the first of them was put in.
    first: Option<Instant>,
}

impl Replies {
    /// An empty outbox; how long the application took for each reply is counted in `metrics`.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { shared: Arc::new(Shared { metrics, ..Shared::default() }) }
    }

    /// A handle for one job, and the end on which its outcome arrives.
    #[must_use]
    pub fn handle(&self) -> (ReplyHandle, Waiting) {
        self.handle_on(None)
    }

    /// The same, for a job whose times go to `trail`.
    #[must_use]
    pub fn handle_on(&self, trail: Option<Arc<Trail>>) -> (ReplyHandle, Waiting) {
        let ticket = Arc::new(Ticket::new(trail));
        let handle = ReplyHandle { ticket: Arc::clone(&ticket), replies: self.clone(), taken: None };
        (handle, Waiting::new(ticket))
    }

    /// Whether replies whose body is made piece by piece are refused from now on.
    pub fn refuse_streams(&self, refuse: bool) {
        self.shared.no_streams.store(refuse, Ordering::Relaxed);
    }

    /// Wakes the front for what the outbox holds; whether it holds anything new.
    #[allow(clippy::must_use_candidate)] // most callers only want it done
    pub fn flush(&self) -> bool {
        self.shared.due.store(false, Ordering::Relaxed);
        let new = self.shared.unflushed.swap(0, Ordering::AcqRel) > 0;
        if new {
            self.shared.ready.notify_one();
        }
        new
    }

    /// Flushes when the batch is full or its oldest reply had waited long enough when the last came; for who has just put one in.
    pub fn flush_if_due(&self) {
        if self.shared.due.load(Ordering::Relaxed) {
            self.flush();
        }
    }

    /// Hands each reply to the request that waits for it; runs on the front for the server's life.
    pub async fn deliver(&self) {
        let mut letters = Vec::new();
        loop {
            {
                let mut outbox = self.shared.outbox.lock();
                std::mem::swap(&mut outbox.letters, &mut letters);
                outbox.first = None;
            }
            if letters.is_empty() {
                self.shared.ready.notified().await;
                continue;
            }
            for ticket in letters.drain(..) {
                ticket.wake();
            }
        }
    }

    fn put(&self, ticket: Arc<Ticket>, outcome: Outcome, taken: Option<Instant>) {
        let now = Instant::now();
        if let Some(taken) = taken {
            let took = now.duration_since(taken);
            self.shared.metrics.app.observe(took);
            ticket.took(took);
        }
        ticket.lay(outcome);
        let mut outbox = self.shared.outbox.lock();
        outbox.letters.push(ticket);
        let first = *outbox.first.get_or_insert(now);
        let unflushed = self.shared.unflushed.load(Ordering::Relaxed) + 1;
        if is_due(unflushed, now.duration_since(first)) {
            self.shared.due.store(true, Ordering::Relaxed);
        }
        self.shared.unflushed.store(unflushed, Ordering::Release);
    }
}

/// Whether so many replies, the last of which came so long after the first, are held back no longer.
fn is_due(replies: usize, span: Duration) -> bool {
    replies >= FLUSH_COUNT || span >= FLUSH_AFTER
}

/// Answers one job, once. Dropped unused, as by a panic in a pool thread, it answers 500.
#[derive(Debug)]
pub struct ReplyHandle {
    ticket: Arc<Ticket>,
    replies: Replies,
    taken: Option<Instant>,
}

impl ReplyHandle {
    /// A thread took the job at `now`.
    pub fn taken(&mut self, now: Instant) {
        self.taken = Some(now);
    }

    /// When a thread took it.
    #[must_use]
    pub fn taken_at(&self) -> Option<Instant> {
        self.taken
    }

    /// Puts the outcome in the outbox, where it leaves with the batch, unless the job was answered on its behalf.
    pub fn send(self, outcome: Outcome) {
        if self.ticket.decide() {
            self.replies.put(Arc::clone(&self.ticket), outcome, self.taken);
        }
    }

    /// Sends the outcome at once: a head whose body is still being made.
    pub fn send_now(self, outcome: Outcome) {
        let replies = self.replies.clone();
        self.send(outcome);
        replies.flush();
    }

    /// Nobody waits for this answer: the client has left, or was told that time is up.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.ticket.is_settled()
    }

    /// A body that is made piece by piece may begin.
    #[must_use]
    pub fn may_stream(&self) -> bool {
        !self.replies.shared.no_streams.load(Ordering::Relaxed)
    }

    /// What the front knows of the job.
    #[must_use]
    pub fn ticket(&self) -> &Arc<Ticket> {
        &self.ticket
    }
}

impl Drop for ReplyHandle {
    fn drop(&mut self) {
        if !self.ticket.is_settled() && self.ticket.decide() {
            self.replies.put(Arc::clone(&self.ticket), Err(Fault::internal()), self.taken);
            self.replies.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::task::{Context, Wake};

    #[allow(clippy::unnecessary_wraps)] // an Outcome is what handles send
    fn reply(text: &'static str) -> Outcome {
        Ok(Reply {
            status: StatusCode::OK,
            reason: None,
            headers: HeaderMap::new(),
            body: ReplyBody::Full(Bytes::from_static(text.as_bytes()), None),
        })
    }

    /// Whether it was woken.
    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn a_batch_reaches_every_request_after_one_flush() {
        let metrics = Arc::new(Metrics::default());
        let replies = Replies::new(Arc::clone(&metrics));
        let front = replies.clone();
        tokio::spawn(async move { front.deliver().await });
        tokio::task::yield_now().await;

        let (mut first, got_first) = replies.handle();
        first.taken(Instant::now().checked_sub(Duration::from_secs(7)).unwrap());
        let (second, mut got_second) = replies.handle();
        let woken = Arc::new(Woken::default());
        let waker = Arc::clone(&woken).into();
        assert!(Pin::new(&mut got_second).poll(&mut Context::from_waker(&waker)).is_pending());
        first.send(reply("one"));
        tokio::task::yield_now().await;
        second.send(reply("two"));
        tokio::task::yield_now().await;
        assert!(!woken.0.load(Ordering::SeqCst), "held back until flushed");
        replies.flush();
        tokio::task::yield_now().await;
        assert!(woken.0.load(Ordering::SeqCst));
        assert!(got_first.await.is_ok());
        assert!(got_second.await.is_ok());
        let (seconds, count) = (metrics.app.sum(), metrics.app.buckets().iter().sum::<u64>());
        assert!((7.0..60.0).contains(&seconds) && count == 1, "{seconds} s of {count}: no thread had the second");
    }

    #[tokio::test]
    async fn a_dropped_handle_is_seen_by_the_request_and_a_left_client_by_the_handle() {
        let replies = Replies::default();
        let front = replies.clone();
        tokio::spawn(async move { front.deliver().await });
        let (handle, got) = replies.handle();
        drop(handle);
        assert_eq!(got.await.unwrap_err(), Fault::internal());
        let (handle, got) = replies.handle();
        assert!(!handle.is_abandoned());
        drop(got);
        assert!(handle.is_abandoned());
    }

    /// After a reply that was put in when the first one had waited for `since`.
    fn unflushed_after_one_more(replies: &Replies, since: Duration) -> usize {
        replies.shared.outbox.lock().first = Instant::now().checked_sub(since);
        let (handle, _) = replies.handle();
        handle.send(reply("x"));
        replies.flush_if_due();
        replies.shared.unflushed.load(Ordering::Relaxed)
    }

    #[test]
    fn a_full_batch_is_due_and_a_young_one_is_not() {
        let replies = Replies::default();
        for round in 0..2 {
            for n in 1..=FLUSH_COUNT {
                // In the future, or a slow machine would make them due by time.
                replies.shared.outbox.lock().first = Some(Instant::now() + Duration::from_mins(1));
                let (handle, _) = replies.handle();
                handle.send(reply("x"));
                replies.flush_if_due();
                let left = replies.shared.unflushed.load(Ordering::Relaxed);
                assert_eq!(left, if n == FLUSH_COUNT { 0 } else { n }, "round {round}");
            }
        }
    }

    #[test]
    fn two_are_due_when_the_second_comes_late() {
        let replies = Replies::default();
        let future = Instant::now() + Duration::from_mins(1);
        replies.shared.outbox.lock().first = Some(future);
        let (handle, _) = replies.handle();
        handle.send(reply("x"));
        replies.flush_if_due();
        assert_eq!(replies.shared.unflushed.load(Ordering::Relaxed), 1);
        assert_eq!(unflushed_after_one_more(&replies, FLUSH_AFTER), 0);
        assert_eq!(unflushed_after_one_more(&replies, FLUSH_AFTER), 0, "the front has not come yet");
    }
}
