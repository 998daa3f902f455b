//! A connection without hyper, while nothing has come yet or nothing comes any more (docs/decisions/013).
//!
//! Called by `conn`, which takes hyper away when the stream says that the connection rests.

use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

use super::{End, Stream};
use crate::exchange::Budget;
use crate::exchange::budget::SetAside;
use crate::net::socket::Socket;
use crate::net::timer::Timer;

/// Bytes of hyper's buffers for a connection with small requests and responses; bodies have the budget.
pub const BUFFERS: u64 = 10 * 1024;
/// Bytes that are read at once for a connection without hyper.
const FIRST_READ: usize = 8192;

/// What came of waiting for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// Bytes for hyper: the beginning of one, or a stand-in.
    Request,
    /// None will come: the client has closed, was idle for too long, or the connection is to make room.
    Nothing,
}

impl<S: AsFd> Stream<S> {
    /// Counts what hyper holds of it in `budget`, and rests at once where connections hold too much of that.
    #[must_use]
    pub fn within(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// For the time that hyper has the connection.
    #[must_use]
    pub fn set_aside_buffers(&self) -> Option<SetAside> {
        self.budget.as_ref().map(|budget| budget.set_aside(BUFFERS))
    }

    /// After a write, which may have been the last of all that was asked for.
    pub(super) fn rest_if_crowded(&self, cx: &mut Context<'_>) {
        let is_crowded = self.budget.as_ref().is_some_and(Budget::is_crowded);
        if is_crowded && self.end == End::Open && self.framer.is_in_head() && self.turns.idle_since().is_some() {
            self.rest(cx);
        }
    }

    /// Has `conn` take hyper away when that has been polled once more: it may still have to do with what is left of a body that
    /// nobody has read, and wakes the task for that.
    pub(super) fn rest(&self, cx: &mut Context<'_>) {
        self.turns.set_resting(true);
        cx.waker().wake_by_ref();
    }

    /// Nothing that came is left here or is to come: a new hyper would begin with a request.
    #[must_use]
    pub fn may_rest(&self) -> bool {
        self.end == End::Open && self.framer.is_in_head() && self.passed.is_empty() && self.held.is_empty()
    }
}

impl<S: Socket> Stream<S> {
    /// Waits for a request while there is no hyper, and keeps the bytes that it begins with for it. Cancel safe.
    ///
    /// # Errors
    /// What reading the socket said.
    pub fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<More>> {
        if !mem::replace(&mut self.resting, true) {
            self.held = BytesMut::new();
            self.end_pace();
        }
        let mut first = [MaybeUninit::uninit(); FIRST_READ];
        let mut first = ReadBuf::uninit(&mut first);
        ready!(Pin::new(&mut *self).poll_read(cx, &mut first))?;
        self.resting = false;
        self.turns.set_resting(false);
        // It may run for as long as a connection may be idle, which is too late for the next rest.
        self.read_timer = Timer::default();
        if first.filled().is_empty() {
            return Poll::Ready(Ok(More::Nothing));
        }
        let rest = mem::replace(&mut self.passed, BytesMut::from(first.filled()));
        self.passed.extend_from_slice(&rest);
        Poll::Ready(Ok(More::Request))
    }
}
