//! The response pipe: the application writes, the client reads, and neither waits for the other.
//!
//! Chunks stay in memory up to [`MEMORY_MARK`] and the shared budget; what the client does not take goes to
//! an unnamed temp file, so a pool thread is free as soon as the application has made its response. Order is
//! kept by one rule: while unread bytes lie on disk, new ones join them there. A [`Writer`] dropped before
//! [`Writer::finish`] aborts the response; it is never ended like a complete one.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use super::budget::Permit;
use super::file_slice::{FileSlice, FileSource};
use super::spool::{MEMORY_MARK, Spool};

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    spool: Spool,
}

#[derive(Debug)]
struct State {
    chunks: VecDeque<Bytes>,
    /// Bytes in `chunks`; the permit holds as many.
    held: usize,
    permit: Permit,
    file: Option<Arc<File>>,
    /// Bytes of the file that the reader has taken.
    read: u64,
    /// Bytes of the file that are written. More than `read`: unread bytes lie on disk.
    written: u64,
    end: Option<End>,
    reader_gone: bool,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    Aborted,
}

/// A new pipe that keeps its overflow in `spool`.
#[must_use]
pub fn pipe(spool: &Spool) -> (Writer, Reader) {
    let state = State {
        chunks: VecDeque::new(),
        held: 0,
        permit: spool.budget.permit(),
        file: None,
        read: 0,
        written: 0,
        end: None,
        reader_gone: false,
        waker: None,
    };
    let shared = Arc::new(Shared { state: Mutex::new(state), spool: spool.clone() });
    (Writer { shared: Arc::clone(&shared) }, Reader { shared, slice: None, flushed: false })
}

/// Why a chunk was not taken.
#[derive(Debug)]
pub enum PushError {
    /// The client has left: nothing written from here on has a reader.
    Gone,
    /// The temp file could not take the overflow.
    Spool(io::Error),
}

/// The application's end.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
}

impl Writer {
    /// Pushing `len` bytes now would write to disk: the caller should let go of the GIL first.
    #[must_use]
    pub fn would_spill(&self, len: usize) -> bool {
        let state = self.shared.state.lock();
        state.on_disk() || state.held + len > MEMORY_MARK
    }

    /// Adds a chunk; blocks for a disk write at most.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn push(&self, chunk: &[u8]) -> Result<(), PushError> {
        let mut state = self.shared.state.lock();
        if state.reader_gone {
            return Err(PushError::Gone);
        }
        let fits = state.held + chunk.len() <= MEMORY_MARK;
        if !state.on_disk() && fits && state.permit.grow(chunk.len()) {
            state.held += chunk.len();
            state.chunks.push_back(Bytes::copy_from_slice(chunk));
            wake_reader(state);
            return Ok(());
        }
        if !state.on_disk() {
            // All of it is read, so the file starts over instead of growing for ever.
            (state.read, state.written) = (0, 0);
        }
        let (file, at) = (state.file.clone(), state.written);
        drop(state);

        let file = match file {
            Some(file) => file,
            None => Arc::new(self.shared.spool.temp_file().map_err(PushError::Spool)?),
        };
        file.write_all_at(chunk, at).map_err(PushError::Spool)?;

        let mut state = self.shared.state.lock();
        state.file = Some(file);
        state.written += chunk.len() as u64;
        wake_reader(state);
        Ok(())
    }

    /// Ends the response as complete.
    pub fn finish(self) {
        self.end(End::Complete);
    }

    fn end(&self, end: End) {
        let mut state = self.shared.state.lock();
        if state.end.is_none() {
            state.end = Some(end);
            wake_reader(state);
        }
    }
}

/// Wakes a reader that waits, and only then: a reader on its way finds the chunk without a system call.
fn wake_reader(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end(End::Aborted);
    }
}

impl State {
    fn on_disk(&self) -> bool {
        self.written > self.read
    }
}

/// The client's end. Dropping it tells the application that nobody reads any more.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    /// The stretch of the file being read.
    slice: Option<FileSlice>,
    /// An abort was seen and the connection had its turn to flush.
    flushed: bool,
}

impl Reader {
    /// The next chunk; `None` at the end of a complete response.
    ///
    /// # Errors
    /// `ConnectionAborted` when the application failed midway; what a read of the temp file said.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if let Some(slice) = &mut self.slice {
                match ready!(slice.poll_chunk(cx)) {
                    Some(Ok(chunk)) => {
                        self.shared.state.lock().read += chunk.len() as u64;
                        return Poll::Ready(Some(Ok(chunk)));
                    }
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => self.slice = None,
                }
            }
            let mut state = self.shared.state.lock();
            if let Some(chunk) = state.chunks.pop_front() {
                state.held -= chunk.len();
                state.permit.shrink(chunk.len());
                return Poll::Ready(Some(Ok(chunk)));
            }
            if let (true, Some(file)) = (state.on_disk(), &state.file) {
                let slice = FileSlice::new(FileSource::Open(Arc::clone(file)), state.read, state.written - state.read);
                self.slice = Some(slice);
                continue;
            }
            return match state.end {
                Some(End::Complete) => Poll::Ready(None),
                Some(End::Aborted) if self.flushed => Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into()))),
                Some(End::Aborted) => {
                    // One turn for the connection to send what it has: it drops unsent bytes at an error.
                    self.flushed = true;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                None => {
                    state.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
    }

    /// Everything was handed out and the response is complete.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let state = self.shared.state.lock();
        state.end == Some(End::Complete) && state.chunks.is_empty() && !state.on_disk()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.reader_gone = true;
        let chunks = std::mem::take(&mut state.chunks);
        let held = std::mem::take(&mut state.held);
        state.permit.shrink(held);
        drop(state);
        drop(chunks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::budget::Budget;
    use std::future::poll_fn;

    fn spool(budget: u64) -> Spool {
        Spool { budget: Budget::new(budget), temp_dir: std::env::temp_dir().into() }
    }

    async fn next(reader: &mut Reader) -> Option<io::Result<Bytes>> {
        poll_fn(|cx| reader.poll_chunk(cx)).await
    }

    #[tokio::test]
    async fn order_holds_across_memory_disk_and_back() {
        let spool = spool(1000);
        let (writer, mut reader) = pipe(&spool);
        let mut sent = Vec::new();
        let mut got = Vec::new();
        for round in 0..50u8 {
            for size in [300, 500, 400, 1] {
                let chunk = vec![round.wrapping_mul(7).wrapping_add(u8::try_from(size % 256).unwrap()); size];
                sent.extend_from_slice(&chunk);
                writer.push(&chunk).unwrap();
            }
            for _ in 0..=(round % 4) {
                if got.len() < sent.len() {
                    got.extend_from_slice(&next(&mut reader).await.unwrap().unwrap());
                }
            }
            if round % 10 == 9 {
                while got.len() < sent.len() {
                    got.extend_from_slice(&next(&mut reader).await.unwrap().unwrap());
                }
                assert_eq!(spool.budget.used(), 0);
            }
        }
        writer.finish();
        while let Some(chunk) = next(&mut reader).await {
            got.extend_from_slice(&chunk.unwrap());
        }
        assert_eq!(got, sent);
        assert!(reader.is_finished());
    }

    #[tokio::test]
    async fn the_file_starts_over_once_it_is_read() {
        let spool = spool(0);
        let (writer, mut reader) = pipe(&spool);
        for _ in 0..100 {
            writer.push(&[1; 1000]).unwrap();
            assert_eq!(next(&mut reader).await.unwrap().unwrap().len(), 1000);
        }
        let file = writer.shared.state.lock().file.clone().unwrap();
        assert_eq!(file.metadata().unwrap().len(), 1000);
    }

    #[tokio::test]
    async fn a_writer_dropped_unfinished_aborts() {
        let (writer, mut reader) = pipe(&spool(1000));
        writer.push(b"half").unwrap();
        drop(writer);
        assert_eq!(next(&mut reader).await.unwrap().unwrap(), "half");
        assert!(next(&mut reader).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_left_reader_refuses_more_and_frees_the_budget() {
        let spool = spool(1000);
        let (writer, reader) = pipe(&spool);
        writer.push(b"unread").unwrap();
        drop(reader);
        assert_eq!(spool.budget.used(), 0);
        assert!(matches!(writer.push(b"x"), Err(PushError::Gone)));
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken_by_a_chunk_and_by_the_end() {
        let (writer, mut reader) = pipe(&spool(1000));
        let reading = tokio::spawn(async move {
            let first = next(&mut reader).await.unwrap().unwrap();
            (first, next(&mut reader).await.is_none())
        });
        tokio::task::yield_now().await;
        std::thread::spawn(move || {
            writer.push(b"now").unwrap();
            writer.finish();
        });
        assert_eq!(reading.await.unwrap(), (Bytes::from_static(b"now"), true));
    }
}
