//! The file `.monopod-digests` in a root: what `compress` learned of every public file, so that the scan need not read
//! them all.
//!
//! Written by `compress`, read by both. Its name is hidden, so it is never served. Text: a first line with the version,
//! a line a file in the order of names, a last line with the digest of all before it. Read whole or not at all; a record
//! counts only while the file still has the size and the time that it had. Blocking.

use std::fmt::Write;
use std::fs::{self, File, Permissions};
use std::io::{self, Error, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::replace::replace;
use super::walk::{Found, Tree};

const NAME: &str = ".monopod-digests";

const FIRST_LINE: &str = "monopod-digests 1\n";

/// A million files with long names; more is not from `compress`.
const LARGEST: u64 = 256 << 20;

const SECOND: i64 = 1_000_000_000;

/// What is known of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    pub digest: blake3::Hash,
    pub size: u64,
    /// When its content changed last, in nanoseconds since 1970.
    modified: i64,
    /// Whether `compress` wrote the file, and so may remove it.
    pub written: bool,
}

/// The records of a root.
#[derive(Debug, Default)]
pub struct Digests {
    text: String,
    /// Where a name stands in the text, and what is known of it; in the order of names.
    records: Vec<(Range<usize>, Record)>,
}

impl Record {
    pub fn new(digest: blake3::Hash, size: u64, modified: SystemTime, written: bool) -> Self {
        Self { digest, size, modified: nanoseconds(modified), written }
    }

    /// Reads a file and digests it.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // Before the bytes: what changes while they are read has another time afterwards.
        let modified = file.metadata()?.modified()?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(&file)?;
        Ok(Self::new(hasher.finalize(), hasher.count(), modified, false))
    }

    /// Whether the file is still what it was. Layers of images keep whole seconds, so a time without nanoseconds is
    /// compared in seconds.
    fn is_of(&self, found: &Found) -> bool {
        let time = nanoseconds(found.modified);
        let same_second = || time % SECOND == 0 && time.div_euclid(SECOND) == self.modified.div_euclid(SECOND);
        self.size == found.size && (time == self.modified || same_second())
    }
}

impl Digests {
    /// Where the file lies.
    pub fn path(root: &Path) -> PathBuf {
        root.join(NAME)
    }

    /// The records of a root; none where there is no file.
    ///
    /// # Errors
    /// When it cannot be read, or is not exactly as written.
    pub fn read(root: &Path) -> io::Result<Self> {
        let path = Self::path(root);
        // Not followed, and nothing that could block: a name in a directory of files is not always a file.
        let metadata = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            metadata => metadata?,
        };
        if !metadata.is_file() || metadata.len() > LARGEST {
            return Err(Error::new(ErrorKind::InvalidData, "not a file of digests"));
        }
        Self::parse(fs::read_to_string(path)?)
    }

    /// The record of a name, whatever has become of its file.
    pub fn last(&self, name: &str) -> Option<&Record> {
        let at = self.records.binary_search_by(|(range, _)| self.text[range.clone()].cmp(name)).ok()?;
        Some(&self.records[at].1)
    }

    /// The record of a file that is still what it was.
    pub fn of(&self, name: &str, found: &Found) -> Option<&Record> {
        self.last(name).filter(|record| record.is_of(found))
    }

    /// Gives every file of the tree that is still what it was its digest.
    pub fn vouch(&self, tree: &mut Tree) {
        // Both are in the order of names.
        let mut files = tree.files.iter_mut().peekable();
        for (range, record) in &self.records {
            let name = &self.text[range.clone()];
            while files.next_if(|(file, _)| file.as_str() < name).is_some() {}
            if let Some((_, found)) = files.next_if(|(file, found)| file.as_str() == name && record.is_of(found)) {
                found.digest = Some(record.digest);
            }
        }
    }

    /// Names with a record, and the records.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Record)> {
        self.records.iter().map(|(range, record)| (&self.text[range.clone()], record))
    }

    /// Whether these, in the order of names, are the records already.
    pub fn are(&self, records: &[(String, Record)]) -> bool {
        render(records) == self.text
    }

    /// Makes these, in the order of names, the records of `root`, unless they are already.
    pub fn update(&self, root: &Path, records: &[(String, Record)]) -> io::Result<()> {
        let text = render(records);
        if text == self.text {
            return Ok(());
        }
        // Who may read the directory may read it; the user who serves is often not the one who builds.
        let mode = fs::metadata(root)?.permissions().mode() & 0o444 | 0o200;
        replace(&Self::path(root), text.as_bytes(), Permissions::from_mode(mode), None).map(drop)
    }

    fn parse(text: String) -> io::Result<Self> {
        let malformed = || Error::new(ErrorKind::InvalidData, "malformed");
        let first = text.get(..FIRST_LINE.len()).unwrap_or_default();
        if first != FIRST_LINE {
            return Err(Error::new(ErrorKind::InvalidData, "of another version, or no file of digests"));
        }
        let end = text.strip_suffix('\n').and_then(|text| text.rfind('\n')).ok_or_else(malformed)? + 1;
        let (signed, signature) = text.split_at(end);
        if signature.trim_end() != blake3::hash(signed.as_bytes()).to_hex().as_str() {
            return Err(malformed());
        }
        let mut records: Vec<(Range<usize>, Record)> = Vec::new();
        let mut at = FIRST_LINE.len();
        for line in signed[at..].split_terminator('\n') {
            let (name, record) = parse_line(line).ok_or_else(malformed)?;
            let next = at + line.len() + 1;
            let range = next - 1 - name.len()..next - 1;
            // Sorted, for the search, and each name once.
            if records.last().is_some_and(|(last, _)| &text[last.clone()] >= name) {
                return Err(malformed());
            }
            records.push((range, record));
            at = next;
        }
        Ok(Self { text, records })
    }
}

fn render(records: &[(String, Record)]) -> String {
    let mut text = String::with_capacity(FIRST_LINE.len() + records.len() * 160);
    text.push_str(FIRST_LINE);
    for (name, record) in records {
        let written = if record.written { "written" } else { "found" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {written} {} {} {name}", record.digest.to_hex(), record.size, record.modified);
    }
    let signature = blake3::hash(text.as_bytes()).to_hex();
    text.push_str(&signature);
    text.push('\n');
    text
}

fn parse_line(line: &str) -> Option<(&str, Record)> {
    let mut fields = line.splitn(5, ' ');
    let digest = blake3::Hash::from_hex(fields.next()?).ok()?;
    let written = match fields.next()? {
        "written" => true,
        "found" => false,
        _ => return None,
    };
    let size = fields.next()?.parse().ok()?;
    let modified = fields.next()?.parse().ok()?;
    let name = fields.next().filter(|name| !name.is_empty())?;
    Some((name, Record { digest, size, modified, written }))
}

/// Since 1970. Times before 1677 and after 2262 are all the same.
fn nanoseconds(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |before| -before),
    }
}
