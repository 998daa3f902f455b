//! The response pipe: the application writes, the client reads, and neither waits for the other.
//!
//! Chunks stay in memory up to [`MEMORY_MARK`] and the shared budget; what the client does not take goes to an unnamed
//! temp file, so a pool thread is free as soon as the application has made its response. Order is kept by one rule:
//! while unread bytes lie on disk, new ones join them there. Without a disk, or past [`SPILL_MARK`], memory is used up to
//! the budget, and then the thread waits for the client; a shallow pipe's thread always does. A [`Writer`] dropped before
//! [`Writer::finish`] aborts the response; it is never ended like a complete one.

mod reader;
mod writer;

use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;
use std::task::Waker;

use bytes::{Bytes, BytesMut};
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::budget::Permit;
use super::parking::{FIRST, Parking};
use super::portion::Portion;
use super::spool::{MEMORY_MARK, Spool};
pub use reader::Reader;
pub use writer::{Gone, Writer};

/// Bytes in a shallow pipe, where more would have to wait.
const SHALLOW_MARK: usize = 64 * 1024;
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
    /// Nothing goes to disk, and little is kept in memory.
    shallow: bool,
}

impl Shared {
    /// Bytes in memory, at most.
    fn mark(&self) -> usize {
        if self.shallow { SHALLOW_MARK } else { MEMORY_MARK }
    }
}

#[derive(Debug)]
struct State {
    chunks: VecDeque<Portion>,
    /// Small chunks gathered; they come after `chunks`.
    tail: BytesMut,
    /// Chunks that come after what lies on a disk that takes no more.
    late: VecDeque<Portion>,
    /// Bytes in all of these; the permit holds those of them that are not lent.
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
    /// Somebody writes to it, without the lock.
    busy: Option<Busy>,
}

impl Disk {
    fn unread(&self) -> u64 {
        self.written - self.read
    }

    /// What lies in memory is on its way to the file.
    fn is_moving(&self) -> bool {
        self.busy == Some(Busy::Moving)
    }

    /// All of the file is read, so it is written from its beginning.
    fn start_over(&mut self) {
        (self.read, self.written, self.punched) = (0, 0, 0);
    }

    /// What is added now comes after bytes that are there, or are about to be.
    fn is_ahead(&self) -> bool {
        self.is_moving() || self.unread() > 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Busy {
    /// The application's thread adds to it.
    Adding,
    /// What lay in memory is moved there.
    Moving,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    Aborted,
}

/// A new pipe that keeps its overflow in `spool`.
#[must_use]
pub fn pipe(spool: &Spool) -> (Writer, Reader) {
    new(spool, false)
}

/// A pipe whose writer waits for its reader instead of running ahead of it (`X-Accel-Buffering: no`). What little it
/// holds counts against the budget of `spool`.
#[must_use]
pub fn shallow_pipe(spool: &Spool) -> (Writer, Reader) {
    new(spool, true)
}

fn new(spool: &Spool, shallow: bool) -> (Writer, Reader) {
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
    let shared = Arc::new(Shared { state: Mutex::new(state), taken: Condvar::new(), spool: spool.clone(), shallow });
    (
        Writer { shared: Arc::clone(&shared) },
        Reader { shared, slice: None, flushed: false, ticket: None, parking: Parking::default() },
    )
}

/// Wakes a reader that waits, and only then: a reader on its way finds the chunk without a system call.
fn wake_reader(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl State {
    /// Adds a chunk to what is in memory, if the budget allows.
    fn keep(&mut self, chunk: &[u8]) -> bool {
        if !self.permit.grow(chunk.len()) {
            return false;
        }
        self.held += chunk.len();
        if self.disk.is_ahead() || !self.late.is_empty() {
            self.late.push_back(Bytes::copy_from_slice(chunk).into());
            return true;
        }
        if chunk.len() < SMALL && !(self.chunks.is_empty() && self.tail.is_empty()) {
            self.tail.extend_from_slice(chunk);
            if self.tail.len() >= SMALL {
                self.gather();
            }
            return true;
        }
        self.gather();
        // In pieces, as memory is given back a piece at a time.
        self.chunks.extend(chunk.chunks(FIRST).map(|piece| Bytes::copy_from_slice(piece).into()));
        true
    }

    /// Adds a chunk that stays where it is, after all others.
    fn borrow(&mut self, chunk: Bytes) {
        self.gather();
        self.held += chunk.len();
        self.chunks.push_back(Portion::lent(chunk));
    }

    /// The small chunks so far are one.
    fn gather(&mut self) {
        if !self.tail.is_empty() {
            let gathered = self.tail.split().freeze();
            self.chunks.push_back(gathered.into());
        }
    }

    /// Nothing in memory can be handed out now.
    fn is_in_memory_empty(&self) -> bool {
        self.chunks.is_empty() && self.tail.is_empty() && (self.late.is_empty() || self.disk.unread() > 0)
    }

    /// At most `portion` bytes of the oldest chunk in memory, if it is older than what lies on disk.
    fn next(&mut self, portion: usize) -> Option<Portion> {
        if self.disk.unread() == 0 && !self.late.is_empty() {
            // Nothing joins `chunks` while anything lies on disk, so they are read by now.
            self.chunks.append(&mut self.late);
        }
        let mut chunk = match self.chunks.pop_front() {
            Some(chunk) => chunk,
            None if self.tail.is_empty() => return None,
            None => self.tail.split().freeze().into(),
        };
        if chunk.len() > portion {
            self.chunks.push_front(chunk.split_off(portion));
        }
        self.held -= chunk.len();
        if !chunk.is_lent() {
            self.permit.shrink(chunk.len());
        }
        Some(chunk)
    }

    fn is_empty(&self) -> bool {
        self.held == 0 && self.disk.unread() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::budget::Budget;
    use crate::exchange::parking::Park;
    use crate::sys::window;
    use bytes::Buf;
    use std::future::poll_fn;
    use std::io;
    use std::task::Poll;

    fn spool(budget: u64) -> Spool {
        Spool { budget: Budget::new(budget), temp_dir: std::env::temp_dir().into(), in_memory: false }
    }

    async fn next(reader: &mut Reader) -> Option<io::Result<Bytes>> {
        poll_fn(|cx| reader.poll_chunk(cx)).await.map(|chunk| chunk?.into_bytes())
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
    async fn a_shallow_pipe_holds_little_and_its_writer_waits() {
        let spool = spool(1 << 30);
        let (writer, mut reader) = shallow_pipe(&spool);
        let all: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
        let (first, large) = all.split_at(64_000);
        for chunk in first.chunks(1000) {
            assert_eq!(writer.try_push(chunk), Ok(true));
        }
        assert_eq!(writer.try_push(&large[..2000]), Ok(false), "full");
        park_for_long(&mut reader).await;
        assert_eq!((spool.budget.used(), spool.budget.spooled()), (64_000, 0), "not moved to make room");
        let last = large.to_vec();
        let writing = std::thread::spawn(move || {
            writer.push(&last).unwrap();
            writer.finish();
        });
        let mut got = Vec::new();
        while let Some(chunk) = next(&mut reader).await {
            assert!(spool.budget.used() <= SHALLOW_MARK as u64);
            got.extend_from_slice(&chunk.unwrap());
        }
        writing.join().unwrap();
        assert!(got == all, "the same bytes");
        assert_eq!((spool.budget.used(), spool.budget.spooled()), (0, 0));
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

    fn lend(writer: &Writer, spool: &Spool, bytes: &[u8]) -> Result<bool, Gone> {
        writer.lend(bytes.len(), || Some(lent(spool, bytes)))
    }

    /// Bytes that another one owns, and counts.
    fn lent(spool: &Spool, bytes: &[u8]) -> Bytes {
        struct Owner {
            bytes: Vec<u8>,
            _permit: Permit,
        }
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                &self.bytes
            }
        }
        let mut permit = spool.budget.permit();
        assert!(permit.grow(bytes.len()));
        Bytes::from_owner(Owner { bytes: bytes.to_vec(), _permit: permit })
    }

    #[tokio::test]
    async fn what_is_lent_keeps_its_place_and_is_counted_once() {
        let spool = spool(64 << 20);
        let (writer, mut reader) = pipe(&spool);
        let large: Vec<u8> = (0..=250).cycle().take(3 << 20).collect();
        writer.push(b"before").unwrap();
        writer.push(b" it").unwrap();
        assert_eq!(lend(&writer, &spool, &large), Ok(false), "more than there is room for behind others");
        assert_eq!(lend(&writer, &spool, &large[..100_000]), Ok(true));
        assert_eq!(spool.budget.used(), 100_009);
        writer.push(b"after").unwrap();
        let mut got = Vec::new();
        while got.len() < 100_014 {
            got.extend_from_slice(&next(&mut reader).await.unwrap().unwrap());
        }
        assert_eq!(got, [b"before it", &large[..100_000], b"after"].concat());
        assert_eq!(spool.budget.used(), 0);
        assert_eq!(lend(&writer, &spool, &large), Ok(true), "the only one, of whatever size");
        assert_eq!(lend(&writer, &spool, b"one more"), Ok(false));
        writer.push(b"one more").unwrap();
        let first = next(&mut reader).await.unwrap().unwrap();
        assert_eq!(spool.budget.used(), 3 << 20, "all of it, while a part of it is there");
        let mut got = first.to_vec();
        writer.finish();
        while let Some(chunk) = next(&mut reader).await {
            got.extend_from_slice(&chunk.unwrap());
        }
        drop(first);
        assert!(got == [&large[..], b"one more"].concat());
        assert_eq!(spool.budget.used(), 0);
    }

    #[tokio::test]
    async fn what_is_lent_goes_back_when_its_client_is_slow_or_leaves() {
        let spool = spool(64 << 20);
        let (writer, mut reader) = pipe(&spool);
        let large: Vec<u8> = (0..=250).cycle().take(3 << 20).collect();
        lend(&writer, &spool, &large).unwrap();
        park(&mut reader, &spool).await;
        assert_eq!(spool.budget.spooled(), 3 << 20);
        assert_eq!(lend(&writer, &spool, b"behind what lies on disk"), Ok(false));
        let mut got = 0;
        while got < large.len() {
            let chunk = next(&mut reader).await.unwrap().unwrap();
            assert!(*chunk == large[got..got + chunk.len()]);
            got += chunk.len();
        }
        lend(&writer, &spool, &large).unwrap();
        drop(reader);
        assert_eq!((spool.budget.used(), lend(&writer, &spool, b"x")), (0, Err(Gone)));
    }

    #[tokio::test]
    async fn a_shallow_pipe_borrows_no_more_than_it_holds() {
        let spool = spool(64 << 20);
        let (writer, _reader) = shallow_pipe(&spool);
        assert_eq!(lend(&writer, &spool, &vec![0; SHALLOW_MARK + 1]), Ok(false));
        assert_eq!(lend(&writer, &spool, &vec![0; SHALLOW_MARK]), Ok(true));
        assert_eq!(lend(&writer, &spool, &[0; 1]), Ok(false));
    }

    #[tokio::test]
    async fn a_writer_dropped_unfinished_aborts() {
        let (writer, mut reader) = pipe(&spool(1000));
        writer.push(b"half").unwrap();
        drop(writer);
        assert_eq!(*next(&mut reader).await.unwrap().unwrap(), *b"half");
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
        let (first, is_end) = reading.await.unwrap();
        assert_eq!((&*first, is_end), (&b"now"[..], true));
    }

    /// Waits until `spool` holds nothing in memory, while the client takes nothing.
    async fn park(reader: &mut Reader, spool: &Spool) {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
        while spool.budget.used() > 0 {
            assert!(tokio::time::Instant::now() < deadline, "{} bytes stay in memory", spool.budget.used());
            poll_fn(|cx| {
                reader.poll_parked(cx);
                Poll::Ready(())
            })
            .await;
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    /// The client takes nothing for as long as makes it a slow one.
    async fn park_for_long(reader: &mut Reader) {
        tokio::time::pause();
        for _ in 0..100 {
            poll_fn(|cx| {
                reader.poll_parked(cx);
                Poll::Ready(())
            })
            .await;
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        tokio::time::resume();
    }

    #[tokio::test]
    async fn what_a_slow_client_leaves_in_memory_goes_to_disk_and_comes_back_in_order() {
        let spool = spool(4 * MEMORY_MARK as u64);
        let (writer, mut reader) = pipe(&spool);
        let all: Vec<u8> = (0..=250).cycle().take(MEMORY_MARK).collect();
        let (first, last) = all.split_at(MEMORY_MARK - 100_000);
        writer.push(first).unwrap();
        let mut got = next(&mut reader).await.unwrap().unwrap().to_vec();
        park(&mut reader, &spool).await;
        writer.push(last).unwrap();
        park(&mut reader, &spool).await;
        writer.finish();
        while let Some(chunk) = next(&mut reader).await {
            got.extend_from_slice(&chunk.unwrap());
        }
        assert!(got == all, "the same bytes");
        assert!(spool.budget.spooled() >= 900_000);
    }

    #[tokio::test]
    async fn a_complete_response_on_disk_is_shown_to_the_kernel_and_never_written_over() {
        let spool = spool(4 * MEMORY_MARK as u64);
        let (writer, mut reader) = pipe(&spool);
        let all: Vec<u8> = (0..=250).cycle().take(MEMORY_MARK).collect();
        writer.push(&all).unwrap();
        park(&mut reader, &spool).await;
        let read = poll_fn(|cx| reader.poll_chunk(cx)).await.unwrap().unwrap();
        assert!(!window::is_window(read.chunk()), "more may be written to the file");
        let mut got = vec![read];
        writer.finish();
        reader.slice = None;
        while got.iter().map(Portion::len).sum::<usize>() < all.len() {
            got.push(poll_fn(|cx| reader.poll_chunk(cx)).await.unwrap().unwrap());
        }
        assert!(got[1..].iter().all(|portion| window::is_window(portion.chunk())));

        // What follows goes elsewhere, as the client may not have taken what is shown.
        assert!(reader.shared.state.lock().keep(&vec![b'x'; 100_000]));
        park(&mut reader, &spool).await;
        let got: Vec<u8> = got.into_iter().flat_map(|portion| portion.into_bytes().unwrap()).collect();
        assert!(got == all, "the same bytes");
        assert_eq!(next(&mut reader).await.unwrap().unwrap()[0], b'x');
    }

    #[tokio::test]
    async fn what_cannot_go_to_disk_stays_in_memory_for_a_slow_client() {
        let spool = Spool { temp_dir: std::path::Path::new("/nonexistent").into(), ..spool(1 << 20) };
        let (writer, mut reader) = pipe(&spool);
        let all: Vec<u8> = (0..=250).cycle().take(300_000).collect();
        writer.push(&all[..200_000]).unwrap();
        park_for_long(&mut reader).await;
        writer.push(&all[200_000..]).unwrap();
        writer.finish();
        let mut got = Vec::new();
        while let Some(chunk) = next(&mut reader).await {
            got.extend_from_slice(&chunk.unwrap());
        }
        assert!(got == all, "the same bytes");
    }
}
