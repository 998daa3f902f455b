//! The application branch of a request: collect the body, queue the job, answer with what comes back.
//!
//! Called by `stack`. Knows jobs and replies, never Python.

pub mod backend;
pub mod body;
pub mod queue;
pub mod service;
