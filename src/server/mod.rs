//! A server's life, from settings to exit code. The only room that knows all others.
//!
//! Python's main thread binds, imports, starts the pool and then waits; the IO thread accepts from the moment that
//! the application is ready until the drain has ended.

pub mod drain;
pub mod front;
pub mod phase;

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;

use crate::app::queue::Queue;
use crate::config::error::StartError;
use crate::config::settings::Settings;
use crate::config::{Origin, Resolved};
use crate::exchange::{Budget, Crew, Replies, Source, Spool};
use crate::net::listen::{self, Listener};
use crate::python::crew::Seats;
use crate::python::{framework, load, pool, shutdown};
use crate::static_files::StaticFiles;
use crate::sys::process::exit_now;
use crate::telemetry::{console, log};
use crate::wsgi::call::Application;
use drain::Ended;
use front::{Ready, Wiring};

/// How long non-daemon threads and busy pool threads may take after the drain.
const THREADS_END: Duration = Duration::from_secs(5);

/// Serves until a signal ends it. Call on Python's main thread. Returns only when the start failed: a server that ran
/// leaves the process from here.
///
/// # Errors
/// Why it did not start.
pub fn serve(py: Python<'_>, resolved: &Resolved) -> Result<Infallible, StartError> {
    let settings = &resolved.settings;
    let flush = log::start(&settings.logs);
    for note in &resolved.notes {
        tracing::warn!("{note}");
    }
    tracing::debug!("{}", resolved.sizing);
    let mut listeners = Vec::new();
    for bind in &settings.serve.bind {
        listeners.extend(listen::bind(bind, settings.serve.backlog)?);
    }
    let (wiring, queue) = wire(settings);
    let (tell_ready, ready) = tokio::sync::oneshot::channel();
    let (tell_ended, ended) = mpsc::channel();
    let io = thread::Builder::new().name("monopod-io".into()).spawn(move || {
        drop(tell_ended.send(front::run(wiring, ready)));
    });
    io.map_err(|error| StartError::unavailable(format!("cannot start a thread: {error}; raise the pids limit")))?;

    let loaded = load::load(py, settings.serve.target.as_deref(), &cwd()?)?;
    let mut static_settings = settings.static_files.clone();
    for mount in framework::static_mounts(py, &loaded.callable) {
        if !static_settings.mounts.iter().any(|named| named.url == mount.url) {
            static_settings.mounts.push(mount);
        }
    }
    let static_files = py.detach(|| StaticFiles::open(&static_settings));
    let pool = start_pool(py, settings, &loaded, &queue)?;

    let line = ready_line(settings, &listeners, &loaded.name, &static_files);
    let started = Ready { listeners, static_files, line };
    if tell_ready.send(started).is_err() {
        return Err(StartError::software("the IO thread ended before the server was ready; see the log above"));
    }
    let ended = py.detach(move || ended.recv()).unwrap_or(Ended::Failed("the IO thread ended".into()));
    let code = match &ended {
        Ended::Drained | Ended::CutOff => 0,
        Ended::Failed(why) => {
            tracing::error!(reason = "io-failed", "{why}");
            70
        }
    };
    let patience = if matches!(ended, Ended::Drained) { THREADS_END } else { Duration::ZERO };
    if let Err(error) = pool.stop(py, patience.as_secs_f64()) {
        error.display(py);
    }
    shutdown::finish(py, pool.threads(), THREADS_END);
    tracing::info!("stopped");
    drop(flush);
    exit_now(code)
}

/// Loads the application, shows every setting with its value and origin (`monopod check`), and leaves the process with 0.
///
/// # Errors
/// Why the server would not start.
pub fn check(py: Python<'_>, resolved: &Resolved) -> Result<Infallible, StartError> {
    let settings = &resolved.settings;
    let loaded = load::load(py, settings.serve.target.as_deref(), &cwd()?)?;
    let mut mounts = settings.static_files.mounts.clone();
    mounts.extend(framework::static_mounts(py, &loaded.callable));
    let mut lines = vec![format!("application  {}", loaded.name)];
    for mount in mounts {
        let missing = if mount.dir.is_dir() { "" } else { "  (warning: the directory does not exist)" };
        lines.push(format!("static       {mount}{missing}"));
    }
    lines.push(format!("sizing       {}\n", resolved.sizing));
    lines.extend(table(&resolved.origins));
    lines.extend(resolved.notes.iter().map(|note| format!("warning: {note}")));
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

/// The parts that both sides share, before either runs.
fn wire(settings: &Settings) -> (Wiring, Shared) {
    let spool = Spool {
        budget: Budget::new(settings.buffers.memory),
        temp_dir: Arc::from(Path::new(&settings.buffers.temp_dir)),
    };
    let queue = Arc::new(Queue::new(settings.limits.queue_size, settings.limits.queue_timeout));
    let seats = Arc::new(Seats::new(settings.serve.threads, Arc::clone(&queue) as Arc<dyn Source>));
    let shared = Shared { queue: Arc::clone(&queue), seats: Arc::clone(&seats), replies: Replies::default(), spool };
    let wiring = Wiring {
        settings: settings.clone(),
        queue,
        crew: seats as Arc<dyn Crew>,
        replies: shared.replies.clone(),
        spool: shared.spool.clone(),
    };
    (wiring, shared)
}

/// The Python side's share of the wiring.
struct Shared {
    queue: Arc<Queue>,
    seats: Arc<Seats>,
    replies: Replies,
    spool: Spool,
}

fn start_pool(
    py: Python<'_>,
    settings: &Settings,
    loaded: &load::Loaded,
    shared: &Shared,
) -> Result<pool::Pool, StartError> {
    let started = || -> PyResult<pool::Pool> {
        let callable = loaded.callable.bind(py);
        let (root_path, threads) = (&settings.serve.root_path, settings.serve.threads);
        let application = Application::new(py, callable, root_path, threads, shared.spool.clone())?;
        // What is imported by now lives as long as the process: later collections need not look at it.
        py.import("gc")?.call_method0("freeze")?;
        let run: Arc<pool::Run> = Arc::new(move |py, job| application.run(py, job));
        let source = Arc::clone(&shared.queue) as Arc<dyn Source>;
        pool::start(py, Arc::clone(&shared.seats), &source, &shared.replies, &run)
    };
    started().map_err(|error| {
        error.display(py);
        StartError::software("the Python threads cannot start: lower --threads or raise the pids limit")
    })
}

fn ready_line(settings: &Settings, listeners: &[Listener], app: &str, static_files: &StaticFiles) -> String {
    let addresses: Vec<String> = listeners.iter().map(ToString::to_string).collect();
    let mounts: Vec<String> = static_files
        .mounts()
        .iter()
        .map(|mount| format!(" static={}={} ({} files)", mount.url, mount.dir.display(), mount.assets))
        .collect();
    format!(
        "listening on {} pid={} app={app} threads={}{}",
        addresses.join(", "),
        std::process::id(),
        settings.serve.threads,
        mounts.concat()
    )
}
