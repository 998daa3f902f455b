//! A server's life, from settings to exit code. The only room that knows all others.
//!
//! Python's main thread binds, imports, starts the pool and then waits; the IO thread accepts from the moment that
//! the application is ready until the drain has ended, on the admin port from its bind until the process is gone.

pub mod admin;
pub mod cut_off;
mod develop;
pub mod drain;
pub mod front;
pub mod healthcheck;
pub mod limits;
pub mod phase;
pub mod status;
pub mod threads;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::app::queue::Queue;
use crate::config::error::StartError;
use crate::config::settings::Settings;
use crate::config::{Origin, Resolved};
use crate::dev::link::{self, Link};
use crate::exchange::spool::TempDir;
use crate::exchange::{Budget, Crew, Replies, Source, Spool};
use crate::net::listen::{self, Listener};
use crate::python::crew::{Order, Seats};
use crate::python::ready_hook::ReadyHook;
use crate::python::watch::{Patience, Watch};
use crate::python::{framework, load, pool, shutdown, streams};
use crate::stack::observe::InFlight;
use crate::static_files::{HeadersFile, StaticFiles};
use crate::sys::process::exit_now;
use crate::sys::signals::Dispositions;
use crate::sys::thread::is_core_shared;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{console, log};
use crate::wsgi::call::Application;
use admin::{Admin, Sources};
use drain::Ended;
use front::{Line, Ready, Wiring};
use limits::Follow;
use phase::Life;
use threads::Threads;

/// How long non-daemon threads and busy pool threads may take after the drain.
const THREADS_END: Duration = Duration::from_secs(5);

/// Serves until a signal ends it. Call on Python's main thread. Returns only when the start failed: a server that ran
/// leaves the process from here.
///
/// # Errors
/// Why it did not start.
pub fn serve(py: Python<'_>, resolved: &Resolved, supervisor: Option<&Link>) -> Result<Infallible, StartError> {
    let settings = &resolved.settings;
    if let Some(link) = supervisor {
        link.end_with_supervisor()
            .map_err(|error| StartError::unavailable(format!("no thread for monopod dev: {error}")))?;
    }
    let develops = settings.dev.is_some();
    let flush = log::start(&settings.logs)
        .map_err(|error| StartError::unavailable(format!("the log cannot start: {error}; raise the pids limit")))?;
    for note in &resolved.notes {
        tracing::warn!("{note}");
    }
    tracing::info!("{}", resolved.sizing);
    let headers = HeadersFile::open(&settings.static_files)?;
    for warning in &headers.warnings {
        tracing::warn!("{warning}");
    }
    streams::install(py, flush.gates()).map_err(|error| {
        error.display(py);
        StartError::software("sys.stdout and sys.stderr cannot be set up: see the traceback above")
    })?;
    let mut listeners = Vec::new();
    for bind in &settings.serve.bind {
        listeners.extend(listen::bind(bind, "--bind", settings.serve.backlog)?);
    }
    let mut admin_listeners = match &settings.serve.admin_bind.0 {
        Some(bind) => listen::bind(bind, "--admin-bind", settings.serve.backlog)?,
        None => Vec::new(),
    };
    for listener in &admin_listeners {
        tracing::info!("admin port on {listener}");
    }
    let paths = |listeners: &[Listener]| listeners.iter().filter_map(Listener::own_file).collect();
    let (socket_files, admin_files) = (paths(&listeners), paths(&admin_listeners));
    // Kept here, as the IO thread never lets go of these listeners.
    let kept_files: Vec<_> = admin_listeners.iter_mut().filter_map(Listener::take_file).collect();
    let python = py.version_info();
    let python = format!("{}.{}.{}{}", python.major, python.minor, python.patch, python.suffix.unwrap_or_default());
    let (tell, told) = mpsc::channel();
    let (wiring, shared) = wire(resolved, python.into(), &flush, &tell);
    let hook = wiring.life.hook.clone();
    let wiring = Wiring { link: supervisor.cloned(), admin_listeners, socket_files, admin_files, ..wiring };
    let (tell_ready, ready) = tokio::sync::oneshot::channel();
    let (tell_started, started) = mpsc::channel();
    let tell_ended = Box::new(move |ended| drop(tell.send(Told::Ended(ended))));
    let line = Line { started: tell_started, ready, ended: tell_ended, flush: flush.clone() };
    let io = thread::Builder::new().name("monopod-io".into()).spawn(move || front::run(wiring, line));
    let started = io.and_then(|_| py.detach(move || started.recv()).unwrap_or(Ok(())));
    started.map_err(|error| {
        StartError::unavailable(format!("the IO thread cannot start: {error}; raise the pids limit"))
    })?;

    if develops {
        develop::prepare(py, settings)?;
    }
    let loaded = load_keeping_signals(py, settings, supervisor)?;
    let mut found = framework::found(py, &loaded.callable, &settings.serve.root_path);
    found.live |= develops;
    let (loaded, pin) = if develops { develop::with_debugger(py, loaded, supervisor) } else { (loaded, None) };
    let static_settings = found.complete(&settings.static_files, resolved.is_named("max-age"));
    let static_files = py.detach(|| StaticFiles::open(&static_settings, &found, &headers, &settings.serve.root_path));
    let stands_back = is_core_shared() && !static_files.is_empty();
    let mut pool = start_pool(py, settings, &loaded, &shared, stands_back)?;
    // Dropped, it ends the hook's thread.
    let asked_on = ask_ready_hook(py, hook)?;

    let line = ready_line(settings, &listeners, &loaded.name, &static_files);
    let word = supervisor.map(|_| link::Ready { app: loaded.name.clone(), pin, mounts: mounts_shown(&static_files) });
    let started = Ready { listeners, static_files, line, word };
    if tell_ready.send(started).is_err() {
        return Err(StartError::software("the IO thread ended before the server was ready; see the log above"));
    }
    // The main thread has nothing else to do: it waits here for the end, and does what threads cannot do for themselves.
    let told = Mutex::new(told);
    let ended = loop {
        match py.detach(|| told.lock().recv()) {
            Ok(Told::Order(order)) => pool.obey(py, order),
            Ok(Told::Ended(ended)) => break ended,
            Err(mpsc::RecvError) => break Ended::Failed("the IO thread ended".into()),
        }
    };
    let (code, patience) = match &ended {
        Ended::Drained => (0, THREADS_END),
        Ended::CutOff | Ended::Now => (0, Duration::ZERO),
        Ended::Failed(why) => {
            tracing::error!(reason = "io-failed", "{why}");
            (70, Duration::ZERO)
        }
    };
    drop(asked_on);
    if let Err(error) = pool.stop(py, patience.as_secs_f64()) {
        error.display(py);
    }
    shutdown::finish(py, pool.threads(), THREADS_END);
    tracing::info!("stopped");
    drop(kept_files);
    flush.now();
    exit_now(code)
}

/// Imports the application. It may set handlers of its own for the server's signals, which would never run, as the main
/// thread does not come back to Python: those are undone, and said.
fn load_keeping_signals(
    py: Python<'_>,
    settings: &Settings,
    supervisor: Option<&Link>,
) -> Result<load::Loaded, StartError> {
    let unreadable = |error: io::Error| StartError::software(format!("signal handlers cannot be read: {error}"));
    let ours = Dispositions::current().map_err(unreadable)?;
    let loaded = load::load(py, settings.serve.target.as_deref(), &cwd()?)
        .map_err(|error| develop::tell_failure(py, supervisor, error))?;
    load::refuse_patched_threads(py)?;
    for signal in ours.restore().map_err(unreadable)? {
        tracing::warn!(
            signal,
            reason = "app-signal-handler",
            "the application's own handler for this signal is not used: use atexit, or a middleware, to clean up"
        );
    }
    Ok(loaded)
}

/// Loads the application, shows every setting with its value and origin (`monopod check`), and leaves the process with 0.
///
/// # Errors
/// Why the server would not start.
pub fn check(py: Python<'_>, resolved: &Resolved) -> Result<Infallible, StartError> {
    let settings = &resolved.settings;
    let headers = HeadersFile::open(&settings.static_files)?;
    let loaded = load_keeping_signals(py, settings, None)?;
    if let Some(hook) = &settings.life.ready_hook {
        load::ready_hook(py, hook, &cwd()?)?;
    }
    let found = framework::found(py, &loaded.callable, &settings.serve.root_path);
    let mounts = found.complete(&settings.static_files, resolved.is_named("max-age")).mounts;
    let mut lines = vec![format!("application  {}", loaded.name)];
    let named = settings.static_files.accel.iter().map(|mount| ("accel", mount));
    for (option, mount) in mounts.iter().map(|mount| ("static", mount)).chain(named) {
        let missing = if mount.dir.is_dir() { "" } else { "  (warning: the directory does not exist)" };
        lines.push(format!("{option:<11}  {mount}{missing}"));
    }
    if let Some(path) = &headers.path {
        lines.push(format!("headers      {} (rules: {})", path.display(), headers.rules.len()));
    }
    let variables = settings.serve.variables.names();
    if !variables.is_empty() {
        lines.push(format!("variables    {variables}"));
    }
    lines.push(format!("sizing       {}\n", resolved.sizing));
    lines.extend(table(&resolved.origins));
    lines.extend(resolved.notes.iter().chain(&headers.warnings).map(|note| format!("warning: {note}")));
    console::print(&lines.join("\n"));
    shutdown::finish(py, &[], THREADS_END);
    exit_now(0)
}

fn table(origins: &[Origin]) -> impl Iterator<Item = String> {
    let width = |of: fn(&Origin) -> usize| origins.iter().map(of).max().unwrap_or(0);
    let (names, values) = (width(|origin| origin.option.len()), width(|origin| origin.value.len()));
    origins.iter().map(move |Origin { option, value, source }| format!("{option:<names$}  {value:<values$}  {source}"))
}

/// Changes to `--chdir`, on which every relative path of the settings depends. First of all steps.
///
/// # Errors
/// `StartError` (78) when the directory cannot be entered.
pub(crate) fn enter(settings: &Settings) -> Result<(), StartError> {
    let Some(dir) = &settings.serve.chdir else { return Ok(()) };
    std::env::set_current_dir(dir)
        .map_err(|error| StartError::config(format!("cannot change to {}: {error}; check --chdir", dir.display())))
}

/// The working directory.
///
/// # Errors
/// `StartError` (78) when it was removed.
pub(crate) fn cwd() -> Result<std::path::PathBuf, StartError> {
    std::env::current_dir()
        .map_err(|error| StartError::config(format!("the working directory is gone ({error}): set --chdir")))
}

/// Where bodies wait, and a word on it where it is not a disk.
fn spool(settings: &Settings) -> Spool {
    let dir = &settings.buffers.temp_dir;
    let (spool, found) = Spool::new(Budget::new(settings.buffers.memory), dir);
    let shown = dir.display();
    match found {
        TempDir::Disk => {}
        TempDir::Memory => {
            tracing::info!("temporary files in {shown} lie in memory (tmpfs), so they count against --buffer-memory");
        }
        TempDir::Unusable(error) => tracing::warn!(
            %error,
            reason = "no-temp-dir",
            "no temporary files can be made in {shown}, so bodies stay in memory, up to --buffer-memory: mount a writable directory there or set --temp-dir"
        ),
    }
    spool
}

/// The parts that both sides share, before either runs.
fn wire(resolved: &Resolved, python: Arc<str>, flush: &log::Flush, tell: &mpsc::Sender<Told>) -> (Wiring, Shared) {
    let settings = &resolved.settings;
    let spool = spool(settings);
    let metrics = Arc::new(Metrics::default());
    let limits = &settings.limits;
    let queue = Arc::new(Queue::new(limits.queue_size, limits.queue_timeout, Arc::clone(&metrics)));
    let (replies, tell) = (Replies::new(Arc::clone(&metrics)), tell.clone());
    let threads = settings.serve.threads;
    let patience = Patience { slow: settings.logs.slow_request, timeout: limits.timeout };
    // As many stuck threads as there are threads may have a stand-in; past that the pool shrinks.
    let watch = Watch::new(patience, settings.serve.stream_threads, threads, replies.clone());
    let give_order = Box::new(move |order| drop(tell.send(Told::Order(order))));
    let source = Arc::clone(&queue) as Arc<dyn Source>;
    let seats = Arc::new(Seats::new(threads, source, watch, give_order));
    let shared =
        Shared { queue: Arc::clone(&queue), seats: Arc::clone(&seats), replies, spool, metrics: Arc::clone(&metrics) };
    let pool = Arc::clone(&seats);
    let is_stuck = Box::new(move || pool.overdue().is_stuck(pool.threads()));
    let hook = settings.life.ready_hook.as_deref().map(|name| Arc::new(ReadyHook::new(name)));
    let (life, in_flight) = (Arc::new(Life::new(Arc::clone(&queue), is_stuck, hook)), InFlight::default());
    let threads = Arc::new(Threads::new(Arc::clone(&seats)));
    let admin = Admin::new(Sources {
        life: Arc::clone(&life),
        metrics: Arc::clone(&metrics),
        in_flight: in_flight.clone(),
        queue: Arc::clone(&queue),
        seats: Arc::clone(&seats),
        budget: shared.spool.budget.clone(),
        dropped_lines: flush.dropped(),
        python,
        threads: Arc::clone(&threads),
        connections_max: limits.max_connections,
        began: Instant::now(),
    });
    let follow = Follow {
        host: resolved.host.clone(),
        budget: (!resolved.is_named("buffer-memory")).then(|| shared.spool.budget.clone()),
        threads: (!resolved.is_named("threads")).then_some(settings.serve.threads),
    };
    let wiring = Wiring {
        settings: settings.clone(),
        queue,
        crew: seats as Arc<dyn Crew>,
        replies: shared.replies.clone(),
        spool: shared.spool.clone(),
        in_flight,
        metrics,
        life,
        threads,
        follow,
        admin,
        access_log: flush.access(&settings.logs),
        link: None,
        admin_listeners: Vec::new(),
        socket_files: Vec::new(),
        admin_files: Vec::new(),
    };
    (wiring, shared)
}

/// What the main thread is told while the server runs.
enum Told {
    Order(Order),
    Ended(Ended),
}

/// The Python side's share of the wiring.
struct Shared {
    queue: Arc<Queue>,
    seats: Arc<Seats>,
    replies: Replies,
    spool: Spool,
    metrics: Arc<Metrics>,
}

fn start_pool(
    py: Python<'_>,
    settings: &Settings,
    loaded: &load::Loaded,
    shared: &Shared,
    stands_back: bool,
) -> Result<pool::Pool, StartError> {
    let started = || -> PyResult<pool::Pool> {
        let callable = loaded.callable.bind(py);
        let (root_path, threads) = (&settings.serve.root_path, settings.serve.threads);
        let (spool, metrics) = (shared.spool.clone(), Arc::clone(&shared.metrics));
        let may_name_files = !settings.static_files.accel.is_empty();
        let application = Application::new(py, callable, root_path, threads, spool, metrics, may_name_files)?;
        // What is imported by now lives as long as the process: later collections need not look at it.
        py.import("gc")?.call_method0("freeze")?;
        let run: Arc<pool::Run> = Arc::new(move |py, job| application.run(py, job));
        let source = Arc::clone(&shared.queue) as Arc<dyn Source>;
        pool::reset_signals_at_fork(py)?;
        pool::start(py, Arc::clone(&shared.seats), source, shared.replies.clone(), run, stands_back)
    };
    started().map_err(|error| {
        error.display(py);
        StartError::software("the Python threads cannot start: lower --threads or raise the pids limit")
    })
}

/// Begins to ask `--ready-hook`, where there is one, until what is returned is dropped.
fn ask_ready_hook(py: Python<'_>, hook: Option<Arc<ReadyHook>>) -> Result<Option<mpsc::Sender<()>>, StartError> {
    let Some(hook) = hook else { return Ok(None) };
    let callable = load::ready_hook(py, hook.name(), &cwd()?)?;
    let (ask_on, stop) = mpsc::channel();
    hook.ask(callable, stop).map_err(|error| {
        StartError::unavailable(format!("no thread for --ready-hook ({error}): raise the pids limit"))
    })?;
    Ok(Some(ask_on))
}

fn ready_line(settings: &Settings, listeners: &[Listener], app: &str, static_files: &StaticFiles) -> String {
    let addresses: Vec<String> = listeners.iter().map(ToString::to_string).collect();
    let mounts: Vec<String> = static_files
        .mounts()
        .iter()
        .map(|mount| {
            let files = mount.assets.map_or_else(|| "live".to_owned(), |assets| format!("{assets} files"));
            format!(" static={}={} ({files})", mount.url, mount.dir.display())
        })
        .collect();
    format!(
        "listening on {} pid={} app={app} threads={}{}",
        addresses.join(", "),
        std::process::id(),
        settings.serve.threads,
        mounts.concat()
    )
}

/// The URLs of static files, for whoever works on the application.
fn mounts_shown(static_files: &StaticFiles) -> String {
    let mut urls: Vec<&str> = static_files.mounts().iter().map(|mount| mount.url.as_str()).collect();
    urls.dedup();
    urls.join(", ")
}
