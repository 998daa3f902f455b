//! What HTTP means, as pure functions: each file is one part of RFC 9110 (or of the URL and media type rules beside
//! it).
//!
//! Called by `static_files`, `stack` and `exchange`. May touch `std`, the `http` crate and, each in one file only, a
//! small library that knows a format better (`httpdate`, `percent-encoding`, `mime_guess`). Never does I/O, never logs,
//! never answers: it decides, the caller acts.

pub mod accept;
pub mod accept_encoding;
pub mod etag;
pub mod fault;
pub mod forwarded;
pub mod header_lines;
pub mod header_rules;
pub mod media_types;
pub mod path;
pub mod path_pattern;
pub mod preconditions;
pub mod printable;
pub mod range;
pub mod request_start;
pub mod response_fields;
pub mod traceparent;
