//! A file's compressed siblings: which are up to date, which are worth writing, and writing them.
//!
//! Called by `compress`, one source at a time on each of its threads. Blocking.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::asset::SIBLINGS;
use super::compress::{CompressError, CompressReport, Mode};
use super::digests::{Digests, Record};
use super::replace::replace;
use super::walk::{Found, Tree};
use crate::semantics::accept_encoding::Coding;
use crate::semantics::media_types::is_compressed;

/// Below this a response fits the first packet whatever is done to it.
const SMALLEST: u64 = 256;

/// A sibling must be smaller than its source by this share (one in twenty), or decoding costs more than it gains.
const MIN_GAIN: u64 = 20;

/// A file and the siblings it has.
pub struct Source<'a> {
    name: &'a str,
    /// Where the tree has it: a link's siblings lie beside the link.
    path: PathBuf,
    found: &'a Found,
    siblings: [Option<&'a Found>; SIBLINGS.len()],
    /// What the last run knew.
    digests: &'a Digests,
}

/// What a run made of a source.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Of this one file.
    pub report: CompressReport,
    /// What is now known of it and its siblings.
    pub records: Vec<(String, Record)>,
    /// Siblings to write or remove; empty unless only checked.
    pub outdated: Vec<PathBuf>,
}

/// What there is of a sibling.
#[derive(Clone, Copy)]
enum State<'a> {
    Absent,
    /// Absent, and known not to be worth it.
    Needless,
    Stale(&'a Found),
    UpToDate(&'a Found),
    Written(Record),
    Removed,
}

impl<'a> Source<'a> {
    /// A file of `tree`, which was read from `dir`, and what the last run knew of both.
    pub fn new(dir: &Path, tree: &'a Tree, digests: &'a Digests, name: &'a str) -> Option<Self> {
        let sibling = |(_, suffix)| tree.files.get(&format!("{name}{suffix}"));
        let found = tree.files.get(name)?;
        Some(Self { name, path: dir.join(name), found, siblings: SIBLINGS.map(sibling), digests })
    }

    pub fn size(&self) -> u64 {
        self.found.size
    }

    /// Brings the siblings up to date, or says which are not.
    pub fn compress(&self, mode: Mode) -> Result<Outcome, CompressError> {
        let mut outcome = Outcome::default();
        let own = self.record(self.name, self.found)?;
        let change = self.digests.last(self.name).map(|last| last.digest != own.digest);
        let mut states = [State::Absent; SIBLINGS.len()];
        for (state, ((_, suffix), sibling)) in states.iter_mut().zip(SIBLINGS.iter().zip(self.siblings)) {
            *state = self.state(&format!("{}{suffix}", self.name), sibling, change);
        }
        let packed = is_compressed(self.name);
        if packed {
            // What somebody put beside a file that is packed already is theirs.
        } else if mode == Mode::Write {
            self.bring_up_to_date(&mut states)?;
        } else {
            outcome.outdated = self.outdated(&states)?;
        }
        outcome.report = self.report(&states, packed);
        outcome.records = self.records(own, &states)?;
        Ok(outcome)
    }

    /// What was known of it and its siblings before.
    pub fn last_records(&self) -> impl Iterator<Item = (String, Record)> {
        let suffixes = std::iter::once("").chain(SIBLINGS.map(|(_, suffix)| suffix));
        let names = suffixes.map(|suffix| format!("{}{suffix}", self.name));
        names.filter_map(|name| self.digests.last(&name).copied().map(|record| (name, record)))
    }

    /// What there is of a sibling. `change` says whether the source has changed since the last run, where there was
    /// one. Times are compared to the nanosecond, unlike in the scan: writing again what was up to date does no harm.
    fn state(&self, name: &str, sibling: Option<&'a Found>, change: Option<bool>) -> State<'a> {
        match sibling {
            // The last run, knowing the same source, did without.
            None if change == Some(false) && self.digests.last(name).is_none() => State::Needless,
            None => State::Absent,
            // A package manager gives all versions of a file one date, so a newer source may have the time of the older.
            Some(found) if change == Some(true) && self.digests.of(name, found).is_some() => State::Stale(found),
            Some(found) if found.modified < self.found.modified => State::Stale(found),
            Some(found) => State::UpToDate(found),
        }
    }

    /// What a run would write or remove. By gzip alone, the fastest, where a run asks each coding: nearly always they
    /// agree, and after the run nothing is left to ask.
    fn outdated(&self, states: &[State<'_>]) -> Result<Vec<PathBuf>, CompressError> {
        let asks = states.iter().any(|state| matches!(state, State::Absent));
        let worth_it = asks && self.size() >= SMALLEST && {
            let (_, bytes) = self.read()?;
            gains(&encode(Coding::Gzip, &bytes).map_err(|error| self.unreadable(error))?, &bytes)
        };
        let outdated = SIBLINGS.iter().zip(states).filter(|(_, state)| match state {
            State::Absent => worth_it,
            State::Stale(_) => true,
            _ => false,
        });
        Ok(outdated.map(|((_, suffix), _)| self.sibling_path(suffix)).collect())
    }

    fn bring_up_to_date(&self, states: &mut [State<'_>]) -> Result<(), CompressError> {
        if !states.iter().any(|state| matches!(state, State::Absent | State::Stale(_))) {
            return Ok(());
        }
        let (metadata, bytes) = self.read()?;
        let mut worth_it = bytes.len() as u64 >= SMALLEST;
        // From gzip, the fastest, to brotli, the slowest: what one cannot shrink, the next is not tried on.
        for ((coding, suffix), state) in SIBLINGS.into_iter().zip(states).rev() {
            if !matches!(state, State::Absent | State::Stale(_)) {
                continue;
            }
            let path = self.sibling_path(suffix);
            let unwritable = |source| CompressError::Write { path: path.clone(), source };
            let packed = if worth_it { encode(coding, &bytes).map_err(unwritable)? } else { Vec::new() };
            worth_it = worth_it && gains(&packed, &bytes);
            if worth_it {
                let time = Some(self.found.modified);
                let written = replace(&path, &packed, metadata.permissions(), time).map_err(unwritable)?;
                let modified = written.modified().map_err(unwritable)?;
                *state = State::Written(Record::new(blake3::hash(&packed), written.len(), modified, true));
            } else if matches!(state, State::Stale(_)) {
                fs::remove_file(&path).map_err(unwritable)?;
                *state = State::Removed;
            }
        }
        Ok(())
    }

    fn report(&self, states: &[State<'_>], packed: bool) -> CompressReport {
        let size = self.size();
        let mut report =
            CompressReport { files: 1, bytes_before: size, bytes_after: size, ..CompressReport::default() };
        for state in states.iter().filter(|_| !packed) {
            let size = match state {
                State::UpToDate(found) => {
                    report.up_to_date += 1;
                    found.size
                }
                State::Written(record) => {
                    report.written += 1;
                    record.size
                }
                State::Removed => {
                    report.removed += 1;
                    continue;
                }
                State::Absent | State::Needless | State::Stale(_) => continue,
            };
            report.bytes_after = report.bytes_after.min(size);
        }
        report.skipped = usize::from(report.up_to_date + report.written == 0);
        report
    }

    /// Of the source and each sibling that is there now.
    fn records(&self, own: Record, states: &[State<'_>]) -> Result<Vec<(String, Record)>, CompressError> {
        let mut records = vec![(self.name.to_owned(), own)];
        for ((_, suffix), state) in SIBLINGS.iter().zip(states) {
            let name = format!("{}{suffix}", self.name);
            let record = match state {
                State::Written(record) => *record,
                State::UpToDate(found) | State::Stale(found) => self.record(&name, found)?,
                State::Absent | State::Needless | State::Removed => continue,
            };
            records.push((name, record));
        }
        Ok(records)
    }

    /// What is known of a file now that it is read. Always read: at build time bytes tell more than times do.
    fn record(&self, name: &str, found: &Found) -> Result<Record, CompressError> {
        let unreadable = |source| CompressError::Read { path: found.path.clone(), source };
        let mut now = Record::of_file(&found.path).map_err(unreadable)?;
        let last = self.digests.last(name).filter(|last| last.digest == now.digest);
        if let Some(last) = self.digests.of(name, found).and(last) {
            // Its time may be the more precise one.
            return Ok(*last);
        }
        // A copy has another time, and is still what a run wrote.
        now.written = last.is_some_and(|last| last.written);
        Ok(now)
    }

    fn read(&self) -> Result<(Metadata, Vec<u8>), CompressError> {
        let read = || {
            let mut file = File::open(&self.found.path)?;
            let mut bytes = Vec::with_capacity(usize::try_from(self.found.size).unwrap_or(0));
            file.read_to_end(&mut bytes)?;
            Ok((file.metadata()?, bytes))
        };
        read().map_err(|error| self.unreadable(error))
    }

    fn unreadable(&self, source: io::Error) -> CompressError {
        CompressError::Read { path: self.found.path.clone(), source }
    }

    fn sibling_path(&self, suffix: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(suffix);
        PathBuf::from(path)
    }
}

fn gains(packed: &[u8], bytes: &[u8]) -> bool {
    let (packed, bytes) = (packed.len() as u64, bytes.len() as u64);
    packed <= bytes - bytes / MIN_GAIN
}

fn encode(coding: Coding, bytes: &[u8]) -> io::Result<Vec<u8>> {
    match coding {
        Coding::Br => {
            let mut packed = Vec::new();
            let size_hint = bytes.len();
            let params = BrotliEncoderParams { quality: 11, lgwin: 22, size_hint, ..BrotliEncoderParams::default() };
            brotli::BrotliCompress(&mut &bytes[..], &mut packed, &params)?;
            Ok(packed)
        }
        // RFC 9659: a window of at most 8 MiB, which is what level 19 takes; from level 20 on browsers refuse it.
        Coding::Zstd => zstd::bulk::compress(bytes, 19),
        Coding::Gzip => {
            // The header carries neither name nor time, so that equal sources give equal bytes.
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        Coding::Identity => Ok(bytes.to_vec()),
    }
}
