//! The tables as docs/migrating.md shows them.

use std::fmt::Write as _;

use super::rules::{Becomes, Rule};
use super::setting::Status;
use super::{granian, gunicorn, nginx, uwsgi_table};

/// Markdown: for each server a table of its settings and what they become.
#[must_use]
pub fn table(server: &str) -> String {
    let rules = match server {
        "gunicorn" => gunicorn::TABLE,
        "uwsgi" => uwsgi_table::TABLE,
        "granian" => granian::TABLE,
        _ => nginx::table::TABLE,
    };
    let mut text = format!("| {} | monopod | |\n|---|---|---|\n", if server == "uwsgi" { "uWSGI" } else { server });
    for rule in rules.iter().filter(|rule| !rule.note.is_empty() || !matches!(rule.becomes, Becomes::Nothing(_))) {
        let _ = writeln!(text, "| {} | {} | {} |", names(rule), becomes(rule), escaped(rule.note));
    }
    text
}

fn names(rule: &Rule) -> String {
    let mut names = vec![format!("`{}`", rule.name)];
    for flag in rule.flags {
        let bare = flag.trim_start_matches('-');
        let is_same = bare == rule.name || bare.replace('-', "_") == rule.name || *flag == rule.name;
        // A word for another directive of the same fate, or a flag that is called otherwise.
        if !is_same && (bare.len() > 1 || rule.flags.len() == 1) {
            names.push(format!("`{flag}`"));
        }
    }
    names.join(", ")
}

fn becomes(rule: &Rule) -> String {
    let flag = |key: &str| match key {
        "target" => "TARGET".to_owned(),
        "access-log" => "`--no-access-log`".to_owned(),
        key => format!("`--{key}`"),
    };
    match rule.becomes {
        Becomes::Nothing(status) | Becomes::Own(status, "") => status.word().to_owned(),
        Becomes::Own(Status::NotYet, key) => format!("not yet; {}", flag(key)),
        Becomes::Own(Status::NotNeeded, key) => format!("not needed, or {}", flag(key)),
        Becomes::Own(Status::Dropped, key) => format!("dropped, or {}", flag(key)),
        Becomes::Option(key, _) | Becomes::Own(_, key) => flag(key),
    }
}

fn escaped(note: &str) -> String {
    note.replace('|', "\\|")
}
