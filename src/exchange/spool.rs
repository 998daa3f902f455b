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

use super::budget::{Budget, Permit};

/// Bytes of one body, request or response, kept in memory before the rest goes to disk.
pub const MEMORY_MARK: usize = 1024 * 1024;
/// Chunks smaller than this are copied together, so that a trickled body is not a list of tiny chunks.
const SMALL: usize = 4096;
/// Bytes gathered for one blocking write.
const WRITE_SIZE: usize = 128 * 1024;

/// Where bodies are kept: the shared budget and the directory for temp files.
#[derive(Clone, Debug)]
pub struct Spool {
    pub budget: Budget,
    pub temp_dir: Arc<Path>,
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

    /// No byte at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Spool {
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
        }
    }

    /// A new unnamed temp file. Blocking.
    pub(super) fn temp_file(&self) -> io::Result<File> {
        tempfile::tempfile_in(&self.temp_dir)
    }
}

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
    /// What creating or writing the temp file said (no space, read-only directory).
    pub async fn push(&mut self, chunk: Bytes) -> io::Result<()> {
        let fits = self.disk.is_none() && self.pending + chunk.len() <= MEMORY_MARK && self.permit.grow(chunk.len());
        self.keep(chunk);
        if fits || (self.disk.is_some() && self.pending < WRITE_SIZE) {
            return Ok(());
        }
        self.write_out().await
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
            return Ok(Spooled::File { file: disk.file, len: disk.written });
        }
        if self.pending == 0 {
            return Ok(Spooled::Empty);
        }
        self.close_tail();
        Ok(Spooled::Memory { chunks: self.chunks, len: self.pending, permit: self.permit })
    }

    fn keep(&mut self, chunk: Bytes) {
        self.pending += chunk.len();
        if chunk.len() < SMALL && !(self.chunks.is_empty() && self.tail.is_empty()) {
            self.tail.extend_from_slice(&chunk);
            if self.tail.len() >= SMALL {
                self.close_tail();
            }
            return;
        }
        self.close_tail();
        self.chunks.push(chunk);
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push(self.tail.split().freeze());
        }
    }

    async fn write_out(&mut self) -> io::Result<()> {
        self.close_tail();
        let chunks = std::mem::take(&mut self.chunks);
        let bytes = std::mem::take(&mut self.pending);
        let disk = self.disk.take();
        let spool = self.spool.clone();
        let written = tokio::task::spawn_blocking(move || -> io::Result<Disk> {
            let mut disk = match disk {
                Some(disk) => disk,
                None => Disk { file: spool.temp_file()?, written: 0 },
            };
            for chunk in &chunks {
                disk.file.write_all(chunk)?;
            }
            disk.written += bytes as u64;
            Ok(disk)
        });
        self.disk = Some(written.await.map_err(io::Error::other)??);
        self.permit = self.spool.budget.permit();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn spool(budget: u64) -> Spool {
        Spool { budget: Budget::new(budget), temp_dir: std::env::temp_dir().into() }
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
        assert_eq!(spool.budget.used(), 0);
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
    async fn a_directory_that_is_not_there_is_an_error_not_a_lost_body() {
        let spool = Spool { budget: Budget::new(0), temp_dir: Path::new("/nonexistent").into() };
        assert!(spool.writer().push(Bytes::from_static(b"x")).await.is_err());
    }
}
