//! Ending the process without running destructors.

/// Ends the process at once with `code`: no `atexit`, no destructors, no interpreter finalisation.
///
/// Python's own `atexit` has run by then; finalising the interpreter under live threads crashes.
pub fn exit_now(code: u8) -> ! {
    // SAFETY: _exit(2) takes any status and touches no memory of ours.
    unsafe { libc::_exit(i32::from(code)) }
}
