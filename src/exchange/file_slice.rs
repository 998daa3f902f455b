//! A stretch of an open file: what the page cache has is sent from there, or read at once by positioned reads, the rest
//! off the async threads.
//!
//! Serves `wsgi.file_wrapper`, spilled responses and large static assets: one read of at most
//! [`MOST`](super::parking::MOST) bytes at a time, the next only when the client took the last. Never maps memory (a
//! truncated mapped file is a SIGBUS) and never touches the file's own offset.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use tokio::task::JoinHandle;

use super::parking::{Park, Parking};
use super::portion::Portion;
use crate::sys::arena::WORTH_SENDING;
use crate::sys::fd;

/// The file to read, as it is held.
#[derive(Clone)]
pub enum FileSource {
    /// Open already.
    Open(Arc<File>),
    /// To be opened by the first read, off the async threads.
    Closed(Arc<dyn Fn() -> io::Result<File> + Send + Sync>),
}

impl fmt::Debug for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(file) => file.fmt(f),
            Self::Closed(_) => f.write_str("Closed"),
        }
    }
}

impl FileSource {
    /// Blocking, where the file is not open yet.
    fn open(&self) -> io::Result<Arc<File>> {
        match self {
            Self::Open(file) => Ok(Arc::clone(file)),
            Self::Closed(open) => open().map(Arc::new),
        }
    }
}

/// What a blocking read brings back: the file, open by then, and its bytes.
type Chunk = (Arc<File>, Bytes);

/// `remaining` bytes of a file from `offset`.
#[derive(Debug)]
pub struct FileSlice {
    source: FileSource,
    offset: u64,
    remaining: u64,
    reading: Option<JoinHandle<io::Result<Chunk>>>,
    /// The file system does not tell what is in its cache.
    blocks: bool,
    /// Nobody but its owner writes to the file, so it may be sent as it is when the client takes it.
    sendable: bool,
    parking: Parking,
}

impl FileSlice {
    /// `len` bytes from `offset`; the file must stay at least that long.
    #[must_use]
    pub fn new(source: FileSource, offset: u64, len: u64) -> Self {
        Self {
            source,
            offset,
            remaining: len,
            reading: None,
            blocks: false,
            sendable: false,
            parking: Parking::default(),
        }
    }

    /// The kernel may send what the file has when the client takes it ([`Portion::window`]), instead of what it has when it is
    /// handed out.
    #[must_use]
    pub fn sendable(self) -> Self {
        Self { sendable: true, ..self }
    }

    /// Bytes not yet handed out.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// The same from here, `len` bytes long.
    #[must_use]
    pub fn with_len(self, len: u64) -> Self {
        Self { remaining: len, ..self }
    }

    /// The next chunk; `None` at the end.
    ///
    /// # Errors
    /// What the read said; `UnexpectedEof` when the file shrank, so that a short answer is never ended
    /// like a complete one.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Portion>>> {
        let mut parking = std::mem::take(&mut self.parking);
        let chunk = self.poll_portion(&mut parking, cx);
        self.parking = parking;
        chunk
    }

    /// The same, as large as another body's `parking` says.
    pub(super) fn poll_portion(
        &mut self,
        parking: &mut Parking,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Portion>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        if self.reading.is_none() {
            let want = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(parking.portion());
            if let Some(window) = self.window(want) {
                return Poll::Ready(Some(Ok(self.advance(window))));
            }
            // Made and dropped on this thread, even where it is filled on another: allocators keep what crosses threads
            // one way.
            let mut buffer = Vec::with_capacity(want);
            if self.read_cached(&mut buffer) {
                return Poll::Ready(Some(Ok(self.advance(Bytes::from(buffer).into()))));
            }
            let (source, offset) = (self.source.clone(), self.offset);
            self.reading = Some(tokio::task::spawn_blocking(move || {
                let file = source.open()?;
                let bytes = read_at(&file, offset, buffer)?;
                Ok((file, bytes))
            }));
        }
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let read = read.unwrap_or_else(|join| Err(io::Error::other(join)));
        match read {
            Ok((file, bytes)) => {
                self.source = FileSource::Open(file);
                Poll::Ready(Some(Ok(self.advance(bytes.into()))))
            }
            Err(error) => {
                self.remaining = 0;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    /// The next `want` bytes without their being read, where the page cache has them.
    fn window(&mut self, want: usize) -> Option<Portion> {
        let FileSource::Open(file) = &self.source else { return None };
        if !self.sendable || self.blocks || want < WORTH_SENDING {
            return None;
        }
        // What is read ahead comes in one piece: where the page cache has both ends, it has what lies between.
        // The first is asked for first: one that is missing is read ahead from where it is asked for.
        for at in [self.offset, self.offset + want as u64 - 1] {
            match fd::is_cached(file, at) {
                Ok(true) => {}
                // The file may have become shorter, which the other way tells.
                Ok(false) => return None,
                Err(error) => {
                    self.blocks = error.kind() == io::ErrorKind::Unsupported;
                    return None;
                }
            }
        }
        Portion::window(file, self.offset, want)
    }

    /// Reads what is in the page cache. False: nothing is, or nobody knows.
    fn read_cached(&mut self, buffer: &mut Vec<u8>) -> bool {
        let FileSource::Open(file) = &self.source else { return false };
        if self.blocks {
            return false;
        }
        match fd::read_cached(file, buffer, self.offset) {
            // An end that comes too early is for the other way to tell.
            Ok(read) => read > 0,
            Err(error) => {
                self.blocks = error.kind() == io::ErrorKind::Unsupported;
                false
            }
        }
    }

    fn advance(&mut self, portion: Portion) -> Portion {
        self.offset += portion.len() as u64;
        self.remaining -= portion.len() as u64;
        portion
    }
}

impl Park for FileSlice {
    fn poll_parked(&mut self, cx: &mut Context<'_>) {
        self.parking.poll(cx);
    }
}

/// Fills `buffer` from `offset`, with at least one byte.
fn read_at(file: &File, offset: u64, mut buffer: Vec<u8>) -> io::Result<Bytes> {
    loop {
        match rustix::io::pread(file, spare_capacity(&mut buffer), offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => return Ok(Bytes::from(buffer)),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::parking::MOST;
    use std::future::poll_fn;
    use std::io::Write;

    #[tokio::test]
    async fn reads_exactly_its_stretch_and_tells_a_shrunk_file() {
        let mut file = tempfile::tempfile().unwrap();
        let data: Vec<u8> = (0..=250).cycle().take(MOST + 1000).collect();
        file.write_all(&data).unwrap();
        let file = FileSource::Open(Arc::new(file));

        let mut slice = FileSlice::new(file.clone(), 10, MOST as u64 + 90);
        let mut got = Vec::new();
        while let Some(chunk) = poll_fn(|cx| slice.poll_chunk(cx)).await {
            got.extend_from_slice(&chunk.unwrap().into_bytes().unwrap());
        }
        assert_eq!(got, data[10..MOST + 100]);

        let mut slice = FileSlice::new(file, data.len() as u64 - 5, 50);
        assert_eq!(poll_fn(|cx| slice.poll_chunk(cx)).await.unwrap().unwrap().len(), 5);
        let error = poll_fn(|cx| slice.poll_chunk(cx)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
