//! The threads that run the application, attached to the interpreter for life.
//!
//! They are made by Python's own `threading.Thread`, so `threading.enumerate()`, debuggers and profilers see
//! them and `threading.local` and Django's persistent connections live as long as they do. A thread holds the
//! GIL from job to job and lets go of it only to rest.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict};

use super::crew::{Seats, Wake, step_aside};
use crate::exchange::{Job, Replies, Source};
use crate::sys::signals;

/// Runs one job on an attached thread. Must answer or drop the job; must not unwind Python errors.
pub type Run = dyn Fn(Python<'_>, Job) + Send + Sync;

/// The running threads.
pub struct Pool {
    seats: Arc<Seats>,
    threads: Vec<Py<PyAny>>,
}

/// Starts a thread for each seat. Call from the main thread, after the application was imported.
///
/// # Errors
/// What `threading.Thread` raises; `RuntimeError: can't start new thread` under a tight pids limit.
pub fn start(
    py: Python<'_>,
    seats: Arc<Seats>,
    source: &Arc<dyn Source>,
    replies: &Replies,
    run: &Arc<Run>,
) -> PyResult<Pool> {
    let thread_class = py.import("threading")?.getattr("Thread")?;
    let mut threads = Vec::with_capacity(seats.threads());
    for seat in 0..seats.threads() {
        let worker = Worker {
            seat,
            seats: Arc::clone(&seats),
            source: Arc::clone(source),
            replies: replies.clone(),
            run: Arc::clone(run),
        };
        let target = PyCFunction::new_closure(py, Some(c"monopod_pool_thread"), None, move |args, _| {
            worker.work(args.py());
        })?;
        let options = PyDict::new(py);
        options.set_item("target", target)?;
        options.set_item("name", format!("monopod-{}", seat + 1))?;
        // Not daemon threads, or every thread that the application starts in a request would inherit it and be lost
        // at the end. Nobody waits for these in vain: the process ends from `server`.
        options.set_item("daemon", false)?;
        let thread = thread_class.call((), Some(&options))?;
        thread.call_method0("start")?;
        threads.push(thread.unbind());
    }
    Ok(Pool { seats, threads })
}

/// Children that the application forks without exec (multiprocessing) get the system's signal handlers back.
///
/// # Errors
/// What `os.register_at_fork` raises.
pub fn reset_signals_at_fork(py: Python<'_>) -> PyResult<()> {
    let reset = PyCFunction::new_closure(py, None, None, |_, _| signals::reset_in_child())?;
    let options = PyDict::new(py);
    options.set_item("after_in_child", reset)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&options))?;
    Ok(())
}

impl Pool {
    /// The `threading.Thread` objects.
    #[must_use]
    pub fn threads(&self) -> &[Py<PyAny>] {
        &self.threads
    }

    /// Ends the threads once no job is left, waiting for each at most `seconds`. False: some are still busy.
    ///
    /// # Errors
    /// What `Thread.join` raises.
    pub fn stop(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        self.seats.stop();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs_f64(seconds);
        for thread in &self.threads {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            thread.call_method1(py, "join", (left.as_secs_f64(),))?;
            if thread.call_method0(py, "is_alive")?.is_truthy(py)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

struct Worker {
    seat: usize,
    seats: Arc<Seats>,
    source: Arc<dyn Source>,
    replies: Replies,
    run: Arc<Run>,
}

impl Worker {
    fn work(&self, py: Python<'_>) {
        self.seats.sit(self.seat);
        loop {
            let Some(job) = self.source.take() else {
                self.replies.flush();
                if self.rest(py, false) == Wake::Stop {
                    return;
                }
                continue;
            };
            // A panic must not take the thread's seat with it; the dropped job answers 500.
            if catch_unwind(AssertUnwindSafe(|| (self.run)(py, job))).is_err() {
                tracing::error!(reason = "internal", "a pool thread panicked while it ran a request");
            }
            self.replies.flush_if_due();
            if self.seats.should_rest(self.seat, || py.detach(step_aside)) {
                self.replies.flush();
                if self.rest(py, true) == Wake::Stop {
                    return;
                }
            }
        }
    }

    fn rest(&self, py: Python<'_>, yields: bool) -> Wake {
        let wake = py.detach(|| self.seats.rest(self.seat, yields));
        if wake == Wake::Work {
            self.seats.attached();
        }
        wake
    }
}
