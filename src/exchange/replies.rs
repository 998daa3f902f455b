//! The way back: replies go from pool threads to the async front in batches, one wake-up a batch.
//!
//! A pool thread puts a reply in the outbox and says nothing; it flushes when it runs out of jobs, when the
//! batch is full, or when the oldest reply has waited [`FLUSH_AFTER`]. One task of the front empties the
//! outbox and wakes each request on its own thread, which costs no system call there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::budget::Permit;
use super::file_slice::FileSlice;
use super::response::Reader;
use crate::semantics::fault::Fault;

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
    /// Comes chunk by chunk; `len`: bytes still to come, where the application declared Content-Length.
    Pipe { reader: Reader, len: Option<u64> },
    /// A real file that `wsgi.file_wrapper` handed over.
    File(FileSlice),
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
    /// Replies put in since the last flush; lets `flush` skip the lock.
    unflushed: AtomicUsize,
    ready: Notify,
}

#[derive(Debug, Default)]
struct Outbox {
    letters: Vec<(oneshot::Sender<Outcome>, Outcome)>,
    oldest: Option<Instant>,
}

impl Replies {
    /// A handle for one job, and the end on which its outcome arrives.
    #[must_use]
    pub fn handle(&self) -> (ReplyHandle, oneshot::Receiver<Outcome>) {
        let (sender, receiver) = oneshot::channel();
        (ReplyHandle { sender: Some(sender), replies: self.clone() }, receiver)
    }

    /// Wakes the front for what the outbox holds; whether it holds anything new.
    #[allow(clippy::must_use_candidate)] // most callers only want it done
    pub fn flush(&self) -> bool {
        let new = self.shared.unflushed.swap(0, Ordering::AcqRel) > 0;
        if new {
            self.shared.ready.notify_one();
        }
        new
    }

    /// Flushes when the batch is full or its oldest reply has waited long enough.
    pub fn flush_if_due(&self) {
        let unflushed = self.shared.unflushed.load(Ordering::Relaxed);
        if unflushed == 0 {
            return;
        }
        let due = unflushed >= FLUSH_COUNT
            || self.shared.outbox.lock().oldest.is_none_or(|oldest| oldest.elapsed() >= FLUSH_AFTER);
        if due {
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
                outbox.oldest = None;
            }
            if letters.is_empty() {
                self.shared.ready.notified().await;
                continue;
            }
            for (sender, outcome) in letters.drain(..) {
                // A refused send means that the client left; the outcome is dropped with it.
                drop(sender.send(outcome));
            }
        }
    }

    fn put(&self, sender: oneshot::Sender<Outcome>, outcome: Outcome) {
        {
            let mut outbox = self.shared.outbox.lock();
            if outbox.oldest.is_none() {
                outbox.oldest = Some(Instant::now());
            }
            outbox.letters.push((sender, outcome));
        }
        self.shared.unflushed.fetch_add(1, Ordering::AcqRel);
    }
}

/// Answers one job, once.
#[derive(Debug)]
pub struct ReplyHandle {
    sender: Option<oneshot::Sender<Outcome>>,
    replies: Replies,
}

impl ReplyHandle {
    /// Puts the outcome in the outbox; it leaves with the batch.
    pub fn send(mut self, outcome: Outcome) {
        if let Some(sender) = self.sender.take() {
            self.replies.put(sender, outcome);
        }
    }

    /// Sends the outcome at once: a head whose body is still being made.
    pub fn send_now(self, outcome: Outcome) {
        let replies = self.replies.clone();
        self.send(outcome);
        replies.flush();
    }

    /// The client has left: nobody waits for this answer.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.sender.as_ref().is_none_or(oneshot::Sender::is_closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::unnecessary_wraps)] // an Outcome is what handles send
    fn reply(text: &'static str) -> Outcome {
        Ok(Reply {
            status: StatusCode::OK,
            reason: None,
            headers: HeaderMap::new(),
            body: ReplyBody::Full(Bytes::from_static(text.as_bytes()), None),
        })
    }

    #[tokio::test]
    async fn a_batch_reaches_every_request_after_one_flush() {
        let replies = Replies::default();
        let front = replies.clone();
        tokio::spawn(async move { front.deliver().await });
        tokio::task::yield_now().await;

        let (first, got_first) = replies.handle();
        let (second, mut got_second) = replies.handle();
        first.send(reply("one"));
        tokio::task::yield_now().await;
        second.send(reply("two"));
        assert!(got_second.try_recv().is_err(), "held back until flushed");
        replies.flush();
        assert!(got_first.await.unwrap().is_ok());
        assert!(got_second.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_dropped_handle_is_seen_by_the_request_and_a_left_client_by_the_handle() {
        let replies = Replies::default();
        let (handle, got) = replies.handle();
        drop(handle);
        assert!(got.await.is_err());
        let (handle, got) = replies.handle();
        assert!(!handle.is_abandoned());
        drop(got);
        assert!(handle.is_abandoned());
    }

    #[test]
    fn a_full_batch_is_due_and_a_young_one_is_not() {
        let replies = Replies::default();
        for n in 1..=FLUSH_COUNT {
            let (handle, _) = replies.handle();
            handle.send(reply("x"));
            if n == 1 {
                replies.shared.outbox.lock().oldest = Some(Instant::now() + Duration::from_mins(1));
            }
            replies.flush_if_due();
            let left = replies.shared.unflushed.load(Ordering::Relaxed);
            assert_eq!(left, if n == FLUSH_COUNT { 0 } else { n });
        }
    }
}
