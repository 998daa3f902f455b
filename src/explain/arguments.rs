//! Command lines of other servers: which program it is, and its flags by the server's table.
//!
//! What a shell, a process manager or `python -m` puts in front is passed over. Words arrive split; nothing is run.

use super::Server;
use super::rules::{Rule, Takes, by_defaults};
use super::setting::{Place, Setting};

/// A command line of a known server.
#[derive(Debug, PartialEq, Eq)]
pub struct Invocation {
    pub server: Server,
    /// `NAME=value` words in front of it.
    pub variables: Vec<(String, String)>,
    /// An agent's command with its options, which starts monopod as well as it started the server.
    pub before: Vec<String>,
    /// What follows the program's name.
    pub arguments: Vec<String>,
}

/// What watches a program that it starts; its words stay.
const AGENTS: &[&str] = &["newrelic-admin", "ddtrace-run", "opentelemetry-instrument", "opencensus"];

/// Finds the server in the words of a command.
///
/// # Errors
/// A sentence that says what was found instead.
pub fn recognise(words: &[String]) -> Result<Invocation, String> {
    let mut variables = Vec::new();
    let mut before: Vec<String> = Vec::new();
    // Behind what starts another program may be options of it, and their values.
    let mut starter: Option<&str> = None;
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let name = word.rsplit('/').next().unwrap_or(word);
        let is_of_agent = starter.is_some_and(|starter| AGENTS.contains(&starter));
        if let Some((variable, value)) = word.split_once('=')
            && !variable.is_empty()
            && variable.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        {
            variables.push((variable.to_owned(), value.to_owned()));
            continue;
        }
        let server = match name {
            "gunicorn" | "gunicorn3" => Server::Gunicorn,
            "uwsgi" | "pyuwsgi" | "uwsgi_python3" | "uwsgi-core" => Server::Uwsgi,
            "granian" => Server::Granian,
            "nginx" => {
                return Err(
                    "nginx's command line says little: name its nginx.conf instead, as in `monopod explain nginx.conf`"
                        .to_owned(),
                );
            }
            _ if AGENTS.contains(&name) => {
                before.push(word.clone());
                starter = Some(name);
                continue;
            }
            "run-program" => {
                before.push(word.clone());
                continue;
            }
            "gosu" | "su-exec" | "setpriv" | "chpst" | "nice" | "ionice" | "taskset" | "timeout" | "stdbuf" | "env"
            | "time" | "tini" | "dumb-init" | "setuidgid" | "doas" | "sudo" => {
                starter = Some(name);
                continue;
            }
            // What only starts another program.
            "exec" | "nohup" | "poetry" | "uv" | "pipenv" | "pdm" | "hatch" | "rye" | "run" | "-m" | "--" | "-g"
            | "-u" => continue,
            _ if name.starts_with("python") || name.starts_with("pypy") => continue,
            "waitress-serve" | "mod_wsgi-express" | "unitd" => {
                return Err(format!("{name} is not read by explain; docs/migrating.md says what its options become"));
            }
            "uvicorn" | "hypercorn" | "daphne" => {
                return Err(format!(
                    "{name} serves ASGI applications, and monopod serves WSGI: there is nothing to move"
                ));
            }
            "sh" | "bash" | "-c" => {
                return Err(format!("name the server's command itself after `--`, without `{name}` around it"));
            }
            _ if is_of_agent => {
                before.push(word.clone());
                continue;
            }
            _ if starter.is_some() && !is_program(name) => continue,
            _ => {
                return Err(format!(
                    "`{name}` is no command that explain reads: after `--` it wants gunicorn, uwsgi or granian and its arguments"
                ));
            }
        };
        return Ok(Invocation { server, variables, before, arguments: rest.cloned().collect() });
    }
    Err("after `--` comes a command of gunicorn, uwsgi or granian with its arguments".to_owned())
}

/// Whether it is a program that people serve applications with, and not an option's value.
fn is_program(name: &str) -> bool {
    matches!(name, "flask" | "django-admin" | "manage.py" | "celery" | "bjoern" | "cheroot" | "hupper")
}

/// The settings of a command line by `table`, and its words that are no options, in order.
#[must_use]
pub fn read(arguments: &[String], table: &[Rule], source: &str) -> (Vec<Setting>, Vec<String>) {
    let mut settings = Vec::new();
    let mut words = Vec::new();
    let mut rest = arguments.iter().peekable();
    while let Some(word) = rest.next() {
        if word == "--" {
            words.extend(rest.cloned());
            break;
        }
        if !word.starts_with('-') || word == "-" {
            words.push(word.clone());
            continue;
        }
        let (flag, mut value) = match word.split_once('=') {
            Some((flag, value)) if word.starts_with("--") => (flag.to_owned(), Some(value.to_owned())),
            _ => (word.clone(), None),
        };
        let mut rule = find(table, &flag);
        let mut name = flag.clone();
        if rule.is_none() && !flag.starts_with("--") && flag.len() > 2 && flag.is_char_boundary(2) {
            // -w4
            rule = find(table, &flag[..2]);
            if rule.is_some() {
                value = Some(flag[2..].trim_start_matches('=').to_owned());
                flag[..2].clone_into(&mut name);
            }
        }
        let takes = rule.map_or(Takes::Maybe, |rule| rule.takes);
        if value.is_none() {
            let free = rest.peek().is_some_and(|next| !next.starts_with('-') || *next == "-");
            if takes == Takes::Value || takes == Takes::Maybe && free {
                value = rest.next().cloned();
            }
        }
        let place = Place { source: source.to_owned(), line: None };
        let read = value.as_deref().map(by_defaults);
        // Another machine may have set the variable.
        let computed = read != value;
        settings.push(Setting { place, name, values: read.into_iter().collect(), computed, assigned: false });
    }
    (settings, words)
}

/// The row of a flag as it was typed; the beginning of a long one will do, where it is of one only.
#[must_use]
pub fn find<'a>(table: &'a [Rule], flag: &str) -> Option<&'a Rule> {
    let exact = table.iter().find(|rule| rule.flags.contains(&flag) || flag.strip_prefix("--") == Some(rule.name));
    if exact.is_some() || !flag.starts_with("--") || flag.len() < 4 {
        return exact;
    }
    let mut near = table.iter().filter(|rule| rule.flags.iter().any(|known| known.starts_with(flag)));
    match (near.next(), near.next()) {
        (Some(rule), None) => Some(rule),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::shell_words::shell_words;

    #[test]
    fn the_server_is_found_behind_what_starts_it() {
        for (line, server, arguments) in [
            ("gunicorn -w 4 app:app", Server::Gunicorn, "-w 4 app:app"),
            ("exec /venv/bin/gunicorn app", Server::Gunicorn, "app"),
            ("python3.12 -m gunicorn app", Server::Gunicorn, "app"),
            ("uv run granian --interface wsgi a:b", Server::Granian, "--interface wsgi a:b"),
            ("A=b NEW_RELIC=1 newrelic-admin run-program uwsgi --ini x.ini", Server::Uwsgi, "--ini x.ini"),
        ] {
            let found = recognise(&shell_words(line).unwrap()).unwrap();
            assert_eq!((found.server, found.arguments.join(" ").as_str()), (server, arguments), "{line}");
        }
        for (line, before) in [
            ("newrelic-admin run-program gunicorn app", "newrelic-admin run-program"),
            ("/venv/bin/ddtrace-run gunicorn app", "/venv/bin/ddtrace-run"),
            (
                "opentelemetry-instrument --traces_exporter console gunicorn app",
                "opentelemetry-instrument --traces_exporter console",
            ),
            ("nice -n 10 gunicorn app", ""),
            ("gosu www gunicorn app", ""),
            ("setpriv --reuid www --clear-groups gunicorn app", ""),
        ] {
            let found = recognise(&shell_words(line).unwrap()).unwrap();
            assert_eq!((found.before.join(" ").as_str(), found.arguments), (before, vec!["app".to_owned()]), "{line}");
        }
        for (line, part) in [
            ("", "after `--` comes a command"),
            ("uvicorn a:b", "ASGI"),
            ("waitress-serve a:b", "docs/migrating.md"),
            ("sh -c 'gunicorn a'", "without `sh`"),
            ("flask run", "`flask` is no command"),
            ("nginx -c x", "name its nginx.conf"),
        ] {
            assert!(recognise(&shell_words(line).unwrap()).unwrap_err().contains(part), "{line}");
        }
    }
}
