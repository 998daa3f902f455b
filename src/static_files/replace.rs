//! Puts a file in place, whole or not at all: written aside, under a hidden name that no scan takes, then renamed.
//!
//! Called by `siblings` and `digests`. Blocking.

use std::fs::{Metadata, Permissions};
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

/// Writes `bytes` to `path`, with a time of its own where one is given; what the file then is.
pub fn replace(
    path: &Path,
    bytes: &[u8],
    permissions: Permissions,
    modified: Option<SystemTime>,
) -> io::Result<Metadata> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".monopod-").tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(permissions)?;
    if let Some(modified) = modified {
        file.as_file().set_modified(modified)?;
    }
    file.persist(path)?.metadata()
}
