//! How much of a body is handed out at once: more to a client that takes what it is sent.
//!
//! Larger writes cost less, but what was handed out lies in memory, and nothing can take it back from hyper when the
//! client stops. So only a client whose kernel has acknowledged nearly everything is handed more, and the
//! budget of bodies knows of it. Called by `stream` when a body waits for a write.

use std::mem;
use std::os::fd::AsFd;

use socket2::SockRef;

use super::Stream;
use crate::stack::turns::MOST_AHEAD;
use crate::sys::fd;

/// Segments of fewer bytes go only to who has never offered a window of twice that.
const TINY_SEGMENT: u32 = 1000;
/// Bytes that the kernel is given for such a client before it has sent them.
const TINY_UNSENT: u32 = 16 * 1024;
/// Bytes that may be on their way to a client that keeps up.
const KEEPS_UP: usize = 32 * 1024;

impl<S: AsFd> Stream<S> {
    /// After a write.
    pub(super) fn hand_out_by_pace(&mut self) {
        let Some(budget) = &self.budget else { return };
        let keeps_up = !budget.is_crowded() && self.has_taken_all();
        self.turns.keeps_up(keeps_up);
        if !keeps_up && !mem::replace(&mut self.is_paced, true) {
            self.limit_unsent();
        }
        self.ahead = keeps_up.then(|| self.ahead.take().unwrap_or_else(|| budget.set_aside(MOST_AHEAD)));
    }

    fn has_taken_all(&self) -> bool {
        fd::unacknowledged(self.inner.as_fd()).is_some_and(|bytes| bytes <= KEEPS_UP)
    }

    /// The kernel cuts what it takes into segments at once, and would take a megabyte or two: for a window of 256 bytes, as
    /// slowhttptest's, it is busy for 50 ms with that, on this thread.
    fn limit_unsent(&self) {
        let socket = SockRef::from(&self.inner);
        if socket.tcp_mss().is_ok_and(|segment| segment < TINY_SEGMENT) {
            // Where it cannot be (a Unix socket), there are no segments.
            drop(socket.set_tcp_notsent_lowat(TINY_UNSENT));
        }
    }

    /// No body is there.
    pub(super) fn end_pace(&mut self) {
        self.turns.keeps_up(false);
        self.ahead = None;
    }
}
