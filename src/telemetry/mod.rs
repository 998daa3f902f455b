//! What the server says of itself: log records from every room (through `tracing`), metrics, and words to the person
//! who typed the command.

pub mod access;
mod brief;
pub mod console;
pub mod exposition;
pub mod gate;
pub mod line;
pub mod log;
pub mod metrics;
pub mod plain_text;
pub mod progress;
pub mod reasons;
pub mod records;
pub mod reference;
pub mod sink;
pub mod snapshot;
