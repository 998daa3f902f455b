//! The timers of a connection, set so seldom that a request costs none.
//!
//! Called by `stream`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is set again only when it fires too early or would fire too late.
#[derive(Debug, Default)]
pub struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Wakes the task within `limit`, whenever that is; costs nothing while it runs already.
    pub fn run(&mut self, cx: &mut Context<'_>, limit: Duration) {
        if self.0.as_ref().is_none_or(|sleep| sleep.is_elapsed()) {
            // Pending: the deadline has only just been set.
            let _ = self.poll(cx, Instant::now() + limit);
        }
    }

    /// Ready at `deadline`, at a task that is polled again when the timer fires; costs nothing while it runs already and
    /// fires no later than that.
    pub fn wait(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        match &self.0 {
            Some(sleep) if !sleep.is_elapsed() && sleep.deadline() <= deadline => Poll::Pending,
            _ => self.poll(cx, deadline),
        }
    }

    /// Ready at `deadline`.
    pub fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}
