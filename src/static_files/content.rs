//! The bytes of a variant: in memory, or in a file that is read as the client takes them.
//!
//! Made by `scan`, read by `body`. Every function here that touches a file blocks and says so; none is called on an
//! async thread. No mmap: a file truncated under it would kill the process with SIGBUS.

use std::fs::{self, File};
use std::io::{self, Error, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

/// How a file is kept after the scan has read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All of it in memory.
    Memory,
    /// Its descriptor: later renames and removals do not matter.
    Descriptor,
    /// Its path: opened for each response, and refused when its size has changed.
    Path,
}

/// The bytes of one variant. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Content {
    /// In memory.
    Memory(Bytes),
    /// On disk.
    File(Arc<FileContent>),
}

/// A file that is read piece by piece.
#[derive(Debug)]
pub struct FileContent {
    path: PathBuf,
    size: u64,
    held: Option<File>,
}

/// A [`Content`] and the digest of its bytes.
#[derive(Debug)]
pub struct Loaded {
    pub content: Content,
    pub digest: blake3::Hash,
}

impl Content {
    /// Reads a file once, to keep it and to digest it. Blocking.
    pub fn load(path: &Path, keep: Keep) -> io::Result<Loaded> {
        if keep == Keep::Memory {
            let bytes = Bytes::from(fs::read(path)?.into_boxed_slice());
            let digest = blake3::hash(&bytes);
            return Ok(Loaded { content: Self::Memory(bytes), digest });
        }
        let file = File::open(path)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(&file)?;
        let held = (keep == Keep::Descriptor).then_some(file);
        let content = FileContent { path: path.to_owned(), size: hasher.count(), held };
        Ok(Loaded { content: Self::File(Arc::new(content)), digest: hasher.finalize() })
    }

    /// Bytes in all.
    pub fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(file) => file.size,
        }
    }
}

impl FileContent {
    /// Reads exactly `length` bytes from `offset`. `opened` is what an earlier call for the same response handed back.
    /// Blocking.
    pub fn read(&self, opened: Option<File>, offset: u64, length: usize) -> io::Result<(Option<File>, Bytes)> {
        let opened = match (&self.held, opened) {
            (None, None) => Some(self.open()?),
            (_, opened) => opened,
        };
        let file = self.held.as_ref().or(opened.as_ref()).ok_or(ErrorKind::NotFound)?;
        let mut buffer = vec![0; length];
        // A file cut short since the scan ends here with UnexpectedEof: the response must not look complete.
        file.read_exact_at(&mut buffer, offset)?;
        Ok((opened, Bytes::from(buffer)))
    }

    fn open(&self) -> io::Result<File> {
        let file = File::open(&self.path)?;
        let metadata = file.metadata()?;
        if metadata.is_file() && metadata.len() == self.size {
            Ok(file)
        } else {
            let path = self.path.display();
            Err(Error::other(format!(
                "{path} has changed since the start; static files are read once, so restart after changing them"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: Content) -> Arc<FileContent> {
        match content {
            Content::File(file) => file,
            Content::Memory(_) => panic!("in memory"),
        }
    }

    #[test]
    fn the_digest_does_not_depend_on_how_it_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, vec![7; 100_000]).unwrap();
        for keep in [Keep::Memory, Keep::Descriptor, Keep::Path] {
            let loaded = Content::load(&path, keep).unwrap();
            assert_eq!(loaded.digest, blake3::hash(&vec![7; 100_000]));
            assert_eq!(loaded.content.size(), 100_000);
        }
    }

    #[test]
    fn a_held_file_survives_its_replacement() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "0123456789").unwrap();
        let content = file(Content::load(&path, Keep::Descriptor).unwrap().content);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another").unwrap();
        let (opened, bytes) = content.read(None, 2, 3).unwrap();
        assert!(opened.is_none());
        assert_eq!(bytes, "234");
    }

    #[test]
    fn a_file_that_changed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "0123456789").unwrap();
        let by_path = file(Content::load(&path, Keep::Path).unwrap().content);
        let held = file(Content::load(&path, Keep::Descriptor).unwrap().content);

        let (opened, bytes) = by_path.read(None, 0, 4).unwrap();
        assert_eq!(bytes, "0123");
        assert!(opened.is_some());

        fs::write(&path, "01").unwrap();
        assert!(by_path.read(None, 0, 2).unwrap_err().to_string().contains("restart"));
        assert_eq!(by_path.read(opened, 0, 4).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(held.read(None, 0, 4).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        fs::remove_file(&path).unwrap();
        assert_eq!(by_path.read(None, 0, 2).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
