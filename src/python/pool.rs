//! The threads that run the application, attached to the interpreter for life.
//!
//! They are made by Python's own `threading.Thread`, so `threading.enumerate()`, debuggers and profilers see
//! them and `threading.local` and Django's persistent connections live as long as they do. A thread holds the
//! GIL from job to job and lets go of it only to rest.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict};

use super::crew::{Order, Seats, Wake, step_aside};
use super::interrupt;
use super::seat::Running;
use super::stacks::thread_name;
use crate::exchange::{Job, Replies, Source, Ticket};
use crate::sys::{signals, thread};

/// Runs one job on an attached thread. Must answer or drop the job; must not unwind Python errors.
pub type Run = dyn Fn(Python<'_>, Job) + Send + Sync;

/// The running threads, and what it takes to start more. Lives on the main thread.
pub struct Pool {
    crew: Arc<Hands>,
    thread_class: Py<PyAny>,
    threads: Vec<Py<PyAny>>,
}

/// What each thread works with.
struct Hands {
    seats: Arc<Seats>,
    source: Arc<dyn Source>,
    replies: Replies,
    run: Arc<Run>,
    stands_back: bool,
}

/// Starts the first thread; more are started as [`Seats`] orders them. Where the pool `stands_back`, threads of the front
/// go before its own on a core that they share. Call from the main thread, after the application was imported.
///
/// # Errors
/// What `threading.Thread` raises; `RuntimeError: can't start new thread` under a tight pids limit.
pub fn start(
    py: Python<'_>,
    seats: Arc<Seats>,
    source: Arc<dyn Source>,
    replies: Replies,
    run: Arc<Run>,
    stands_back: bool,
) -> PyResult<Pool> {
    let thread_class = py.import("threading")?.getattr("Thread")?.unbind();
    let first = seats.hire();
    let crew = Arc::new(Hands { seats, source, replies, run, stands_back });
    let mut pool = Pool { crew, thread_class, threads: Vec::new() };
    if let Some(seat) = first {
        pool.start(py, seat)?;
    }
    Ok(pool)
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
    /// Does what the crew needs the main thread for.
    pub fn obey(&mut self, py: Python<'_>, order: Order) {
        match order {
            Order::Start(seat) => {
                if let Err(error) = self.start(py, seat) {
                    self.crew.seats.not_hired(seat);
                    tracing::error!(
                        %error,
                        reason = "no-thread",
                        "no thread can be started for waiting requests: raise the pids limit or lower --threads"
                    );
                }
            }
            Order::Interrupt(seat, ticket) => {
                if let Err(error) = self.interrupt(py, seat, &ticket) {
                    error.display(py);
                }
            }
        }
    }

    fn start(&mut self, py: Python<'_>, seat: usize) -> PyResult<()> {
        let hands = Arc::clone(&self.crew);
        let target = PyCFunction::new_closure(py, Some(c"monopod_pool_thread"), None, move |args, _| {
            Worker { seat, hands: Arc::clone(&hands) }.work(args.py());
        })?;
        let options = PyDict::new(py);
        options.set_item("target", target)?;
        options.set_item("name", thread_name(seat))?;
        // Not daemon threads, or every thread that the application starts in a request would inherit it and be lost
        // at the end. Nobody waits for these in vain: the process ends from `server`.
        options.set_item("daemon", false)?;
        let thread = self.thread_class.call(py, (), Some(&options))?;
        thread.call_method0(py, "start")?;
        // Those that ended since: one for each stream that lasted.
        self.threads
            .retain(|thread| thread.call_method0(py, "is_alive").and_then(|alive| alive.is_truthy(py)).unwrap_or(true));
        self.threads.push(thread);
        Ok(())
    }

    /// Tells where a request stands that takes too long, and raises an exception there.
    fn interrupt(&self, py: Python<'_>, seat: usize, ticket: &Arc<Ticket>) -> PyResult<()> {
        let seats = &self.crew.seats;
        let look =
            |running: &Running, ident| (running.method.clone(), running.uri.clone(), running.since.elapsed(), ident);
        let Some((method, uri, age, ident)) = seats.seat(seat).job(ticket, look) else { return Ok(()) };
        let thread = thread_name(seat);
        let seconds = (age.as_secs_f64() * 10.0).floor() / 10.0;
        tracing::warn!(
            reason = "app-timeout",
            method = method.as_str(),
            path = uri.path(),
            seconds,
            thread,
            stuck = seats.overdue().stuck(),
            "a request takes longer than --timeout and is interrupted; where it stands is on stderr"
        );
        interrupt::print_stack(py, ident, &format!("Thread {thread} after {seconds} s"))?;
        seats.seat(seat).interrupt(ticket, |ident| interrupt::raise_in(py, ident));
        Ok(())
    }

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
        self.crew.seats.stop();
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
    hands: Arc<Hands>,
}

impl Worker {
    fn work(&self, py: Python<'_>) {
        let Hands { seats, source, replies, run, stands_back } = &*self.hands;
        if *stands_back && let Err(error) = thread::stand_back() {
            tracing::debug!(%error, "nice is refused here; going on without it");
        }
        let ident = match interrupt::ident(py) {
            Ok(ident) => ident,
            Err(error) => {
                error.display(py);
                return seats.not_hired(self.seat);
            }
        };
        seats.sit(self.seat, ident);
        loop {
            let Some(job) = source.take() else {
                replies.flush();
                if self.rest(py, false) == Wake::Stop {
                    return;
                }
                continue;
            };
            seats.begin(self.seat, &job);
            // A panic must not take the thread's seat with it; the dropped job answers 500.
            if catch_unwind(AssertUnwindSafe(|| run(py, job))).is_err() {
                tracing::error!(reason = "internal", "a pool thread panicked while it ran a request");
            }
            // An exception is for this job, not for the next.
            if !seats.end(self.seat, || interrupt::take_back(py, ident)) {
                replies.flush();
                return;
            }
            replies.flush_if_due();
            if seats.should_rest(self.seat, || py.detach(step_aside)) {
                replies.flush();
                if self.rest(py, true) == Wake::Stop {
                    return;
                }
            }
        }
    }

    fn rest(&self, py: Python<'_>, yields: bool) -> Wake {
        let seats = &self.hands.seats;
        let wake = py.detach(|| seats.rest(self.seat, yields));
        if wake == Wake::Work {
            seats.attached();
        }
        wake
    }
}
