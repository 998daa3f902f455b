//! One job's ticket: the place where its outcome is put, and what each side must know of the other meanwhile.
//!
//! The request that waits holds one end ([`Waiting`]), the job's reply handle and whoever watches the clock share the
//! other. Whoever decides first answers: the application, or the front on its behalf when time is up. No wake-up but
//! the one of an outcome.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;

use super::replies::Outcome;
use super::trail::Trail;

/// An outcome is there or on its way.
const DECIDED: u8 = 1;
/// Nobody waits for the outcome, or for the rest of a streamed body, any more.
const LEFT: u8 = 2;
/// The outcome's body is still being made.
const STREAMS: u8 = 4;

/// Shared by all who have to do with one job.
#[derive(Debug, Default)]
pub struct Ticket {
    flags: AtomicU8,
    place: Mutex<Place>,
    /// Where its times are written down, if anybody wants them.
    trail: Option<Arc<Trail>>,
}

#[derive(Debug, Default)]
struct Place {
    outcome: Option<Outcome>,
    waker: Option<Waker>,
}

/// How far a job is, as the clock's watcher needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its client waits for an answer.
    Awaited,
    /// Its client reads while the body is made.
    Streaming,
    /// What it still does reaches nobody: it is answered, or its client has left.
    Unheard,
}

impl Ticket {
    /// A ticket whose times go to `trail`.
    #[must_use]
    pub fn new(trail: Option<Arc<Trail>>) -> Self {
        Self { trail, ..Self::default() }
    }

    /// The job waited so long for a thread.
    pub fn waited(&self, time: Duration) {
        if let Some(trail) = &self.trail {
            trail.waited(time);
        }
    }

    /// The application took so long for the head of its answer, or until others had to answer.
    pub fn took(&self, time: Duration) {
        if let Some(trail) = &self.trail {
            trail.took(time);
        }
    }

    /// Claims the right to answer, which one caller gets, once.
    #[must_use]
    pub fn decide(&self) -> bool {
        self.flags.fetch_or(DECIDED, Ordering::AcqRel) & DECIDED == 0
    }

    /// Puts what was decided where the request finds it, and wakes it; on the front's thread that is no system call.
    pub fn put(&self, outcome: Outcome) {
        self.lay(outcome);
        self.wake();
    }

    /// Puts what was decided where the request finds it, once it is woken.
    pub fn lay(&self, outcome: Outcome) {
        let mut place = self.place.lock();
        // Dropped after the lock: an outcome nobody waits for may hold a file.
        let mut unheard = None;
        if self.has(LEFT) {
            unheard = Some(outcome);
        } else {
            // The first and only one.
            place.outcome = Some(outcome);
        }
        drop(place);
        drop(unheard);
    }

    /// Wakes the request.
    pub fn wake(&self) {
        let waker = self.place.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The outcome that was decided has a body that is still being made.
    pub fn streams(&self) {
        self.flags.fetch_or(STREAMS, Ordering::AcqRel);
    }

    /// Nobody waits any more.
    pub fn leave(&self) {
        self.flags.fetch_or(LEFT, Ordering::AcqRel);
    }

    /// Nobody waits any more.
    #[must_use]
    pub fn is_left(&self) -> bool {
        self.has(LEFT)
    }

    /// An answer of the caller's would reach nobody: there is one already, or nobody waits for it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.has(LEFT | DECIDED)
    }

    /// How far the job is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.flags.load(Ordering::Acquire) {
            flags if flags & LEFT != 0 => Stage::Unheard,
            flags if flags & STREAMS != 0 => Stage::Streaming,
            flags if flags & DECIDED != 0 => Stage::Unheard,
            _ => Stage::Awaited,
        }
    }

    fn has(&self, any: u8) -> bool {
        self.flags.load(Ordering::Acquire) & any != 0
    }
}

/// The request's end: a future of the outcome. Dropping it before says that nobody waits any more.
#[derive(Debug)]
pub struct Waiting(Option<Arc<Ticket>>);

impl Waiting {
    /// Waits for what is put into `ticket`.
    #[must_use]
    pub fn new(ticket: Arc<Ticket>) -> Self {
        Self(Some(ticket))
    }
}

impl Future for Waiting {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        // A future is not polled again once it was ready.
        let Some(ticket) = &self.0 else { return Poll::Pending };
        let mut place = ticket.place.lock();
        let Some(outcome) = place.outcome.take() else {
            if place.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
                place.waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        };
        drop(place);
        self.0 = None;
        Poll::Ready(outcome)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(ticket) = self.0.take() else { return };
        ticket.leave();
        // What was put in the meantime has no reader.
        let unheard = ticket.place.lock().outcome.take();
        drop(unheard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::fault::Fault;

    #[tokio::test]
    async fn the_first_to_decide_answers() {
        let ticket = Arc::new(Ticket::default());
        let waiting = Waiting::new(Arc::clone(&ticket));
        assert_eq!(ticket.stage(), Stage::Awaited);
        assert!(ticket.decide() && !ticket.decide());
        ticket.put(Err(Fault::queue_timeout()));
        assert_eq!(waiting.await.unwrap_err(), Fault::queue_timeout());
        assert!(ticket.is_settled() && !ticket.is_left());
        assert_eq!(ticket.stage(), Stage::Unheard);
    }

    #[test]
    fn a_client_that_left_is_seen_and_a_body_in_the_making_too() {
        let ticket = Arc::new(Ticket::default());
        drop(Waiting::new(Arc::clone(&ticket)));
        assert!(ticket.is_left() && ticket.is_settled());
        ticket.put(Err(Fault::internal()));
        assert!(ticket.place.lock().outcome.is_none(), "kept for nobody");

        let ticket = Ticket::default();
        assert!(ticket.decide());
        ticket.streams();
        assert_eq!(ticket.stage(), Stage::Streaming);
        ticket.leave();
        assert_eq!(ticket.stage(), Stage::Unheard);
    }
}
