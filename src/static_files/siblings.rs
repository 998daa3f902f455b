//! A file's compressed siblings: which are up to date, which are worth writing, and writing them.
//!
//! Called by `compress`, one source at a time on each of its threads. Blocking.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::asset::SIBLINGS;
use super::compress::{CompressError, CompressReport};
use super::walk::{Found, Tree};
use crate::semantics::accept_encoding::Coding;
use crate::semantics::media_types::is_compressed;

/// Below this a response fits the first packet whatever is done to it.
const SMALLEST: u64 = 256;

/// A sibling must be smaller than its source by this share (one in twenty), or decoding costs more than it gains.
const MIN_GAIN: u64 = 20;

/// A file and the siblings it has.
pub struct Source {
    /// Where the tree has it: a link's siblings lie beside the link.
    path: PathBuf,
    found: Found,
    siblings: [Option<Found>; SIBLINGS.len()],
}

/// What a run makes of a sibling, and its bytes.
#[derive(Clone, Copy)]
enum State {
    UpToDate(u64),
    Written(u64),
    Removed,
    Absent,
}

impl Source {
    /// A file of `tree`, which was read from `dir`.
    pub fn new(dir: &Path, tree: &Tree, name: &str) -> Option<Self> {
        let sibling = |(_, suffix)| tree.files.get(&format!("{name}{suffix}")).cloned();
        let found = tree.files.get(name)?.clone();
        Some(Self { path: dir.join(name), found, siblings: SIBLINGS.map(sibling) })
    }

    pub fn size(&self) -> u64 {
        self.found.size
    }

    /// Brings the siblings up to date; the report is of this one file.
    pub fn compress(&self) -> Result<CompressReport, CompressError> {
        let size = self.size();
        let mut report =
            CompressReport { files: 1, bytes_before: size, bytes_after: size, ..CompressReport::default() };
        if !is_compressed(&self.path.to_string_lossy()) {
            for state in self.bring_up_to_date()? {
                match state {
                    State::UpToDate(size) => {
                        report.up_to_date += 1;
                        report.bytes_after = report.bytes_after.min(size);
                    }
                    State::Written(size) => {
                        report.written += 1;
                        report.bytes_after = report.bytes_after.min(size);
                    }
                    State::Removed => report.removed += 1,
                    State::Absent => {}
                }
            }
        }
        report.skipped = usize::from(report.up_to_date + report.written == 0);
        Ok(report)
    }

    fn bring_up_to_date(&self) -> Result<[State; SIBLINGS.len()], CompressError> {
        let mut states = self.siblings.each_ref().map(|sibling| self.up_to_date(sibling.as_ref()));
        if states.iter().all(|state| matches!(state, State::UpToDate(_))) {
            return Ok(states);
        }
        let unreadable = |source| CompressError::Read { path: self.found.path.clone(), source };
        let permissions = fs::metadata(&self.found.path).map_err(unreadable)?.permissions();
        let bytes = fs::read(&self.found.path).map_err(unreadable)?;

        let mut worth_it = bytes.len() as u64 >= SMALLEST;
        // From gzip, the fastest, to brotli, the slowest: what one cannot shrink, the next is not tried on.
        for ((coding, suffix), state) in SIBLINGS.into_iter().zip(&mut states).rev() {
            if matches!(state, State::UpToDate(_)) {
                continue;
            }
            let path = self.sibling_path(suffix);
            let unwritable = |source| CompressError::Write { path: path.clone(), source };
            let packed = if worth_it { encode(coding, &bytes).map_err(unwritable)? } else { Vec::new() };
            worth_it = worth_it && gains(&packed, &bytes);
            if worth_it {
                put(&path, &packed, permissions.clone(), self.found.modified).map_err(unwritable)?;
                *state = State::Written(packed.len() as u64);
            } else if matches!(state, State::Removed) {
                fs::remove_file(&path).map_err(unwritable)?;
            }
        }
        Ok(states)
    }

    /// What becomes of a sibling if nothing is written. Times are compared to the nanosecond, unlike in the scan:
    /// writing again what was up to date does no harm.
    fn up_to_date(&self, sibling: Option<&Found>) -> State {
        match sibling {
            None => State::Absent,
            Some(found) if found.modified >= self.found.modified => State::UpToDate(found.size),
            Some(_) => State::Removed,
        }
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

/// Writes aside, under a hidden name that no scan takes, then renames.
fn put(path: &Path, bytes: &[u8], permissions: Permissions, modified: SystemTime) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".monopod-").tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(permissions)?;
    file.as_file().set_modified(modified)?;
    file.persist(path)?;
    Ok(())
}
