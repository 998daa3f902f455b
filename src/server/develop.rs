//! The server's part in `monopod dev`: what it tells the supervisor, and debuggers.

use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime};

use pyo3::exceptions::PyModuleNotFoundError;
use pyo3::prelude::*;

use crate::config::error::StartError;
use crate::config::settings::Settings;
use crate::dev::greeting;
use crate::dev::link::{Link, Message, Ready};
use crate::dev::secrets;
use crate::dev::terminal::Terminal;
use crate::net::listen::Listener;
use crate::python::failure::{self, Failure};
use crate::python::load::{LoadError, Loaded};
use crate::python::{debugging, modules, pool};
use crate::static_files::StaticFiles;

/// How often it is looked whether more was imported.
const LOOK: Duration = Duration::from_secs(1);

/// Before the import; without a supervisor says where this is.
///
/// # Errors
/// What Python raised.
pub fn prepare(
    py: Python<'_>,
    settings: &Settings,
    listeners: &[Listener],
    link: Option<&Link>,
) -> Result<(), StartError> {
    if link.is_none() {
        greeting::greet(&terminal(), listeners, false);
    }
    debugging::prepare(py, &settings.serve).map_err(|error| {
        error.display(py);
        StartError::software("the interpreter cannot be prepared for development: see the traceback above")
    })
}

/// What the application forks and leaves behind (multiprocessing) keeps neither the port nor the link.
///
/// # Errors
/// What Python raised.
pub fn keep_from_forks<'a>(
    py: Python<'_>,
    link: &Link,
    listeners: impl IntoIterator<Item = &'a Listener>,
) -> Result<(), StartError> {
    let own = listeners.into_iter().map(|listener| listener.as_fd().as_raw_fd());
    pool::empty_at_fork(py, link.inherited_numbers().into_iter().chain(own).collect()).map_err(|error| {
        error.display(py);
        StartError::software("the interpreter cannot be prepared for development: see the traceback above")
    })
}

/// With the application, what its framework would import later.
///
/// # Errors
/// As the application's own import.
pub fn import_the_rest(py: Python<'_>, settings: &Settings) -> Result<(), LoadError> {
    if settings.dev.is_some() { debugging::import_the_rest(py) } else { Ok(()) }
}

/// Prints why there is no application, and tells the supervisor, with the files that have to do with it.
pub fn tell_failure(py: Python<'_>, settings: &Settings, link: Option<&Link>, error: LoadError) -> StartError {
    let Some(link) = link else { return error.told(py) };
    let sentence = error.error.to_string();
    let failure = match &error.exception {
        Some(exception) => failure::of(py, exception, &sentence),
        None => Failure { sentence, ..Failure::default() },
    };
    let misses = error.exception.as_ref().is_some_and(|error| error.is_instance_of::<PyModuleNotFoundError>(py));
    let error = error.told(py);
    let read = SystemTime::now();
    link.tell(&Message::Files(modules::files(py).unwrap_or_default(), read));
    link.tell(&Message::Failed(secrets::without(failure, &settings.serve.variables, std::env::vars_os())));
    if misses {
        link.tell(&Message::SearchPath(modules::search_path(py).unwrap_or_default()));
    }
    error
}

/// After the import: the application in the debugger of its framework, if that has one, and the PIN of that; tells the
/// supervisor what to watch, from now on too.
pub fn with_debugger(py: Python<'_>, mut loaded: Loaded, link: Option<&Link>) -> (Loaded, Option<String>) {
    let templates = modules::template_dirs(py, &loaded.callable);
    let mut pin = None;
    if let Some((debugged, its_pin)) = debugging::debugged(py, &loaded.callable) {
        (loaded.callable, pin) = (debugged, its_pin);
    }
    if let Some(link) = link {
        link.tell(&Message::Templates(templates));
        follow(py, link);
    }
    (loaded, pin)
}

/// Tells the supervisor that requests are answered, or whoever started this without one.
pub fn tell_ready(ready: Ready, link: Option<&Link>, threads: usize) {
    match link {
        Some(link) => link.tell(&Message::Ready(ready)),
        None => greeting::introduce(&terminal(), &ready, None, threads),
    }
}

/// The URLs of static files, for whoever works on the application.
pub fn mounts_shown(static_files: &StaticFiles) -> String {
    let mut urls: Vec<&str> = static_files.mounts().iter().map(|mount| mount.url.as_str()).collect();
    urls.dedup();
    urls.join(", ")
}

fn terminal() -> Terminal {
    Terminal::found(&|name| std::env::var_os(name))
}

/// Tells of files that are imported, those that a request imports as well.
fn follow(py: Python<'_>, link: &Link) {
    let mut told: Vec<PathBuf> = Vec::new();
    let mut count = 0;
    let mut look = move |py: Python<'_>, link: &Link| {
        let now = modules::count(py).unwrap_or(count);
        if now == count {
            return;
        }
        count = now;
        let read = SystemTime::now();
        let files = modules::files(py).unwrap_or_default();
        let new: Vec<PathBuf> = files.iter().filter(|file| told.binary_search(file).is_err()).cloned().collect();
        told = files;
        if !new.is_empty() {
            link.tell(&Message::Files(new, read));
        }
    };
    look(py, link);
    let link = link.clone();
    let looks = move || {
        while !link.is_gone_within(LOOK) {
            Python::attach(|py| look(py, &link));
        }
    };
    // Without it, what is imported later is not watched.
    if let Err(error) = thread::Builder::new().name("monopod-modules".into()).spawn(looks) {
        tracing::warn!(%error, "no thread to look for further imports");
    }
}
