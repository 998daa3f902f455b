//! A request body on its way to Python: in memory up to a mark, past it in an unnamed temp file.
//!
//! The front writes while the client sends; the pool thread gets the finished [`Spooled`]. File writes run
//! on the blocking pool. The file has no name (O_TMPFILE, or unlinked at once), so nothing is left behind
//! whatever ends the process.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rustix::fs::{FsWord, fstatfs};

use super::budget::{Budget, Permit};
use crate::sys::fd::off_standard;

/// Bytes of one body, request or response, kept in memory before the rest goes to disk.
pub const MEMORY_MARK: usize = 1024 * 1024;
/// Chunks smaller than this are copied together, so that a trickled body is not a list of tiny chunks.
const SMALL: usize = 4096;
/// Bytes gathered for one blocking write, where the budget allows.
const WRITE_SIZE: usize = 128 * 1024;

/// Where bodies are kept: the shared budget and the directory for temp files.
#[derive(Clone, Debug)]
pub struct Spool {
    pub budget: Budget,
    pub temp_dir: Arc<Path>,
    /// The directory lies in memory (tmpfs), so what goes there counts against the budget too.
    pub in_memory: bool,
}

/// What a directory for temp files is.
#[derive(Debug)]
pub enum TempDir {
    Disk,
    /// A file system in memory: what is written there counts against the container's limit.
    Memory,
    /// No file can be made there.
    Unusable(io::Error),
}

/// A complete body.
#[derive(Debug)]
pub enum Spooled {
    Empty,
    /// The chunks in order and the budget they hold.
    Memory {
        chunks: Vec<Bytes>,
        len: usize,
        permit: Permit,
    },
    /// An unnamed temp file with its offset at 0.
    File {
        file: File,
        len: u64,
        /// What it holds where the file lies in memory.
        permit: Permit,
    },
}

impl Spooled {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Memory { len, .. } => *len as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// It lies in a file, and not in memory but for a tmpfs.
    #[must_use]
    pub fn is_in_file(&self) -> bool {
        matches!(self, Self::File { .. })
    }

    /// No byte at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Spool {
    /// Bodies in memory under `budget`, and past it in `temp_dir`, which is looked at: blocking.
    #[must_use]
    pub fn new(budget: Budget, temp_dir: &Path) -> (Self, TempDir) {
        let found = look(temp_dir);
        (Self { budget, temp_dir: temp_dir.into(), in_memory: matches!(found, TempDir::Memory) }, found)
    }

    /// An empty body to write to.
    #[must_use]
    pub fn writer(&self) -> Writer {
        Writer {
            spool: self.clone(),
            chunks: Vec::new(),
            tail: BytesMut::new(),
            pending: 0,
            permit: self.budget.permit(),
            disk: None,
            no_disk: false,
        }
    }

    /// A new unnamed temp file. Blocking.
    pub(super) fn temp_file(&self) -> io::Result<File> {
        Ok(off_standard(tempfile::tempfile_in(&self.temp_dir)?.into())?.into())
    }
}

/// Writes to a file in `dir` to see whether it can be done, and where it lies.
fn look(dir: &Path) -> TempDir {
    let written = tempfile::tempfile_in(dir).and_then(|mut file| {
        file.write_all(b"monopod")?;
        Ok(fstatfs(&file)?.f_type)
    });
    match written {
        Ok(TMPFS | RAMFS) => TempDir::Memory,
        Ok(_) => TempDir::Disk,
        Err(error) => TempDir::Unusable(error),
    }
}

/// statfs(2), `f_type`.
const TMPFS: FsWord = 0x0102_1994;
const RAMFS: FsWord = 0x8584_58f6;

/// A body being written.
#[derive(Debug)]
pub struct Writer {
    spool: Spool,
    chunks: Vec<Bytes>,
    /// Small chunks gathered; comes after `chunks`.
    tail: BytesMut,
    /// Bytes in `chunks` and `tail`.
    pending: usize,
    permit: Permit,
    disk: Option<Disk>,
    /// No temp file could be made: memory, up to the budget, is all there is.
    no_disk: bool,
}

#[derive(Debug)]
struct Disk {
    file: File,
    written: u64,
}

impl Writer {
    /// Adds a chunk. Returns when it is kept; waiting for the disk here is what slows a fast client down.
    ///
    /// # Errors
    /// `OutOfMemory` where no disk takes it and the budget is spent; what writing the temp file said otherwise.
    pub async fn push(&mut self, chunk: Bytes) -> io::Result<()> {
        let mark = if self.disk.is_some() { WRITE_SIZE } else { MEMORY_MARK };
        let room = self.no_disk || self.pending + chunk.len() <= mark;
        let counted = (room || self.spool.in_memory) && self.permit.grow(chunk.len());
        let fits = counted && room;
        if !fits && (self.no_disk || (self.spool.in_memory && !counted)) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let length = chunk.len();
        self.keep(chunk);
        if fits {
            return Ok(());
        }
        self.write_out().await?;
        // Without a disk the chunk is still here, and must be counted.
        if self.no_disk && !counted && !self.permit.grow(length) {
            Err(io::ErrorKind::OutOfMemory.into())
        } else {
            Ok(())
        }
    }

    /// The whole body.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub async fn finish(mut self) -> io::Result<Spooled> {
        if self.disk.is_some() {
            self.write_out().await?;
        }
        if let Some(mut disk) = self.disk {
            io::Seek::rewind(&mut disk.file)?;
            return Ok(Spooled::File { file: disk.file, len: disk.written, permit: self.permit });
        }
        if self.pending == 0 {
            return Ok(Spooled::Empty);
        }
        self.close_tail();
        Ok(Spooled::Memory { chunks: self.chunks, len: self.pending, permit: self.permit })
    }

    fn keep(&mut self, chunk: Bytes) {
        self.pending += chunk.len();
        self.copy_first();
        if chunk.len() < SMALL && !(self.chunks.is_empty() && self.tail.is_empty()) {
            self.gather(&chunk);
            return;
        }
        self.close_tail();
        self.chunks.push(chunk);
    }

    fn gather(&mut self, chunk: &[u8]) {
        self.tail.extend_from_slice(chunk);
        if self.tail.len() >= SMALL {
            self.close_tail();
        }
    }

    /// Copies a small first chunk when another comes; a body that came at once is spared that. It is a part of the
    /// connection's read buffer, which could not be freed or used again for as long as the rest takes.
    fn copy_first(&mut self) {
        if let [first] = self.chunks.as_slice()
            && first.len() < SMALL
            && self.tail.is_empty()
        {
            let first = std::mem::take(&mut self.chunks);
            self.gather(&first[0]);
        }
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push(self.tail.split().freeze());
        }
    }

    async fn write_out(&mut self) -> io::Result<()> {
        self.close_tail();
        let mut disk = if let Some(disk) = self.disk.take() {
            disk
        } else {
            let spool = self.spool.clone();
            match tokio::task::spawn_blocking(move || spool.temp_file()).await.map_err(io::Error::other)? {
                Ok(file) => Disk { file, written: 0 },
                Err(error) => {
                    tracing::debug!(%error, "no temp file for a request body, which stays in memory");
                    self.no_disk = true;
                    return Ok(());
                }
            }
        };
        let chunks = std::mem::take(&mut self.chunks);
        let writing = tokio::task::spawn_blocking(move || {
            let written = chunks.iter().try_for_each(|chunk| disk.file.write_all(chunk));
            (written, disk, chunks)
        });
        let (written, mut disk, chunks) = writing.await.map_err(io::Error::other)?;
        match written {
            Ok(()) => {
                let bytes = std::mem::take(&mut self.pending) as u64;
                disk.written += bytes;
                self.spool.budget.add_spooled(bytes);
                self.disk = Some(disk);
                if !self.spool.in_memory {
                    self.permit = self.spool.budget.permit();
                }
                Ok(())
            }
            // All of it is still here: a full disk is no disk.
            Err(error) if disk.written == 0 => {
                tracing::debug!(%error, "the disk takes no request body, which stays in memory");
                self.chunks = chunks;
                self.no_disk = true;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn spool(budget: u64) -> Spool {
        Spool { budget: Budget::new(budget), temp_dir: std::env::temp_dir().into(), in_memory: false }
    }

    async fn write(spool: &Spool, sizes: &[usize]) -> (Vec<u8>, Spooled) {
        let mut writer = spool.writer();
        let mut sent = Vec::new();
        for (n, size) in sizes.iter().enumerate() {
            let chunk: Vec<u8> = (0..=255).cycle().skip(n % 256).take(*size).collect();
            sent.extend_from_slice(&chunk);
            writer.push(Bytes::from(chunk)).await.unwrap();
        }
        (sent, writer.finish().await.unwrap())
    }

    fn bytes_of(body: Spooled) -> Vec<u8> {
        match body {
            Spooled::Empty => Vec::new(),
            Spooled::Memory { chunks, .. } => chunks.concat(),
            Spooled::File { mut file, .. } => {
                let mut all = Vec::new();
                file.read_to_end(&mut all).unwrap();
                all
            }
        }
    }

    #[tokio::test]
    async fn a_body_under_the_mark_stays_in_memory_and_holds_budget() {
        let spool = spool(u64::MAX);
        let (sent, body) = write(&spool, &[1, 1, 9000, 3, 5000, 0, 1]).await;
        assert!(matches!(body, Spooled::Memory { .. }));
        assert_eq!(spool.budget.used(), sent.len() as u64);
        assert_eq!(bytes_of(body), sent);
        assert_eq!(spool.budget.used(), 0);
    }

    #[tokio::test]
    async fn a_body_past_the_mark_goes_to_disk_and_frees_its_budget() {
        let spool = spool(u64::MAX);
        let (sent, body) = write(&spool, &[MEMORY_MARK, 1, WRITE_SIZE, 7, 300_000, 9]).await;
        assert!(matches!(body, Spooled::File { .. }));
        assert_eq!(body.len(), sent.len() as u64);
        assert_eq!((spool.budget.used(), spool.budget.spooled()), (0, sent.len() as u64));
        assert_eq!(bytes_of(body), sent);
    }

    #[tokio::test]
    async fn a_spent_budget_sends_a_small_body_to_disk() {
        let spool = spool(100);
        let (sent, body) = write(&spool, &[60, 60]).await;
        assert!(matches!(body, Spooled::File { .. }));
        assert_eq!(bytes_of(body), sent);
    }

    #[tokio::test]
    async fn trickled_bytes_are_gathered_and_no_byte_is_empty() {
        let spool = spool(u64::MAX);
        let (sent, body) = write(&spool, &vec![1; 20_000]).await;
        if let Spooled::Memory { chunks, .. } = &body {
            assert!(chunks.len() < 10, "{} chunks", chunks.len());
        }
        assert_eq!(bytes_of(body), sent);
        assert!(write(&spool, &[]).await.1.is_empty());
    }

    #[tokio::test]
    async fn without_a_disk_memory_takes_it_up_to_the_budget() {
        let nowhere = |budget| Spool {
            budget: Budget::new(budget),
            temp_dir: Path::new("/nonexistent").into(),
            in_memory: false,
        };
        let spool = nowhere(3 << 20);
        let (sent, body) = write(&spool, &[MEMORY_MARK, 1, MEMORY_MARK, 5000]).await;
        assert_eq!(spool.budget.used(), sent.len() as u64);
        assert_eq!(bytes_of(body), sent);

        let spool = nowhere(100);
        let mut writer = spool.writer();
        writer.push(Bytes::from_static(&[0; 90])).await.unwrap();
        let error = writer.push(Bytes::from_static(&[0; 90])).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        drop(writer);
        assert_eq!(spool.budget.used(), 0);
    }

    #[test]
    fn trickled_bodies_are_few_chunks() {
        let mut writer = spool(u64::MAX).writer();
        for _ in 0..20_000 {
            writer.keep(Bytes::from_static(b"x"));
        }
        assert!(writer.chunks.len() < 10, "{} chunks", writer.chunks.len());
    }

    #[test]
    fn a_body_in_parts_does_not_hold_the_buffer_that_its_beginning_came_in() {
        for second in [1, SMALL] {
            let mut buffer = BytesMut::zeroed(2 * SMALL);
            let mut writer = spool(u64::MAX).writer();
            writer.keep(buffer.split_to(1000).freeze());
            buffer.clear();
            assert!(!buffer.try_reclaim(2 * SMALL), "a body that came at once is not copied");
            writer.keep(Bytes::from(vec![7; second]));
            assert!(buffer.try_reclaim(2 * SMALL));
            assert_eq!(writer.pending, 1000 + second);
            writer.close_tail();
            assert_eq!(writer.chunks.concat(), [vec![0; 1000], vec![7; second]].concat());
        }
    }

    #[tokio::test]
    async fn a_file_in_memory_holds_budget_like_memory() {
        let spool = Spool { in_memory: true, ..spool(4 * MEMORY_MARK as u64) };
        let mut writer = spool.writer();
        for _ in 0..3 {
            writer.push(Bytes::from(vec![7; MEMORY_MARK])).await.unwrap();
        }
        let body = writer.finish().await.unwrap();
        assert!(matches!(body, Spooled::File { .. }));
        assert_eq!(spool.budget.used(), 3 * MEMORY_MARK as u64);
        let mut other = spool.writer();
        other.push(Bytes::from(vec![7; MEMORY_MARK])).await.unwrap();
        let refused = other.push(Bytes::from_static(b"x")).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::OutOfMemory);
        drop((body, other));
        assert_eq!(spool.budget.used(), 0);
    }

    #[test]
    fn a_directory_is_found_to_be_what_it_is() {
        assert!(matches!(look(Path::new("/dev/shm")), TempDir::Memory));
        assert!(matches!(look(Path::new("/nonexistent")), TempDir::Unusable(_)));
        assert!(matches!(look(Path::new("/proc")), TempDir::Unusable(_)));
    }
}
