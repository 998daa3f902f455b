//! What is learnt of one request on its way through the process, for its access record.
//!
//! Made by `stack` where there is an access log, written by the queue and by whoever answers, read when the request ends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::request_id::RequestId;

/// No such time.
const UNKNOWN: u64 = u64::MAX;

/// The request's id, and where its time went.
#[derive(Debug)]
pub struct Trail {
    pub id: RequestId,
    queue: AtomicU64,
    app: AtomicU64,
}

impl Trail {
    /// Of a request that has just come.
    #[must_use]
    pub fn new(id: RequestId) -> Self {
        Self { id, queue: AtomicU64::new(UNKNOWN), app: AtomicU64::new(UNKNOWN) }
    }

    /// It waited so long for a thread.
    pub fn waited(&self, time: Duration) {
        self.queue.store(nanos(time), Ordering::Relaxed);
    }

    /// The application took so long for the head of its answer, or until others had to answer.
    pub fn took(&self, time: Duration) {
        self.app.store(nanos(time), Ordering::Relaxed);
    }

    /// How long it waited for a thread, if it came to an end of that.
    #[must_use]
    pub fn queue(&self) -> Option<Duration> {
        time(&self.queue)
    }

    /// How long the application took, if it was asked and there was an answer.
    #[must_use]
    pub fn app(&self) -> Option<Duration> {
        time(&self.app)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(UNKNOWN - 1)
}

fn time(cell: &AtomicU64) -> Option<Duration> {
    Some(cell.load(Ordering::Relaxed)).filter(|nanos| *nanos != UNKNOWN).map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_known_once_they_are_told() {
        let trail = Trail::new(RequestId::default());
        assert_eq!((trail.queue(), trail.app()), (None, None));
        trail.waited(Duration::ZERO);
        trail.took(Duration::from_secs(3));
        assert_eq!((trail.queue(), trail.app()), (Some(Duration::ZERO), Some(Duration::from_secs(3))));
    }
}
