//! gunicorn's options that are not ours, so that a command line moves over as it is.
//!
//! `table` says what becomes of each. `options` adds the accepted ones to its command, hidden; `resolve` asks
//! [`converted`] what they mean; docs/configuration.md shows the table. Options whose name and meaning are shared are in
//! `options` and not here. Pure: reads nothing.

use std::ffi::OsString;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches};

mod judges;
mod table;

pub use table::{Fate, Meaning, Row, TABLE};

/// The variable in which gunicorn takes further arguments. Of all sources it has the lowest rank.
pub const VARIABLE: &str = "GUNICORN_CMD_ARGS";
/// The file that gunicorn reads from the working directory.
pub const FILE: &str = "gunicorn.conf.py";
/// What the hidden options' ids begin with.
const ID: &str = "gunicorn_";

/// What to do instead of an option that is not there, as the second half of a sentence.
#[must_use]
pub fn advice(flag: &str) -> Option<&'static str> {
    let absent = table::ABSENT.iter().find(|(name, _)| *name == flag).map(|(_, advice)| *advice);
    absent.or_else(|| {
        let row = TABLE.iter().find(|row| row.flags.contains(&flag))?;
        match row.fate {
            Fate::Refused(advice) => Some(advice),
            Fate::Nothing(why) | Fate::Judged(_, why) => Some(why),
            Fate::Ours(_) => None,
        }
    })
}

/// Adds the options that are accepted, out of sight of help, completions and the settings.
pub(super) fn add_to(command: clap::Command) -> clap::Command {
    TABLE
        .iter()
        .filter(|row| !matches!(row.fate, Fate::Refused(_)))
        .fold(command, |command, row| command.arg(hidden(row)))
}

/// Whether this is how gunicorn's configuration is named: a Python file, or a module as `python:NAME`.
#[must_use]
pub fn is_file_of_its_own(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text.starts_with("python:")
        || text.starts_with("file:")
        || path.extension().is_some_and(|extension| extension == "py")
}

/// Whether the option is one of these.
#[must_use]
pub fn is_gunicorns(arg: &Arg) -> bool {
    arg.get_id().as_str().starts_with(ID)
}

fn id(row: &Row) -> String {
    format!("{ID}{}", row.flags[0])
}

fn hidden(row: &Row) -> Arg {
    let mut arg = Arg::new(id(row)).hide(true);
    for flag in row.flags {
        arg = match (flag.strip_prefix("--"), arg.get_long()) {
            (Some(long), None) => arg.long(long.to_owned()),
            (Some(long), Some(_)) => arg.alias(long.to_owned()),
            (None, _) => arg.short(flag.chars().nth(1)),
        };
    }
    match (row.value, row.fate) {
        ("", _) => arg.action(ArgAction::SetTrue),
        (value, Fate::Judged(judge, _)) => {
            arg.value_name(value).value_parser(move |text: &str| judge(text).map(|_| text.to_owned()))
        }
        (value, _) => arg.value_name(value),
    }
}

/// What the accepted options in a command line mean.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// Options of ours. Ahead of what was typed, so that our own names outrank them.
    pub args: Vec<OsString>,
    /// What to warn of: at most one sentence on what has no effect, one on what has another name.
    pub notes: Vec<String>,
}

/// Says what the accepted options in `matches` mean.
///
/// # Errors
/// The flag and value of one that is an option of ours, if `check` (which takes our option, the value and the flag)
/// refuses it.
pub fn converted(
    matches: &ArgMatches,
    check: &dyn Fn(&str, &OsString, &str) -> Result<(), String>,
) -> Result<Converted, String> {
    let (mut converted, mut idle, mut renamed) = (Converted::default(), Vec::new(), Vec::new());
    for row in TABLE.iter().filter(|row| !matches!(row.fate, Fate::Refused(_))) {
        let (id, flag) = (id(row), row.flags[0]);
        if matches.value_source(&id) != Some(clap::parser::ValueSource::CommandLine) {
            continue;
        }
        let value = matches.get_raw(&id).and_then(Iterator::last).map(ToOwned::to_owned).unwrap_or_default();
        match row.fate {
            Fate::Nothing(why) => idle.push((flag, why)),
            Fate::Ours(key) => {
                // gunicorn's 0 is no limit, and the most there is comes near.
                let is_unlimited = matches!(key, "max-request-line" | "max-header-size") && value == "0";
                let value = if is_unlimited { OsString::from("1m") } else { value };
                check(key, &value, flag)?;
                let mut arg = OsString::from(format!("--{key}="));
                arg.push(value);
                converted.args.push(arg);
                renamed.push(format!("{flag} is --{key}"));
            }
            Fate::Judged(judge, _) => match judge(&value.to_string_lossy())? {
                Meaning::Anyway => {}
                Meaning::Ours(arg) => converted.args.push(arg.into()),
                Meaning::Nothing(why) => idle.push((flag, why)),
            },
            Fate::Refused(_) => {}
        }
    }
    converted.notes.extend((!idle.is_empty()).then(|| without_effect(&idle)));
    converted
        .notes
        .extend((!renamed.is_empty()).then(|| format!("Of gunicorn's options, {} here.", renamed.join(", "))));
    Ok(converted)
}

/// One sentence for all, each reason told once.
fn without_effect(idle: &[(&str, &str)]) -> String {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (flag, why) in idle {
        match reasons.iter_mut().find(|(reason, _)| reason == why) {
            Some((_, flags)) => flags.push(flag),
            None => reasons.push((why, vec![flag])),
        }
    }
    let told: Vec<String> = reasons.iter().map(|(why, flags)| format!("{} ({why})", flags.join(", "))).collect();
    format!("Of gunicorn's options, these have no effect here: {}.", told.join("; "))
}

/// Joins `--proxy-protocol MODE` by a `=`: gunicorn's takes its mode as the next word, ours has none or one behind `=`.
#[must_use]
pub fn joined(words: &[OsString]) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::with_capacity(words.len());
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if word == "--" {
            joined.push(word.clone());
            joined.extend(rest.cloned());
            break;
        }
        let is_mode = ["off", "v1", "v2", "auto"].iter().any(|mode| word == mode);
        match joined.last_mut().filter(|before| is_mode && *before == "--proxy-protocol") {
            Some(before) => {
                before.push("=");
                before.push(word);
            }
            None => joined.push(word.clone()),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::options;
    use super::*;

    /// Every long flag of `gunicorn --help`, version 27.0.1.
    const THEIRS: &str = "\
        --access-logfile --access-logformat --asgi-disconnect-grace-period --asgi-lifespan --asgi-loop \
        --backlog --bind --ca-certs --capture-output --casefold-http-method --cert-reqs --certfile \
        --chdir --check-config --ciphers --config --control-socket --control-socket-mode --daemon \
        --dirty-app --dirty-graceful-timeout --dirty-threads --dirty-timeout --dirty-workers \
        --disable-redirect-access-to-syslog --do-handshake-on-connect --dogstatsd-tags \
        --enable-backlog-metric --enable-stdio-inheritance --env --error-logfile --forwarded-allow-ips \
        --forwarder-headers --graceful-timeout --group --header-map --http-parser --http-protocols \
        --http2-cleartext --http2-initial-window-size --http2-max-concurrent-streams \
        --http2-max-frame-size --http2-max-header-list-size --initgroups --keep-alive --keyfile \
        --limit-request-field_size --limit-request-fields --limit-request-line --log-config \
        --log-config-json --log-file --log-level --log-syslog --log-syslog-facility --log-syslog-prefix \
        --log-syslog-to --logger-class --max-requests --max-requests-jitter --name --no-control-socket \
        --no-sendfile --paste --paste-global --paster --permit-obsolete-folding \
        --permit-unconventional-http-method --permit-unconventional-http-version --pid --preload \
        --print-config --protocol --proxy-allow-from --proxy-protocol --pythonpath --reload \
        --reload-engine --reload-extra-file --reuse-port --root-path --spew --ssl-version --statsd-host \
        --statsd-prefix --strip-header-spaces --suppress-ragged-eofs --threads --timeout --umask --user \
        --uwsgi-allow-from --websocket-max-message-size --worker-class --worker-connections \
        --worker-tmp-dir --workers";
    const SHORT: &str = "-b -w -k -t -D -e -p -u -g -m -R -n -c";

    #[test]
    fn every_option_of_gunicorns_is_ours_or_in_the_table_and_never_both() {
        let command = options::our_own();
        let ours: BTreeSet<String> = command
            .get_arguments()
            .flat_map(|arg| {
                let long = arg.get_long().map(|long| format!("--{long}"));
                long.into_iter().chain(arg.get_short().map(|short| format!("-{short}")))
            })
            .collect();
        let table: Vec<&str> = TABLE.iter().flat_map(|row| row.flags).copied().collect();
        for flag in THEIRS.split_whitespace().chain(SHORT.split_whitespace()).filter(|word| word.starts_with('-')) {
            let times = usize::from(ours.contains(flag)) + table.iter().filter(|known| **known == flag).count();
            assert_eq!(times, 1, "{flag}");
        }
        for flag in table {
            assert!(THEIRS.split_whitespace().chain(SHORT.split_whitespace()).any(|known| known == flag), "{flag}");
        }
    }

    #[test]
    fn every_refusal_and_reason_is_half_a_sentence() {
        for row in TABLE {
            let text = match row.fate {
                Fate::Nothing(text) | Fate::Refused(text) | Fate::Judged(_, text) => text,
                Fate::Ours(key) => {
                    assert!(options::settable(&options::our_own()).any(|arg| options::key(arg) == key), "{key}");
                    continue;
                }
            };
            assert!(!text.is_empty() && !text.ends_with('.'), "{:?}", row.flags);
        }
    }

    #[test]
    fn a_mode_of_the_proxy_protocol_may_be_the_next_word() {
        let joined = |text: &str| {
            let words: Vec<OsString> = text.split(' ').map(OsString::from).collect();
            joined(&words).iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        for (text, expected) in [
            ("--proxy-protocol v1 app:app", "--proxy-protocol=v1 app:app"),
            ("--proxy-protocol app:app", "--proxy-protocol app:app"),
            ("app:app --proxy-protocol", "app:app --proxy-protocol"),
            ("--proxy-protocol auto off", "--proxy-protocol=auto off"),
            ("init -- gunicorn --proxy-protocol v2", "init -- gunicorn --proxy-protocol v2"),
        ] {
            assert_eq!(joined(text), expected);
        }
    }
}
