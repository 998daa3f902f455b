//! What must hold at the HTTP edge for any bytes: the checks of `fuzz/checks`, with inputs that are known and with some
//! that are made up each time. fuzz/README.md tells of both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../fuzz/checks/mod.rs"]
mod checks;
#[path = "../requests/escape.rs"]
mod escape;

mod corpus;
mod differential;
