//! Descriptors that come from elsewhere: from Python objects and from the process that started us.

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// A duplicate of descriptor `number` (close-on-exec), which the caller owns.
///
/// # Errors
/// `EBADF` when no such descriptor is open, `EMFILE` at the limit.
pub fn duplicate(number: i32) -> io::Result<File> {
    if number < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: the borrow lasts for the one call; a number that is not open is answered by EBADF.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let owned: OwnedFd = borrowed.try_clone_to_owned()?;
    Ok(File::from(owned))
}
