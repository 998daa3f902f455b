//! Static files, served as nginx would: from a catalog read once at start, precompressed, and cached for ever where the
//! name says so.
//!
//! The request's way: `service` (whose turn is it) → `catalog` (one look-up) → `asset` (which variant) → `respond`
//! (which answer) → `body` (bytes). The start's way: `headers_file`; `walk` → `scan` → `content`, `manifest` → `asset` → `catalog`.
//! `compress` is the command that writes `siblings` and `digests`. Where it is worked on, `lookup` takes the place of
//! `catalog`. A file that the application names goes `accel` (where)
//! → `beneath` (open) → `named` → `respond`, and so do those of `media`, which come and go. Called by `server` and `stack`; knows nothing of Python or of the app.

mod accel;
mod asset;
mod beneath;
mod body;
mod catalog;
mod compress;
mod content;
mod digests;
mod headers_file;
mod immutable;
mod lookup;
mod manifest;
mod media;
mod named;
mod parallel;
mod replace;
mod respond;
mod scan;
mod service;
mod siblings;
#[cfg(test)]
mod tests;
mod walk;

pub use accel::Accel;
pub use body::StaticBody;
pub use compress::{CompressError, CompressReport, Mode, Progress, compress};
pub use headers_file::HeadersFile;
pub use media::Media;
pub use service::{MountReport, StaticFiles};
