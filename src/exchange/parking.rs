//! A body whose client takes nothing for now: how long that is borne, and how much the client is handed next.
//!
//! What a client was handed lies in memory until it is taken, so a slow one is handed little at a time, and a fast one
//! as much as makes a system call worth it. Bodies keep a [`Parking`] each; `stack/observe` tells them.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::sys::window;

/// A client that takes nothing for so long is slow. A fast one has the round trip of a distant continent's edge.
const PATIENCE: Duration = Duration::from_millis(20);
/// Bytes handed out at once: to a slow client, at first, and to a fast one.
const LEAST: usize = 32 * 1024;
pub const FIRST: usize = 64 * 1024;
pub const MOST: usize = window::WIDEST;
/// Portions that a slow client takes without a wait before it counts as a faster one: the kernel's buffers take several
/// at once, and then nothing for long.
const PROBATION: u8 = 8;

/// A body that can be told that its client takes nothing.
pub trait Park {
    /// The client takes nothing at this moment; called again when the task is woken and it is still so.
    fn poll_parked(&mut self, cx: &mut Context<'_>);
}

/// The patience with one client.
#[derive(Debug)]
pub struct Parking {
    portion: usize,
    /// Small portions still to come, whatever happens.
    probation: u8,
    timer: Option<Pin<Box<Sleep>>>,
    /// The timer runs.
    waits: bool,
}

impl Default for Parking {
    fn default() -> Self {
        Self { portion: FIRST, probation: 0, timer: None, waits: false }
    }
}

impl Parking {
    /// Bytes to hand out now; more the next time, unless it turns out that the client is slow.
    pub fn portion(&mut self) -> usize {
        self.waits = false;
        let portion = self.portion;
        if self.probation > 0 {
            self.probation -= 1;
        } else {
            self.portion = (portion * 2).min(MOST);
        }
        portion
    }

    /// The client takes nothing. True: it has not for a while, and its next portion will be small.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        if !self.waits {
            self.waits = true;
            timer.as_mut().reset(Instant::now() + PATIENCE);
        }
        let is_slow = timer.as_mut().poll(cx).is_ready();
        if is_slow {
            self.portion = LEAST;
            self.probation = PROBATION;
        }
        is_slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::task::Poll;

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_is_handed_less_and_a_fast_one_more() {
        let mut parking = Parking::default();
        let portions: Vec<usize> = (0..5).map(|_| parking.portion()).collect();
        assert_eq!(portions, [FIRST, 2 * FIRST, MOST, MOST, MOST]);
        let started = Instant::now();
        poll_fn(|cx| if parking.poll(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
        assert!(started.elapsed() >= PATIENCE);
        assert!((0..=PROBATION).all(|_| parking.portion() == LEAST));
        assert_eq!([parking.portion(), parking.portion()], [2 * LEAST, 4 * LEAST]);
        assert!(!poll_fn(|cx| Poll::Ready(parking.poll(cx))).await, "it was handed something meanwhile");
    }
}
