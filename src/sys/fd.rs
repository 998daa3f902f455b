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

/// Whether `file` is one that the kernel makes up as it is read (procfs, sysfs), whatever size it states.
///
/// # Errors
/// What `fstatfs(2)` says.
pub fn is_of_kernel(file: &File) -> io::Result<bool> {
    const PROC: i64 = 0x9fa0;
    const SYS: i64 = 0x6265_6572;
    #[allow(clippy::useless_conversion)] // the field's width depends on the platform
    let kind = i64::from(rustix::fs::fstatfs(file)?.f_type);
    Ok(matches!(kind, PROC | SYS))
}
