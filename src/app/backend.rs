//! The seam to the Python host: jobs go in here, and nothing above knows who runs them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::queue::Queue;
use crate::exchange::{Crew, Job, Replies, Source};

/// How often waiting jobs are looked after.
const TICK: Duration = Duration::from_millis(1);

/// A queue and the crew that empties it.
pub struct Backend {
    queue: Arc<Queue>,
    crew: Arc<dyn Crew>,
    replies: Replies,
    /// Jobs wait and [`Backend::tend`] runs its clock.
    tending: AtomicBool,
    jobs_wait: Notify,
}

impl Backend {
    /// Jobs go through `queue` to `crew`, which answers through `replies`.
    #[must_use]
    pub fn new(queue: Arc<Queue>, crew: Arc<dyn Crew>, replies: Replies) -> Self {
        Self { queue, crew, replies, tending: AtomicBool::new(false), jobs_wait: Notify::new() }
    }

    /// Hands a job over; it will be answered through its reply handle.
    ///
    /// # Errors
    /// The job itself when the queue is full.
    #[allow(clippy::result_large_err)] // as Queue::push
    pub fn submit(&self, job: Job) -> Result<(), Job> {
        self.queue.push(job)?;
        self.crew.job_arrived();
        if !self.tending.load(Ordering::Relaxed) {
            self.tending.store(true, Ordering::Relaxed);
            self.jobs_wait.notify_one();
        }
        Ok(())
    }

    /// Looks after waiting jobs for the server's life: wakes threads when the running ones are blocked, answers
    /// jobs that have waited too long, takes replies off a thread that is busy with its next job. Rests while no job
    /// waits: a thread that ran out of jobs sends its replies itself.
    pub async fn tend(&self) {
        loop {
            self.jobs_wait.notified().await;
            loop {
                tokio::time::sleep(TICK).await;
                self.replies.flush();
                if self.queue.is_empty() {
                    break;
                }
                self.queue.expire();
                self.crew.look();
            }
            self.tending.store(false, Ordering::Relaxed);
            // A job that came between the last look and the store did not notify.
            if !self.queue.is_empty() && !self.tending.swap(true, Ordering::Relaxed) {
                self.jobs_wait.notify_one();
            }
        }
    }
}
