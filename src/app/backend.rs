//! The seam to the Python host: jobs go in here, and nothing above knows who runs them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::queue::Queue;
use crate::exchange::{Crew, Job, Replies, Source};

/// How often jobs are looked after while some wait, and at first.
const TICK: Duration = Duration::from_millis(1);
/// How seldom, while all that came are running and nothing changes.
const SLOW_TICK: Duration = Duration::from_millis(8);
/// And while all are answered and some still run: streams, and what comes after an answer.
const SLOWEST_TICK: Duration = Duration::from_millis(128);

/// A queue and the crew that empties it.
pub struct Backend {
    queue: Arc<Queue>,
    crew: Arc<dyn Crew>,
    replies: Replies,
    /// Jobs that are not answered yet.
    in_flight: Arc<AtomicUsize>,
    /// Its clock may miss a new job: it ticks slowly, or not at all.
    drowsy: AtomicBool,
    work: Notify,
}

/// A job in flight; dropped when its answer is there or nobody waits for it any more.
pub struct InFlight(Arc<AtomicUsize>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Backend {
    /// Jobs go through `queue` to `crew`, which answers through `replies`.
    #[must_use]
    pub fn new(queue: Arc<Queue>, crew: Arc<dyn Crew>, replies: Replies) -> Self {
        let (in_flight, drowsy) = (Arc::default(), AtomicBool::new(true));
        Self { queue, crew, replies, in_flight, drowsy, work: Notify::new() }
    }

    /// Hands a job over; it will be answered through its reply handle.
    ///
    /// # Errors
    /// The job itself when the queue is full.
    pub fn submit(&self, job: Box<Job>) -> Result<InFlight, Box<Job>> {
        self.queue.push(job)?;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.crew.job_arrived();
        if self.drowsy.load(Ordering::Relaxed) && self.drowsy.swap(false, Ordering::Relaxed) {
            self.work.notify_one();
        }
        Ok(InFlight(Arc::clone(&self.in_flight)))
    }

    /// Looks after jobs for the server's life: wakes threads when the running ones are blocked, answers jobs that have
    /// waited or run too long, takes replies off a thread that is busy with what comes after them (the next job, a slow
    /// `close()`). Rests while no job waits or runs. All of this runs on the front's one thread.
    pub async fn tend(&self) {
        loop {
            self.work.notified().await;
            let mut tick = TICK;
            let mut watched = Instant::now();
            loop {
                if timeout(tick, self.work.notified()).await.is_ok() {
                    // A job came while the clock was slow.
                    tick = TICK;
                    continue;
                }
                let flushed = self.replies.flush();
                self.queue.expire();
                self.crew.look();
                let waits = self.in_flight.load(Ordering::Relaxed) > 0;
                if tick >= SLOW_TICK || watched.elapsed() >= SLOW_TICK {
                    watched = Instant::now();
                    if !self.crew.watch() && !waits {
                        break;
                    }
                }
                let slowest = if waits { SLOW_TICK } else { SLOWEST_TICK };
                tick = if flushed || !self.queue.is_empty() { TICK } else { (tick * 2).min(slowest) };
                self.drowsy.store(tick > TICK, Ordering::Relaxed);
            }
            self.drowsy.store(true, Ordering::Relaxed);
        }
    }
}
