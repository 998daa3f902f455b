//! Stretches of open files that have addresses, but no memory: on their way to a socket they are `Bytes` as everything
//! is, and there the kernel sends what the file has (`sendfile(2)`).
//!
//! The addresses lie in one range, reserved when the first is wanted and never written to: who reads there finds zeros.
//! Made by `exchange::FileSlice`, recognised by `net`, which sends the file's bytes instead, one way or another.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;
use slab::Slab;

use super::fd;

/// Bytes of a file that one window shows at most.
pub const WIDEST: usize = 256 * 1024;
/// Windows at once; whoever wants more copies. With [`WIDEST`] a GiB of addresses.
const MOST: usize = 4096;

/// The range, once it was tried to reserve it. Addresses are the process's, so there is one.
static WINDOWS: OnceLock<Option<Windows>> = OnceLock::new();

struct Windows {
    base: *const u8,
    open: Mutex<Slab<Stretch>>,
}

// SAFETY: the range is read-only memory that is never unmapped.
unsafe impl Send for Windows {}
// SAFETY: as above; what changes is behind a lock.
unsafe impl Sync for Windows {}

/// A place in an open file.
#[derive(Clone, Debug)]
pub struct Stretch {
    pub file: Arc<File>,
    pub offset: u64,
}

/// Bytes that stand for `len` bytes of `file` from `offset`, at most [`WIDEST`]. None: there is no window left, or the
/// process may not have the addresses (`RLIMIT_AS`).
#[must_use]
pub fn open(file: &Arc<File>, offset: u64, len: usize) -> Option<Bytes> {
    let windows = WINDOWS.get_or_init(Windows::reserve).as_ref()?;
    let mut open = windows.open.lock();
    if open.len() >= MOST || len > WIDEST {
        return None;
    }
    let slot = open.insert(Stretch { file: Arc::clone(file), offset });
    drop(open);
    Some(Bytes::from_owner(Window { windows, slot, len }))
}

/// Whether `bytes` are a window's, which are not to be read.
#[must_use]
pub fn is_window(bytes: &[u8]) -> bool {
    // An empty rest has the address of the next window.
    !bytes.is_empty()
        && windows().is_some_and(|windows| windows.place(bytes).is_some_and(|place| place < MOST * WIDEST))
}

/// What file's bytes the window that `bytes` are (of) stands for.
#[must_use]
pub fn locate(bytes: &[u8]) -> Option<Stretch> {
    let windows = windows()?;
    let at = windows.place(bytes)?;
    let Stretch { file, offset } = windows.open.lock().get(at / WIDEST)?.clone();
    Some(Stretch { file, offset: offset + (at % WIDEST) as u64 })
}

/// The range, where there is one.
fn windows() -> Option<&'static Windows> {
    WINDOWS.get()?.as_ref()
}

impl Stretch {
    /// Whether the page cache has its first byte; true as well where nobody can tell.
    #[must_use]
    pub fn is_cached(&self) -> bool {
        fd::is_cached(&self.file, self.offset).unwrap_or(true)
    }

    /// The place `bytes` further on.
    #[must_use]
    pub fn after(&self, bytes: usize) -> Self {
        Self { file: Arc::clone(&self.file), offset: self.offset + bytes as u64 }
    }

    /// Has the page cache read `len` bytes. Blocking; what fails fails again when they are sent.
    pub fn read_ahead(&self, len: usize) {
        let mut buffer = vec![0; len];
        drop(self.file.read_at(&mut buffer, self.offset));
    }

    /// Copies its bytes to `buffer`, for a socket that cannot be sent files; at least one.
    ///
    /// # Errors
    /// `UnexpectedEof`, as the file has become shorter; what `pread(2)` says.
    pub fn copy(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.file.read_at(buffer, self.offset)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

impl Windows {
    fn reserve() -> Option<Self> {
        // SAFETY: a new mapping, at an address of the kernel's choice; it is read-only, so pages come to be by reading
        // alone, and are the kernel's page of zeros.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                MOST * WIDEST,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return None;
        }
        Some(Self { base: base.cast_const().cast(), open: Mutex::default() })
    }

    /// How far from the beginning of the range `bytes` lie, perhaps behind its end.
    fn place(&self, bytes: &[u8]) -> Option<usize> {
        (bytes.as_ptr() as usize).checked_sub(self.base as usize)
    }
}

struct Window {
    windows: &'static Windows,
    slot: usize,
    len: usize,
}

impl AsRef<[u8]> for Window {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the slots of the slab are dense, so this one is below MOST and the window inside the range, which is
        // mapped, and all zeros, for the life of the process.
        unsafe { std::slice::from_raw_parts(self.windows.base.add(self.slot * WIDEST), self.len) }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let stretch = self.windows.open.lock().try_remove(self.slot);
        // May be the last to hold the file, whose close is not to be waited for under the lock.
        drop(stretch);
    }
}

impl AsFd for Stretch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_window_tells_its_place_in_the_file_also_of_a_part_of_it() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let file = Arc::new(file);
        let (one, two) = (open(&file, 3, 7).unwrap(), open(&file, 0, 10).unwrap());
        assert!(is_window(&one) && is_window(&two[9..]) && !is_window(b"0123456789"));
        assert!(!is_window(&one[7..]), "nothing is left of it");
        let mut read = [0; 2];
        let stretch = locate(&one[5..]).unwrap();
        assert_eq!((stretch.offset, stretch.copy(&mut read).unwrap(), read), (8, 2, *b"89"));
        assert_eq!(locate(&two.slice(9..)).unwrap().offset, 9);
        file.set_len(8).unwrap();
        assert_eq!(stretch.copy(&mut read).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(open(&file, 0, WIDEST + 1).is_none(), "wider than a window");
    }

    #[test]
    fn a_closed_window_holds_no_file() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let window = open(&file, 0, 100).unwrap();
        let part = window.slice(50..);
        drop(window);
        assert_eq!(Arc::strong_count(&file), 2, "a part keeps it open");
        drop(part);
        assert_eq!(Arc::strong_count(&file), 1);
    }
}
