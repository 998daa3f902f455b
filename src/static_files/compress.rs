//! The `compress` command: writes `.br`, `.zst` and `.gz` beside every file that gains from it, for the scan to find,
//! and what it learned of every file into one file of `digests` a directory.
//!
//! Called by `run()` and by the extension module, at image build. Blocking. A sibling appears whole or not at all, has
//! its source's permissions and time, and is written again only when its source is newer. Siblings of a run before whose
//! source is gone are removed; what others wrote is not. Symbolic links that lead out of a directory are left alone.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{fmt, fs};

use super::asset::SIBLINGS;
use super::digests::{Digests, Record};
use super::parallel;
use super::siblings::{Outcome, Source};
use super::walk::{Tree, walk};
use crate::semantics::printable::printable;

/// What a run may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Write and remove.
    Write,
    /// Change nothing; [`CompressError::Outdated`] or [`CompressError::Undigested`] where `Write` would.
    Check,
}

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
    /// Siblings removed: their source is gone, or changed and no longer gains from them.
    pub removed: usize,
    /// Bytes of all files.
    pub bytes_before: u64,
    /// Bytes of all files in the smallest form there now is of each.
    pub bytes_after: u64,
    /// Time it took.
    pub elapsed: Duration,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Files done.
    pub done: usize,
    /// Files in all.
    pub files: usize,
    /// Bytes of the files done.
    pub bytes_done: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Why a run ended early, or a check failed. Siblings written until then stay; running again goes on.
#[derive(Debug, thiserror::Error)]
pub enum CompressError {
    /// A directory to compress cannot be read.
    #[error("cannot read the directory {}: {source}; give directories that exist", shown(dir))]
    Directory {
        /// As given.
        dir: PathBuf,
        /// From the system.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}; correct its permissions", shown(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// From the system.
        source: io::Error,
    },
    /// A sibling, or the file of digests, cannot be written or removed.
    #[error("cannot write {}: {source}; run where the directory is writable, such as the image build", shown(path))]
    Write {
        /// The file.
        path: PathBuf,
        /// From the system.
        source: io::Error,
    },
    /// A check found siblings that a run would write or remove.
    #[error(
        "{} missing or stale (the first is {}); run `monopod compress {}`",
        if *count == 1 { "1 compressed sibling is".to_owned() } else { format!("{count} compressed siblings are") },
        shown(first),
        dirs.iter().map(|dir| shown(dir)).collect::<Vec<_>>().join(" ")
    )]
    Outdated {
        /// How many.
        count: usize,
        /// The first by name.
        first: PathBuf,
        /// The directories they are in, as given.
        dirs: Vec<PathBuf>,
    },
    /// A check found all siblings up to date, but not the file of digests, so that a server would read every file.
    #[error("{} is missing or stale; run `monopod compress {}`", shown(path), shown(dir))]
    Undigested {
        /// The file.
        path: PathBuf,
        /// As given.
        dir: PathBuf,
    },
    /// The progress told it to end.
    #[error("interrupted; what is written is whole, and running again goes on")]
    Interrupted,
}

impl CompressError {
    /// Whether this is the answer of a check, and no failure.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        matches!(self, Self::Outdated { .. } | Self::Undigested { .. })
    }
}

/// A directory, what is in it, and what the last run knew of that.
struct Root {
    dir: PathBuf,
    tree: Tree,
    digests: Digests,
}

/// Compresses all directories, or checks that there is nothing to do. Tells after each file how far it is (from several
/// threads), and ends early when it is told to.
///
/// # Errors
/// The first directory or file that cannot be read, or sibling that cannot be written; in a check, what is not up to
/// date.
pub fn compress(
    dirs: &[PathBuf],
    mode: Mode,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Sync),
) -> Result<CompressReport, CompressError> {
    let started = Instant::now();
    let mut roots = Root::open_all(dirs)?;
    let mut total = CompressReport::default();
    // For each root, what is outdated in it, by name.
    let mut outdated = vec![BTreeSet::new(); roots.len()];
    for (root, outdated) in roots.iter_mut().zip(&mut outdated) {
        for (path, name) in root.orphans()? {
            if mode == Mode::Write {
                fs::remove_file(&path).map_err(|source| CompressError::Write { path, source })?;
                root.tree.files.remove(&name);
                total.removed += 1;
            } else {
                outdated.insert(path);
            }
        }
    }

    let mut sources: Vec<(usize, Source<'_>)> = Vec::new();
    for (index, root) in roots.iter().enumerate() {
        sources.extend(root.sources().map(|source| (index, source)));
    }
    // The largest first, so that no thread is left with a long one at the end.
    sources.sort_by_key(|(_, source)| std::cmp::Reverse(source.size()));
    let outcomes = run(&sources, mode, progress);

    let mut records: Vec<Vec<(String, Record)>> = vec![Vec::new(); roots.len()];
    let mut first_error = Ok(());
    for ((root, source), outcome) in sources.iter().zip(outcomes) {
        match outcome {
            Ok(outcome) => {
                total.add(&outcome.report);
                records[*root].extend(outcome.records);
                outdated[*root].extend(outcome.outdated);
            }
            Err(error) => {
                records[*root].extend(source.last_records());
                first_error = first_error.and(Err(error));
            }
        }
    }
    for records in &mut records {
        records.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    }
    if mode == Mode::Check {
        first_error?;
        check(&roots, outdated, &records)?;
    } else {
        // Also after an error: what is written is known to be ours.
        let written = roots.iter().zip(&records).try_for_each(|(root, records)| root.remember(records));
        first_error.and(written)?;
    }
    total.elapsed = started.elapsed();
    Ok(total)
}

fn run(
    sources: &[(usize, Source<'_>)],
    mode: Mode,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Sync),
) -> Vec<Result<Outcome, CompressError>> {
    let bytes = sources.iter().map(|(_, source)| source.size()).sum();
    let (done, bytes_done, interrupted) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicBool::new(false));
    parallel::map(sources, parallel::threads(), |(_, source)| {
        if interrupted.load(Ordering::Relaxed) {
            return Err(CompressError::Interrupted);
        }
        let outcome = source.compress(mode);
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes_done = bytes_done.fetch_add(source.size(), Ordering::Relaxed) + source.size();
        if progress(Progress { done, files: sources.len(), bytes_done, bytes }).is_break() {
            interrupted.store(true, Ordering::Relaxed);
        }
        outcome
    })
}

fn check(
    roots: &[Root],
    outdated: Vec<BTreeSet<PathBuf>>,
    records: &[Vec<(String, Record)>],
) -> Result<(), CompressError> {
    let count = outdated.iter().map(BTreeSet::len).sum();
    let in_need = roots.iter().zip(&outdated).filter(|(_, outdated)| !outdated.is_empty());
    let dirs: Vec<PathBuf> = in_need.map(|(root, _)| root.dir.clone()).collect();
    if let Some(first) = outdated.into_iter().flatten().next() {
        return Err(CompressError::Outdated { count, first, dirs });
    }
    match roots.iter().zip(records).find(|(root, records)| !root.digests.are(records)) {
        None => Ok(()),
        Some((root, _)) => Err(CompressError::Undigested { path: Digests::path(&root.dir), dir: root.dir.clone() }),
    }
}

impl Root {
    fn open_all(dirs: &[PathBuf]) -> Result<Vec<Self>, CompressError> {
        let mut seen = BTreeSet::new();
        let mut roots = Vec::with_capacity(dirs.len());
        for dir in dirs {
            let unreadable = |source| CompressError::Directory { dir: dir.clone(), source };
            if seen.insert(dir.canonicalize().map_err(unreadable)?) {
                let tree = walk(dir).map_err(unreadable)?;
                // Digests that cannot be read are as good as none: this run writes them anew.
                roots.push(Self { dir: dir.clone(), tree, digests: Digests::read(dir).unwrap_or_default() });
            }
        }
        Ok(roots)
    }

    fn sources(&self) -> impl Iterator<Item = Source<'_>> {
        let names = self.tree.files.keys().filter(|name| !self.tree.is_sibling(name));
        names.filter_map(|name| Source::new(&self.dir, &self.tree, &self.digests, name))
    }

    /// Siblings whose source is gone, and that are byte for byte what a run wrote.
    fn orphans(&self) -> Result<Vec<(PathBuf, String)>, CompressError> {
        let mut orphans = Vec::new();
        for (name, record) in self.digests.iter().filter(|(_, record)| record.written) {
            let source = SIBLINGS.iter().find_map(|(_, suffix)| name.strip_suffix(suffix));
            let (Some(source), Some(found)) = (source, self.tree.files.get(name)) else { continue };
            if found.size != record.size || !is_gone(&self.dir.join(source)) {
                continue;
            }
            let path = self.dir.join(name);
            match Record::of_file(&path) {
                Ok(now) if now.digest == record.digest => orphans.push((path, name.to_owned())),
                Ok(_) => {}
                Err(source) => return Err(CompressError::Read { path, source }),
            }
        }
        Ok(orphans)
    }

    fn remember(&self, records: &[(String, Record)]) -> Result<(), CompressError> {
        let updated = self.digests.update(&self.dir, records);
        updated.map_err(|source| CompressError::Write { path: Digests::path(&self.dir), source })
    }
}

impl CompressReport {
    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.written += other.written;
        self.up_to_date += other.up_to_date;
        self.skipped += other.skipped;
        self.removed += other.removed;
        self.bytes_before += other.bytes_before;
        self.bytes_after += other.bytes_after;
    }

    /// All of it as one line of JSON; the time is `seconds`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let Self { files, written, up_to_date, skipped, removed, bytes_before, bytes_after, elapsed } = self;
        let seconds = elapsed.as_secs_f64();
        format!(
            r#"{{"files":{files},"written":{written},"up_to_date":{up_to_date},"skipped":{skipped},"removed":{removed},"bytes_before":{bytes_before},"bytes_after":{bytes_after},"seconds":{seconds:.3}}}"#
        )
    }
}

impl fmt::Display for CompressReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, written, up_to_date, skipped, removed, bytes_before, bytes_after, elapsed } = self;
        let seconds = elapsed.as_secs_f64();
        write!(
            f,
            "{files} files: {written} siblings written, {up_to_date} up to date, {removed} removed; {skipped} files need \
             none; {bytes_before} -> {bytes_after} bytes in {seconds:.1} s"
        )
    }
}

/// Not only left out of the tree, as a link that leads out is.
fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}
