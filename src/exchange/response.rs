//! The response pipe: the application writes, the client reads, and neither waits for the other.
//!
//! Chunks stay in memory up to [`MEMORY_MARK`] and the shared budget; what the client does not take goes to an unnamed
//! temp file, so a pool thread is free as soon as the application has made its response. Order is kept by one rule:
//! while unread bytes lie on disk, new ones join them there. Without a disk, or past [`SPILL_MARK`], memory is used up to
//! the budget, and then the thread waits for the client. A [`Writer`] dropped before [`Writer::finish`] aborts the
//! response; it is never ended like a complete one.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use parking_lot::{Condvar, Mutex, MutexGuard};
use rustix::fs::{FallocateFlags, fallocate};

use super::budget::Permit;
use super::file_slice::{FileSlice, FileSource};
use super::spool::{MEMORY_MARK, Spool};
use super::ticket::Ticket;

/// Unread bytes of one response on disk, at most.
const SPILL_MARK: u64 = 1024 * 1024 * 1024;
/// What the client has read of the file goes back to the system in steps of this many bytes.
const PUNCH_SIZE: u64 = 16 * 1024 * 1024;
/// Smaller chunks are gathered, so that a response of tiny ones is not a list of them.
const SMALL: usize = 4096;

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// The reader took something, or left.
    taken: Condvar,
    spool: Spool,
}

#[derive(Debug)]
struct State {
    chunks: VecDeque<Bytes>,
    /// Small chunks gathered; they come after `chunks`.
    tail: BytesMut,
    /// Chunks that come after what lies on a disk that takes no more.
    late: VecDeque<Bytes>,
    /// Bytes in all of these; the permit holds as many.
    held: usize,
    permit: Permit,
    disk: Disk,
    end: Option<End>,
    reader_gone: bool,
    waker: Option<Waker>,
}

#[derive(Debug, Default)]
struct Disk {
    file: Option<Arc<File>>,
    /// Bytes of the file that the reader has taken.
    read: u64,
    /// Bytes of the file that are written. More than `read`: unread bytes lie on disk.
    written: u64,
    /// Bytes of the file, from its beginning, that are given back to the system.
    punched: u64,
    /// It could not take what it was given; not tried again.
    failed: bool,
}

impl Disk {
    fn unread(&self) -> u64 {
        self.written - self.read
    }
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
        tail: BytesMut::new(),
        late: VecDeque::new(),
        held: 0,
        permit: spool.budget.permit(),
        disk: Disk::default(),
        end: None,
        reader_gone: false,
        waker: None,
    };
    let shared = Arc::new(Shared { state: Mutex::new(state), taken: Condvar::new(), spool: spool.clone() });
    (Writer { shared: Arc::clone(&shared) }, Reader { shared, slice: None, flushed: false, ticket: None })
}

/// The client has left: nothing written from here on has a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// The application's end.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
}

impl Writer {
    /// Adds a chunk if there is room for it in memory; never blocks. False: [`Writer::push`] it, without the GIL.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn try_push(&self, chunk: &[u8]) -> Result<bool, Gone> {
        let mut state = self.shared.state.lock();
        if state.reader_gone {
            return Err(Gone);
        }
        let fits = state.disk.unread() == 0 && state.held + chunk.len() <= MEMORY_MARK;
        let kept = fits && state.keep(chunk);
        if kept {
            wake_reader(state);
        }
        Ok(kept)
    }

    /// Adds a chunk. Blocks for a disk write, or, where no disk and no memory is left, until the client reads.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn push(&self, chunk: &[u8]) -> Result<(), Gone> {
        if self.try_push(chunk)? || self.spill(chunk)? {
            return Ok(());
        }
        let mut state = self.shared.state.lock();
        loop {
            if state.reader_gone {
                return Err(Gone);
            }
            // An empty pipe takes a chunk of any size, or it could wait for ever.
            if state.keep(chunk) || state.is_empty() {
                if state.is_empty() {
                    state.held = chunk.len();
                    state.chunks.push_back(Bytes::copy_from_slice(chunk));
                }
                wake_reader(state);
                return Ok(());
            }
            self.shared.taken.wait(&mut state);
        }
    }

    /// Nobody reads any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.shared.state.lock().reader_gone
    }

    /// Adds a chunk on disk. False: the disk cannot take it.
    fn spill(&self, chunk: &[u8]) -> Result<bool, Gone> {
        let mut state = self.shared.state.lock();
        // What waits in memory behind the disk's bytes must not be overtaken by more of them.
        let overtakes = !state.late.is_empty();
        let disk = &mut state.disk;
        if overtakes || disk.failed || disk.unread() + chunk.len() as u64 > SPILL_MARK {
            return Ok(false);
        }
        if self.shared.spool.in_memory && !state.permit.grow(chunk.len()) {
            return Ok(false);
        }
        let disk = &mut state.disk;
        if disk.unread() == 0 {
            // All of it is read, so the file starts over instead of growing for ever.
            (disk.read, disk.written, disk.punched) = (0, 0, 0);
        }
        let punch = (disk.read - disk.punched >= PUNCH_SIZE).then_some((disk.punched, disk.read - disk.punched));
        let (file, at) = (disk.file.clone(), disk.written);
        drop(state);

        let written = file.map_or_else(|| self.shared.spool.temp_file().map(Arc::new), Ok).and_then(|file| {
            if let Some((at, length)) = punch {
                // Only to save space: a file system that cannot do it keeps the bytes.
                let _ = fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, at, length);
            }
            file.write_all_at(chunk, at).map(|()| file)
        });

        let mut state = self.shared.state.lock();
        let disk = &mut state.disk;
        if let Some((at, length)) = punch {
            disk.punched = at + length;
        }
        match written {
            Ok(file) => {
                disk.file = Some(file);
                disk.written += chunk.len() as u64;
                self.shared.spool.budget.add_spooled(chunk.len() as u64);
                wake_reader(state);
                Ok(true)
            }
            Err(error) => {
                disk.failed = true;
                if self.shared.spool.in_memory {
                    state.permit.shrink(chunk.len());
                }
                let gone = state.reader_gone;
                drop(state);
                tracing::warn!(
                    %error,
                    reason = "spool-failed",
                    "a response cannot go to disk for its slow client, so a thread waits for it: check --temp-dir for space and write permission"
                );
                if gone { Err(Gone) } else { Ok(false) }
            }
        }
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
    /// Adds a chunk to what is in memory, if the budget allows.
    fn keep(&mut self, chunk: &[u8]) -> bool {
        if !self.permit.grow(chunk.len()) {
            return false;
        }
        self.held += chunk.len();
        if self.disk.unread() > 0 || !self.late.is_empty() {
            self.late.push_back(Bytes::copy_from_slice(chunk));
            return true;
        }
        if chunk.len() < SMALL && !(self.chunks.is_empty() && self.tail.is_empty()) {
            self.tail.extend_from_slice(chunk);
            if self.tail.len() >= SMALL {
                let gathered = self.tail.split().freeze();
                self.chunks.push_back(gathered);
            }
            return true;
        }
        if !self.tail.is_empty() {
            let gathered = self.tail.split().freeze();
            self.chunks.push_back(gathered);
        }
        self.chunks.push_back(Bytes::copy_from_slice(chunk));
        true
    }

    /// The oldest chunk in memory, if it is older than what lies on disk.
    fn next(&mut self) -> Option<Bytes> {
        if self.disk.unread() == 0 && !self.late.is_empty() {
            // Nothing joins `chunks` while anything lies on disk, so they are read by now.
            self.chunks.append(&mut self.late);
        }
        let chunk = match self.chunks.pop_front() {
            Some(chunk) => chunk,
            None if self.tail.is_empty() => return None,
            None => self.tail.split().freeze(),
        };
        self.held -= chunk.len();
        self.permit.shrink(chunk.len());
        Some(chunk)
    }

    fn is_empty(&self) -> bool {
        self.held == 0 && self.disk.unread() == 0
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
    /// Is told when nobody reads any more.
    ticket: Option<Arc<Ticket>>,
}

impl Reader {
    /// Tells `ticket` of its end.
    #[must_use]
    pub fn of(self, ticket: &Arc<Ticket>) -> Self {
        // As Drop is implemented, the field is set and not the struct made anew.
        let mut reader = self;
        reader.ticket = Some(Arc::clone(ticket));
        reader
    }

    /// The next chunk; `None` at the end of a complete response.
    ///
    /// # Errors
    /// `ConnectionAborted` when the application failed midway; what a read of the temp file said.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if let Some(slice) = &mut self.slice {
                match ready!(slice.poll_chunk(cx)) {
                    Some(Ok(chunk)) => {
                        let mut state = self.shared.state.lock();
                        state.disk.read += chunk.len() as u64;
                        if self.shared.spool.in_memory {
                            state.permit.shrink(chunk.len());
                        }
                        drop(state);
                        self.shared.taken.notify_one();
                        return Poll::Ready(Some(Ok(chunk)));
                    }
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => self.slice = None,
                }
            }
            let mut state = self.shared.state.lock();
            if let Some(chunk) = state.next() {
                drop(state);
                self.shared.taken.notify_one();
                return Poll::Ready(Some(Ok(chunk)));
            }
            if let (1.., Some(file)) = (state.disk.unread(), &state.disk.file) {
                let source = FileSource::Open(Arc::clone(file));
                self.slice = Some(FileSlice::new(source, state.disk.read, state.disk.unread()));
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
        state.end == Some(End::Complete) && state.is_empty()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.reader_gone = true;
        let chunks = (std::mem::take(&mut state.chunks), std::mem::take(&mut state.late));
        let held = std::mem::take(&mut state.held);
        state.permit.shrink(held);
        drop(state);
        self.shared.taken.notify_one();
        drop(chunks);
        if let Some(ticket) = &self.ticket {
            ticket.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::budget::Budget;
    use std::future::poll_fn;

    fn spool(budget: u64) -> Spool {
        Spool { budget: Budget::new(budget), temp_dir: std::env::temp_dir().into(), in_memory: false }
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
        let file = writer.shared.state.lock().disk.file.clone().unwrap();
        assert_eq!(file.metadata().unwrap().len(), 1000);
    }

    #[tokio::test]
    async fn without_a_disk_memory_takes_it_up_to_the_budget_and_then_the_writer_waits() {
        let spool = Spool {
            budget: Budget::new(3000),
            temp_dir: std::path::Path::new("/nonexistent").into(),
            in_memory: false,
        };
        let (writer, mut reader) = pipe(&spool);
        let writing = std::thread::spawn(move || {
            for n in 0..10u8 {
                writer.push(&[n; 1000]).unwrap();
            }
            writer.finish();
        });
        let mut got = Vec::new();
        while let Some(chunk) = next(&mut reader).await {
            assert!(spool.budget.used() <= 3000);
            got.extend_from_slice(&chunk.unwrap());
        }
        writing.join().unwrap();
        assert_eq!(got, (0..10u8).flat_map(|n| [n; 1000]).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn order_holds_when_the_disk_fails_midway() {
        let spool = spool(1000);
        let (writer, mut reader) = pipe(&spool);
        writer.push(&[1; 900]).unwrap();
        writer.push(&[2; 900]).unwrap();
        writer.shared.state.lock().disk.failed = true;
        assert_eq!(next(&mut reader).await.unwrap().unwrap()[0], 1);
        writer.push(&[3; 500]).unwrap();
        assert_eq!(next(&mut reader).await.unwrap().unwrap()[0], 2);
        // The disk is read, and what came after it still waits: a new chunk comes last, on disk or not.
        writer.push(&[4; 300]).unwrap();
        writer.shared.state.lock().disk.failed = false;
        writer.push(&[5; 100]).unwrap();
        writer.finish();
        let mut got = Vec::new();
        while let Some(chunk) = next(&mut reader).await {
            got.extend_from_slice(&chunk.unwrap());
        }
        assert_eq!(got, [vec![3; 500], vec![4; 300], vec![5; 100]].concat());
        assert_eq!(spool.budget.used(), 0);
    }

    #[tokio::test]
    async fn a_waiting_writer_is_released_when_the_reader_leaves() {
        let spool =
            Spool { budget: Budget::new(10), temp_dir: std::path::Path::new("/nonexistent").into(), in_memory: false };
        let (writer, reader) = pipe(&spool);
        writer.push(&[0; 10]).unwrap();
        assert_eq!(writer.try_push(&[0; 10]), Ok(false));
        let writing = std::thread::spawn(move || writer.push(&[0; 10]));
        drop(reader);
        assert_eq!(writing.join().unwrap(), Err(Gone));
    }

    #[tokio::test]
    async fn tiny_chunks_are_gathered() {
        let spool = spool(1 << 20);
        let (writer, mut reader) = pipe(&spool);
        for _ in 0..100_000 {
            writer.push(b"x").unwrap();
        }
        assert!(writer.shared.state.lock().chunks.len() < 30);
        writer.finish();
        let mut got = 0;
        while let Some(chunk) = next(&mut reader).await {
            got += chunk.unwrap().len();
        }
        assert_eq!((got, spool.budget.used()), (100_000, 0));
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
        assert_eq!(writer.push(b"x"), Err(Gone));
        assert_eq!(writer.try_push(b"x"), Err(Gone));
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
