//! Thread clocks and scheduling classes: how the crew sees that a thread is blocked.

use std::io;
use std::time::Duration;

/// The CPU clock of one thread, readable from any other (`pthread_getcpuclockid(3)`).
#[derive(Clone, Copy, Debug)]
pub struct ThreadClock(libc::clockid_t);

impl ThreadClock {
    /// The calling thread's clock; it stays readable until the thread ends.
    ///
    /// # Errors
    /// `pthread_getcpuclockid` fails where the system has no thread CPU clocks.
    pub fn current() -> io::Result<Self> {
        let mut clock: libc::clockid_t = 0;
        // SAFETY: pthread_self() is always valid for the caller and `clock` is a live out-pointer.
        let code = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) };
        if code == 0 { Ok(Self(clock)) } else { Err(io::Error::from_raw_os_error(code)) }
    }

    /// CPU time the thread has used; `None` once it has ended.
    #[must_use]
    pub fn read(self) -> Option<Duration> {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a live out-pointer; an id of an ended thread is an EINVAL, not undefined.
        let code = unsafe { libc::clock_gettime(self.0, &raw mut time) };
        let seconds = u64::try_from(time.tv_sec).ok()?;
        let nanos = u32::try_from(time.tv_nsec).ok()?;
        (code == 0).then(|| Duration::new(seconds, nanos))
    }
}

/// Lets the other threads of the process go before the calling one where they share a core (`nice(2)`, which on Linux is
/// of one thread). What it starts inherits that.
///
/// # Errors
/// What `setpriority(2)` said; some sandboxes forbid it.
pub fn stand_back() -> io::Result<()> {
    const NICE: libc::c_int = 10;
    // SAFETY: 0 is the calling thread; the call takes integers alone.
    let code = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets the calling thread interrupt others when it is woken, for as little as it needs: a time slice of 0.1 ms, the least
/// there is. Linux before 6.12 takes no notice.
///
/// # Errors
/// What `sched_setattr(2)` said; some sandboxes forbid it.
pub fn take_short_slices() -> io::Result<()> {
    const SLICE: u64 = 100_000;
    // SAFETY: all fields are integers, for which zeros are valid: SCHED_OTHER.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    attributes.size = u32::try_from(size_of::<libc::sched_attr>()).unwrap_or_default();
    // SAFETY: 0 is the calling thread. What was given to it from outside stays.
    attributes.sched_nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    attributes.sched_runtime = SLICE;
    // SAFETY: 0 is the calling thread; the structure says its size and lives through the call.
    let code = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the process may use one CPU only, or the time of one.
#[must_use]
pub fn is_core_shared() -> bool {
    std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() == 1)
}

/// Marks the calling thread `SCHED_BATCH`: being woken, it does not preempt the thread that runs.
///
/// # Errors
/// What `sched_setscheduler(2)` said; some sandboxes forbid it, and the server works without.
pub fn set_batch_scheduling() -> io::Result<()> {
    let param = libc::sched_param { sched_priority: 0 };
    // SAFETY: pid 0 is the calling thread and `param` lives through the call.
    let code = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const param) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    #[allow(clippy::disallowed_methods)] // no async thread here, and a clock has no event to wait for
    fn a_clock_stands_still_while_its_thread_waits_and_moves_while_it_works() {
        let (send_clock, clock) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let (send_done, done) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            send_clock.send(ThreadClock::current().unwrap()).unwrap();
            wait.recv().unwrap();
            let mut n = 0u64;
            while ThreadClock::current().unwrap().read().unwrap() < Duration::from_millis(20) {
                n = std::hint::black_box(n + 1);
            }
            send_done.send(()).unwrap();
            wait.recv().unwrap();
        });
        let clock: ThreadClock = clock.recv().unwrap();
        let mut before = clock.read().unwrap();
        // Until the thread has reached its wait, the clock may still move.
        loop {
            std::thread::sleep(Duration::from_millis(5));
            let now = clock.read().unwrap();
            if now == before {
                break;
            }
            before = now;
        }
        go.send(()).unwrap();
        done.recv().unwrap();
        assert!(clock.read().unwrap() >= before + Duration::from_millis(10));
        go.send(()).unwrap();
        thread.join().unwrap();
    }
}
