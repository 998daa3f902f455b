//! One request on its way to Python: the seam between the front and the Python host.
//!
//! `app` makes jobs, the pool takes them from a [`Source`], and the [`Crew`] is told that some wait. A job
//! whose reply handle is dropped unanswered tells the front so; none is ever lost in silence.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::Client;
use super::replies::ReplyHandle;
use super::request_id::RequestId;
use super::spool::Spooled;

/// A request whose body is complete, and the way back. Boxed on its way: its head is large.
#[derive(Debug)]
pub struct Job {
    pub head: RequestHead,
    pub body: Spooled,
    pub reply: ReplyHandle,
    /// When it began to wait for a thread: here, or in front of a trusted proxy that tells.
    pub queued: Instant,
}

/// What the request line and the header section said.
#[derive(Debug)]
pub struct RequestHead {
    pub parts: http::request::Parts,
    /// The connection's, or the request's own where trusted proxies speak for it.
    pub client: Arc<Client>,
    pub id: RequestId,
}

/// Where the Python host takes its jobs from.
pub trait Source: Send + Sync {
    /// The next job that is worth running; never blocks.
    fn take(&self) -> Option<Box<Job>>;

    /// No job waits. May be called with a lock of the crew's held, so it must not call back.
    fn is_empty(&self) -> bool;

    /// How long jobs have been waiting without one being taken; zero when none waits.
    fn stuck_for(&self) -> Duration;
}

/// Who runs jobs. Both calls come from the front, are cheap, and never wait for Python.
pub trait Crew: Send + Sync {
    /// A job was just queued: see to it that somebody will take it.
    fn job_arrived(&self);

    /// Jobs have been waiting for a while: look whether the running threads are blocked.
    fn look(&self);

    /// Looks at the jobs that are being run: which takes too long? False: none is.
    fn watch(&self) -> bool;
}
