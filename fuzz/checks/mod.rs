//! What must hold at the HTTP edge for any bytes: one function a target, which panics where it does not.
//!
//! Called by the targets of cargo-fuzz and, through `#[path]`, by `tests/edge` of the main crate. Each compares the crate
//! with a naive reference of its own, which shares no code with it.

mod accept_encoding;
mod choices;
mod chunks;
mod connection;
mod environ;
mod forwarded;
pub mod framing;
pub mod guard;
mod proxy_protocol;
mod range;
pub mod streams;

pub use accept_encoding::accept_encoding;
pub use environ::environ;
pub use forwarded::forwarded;
pub use guard::guard;
pub use proxy_protocol::proxy_protocol;
pub use range::range;
