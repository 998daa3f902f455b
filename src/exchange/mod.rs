//! What crosses between the async front and the Python host, and nothing else.
//!
//! The front makes a [`Job`], a pool thread runs it, and two things travel back: the [`Reply`] through
//! [`Replies`], and body chunks through the response pipe. Both sides see only these types, so neither
//! knows hyper's nor CPython's. May use tokio; never pyo3, never hyper.

pub mod budget;
pub mod client;
pub mod detach;
pub mod file_slice;
pub mod job;
pub mod named_file;
pub mod parking;
pub mod portion;
pub mod replies;
pub mod request;
pub mod request_id;
pub mod response;
pub mod spool;
pub mod ticket;
pub mod trail;

pub use budget::{Budget, Permit};
pub use client::Client;
pub use file_slice::{FileSlice, FileSource};
pub use job::{Crew, Job, RequestHead, Source};
pub use named_file::{Asked, FileName, NamedFile};
pub use portion::Portion;
pub use replies::{Replies, Reply, ReplyBody, ReplyHandle};
pub use request_id::{RequestId, RequestIds};
pub use spool::{Spool, Spooled};
pub use ticket::{Ticket, Waiting};
pub use trail::Trail;
