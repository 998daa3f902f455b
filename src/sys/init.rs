//! The first process of a container, PID 1: passes signals on to the server, reaps orphans, and ends as the server ends.
//!
//! A process of its own, without Python and tokio, so that it reaps what is re-parented to it and never a child that the
//! application waits for. Made by `run()` before there are threads, and by `python/fork` for the wheel. Allocates nothing
//! and never returns. When it ends, the kernel kills whatever is left of the container (pid_namespaces(7)), the server
//! first of all; so it needs no PR_SET_PDEATHSIG.

use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use libc::{c_int, pid_t, sigset_t};

use super::process::exit_now;

/// The server; 0 until there is one.
static CHILD: AtomicI32 = AtomicI32::new(0);
/// Signals, one bit each, that came before it.
static EARLY: AtomicU64 = AtomicU64::new(0);

/// What is not passed on: what cannot be caught, what is about init's own children, and what the kernel raises for a
/// fault of init's own.
const OWN: [c_int; 10] = [
    libc::SIGKILL,
    libc::SIGSTOP,
    libc::SIGCHLD,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGSYS,
];

/// Whether this process is a container's first, from which the kernel expects an init.
#[must_use]
pub fn is_due() -> bool {
    std::process::id() == 1
}

/// Makes the calling process init where it is PID 1, and goes on in a child. To be called while there is one thread.
///
/// # Errors
/// What `fork(2)` says.
pub fn enter() -> io::Result<()> {
    if !is_due() {
        return Ok(());
    }
    let held = Held::all()?;
    // SAFETY: there is one thread, so the child has whatever it needs, and no lock is held by anybody else.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => held.go_on(),
        child => held.attend(child),
    }
}

/// Signals that wait until there is somebody to get them.
#[must_use]
pub struct Held(sigset_t);

impl Held {
    /// Holds all signals of the calling thread back.
    ///
    /// # Errors
    /// What `pthread_sigmask(3)` says.
    pub fn all() -> io::Result<Self> {
        let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: the first call fills `all`; the second reads it and, on success, fills `before`.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            match libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), before.as_mut_ptr()) {
                0 => Ok(Self(before.assume_init())),
                code => Err(io::Error::from_raw_os_error(code)),
            }
        }
    }

    /// In the child: takes the terminal, and the signals that were held back.
    ///
    /// # Errors
    /// What `pthread_sigmask(3)` says.
    pub fn go_on(&self) -> io::Result<()> {
        // A process group of its own, in the foreground: a terminal's Ctrl-C comes to the server once, and not by init
        // a second time. SIGTTOU, which a background process gets for this, is held back.
        // SAFETY: integers alone; where there is no terminal the second call fails, and nothing is to be done about it.
        unsafe {
            libc::setpgid(0, 0);
            libc::tcsetpgrp(libc::STDIN_FILENO, libc::getpgrp());
        }
        self.release()
    }

    fn release(&self) -> io::Result<()> {
        // SAFETY: the set was filled by the system.
        match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) } {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }

    /// Is init for `child`, in a process of one thread.
    pub fn attend(&self, child: pid_t) -> ! {
        pass_on_signals();
        // The server's descriptors are its own to close, above all sockets that it inherited. ENOSYS: before Linux 5.9.
        // SAFETY: integers alone; what is closed was this process's before the fork, and it uses none of it any more.
        unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
        // Not worth an end: then a signal comes by none of the ways.
        drop(self.release());
        reap_until_end_of(child)
    }
}

/// Has the process that `command` starts take the terminal, as a forked child would.
pub fn isolate(command: &mut Command) {
    let isolate = || Held::all()?.go_on();
    // SAFETY: system calls on integers and the stack alone, in the child between fork and exec.
    unsafe { command.pre_exec(isolate) };
}

/// Passes on the signals that come from here on, also where other threads run, for [`reap_until_end_of`].
pub fn pass_on_signals() {
    // SAFETY: zeros are a valid sigaction; the handler is async-signal-safe, and signals that cannot be caught are
    // refused without harm. SIGCHLD may have been ignored by whoever started this, and then there is nothing to wait for.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = pass_on as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        for signal in (1..=libc::SIGRTMAX()).filter(|signal| !OWN.contains(signal)) {
            libc::sigaction(signal, &raw const action, ptr::null_mut());
        }
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        // What `ps -o comm` shows.
        libc::prctl(libc::PR_SET_NAME, c"monopod-init".as_ptr());
    }
}

extern "C" fn pass_on(signal: c_int) {
    // SAFETY: errno is the interrupted thread's own, which finds it as it was; kill(2) is async-signal-safe.
    unsafe {
        let errno = *libc::__errno_location();
        match CHILD.load(Ordering::SeqCst) {
            0 => drop(EARLY.fetch_or(1 << (signal - 1), Ordering::SeqCst)),
            child => drop(libc::kill(child, signal)),
        }
        *libc::__errno_location() = errno;
    }
}

/// Reaps whatever ends, until `child` does; then ends this process likewise.
pub fn reap_until_end_of(child: pid_t) -> ! {
    CHILD.store(child, Ordering::SeqCst);
    let early = EARLY.swap(0, Ordering::SeqCst);
    for signal in (1..=64).filter(|signal| early & (1 << (signal - 1)) != 0) {
        // SAFETY: the child is not reaped yet, so the number is its own.
        unsafe { libc::kill(child, signal) };
    }
    loop {
        let mut status = 0;
        // SAFETY: `status` is a live out-pointer.
        let ended = unsafe { libc::waitpid(-1, &raw mut status, libc::WUNTRACED) };
        if ended == child
            && let Some(code) = exit_code(status)
        {
            exit_now(code)
        }
        if ended == child && libc::WIFSTOPPED(status) && libc::WSTOPSIG(status) == libc::SIGTSTP {
            // Ctrl-Z. In a container no shell could continue it.
            // SAFETY: as above.
            unsafe { libc::kill(child, libc::SIGCONT) };
        }
        if ended == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::ECHILD) {
            // Only if somebody else has reaped the server, so nobody knows how it ended.
            exit_now(70)
        }
    }
}

/// The exit code that tells how a process ended, as a shell tells it; `None`: it has not.
fn exit_code(status: c_int) -> Option<u8> {
    if libc::WIFEXITED(status) {
        return u8::try_from(libc::WEXITSTATUS(status)).ok();
    }
    let killed = libc::WIFSIGNALED(status).then(|| 128 + libc::WTERMSIG(status))?;
    u8::try_from(killed).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_the_servers_or_128_and_its_signal() {
        for (status, code) in [(0, Some(0)), (0x4600, Some(70)), (0xff00, Some(255)), (9, Some(137)), (15, Some(143))] {
            assert_eq!(exit_code(status), code, "{status:#x}");
        }
        assert_eq!(exit_code(0x86), Some(134), "killed by SIGABRT, with a core");
        assert_eq!(exit_code(0x147f), None, "stopped");
    }
}
