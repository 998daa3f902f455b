//! A stretch of an open file, read by positioned reads off the async threads.
//!
//! Serves `wsgi.file_wrapper`, spilled responses and large static assets: one blocking read of at most
//! [`READ_SIZE`] bytes at a time, the next only when the client took the last. Never maps memory (a
//! truncated mapped file is a SIGBUS) and never touches the file's own offset.

use std::fs::File;
use std::future::Future;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::task::JoinHandle;

/// Bytes per blocking read: large enough to amortise the hop, small enough for a thousand readers.
pub const READ_SIZE: usize = 256 * 1024;

/// `remaining` bytes of `file` from `offset`.
#[derive(Debug)]
pub struct FileSlice {
    file: Arc<File>,
    offset: u64,
    remaining: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileSlice {
    /// `len` bytes of `file` from `offset`; the file must stay at least that long.
    #[must_use]
    pub fn new(file: Arc<File>, offset: u64, len: u64) -> Self {
        Self { file, offset, remaining: len, reading: None }
    }

    /// Bytes not yet handed out.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Hands out at most `len` bytes more.
    pub fn truncate(&mut self, len: u64) {
        self.remaining = self.remaining.min(len);
    }

    /// The next chunk; `None` at the end.
    ///
    /// # Errors
    /// What the read said; `UnexpectedEof` when the file shrank, so that a short answer is never ended
    /// like a complete one.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let reading = self.reading.get_or_insert_with(|| {
            let file = Arc::clone(&self.file);
            let offset = self.offset;
            let want = usize::try_from(self.remaining).unwrap_or(READ_SIZE).min(READ_SIZE);
            tokio::task::spawn_blocking(move || read_at(&file, offset, want))
        });
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let chunk = read.unwrap_or_else(|join| Err(io::Error::other(join)));
        match chunk {
            Ok(bytes) => {
                self.offset += bytes.len() as u64;
                self.remaining -= bytes.len() as u64;
                Poll::Ready(Some(Ok(bytes)))
            }
            Err(error) => {
                self.remaining = 0;
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}

/// Reads up to `want` bytes at `offset`; never returns an empty chunk.
fn read_at(file: &File, offset: u64, want: usize) -> io::Result<Bytes> {
    let mut buffer = vec![0; want];
    loop {
        match file.read_at(&mut buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                buffer.truncate(n);
                return Ok(Bytes::from(buffer));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::io::Write;

    #[tokio::test]
    async fn reads_exactly_its_stretch_and_tells_a_shrunk_file() {
        let mut file = tempfile::tempfile().unwrap();
        let data: Vec<u8> = (0..=250).cycle().take(READ_SIZE + 1000).collect();
        file.write_all(&data).unwrap();
        let file = Arc::new(file);

        let mut slice = FileSlice::new(Arc::clone(&file), 10, READ_SIZE as u64 + 90);
        let mut got = Vec::new();
        while let Some(chunk) = poll_fn(|cx| slice.poll_chunk(cx)).await {
            got.extend_from_slice(&chunk.unwrap());
        }
        assert_eq!(got, data[10..READ_SIZE + 100]);

        let mut slice = FileSlice::new(file, data.len() as u64 - 5, 50);
        assert_eq!(poll_fn(|cx| slice.poll_chunk(cx)).await.unwrap().unwrap().len(), 5);
        let error = poll_fn(|cx| slice.poll_chunk(cx)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
