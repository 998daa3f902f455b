//! `monopod dev`: a supervisor that never runs the application. It binds once, watches files, and starts the server as a
//! process of its own, on the sockets that stay open however often that is replaced.
//!
//! Called by `run()`, which hands in how the command is started again. What the server tells goes by `link`; while there is
//! no application `answer` shows why. Never touches the interpreter. Decision 008.

mod answer;
mod browser;
mod bytecode;
mod child;
mod extra;
pub mod greeting;
mod ignored;
mod interest;
pub mod link;
mod own_writes;
mod page;
mod ports;
mod secret_literals;
pub mod secrets;
mod supervisor;
pub mod terminal;
mod watch;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use child::CommandLine;

use crate::config::Resolved;
use crate::config::error::StartError;
use crate::net::listen;
use bytecode::Bytecode;
use interest::Interest;
use supervisor::Supervisor;
use terminal::Terminal;

/// What was typed, and where.
pub struct Given<'a> {
    /// How the command is started again.
    pub line: CommandLine,
    /// Its words, with the program's name.
    pub words: &'a [OsString],
    /// The working directory it was given in.
    pub dir: PathBuf,
}

/// Supervises until a signal ends it. Call in the project's directory, on the main thread.
///
/// # Errors
/// Why it did not start.
pub fn supervise(
    resolved: &Resolved,
    given: Given<'_>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<(), StartError> {
    let settings = resolved.settings.clone();
    let gone = |error: io::Error| StartError::config(format!("the working directory is gone ({error}): set --chdir"));
    let root = Arc::new(std::env::current_dir().map_err(gone)?);
    let listeners = ports::bind_all(&settings.serve, given.words)?;
    // By the supervisor, too: an old process still has its own while it ends.
    let admin = settings.serve.admin_bind.0.as_ref();
    let admin = admin.map_or(Ok(Vec::new()), |bind| listen::bind(bind, "--admin-bind", settings.serve.backlog))?;
    let files = settings_files(&root, resolved);
    let extra = settings.dev.as_ref().map_or(&[][..], |dev| &dev.extra_files);
    let interest = Interest::new(&root, files, extra);
    let unavailable = |error: io::Error| {
        StartError::unavailable(format!(
            "the supervisor cannot go on ({error}): raise the limits of processes and open files"
        ))
    };
    let (watch, changes) = watch::start(interest, Bytecode::found(env)).map_err(unavailable)?;
    let terminal = Terminal::found(env);
    let browser = env("BROWSER").and_then(|value| value.into_string().ok());
    let Given { line, dir, .. } = given;
    let supervisor = Supervisor { settings, line, dir, root, listeners, admin, watch, changes, terminal, browser };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unavailable)?;
    runtime.block_on(supervisor.run()).map_err(unavailable)
}

/// The files that say how the server runs.
fn settings_files(root: &Path, resolved: &Resolved) -> Vec<PathBuf> {
    let names = [".env", ".flaskenv", "monopod.toml", "pyproject.toml"];
    let beside = resolved.settings.serve.chdir.iter().chain([&resolved.host.cwd]);
    let mut files: Vec<PathBuf> = beside.flat_map(|dir| names.map(|name| dir.join(name))).collect();
    files.extend(names.map(|name| root.join(name)));
    let config = resolved.origins.iter().find(|origin| origin.option == "config" && origin.value != "none");
    files.extend(config.map(|origin| resolved.host.cwd.join(&origin.value)));
    files.sort_unstable();
    files.dedup();
    files
}
