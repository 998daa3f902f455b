//! PEP 3333 and nothing else: environ in, `start_response` and an iterable out.
//!
//! `server` builds one [`call::Application`] and hands its `run` to the pool. May use pyo3 and `exchange`;
//! never sockets, never hyper, never the pool.

pub mod accel;
pub mod call;
pub mod environ;
pub mod errors;
pub mod file_wrapper;
pub mod head;
pub mod input;
pub mod reply;
pub mod start_response;
mod template;
