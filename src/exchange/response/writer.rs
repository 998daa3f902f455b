//! The application's end of the response pipe.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::thread::yield_now;

use bytes::Bytes;
use rustix::fs::{FallocateFlags, fallocate};

use super::{Busy, End, PUNCH_SIZE, SPILL_MARK, Shared, wake_reader};
use crate::exchange::parking::FIRST;

/// A larger chunk is not taken at once. Copying it takes longer than a small request, which should not have to wait for
/// that.
const LARGE: usize = 128 * 1024;

/// The client has left: nothing written from here on has a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// The application's end.
#[derive(Debug)]
pub struct Writer {
    pub(super) shared: Arc<Shared>,
}

impl Writer {
    /// Adds a chunk if it is small and there is room for it in memory; never blocks. False: [`Writer::push`] it, without
    /// the GIL.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn try_push(&self, chunk: &[u8]) -> Result<bool, Gone> {
        if chunk.len() > LARGE { Ok(false) } else { self.keep(chunk) }
    }

    fn keep(&self, chunk: &[u8]) -> Result<bool, Gone> {
        let mut state = self.shared.state.lock();
        if state.reader_gone {
            return Err(Gone);
        }
        let fits = !state.disk.is_ahead() && state.held + chunk.len() <= self.shared.mark();
        let kept = fits && state.keep(chunk);
        if kept {
            wake_reader(state);
        }
        Ok(kept)
    }

    /// Adds a chunk of `len` bytes that stays where it is and that its owner counts against the budget; never blocks. It is
    /// asked for if nothing on disk is to come before it, and it is the only one or there is room for it. False: it was
    /// not, or was refused.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn lend(&self, len: usize, lend: impl FnOnce() -> Option<Bytes>) -> Result<bool, Gone> {
        let mut state = self.shared.state.lock();
        if state.reader_gone {
            return Err(Gone);
        }
        // The application has it in memory anyway, however large it is: only more of them shall not be there.
        let is_only = state.held == 0 && !self.shared.shallow;
        let has_room = is_only || state.held + len <= self.shared.mark();
        if !has_room || state.disk.is_ahead() || !state.late.is_empty() {
            return Ok(false);
        }
        let Some(chunk) = lend() else { return Ok(false) };
        state.borrow(chunk);
        wake_reader(state);
        Ok(true)
    }

    /// Adds a chunk. Blocks for a disk write, or, where no disk and no memory is left and in a shallow pipe, until the
    /// client reads.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn push(&self, chunk: &[u8]) -> Result<(), Gone> {
        if chunk.len() <= LARGE.min(self.shared.mark()) {
            return self.push_piece(chunk);
        }
        for piece in chunk.chunks(FIRST) {
            self.push_piece(piece)?;
            yield_now();
        }
        Ok(())
    }

    fn push_piece(&self, chunk: &[u8]) -> Result<(), Gone> {
        if self.keep(chunk)? || (!self.shared.shallow && self.spill(chunk)?) {
            return Ok(());
        }
        let mut state = self.shared.state.lock();
        loop {
            if state.reader_gone {
                return Err(Gone);
            }
            let has_room = !self.shared.shallow || state.held + chunk.len() <= self.shared.mark();
            // An empty pipe takes a chunk of any size, or it could wait for ever.
            if (has_room && state.keep(chunk)) || state.is_empty() {
                if state.is_empty() {
                    state.held = chunk.len();
                    state.chunks.push_back(Bytes::copy_from_slice(chunk).into());
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
        while state.disk.is_moving() && !state.reader_gone {
            self.shared.taken.wait(&mut state);
        }
        if state.reader_gone {
            return Err(Gone);
        }
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
            disk.start_over();
        }
        let punch = (disk.read - disk.punched >= PUNCH_SIZE).then_some((disk.punched, disk.read - disk.punched));
        let (file, at) = (disk.file.clone(), disk.written);
        disk.busy = Some(Busy::Adding);
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
        disk.busy = None;
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

impl Drop for Writer {
    fn drop(&mut self) {
        self.end(End::Aborted);
    }
}
