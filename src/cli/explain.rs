//! `monopod explain` on the command line.

use std::path::PathBuf;

use clap::Arg;

use crate::config::StartError;
use crate::explain::Server;
use crate::explain::report::Format;

/// What `monopod explain` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explain {
    /// Files, `-` for standard input.
    pub files: Vec<PathBuf>,
    /// A command of another server, in words.
    pub command: Vec<String>,
    /// Whose files they are, where that is said.
    pub from: Option<Server>,
    pub format: Format,
    /// For a gunicorn.conf.py, which is evaluated.
    pub venv: Option<PathBuf>,
}

/// `monopod explain`, as it is typed.
pub fn subcommand() -> clap::Command {
    let word = |name: &'static str, value: &'static str| Arg::new(name).long(name).value_name(value);
    clap::Command::new("explain")
        .override_usage(
            "monopod explain [--format FORMAT] [--from SERVER] FILE…\n       monopod explain [FILE…] -- COMMAND [ARG…]",
        )
        .about("Say what another server's configuration becomes")
        .long_about("Say what the configuration of gunicorn, uWSGI, granian and nginx becomes")
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .help("gunicorn.conf.py, uwsgi.ini, nginx.conf, also several that work together; - is standard input")
                .num_args(0..)
                .value_parser(clap::value_parser!(PathBuf)),
        )
        .arg(
            Arg::new("command")
                .value_name("COMMAND")
                .help("Behind --: a command of gunicorn, uwsgi or granian; it is not run")
                .num_args(0..)
                .last(true)
                .allow_hyphen_values(true),
        )
        .arg(
            word("format", "FORMAT")
                .help("command, toml or json [default: command]")
                .value_parser(["command", "toml", "json"])
                .hide_possible_values(true),
        )
        .arg(
            word("from", "SERVER")
                .help("gunicorn, uwsgi, granian or nginx [default: by name and content]")
                .value_parser(["gunicorn", "uwsgi", "granian", "nginx"])
                .hide_possible_values(true),
        )
        .arg(
            word("venv", "DIR")
                .help("Virtual environment to evaluate a gunicorn.conf.py in [default: as for serving]")
                .value_parser(clap::value_parser!(PathBuf)),
        )
}

/// What it is asked.
///
/// # Errors
/// [`StartError::Usage`].
pub fn asked(matches: &clap::ArgMatches) -> Result<Explain, StartError> {
    let asked = Explain {
        files: matches.get_many::<PathBuf>("file").unwrap_or_default().cloned().collect(),
        command: matches.get_many::<String>("command").unwrap_or_default().cloned().collect(),
        from: match matches.get_one::<String>("from").map(String::as_str) {
            None => None,
            Some("gunicorn") => Some(Server::Gunicorn),
            Some("uwsgi") => Some(Server::Uwsgi),
            Some("granian") => Some(Server::Granian),
            Some("nginx") => Some(Server::Nginx),
            Some(other) => {
                let sentence = format!("--from wants gunicorn, uwsgi, granian or nginx, not `{other}`.");
                return Err(StartError::usage(sentence));
            }
        },
        format: match matches.get_one::<String>("format").map(String::as_str) {
            None | Some("command") => Format::Command,
            Some("toml") => Format::Toml,
            Some("json") => Format::Json,
            Some(other) => {
                return Err(StartError::usage(format!("--format wants command, toml or json, not `{other}`.")));
            }
        },
        venv: matches.get_one::<PathBuf>("venv").cloned(),
    };
    if asked.files.is_empty() && asked.command.is_empty() {
        return Err(StartError::usage(
            "explain wants files, such as gunicorn.conf.py and nginx.conf, or a command after `--`, such as `-- gunicorn app:app`.",
        ));
    }
    Ok(asked)
}
