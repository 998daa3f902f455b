//! Signal dispositions: undoing what came before ours, keeping ours across the application's import, and giving children
//! the system's.

use std::io;

/// What `sigaction(2)` said of the signals that stop the server.
#[derive(Clone, Copy)]
pub struct Dispositions([(libc::c_int, &'static str, libc::sigaction); 4]);

impl Dispositions {
    /// As they are now.
    ///
    /// # Errors
    /// What `sigaction(2)` says.
    pub fn current() -> io::Result<Self> {
        Ok(Self([
            (libc::SIGTERM, "SIGTERM", read(libc::SIGTERM)?),
            (libc::SIGINT, "SIGINT", read(libc::SIGINT)?),
            (libc::SIGQUIT, "SIGQUIT", read(libc::SIGQUIT)?),
            (libc::SIGHUP, "SIGHUP", read(libc::SIGHUP)?),
        ]))
    }

    /// Puts back those that were changed since; the names of the signals that were.
    ///
    /// # Errors
    /// What `sigaction(2)` says.
    pub fn restore(&self) -> io::Result<Vec<&'static str>> {
        let mut changed = Vec::new();
        for (signal, name, ours) in &self.0 {
            if read(*signal)?.sa_sigaction == ours.sa_sigaction {
                continue;
            }
            // SAFETY: `ours` is what the system itself gave for this signal.
            if unsafe { libc::sigaction(*signal, ours, std::ptr::null_mut()) } != 0 {
                return Err(io::Error::last_os_error());
            }
            changed.push(*name);
        }
        Ok(changed)
    }
}

/// The signals that stop the server do what they do by default again, where somebody has set a handler for them: one that
/// stays would be called beside the server's. What is ignored stays so. The names of the signals that were changed.
///
/// # Errors
/// What `sigaction(2)` says.
pub fn undo_handlers() -> io::Result<Vec<&'static str>> {
    let mut changed = Vec::new();
    for (signal, name, action) in Dispositions::current()?.0 {
        if ![libc::SIG_DFL, libc::SIG_IGN].contains(&action.sa_sigaction) {
            // SAFETY: SIG_DFL is valid for each of them.
            if unsafe { libc::signal(signal, libc::SIG_DFL) } == libc::SIG_ERR {
                return Err(io::Error::last_os_error());
            }
            changed.push(name);
        }
    }
    Ok(changed)
}

/// Whether nothing happens at this signal.
///
/// # Errors
/// What `sigaction(2)` says.
pub fn is_ignored(signal: libc::c_int) -> io::Result<bool> {
    Ok(read(signal)?.sa_sigaction == libc::SIG_IGN)
}

fn read(signal: libc::c_int) -> io::Result<libc::sigaction> {
    let mut action = std::mem::MaybeUninit::uninit();
    // SAFETY: a null new action only reads; on success the out-pointer is filled.
    if unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: filled by the call that has just succeeded.
    Ok(unsafe { action.assume_init() })
}

/// In a forked child, where nobody listens to the server's handlers any more: the signals do what they do by default.
pub fn reset_in_child() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2] {
        // SAFETY: SIG_DFL is valid for each of them.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}
