//! A server as a value in somebody's program (`monopod.Server`): the same front and pool, without the process.
//!
//! It touches nothing of the process but an `atexit` hook: no signals, no streams, no global log, no frozen garbage. What
//! the command does on Python's main thread (start threads, interrupt requests) is done here by a Python thread of the
//! server's own, `monopod-server`, which also hands its records to `logging`. Decision 009.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict};
use tokio::sync::mpsc::{Sender, channel};

use super::desk::{Desk, Task};
use super::drain::{Ask, Ended, Stops};
use super::front::{self, Ready, Wiring};
use super::wiring::{Shared, Told, python_version, wire};
use super::{StartError, ready_line};
use crate::config::Resolved;
use crate::config::settings::Settings;
use crate::net::listen::{self, Listener, Unbound};
use crate::python::crew::Seats;
use crate::python::framework::{self, Sole};
use crate::python::{interrupt, load, logging, pool};
use crate::static_files::{HeadersFile, StaticFiles};
use crate::telemetry::access::AccessLog;
use crate::telemetry::log::DroppedLines;
use crate::telemetry::records::{self, Wanted};
use crate::wsgi::errors::StandardError;

/// How long threads may take to leave the application after the drain, and again once they were interrupted.
const THREADS_END: Duration = Duration::from_secs(1);
/// How long requests may take when the interpreter ends and nobody has stopped the server.
const AT_EXIT: Duration = Duration::from_secs(1);
/// How often whoever waits looks for signals of Python.
const LOOK: Duration = Duration::from_millis(50);
/// Words to the server that it has not heard yet.
const MOST_ASKS: usize = 8;
/// How long records may take that wait when the server has ended.
const LAST_RECORDS: Duration = Duration::from_secs(1);

thread_local! {
    /// This is a server's own thread.
    static KEEPS: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is the own thread of a server, which nobody but itself gets on.
#[must_use]
pub fn keeps_a_server() -> bool {
    KEEPS.get()
}

/// What [`Running::ask`] is told by a program that stops it; other names stand for signals.
pub const STOP: &str = "stop";

/// Why a server did not start.
#[derive(Debug)]
pub enum Refusal {
    Start(StartError),
    Bind(Unbound),
    Python(PyErr),
}

impl From<StartError> for Refusal {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<Unbound> for Refusal {
    fn from(error: Unbound) -> Self {
        Self::Bind(error)
    }
}

impl From<PyErr> for Refusal {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

/// A server that was started. Dropped, it stops by itself, and nobody waits for it.
pub struct Running {
    asks: Sender<Ask>,
    is_asked: AtomicBool,
    end: Arc<End>,
    seats: Arc<Seats>,
    /// What it listens on.
    pub addresses: Vec<Address>,
    pub admin_addresses: Vec<Address>,
    /// A child that was forked has the value, but none of its threads.
    process: u32,
}

/// Where a listener is.
#[derive(Clone, Debug)]
pub enum Address {
    Tcp(std::net::SocketAddr),
    Unix(std::path::PathBuf),
}

/// The end of a server, for those who wait.
#[derive(Default)]
struct End {
    /// Python's number for the server's own thread.
    keeper: AtomicU64,
    ended: Mutex<Option<Ended>>,
    told: Condvar,
}

impl End {
    fn wait(&self, limit: Duration) -> Option<Ended> {
        let mut ended = self.ended.lock();
        if ended.is_none() {
            self.told.wait_for(&mut ended, limit);
        }
        ended.clone()
    }
}

impl Running {
    /// Binds, starts the threads, and accepts when it returns. `live_files`: static files are looked for when they are asked for.
    ///
    /// # Errors
    /// Why it did not start; nothing of it is left then.
    pub fn start(py: Python<'_>, resolved: &Resolved, callable: &Py<PyAny>, live_files: bool) -> Result<Self, Refusal> {
        let settings = &resolved.settings;
        load::refuse_patched_threads(py)?;
        let (tell, told) = mpsc::channel();
        let wanted = Arc::new(Wanted::new(logging::wants_access(py)?));
        let (desk, direct, queued) = Desk::new(told, &tell, Arc::clone(&wanted));
        // What is said from here on, on this thread.
        let _log = tracing::dispatcher::set_default(&records::dispatch(Arc::clone(&direct)));
        let headers = HeadersFile::open(&settings.static_files)?;
        for warning in resolved.notes.iter().chain(&headers.warnings) {
            tracing::warn!("{warning}");
        }
        let (listeners, mut admin_listeners) = py.detach(|| bind(settings))?;
        let (addresses, admin_addresses) = (at(&listeners), at(&admin_listeners));
        let kept_files: Vec<_> = admin_listeners.iter_mut().filter_map(Listener::take_file).collect();
        let found = framework::found(py, callable, &settings.serve.root_path, Sole::No { live: live_files });
        let static_settings = found.complete(&settings.static_files, resolved.is_named("max-age"));
        let static_files =
            py.detach(|| StaticFiles::open(&static_settings, &found, &headers, &settings.serve.root_path));
        let name = callable.bind(py).get_type().name()?.to_string();
        let greeting = ready_line(settings, &listeners, &name, &static_files);

        let access_log = AccessLog::of_records(Arc::clone(&queued), wanted, &settings.logs);
        let (wiring, shared) = wire(resolved, python_version(py), (DroppedLines::default(), access_log), &tell);
        let wiring = Wiring { admin_listeners, ..wiring };
        let seats = Arc::clone(&shared.seats);
        let errors = Bound::new(py, StandardError)?.into_any();
        let application = shared.application(py, settings, callable, &errors)?;
        let manner = pool::Manner { daemon: true, log: Some(records::dispatch(direct)), ..pool::Manner::default() };
        let (asks, asked) = channel(MOST_ASKS);
        let (tell_up, up) = mpsc::channel();
        let end = Arc::new(End::default());
        let (tell_end, queued) = (Arc::clone(&end), records::dispatch(queued));
        let hook = at_exit(py, &asks, &end)?;
        let life = Life {
            wiring,
            ready: Ready { listeners, static_files, line: greeting, word: None },
            stops: Stops::of_holder(asked),
        };
        let starts = (shared, application, manner);
        let parts = Mutex::new(Some((life, starts, (desk, tell), queued, kept_files)));
        let registered = hook.clone_ref(py);
        let keep = PyCFunction::new_closure(py, Some(c"monopod_server_thread"), None, move |args, _| {
            let py = args.py();
            KEEPS.set(true);
            tell_end.keeper.store(interrupt::ident(py).unwrap_or_default(), Ordering::Relaxed);
            let Some((life, starts, desk, log, kept_files)) = parts.lock().take() else { return };
            let ended = keep(py, life, starts, desk, log, &tell_up);
            drop(kept_files);
            forget(py, &hook);
            *tell_end.ended.lock() = Some(ended);
            tell_end.told.notify_all();
        })?;
        if let Err(error) = spawn(py, keep.as_any()) {
            forget(py, &registered);
            return Err(error.into());
        }
        let up = Mutex::new(up);
        let up = py.detach(|| up.lock().recv());
        match up {
            Ok(Ok(())) => Ok(Self {
                asks,
                is_asked: AtomicBool::new(false),
                end,
                seats,
                addresses,
                admin_addresses,
                process: std::process::id(),
            }),
            Ok(Err(error)) => Err(error.into()),
            Err(mpsc::RecvError) => {
                forget(py, &registered);
                Err(PyRuntimeError::new_err("the server's thread ended at its start").into())
            }
        }
    }

    /// Whether the files that `resolved` names can be read, so that this is told before the start.
    ///
    /// # Errors
    /// Which cannot.
    pub fn check(resolved: &Resolved) -> Result<(), StartError> {
        HeadersFile::open(&resolved.settings.static_files).map(drop)
    }

    /// Asks it to stop; does not wait.
    pub fn ask(&self, name: &'static str, within: Option<Duration>) {
        // Whoever waits for the end as well, and is in no hurry, does not hurry the others.
        let is_second = self.is_asked.swap(true, Ordering::Relaxed);
        if self.is_here() && !(is_second && name == STOP && within.is_none()) {
            // Nobody takes it at the end, and one more of many says nothing.
            let _ = self.asks.try_send(Ask { name, within });
        }
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.is_here() && self.end.ended.lock().is_none()
    }

    /// Waits for the end without the GIL, and looks for signals meanwhile, whose handlers may raise. How it ended; `None`:
    /// that cannot be waited for here: in a forked child, in a request of the server's own, and on its own thread.
    ///
    /// # Errors
    /// What a handler of a signal raised.
    pub fn wait(&self, py: Python<'_>) -> PyResult<Option<Ended>> {
        let mine = interrupt::ident(py)?;
        // A number is another thread's once the server has ended.
        let is_keeper = self.end.keeper.load(Ordering::Relaxed) == mine && self.is_running();
        if !self.is_here() || is_keeper || self.seats.held(|_, ident, _| ident).any(|ident| ident == mine) {
            return Ok(None);
        }
        loop {
            if let Some(ended) = py.detach(|| self.end.wait(LOOK)) {
                return Ok(Some(ended));
            }
            py.check_signals()?;
        }
    }

    fn is_here(&self) -> bool {
        self.process == std::process::id()
    }
}

/// What the IO thread gets.
struct Life {
    wiring: Wiring,
    ready: Ready,
    stops: Stops,
}

/// The life of the server's own Python thread.
fn keep(
    py: Python<'_>,
    life: Life,
    (shared, application, manner): (Shared, crate::wsgi::call::Application, pool::Manner),
    (desk, tell): (Desk, mpsc::Sender<Told>),
    log: tracing::Dispatch,
    tell_up: &mpsc::Sender<PyResult<()>>,
) -> Ended {
    let _log = manner.log.as_ref().map(tracing::dispatcher::set_default);
    let started = shared.start_pool(py, application, manner).and_then(|pool| {
        let is_up = tell_up.clone();
        let io = thread::Builder::new().name("monopod-io".into()).spawn(move || {
            let Life { wiring, ready, stops } = life;
            let is_up = move || drop(is_up.send(Ok(())));
            let ended = catch_unwind(AssertUnwindSafe(|| front::run_for_holder(wiring, ready, stops, is_up, &log)));
            drop(tell.send(Told::Ended(match ended {
                Ok(Ok(ended)) => ended,
                Ok(Err(error)) => Ended::Failed(error.to_string()),
                Err(_) => Ended::Failed("the IO thread panicked".into()),
            })));
        });
        match io {
            Ok(io) => Ok((pool, io)),
            Err(error) => {
                pool.stop(py, THREADS_END.as_secs_f64())?;
                Err(error.into())
            }
        }
    });
    let (mut pool, io) = match started {
        Ok(started) => started,
        Err(error) => {
            drop(tell_up.send(Err(error)));
            return Ended::Failed("it did not start".into());
        }
    };
    let ended = loop {
        match desk.next(py) {
            Task::Order(order) => pool.obey(py, order),
            Task::End(ended) => break ended,
        }
    };
    if let Ended::Failed(why) = &ended {
        tracing::error!(reason = "io-failed", "{why}");
    }
    let patience = if matches!(ended, Ended::Drained) { THREADS_END } else { Duration::ZERO };
    if let Err(error) = end_pool(py, &pool, patience) {
        error.display(py);
    }
    drop(pool);
    drop(py.detach(|| io.join()));
    desk.clear(py, LAST_RECORDS);
    ended
}

/// Ends the threads; those that are in a request that nobody waits for any more are interrupted, and at last left behind.
fn end_pool(py: Python<'_>, pool: &pool::Pool, patience: Duration) -> PyResult<()> {
    if pool.stop(py, patience.as_secs_f64())? {
        return Ok(());
    }
    pool.interrupt_all(py);
    if !pool.stop(py, THREADS_END.as_secs_f64())? {
        tracing::warn!(reason = "thread-left", "a thread does not come back from the application and is left behind");
    }
    Ok(())
}

/// Starts `target` on a daemon thread, so that a program may end without it.
fn spawn(py: Python<'_>, target: &Bound<'_, PyAny>) -> PyResult<()> {
    let options = PyDict::new(py);
    options.set_item("target", target)?;
    options.set_item("name", "monopod-server")?;
    options.set_item("daemon", true)?;
    py.import("threading")?.getattr("Thread")?.call((), Some(&options))?.call_method0("start")?;
    Ok(())
}

fn bind(settings: &Settings) -> Result<(Vec<Listener>, Vec<Listener>), Unbound> {
    let mut listeners = Vec::new();
    for bind in &settings.serve.bind {
        listeners.extend(listen::bind(bind, "bind", settings.serve.backlog)?);
    }
    let admin = match &settings.serve.admin_bind.0 {
        Some(bind) => listen::bind(bind, "admin_bind", settings.serve.backlog)?,
        None => Vec::new(),
    };
    Ok((listeners, admin))
}

fn at(listeners: &[Listener]) -> Vec<Address> {
    let address = |listener: &Listener| match listener {
        Listener::Tcp { local, .. } => Address::Tcp(*local),
        Listener::Unix { path, .. } => Address::Unix(path.clone()),
    };
    listeners.iter().map(address).collect()
}

/// Takes the hook back.
fn forget(py: Python<'_>, hook: &Py<PyCFunction>) {
    if let Err(error) = py.import("atexit").and_then(|atexit| atexit.call_method1("unregister", (hook,))) {
        error.display(py);
    }
}

/// Stops the server when the interpreter ends, whose threads must not run any more by then.
fn at_exit(py: Python<'_>, asks: &Sender<Ask>, end: &Arc<End>) -> PyResult<Py<PyCFunction>> {
    // Weak, as the holder's going is the end as well.
    let (asks, end, process) = (asks.downgrade(), Arc::clone(end), std::process::id());
    let hook = PyCFunction::new_closure(py, Some(c"monopod_at_exit"), None, move |args, _| {
        if process != std::process::id() {
            return;
        }
        if let Some(asks) = asks.upgrade() {
            let _ = asks.try_send(Ask { name: "exit", within: Some(AT_EXIT) });
        }
        // As long as the drain, what cuts it off and the threads may take.
        let deadline = Instant::now() + AT_EXIT + THREADS_END * 4;
        args.py().detach(|| while end.wait(LOOK).is_none() && Instant::now() < deadline {});
    })?;
    py.import("atexit")?.call_method1("register", (&hook,))?;
    Ok(hook.unbind())
}
