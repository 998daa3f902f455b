//! Keyword arguments of a program (`monopod.Server`): the options of the command, by the same definition, in another
//! spelling.
//!
//! They are all that counts: neither the environment nor a configuration file is read, and being in a container changes
//! no default. Called by `extension`, which makes the table of Python values; its keys are the option's name with
//! underscores.

use std::ffi::OsString;

use toml::Table;

use super::error::StartError;
use super::resolve::{Purpose, Resolved, finish};
use super::sizing::Host;
use super::sources::{Env, Layers, Source};
use super::variables::Variables;
use super::{file, options};

/// Options that make no sense where somebody else has the process, its environment and its log.
const OF_THE_PROCESS: &[&str] = &[
    "reload",
    "reload_extra_file",
    "open",
    "target",
    "workers",
    "chdir",
    "venv",
    "config",
    "env",
    "env_dir",
    "ready_hook",
    "log_level",
    "log_format",
];

/// Why keyword arguments are refused. `Display` is the sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misused {
    /// There is no such argument, or it has a value of the wrong kind.
    #[error("{0}")]
    Kind(String),
    /// Its value is refused.
    #[error(transparent)]
    Value(#[from] StartError),
}

/// The names of all keyword arguments.
#[must_use]
pub fn names() -> Vec<String> {
    let command = options::command();
    let ids = options::settable(&command).map(|arg| arg.get_id().to_string());
    ids.filter(|id| !OF_THE_PROCESS.contains(&id.as_str())).collect()
}

/// Resolves what was given. `env` is asked for TMPDIR alone.
///
/// # Errors
/// [`Misused`], with the sentence that the command has for it.
pub fn resolve(given: &Table, env: Env<'_>, host: &Host) -> Result<Resolved, Misused> {
    let command = options::command();
    let mut layers = Layers::default();
    for (name, value) in given {
        let arg = options::settable(&command)
            .find(|arg| arg.get_id() == name.as_str() && !OF_THE_PROCESS.contains(&name.as_str()));
        let Some(arg) = arg else { return Err(Misused::Kind(unknown(&command, name))) };
        let wants = |what| Misused::Kind(format!("{name} wants {what}, not {}.", file::kind(value)));
        let values = file::texts(arg, value).map_err(wants)?;
        layers.offer(arg, values.into_iter().map(OsString::from).collect(), Source::Keyword)?;
    }
    let tmpdir = |name: &str| if name == "TMPDIR" { env(name) } else { None };
    Ok(finish(Purpose::Serve, &command, layers, &[], Variables::default(), Vec::new(), &tmpdir, host)?)
}

fn unknown(command: &clap::Command, name: &str) -> String {
    if OF_THE_PROCESS.contains(&name) {
        return format!("{name} is an option of the command only: a server in a program leaves that to the program.");
    }
    match file::nearest(command, &name.replace('_', "-")).map(|near| near.replace('-', "_")) {
        Some(near) if !OF_THE_PROCESS.contains(&near.as_str()) => {
            format!("{name} is not an option of monopod; did you mean {near}?")
        }
        _ => format!("{name} is not an option of monopod; docs/configuration.md lists them."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(toml: &str) -> Result<Resolved, String> {
        let host = Host {
            cpus: Some(1.0),
            memory_limit: None,
            machine_memory: None,
            descriptors: 1024,
            in_container: false,
            stdout_is_terminal: false,
            variables: Vec::new(),
            cwd: "/".into(),
        };
        let env = |name: &str| Some(OsString::from(if name == "TMPDIR" { "/var/tmp" } else { "9" }));
        resolve(&toml.parse().unwrap(), &env, &host).map_err(|misused| match misused {
            Misused::Kind(sentence) => format!("kind: {sentence}"),
            Misused::Value(error) => format!("value: {error}"),
        })
    }

    #[test]
    fn they_are_the_options_of_the_command_and_all_that_counts() {
        let text = "bind = '127.0.0.1:0'\nthreads = 3\nstatic = { '/s' = 'dir' }\nmax_body_size = ['1m', '/up=1g']\naccess_log = false";
        let resolved = run(text).unwrap();
        let settings = &resolved.settings;
        assert_eq!((settings.serve.threads, settings.logs.access, settings.static_files.mounts.len()), (3, false, 1));
        assert_eq!(settings.limits.max_body_size.at(b"/up/x"), 1 << 30);
        assert_eq!(settings.buffers.temp_dir.to_str(), Some("/var/tmp"));
        assert!(resolved.is_named("threads") && !resolved.is_named("timeout"));
        assert_eq!(run("").unwrap().settings.serve.threads, 4, "the environment is not read");
    }

    #[test]
    fn a_wrong_one_has_the_sentence_of_the_command() {
        for (text, expected) in [
            ("thread = 4", "kind: thread is not an option of monopod; did you mean threads?"),
            ("zzzzzz = 4", "kind: zzzzzz is not an option of monopod; docs/configuration.md lists them."),
            ("threads = [1]", "kind: threads wants a single value, not a list."),
            ("temp_dir = 1", "kind: temp_dir wants text in quotes, not a number."),
            ("threads = 0", "value: threads wants a whole number from 1 to 512, not `0`."),
            ("max_age = 'soon'", "value: max_age wants"),
            (
                "log_level = 'debug'",
                "kind: log_level is an option of the command only: a server in a program leaves that to the program.",
            ),
        ] {
            let refused = run(text).unwrap_err();
            assert!(refused.starts_with(expected), "{text}: {refused}");
        }
        assert!(names().contains(&"max_body_size".to_owned()) && !names().contains(&"target".to_owned()));
    }
}
