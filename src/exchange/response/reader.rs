//! The client's end of the response pipe.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Buf;

use super::{Busy, End, Shared, wake_reader};
use crate::exchange::file_slice::{FileSlice, FileSource};
use crate::exchange::parking::{FIRST, Park, Parking};
use crate::exchange::portion::Portion;
use crate::exchange::ticket::Ticket;

/// Bytes in memory that are worth a temp file while their client is slow.
const WORTH_MOVING: usize = 32 * 1024;

/// The client's end. Dropping it tells the application that nobody reads any more.
#[derive(Debug)]
pub struct Reader {
    pub(super) shared: Arc<Shared>,
    /// The stretch of the file being read.
    pub(super) slice: Option<FileSlice>,
    /// An abort was seen and the connection had its turn to flush.
    pub(super) flushed: bool,
    /// Is told when nobody reads any more.
    pub(super) ticket: Option<Arc<Ticket>>,
    pub(super) parking: Parking,
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
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Portion>>> {
        loop {
            if let Some(slice) = &mut self.slice {
                match ready!(slice.poll_portion(&mut self.parking, cx)) {
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
            if state.disk.is_moving() {
                state.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            // No more than hyper takes and still asks for more: by that it tells that the client is slow.
            if !state.is_in_memory_empty()
                && let Some(chunk) = state.next(self.parking.portion().min(FIRST))
            {
                drop(state);
                self.shared.taken.notify_one();
                return Poll::Ready(Some(Ok(chunk)));
            }
            if let (1.., Some(file)) = (state.disk.unread(), &state.disk.file) {
                let source = FileSource::Open(Arc::clone(file));
                let slice = FileSlice::new(source, state.disk.read, state.disk.unread());
                // Once the application writes no more, the client can be sent what the file has.
                self.slice = Some(if state.end.is_some() { slice.sendable() } else { slice });
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

impl Park for Reader {
    /// What waits in memory for a slow client goes to disk, so that it is the disk that bears with it.
    fn poll_parked(&mut self, cx: &mut Context<'_>) {
        let is_slow = self.parking.poll(cx);
        // A disk in memory would bear with it no better, and a shallow pipe's writer is to wait.
        let may_move = !self.shared.spool.in_memory && !self.shared.shallow;
        if is_slow && may_move && self.shared.state.lock().is_worth_moving() {
            let shared = Arc::clone(&self.shared);
            drop(tokio::task::spawn_blocking(move || shared.move_to_disk()));
        }
    }
}

impl super::State {
    /// Enough lies in memory, and nothing on disk that would come after it.
    fn is_worth_moving(&self) -> bool {
        let disk = &self.disk;
        self.held >= WORTH_MOVING && self.late.is_empty() && !disk.is_ahead() && disk.busy.is_none() && !disk.failed
    }
}

impl Shared {
    /// Moves what lies in memory to disk. Blocking.
    fn move_to_disk(&self) {
        let mut state = self.state.lock();
        if state.reader_gone || !state.is_worth_moving() {
            return;
        }
        state.gather();
        let chunks: Vec<Portion> = std::mem::take(&mut state.chunks).into();
        let is_complete = state.end.is_some();
        let disk = &mut state.disk;
        disk.start_over();
        if is_complete {
            // What was handed out of it may be on its way from there, and must not change any more.
            disk.file = None;
        }
        disk.busy = Some(Busy::Moving);
        let file = disk.file.clone();
        drop(state);

        let written = file.map_or_else(|| self.spool.temp_file().map(Arc::new), Ok).and_then(|file| {
            write_all(&file, &chunks)?;
            Ok(file)
        });

        let mut state = self.state.lock();
        state.disk.busy = None;
        match written {
            Ok(file) => {
                let length: usize = chunks.iter().map(Portion::len).sum();
                state.disk.file = Some(file);
                if !state.reader_gone {
                    state.disk.written = length as u64;
                    state.held -= length;
                    state.permit.shrink(own(&chunks));
                }
                self.spool.budget.add_spooled(length as u64);
            }
            Err(error) => {
                tracing::debug!(%error, "a response stays in memory for its slow client");
                state.disk.failed = true;
                state.chunks = chunks.into();
            }
        }
        wake_reader(state);
        self.taken.notify_all();
    }
}

/// Bytes that are not lent.
fn own<'a>(chunks: impl IntoIterator<Item = &'a Portion>) -> usize {
    chunks.into_iter().filter(|chunk| !chunk.is_lent()).map(Portion::len).sum()
}

fn write_all(file: &File, chunks: &[Portion]) -> io::Result<()> {
    let mut at = 0;
    for piece in chunks.iter().flat_map(|chunk| chunk.chunk().chunks(FIRST)) {
        file.write_all_at(piece, at)?;
        at += piece.len() as u64;
        // A megabyte takes longer than a request, and nobody waits for it.
        std::thread::yield_now();
    }
    Ok(())
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.reader_gone = true;
        let chunks = (std::mem::take(&mut state.chunks), std::mem::take(&mut state.late));
        state.held = 0;
        let own = own(chunks.0.iter().chain(&chunks.1)) + state.tail.len();
        state.permit.shrink(own);
        drop(state);
        self.shared.taken.notify_one();
        drop(chunks);
        if let Some(ticket) = &self.ticket {
            ticket.leave();
        }
    }
}
