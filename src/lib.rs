//! monopod runs a WSGI application (Flask, Django, any PEP 3333 callable) and does what the nginx sidecar did: it
//! buffers slow clients both ways, serves static files past Python, sheds overload and drains on SIGTERM.
//!
//! One crate, three faces: this library (for tests and benches), the extension module of the wheel
//! ([`extension`]), and the native binary, which embeds CPython. Both commands end in [`run`].
//!
//! Two sides meet in [`exchange`]: the async front (`net`, `stack`, `static_files`, `app`) never holds the GIL, the
//! Python host (`python`, `wsgi`) never holds a socket. Only `server` knows both.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal, stderr, stdout};
use std::ops::ControlFlow;
use std::path::PathBuf;

use pyo3::Python;

pub mod app;
pub mod cli;
pub mod config;
pub mod dev;
pub mod exchange;
pub mod explain;
pub mod extension;
pub mod net;
pub mod python;
pub mod semantics;
pub mod server;
pub mod stack;
pub mod static_files;
pub mod sys;
pub mod telemetry;
pub mod wsgi;

use cli::Command;
pub use cli::guest;
pub use config::error::StartError;
use config::settings::Settings;
pub use config::{Resolved, keywords};
use dev::link::Link;
pub(crate) use python::fork::split_off_init;
pub use python::load::no_application;
pub use server::drain::Ended;
use server::healthcheck::Health;
pub use server::held::{Address, Refusal, Running, STOP, keeps_a_server};
pub use static_files::{CompressError, CompressReport, Mode, compress};
pub use sys::memory::given_back_by;
use telemetry::progress::Bar;

/// How the interpreter comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// The native binary: it starts the interpreter in the environment that it finds.
    Binary,
    /// The wheel's command: already inside the right interpreter, on its main thread.
    Wheel,
}

/// Runs the command line `args` (the program's name included) and returns the exit code: 0, 1 for a check that found
/// something to do or nobody ready, 126 or 127 for a command that cannot be run, or one of sysexits.h with a sentence on
/// standard error. A server that has served leaves the process from within.
#[must_use]
pub fn run(face: Face, args: &[OsString]) -> u8 {
    let env = |name: &str| std::env::var_os(name);
    // What is not there any more was some other process's.
    let link = Link::inherited(&env).unwrap_or_default();
    match under_init(face).and_then(|()| dispatch(face, args, link.as_ref())) {
        Ok(code) => code,
        Err(error) => {
            if let Some(link) = link {
                link.fail(error.to_string());
            }
            telemetry::console::complain(&error.to_string());
            error.exit_code()
        }
    }
}

/// As PID 1 goes on in a child, before there are threads. The wheel has done so by then, as Python must know.
fn under_init(face: Face) -> Result<(), StartError> {
    if face == Face::Wheel {
        return Ok(());
    }
    sys::init::enter().map_err(|error| {
        StartError::unavailable(format!("there can be no process below PID 1 ({error}): raise the pids limit"))
    })
}

fn dispatch(face: Face, args: &[OsString], link: Option<&Link>) -> Result<u8, StartError> {
    let env = |name: &str| std::env::var_os(name);
    match cli::parse(args, &env, &|| cli::host(&env))? {
        Command::Print(text) => {
            telemetry::console::print(&text)?;
            Ok(0)
        }
        Command::Compress { dirs, check } => compress_as_told(&dirs, if check { Mode::Check } else { Mode::Write }),
        Command::Healthcheck(resolved) => {
            // Unix sockets may be named relative to it.
            server::enter(&resolved.settings)?;
            match server::healthcheck::healthcheck(&resolved.settings)? {
                Health::Ready => {
                    // The exit code is the answer.
                    drop(telemetry::console::print("ready"));
                    Ok(0)
                }
                Health::NotReady(why) => {
                    telemetry::console::complain(&format!("not ready: {why}"));
                    Ok(1)
                }
            }
        }
        Command::Init(command) => Ok(become_command(&command)),
        Command::Explain(asked) => explain_as_told(face, &asked),
        Command::Serve(resolved) => attached(face, &resolved.settings, None, |py| server::serve(py, &resolved, None)),
        Command::Check(resolved, report) => {
            attached(face, &resolved.settings, None, |py| server::check(py, &resolved, report))
        }
        Command::Dev(mut resolved) => {
            if let Some(link) = link {
                resolved.settings.serve.bind = link.binds();
            } else if resolved.settings.dev.as_ref().is_some_and(|dev| dev.reload) {
                return supervise(face, args, &resolved).map(|()| 0);
            }
            attached(face, &resolved.settings, link, |py| server::serve(py, &resolved, link))
        }
    }
}

/// Runs the same command line in other processes, as often as it takes. 0: whoever ended it meant to.
fn supervise(face: Face, args: &[OsString], resolved: &Resolved) -> Result<(), StartError> {
    let (program, words) = match face {
        // The file that runs, also when another has its path by now.
        Face::Binary => ("/proc/self/exe".into(), args.to_vec()),
        Face::Wheel => Python::attach(python::fork::typed)
            .map_err(|error| StartError::software(format!("how monopod was started cannot be told: {error}")))?,
    };
    let dir = server::cwd()?;
    server::enter(&resolved.settings)?;
    let given = dev::Given { line: dev::CommandLine { program, words }, words: args, dir };
    dev::supervise(resolved, given, &|name| std::env::var_os(name))
}

/// Runs `body` on the interpreter's main thread. From here on the process ends from within: the application may have
/// started threads, and a normal exit would wait for them.
fn attached(
    face: Face,
    settings: &Settings,
    link: Option<&Link>,
    body: impl FnOnce(Python<'_>) -> Result<Infallible, StartError>,
) -> Result<u8, StartError> {
    server::enter(settings)?;
    if face == Face::Binary {
        let env = |name: &str| std::env::var_os(name);
        let python = python::venv::discover(settings.serve.venv.as_deref(), &env, &server::cwd()?)?;
        python::embed::initialize(python.as_deref())?;
    }
    Python::attach(|py| {
        let exported = python::variables::export(py, &settings.serve.variables);
        let ended = exported.map_err(|error| {
            error.display(py);
            StartError::software("the variables of --env and --env-dir cannot be set; see above")
        });
        let Err(error) = ended.and_then(|()| body(py));
        python::shutdown::flush(py);
        let sentence = error.to_string();
        telemetry::console::complain(&sentence);
        let target = settings.serve.target.as_deref().filter(|_| matches!(error, StartError::NoModule(_)));
        if let Some(hint) = target.and_then(cli::command_meant) {
            telemetry::console::complain(&hint);
        }
        if let Some(link) = link {
            link.fail(sentence);
        }
        sys::process::exit_now(error.exit_code())
    })
}

/// Becomes what the words say; else the exit code that a shell has for what cannot be run.
fn become_command(words: &[OsString]) -> u8 {
    let error = sys::process::replace_by(words);
    let name = words.first().map(|name| name.to_string_lossy()).unwrap_or_default();
    let (code, advice) = match error.kind() {
        ErrorKind::NotFound => (127, "check COMMAND and PATH"),
        _ => (126, "check COMMAND"),
    };
    telemetry::console::complain(&format!("{name} cannot be run ({error}): {advice}"));
    code
}

/// Reads what is named, and writes the report. A gunicorn.conf.py is evaluated, for which the interpreter is started.
fn explain_as_told(face: Face, asked: &cli::Explain) -> Result<u8, StartError> {
    let mut sources = Vec::new();
    for file in &asked.files {
        let is_stdin = file.as_os_str() == "-";
        let name = if is_stdin { "<stdin>".to_owned() } else { file.display().to_string() };
        let read = if is_stdin { std::io::read_to_string(std::io::stdin()) } else { explain::files::open(file) };
        let text = read.map_err(|error| StartError::no_input(format!("{name} cannot be read ({error})")))?;
        let server =
            asked.from.map_or_else(|| explain::files::recognise(&name, &text), Ok).map_err(StartError::usage)?;
        sources.push(explain::Source { name, text, server });
    }
    let env = |name: &str| std::env::var_os(name);
    let started = std::cell::Cell::new(face == Face::Wheel);
    let evaluate = |name: &str, text: &str| {
        let cwd = server::cwd().map_err(|error| error.to_string())?;
        if !started.replace(true) {
            let python =
                python::venv::discover(asked.venv.as_deref(), &env, &cwd).map_err(|error| error.to_string())?;
            python::embed::initialize(python.as_deref()).map_err(|error| error.to_string())?;
        }
        Python::attach(|py| {
            let defined = python::gunicorn_conf::evaluate(py, name, text, &cwd.to_string_lossy());
            python::shutdown::flush(py);
            defined.map(|defined| defined.into_iter().filter_map(|defined| setting_of(name, defined)).collect()).map_err(
                |error| {
                    error.display(py);
                    format!(
                        "{name} fails here, as the traceback above says: run explain where gunicorn runs, in the same environment (--venv DIR) and with the same variables"
                    )
                },
            )
        })
    };
    let context = explain::Context {
        open: &explain::files::open,
        list: &explain::files::matching,
        env: &|name| std::env::var(name).ok(),
        evaluate: &evaluate,
        cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        behind_proxy: false,
        read: Vec::new(),
    };
    let report = explain::explain(sources, &asked.command, context).map_err(|trouble| match trouble {
        explain::Trouble::Usage(sentence) => StartError::usage(sentence),
        explain::Trouble::Input(sentence) => StartError::config(sentence),
    })?;
    telemetry::console::print(&report.render(asked.format))?;
    Ok(u8::from(!report.plan.stops.is_empty()))
}

/// A name that a gunicorn.conf.py defines, as a setting; what it only imports for itself is none.
fn setting_of(file: &str, defined: python::gunicorn_conf::Defined) -> Option<explain::setting::Setting> {
    let python::gunicorn_conf::Defined { name, kind, values, line, computed, imported } = defined;
    if imported && !explain::gunicorn::is_setting(&name) {
        return None;
    }
    let values = match kind {
        python::gunicorn_conf::Kind::Nothing => vec!["None".to_owned()],
        python::gunicorn_conf::Kind::Table => vec![format!("{{{}}}", values.join(", "))],
        // Its name says it all.
        python::gunicorn_conf::Kind::Callable => Vec::new(),
        python::gunicorn_conf::Kind::Plain => values,
    };
    let place = explain::setting::Place { source: file.to_owned(), line };
    Some(explain::setting::Setting { place, name, values, computed, assigned: true })
}

/// A person sees a bar and a sentence; whoever reads standard output or error by a program gets one line of JSON.
fn compress_as_told(dirs: &[PathBuf], mode: Mode) -> Result<u8, StartError> {
    let bar = Bar::new("compressing");
    let result = compress(dirs, mode, &|progress| {
        bar.show(progress.bytes_done, progress.bytes);
        ControlFlow::Continue(())
    });
    drop(bar);
    match result {
        Ok(report) => {
            let watched = stdout().is_terminal() && stderr().is_terminal();
            telemetry::console::print(&if watched { report.to_string() } else { report.to_json() })?;
            Ok(0)
        }
        Err(error) if error.is_outdated() => {
            telemetry::console::complain(&error.to_string());
            Ok(1)
        }
        Err(error) => Err(StartError::unavailable(error.to_string())),
    }
}
