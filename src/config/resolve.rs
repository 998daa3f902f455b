//! From arguments, environment, file and host to settings, with the origin of each.
//!
//! One parser runs for all: the layers below the command line become its defaults, ranked flag > env > file > what the
//! host decides > fixed default. Called by `cli`. Opens the configuration file and looks whether `--chdir` exists.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, FromArgMatches};

use super::body_sizes::BodySizes;
use super::dev_defaults::{self, dev_default};
use super::dev_options;
use super::dotenv;
use super::error::StartError;
use super::gunicorn::{self, Converted};
use super::options::{self, Options};
use super::reading::{Origin, Reading};
use super::settings::{Buffers, Dev, Edge, Life, Limits, LogFormat, Logs, Mount, ROOT, Serve, Settings, StaticFiles};
use super::shell_words::shell_words;
use super::sizing::{self, Host};
use super::sources::{Env, Layers, Source, lookup};
use super::strays;
use super::trusted::TrustedPeers;
use super::values::{about_size, show_size};
use super::variables::Variables;

/// Every container in Kubernetes has this variable.
const KUBERNETES: &str = "KUBERNETES_SERVICE_HOST";

/// The settings, and how they came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// What the rooms work by.
    pub settings: Settings,
    /// Every option in the order of `--help`: what it is and who said so.
    pub origins: Vec<Origin>,
    /// Warnings to log once logging runs.
    pub notes: Vec<String>,
    /// The sizing decision and its inputs, one line.
    pub sizing: String,
    /// What it was made from.
    pub host: Host,
}

impl Resolved {
    /// Whether anybody said what `option` is.
    #[must_use]
    pub fn is_named(&self, option: &str) -> bool {
        self.origins
            .iter()
            .any(|origin| origin.option == option && !matches!(origin.source, Source::Default | Source::Container))
    }
}

/// What the settings are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To serve, or to look at how that would be.
    Serve,
    /// To work on the application (`monopod dev`).
    Develop,
}

/// Resolves the arguments behind the subcommand (no program name) over the layers below them.
///
/// # Errors
/// [`StartError::Usage`] for what was typed, [`StartError::Config`] for what a variable or a file says.
pub fn resolve(purpose: Purpose, args: &[OsString], env: Env<'_>, host: &Host) -> Result<Resolved, StartError> {
    let command = options::command();
    let mut layers = Layers::default();
    // What was typed is judged first, alone.
    let nothing = Layers::default();
    let typed = Reading::of(&command, &nothing, args)?;
    if let Some(sentence) = only_dev(purpose, |id| typed.is_typed(id)) {
        return Err(StartError::usage(sentence));
    }
    let theirs = converted(&command, &typed.matches).map_err(StartError::usage)?;
    // Ahead, as of two of the same the last counts: our own name for an option outranks gunicorn's.
    let args: Vec<OsString> = theirs.args.iter().chain(args).cloned().collect();
    let args = args.as_slice();
    let typed = Reading::of(&command, &nothing, args)?;
    let (mut variables, left_out) = variables(purpose, &command, args, env, host)?;
    let mut notes: Vec<String> = theirs.notes.into_iter().chain(left_out).collect();
    if purpose == Purpose::Develop {
        let chdir = typed.chdir(host)?;
        notes.extend(dotenv::offer(&mut variables, chdir.as_deref().unwrap_or(&host.cwd), env)?);
        dev_defaults::offer_variables(&mut variables, env);
    }
    // From here on the environment is the one that the application will see.
    let env: Env<'_> = &|name| variables.get(name).map_or_else(|| env(name), |value| Some(value.to_owned()));
    let given = variables.iter().map(|variable| &variable.name);
    strays::refuse(&command, host.variables.iter().chain(given).map(String::as_str), env)?;
    layers.offer_environment(&command, env)?;
    layers.offer_platform(&command, env, platform_host(purpose, host), &|id| typed.is_typed(id))?;
    notes.extend(offer_file(&mut layers, &command, args, host)?);
    notes.extend(offer_gunicorn(purpose, &mut layers, &command, env)?);
    finish(purpose, &command, layers, args, variables.clone(), notes, env, host)
}

/// Adds to the layers what the host decides, and makes the settings.
#[allow(clippy::too_many_arguments)] // what `resolve` has by then
pub(super) fn finish(
    purpose: Purpose,
    command: &clap::Command,
    mut layers: Layers,
    args: &[OsString],
    variables: Variables,
    mut notes: Vec<String>,
    env: Env<'_>,
    host: &Host,
) -> Result<Resolved, StartError> {
    let threads = Reading::of(command, &layers, args)?.matches.get_one::<usize>("threads").copied();
    for (arg, value, source) in decisions(purpose, command, threads, env, host) {
        layers.offer(arg, vec![value], source)?;
    }

    let reading = Reading::of(command, &layers, args)?;
    let chosen = Options::from_arg_matches(&reading.matches)
        .map_err(|error| StartError::software(options::sentence(&error, Some("An option without a default"))))?;
    let settings = settings(purpose, chosen, reading.chdir(host)?, variables, host);
    notes.extend(host.warning_of(settings.limits.max_connections));
    let sizing = format!(
        "{} found: {} threads, a queue of {}, {} of buffers, {} of static files in memory, {} connections",
        host.inputs(),
        settings.serve.threads,
        settings.limits.queue_size,
        about_size(settings.buffers.memory),
        about_size(settings.static_files.memory),
        settings.limits.max_connections,
    );
    // What is for another command is told of only where somebody has said something.
    let is_idle = |arg: &Arg, origin: &Origin| {
        purpose == Purpose::Serve && options::is_dev(arg) && origin.source == Source::Default
    };
    let origins = options::settable(command).map(|arg| (arg, reading.origin(arg)));
    let mut origins: Vec<Origin> =
        origins.filter(|(arg, origin)| !is_idle(arg, origin)).map(|(_, origin)| origin).collect();
    notes.extend(origins.iter_mut().find(|origin| origin.option == "workers").and_then(one_worker));
    Ok(Resolved { settings, origins, notes, sizing, host: host.clone() })
}

/// What `--env` and `--env-dir` give, wherever those are said themselves.
fn variables(
    purpose: Purpose,
    command: &clap::Command,
    args: &[OsString],
    env: Env<'_>,
    host: &Host,
) -> Result<(Variables, Vec<String>), StartError> {
    let mut layers = Layers::default();
    layers.offer_environment(command, env)?;
    offer_file(&mut layers, command, args, host)?;
    offer_gunicorn(purpose, &mut layers, command, env)?;
    Reading::of(command, &layers, args)?.variables(host)
}

/// Offers the configuration file, and gives a note where there is only gunicorn's, which it would have read.
fn offer_file(
    layers: &mut Layers,
    command: &clap::Command,
    args: &[OsString],
    host: &Host,
) -> Result<Option<String>, StartError> {
    let reading = Reading::of(command, layers, args)?;
    let Some(file) = reading.file(host)? else {
        let directory = reading.chdir(host)?.unwrap_or_else(|| host.cwd.clone());
        let is_there = directory.join(gunicorn::FILE).is_file();
        return Ok(is_there.then(|| {
            format!("{0} is not read: `monopod explain {0}` says what goes into a monopod.toml.", gunicorn::FILE)
        }));
    };
    for (arg, values) in file.values(command)? {
        layers.offer(arg, values, Source::File(file.shown.clone()))?;
    }
    Ok(None)
}

/// Offers what `GUNICORN_CMD_ARGS` says, in our options and gunicorn's, and gives notes on the latter.
fn offer_gunicorn(
    purpose: Purpose,
    layers: &mut Layers,
    command: &clap::Command,
    env: Env<'_>,
) -> Result<Vec<String>, StartError> {
    let Some(text) = lookup(env, gunicorn::VARIABLE) else { return Ok(Vec::new()) };
    let refuse = |reason: &str| StartError::config(format!("{}: {reason}", gunicorn::VARIABLE));
    let words = text.to_str().ok_or("wants text in UTF-8").and_then(shell_words);
    let words = words.map_err(|reason| StartError::config(format!("{} {reason}.", gunicorn::VARIABLE)))?;
    let words = gunicorn::joined(&words.into_iter().map(OsString::from).collect::<Vec<_>>());
    let read = |words: &[OsString]| {
        command.clone().try_get_matches_from(words).map_err(|error| refuse(&options::sentence(&error, None)))
    };
    let theirs = converted(command, &read(&words)?).map_err(|sentence| refuse(&sentence))?;
    let matches = read(&theirs.args.iter().chain(&words).cloned().collect::<Vec<_>>())?;
    let is_said = |id: &str| {
        matches.ids().any(|known| known.as_str() == id) && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    if let Some(sentence) = only_dev(purpose, is_said) {
        return Err(refuse(&sentence));
    }
    if let Some(flag) = ["config", options::CHECK_CONFIG, options::PRINT_CONFIG].into_iter().find(|id| is_said(id)) {
        return Err(refuse(&format!("--{flag} cannot be given here: give it on the command line.")));
    }
    for arg in options::settable(command) {
        let id = arg.get_id().as_str();
        if is_said(id) || is_said(&format!("no_{id}")) {
            let values = matches.get_raw(id).unwrap_or_default().map(ToOwned::to_owned).collect();
            layers.offer(arg, values, Source::Env(gunicorn::VARIABLE.to_owned()))?;
        }
    }
    Ok(theirs.notes.iter().map(|note| format!("{}: {note}", gunicorn::VARIABLE)).collect())
}

/// What is said to who wants something of a developer's server from one that is none.
fn only_dev(purpose: Purpose, is_said: impl Fn(&str) -> bool) -> Option<String> {
    let id = dev_options::IDS.iter().find(|id| purpose == Purpose::Serve && is_said(id))?;
    Some(format!("--{} is for the time of development: run `monopod dev`.", id.replace('_', "-")))
}

/// What gunicorn's options among the arguments mean.
fn converted(command: &clap::Command, matches: &ArgMatches) -> Result<Converted, String> {
    gunicorn::converted(matches, &|key, value, label| {
        let arg = options::settable(command).find(|arg| options::key(arg) == key);
        arg.map_or(Ok(()), |arg| options::check(arg, value, label))
    })
}

/// Makes one worker of several, and a note of it.
fn one_worker(workers: &mut Origin) -> Option<String> {
    let wanted = std::mem::replace(&mut workers.value, "1".to_owned());
    workers.values = vec![workers.value.clone()];
    let said = match &workers.source {
        Source::Env(name) if name == gunicorn::VARIABLE => format!("{name}: --workers {wanted}"),
        Source::Env(name) => format!("{name}={wanted}"),
        Source::File(path) => format!("`workers = {wanted}` in {}", path.display()),
        Source::Flag | Source::Keyword | Source::Container | Source::Default => format!("--workers {wanted}"),
    };
    let advice = "this version runs one worker; scale by pods, or raise --threads";
    (wanted.trim() != "1").then(|| format!("{said} is ignored: {advice}."))
}

/// The address that goes with the platform's `PORT`: whoever develops on a machine of his own is its only client.
fn platform_host(purpose: Purpose, host: &Host) -> &'static str {
    if purpose == Purpose::Develop && !host.in_container { "127.0.0.1" } else { "0.0.0.0" }
}

/// What the host decides: the lowest layer, which leaves no option without a value that needs one.
fn decisions<'a>(
    purpose: Purpose,
    command: &'a clap::Command,
    threads: Option<usize>,
    env: Env<'_>,
    host: &Host,
) -> Vec<(&'a Arg, OsString, Source)> {
    let place = if host.in_container { Source::Container } else { Source::Default };
    let develops = purpose == Purpose::Develop;
    let threads = threads.unwrap_or_else(|| if develops { dev_defaults::THREADS } else { host.threads() });
    let queue = sizing::queue_size(threads);
    let decide = |arg: &'a Arg| {
        let (value, source) = match arg.get_id().as_str() {
            id if develops && let Some(value) = dev_default(id) => (value.into(), Source::Default),
            "bind" => (host.bind().to_string().into(), place.clone()),
            "admin_bind" => (host.admin_bind().to_string().into(), place.clone()),
            "threads" => (host.threads().to_string().into(), place.clone()),
            "queue_size" => (queue.to_string().into(), Source::Default),
            "stream_threads" => (sizing::stream_threads(threads).to_string().into(), Source::Default),
            "max_connections" => (host.max_connections().to_string().into(), place.clone()),
            "buffer_memory" => (show_size(host.buffer_memory()).into(), place.clone()),
            "log_format" => (host.log_format().to_string().into(), place.clone()),
            "temp_dir" => lookup(env, "TMPDIR")
                .map_or(("/tmp".into(), Source::Default), |value| (value, Source::Env("TMPDIR".to_owned()))),
            "drain_delay" => match lookup(env, KUBERNETES) {
                Some(_) => ("5s".into(), Source::Env(KUBERNETES.to_owned())),
                None => ("0s".into(), Source::Default),
            },
            _ => return None,
        };
        Some((arg, value, source))
    };
    options::settable(command).filter_map(decide).collect()
}

fn root(dir: PathBuf) -> Mount {
    Mount { url: ROOT.to_owned(), dir }
}

fn settings(purpose: Purpose, options: Options, chdir: Option<PathBuf>, variables: Variables, host: &Host) -> Settings {
    let Options { serve, static_files, limits, edge, life, logs, dev } = options;
    let develops = purpose == Purpose::Develop;
    Settings {
        serve: Serve {
            target: serve.target,
            bind: serve.bind,
            admin_bind: serve.admin_bind,
            health_path: serve.health_path,
            workers: 1,
            threads: serve.threads,
            stream_threads: serve.stream_threads,
            root_path: serve.root_path.unwrap_or_default(),
            chdir,
            venv: serve.venv,
            variables,
            backlog: serve.backlog,
        },
        static_files: StaticFiles {
            mounts: static_files.mounts.into_iter().chain(static_files.static_root.into_iter().map(root)).collect(),
            spa: static_files.spa,
            media: static_files.media,
            accel: static_files.accel,
            max_age: static_files.max_age,
            headers_file: static_files.headers_file,
            memory: host.static_memory(),
        },
        limits: Limits {
            max_body_size: BodySizes::new(&limits.max_body_size),
            max_request_line: usize::try_from(limits.max_request_line).unwrap_or(usize::MAX),
            max_header_size: usize::try_from(limits.max_header_size).unwrap_or(usize::MAX),
            max_headers: limits.max_headers,
            header_timeout: unless_zero(limits.header_timeout),
            body_timeout: unless_zero(limits.body_timeout),
            min_rate: limits.min_rate,
            write_timeout: unless_zero(limits.write_timeout),
            keep_alive: unless_zero(limits.keep_alive),
            timeout: unless_zero(limits.timeout),
            queue_size: limits.queue_size,
            queue_timeout: limits.queue_timeout,
            max_connections: limits.max_connections,
        },
        buffers: Buffers { memory: limits.buffer_memory, temp_dir: limits.temp_dir },
        edge: Edge { forwarded_allow_ips: TrustedPeers(edge.forwarded_allow_ips), proxy_protocol: edge.proxy_protocol },
        life: Life {
            drain_delay: life.drain_delay,
            graceful_timeout: life.graceful_timeout,
            ready_hook: life.ready_hook,
        },
        logs: Logs {
            level: logs.log_level,
            format: logs.log_format,
            access: logs.access_log,
            access_format: logs.access_logformat,
            brief: develops && logs.log_format == LogFormat::Text,
            slow_request: unless_zero(logs.slow_request),
        },
        dev: develops.then_some(Dev { reload: dev.reload, extra_files: dev.reload_extra_file, open: dev.open }),
    }
}

/// Zero switches a time limit off.
fn unless_zero(limit: Duration) -> Option<Duration> {
    (!limit.is_zero()).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::super::settings::{AdminBind, Bind};
    use super::super::trusted::Trusted;
    use super::super::values::MIB;
    use super::*;

    fn host(cwd: &std::path::Path) -> Host {
        Host {
            cpus: Some(1.2),
            memory_limit: Some(512 * MIB),
            machine_memory: Some(4096 * MIB),
            descriptors: 1024,
            in_container: false,
            stdout_is_terminal: false,
            variables: Vec::new(),
            cwd: cwd.into(),
        }
    }

    fn run_on(host: &Host, args: &[&str], vars: &[(&str, &str)]) -> Result<Resolved, StartError> {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let env = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        resolve(Purpose::Serve, &args, &env, host)
    }

    fn run(file: &str, args: &[&str], vars: &[(&str, &str)]) -> Result<Resolved, StartError> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("monopod.toml"), file).unwrap();
        run_on(&host(directory.path()), args, vars)
    }

    fn shown(resolved: &Resolved, option: &str) -> String {
        let origin = resolved.origins.iter().find(|origin| origin.option == option).unwrap();
        format!("{} ({})", origin.value, origin.source)
    }

    #[test]
    fn flag_beats_env_beats_file_beats_host() {
        let flag: &[&str] = &["--threads", "1"];
        let env: &[(&str, &str)] = &[("MONOPOD_THREADS", "2")];
        for (file, args, vars, threads, from) in [
            ("threads = 3", flag, env, 1, "1 (flag)"),
            ("threads = 3", &[], env, 2, "2 (env MONOPOD_THREADS)"),
            ("threads = 3", &[], &[], 3, "3 (file monopod.toml)"),
            ("threads = 3", &[], &[("MONOPOD_THREADS", " ")], 3, "3 (file monopod.toml)"),
            ("", &[], &[], 8, "8 (default)"),
        ] {
            let resolved = run(file, args, vars).unwrap();
            assert_eq!((resolved.settings.serve.threads, shown(&resolved, "threads").as_str()), (threads, from));
            // The queue follows the threads, whoever set them.
            assert_eq!(resolved.settings.limits.queue_size, 16 * threads);
        }
    }

    #[test]
    fn nothing_said_gives_the_documented_defaults() {
        let resolved = run("", &[], &[("TMPDIR", "/var/tmp")]).unwrap();
        let settings = &resolved.settings;
        assert_eq!(settings.serve.bind, [Bind::Tcp("127.0.0.1".into(), 8000)]);
        assert_eq!((&settings.serve.admin_bind, &settings.serve.health_path), (&AdminBind(None), &None));
        assert_eq!((settings.serve.workers, settings.serve.backlog), (1, 2048));
        assert_eq!((&settings.serve.target, settings.serve.root_path.as_str()), (&None, ""));
        assert_eq!((settings.static_files.max_age, settings.static_files.memory), (Duration::from_mins(1), 64 * MIB));
        assert_eq!(settings.limits.max_body_size, BodySizes::new(&[]));
        assert_eq!((settings.limits.max_body_size.at(b"/"), settings.limits.queue_size), (100 * MIB, 128));
        assert_eq!(settings.limits.queue_timeout, Duration::from_secs(10));
        assert_eq!((settings.buffers.memory, settings.buffers.temp_dir.as_path()), (128 * MIB, "/var/tmp".as_ref()));
        assert_eq!(settings.life.graceful_timeout, Duration::from_secs(25));
        let slow_request = Some(Duration::from_secs(10));
        let (level, format) = (tracing::Level::INFO, LogFormat::Text);
        assert_eq!(
            settings.logs,
            Logs { level, format, access: true, access_format: None, brief: false, slow_request }
        );
        assert_eq!(shown(&resolved, "temp-dir"), "/var/tmp (env TMPDIR)");
        assert_eq!(shown(&resolved, "venv"), "none (default)");
        assert_eq!(
            resolved.sizing,
            "1.2 CPUs, a memory limit of 512m and 1024 descriptors found: 8 threads, a queue of 128, 128m of buffers, 64m \
             of static files in memory, 496 connections"
        );
    }

    #[test]
    fn body_sizes_come_as_a_list_from_every_layer() {
        let file = "max-body-size = ['5m', '/up=1g']";
        for (file, args, vars, expected) in [
            ("", &[][..], &[][..], "100m (default)"),
            ("max-body-size = 1024", &[], &[], "1k (file monopod.toml)"),
            ("max-body-size = '/up=1g'", &[], &[], "100m, /up=1g (file monopod.toml)"),
            (file, &[], &[], "5m, /up=1g (file monopod.toml)"),
            (file, &[], &[("MONOPOD_MAX_BODY_SIZE", "/a=1, 2m")], "2m, /a=1 (env MONOPOD_MAX_BODY_SIZE)"),
            (
                file,
                &["--max-body-size", "1m", "--max-body-size=/b/c=3", "--max-body-size", "2m"],
                &[],
                "2m, /b/c=3 (flag)",
            ),
        ] {
            assert_eq!(shown(&run(file, args, vars).unwrap(), "max-body-size"), expected);
        }
        let refused = run("", &["--max-body-size", "/=1m"], &[]).unwrap_err().to_string();
        assert!(refused.starts_with("--max-body-size wants a size, or /PREFIX=SIZE"), "{refused}");
    }

    #[test]
    fn connections_come_from_the_descriptors_unless_somebody_sets_them() {
        for (args, vars, expected, notes) in [
            (&[][..], &[][..], "496 (default)", 0),
            (&["--max-connections", "992"], &[], "992 (flag)", 0),
            (&["--max-connections", "993"], &[], "993 (flag)", 1),
            (&[], &[("MONOPOD_MAX_CONNECTIONS", "7")], "7 (env MONOPOD_MAX_CONNECTIONS)", 0),
        ] {
            let resolved = run("", args, vars).unwrap();
            assert_eq!((shown(&resolved, "max-connections").as_str(), resolved.notes.len()), (expected, notes));
        }
        let directory = tempfile::tempdir().unwrap();
        let tight = run_on(&Host { descriptors: 20, ..host(directory.path()) }, &[], &[]).unwrap();
        assert_eq!((tight.settings.limits.max_connections, tight.notes.len()), (1, 1));
        assert!(run("", &["--max-connections", "0"], &[]).is_err());
    }

    #[test]
    fn a_container_shows_as_the_origin() {
        let directory = tempfile::tempdir().unwrap();
        let resolved = run_on(&Host { in_container: true, ..host(directory.path()) }, &[], &[]).unwrap();
        assert_eq!(shown(&resolved, "bind"), "0.0.0.0:8000 (container)");
        assert_eq!(shown(&resolved, "admin-bind"), "0.0.0.0:9191 (container)");
        assert_eq!(shown(&resolved, "log-format"), "json (container)");
        assert_eq!(shown(&resolved, "buffer-memory"), "128m (container)");
        assert_eq!(shown(&resolved, "temp-dir"), "/tmp (default)");
    }

    #[test]
    fn platform_variables_rank_between_ours_and_the_file() {
        let file = "bind = 1";
        for (args, vars, expected) in [
            (&[][..], &[("PORT", "8080")][..], "0.0.0.0:8080 (env PORT)"),
            (&[], &[("PORT", " ")], "0.0.0.0:1 (file monopod.toml)"),
            (&[], &[("PORT", "x"), ("MONOPOD_BIND", ":2")], "0.0.0.0:2 (env MONOPOD_BIND)"),
            (&["-b", "[::]:3"], &[("PORT", "x"), ("MONOPOD_BIND", ":2")], "[::]:3 (flag)"),
            (&[], &[("MONOPOD_BIND", "unix:a, :4,")], "unix:a, 0.0.0.0:4 (env MONOPOD_BIND)"),
        ] {
            assert_eq!(shown(&run(file, args, vars).unwrap(), "bind"), expected);
        }
    }

    #[test]
    fn variables_act_as_if_they_had_been_in_the_environment() {
        let directory = tempfile::tempdir().unwrap();
        for (name, value) in [("secret/KEY", "file\n"), ("secret/MONOPOD_THREADS", "3\n"), ("more/KEY", "more")] {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, value).unwrap();
        }
        let dirs: &[&str] = &["--env-dir", "secret"];
        for (args, vars, key, threads) in [
            (dirs, &[("KEY", "env"), ("MONOPOD_THREADS", "2")][..], Some("file"), 3),
            (&[], &[("MONOPOD_ENV_DIR", "secret, more")], Some("more"), 3),
            (&["--env-dir", "more", "--env-dir", "secret", "-e", "KEY=typed"], &[], Some("typed"), 3),
            (&["--env-dir", "secret", "--threads", "1"], &[], Some("file"), 1),
            (&["-e", "PORT=1", "--env", "KEY=a", "--env=KEY=b,c"], &[("PORT", "x")], Some("b,c"), 8),
            (&[], &[("MONOPOD_ENV", "KEY=a,B=c")], Some("a"), 8),
        ] {
            let resolved = run_on(&host(directory.path()), args, vars).unwrap();
            let variables = &resolved.settings.serve.variables;
            assert_eq!(variables.get("KEY").and_then(|value| value.to_str()), key, "{args:?}");
            assert_eq!(resolved.settings.serve.threads, threads, "{args:?}");
        }
        let resolved = run_on(&host(directory.path()), &["-e", "KEY=value", "-e", "PORT=1"], &[]).unwrap();
        assert_eq!(shown(&resolved, "env"), "KEY, PORT (flag)");
        assert_eq!(shown(&resolved, "bind"), "0.0.0.0:1 (env PORT)");
        assert!(format!("{resolved:?}").contains("KEY=…"), "values stay untold");
        let file = run("env = { KEY = 'value' }", &[], &[]).unwrap();
        assert_eq!(shown(&file, "env"), "KEY (file monopod.toml)");
    }

    #[test]
    fn variables_that_cannot_be_are_refused() {
        for (args, vars, code, says) in [
            (&["-e", "=secret"][..], &[][..], 64, "--env wants NAME=VALUE, with a name of letters, digits and _."),
            (&[], &[("MONOPOD_ENV", "secret")], 78, "MONOPOD_ENV wants NAME=VALUE"),
            (&["--env-dir", "/no/where"], &[], 64, "--env-dir wants a directory that can be read, and /no/where: "),
            (&[], &[("MONOPOD_ENV_DIR", "/no/where")], 78, "MONOPOD_ENV_DIR wants a directory that can be read"),
            (&["-e", "MONOPOD_ENV_DIR=x"], &[], 78, "MONOPOD_ENV_DIR says where variables and files are looked for"),
            (&["-e", "MONOPOD_CHDIR=x"], &[], 78, "MONOPOD_CHDIR says where"),
            (&["-e", "MONOPOD_THREAD=1"], &[], 78, "MONOPOD_THREAD is not a setting; did you mean MONOPOD_THREADS?"),
            (&["-e", "MONOPOD_THREADS=x"], &[], 78, "MONOPOD_THREADS wants a whole number"),
        ] {
            let error = run("", args, vars).unwrap_err();
            assert_eq!(error.exit_code(), code, "{error}");
            assert!(error.to_string().starts_with(says) && !error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn trusted_peers_come_as_a_list_from_every_layer() {
        for (file, args, vars, expected) in [
            ("", &[][..], &[][..], "127.0.0.1, ::1 (default)"),
            (
                "",
                &[],
                &[("FORWARDED_ALLOW_IPS", "10.0.0.0/8, private,")],
                "10.0.0.0/8, private (env FORWARDED_ALLOW_IPS)",
            ),
            (
                "",
                &[],
                &[("FORWARDED_ALLOW_IPS", "*"), ("MONOPOD_FORWARDED_ALLOW_IPS", "::1")],
                "::1 (env MONOPOD_FORWARDED_ALLOW_IPS)",
            ),
            ("forwarded-allow-ips = ['::1', 'private']", &[], &[], "::1, private (file monopod.toml)"),
            (
                "forwarded-allow-ips = '::1, private'",
                &[],
                &[("FORWARDED_ALLOW_IPS", " ")],
                "::1,  private (file monopod.toml)",
            ),
            (
                "forwarded-allow-ips = '*'",
                &["--forwarded-allow-ips", "::1,10.0.0.1", "--forwarded-allow-ips=none"],
                &[],
                "::1, 10.0.0.1, none (flag)",
            ),
        ] {
            assert_eq!(shown(&run(file, args, vars).unwrap(), "forwarded-allow-ips"), expected);
        }
        let edge = run("", &["--forwarded-allow-ips", "private", "--proxy-protocol"], &[]).unwrap().settings.edge;
        assert_eq!(edge, Edge { forwarded_allow_ips: TrustedPeers(vec![Trusted::Private]), proxy_protocol: true });
        let refused = run("", &[], &[("FORWARDED_ALLOW_IPS", "proxy.local")]).unwrap_err().to_string();
        assert!(refused.starts_with("FORWARDED_ALLOW_IPS wants addresses"), "{refused}");
    }

    #[test]
    fn several_workers_are_one_and_a_warning() {
        let advice = "is ignored: this version runs one worker; scale by pods, or raise --threads.";
        for (file, args, vars, said, source) in [
            ("", &[][..], &[("WEB_CONCURRENCY", "4")][..], "WEB_CONCURRENCY=4", "1 (env WEB_CONCURRENCY)"),
            ("", &[], &[("WEB_CONCURRENCY", "1")], "", "1 (env WEB_CONCURRENCY)"),
            ("", &[], &[("WEB_CONCURRENCY", "")], "", "1 (default)"),
            ("", &["-w", "1"], &[("WEB_CONCURRENCY", "4")], "", "1 (flag)"),
            ("", &["-w", "2"], &[], "--workers 2", "1 (flag)"),
            ("", &[], &[("MONOPOD_WORKERS", "2")], "MONOPOD_WORKERS=2", "1 (env MONOPOD_WORKERS)"),
            ("workers = 2", &[], &[], "`workers = 2` in monopod.toml", "1 (file monopod.toml)"),
            ("", &[], &[("GUNICORN_CMD_ARGS", "-w 3")], "GUNICORN_CMD_ARGS: --workers 3", "1 (env GUNICORN_CMD_ARGS)"),
        ] {
            let resolved = run(file, args, vars).unwrap();
            let notes: Vec<String> =
                Some(said).filter(|said| !said.is_empty()).map(|said| format!("{said} {advice}")).into_iter().collect();
            assert_eq!((resolved.notes.as_slice(), shown(&resolved, "workers").as_str()), (notes.as_slice(), source));
            assert_eq!(resolved.settings.serve.workers, 1);
        }
    }

    #[test]
    fn gunicorn_cmd_args_have_the_lowest_rank_of_what_anybody_says() {
        let said = &[("GUNICORN_CMD_ARGS", "--threads 3 --bind=:81 -b 'unix:a b' --no-access-log other:app")][..];
        let resolved = run("", &[], said).unwrap();
        for (option, expected) in
            [("threads", "3"), ("bind", "0.0.0.0:81, unix:a b"), ("access-log", "false"), ("target", "other:app")]
        {
            assert_eq!(shown(&resolved, option), format!("{expected} (env GUNICORN_CMD_ARGS)"));
        }
        assert_eq!((resolved.settings.serve.threads, resolved.settings.limits.queue_size), (3, 48));
        assert!(!resolved.settings.logs.access && resolved.notes.is_empty());
        for (file, args, vars, expected) in [
            ("threads = 4", &[][..], said, "4 (file monopod.toml)"),
            ("", &["--threads", "4"], said, "4 (flag)"),
            ("", &[], &[said[0], ("MONOPOD_THREADS", "4")], "4 (env MONOPOD_THREADS)"),
            ("", &[], &[("GUNICORN_CMD_ARGS", " ")], "8 (default)"),
        ] {
            assert_eq!(shown(&run(file, args, vars).unwrap(), "threads"), expected);
        }
        let port = run("", &[], &[said[0], ("PORT", "82")]).unwrap();
        assert_eq!(shown(&port, "bind"), "0.0.0.0:82 (env PORT)");
        let variable = run("", &[], &[("GUNICORN_CMD_ARGS", "-e KEY=value --env 'B=c d'")]).unwrap();
        assert_eq!(variable.settings.serve.variables.get("B").unwrap(), "c d");
    }

    #[test]
    fn what_is_wrong_in_gunicorn_cmd_args_is_refused_in_its_name() {
        for (text, sentence) in [
            ("--thread 4", "GUNICORN_CMD_ARGS: --thread is not an option of monopod; did you mean --threads?"),
            ("--threads x", "GUNICORN_CMD_ARGS: --threads wants a whole number from 1 to 512, not `x`."),
            ("--bind 'a", "GUNICORN_CMD_ARGS has a quote that is not closed."),
            ("-k gevent", "GUNICORN_CMD_ARGS: --worker-class wants `sync` or `gthread`, not `gevent`: "),
            ("--limit-request-line 9", "GUNICORN_CMD_ARGS: --limit-request-line wants a size from 256 to 1m"),
            ("-D", "GUNICORN_CMD_ARGS: -D is not an option of monopod: it runs in the foreground"),
            ("--config a.toml", "GUNICORN_CMD_ARGS: --config cannot be given here: "),
            ("--check-config", "GUNICORN_CMD_ARGS: --check-config cannot be given here: "),
            ("--chdir /no/where", "GUNICORN_CMD_ARGS wants a directory, and /no/where is none."),
        ] {
            let error = run("threads = 4", &[], &[("GUNICORN_CMD_ARGS", text)]).unwrap_err();
            assert!(error.to_string().starts_with(sentence), "{error}");
            assert_eq!(error.exit_code(), 78);
        }
    }

    #[test]
    fn gunicorns_options_mean_ours_or_nothing_and_are_told() {
        let resolved = run(
            "access-log = false",
            &[
                "--limit-request-line",
                "4094",
                "--limit-request-fields=50",
                "--worker-tmp-dir",
                "/dev/shm",
                "-k",
                "sync",
                "--access-logfile",
                "-",
                "--error-logfile=-",
                "--preload",
            ],
            &[("GUNICORN_CMD_ARGS", "--limit-request-field_size 0 --limit-request-line 300")],
        )
        .unwrap();
        for (option, expected) in [
            ("max-request-line", "4094 (flag)"),
            ("max-headers", "50 (flag)"),
            // No limit at all in gunicorn.
            ("max-header-size", "1m (env GUNICORN_CMD_ARGS)"),
            ("access-log", "true (flag)"),
        ] {
            assert_eq!(shown(&resolved, option), expected);
        }
        let [idle, renamed, theirs] = resolved.notes.as_slice() else { panic!("{:?}", resolved.notes) };
        for flag in ["--worker-tmp-dir", "--worker-class", "--error-logfile", "--preload"] {
            assert!(idle.contains(flag), "{idle}");
        }
        assert_eq!(
            renamed,
            "Of gunicorn's options, --limit-request-line is --max-request-line, --limit-request-fields is --max-headers here."
        );
        assert!(theirs.starts_with("GUNICORN_CMD_ARGS: ") && theirs.contains("--max-header-size"), "{theirs}");
        // Our own name outranks gunicorn's, wherever it stands.
        let args = ["--max-headers", "7", "--limit-request-fields", "8"];
        assert_eq!(shown(&run("", &args, &[]).unwrap(), "max-headers"), "7 (flag)");
        let args = ["--access-logfile", "/dev/null"];
        assert!(!run("", &args, &[]).unwrap().settings.logs.access);
    }

    #[test]
    fn gunicorns_configuration_is_not_ours() {
        for (args, vars, code) in [
            (&["--config", "gunicorn.conf.py"][..], &[][..], 64),
            (&["--config", "python:conf"], &[], 64),
            (&[], &[("MONOPOD_CONFIG", "conf/gunicorn.py")], 78),
        ] {
            let error = run("", args, vars).unwrap_err();
            assert!(error.to_string().contains("`monopod explain "), "{error}");
            assert_eq!(error.exit_code(), code);
        }
        let error = run("", &["-c", "gunicorn.conf.py"], &[]).unwrap_err();
        assert!(error.to_string().contains("`monopod explain gunicorn.conf.py`"), "{error}");
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("gunicorn.conf.py"), "").unwrap();
        let resolved = run_on(&host(directory.path()), &[], &[]).unwrap();
        assert!(resolved.notes[0].starts_with("gunicorn.conf.py is not read: "), "{:?}", resolved.notes);
        std::fs::write(directory.path().join("monopod.toml"), "").unwrap();
        assert!(run_on(&host(directory.path()), &[], &[]).unwrap().notes.is_empty());
    }

    #[test]
    fn what_is_wrong_is_refused_by_name_whatever_outranks_it() {
        let threads = "wants a whole number from 1 to 512, not `x`.";
        for (file, args, vars, sentence) in [
            ("", &["--threads", "x"][..], &[][..], format!("--threads {threads}")),
            ("", &["--threads", "1"], &[("MONOPOD_THREADS", "x")], format!("MONOPOD_THREADS {threads}")),
            ("threads = 'x'", &["--threads", "1"], &[], format!("`threads` in monopod.toml {threads}")),
            ("", &[], &[("PORT", "tcp://1")], "PORT wants a whole number from 0 to 65535, not `tcp://1`.".into()),
            (
                "",
                &[],
                &[("WEB_CONCURRENCY", "auto")],
                "WEB_CONCURRENCY wants a whole number from 1 to 65535, not `auto`.".into(),
            ),
            ("", &["--chdir", ""], &[], "--chdir wants a value.".into()),
            (
                "",
                &[],
                &[("MONOPOD_CHDIR", "/no/where")],
                "MONOPOD_CHDIR wants a directory, and /no/where is none.".into(),
            ),
            ("chdir = '/no'", &[], &[], "`chdir` in monopod.toml wants a directory, and /no is none.".into()),
            ("", &["--config", "no.toml"], &[], "--config wants a file, and there is no no.toml.".into()),
        ] {
            let error = run(file, args, vars).unwrap_err();
            assert_eq!(error.to_string(), sentence);
            assert_eq!(error.exit_code(), if vars.is_empty() && file.is_empty() { 64 } else { 78 });
        }
    }

    #[test]
    fn the_access_log_is_switched_from_every_layer() {
        let file = "access-log = false";
        for (file, args, vars, expected) in [
            (file, &[][..], &[][..], "false (file monopod.toml)"),
            (file, &["--access-log"], &[], "true (flag)"),
            (file, &[], &[("MONOPOD_ACCESS_LOG", "yes")], "yes (env MONOPOD_ACCESS_LOG)"),
            ("", &["--no-access-log"], &[("MONOPOD_ACCESS_LOG", "1")], "false (flag)"),
            ("", &["--access-log=off"], &[], "off (flag)"),
            ("", &["--no-access-log", "--access-log"], &[("MONOPOD_ACCESS_LOG", "0")], "true (flag)"),
            (file, &["--access-log", "--no-access-log"], &[], "false (flag)"),
        ] {
            let resolved = run(file, args, vars).unwrap();
            assert_eq!(shown(&resolved, "access-log"), expected);
            let on = matches!(expected.split(' ').next(), Some("true" | "yes"));
            assert_eq!(resolved.settings.logs.access, on, "{expected}");
        }
    }

    #[test]
    fn the_file_is_looked_for_after_chdir_unless_named() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str, text: &str| {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        at("monopod.toml", "threads = 1\nchdir = 'app'");
        at("app/monopod.toml", "threads = 2");
        at("app/pyproject.toml", "[tool.monopod]\nthreads = 3");
        at("project/pyproject.toml", "[tool.monopod]\nthreads = 4");
        at("other/pyproject.toml", "[project]\nname = 'x'");
        for (args, threads, source, chdir) in [
            (&[][..], 1, "file monopod.toml", Some("app")),
            (&["--chdir", "app"], 2, "file monopod.toml", Some("app")),
            (&["--chdir", "app", "--config", "app/pyproject.toml"], 3, "file app/pyproject.toml", Some("app")),
            (&["--chdir", "project"], 4, "file pyproject.toml", Some("project")),
            (&["--chdir", "other"], 8, "default", Some("other")),
            (&["--config", "app/monopod.toml"], 2, "file app/monopod.toml", None),
        ] {
            let resolved = run_on(&host(directory.path()), args, &[]).unwrap();
            assert_eq!(shown(&resolved, "threads"), format!("{threads} ({source})"));
            assert_eq!(resolved.settings.serve.chdir, chdir.map(|chdir| directory.path().join(chdir)));
        }
    }
}
