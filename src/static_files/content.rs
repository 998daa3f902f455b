//! The bytes of a variant: in memory, or in a file that is read as the client takes them.
//!
//! Made by `scan`, `lookup` and `named`, read by `body`. Every function here that touches a file blocks and says so; none is called on an
//! async thread. No mmap: a file truncated under it would kill the process with SIGBUS.

use std::fs::{self, File};
use std::io::{self, Error};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::{Access, access};

use crate::exchange::FileSource;

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
    kept: Kept,
    size: u64,
}

#[derive(Debug)]
enum Kept {
    Open(Arc<File>),
    Path(Arc<Path>),
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
        let kept = if keep == Keep::Descriptor { Kept::Open(Arc::new(file)) } else { Kept::Path(path.into()) };
        let content = FileContent { kept, size: hasher.count() };
        Ok(Loaded { content: Self::File(Arc::new(content)), digest: hasher.finalize() })
    }

    /// An open file, as long as it is now.
    pub fn of(file: File, size: u64) -> Self {
        Self::File(Arc::new(FileContent { kept: Kept::Open(Arc::new(file)), size }))
    }

    /// As [`Content::load`], of a file whose size and digest are known: it is read only to be kept in memory. Blocking.
    pub fn load_known(path: &Path, keep: Keep, size: u64, digest: blake3::Hash) -> io::Result<Loaded> {
        let held = match keep {
            Keep::Memory => return Self::load(path, keep),
            Keep::Descriptor => Some(Arc::new(File::open(path)?)),
            Keep::Path => {
                // Nobody looks at it again until a client asks for it.
                access(path, Access::READ_OK)?;
                None
            }
        };
        let kept = held.map_or_else(|| Kept::Path(path.into()), Kept::Open);
        let content = FileContent { kept, size };
        Ok(Loaded { content: Self::File(Arc::new(content)), digest })
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
    /// The file, for reading off the async threads.
    pub fn source(&self) -> FileSource {
        match &self.kept {
            Kept::Open(file) => FileSource::Open(Arc::clone(file)),
            Kept::Path(path) => {
                let (path, size) = (Arc::clone(path), self.size);
                FileSource::Closed(Arc::new(move || Self::open(&path, size)))
            }
        }
    }

    /// Blocking.
    fn open(path: &Path, size: u64) -> io::Result<File> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_file() && metadata.len() == size {
            Ok(file)
        } else {
            let path = path.display();
            Err(Error::other(format!(
                "{path} has changed since the start; static files are read once, so restart after changing them"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::FileSlice;
    use std::io::ErrorKind;

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

    async fn read(content: &Arc<FileContent>, offset: u64, len: u64) -> io::Result<Bytes> {
        let mut slice = FileSlice::new(content.source(), offset, len);
        std::future::poll_fn(|cx| slice.poll_chunk(cx)).await.unwrap()?.into_bytes()
    }

    #[tokio::test]
    async fn a_held_file_survives_its_replacement() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "0123456789").unwrap();
        let content = file(Content::load(&path, Keep::Descriptor).unwrap().content);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another").unwrap();
        assert_eq!(read(&content, 2, 3).await.unwrap(), "234");
    }

    #[tokio::test]
    async fn a_file_that_changed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "0123456789").unwrap();
        let by_path = file(Content::load(&path, Keep::Path).unwrap().content);
        let held = file(Content::load(&path, Keep::Descriptor).unwrap().content);
        assert_eq!(read(&by_path, 0, 4).await.unwrap(), "0123");

        fs::write(&path, "01").unwrap();
        assert!(read(&by_path, 0, 2).await.unwrap_err().to_string().contains("restart"));
        assert_eq!(read(&held, 4, 4).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        fs::remove_file(&path).unwrap();
        assert_eq!(read(&by_path, 0, 2).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}
