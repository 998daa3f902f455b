//! The command line: which subcommand, and the words of `--help`.
//!
//! `serve` is the default, so `monopod app:app` works; a target named like a subcommand is `monopod serve check`. Called
//! by `run()`, which acts on the `Command` this returns. Everything about options is in `config`; this file adds the
//! subcommands and gathers the host's facts. Never prints and never exits.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::Arg;
use clap::error::ErrorKind;

use crate::config::options;
use crate::config::sources::{Env, lookup, platform_name};
pub use crate::config::{Host, Origin, Purpose, Resolved, StartError};
use crate::sys::{cgroup, descriptors};

/// What the operator asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Serve the application.
    Serve(Box<Resolved>),
    /// Serve the application to whoever works on it.
    Dev(Box<Resolved>),
    /// Load the application, show the settings, and exit.
    Check(Box<Resolved>),
    /// Ask a running server whether it is ready.
    Healthcheck(Box<Resolved>),
    /// Write compressed siblings of the files in these directories (at least one), or check that they are there.
    Compress {
        /// As given.
        dirs: Vec<PathBuf>,
        /// Change nothing.
        check: bool,
    },
    /// Become this other command (at least one word).
    Init(Vec<OsString>),
    /// Write this text (help or version) to stdout and exit with 0.
    Print(String),
}

/// Reads the command line (`args`, the program's name included) over the environment, the configuration file and the
/// host's facts, which are gathered only where they matter.
///
/// # Errors
/// [`StartError::Usage`] for what was typed, [`StartError::Config`] for what a variable or the file says.
pub fn parse(args: &[OsString], env: Env<'_>, host: &dyn Fn() -> Host) -> Result<Command, StartError> {
    let matches = match face().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            let colour = host().stdout_is_terminal && lookup(env, "NO_COLOR").is_none();
            let text = error.render();
            return Ok(Command::Print(if colour { text.ansi().to_string() } else { text.to_string() }));
        }
        Err(error) => return Err(StartError::usage(options::sentence(&error, None))),
    };
    let behind = |words: usize| args.get(words..).unwrap_or_default();
    let resolve = |args| crate::config::resolve(Purpose::Serve, args, env, &host()).map(Box::new);
    // A subcommand can only be the first word, so its own arguments start at the third.
    match matches.subcommand() {
        Some(("compress", matches)) => {
            let dirs = matches.get_many::<PathBuf>("dir").unwrap_or_default().cloned().collect();
            Ok(Command::Compress { dirs, check: matches.get_flag("check") })
        }
        Some(("init", matches)) => {
            Ok(Command::Init(matches.get_many::<OsString>("command").unwrap_or_default().cloned().collect()))
        }
        Some(("dev", _)) => crate::config::resolve(Purpose::Develop, behind(2), env, &host())
            .map(|resolved| Command::Dev(Box::new(resolved))),
        Some(("check", _)) => resolve(behind(2)).map(Command::Check),
        Some(("healthcheck", _)) => resolve(behind(2)).map(Command::Healthcheck),
        Some(_) => resolve(behind(2)).map(Command::Serve),
        None => resolve(behind(1)).map(Command::Serve),
    }
}

/// The whole command with its subcommands, as `--help` shows it.
fn face() -> clap::Command {
    let with_options = |usage: &'static str| {
        options::command()
            .no_binary_name(false)
            .override_usage(usage)
            .mut_args(|arg| if matches!(arg.get_id().as_str(), "help" | "version") { arg } else { show_env(arg) })
    };
    let directories = Arg::new("dir")
        .value_name("DIR")
        .help("Directories whose files get .br, .zst and .gz siblings")
        .required(true)
        .num_args(1..)
        .value_parser(clap::value_parser!(PathBuf));
    let check = Arg::new("check")
        .long("check")
        .help("Change nothing; exit with 1 when siblings are missing or stale")
        .action(clap::ArgAction::SetTrue);
    with_options(
        "monopod [serve] [TARGET] [OPTIONS]\n       monopod dev [TARGET] [OPTIONS]\n       monopod check [TARGET] [OPTIONS]\n       monopod compress [--check] DIR…\n       monopod healthcheck [OPTIONS]\n       monopod init [--] COMMAND [ARG…]",
    )
    .version(env!("CARGO_PKG_VERSION"))
    .about("Serves a WSGI application, its static files and slow clients from one process.")
    .after_help("Order: flag, environment, monopod.toml or [tool.monopod] in pyproject.toml, container, default.")
    .args_conflicts_with_subcommands(true)
    .disable_help_subcommand(true)
    .subcommand(
        with_options("monopod [serve] [TARGET] [OPTIONS]").name("serve").about("Serve the application (the default)"),
    )
    .subcommand(
        with_options("monopod dev [TARGET] [OPTIONS]")
            .name("dev")
            .about("Serve the application while you work on it: a change starts it anew"),
    )
    .subcommand(
        with_options("monopod check [TARGET] [OPTIONS]")
            .name("check")
            .about("Load the application, show every setting and where it comes from, and exit"),
    )
    .subcommand(
        with_options("monopod healthcheck [OPTIONS]")
            .name("healthcheck")
            .about("Ask a running server, by the same settings, whether it is ready; exit with 0 or 1"),
    )
    .subcommand(
        clap::Command::new("init")
            .override_usage("monopod init [--] COMMAND [ARG…]")
            .about("Run any other command in a container, as its ENTRYPOINT: signals reach it, orphans are reaped")
            .arg(
                Arg::new("command")
                    .value_name("COMMAND")
                    .help("The command and its arguments, such as `celery -A app worker`")
                    .required(true)
                    .num_args(1..)
                    .trailing_var_arg(true)
                    .allow_hyphen_values(true)
                    .value_parser(clap::value_parser!(OsString)),
            ),
    )
    .subcommand(
        clap::Command::new("compress")
            .override_usage("monopod compress [--check] DIR…")
            .about("Write compressed siblings of static files, at build time")
            .arg(check)
            .arg(directories),
    )
}

/// Adds the environment names to an option's help, before its default.
fn show_env(arg: Arg) -> Arg {
    if options::is_negation(&arg) {
        return arg;
    }
    let (meaning, default) = options::meaning(&arg);
    let platform = platform_name(arg.get_id().as_str()).map(|name| format!(", {name}")).unwrap_or_default();
    let default = default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
    let help = format!("{meaning} [env: {}{platform}]{default}", options::env_name(&arg));
    arg.help(help).hide_default_value(true)
}

/// The facts of the host this process runs on. What cannot be found out is `None`. The limit of descriptors is raised
/// first, as that is what the process then has.
#[must_use]
pub fn host(env: Env<'_>) -> Host {
    let limits = cgroup::limits();
    let threads = || std::thread::available_parallelism().ok().and_then(|count| u32::try_from(count.get()).ok());
    Host {
        cpus: limits.cpus.or_else(|| threads().map(f64::from)),
        memory_limit: limits.memory,
        machine_memory: cgroup::machine_memory(),
        descriptors: descriptors::raise_limit(),
        in_container: lookup(env, "KUBERNETES_SERVICE_HOST").is_some()
            || ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists()),
        stdout_is_terminal: std::io::stdout().is_terminal(),
        variables: std::env::vars_os()
            .filter_map(|(name, _)| name.into_string().ok())
            .filter(|name| name.starts_with("MONOPOD_") && lookup(env, name).is_some())
            .collect(),
        cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str]) -> Result<Command, StartError> {
        let directory = tempfile::tempdir().unwrap();
        let host = Host {
            cpus: None,
            memory_limit: None,
            machine_memory: None,
            descriptors: 1024,
            in_container: false,
            stdout_is_terminal: false,
            variables: Vec::new(),
            cwd: directory.path().into(),
        };
        let args: Vec<OsString> = ["monopod"].iter().chain(words).map(OsString::from).collect();
        parse(&args, &|_| None, &|| host.clone())
    }

    /// Subcommand, target and threads, or the sentence.
    fn gist(words: &[&str]) -> String {
        let serve = |name: &str, resolved: &Resolved| {
            let serve = &resolved.settings.serve;
            format!("{name} {} {}", serve.target.as_deref().unwrap_or("-"), serve.threads)
        };
        match run(words) {
            Ok(Command::Serve(resolved)) => serve("serve", &resolved),
            Ok(Command::Dev(resolved)) => serve("dev", &resolved),
            Ok(Command::Check(resolved)) => serve("check", &resolved),
            Ok(Command::Healthcheck(resolved)) => serve("healthcheck", &resolved),
            Ok(Command::Compress { dirs, check }) => format!("compress {dirs:?} {check}"),
            Ok(Command::Init(command)) => format!("init {command:?}"),
            Ok(Command::Print(text)) => text,
            Err(error) => format!("{}: {error}", error.exit_code()),
        }
    }

    #[test]
    fn serve_is_what_is_meant_unless_the_first_word_is_another_subcommand() {
        for (words, expected) in [
            (&[][..], "serve - 4"),
            (&["app:app"], "serve app:app 4"),
            (&["app:app", "--threads", "7"], "serve app:app 7"),
            (&["--threads", "7", "app:app"], "serve app:app 7"),
            (&["serve"], "serve - 4"),
            (&["serve", "--threads=7", "app:app"], "serve app:app 7"),
            (&["serve", "check"], "serve check 4"),
            (&["serve", "dev"], "serve dev 4"),
            (&["dev"], "dev - 4"),
            (&["dev", "app:app", "--threads", "1"], "dev app:app 1"),
            (&["dev", "app:app", "--no-reload", "--open"], "dev app:app 4"),
            (&["--", "check"], "serve check 4"),
            (&["--threads", "7", "check"], "serve check 7"),
            (&["help"], "serve help 4"),
            (&["check"], "check - 4"),
            (&["check", "app:app", "--threads", "7"], "check app:app 7"),
            (&["--threads", "7", "--threads", "8"], "serve - 8"),
            (&["healthcheck", "--health-path", "/up"], "healthcheck - 4"),
            (&["init", "celery", "-A", "app", "worker"], r#"init ["celery", "-A", "app", "worker"]"#),
            (&["init", "--", "monopod", "--threads", "2"], r#"init ["monopod", "--threads", "2"]"#),
            (&["init", "sh", "-c", "--", "--help"], r#"init ["sh", "-c", "--", "--help"]"#),
            (&["compress", "a", "b"], "compress [\"a\", \"b\"] false"),
            (&["compress", "--check", "a"], "compress [\"a\"] true"),
            (&["compress", "a", "--check"], "compress [\"a\"] true"),
        ] {
            assert_eq!(gist(words), expected, "{words:?}");
        }
    }

    #[test]
    fn wrong_usage_is_one_sentence_and_code_64() {
        for (words, expected) in [
            (&["--thread", "4"][..], "--thread is not an option of monopod; did you mean --threads?"),
            (&["serve", "--thread", "4"], "--thread is not an option of monopod; did you mean --threads?"),
            (&["-D"], "-D is not an option of monopod; `monopod --help` lists them."),
            (&["--threads"], "--threads wants a value."),
            (&["--threads", "0"], "--threads wants a whole number from 1 to 512, not `0`."),
            (&["-w", "x"], "--workers wants 1, not `x`."),
            (&["--no-access-log=1"], "--no-access-log takes no value."),
            (&["--access-log=maybe"], "--access-log wants `true` or `false`, not `maybe`."),
            (&[""], "TARGET wants an application such as `module:callable`, not ``."),
            (&["a:b", "c"], "`c` is one argument too many: options aside, monopod takes one TARGET."),
            (
                &["a:b", "--threads", "4", "check"],
                "`check` is one argument too many: options aside, monopod takes one TARGET.",
            ),
            (&["serve", "a:b", "c"], "`c` is one argument too many: options aside, monopod takes one TARGET."),
            (
                &["app:app", "--open"],
                "--reload, --reload-extra-file and --open are for the time of development: run `monopod dev`.",
            ),
            (&["compress"], "Name at least one DIR."),
            (&["init"], "Name at least one COMMAND."),
            (&["init", "--"], "Name at least one COMMAND."),
        ] {
            assert_eq!(gist(words), format!("64: {expected}"), "{words:?}");
        }
    }

    #[test]
    fn arguments_that_are_not_text_are_refused_unless_they_are_paths() {
        use std::os::unix::ffi::OsStringExt as _;
        let odd = || OsString::from_vec(vec![b'a', 0xff]);
        let Ok(Command::Serve(resolved)) = run(&[]) else { panic!("serve") };
        let host = Host { cwd: "/".into(), ..host(&|_| None) };
        let words = |flag: &str| ["monopod".into(), flag.into(), odd()];
        let Ok(Command::Serve(odd_venv)) = parse(&words("--venv"), &|_| None, &|| host.clone()) else {
            panic!("serve")
        };
        assert_ne!(odd_venv.settings.serve.venv, resolved.settings.serve.venv);
        let error = parse(&words("--bind"), &|_| None, &|| host.clone()).unwrap_err();
        assert_eq!(error, StartError::usage("The command line wants text in UTF-8."));
    }

    #[test]
    fn help_shows_every_option_under_its_heading_with_its_env_name() {
        for words in [&["--help"][..], &["-h"], &["serve", "--help"], &["check", "-h"], &["--threads", "4", "--help"]] {
            let help = gist(words);
            let mut rest = help.as_str();
            for heading in
                ["Serve:", "Static files:", "Limits:", "Edge:", "Life:", "Logs:", "Development (monopod dev):"]
            {
                let at = rest.find(heading).unwrap_or_else(|| panic!("{heading} in {rest}"));
                rest = &rest[at..];
            }
            let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
            for arg in options::settable(&options::command()) {
                assert!(flat.contains(&format!("[env: {}", options::env_name(arg))), "{} in {help}", options::key(arg));
            }
            assert!(flat.contains("[env: MONOPOD_BIND, PORT] [default: 127.0.0.1:8000,"), "{help}");
            assert!(flat.contains("[env: MONOPOD_BACKLOG] [default: 2048]"), "{help}");
        }
        assert!(gist(&["--help"]).contains("compress"));
        assert!(gist(&["compress", "--help"]).contains("DIR"));
        assert_eq!(gist(&["--version"]), format!("monopod {}\n", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn this_host_has_facts() {
        let facts = host(&|name| (name == "KUBERNETES_SERVICE_HOST").then(|| "10.0.0.1".into()));
        assert!(facts.in_container && facts.cpus.is_some_and(|cpus| cpus > 0.0) && facts.cwd.is_absolute());
    }
}
