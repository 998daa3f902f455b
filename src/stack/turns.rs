//! Whose turn it is on one connection: how many requests came, how many are answered, and which one was refused.
//!
//! `net/stream` checks bytes ahead of the stack; what it refuses must be answered after everything that came before,
//! so the verdict waits here until its turn. It also tells `net/stream` when the connection is idle, and by it
//! `net/permits` asks an idle connection to make room.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::semantics::fault::Fault;

/// Shared by a connection's stream and its stack; all on one thread, so nothing here is contended.
#[derive(Debug)]
pub struct Turns {
    /// Heads that the stream passed on.
    came: AtomicU64,
    /// Requests that the stack has begun with.
    begun: AtomicU64,
    /// Responses that have ended.
    ended: AtomicU64,
    /// When the last response ended, in nanoseconds after `epoch`.
    ended_at: AtomicU64,
    epoch: Instant,
    /// A part of the next head has been read.
    reading: AtomicBool,
    /// The client does not take what is written to it.
    blocked: AtomicBool,
    /// Bytes of bodies that were handed out and, as far as is known, not written yet.
    out: AtomicU64,
    /// In how many pieces, since the last time that there were none.
    pieces: AtomicU64,
    /// How many that may be.
    most_out: AtomicU64,
    /// A body was asked for more and held it back.
    held_back: AtomicBool,
    /// The number of answered requests at which the connection is to close; `NEVER` until it is asked to.
    leave_at: AtomicU64,
    /// The connection is to end after what it is at.
    draining: AtomicBool,
    /// The connection has been idle for long enough to do without hyper.
    resting: AtomicBool,
    /// A response that only the connection's end delimits broke off.
    broken: AtomicBool,
    /// The last request that will come, and why it was refused.
    refused: OnceLock<(u64, Fault)>,
    /// Why the stream ended the connection, or a body, under a request.
    cut: OnceLock<&'static str>,
    /// The connection is to end as it is.
    over: AtomicBool,
}

/// Bytes of a body that may lie between it and the socket: what is worth a system call.
const MOST_OUT: u64 = 64 * 1024;
/// The same where the client takes them at once.
const MOST_OUT_AT_ONCE: u64 = 256 * 1024;
/// Pieces of it that may: with as many hyper asks for nothing, whatever they hold.
const MOST_PIECES: u64 = 15;
/// By how much that is more.
pub const MOST_AHEAD: u64 = MOST_OUT_AT_ONCE - MOST_OUT;
/// More requests than a connection can have.
const NEVER: u64 = u64::MAX;

/// Adds to what the connection's own task alone writes, which needs no locked instruction; what it was before.
fn add(number: &AtomicU64, more: u64) -> u64 {
    let before = number.load(Ordering::Relaxed);
    number.store(before + more, Ordering::Relaxed);
    before
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            came: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            ended_at: AtomicU64::new(0),
            epoch: Instant::now(),
            reading: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            out: AtomicU64::new(0),
            pieces: AtomicU64::new(0),
            most_out: AtomicU64::new(MOST_OUT),
            held_back: AtomicBool::new(false),
            leave_at: AtomicU64::new(NEVER),
            draining: AtomicBool::new(false),
            resting: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            refused: OnceLock::new(),
            cut: OnceLock::new(),
            over: AtomicBool::new(false),
        }
    }
}

impl Turns {
    /// The stream passed on `heads` more.
    pub fn come(&self, heads: u64) {
        add(&self.came, heads);
        self.set_resting(false);
    }

    /// The stream refused the next head and passed on one in its place.
    pub fn refuse(&self, fault: Fault) {
        let turn = add(&self.came, 1);
        self.set_resting(false);
        self.refused.get_or_init(|| (turn, fault));
    }

    /// The stack begins with the next request: its fault, if it stands in for a refused one.
    pub fn begin(&self) -> Option<Fault> {
        let turn = add(&self.begun, 1);
        self.refused.get().filter(|(refused, _)| *refused == turn).map(|(_, fault)| *fault)
    }

    /// A response has ended; at the time that this returns.
    pub fn end(&self) -> Instant {
        let now = Instant::now();
        add(&self.ended, 1);
        self.idle_from(now);
        now
    }

    fn idle_from(&self, now: Instant) {
        let nanos = u64::try_from(now.duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX);
        self.ended_at.store(nanos, Ordering::Relaxed);
    }

    /// The stream ends the connection, or the body of a request, for `reason`. False: it had one already.
    pub fn cut(&self, reason: &'static str) -> bool {
        self.cut.set(reason).is_ok()
    }

    /// Why the stream did so, and counted it.
    #[must_use]
    pub fn is_cut(&self) -> Option<&'static str> {
        self.cut.get().copied()
    }

    /// The connection is to end as it is, for `reason`, and its task is woken for that. What ends with it was counted.
    pub fn cut_off(&self, reason: &'static str) {
        self.cut(reason);
        self.break_off();
        self.over.store(true, Ordering::Relaxed);
    }

    /// The connection is to end as it is.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Whether the stream has a part of the next head, so that the connection is not idle any more.
    pub fn set_reading(&self, reading: bool) {
        self.reading.store(reading, Ordering::Relaxed);
    }

    /// Whether the client takes nothing of what is written: an answer that has ended here has not ended there. A
    /// connection is idle from the moment that it is not blocked any more.
    pub fn set_blocked(&self, blocked: bool) {
        self.blocked.store(blocked, Ordering::Relaxed);
        if !blocked {
            self.idle_from(Instant::now());
        }
    }

    /// `bytes` of a body are on their way to the stream.
    pub fn hand_out(&self, bytes: usize) {
        add(&self.out, bytes as u64);
        add(&self.pieces, 1);
    }

    /// The stream has written `bytes`, heads included.
    pub fn wrote(&self, bytes: usize) {
        let out = self.out.load(Ordering::Relaxed).saturating_sub(bytes as u64);
        self.out.store(out, Ordering::Relaxed);
        if out == 0 {
            self.pieces.store(0, Ordering::Relaxed);
        }
    }

    /// The client has taken what was written before, or not: whether more may be out. Twice as much each time, so that one
    /// whose kernel has taken it is found out before much is.
    pub fn keeps_up(&self, keeps_up: bool) {
        let most = self.most_out.load(Ordering::Relaxed);
        let most = if keeps_up { (2 * most).min(MOST_OUT_AT_ONCE) } else { MOST_OUT };
        self.most_out.store(most, Ordering::Relaxed);
    }

    /// A body is to hold back what it has: the client takes nothing, or enough is on its way. Whoever ends that wakes the
    /// connection's task, see [`Turns::is_held_back`].
    pub fn hold_back(&self) -> bool {
        let enough = self.blocked.load(Ordering::Relaxed)
            || self.out.load(Ordering::Relaxed) >= self.most_out.load(Ordering::Relaxed)
            || self.pieces.load(Ordering::Relaxed) >= MOST_PIECES;
        self.held_back.store(enough, Ordering::Relaxed);
        enough
    }

    /// No byte of a body is on its way.
    #[must_use]
    pub fn is_all_written(&self) -> bool {
        self.out.load(Ordering::Relaxed) == 0
    }

    /// A body waits to be asked again.
    #[must_use]
    pub fn is_held_back(&self) -> bool {
        self.held_back.load(Ordering::Relaxed)
    }

    /// The client takes nothing of what is written.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// The last request that came is being answered: it has begun, and all before it have ended.
    #[must_use]
    pub fn is_answering_last(&self) -> bool {
        let came = self.came.load(Ordering::Relaxed);
        came == self.begun.load(Ordering::Relaxed) && came == self.ended.load(Ordering::Relaxed) + 1
    }

    /// Asks an idle connection to close; another request makes it void.
    pub fn ask_to_leave(&self) {
        self.leave_at.store(self.ended.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The connection is to close if it is idle.
    #[must_use]
    pub fn is_asked_to_leave(&self) -> bool {
        self.leave_at.load(Ordering::Relaxed) == self.ended.load(Ordering::Relaxed)
    }

    /// The connection is to end after what it is at, and its task is woken for that.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The connection is to end after what it is at.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The stream tells whether the connection has been idle for a while, see [`Turns::is_resting`].
    pub fn set_resting(&self, resting: bool) {
        self.resting.store(resting, Ordering::Relaxed);
    }

    /// The connection has been idle for a while and still is: what only requests need may be given back.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        self.resting.load(Ordering::Relaxed) && self.idle_since().is_some()
    }

    /// A response broke off: a regular end of the connection would look like its own, or would wait for the client.
    pub fn break_off(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    /// The connection must not end regularly.
    #[must_use]
    pub fn is_broken_off(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Since when everything that came is answered and taken, and nothing of a next head is here; `None`: it is not so.
    #[must_use]
    pub fn idle_since(&self) -> Option<Instant> {
        let idle = self.came.load(Ordering::Relaxed) == self.ended.load(Ordering::Relaxed)
            && !self.reading.load(Ordering::Relaxed)
            && !self.blocked.load(Ordering::Relaxed);
        idle.then(|| self.epoch + Duration::from_nanos(self.ended_at.load(Ordering::Relaxed)))
    }

    /// No request has come yet.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.came.load(Ordering::Relaxed) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_may_be_out_while_the_client_keeps_up() {
        let turns = Turns::default();
        let room = || {
            let mut out = 0;
            while !turns.hold_back() {
                turns.hand_out(32 * 1024);
                out += 32;
            }
            turns.wrote(out * 1024);
            out
        };
        let mut seen = Vec::new();
        for keeps_up in [true, true, true, false, true] {
            seen.push(room());
            turns.keeps_up(keeps_up);
        }
        assert_eq!((seen, room()), (vec![64, 128, 256, 256, 64], 128));
        turns.set_blocked(true);
        assert!(turns.hold_back());
    }

    #[test]
    fn pieces_that_are_out_are_few() {
        let turns = Turns::default();
        let mut pieces = 0;
        while !turns.hold_back() {
            turns.hand_out(100);
            pieces += 1;
        }
        assert_eq!(pieces, MOST_PIECES);
        turns.wrote(1499);
        assert!(turns.hold_back());
        turns.wrote(1);
        assert!(!turns.hold_back() && turns.is_all_written());
    }

    #[test]
    fn a_refusal_waits_for_its_turn() {
        let turns = Turns::default();
        assert!(turns.idle_since().is_some() && turns.is_new());
        turns.come(2);
        turns.refuse(Fault::bad_host());
        assert_eq!(turns.begin(), None);
        turns.end();
        assert_eq!(turns.begin(), None);
        assert!(turns.idle_since().is_none());
        assert_eq!(turns.begin(), Some(Fault::bad_host()));
        turns.end();
        turns.end();
        assert!(turns.idle_since().is_some() && !turns.is_new());
    }
}
