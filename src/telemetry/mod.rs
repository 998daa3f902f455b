//! What the server says of itself: log records from every room (through `tracing`), and words to the person who
//! typed the command.

pub mod console;
pub mod log;
