//! Where in its life the server is, and what it tells probes about that.
//!
//! `front` moves it on; the admin port and `--health-path` ask. Nothing here waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::app::queue::Queue;
use crate::python::ready_hook::ReadyHook;
use crate::stack::probe::State;
use crate::telemetry::exposition::PHASES;

/// The parts of a server's life, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// The application is being imported.
    Booting,
    /// Requests are served.
    Ready,
    /// A signal has come; requests in flight are finished.
    Draining,
    /// They are; Python ends its threads and runs its hooks.
    Stopped,
}

impl Phase {
    /// Its word, one of `telemetry`'s `PHASES`.
    #[must_use]
    pub fn word(self) -> &'static str {
        PHASES[self as usize]
    }
}

/// A queue that was full for less than this had a burst, which the pod can do with; and one that sheds for longer should have
/// fewer requests sent to it.
const BURST: Duration = Duration::from_secs(1);

/// Whether so many threads hang in the application that only a new process helps.
pub type IsStuck = dyn Fn() -> bool + Send + Sync;

/// The server's phase and its health in it.
pub struct Life {
    phase: AtomicU8,
    is_stuck: Box<IsStuck>,
    queue: Arc<Queue>,
    /// `--ready-hook`.
    pub hook: Option<Arc<ReadyHook>>,
}

impl Life {
    /// Booting. Once ready, it is so while `queue` has room, nobody `is_stuck` and the `hook` agrees.
    #[must_use]
    pub fn new(queue: Arc<Queue>, is_stuck: Box<IsStuck>, hook: Option<Arc<ReadyHook>>) -> Self {
        Self { phase: AtomicU8::new(Phase::Booting as u8), is_stuck, queue, hook }
    }

    /// Goes on to `phase`; never back.
    pub fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::Relaxed);
    }

    /// The phase it is in.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Booting,
            1 => Phase::Ready,
            2 => Phase::Draining,
            _ => Phase::Stopped,
        }
    }

    /// Whether the process should go on. That somebody runs to ask proves the rest: the IO thread answers.
    ///
    /// # Errors
    /// `stuck`.
    pub fn live(&self) -> State {
        if (self.is_stuck)() { Err("stuck") } else { Ok(()) }
    }

    /// Whether new requests should come here.
    ///
    /// # Errors
    /// `starting`, `draining`, `stuck`, `queue-full`, or the hook's.
    pub fn ready(&self) -> State {
        match self.phase() {
            Phase::Booting => Err("starting"),
            Phase::Draining | Phase::Stopped => Err("draining"),
            Phase::Ready if self.queue.full_for().is_some_and(|time| time >= BURST) => Err("queue-full"),
            Phase::Ready => self.live().and_then(|()| self.hook.as_ref().map_or(Ok(()), |hook| hook.state())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Client, Job, Replies, RequestHead, RequestId, Spooled};
    use std::sync::atomic::AtomicBool;
    use std::time::{Duration, Instant};

    #[test]
    fn ready_only_between_the_import_and_the_signal() {
        let life = Life::new(Arc::new(Queue::new(1, Duration::from_secs(1), Arc::default())), Box::new(|| false), None);
        for (phase, ready) in [
            (Phase::Booting, Err("starting")),
            (Phase::Ready, Ok(())),
            (Phase::Draining, Err("draining")),
            (Phase::Stopped, Err("draining")),
        ] {
            life.enter(phase);
            assert_eq!((life.phase(), life.ready(), life.live()), (phase, ready, Ok(())));
        }
        life.enter(Phase::Ready);
        assert_eq!(life.phase(), Phase::Stopped, "never back");
    }

    #[test]
    fn stuck_threads_are_not_ready_and_a_burst_is() {
        let queue = Arc::new(Queue::new(1, Duration::from_secs(1), Arc::default()));
        let hangs = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&hangs);
        let life = Life::new(Arc::clone(&queue), Box::new(move || seen.load(Ordering::Relaxed)), None);
        life.enter(Phase::Ready);
        let (reply, _waits) = Replies::default().handle();
        let (parts, ()) = http::Request::get("/").body(()).unwrap().into_parts();
        let head = RequestHead { parts, client: Arc::new(Client::unix()), id: RequestId::default() };
        let job = Job { head, body: Spooled::Empty, reply, queued: Instant::now() };
        assert!(queue.push(Box::new(job)).is_ok());
        assert_eq!((life.ready(), life.live()), (Ok(()), Ok(())));
        hangs.store(true, Ordering::Relaxed);
        assert_eq!((life.ready(), life.live()), (Err("stuck"), Err("stuck")));
        hangs.store(false, Ordering::Relaxed);
        assert_eq!((life.ready(), life.live()), (Ok(()), Ok(())));
    }
}
