//! Bytes in and out: listeners, accepting, the guarded stream, one HTTP connection.
//!
//! Knows sockets and hyper; what answers a request is handed in as a service.

pub mod accept;
pub mod conn;
pub mod guard;
mod linger;
pub mod listen;
mod outgoing;
pub mod permits;
pub mod proxy_protocol;
mod sendfile;
pub mod socket;
pub mod stream;
mod timer;
