//! The `compress` command: writes `.br`, `.zst` and `.gz` beside every file that gains from it, for the scan to find.
//!
//! Called by `cli`, at image build. Blocking. A sibling appears whole or not at all, has its source's permissions and
//! time, and is written again only when its source is newer. Symbolic links that lead out of a directory are left
//! alone.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::parallel;
use super::siblings::Source;
use super::walk::walk;

/// What a run of [`compress`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompressReport {
    /// Files that may be served, siblings not counted.
    pub files: usize,
    /// Siblings written.
    pub written: usize,
    /// Siblings that were up to date.
    pub up_to_date: usize,
    /// Files left without any sibling: packed already, too small, or nothing gained.
    pub skipped: usize,
    /// Siblings removed because their source, changed since, no longer gains from them.
    pub removed: usize,
    /// Bytes of all files.
    pub bytes_before: u64,
    /// Bytes of all files in the smallest form there now is of each.
    pub bytes_after: u64,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Files done.
    pub done: usize,
    /// Files in all.
    pub files: usize,
}

/// Why a run ended early. Siblings written until then stay; running again goes on.
#[derive(Debug, thiserror::Error)]
pub enum CompressError {
    /// A directory to compress cannot be read.
    #[error("cannot read the directory {}: {source}; give directories that exist", dir.display())]
    Directory {
        /// As given.
        dir: PathBuf,
        /// From the system.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}; correct its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// From the system.
        source: io::Error,
    },
    /// A sibling cannot be written or removed.
    #[error("cannot write {}: {source}; run where the directory is writable, such as the image build", path.display())]
    Write {
        /// The sibling.
        path: PathBuf,
        /// From the system.
        source: io::Error,
    },
}

/// Compresses all directories.
///
/// # Errors
/// The first directory or file that cannot be read, or sibling that cannot be written.
pub fn compress(dirs: &[PathBuf]) -> Result<CompressReport, CompressError> {
    compress_with_progress(dirs, &|_| ())
}

/// Compresses all directories, and tells after each file how far it is (from several threads).
///
/// # Errors
/// As [`compress`].
pub fn compress_with_progress(
    dirs: &[PathBuf],
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<CompressReport, CompressError> {
    let mut sources = Vec::new();
    for dir in dirs {
        let tree = walk(dir).map_err(|source| CompressError::Directory { dir: dir.clone(), source })?;
        sources.extend(
            tree.files.keys().filter(|name| !tree.is_sibling(name)).filter_map(|name| Source::new(dir, &tree, name)),
        );
    }
    // The largest first, so that no thread is left with a long one at the end.
    sources.sort_by_key(|source| std::cmp::Reverse(source.size()));

    let done = AtomicUsize::new(0);
    let reports = parallel::map(&sources, parallel::threads(), |source| {
        let report = source.compress();
        progress(Progress { done: done.fetch_add(1, Ordering::Relaxed) + 1, files: sources.len() });
        report
    });
    reports.into_iter().try_fold(CompressReport::default(), |total, report| Ok(total.plus(report?)))
}

impl CompressReport {
    fn plus(self, other: Self) -> Self {
        Self {
            files: self.files + other.files,
            written: self.written + other.written,
            up_to_date: self.up_to_date + other.up_to_date,
            skipped: self.skipped + other.skipped,
            removed: self.removed + other.removed,
            bytes_before: self.bytes_before + other.bytes_before,
            bytes_after: self.bytes_after + other.bytes_after,
        }
    }
}
