//! Starting a process that inherits descriptors by their numbers, and does not end by a terminal's Ctrl-C of its own accord.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Has the process that `command` starts keep descriptors `numbers`, which the caller leaves open until then, and ignore
/// SIGINT until it says otherwise.
pub fn bequeath(command: &mut Command, numbers: Vec<i32>) {
    let bequeath = move || {
        for number in &numbers {
            // SAFETY: integers alone; a number that is not open is an error.
            if unsafe { libc::fcntl(*number, libc::F_SETFD, 0) } == -1 {
                return Err(io::Error::last_os_error());
            }
        }
        // SAFETY: SIG_IGN is valid for it.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
        Ok(())
    };
    // SAFETY: runs between fork and exec and calls nothing but fcntl(2) and signal(2), which are async-signal-safe.
    unsafe { command.pre_exec(bequeath) };
}
