//! How much of a body is handed out at once: more to a client that takes what it is sent.
//!
//! Larger writes cost less, but what was handed out lies in memory, and nothing can take it back from hyper when the
//! client stops. So only a client whose kernel has acknowledged nearly everything is handed more, and the
//! budget of bodies knows of it. Called by `stream` when a body waits for a write.

use std::os::fd::AsFd;

use super::Stream;
use crate::stack::turns::MOST_AHEAD;
use crate::sys::fd;

/// Bytes that may be on their way to a client that keeps up.
const KEEPS_UP: usize = 32 * 1024;

impl<S: AsFd> Stream<S> {
    /// After a write.
    pub(super) fn hand_out_by_pace(&mut self) {
        let Some(budget) = &self.budget else { return };
        let keeps_up = !budget.is_crowded() && self.has_taken_all();
        self.turns.keeps_up(keeps_up);
        self.ahead = keeps_up.then(|| self.ahead.take().unwrap_or_else(|| budget.set_aside(MOST_AHEAD)));
    }

    fn has_taken_all(&self) -> bool {
        fd::unacknowledged(self.inner.as_fd()).is_some_and(|bytes| bytes <= KEEPS_UP)
    }

    /// No body is there.
    pub(super) fn end_pace(&mut self) {
        self.turns.keeps_up(false);
        self.ahead = None;
    }
}
