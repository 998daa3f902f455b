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
use super::lender::Lender;
use super::seat::Late;
use super::stacks::thread_name;
use super::traceback;
use crate::exchange::{Job, Replies, Source};
use crate::semantics::path::in_ascii;
use crate::sys::{fd, signals, thread};

/// Runs one job on an attached thread. Must answer or drop the job; must not unwind Python errors.
pub type Run = dyn Fn(Python<'_>, Box<Job>) + Send + Sync;

/// The running threads, and what it takes to start more. Lives on the main thread, or in a program on `monopod-server`.
pub struct Pool {
    crew: Arc<Hands>,
    lender: Lender,
    thread_class: Py<PyAny>,
    threads: Vec<Py<PyAny>>,
}

/// How the threads live.
#[derive(Default)]
pub struct Manner {
    /// Threads of the front go before them on a core that they share.
    pub stands_back: bool,
    /// The program that has the server may end without them. Threads that the application starts in a request inherit it.
    pub daemon: bool,
    /// Where their events go, if not where all of the process go.
    pub log: Option<tracing::Dispatch>,
}

/// What each thread works with.
struct Hands {
    seats: Arc<Seats>,
    source: Arc<dyn Source>,
    replies: Replies,
    run: Arc<Run>,
    manner: Manner,
}

/// Starts the first thread; more are started as [`Seats`] orders them. Call from the thread that is to [`Pool::obey`],
/// after the application was imported.
///
/// # Errors
/// What `threading.Thread` raises; `RuntimeError: can't start new thread` under a tight pids limit.
pub fn start(
    py: Python<'_>,
    seats: Arc<Seats>,
    source: Arc<dyn Source>,
    replies: Replies,
    run: Arc<Run>,
    lender: Lender,
    manner: Manner,
) -> PyResult<Pool> {
    let thread_class = py.import("threading")?.getattr("Thread")?.unbind();
    let first = seats.hire();
    let crew = Arc::new(Hands { seats, source, replies, run, manner });
    let mut pool = Pool { crew, lender, thread_class, threads: Vec::new() };
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

/// Children that the application forks without exec have nothing behind these descriptors.
///
/// # Errors
/// What `os.register_at_fork` raises.
pub fn empty_at_fork(py: Python<'_>, numbers: Vec<i32>) -> PyResult<()> {
    let empty = PyCFunction::new_closure(py, None, None, move |_, _| {
        // One that cannot be emptied is kept, as without this.
        for number in &numbers {
            drop(fd::empty(*number));
        }
    })?;
    let options = PyDict::new(py);
    options.set_item("after_in_child", empty)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&options))?;
    Ok(())
}

impl Pool {
    /// Does what the crew needs this thread for.
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
            Order::Interrupt(seat, late) => self.interrupt(py, seat, &late),
            Order::TellSlow(seat, late) => self.tell_slow(py, seat, &late),
            Order::Release => self.lender.release(py),
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
        // at the end. Nobody waits for these in vain: the process of the command ends from `server`.
        options.set_item("daemon", self.crew.manner.daemon)?;
        let thread = self.thread_class.call(py, (), Some(&options))?;
        thread.call_method0(py, "start")?;
        // Those that ended since: one for each stream that lasted.
        self.threads
            .retain(|thread| thread.call_method0(py, "is_alive").and_then(|alive| alive.is_truthy(py)).unwrap_or(true));
        self.threads.push(thread);
        Ok(())
    }

    /// Tells where a request stands that takes too long, and raises an exception there.
    fn interrupt(&self, py: Python<'_>, seat: usize, late: &Late) {
        let seats = &self.crew.seats;
        let (seconds, stack) = self.stands(py, seat, late);
        tracing::warn!(
            reason = "app-timeout",
            method = late.method.as_str(),
            path = in_ascii(late.uri.path()).as_ref(),
            seconds,
            thread = thread_name(seat),
            stuck = seats.overdue().stuck(),
            request_id = %late.id,
            stack = stack.as_str(),
            "a request takes longer than --timeout and is interrupted"
        );
        seats.seat(seat).interrupt(&late.ticket, |ident| interrupt::raise_in(py, ident));
    }

    /// Tells where a request stands that is slow.
    fn tell_slow(&self, py: Python<'_>, seat: usize, late: &Late) {
        let (seconds, stack) = self.stands(py, seat, late);
        tracing::warn!(
            reason = "slow-request",
            method = late.method.as_str(),
            path = in_ascii(late.uri.path()).as_ref(),
            seconds,
            thread = thread_name(seat),
            request_id = %late.id,
            stack = stack.as_str(),
            "a request takes longer than --slow-request"
        );
    }

    /// How old the job is, to a tenth of a second, and the Python stack of the thread of `seat`, if it is still in it.
    fn stands(&self, py: Python<'_>, seat: usize, late: &Late) -> (f64, String) {
        let seconds = (late.since.elapsed().as_secs_f64() * 10.0).floor() / 10.0;
        let seat = self.crew.seats.seat(seat);
        let ident = || seat.job(&late.ticket, |_, ident| ident);
        let stack = ident().map(|ident| traceback::of_thread(py, ident));
        // It may have ended while the GIL was waited for, or Python ran to tell of it.
        let stack = match stack.filter(|_| ident().is_some()) {
            Some(Ok(Some(stack))) => stack,
            Some(Ok(None)) => "  in no Python code\n".to_owned(),
            Some(Err(error)) => traceback::of(py, &error),
            None => "  the request has ended since\n".to_owned(),
        };
        (seconds, stack)
    }

    /// Raises an exception in every thread that is in a request: nobody waits for its answer any more.
    pub fn interrupt_all(&self, py: Python<'_>) {
        let seats = &self.crew.seats;
        let held: Vec<_> = seats.held(|running, _, seat| (Arc::clone(&running.ticket), seat)).collect();
        for (ticket, seat) in held {
            seats.seat(seat).interrupt(&ticket, |ident| interrupt::raise_in(py, ident));
        }
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
        let Hands { seats, source, replies, run, manner } = &*self.hands;
        let _log = manner.log.as_ref().map(tracing::dispatcher::set_default);
        if manner.stands_back
            && let Err(error) = thread::stand_back()
        {
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
