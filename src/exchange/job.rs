//! One request on its way to Python: the seam between the front and the Python host.
//!
//! `app` makes jobs, the pool takes them from a [`Source`], and the [`Crew`] is told that some wait. A job
//! whose reply handle is dropped unanswered tells the front so; none is ever lost in silence.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::replies::ReplyHandle;
use super::spool::Spooled;

/// A request whose body is complete, and the way back.
#[derive(Debug)]
pub struct Job {
    pub head: RequestHead,
    pub body: Spooled,
    pub reply: ReplyHandle,
}

/// What the request line and the header section said.
#[derive(Debug)]
pub struct RequestHead {
    pub parts: http::request::Parts,
    pub client: Arc<Client>,
}

/// The two ends of a connection, as text ready for environ; made once per connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// `REMOTE_ADDR`: the peer's IP address; empty on a Unix socket.
    pub remote_addr: String,
    /// `REMOTE_PORT`; empty on a Unix socket.
    pub remote_port: String,
    /// `SERVER_NAME` where the request has no Host.
    pub server_name: String,
    /// `SERVER_PORT`, decimal (RFC 3875 §4.1.15); `80` on a Unix socket.
    pub server_port: String,
}

impl Client {
    /// A TCP connection from `peer` to `local`.
    #[must_use]
    pub fn tcp(peer: SocketAddr, local: SocketAddr) -> Self {
        Self {
            remote_addr: peer.ip().to_canonical().to_string(),
            remote_port: peer.port().to_string(),
            server_name: local.ip().to_canonical().to_string(),
            server_port: local.port().to_string(),
        }
    }

    /// A connection over a Unix socket, which has no addresses.
    #[must_use]
    pub fn unix() -> Self {
        Self {
            remote_addr: String::new(),
            remote_port: String::new(),
            server_name: "localhost".to_owned(),
            server_port: "80".to_owned(),
        }
    }
}

/// Where the Python host takes its jobs from.
pub trait Source: Send + Sync {
    /// The next job that is worth running; never blocks.
    fn take(&self) -> Option<Job>;

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
}
