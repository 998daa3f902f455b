//! Freed memory that allocators hold back, which only they can give back to the system.
//!
//! Rust's allocator belongs to the program, not to this library: the native binary has its own, a wheel its interpreter's.
//! Python's large blocks are the C library's in both.

#![allow(unsafe_code)]

use std::sync::OnceLock;

/// How the program's allocator does it.
static GIVE_BACK: OnceLock<fn()> = OnceLock::new();

/// Has [`give_back`] call `how`, which may block for some milliseconds. Only the first counts.
pub fn given_back_by(how: fn()) {
    let _ = GIVE_BACK.set(how);
}

/// Gives back what has lain unused for a while. Blocking; nothing happens where nobody said how.
pub fn give_back() {
    if let Some(how) = GIVE_BACK.get() {
        how();
    }
}

/// What glibc holds back of large blocks, unless it is told, grows with the largest block that was ever freed, for each
/// thread: 64 MiB (mallopt(3), `M_MMAP_THRESHOLD`). A view that reads uploads of 20 MiB on four threads would keep a
/// container of 256 MiB from ever using that memory for anything else. From here on blocks of `LARGE` bytes go back when they are
/// freed, and a thread keeps twice as much at most. Who has set `MALLOC_MMAP_THRESHOLD_` or `MALLOC_TRIM_THRESHOLD_` (or
/// `GLIBC_TUNABLES`) has decided. For a process that is the server's own, once, with its limit of memory.
pub fn return_large_blocks() {
    #[cfg(target_env = "gnu")]
    if ["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"]
        .iter()
        .all(|name| std::env::var_os(name).is_none())
    {
        // SAFETY: mallopt locks what it changes; these two take any size.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
            libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * LARGE);
        }
    }
}

/// Bytes; a block of this size takes longer to fill than to map.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 2 * 1024 * 1024;
