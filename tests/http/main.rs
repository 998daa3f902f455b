//! Promises of framing and connections, on raw sockets against the real binary; a file per promise.
//!
//! The application is `app.py` beside this file; the binary finds a Python for it by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod server;
mod wire;

mod attacks;
mod body_limit;
mod chunked;
mod close;
mod expect_continue;
mod garbage;
mod head;
mod host;
mod keep_alive;
mod pipelining;
mod requests;
mod slow_head;
mod static_codings;
mod static_methods;
mod static_paths;
mod static_ranges;
mod static_site;
