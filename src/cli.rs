//! The command line: which subcommand, and the words of `--help`.
//!
//! `serve` is the default, so `monopod app:app` works; a target named like a subcommand is `monopod serve check`.
//! Called by `run()`, which acts on the `Command` this returns. Everything about options is in `config`; this file adds
//! the subcommands and gathers the host's facts, `help` says what is shown of them. Never prints and never exits.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::builder::StyledStr;
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, ValueHint};

use crate::config::colour::wants_colour;
use crate::config::sources::{Env, lookup};
pub use crate::config::{Host, Origin, Purpose, Resolved, StartError};
use crate::config::{Report, gunicorn, options};
use crate::sys::{cgroup, descriptors};
pub use explain::Explain;
use help::{Form, Whose};

mod completions;
mod explain;
mod help;
mod man;
mod meant;

/// What the operator asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Serve the application.
    Serve(Box<Resolved>),
    /// Serve the application to whoever works on it.
    Dev(Box<Resolved>),
    /// Load the application, say what is asked for, and exit.
    Check(Box<Resolved>, Report),
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
    /// Say what the configuration of another server becomes.
    Explain(Explain),
    /// Write this text (help or version) to stdout and exit with 0.
    Print(String),
}

/// Reads the command line (`args`, the program's name included) over the environment, the configuration file and the
/// host's facts, which are gathered only where they matter.
///
/// # Errors
/// [`StartError::Usage`] for what was typed, [`StartError::Config`] for what a variable or the file says.
pub fn parse(args: &[OsString], env: Env<'_>, host: &dyn Fn() -> Host) -> Result<Command, StartError> {
    // What `init` becomes is nobody's to read.
    let joined = if args.get(1).is_some_and(|word| word == "init") { args.to_vec() } else { gunicorn::joined(args) };
    let args = joined.as_slice();
    let print = |text: StyledStr| {
        let colour = wants_colour(env, host().stdout_is_terminal);
        Command::Print(if colour { text.ansi().to_string() } else { text.to_string() })
    };
    let matches = match face(Form::Brief).try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Ok(print(error.render()));
        }
        Err(error) => {
            let sentence = options::sentence(&error, None);
            let is_command = |word: &str| face(Form::Brief).find_subcommand(word).is_some();
            let first = args.get(1).map(|word| word.to_string_lossy()).filter(|word| !is_command(word));
            let meant = first.and_then(|word| command_meant(&word));
            let hint = meant.map(|hint| format!(" {hint}")).unwrap_or_default();
            return Err(StartError::usage(format!("{sentence}{hint}")));
        }
    };
    let behind = |words: usize| args.get(words..).unwrap_or_default();
    let resolve = |args| crate::config::resolve(Purpose::Serve, args, env, &host()).map(Box::new);
    // A subcommand can only be the first word, so its own arguments start at the third.
    let (name, own, arguments) = match matches.subcommand() {
        Some((name, own)) => (name, own, behind(2)),
        None => ("", &matches, behind(1)),
    };
    if help::is_whole(own) {
        return Ok(print(help::of_subcommand(face(Form::Whole), name)));
    }
    match name {
        "compress" => {
            let dirs = own.get_many::<PathBuf>("dir").unwrap_or_default().cloned().collect();
            Ok(Command::Compress { dirs, check: own.get_flag("check") })
        }
        "init" => Ok(Command::Init(own.get_many::<OsString>("command").unwrap_or_default().cloned().collect())),
        "explain" => explain::asked(own).map(Command::Explain),
        "completions" => match completions::shell(own) {
            Some(shell) => Ok(Command::Print(completions::script(shell, face(Form::Words)))),
            None => Err(StartError::usage("Name a SHELL.")),
        },
        "man" => {
            man::page(face(Form::Whole)).map(Command::Print).map_err(|error| StartError::software(error.to_string()))
        }
        "help" => help::on(own.get_one::<String>("topic").map(String::as_str), &face).map(print),
        "dev" if asked_for(own).is_some() => Err(StartError::usage(
            "--check-config and --print-config are not for `monopod dev`, which would serve: run `monopod check`.",
        )),
        "dev" => crate::config::resolve(Purpose::Develop, arguments, env, &host())
            .map(|resolved| Command::Dev(Box::new(resolved))),
        "check" => Ok(Command::Check(resolve(arguments)?, asked_for(own).unwrap_or(Report::Table))),
        "healthcheck" => resolve(arguments).map(Command::Healthcheck),
        _ => resolve(arguments).map(|resolved| match asked_for(own) {
            Some(report) => Command::Check(resolved, report),
            None => Command::Serve(resolved),
        }),
    }
}

/// A word on the command that may be meant by the TARGET `word`.
#[must_use]
pub fn command_meant(word: &str) -> Option<String> {
    let meant = meant::command(&face(Form::Brief), word);
    meant.map(|command| {
        if command == word {
            format!("A command comes first; did you mean `monopod {command} …`?")
        } else {
            format!("`{word}` is not a command; did you mean `monopod {command}`?")
        }
    })
}

/// What gunicorn's `--print-config` and `--check-config` ask for.
fn asked_for(matches: &ArgMatches) -> Option<Report> {
    let asked = |flag, report| matches.get_flag(flag).then_some(report);
    asked(options::PRINT_CONFIG, Report::Toml).or_else(|| asked(options::CHECK_CONFIG, Report::Silence))
}

/// The whole command with its subcommands, as help of this form shows it.
fn face(form: Form) -> clap::Command {
    let with_options = |usage: &'static str, whose: Whose| {
        let options = match form {
            // gunicorn's options are understood, and nowhere shown.
            Form::Brief => options::command(),
            Form::Words => help::narrowed(&options::our_own(), whose),
            Form::Whole | Form::Group(_) => options::our_own(),
        };
        help::shaped(options.no_binary_name(false).override_usage(usage), form, whose)
    };
    let directories = Arg::new("dir")
        .value_name("DIR")
        .help("Directories whose files get .br, .zst and .gz siblings")
        .required(true)
        .num_args(1..)
        .value_hint(ValueHint::DirPath)
        .value_parser(clap::value_parser!(PathBuf));
    let check = Arg::new("check")
        .long("check")
        .help("Change nothing; exit with 1 when siblings are missing or stale")
        .action(clap::ArgAction::SetTrue);
    with_options("monopod [serve] [TARGET] [OPTIONS]\n       monopod COMMAND [ARGUMENTS]", Whose::Ours)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Serves a WSGI application, its static files and slow clients from one process.")
        .arg(help::version())
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .disable_version_flag(true)
        .subcommand(
            with_options("monopod [serve] [TARGET] [OPTIONS]", Whose::Serving)
                .name("serve")
                .about("Serve the application (the default)"),
        )
        .subcommand(
            with_options("monopod dev [TARGET] [OPTIONS]", Whose::Dev)
                .name("dev")
                .about("Serve it while you work on it, with reloading")
                .long_about("Serve the application while you work on it: a change starts it anew"),
        )
        .subcommand(
            with_options("monopod check [TARGET] [OPTIONS]", Whose::Serving)
                .name("check")
                .about("Load the application, show every setting and its origin"),
        )
        .subcommand(
            with_options("monopod healthcheck [OPTIONS]", Whose::Healthcheck)
                .name("healthcheck")
                .about("Ask a running server whether it is ready: exit with 0 or 1"),
        )
        .subcommand(
            clap::Command::new("init")
                .override_usage("monopod init [--] COMMAND [ARG…]")
                .about("Run another command as PID 1 of a container")
                .long_about(
                    "Run any other command in a container, as its ENTRYPOINT: signals reach it, orphans are reaped",
                )
                .arg(
                    Arg::new("command")
                        .value_name("COMMAND")
                        .help("The command and its arguments, such as `celery -A app worker`")
                        .required(true)
                        .num_args(1..)
                        .trailing_var_arg(true)
                        .allow_hyphen_values(true)
                        .value_hint(ValueHint::CommandWithArguments)
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
        .subcommand(explain::subcommand())
        .subcommand(completions::subcommand())
        .subcommand(man::subcommand())
        .subcommand(help::subcommand())
        .mut_subcommands(help::completed)
}

/// The facts of the host this process runs on. What cannot be found out is `None`. The limit of descriptors is raised
/// first, as that is what the process then has.
#[must_use]
pub fn host(env: Env<'_>) -> Host {
    let in_container = lookup(env, "KUBERNETES_SERVICE_HOST").is_some()
        || ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists());
    let variables = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with("MONOPOD_") && lookup(env, name).is_some())
        .collect();
    Host { in_container, variables, descriptors: descriptors::raise_limit(), ..guest() }
}

/// The facts for a server that is a guest in somebody's program: it changes nothing of the process, and where the
/// program runs decides no default.
#[must_use]
pub fn guest() -> Host {
    let limits = cgroup::limits();
    let threads = || std::thread::available_parallelism().ok().and_then(|count| u32::try_from(count.get()).ok());
    Host {
        cpus: limits.cpus.or_else(|| threads().map(f64::from)),
        memory_limit: limits.memory,
        machine_memory: cgroup::machine_memory(),
        descriptors: descriptors::limit(),
        in_container: false,
        stdout_is_terminal: std::io::stdout().is_terminal(),
        variables: Vec::new(),
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
            Ok(Command::Check(resolved, _)) => serve("check", &resolved),
            Ok(Command::Healthcheck(resolved)) => serve("healthcheck", &resolved),
            Ok(Command::Compress { dirs, check }) => format!("compress {dirs:?} {check}"),
            Ok(Command::Init(command)) => format!("init {command:?}"),
            Ok(Command::Explain(Explain { files, command, from, format, .. })) => {
                format!("explain {files:?} {command:?} {from:?} {format:?}")
            }
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
            (&["serve", "help"], "serve help 4"),
            (&["-k", "gthread", "-w", "4", "--preload", "--proxy-protocol", "auto", "app:app"], "serve app:app 4"),
            (&["check"], "check - 4"),
            (&["check", "app:app", "--threads", "7"], "check app:app 7"),
            (&["--threads", "7", "--threads", "8"], "serve - 8"),
            (&["healthcheck", "--health-path", "/up"], "healthcheck - 4"),
            (&["init", "celery", "-A", "app", "worker"], r#"init ["celery", "-A", "app", "worker"]"#),
            (&["init", "--", "monopod", "--threads", "2"], r#"init ["monopod", "--threads", "2"]"#),
            (&["init", "sh", "--proxy-protocol", "v1"], r#"init ["sh", "--proxy-protocol", "v1"]"#),
            (&["init", "sh", "-c", "--", "--help"], r#"init ["sh", "-c", "--", "--help"]"#),
            (&["compress", "a", "b"], "compress [\"a\", \"b\"] false"),
            (&["compress", "--check", "a"], "compress [\"a\"] true"),
            (&["compress", "a", "--check"], "compress [\"a\"] true"),
            (&["explain", "a.py", "b.conf"], r#"explain ["a.py", "b.conf"] [] None Command"#),
            (
                &["explain", "--format=json", "--", "gunicorn", "-w", "4", "--", "--from", "x"],
                r#"explain [] ["gunicorn", "-w", "4", "--", "--from", "x"] None Json"#,
            ),
            (
                &["explain", "-", "--from", "nginx", "--", "uwsgi", "--help"],
                r#"explain ["-"] ["uwsgi", "--help"] Some(Nginx) Command"#,
            ),
        ] {
            assert_eq!(gist(words), expected, "{words:?}");
        }
    }

    #[test]
    fn wrong_usage_is_one_sentence_and_code_64() {
        for (words, expected) in [
            (&["--thread", "4"][..], "--thread is not an option of monopod; did you mean --threads?"),
            (&["serve", "--thread", "4"], "--thread is not an option of monopod; did you mean --threads?"),
            (&["-X"], "-X is not an option of monopod; `monopod --help` lists them."),
            (&["--threads"], "--threads wants a value."),
            (&["--threads", "0"], "--threads wants a whole number from 1 to 512, not `0`."),
            (&["-w", "x"], "--workers wants a whole number from 1 to 65535, not `x`."),
            (&["--no-access-log=1"], "--no-access-log takes no value."),
            (&["--access-log=maybe"], "--access-log wants `true` or `false`, not `maybe`."),
            (&[""], "TARGET wants an application such as `module:callable`, not ``."),
            (&["a:b", "c"], "`c` is one argument too many: options aside, monopod takes one TARGET."),
            (
                &["a:b", "--threads", "4", "check"],
                "`check` is one argument too many: options aside, monopod takes one TARGET.",
            ),
            (&["serve", "a:b", "c"], "`c` is one argument too many: options aside, monopod takes one TARGET."),
            (&["app:app", "--open"], "--open is for the time of development: run `monopod dev`."),
            (&["compress"], "Name at least one DIR."),
            (&["init"], "Name at least one COMMAND."),
            (&["init", "--"], "Name at least one COMMAND."),
            (
                &["explain"],
                "explain wants files, such as gunicorn.conf.py and nginx.conf, or a command after `--`, such as `-- gunicorn app:app`.",
            ),
            (
                &["explain", "a", "--from", "apache"],
                "--from wants one of gunicorn, uwsgi, granian, nginx, not `apache`.",
            ),
            (&["explain", "a", "--format", "yaml"], "--format wants one of command, toml, json, not `yaml`."),
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
        for words in [&["--help"][..], &["--threads", "4", "--help"], &["help"], &["dev", "--help"]] {
            let help = gist(words);
            let mut rest = help.as_str();
            for heading in [
                "Serve:",
                "Static files:",
                "Limits:",
                "Edge:",
                "Life:",
                "Logs:",
                "Development (monopod dev):",
                "Other:",
            ] {
                let at = rest.find(heading).unwrap_or_else(|| panic!("{heading} in {rest}"));
                rest = &rest[at..];
            }
            let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
            for arg in options::settable(&options::command()) {
                assert!(flat.contains(&format!("[env: {}", options::env_name(arg))), "{} in {help}", options::key(arg));
            }
            assert!(flat.contains("[env: MONOPOD_BIND, PORT] [default: 127.0.0.1:8000,"), "{help}");
            assert!(flat.contains("[env: MONOPOD_BACKLOG] [default: 2048]"), "{help}");
            assert!(!help.contains("worker-tmp-dir"), "gunicorn's are out of sight: {help}");
        }
        assert!(gist(&["--help"]).contains("compress"));
        assert!(gist(&["compress", "--help"]).contains("DIR"));
        for words in [["--version"], ["-V"], ["-v"]] {
            assert_eq!(gist(&words), format!("monopod {}\n", env!("CARGO_PKG_VERSION")));
        }
    }

    #[test]
    fn brief_help_fits_a_screen_and_says_how_to_see_more() {
        for words in [&["-h"][..], &["serve", "-h"], &["check", "-h"], &["dev", "-h"]] {
            let help = gist(words);
            assert!((20..=50).contains(&help.lines().count()), "{} lines: {help}", help.lines().count());
            assert!(help.contains("--bind") && help.contains("--threads") && help.contains("--static "), "{help}");
            assert!(!help.contains("--min-rate") && !help.contains("[env:"), "{help}");
            let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains("All options, with their variables and defaults: monopod --help"), "{help}");
        }
    }

    #[test]
    fn a_command_shows_no_option_that_it_refuses_or_has_no_use_for() {
        for (words, reloads, serves) in [
            (&["-h"][..], false, true),
            (&["serve", "-h"], false, true),
            (&["serve", "--help"], false, true),
            (&["check", "--help"], false, true),
            (&["help", "check"], false, true),
            (&["dev", "-h"], true, true),
            (&["dev", "--help"], true, true),
            (&["--help"], true, true),
            (&["man"], true, true),
            (&["help", "dev"], true, false),
            (&["healthcheck", "-h"], false, false),
            (&["healthcheck", "--help"], false, false),
        ] {
            let help = gist(words).replace("\\-", "-");
            for word in ["--reload", "--reload-extra-file", "--open"] {
                assert_eq!(help.contains(word), reloads, "{words:?} {word}: {help}");
            }
            for word in ["--threads", "--static", "TARGET"] {
                let is_there = help.replace("monopod dev [TARGET]", "").contains(word);
                assert_eq!(is_there, serves, "{words:?} {word}: {help}");
            }
        }
        for form in ["-h", "--help"] {
            let help = gist(&["healthcheck", form]);
            for word in ["--admin-bind", "--health-path", "--bind", "--config", "--proxy-protocol"] {
                assert!(help.contains(word), "{word}: {help}");
            }
        }
        assert_eq!(gist(&["healthcheck", "app:app", "--threads", "7"]), "healthcheck app:app 7", "taken all the same");
    }

    #[test]
    fn help_of_a_group_and_of_a_command() {
        let logs = gist(&["help", "logs"]);
        assert!(logs.contains("Logs:") && logs.contains("MONOPOD_SLOW_REQUEST") && !logs.contains("--bind"), "{logs}");
        for (topic, has) in
            [("serve", "--bind"), ("static", "--spa"), ("limits", "--min-rate"), ("edge", "--proxy-protocol")]
        {
            assert!(gist(&["help", topic]).contains(has), "{topic}");
        }
        assert!(gist(&["help", "compress"]).contains("DIR") && gist(&["help", "check"]).contains("--threads"));
        let refused = gist(&["help", "nothing"]);
        assert!(refused.starts_with("64: `nothing` is neither a group of options (serve, static,"), "{refused}");
    }

    #[test]
    fn the_definition_is_sound_in_every_form() {
        for form in [Form::Brief, Form::Whole, Form::Group("Limits"), Form::Words] {
            face(form).debug_assert();
        }
    }

    #[test]
    fn completions_and_the_page_have_every_option_and_command() {
        let command = options::our_own();
        for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
            let script = gist(&["completions", shell]);
            for arg in options::settable(&command).filter(|arg| !arg.is_positional()) {
                // fish has the words without their dashes.
                assert!(script.contains(arg.get_long().unwrap()), "{shell}: {}", options::flag(arg));
            }
            assert!(script.contains("healthcheck") && !script.contains("worker-tmp-dir"), "{shell}");
        }
        let page = gist(&["man"]);
        for arg in options::settable(&command) {
            assert!(page.contains(&options::env_name(arg).replace('-', "\\-")), "{}", options::key(arg));
        }
        assert!(page.contains(".TH MONOPOD 1") && page.contains(".SH SIGNALS"), "{page}");
        assert_eq!(
            gist(&["completions", "tcsh"]),
            "64: SHELL wants one of bash, elvish, fish, powershell, zsh, not `tcsh`."
        );
    }

    #[test]
    fn a_slip_in_a_command_is_told() {
        for (word, expected) in [
            ("chekc", Some("check")),
            ("Check", Some("check")),
            ("compres", Some("compress")),
            ("healtcheck", Some("healthcheck")),
            ("serv", Some("serve")),
            ("app", None),
            ("wsgi", None),
            ("site", None),
            ("chekc:app", None),
            ("chekc.py", None),
            ("", None),
        ] {
            let expected = expected.map(|near| format!("`{word}` is not a command; did you mean `monopod {near}`?"));
            assert_eq!(command_meant(word), expected, "{word}");
        }
        assert_eq!(command_meant("check").unwrap(), "A command comes first; did you mean `monopod check …`?");
        assert!(gist(&["chekc", "app:app"]).ends_with("did you mean `monopod check`?"));
    }

    #[test]
    fn gunicorns_flags_for_checking_are_checks() {
        for (words, expected) in [
            (&["--check-config"][..], Report::Silence),
            (&["serve", "--check-config", "app:app"], Report::Silence),
            (&["--print-config", "--check-config"], Report::Toml),
            (&["check", "--print-config"], Report::Toml),
            (&["check"], Report::Table),
        ] {
            let Ok(Command::Check(_, report)) = run(words) else { panic!("{words:?}") };
            assert_eq!(report, expected, "{words:?}");
        }
    }

    #[test]
    fn this_host_has_facts() {
        let facts = host(&|name| (name == "KUBERNETES_SERVICE_HOST").then(|| "10.0.0.1".into()));
        assert!(facts.in_container && facts.cpus.is_some_and(|cpus| cpus > 0.0) && facts.cwd.is_absolute());
    }
}
