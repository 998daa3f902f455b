//! Ending the process without running destructors, and replacing it.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Ends the process at once with `code`: no `atexit`, no destructors, no interpreter finalisation.
///
/// Python's own `atexit` has run by then; finalising the interpreter under live threads crashes.
pub fn exit_now(code: u8) -> ! {
    // Counts for the compiler, which `exit` would write: see scripts/build-release.
    #[cfg(monopod_counts)]
    {
        // SAFETY: declared as LLVM's compiler-rt defines it.
        unsafe extern "C" {
            fn __llvm_profile_write_file() -> libc::c_int;
        }
        // SAFETY: part of the runtime that `-C profile-generate` links; it writes a file of its own.
        unsafe { __llvm_profile_write_file() };
    }
    // SAFETY: _exit(2) takes any status and touches no memory of ours.
    unsafe { libc::_exit(i32::from(code)) }
}

/// Replaces this process by the command that `words` are, looked for in `PATH`. Returns only when that cannot be.
#[must_use]
pub fn replace_by(words: &[OsString]) -> io::Error {
    let Some((program, arguments)) = words.split_first() else { return io::ErrorKind::InvalidInput.into() };
    // Python ignores it, and a command that does not would not end at its limit; `exec` does the same for SIGPIPE.
    // SAFETY: SIG_DFL is valid for it.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_DFL) };
    Command::new(program).args(arguments).exec()
}
