//! Bytes that stay for the life of the process, in memory that the kernel can send by itself (`sendfile(2)`): a socket is
//! given the pages instead of a copy.
//!
//! One anonymous file (`memfd_create(2)`), sealed once it is written, so that what is mapped never changes nor shrinks.
//! Made by `static_files`, recognised by `net`.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

/// Fewer bytes are copied into a socket for less than a further system call costs.
pub const WORTH_SENDING: usize = 16 * 1024;

/// The sealed memory.
#[derive(Debug)]
pub struct Arena {
    file: File,
    base: *const u8,
    len: usize,
}

// SAFETY: the mapping is read-only, as is the file behind it, until the last owner drops it.
unsafe impl Send for Arena {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

impl Arena {
    /// Holds `parts`, each of which is then replaced by the same bytes inside of it. None: there is nothing to hold.
    ///
    /// # Errors
    /// What `memfd_create(2)`, `write(2)`, `mmap(2)` and `fcntl(2)` say; the parts are as they were.
    pub fn hold(parts: &mut [&mut Bytes]) -> io::Result<Option<Arc<Self>>> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if len == 0 {
            return Ok(None);
        }
        let file = memfd()?;
        let mut at = 0;
        for part in &*parts {
            file.write_all_at(part, at)?;
            at += part.len() as u64;
        }
        // SAFETY: a private, read-only mapping of a file that this function alone has, at an address of the kernel's
        // choice.
        let base =
            unsafe { libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let arena = Arc::new(Self { file, base: base.cast_const().cast(), len });
        let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
        // SAFETY: the descriptor is open; the command takes an integer.
        if unsafe { libc::fcntl(arena.file.as_raw_fd(), libc::F_ADD_SEALS, seals) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let mut start = 0;
        for part in parts {
            let end = start + part.len();
            **part = Bytes::from_owner(Part { arena: Arc::clone(&arena), start, end });
            start = end;
        }
        Ok(Some(arena))
    }

    /// Where `bytes` lie in the file, if they lie in it.
    #[must_use]
    pub fn locate(&self, bytes: &[u8]) -> Option<u64> {
        let offset = (bytes.as_ptr() as usize).checked_sub(self.base as usize)?;
        (offset < self.len && bytes.len() <= self.len - offset).then_some(offset as u64)
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: `base` and `len` are those of a mapping that lives as long as `self`; its seals keep it as it is.
        unsafe { std::slice::from_raw_parts(self.base, self.len) }
    }
}

impl AsFd for Arena {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `hold`, and whoever looks into it holds the arena.
        unsafe { libc::munmap(self.base.cast_mut().cast(), self.len) };
    }
}

struct Part {
    arena: Arc<Arena>,
    start: usize,
    end: usize,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.arena.bytes()[self.start..self.end]
    }
}

fn memfd() -> io::Result<File> {
    const NAME: &std::ffi::CStr = c"monopod-static";
    let create = |flags| {
        // SAFETY: the name ends in NUL; the flags are known or refused.
        let fd = unsafe { libc::memfd_create(NAME.as_ptr(), flags) };
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(fd) }
    };
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // Linux before 6.3 does not know the flag, later ones complain without it.
    let fd = create(flags | libc::MFD_NOEXEC_SEAL).or_else(|_| create(flags))?;
    // SAFETY: the call above has just made it, and nobody else knows it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_same_bytes_in_the_file() {
        let (mut one, mut two) = (Bytes::from(vec![1; 5000]), Bytes::from(vec![2; 100_000]));
        let arena = Arena::hold(&mut [&mut one, &mut two]).unwrap().unwrap();
        assert!(one == vec![1; 5000] && two == vec![2; 100_000]);
        assert_eq!((arena.locate(&one), arena.locate(&two)), (Some(0), Some(5000)));
        assert_eq!(arena.locate(&two.slice(10..20)), Some(5010));
        assert_eq!(arena.locate(&[0; 10]), None);
        assert_eq!(arena.locate(&two.slice(100_000..)), None, "of nothing nothing is told");
        let mut read = vec![0; 10];
        arena.file.read_exact_at(&mut read, 4995).unwrap();
        assert_eq!(read, [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
        assert!(arena.file.write_all_at(&[0], 0).is_err() && arena.file.set_len(1).is_err(), "sealed");
        drop(arena);
        assert_eq!(two[99_999], 2, "whoever has a part has all of it");
        assert!(Arena::hold(&mut []).unwrap().is_none());
    }
}
