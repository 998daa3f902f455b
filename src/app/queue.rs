//! The bounded queue between the front and the Python host.
//!
//! Full, it refuses at once; a job whose client has left or whose deadline is past is dropped before Python sees
//! it. Counts requests, never connections (`--queue-size`, `--queue-timeout`). Uploads that lie in temp files have a
//! line of their own, which only the deadline bounds (docs/decisions/014).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::exchange::{Job, Source, Spooled};
use crate::semantics::fault::Fault;
use crate::telemetry::metrics::Metrics;

/// Jobs in the order they came.
pub struct Queue {
    jobs: Mutex<Jobs>,
    /// `jobs.len()`, readable without the lock.
    waiting: AtomicUsize,
    capacity: usize,
    timeout: Duration,
    metrics: Arc<Metrics>,
}

/// Uploads whose clients have left are not looked for among fewer.
const SWEEP_FROM: usize = 64;

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Box<Job>>,
    /// Those whose bodies lie in files.
    uploads: VecDeque<Box<Job>>,
    /// As many of those are looked through for clients that have left.
    sweep_at: usize,
    /// The next one to be taken is an upload, where there are both.
    upload_next: bool,
    /// When one was last taken.
    taken: Option<Instant>,
    /// When it was full last and has not been down to a half since.
    full_since: Option<Instant>,
}

impl Queue {
    /// A queue of at most `capacity` jobs, each of which waits at most `timeout`; how long is counted in `metrics`.
    #[must_use]
    pub fn new(capacity: usize, timeout: Duration, metrics: Arc<Metrics>) -> Self {
        Self { jobs: Mutex::new(Jobs::default()), waiting: AtomicUsize::new(0), capacity, timeout, metrics }
    }

    /// Jobs that wait now.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Jobs that may wait.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// For how long it has been full, or on its way from full to half full.
    #[must_use]
    pub fn full_for(&self) -> Option<Duration> {
        self.jobs.lock().full_since.map(|since| since.elapsed())
    }

    /// Sets down how many wait. `SeqCst` where one was added, which a thread that goes to rest must see.
    fn count(&self, jobs: &mut Jobs, order: Ordering) {
        let waiting = jobs.waiting.len();
        self.waiting.store(waiting + jobs.uploads.len(), order);
        jobs.sweep_at = jobs.sweep_at.min(2 * jobs.uploads.len());
        if waiting >= self.capacity {
            jobs.full_since.get_or_insert_with(Instant::now);
        } else if waiting <= self.capacity / 2 {
            jobs.full_since = None;
        }
    }

    /// Adds a job at the end.
    ///
    /// # Errors
    /// The job itself when the queue is full and its body is in memory.
    pub fn push(&self, job: Box<Job>) -> Result<(), Box<Job>> {
        let mut jobs = self.jobs.lock();
        // Dropped after the lock: a job may hold a temp file.
        let mut left = VecDeque::new();
        if job.body.is_in_file() {
            if jobs.uploads.len() >= jobs.sweep_at.max(SWEEP_FROM) {
                let all = std::mem::take(&mut jobs.uploads);
                (left, jobs.uploads) = all.into_iter().partition(|job| job.reply.is_abandoned());
                jobs.sweep_at = 2 * jobs.uploads.len();
            }
            jobs.uploads.push_back(job);
            self.count(&mut jobs, Ordering::SeqCst);
            drop(jobs);
            let_go(left);
            return Ok(());
        }
        if jobs.waiting.len() >= self.capacity {
            // Those whose client has left must not keep out one that waits.
            let all = std::mem::take(&mut jobs.waiting);
            (left, jobs.waiting) = all.into_iter().partition(|job| job.reply.is_abandoned());
            if jobs.waiting.len() >= self.capacity {
                return Err(job);
            }
        }
        jobs.waiting.push_back(job);
        self.count(&mut jobs, Ordering::SeqCst);
        drop(jobs);
        let_go(left);
        Ok(())
    }

    /// Answers the jobs that have waited too long, although no thread came for them.
    pub fn expire(&self) {
        while let Some((waited, job)) = self.pop_late() {
            self.metrics.queue.observe(waited);
            job.reply.ticket().waited(waited);
            job.reply.send_now(Err(Fault::queue_timeout()));
            let_go(Some(job.body).filter(Spooled::is_in_file));
        }
    }

    /// Answers all jobs that wait by `fault`; how many there were.
    pub fn refuse_all(&self, fault: Fault) -> usize {
        let mut jobs = self.jobs.lock();
        let mut waiting = std::mem::take(&mut jobs.waiting);
        waiting.append(&mut jobs.uploads);
        self.count(&mut jobs, Ordering::Release);
        drop(jobs);
        let count = waiting.len();
        for job in waiting {
            job.reply.send_now(Err(fault));
        }
        count
    }

    fn pop_late(&self) -> Option<(Duration, Box<Job>)> {
        let mut jobs = self.jobs.lock();
        let waited = jobs.oldest()?.elapsed();
        if waited <= self.timeout {
            return None;
        }
        let job = jobs.older_line().pop_front()?;
        self.count(&mut jobs, Ordering::Release);
        Some((waited, job))
    }
}

/// Lets go of jobs or bodies, which may lie in temp files: to close one of 100 MiB takes 5 ms, and all of this is called on
/// the front's thread.
fn let_go<T: Send + 'static>(left: impl IntoIterator<Item = T, IntoIter: Send + 'static>) {
    let mut left = left.into_iter().peekable();
    if left.peek().is_none() {
        return;
    }
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(move || left.for_each(drop))),
        Err(_) => left.for_each(drop),
    }
}

impl Jobs {
    /// Whose turn it is: both lines alternate, so that neither keeps the other waiting for all of its own.
    fn next_line(&mut self) -> &mut VecDeque<Box<Job>> {
        if self.uploads.is_empty() {
            return &mut self.waiting;
        }
        if self.waiting.is_empty() || self.upload_next { &mut self.uploads } else { &mut self.waiting }
    }

    fn take_turns(&mut self) {
        self.upload_next = !self.upload_next;
    }

    /// The line whose first job waits for longer.
    fn older_line(&mut self) -> &mut VecDeque<Box<Job>> {
        match (self.waiting.front(), self.uploads.front()) {
            (Some(job), Some(upload)) if upload.queued < job.queued => &mut self.uploads,
            (None, _) => &mut self.uploads,
            _ => &mut self.waiting,
        }
    }

    /// Since when the first of them waits.
    fn oldest(&self) -> Option<Instant> {
        let firsts = [self.waiting.front(), self.uploads.front()];
        firsts.into_iter().flatten().map(|job| job.queued).min()
    }
}

impl Source for Queue {
    fn take(&self) -> Option<Box<Job>> {
        loop {
            if self.is_empty() {
                return None;
            }
            let mut jobs = self.jobs.lock();
            let now = Instant::now();
            let oldest = jobs.next_line().front_mut()?;
            let waited = now.duration_since(oldest.queued);
            let is_abandoned = oldest.reply.is_abandoned();
            if !is_abandoned {
                self.metrics.queue.observe(waited);
                oldest.reply.ticket().waited(waited);
                oldest.reply.taken(now);
            }
            jobs.taken = Some(now);
            let job = jobs.next_line().pop_front();
            jobs.take_turns();
            self.count(&mut jobs, Ordering::Release);
            drop(jobs);
            if !is_abandoned && waited <= self.timeout {
                return job;
            }
            if !is_abandoned && let Some(job) = job {
                job.reply.send(Err(Fault::queue_timeout()));
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) == 0
    }

    fn stuck_for(&self) -> Duration {
        let jobs = self.jobs.lock();
        let Some(oldest) = jobs.oldest() else { return Duration::ZERO };
        jobs.taken.map_or(oldest, |taken| taken.max(oldest)).elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Client, Replies, RequestHead, RequestId};

    fn queue(capacity: usize, timeout: Duration) -> Queue {
        Queue::new(capacity, timeout, Arc::default())
    }

    fn waits(queue: &Queue) -> u64 {
        queue.metrics.queue.buckets().iter().sum()
    }

    fn job(replies: &Replies, path: &str) -> (Box<Job>, crate::exchange::Waiting) {
        let (reply, outcome) = replies.handle();
        let (parts, ()) = http::Request::get(path).body(()).unwrap().into_parts();
        let head = RequestHead { parts, client: Arc::new(Client::unix()), id: RequestId::default() };
        (Box::new(Job { head, body: Spooled::Empty, reply, queued: Instant::now() }), outcome)
    }

    #[test]
    fn first_in_first_out_and_refused_when_full() {
        let replies = Replies::default();
        let queue = queue(2, Duration::from_mins(1));
        let (first, _keep_first) = job(&replies, "/1");
        let (second, _keep_second) = job(&replies, "/2");
        let (third, _keep_third) = job(&replies, "/3");
        assert!(queue.push(first).is_ok());
        assert!(queue.push(second).is_ok());
        assert!(queue.push(third).is_err());
        assert_eq!(queue.take().unwrap().head.parts.uri.path(), "/1");
        assert_eq!(queue.take().unwrap().head.parts.uri.path(), "/2");
        assert_eq!((waits(&queue), queue.depth()), (2, 0));
        assert!(queue.take().is_none());
    }

    #[test]
    fn it_counts_as_full_until_it_is_half_empty() {
        let replies = Replies::default();
        let queue = queue(4, Duration::from_mins(1));
        let mut clients = Vec::new();
        let mut push = || {
            let (job, client) = job(&replies, "/");
            clients.push(client);
            queue.push(job).is_ok()
        };
        assert!(push() && push() && push());
        assert_eq!(queue.full_for(), None);
        assert!(push() && !push());
        let since = queue.jobs.lock().full_since;
        drop(queue.take());
        assert!(queue.full_for().is_some());
        assert!(push());
        assert_eq!(queue.jobs.lock().full_since, since, "all of this is one time of being full");
        drop((queue.take(), queue.take()));
        assert_eq!(queue.full_for(), None);
        assert!(push() && push() && queue.full_for().is_some());
        assert_eq!(queue.refuse_all(Fault::drain_timeout()), 4);
        assert_eq!((queue.full_for(), queue.depth()), (None, 0));
    }

    #[test]
    fn a_job_without_a_client_is_never_taken() {
        let replies = Replies::default();
        let queue = queue(9, Duration::from_mins(1));
        let (left, client) = job(&replies, "/left");
        drop(client);
        assert!(queue.push(left).is_ok());
        let (stays, _client) = job(&replies, "/stays");
        assert!(queue.push(stays).is_ok());
        assert_eq!(queue.take().unwrap().head.parts.uri.path(), "/stays");
    }

    #[test]
    fn jobs_without_a_client_do_not_fill_the_queue() {
        let replies = Replies::default();
        let queue = queue(2, Duration::from_mins(1));
        let (left, client) = job(&replies, "/left");
        let (stays, _stays) = job(&replies, "/stays");
        assert!(queue.push(left).is_ok() && queue.push(stays).is_ok());
        let (refused, _refused) = job(&replies, "/refused");
        assert!(queue.push(refused).is_err());
        drop(client);
        let (fits, _fits) = job(&replies, "/fits");
        assert!(queue.push(fits).is_ok());
        assert_eq!(queue.take().unwrap().head.parts.uri.path(), "/stays");
    }

    /// The same with a body in a file.
    fn upload(replies: &Replies, path: &str) -> (Box<Job>, crate::exchange::Waiting) {
        let (job, outcome) = job(replies, path);
        let permit = crate::exchange::Budget::new(0).permit();
        let body = Spooled::File { file: tempfile::tempfile().unwrap(), len: 1, permit };
        (Box::new(Job { body, ..*job }), outcome)
    }

    #[test]
    fn uploads_are_never_refused_and_take_turns_with_the_others() {
        let replies = Replies::default();
        let queue = queue(2, Duration::from_mins(1));
        let mut clients = Vec::new();
        let mut push = |(job, client)| {
            clients.push(client);
            queue.push(job).is_ok()
        };
        for number in 0..100 {
            assert!(push(upload(&replies, &format!("/u{number}"))));
        }
        assert_eq!((queue.depth(), queue.full_for()), (100, None), "they fill no place of the others");
        assert!(push(job(&replies, "/a")) && push(job(&replies, "/b")) && !push(job(&replies, "/c")));
        let order = || queue.take().unwrap().head.parts.uri.path().to_owned();
        let first: Vec<_> = (0..6).map(|_| order()).collect();
        assert_eq!(first, ["/a", "/u0", "/b", "/u1", "/u2", "/u3"]);
        assert_eq!(queue.refuse_all(Fault::drain_timeout()), 96);
        assert!(queue.is_empty() && queue.take().is_none());
    }

    #[test]
    fn uploads_whose_clients_have_left_do_not_pile_up() {
        let replies = Replies::default();
        let queue = queue(2, Duration::from_mins(1));
        let (stays, _client) = upload(&replies, "/stays");
        assert!(queue.push(stays).is_ok());
        for _ in 0..10 * SWEEP_FROM {
            let (left, client) = upload(&replies, "/left");
            drop(client);
            assert!(queue.push(left).is_ok());
            assert!(queue.depth() <= SWEEP_FROM + 1);
        }
        assert_eq!(queue.take().unwrap().head.parts.uri.path(), "/stays");
        assert!(queue.take().is_none());
    }

    #[tokio::test]
    async fn late_uploads_are_answered_like_others() {
        let replies = Replies::default();
        let queue = queue(9, Duration::ZERO);
        let (late, first) = upload(&replies, "/first");
        assert!(queue.push(late).is_ok());
        let (late, second) = job(&replies, "/second");
        assert!(queue.push(late).is_ok());
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(queue.stuck_for() >= Duration::from_millis(2));
        queue.expire();
        assert!(queue.is_empty());
        tokio::spawn(async move { replies.deliver().await });
        for outcome in [first, second] {
            assert_eq!(outcome.await.unwrap_err().reason, "queue-timeout");
        }
    }

    #[tokio::test]
    async fn a_late_job_is_answered_503_whether_or_not_a_thread_comes() {
        for expire in [true, false] {
            let replies = Replies::default();
            let queue = queue(9, Duration::ZERO);
            let (late, outcome) = job(&replies, "/late");
            assert!(queue.push(late).is_ok());
            tokio::time::sleep(Duration::from_millis(2)).await;
            if expire {
                queue.expire();
            } else {
                assert!(queue.take().is_none());
            }
            tokio::spawn(async move { replies.deliver().await });
            let fault = outcome.await.unwrap_err();
            assert_eq!((fault.status.as_u16(), fault.reason), (503, "queue-timeout"));
            assert_eq!(waits(&queue), 1);
        }
    }
}
