//! Descriptors that come from elsewhere (Python objects, the process that started us) or that are watched beside tokio.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::FileType;
use rustix::io::{Errno, ReadWriteFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

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

/// `fd`, which was just opened, under a number that is none of standard input, output and error.
///
/// An application that closed one of these leaves its number to whatever is opened next: then access records,
/// tracebacks and `print` would go to a client, or into somebody's request body. `/dev/null` takes the number instead.
///
/// # Errors
/// `EMFILE` at the limit, or what opening `/dev/null` says; `fd` is closed then.
pub fn off_standard(fd: OwnedFd) -> io::Result<OwnedFd> {
    let number = fd.as_raw_fd();
    if number > libc::STDERR_FILENO {
        return Ok(fd);
    }
    // The standard library duplicates to 3 and above, for the same reason.
    let moved = fd.try_clone()?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    match number {
        libc::STDIN_FILENO => rustix::stdio::dup2_stdin(&null),
        libc::STDOUT_FILENO => rustix::stdio::dup2_stdout(&null),
        _ => rustix::stdio::dup2_stderr(&null),
    }?;
    // The number is no longer this descriptor's to close.
    let _ = fd.into_raw_fd();
    Ok(moved)
}

/// Writes all of `bytes` to `fd`, and waits where it takes nothing now, also if it does not block by itself.
///
/// # Errors
/// What `write(2)` says.
pub fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut ready = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
                match poll(&mut ready, None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// As [`write_all`], to whatever descriptor `number` is at this moment.
///
/// # Errors
/// `EBADF` when no such descriptor is open; else what `write(2)` says.
pub fn write_to(number: i32, bytes: &[u8]) -> io::Result<()> {
    if number < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: the borrow lasts for this call; a number that is not open is answered by EBADF.
    write_all(unsafe { BorrowedFd::borrow_raw(number) }, bytes)
}

/// Whether two descriptors lead to the same file, pipe, socket or terminal. Not where either is closed.
#[must_use]
pub fn is_same(one: i32, other: i32) -> bool {
    let file = |number| duplicate(number).and_then(|file| Ok(rustix::fs::fstat(file)?));
    match (file(one), file(other)) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => false,
    }
}

/// Bytes that were written to a socket and that the other side has not acknowledged (tcp(7), `SIOCOUTQ`), or not read, if it
/// is a Unix socket. `None`: it is no socket.
#[must_use]
pub fn unacknowledged(socket: BorrowedFd<'_>) -> Option<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: TIOCOUTQ, which SIOCOUTQ is, writes one int.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result == 0 { usize::try_from(bytes).ok() } else { None }
}

/// Whether `file` is a pipe.
#[must_use]
pub fn is_pipe(file: &File) -> bool {
    rustix::fs::fstat(file).is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Fifo)
}

/// Watches a duplicate of `fd` for something to read, or to accept, which nobody takes by that. Call within the runtime.
///
/// # Errors
/// `EMFILE` at the limit of descriptors, or what `epoll_ctl(2)` says.
pub fn watch(fd: BorrowedFd<'_>) -> io::Result<AsyncFd<OwnedFd>> {
    let owned = fd.try_clone_to_owned()?;
    // SAFETY: an `OwnedFd` is open, and the same descriptor, until it is dropped, which `AsyncFd` does last.
    Ok(unsafe { AsyncFd::register_with_interest(owned, Interest::READABLE) }?)
}

/// Appends to `buffer`, up to its capacity, what the page cache has of `file` from `offset`; never waits for a disk
/// (`RWF_NOWAIT`). 0 is the end of the file.
///
/// # Errors
/// `EAGAIN` when it is not in the cache, `EOPNOTSUPP` on file systems that cannot tell; else what `preadv2(2)` says.
pub fn read_cached(file: &File, buffer: &mut Vec<u8>, offset: u64) -> io::Result<usize> {
    let offset = i64::try_from(offset).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let spare = buffer.spare_capacity_mut();
    let part = libc::iovec { iov_base: spare.as_mut_ptr().cast(), iov_len: spare.len() };
    // SAFETY: the vector is one part, which lies in the buffer's own spare capacity; the kernel writes nothing else.
    let read = unsafe { libc::preadv2(file.as_raw_fd(), &raw const part, 1, offset, libc::RWF_NOWAIT) };
    let read = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel wrote that many bytes of the spare capacity, from its beginning.
    unsafe { buffer.set_len(buffer.len() + read) };
    Ok(read)
}

/// Whether the page cache has the byte of `file` at `offset`; never waits for a disk. Not at the end of the file.
///
/// # Errors
/// `EOPNOTSUPP` on file systems that cannot tell; else what `preadv2(2)` says.
pub fn is_cached(file: &File, offset: u64) -> io::Result<bool> {
    let mut byte = [0];
    match rustix::io::preadv2(file, &mut [IoSliceMut::new(&mut byte)], offset, ReadWriteFlags::NOWAIT) {
        Ok(read) => Ok(read == 1),
        Err(Errno::AGAIN) => Ok(false),
        Err(error) => Err(error.into()),
    }
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

/// Has `exec` close descriptor `number`.
///
/// # Errors
/// `EBADF` when no such descriptor is open.
pub fn close_on_exec(number: i32) -> io::Result<()> {
    if number < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: the borrow lasts for this call; a number that is not open is answered by EBADF.
    Ok(rustix::io::fcntl_setfd(unsafe { BorrowedFd::borrow_raw(number) }, rustix::io::FdFlags::CLOEXEC)?)
}

/// Puts `/dev/null` behind descriptor `number`, whoever owns it.
///
/// # Errors
/// What opening `/dev/null` says.
pub fn empty(number: i32) -> io::Result<()> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    // SAFETY: the kernel checks the numbers, and this one stays open for who owns it.
    match unsafe { libc::dup3(null.as_raw_fd(), number, libc::O_CLOEXEC) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Closes descriptor `number`, which this process was started with and nothing in it owns.
///
/// # Errors
/// `EBADF` when no such descriptor is open.
pub fn close(number: i32) -> io::Result<()> {
    // SAFETY: the kernel checks the number.
    if unsafe { libc::close(number) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
