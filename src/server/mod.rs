//! A server's life, from settings to exit code. The only room that knows all others.
//!
//! Python's main thread binds, imports, starts the pool and then waits; the IO thread accepts from the moment that
//! the application is ready until the drain has ended, on the admin port from its bind until the process is gone. A
//! server in somebody's program is the same without the process ([`held`], decision 009).

pub mod admin;
pub mod connections;
pub mod cut_off;
mod desk;
mod develop;
pub mod drain;
pub mod front;
pub mod healthcheck;
pub mod held;
pub mod limits;
pub mod phase;
pub mod status;
pub mod threads;
pub mod wiring;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::config::error::StartError;
use crate::config::settings::Settings;
use crate::config::{Report, Resolved, report};
use crate::dev::link::{self, Link};
use crate::net::listen::{self, Listener};
use crate::python::framework::Sole;
use crate::python::ready_hook::ReadyHook;
use crate::python::{framework, load, pool, shutdown, streams};
use crate::static_files::{HeadersFile, StaticFiles};
use crate::sys::memory;
use crate::sys::process::exit_now;
use crate::sys::signals::Dispositions;
use crate::sys::thread::is_core_shared;
use crate::telemetry::{console, log};
use crate::wsgi::errors::ErrorStream;
use drain::Ended;
use front::{Line, Ready, Wiring};
use wiring::{Shared, Told, python_version, wire};

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
    if resolved.host.is_memory_limited() {
        memory::return_large_blocks();
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
    let (listeners, mut admin_listeners) = bind(settings, supervisor)?;
    if let Some(link) = supervisor {
        develop::keep_from_forks(py, link, listeners.iter().chain(&admin_listeners))?;
    }
    for listener in &admin_listeners {
        tracing::info!("admin port on {listener}");
    }
    let paths = |listeners: &[Listener]| listeners.iter().filter_map(Listener::own_file).collect();
    let (socket_files, admin_files) = (paths(&listeners), paths(&admin_listeners));
    // Kept here, as the IO thread never lets go of these listeners.
    let kept_files: Vec<_> = admin_listeners.iter_mut().filter_map(Listener::take_file).collect();
    let (tell, told) = mpsc::channel();
    let log = (flush.dropped(), flush.access(&settings.logs));
    let (wiring, shared) = wire(resolved, python_version(py), log, &tell);
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
        develop::prepare(py, settings, &listeners, supervisor)?;
    }
    let loaded = load_keeping_signals(py, settings, supervisor)?;
    let mut found = framework::found(py, &loaded.callable, &settings.serve.root_path, Sole::Yes);
    found.live |= develops;
    let (loaded, pin) = if develops { develop::with_debugger(py, loaded, supervisor) } else { (loaded, None) };
    let static_settings = found.complete(&settings.static_files, resolved.is_named("max-age"));
    let static_files = py.detach(|| StaticFiles::open(&static_settings, &found, &headers, &settings.serve.root_path));
    let stands_back = is_core_shared() && !static_files.is_empty();
    let mut pool = of_process(py, settings, &loaded.callable, shared, stands_back).map_err(|error| {
        error.display(py);
        StartError::software("the Python threads cannot start: lower --threads or raise the pids limit")
    })?;
    // Dropped, it ends the hook's thread.
    let asked_on = ask_ready_hook(py, hook)?;

    let line = ready_line(settings, &listeners, &loaded.name, &static_files);
    let word =
        develops.then(|| link::Ready { app: loaded.name.clone(), pin, mounts: develop::mounts_shown(&static_files) });
    let started = Ready { listeners, static_files, line, word };
    if tell_ready.send(started).is_err() {
        return Err(StartError::software("the IO thread ended before the server was ready; see the log above"));
    }
    // The main thread has nothing else to do: it waits here for the end, and does what threads cannot do for themselves.
    let told = Mutex::new(told);
    let ended = loop {
        match py.detach(|| told.lock().recv()) {
            Ok(Told::Order(order)) => pool.obey(py, order),
            // The log takes those of the command.
            Ok(Told::Records) => {}
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

/// Binds what clients connect to, and the admin port; under a supervisor that has done so.
fn bind(settings: &Settings, supervisor: Option<&Link>) -> Result<(Vec<Listener>, Vec<Listener>), StartError> {
    let (mut listeners, mut admin) = (Vec::new(), Vec::new());
    for bind in &settings.serve.bind {
        listeners.extend(listen::bind(bind, "--bind", settings.serve.backlog)?);
    }
    let admin_binds = match supervisor {
        Some(link) => link.admin_binds(),
        None => settings.serve.admin_bind.0.iter().cloned().collect(),
    };
    for bind in &admin_binds {
        admin.extend(listen::bind(bind, "--admin-bind", settings.serve.backlog)?);
    }
    Ok((listeners, admin))
}

/// Starts the pool of a process that is the server's own.
fn of_process(
    py: Python<'_>,
    settings: &Settings,
    callable: &Py<PyAny>,
    shared: Shared,
    stands_back: bool,
) -> PyResult<pool::Pool> {
    let errors = Bound::new(py, ErrorStream)?.into_any();
    let application = shared.application(py, settings, callable, &errors)?;
    // What is imported by now lives as long as the process: later collections need not look at it.
    py.import("gc")?.call_method0("freeze")?;
    pool::reset_signals_at_fork(py)?;
    let manner = pool::Manner { stands_back, ..pool::Manner::default() };
    shared.start_pool(py, application, manner)
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
    let cwd = cwd()?;
    let loaded = load::load(py, settings.serve.target.as_deref(), &cwd)
        .and_then(|loaded| develop::import_the_rest(py, settings).map(|()| loaded))
        .map_err(|error| develop::tell_failure(py, settings, supervisor, error))?;
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

/// Loads the application, tells what is asked for (`monopod check`), and leaves the process with 0.
///
/// # Errors
/// Why the server would not start.
pub fn check(py: Python<'_>, resolved: &Resolved, report: Report) -> Result<Infallible, StartError> {
    let settings = &resolved.settings;
    let headers = HeadersFile::open(&settings.static_files)?;
    let loaded = load_keeping_signals(py, settings, None)?;
    if let Some(hook) = &settings.life.ready_hook {
        load::ready_hook(py, hook, &cwd()?)?;
    }
    match report {
        Report::Silence => resolved.notes.iter().chain(&headers.warnings).for_each(|note| console::complain(note)),
        Report::Toml => {
            console::print(&report::toml(&resolved.origins))?;
            if let Some(left_out) = report::left_out(&resolved.origins) {
                console::complain(&left_out);
            }
        }
        Report::Table => {
            let found = framework::found(py, &loaded.callable, &settings.serve.root_path, Sole::Yes);
            let mounts = found.complete(&settings.static_files, resolved.is_named("max-age")).mounts;
            let mut lines = vec![format!("application  {}", loaded.name)];
            let media = settings.static_files.media.iter().map(|mount| ("media", mount));
            let named = media.chain(settings.static_files.accel.iter().map(|mount| ("accel", mount)));
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
            lines.push(report::paragraph("sizing       ", &format!("{}\n", resolved.sizing)));
            lines.push(report::table(&resolved.origins));
            lines.extend(
                resolved.notes.iter().chain(&headers.warnings).map(|note| report::paragraph("warning: ", note)),
            );
            console::print(&lines.join("\n"))?;
        }
    }
    shutdown::finish(py, &[], THREADS_END);
    exit_now(0)
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
