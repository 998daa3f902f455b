//! One sentence for whatever clap refuses, as a person would say it.
//!
//! Called wherever arguments are parsed. Pure.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::gunicorn;

/// One sentence for a clap error; `label` names where the value came from when it was not typed.
#[must_use]
pub fn sentence(error: &clap::Error, label: Option<&str>) -> String {
    use std::error::Error as _;
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.first().cloned().unwrap_or_default(),
        _ => String::new(),
    };
    let arg = text(ContextKind::InvalidArg);
    // clap writes `--threads <N>`, `--access-log[=<BOOL>]` and `[TARGET]`.
    let typed = arg.split([' ', '=']).next().unwrap_or_default().trim_matches(['[', ']', '.', '<', '>']);
    let name = label.unwrap_or(typed);
    match (error.kind(), error.source()) {
        (ErrorKind::ValueValidation, Some(reason)) => format!("{name} {reason}."),
        (ErrorKind::InvalidUtf8, _) => format!("{} wants text in UTF-8.", label.unwrap_or("The command line")),
        (ErrorKind::MissingRequiredArgument, _) => format!("Name at least one {name}."),
        (ErrorKind::InvalidValue, _) if !text(ContextKind::InvalidValue).is_empty() => {
            let valid = match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(valid)) => valid.join(", "),
                _ => String::new(),
            };
            format!("{name} wants one of {valid}, not `{}`.", text(ContextKind::InvalidValue))
        }
        (ErrorKind::InvalidValue | ErrorKind::TooFewValues, _) => format!("{name} wants a value."),
        (ErrorKind::TooManyValues, _) => format!("{name} takes no value."),
        (ErrorKind::UnknownArgument, _) if arg.starts_with('-') => {
            match (gunicorn::advice(&arg), text(ContextKind::SuggestedArg).as_str()) {
                (Some(advice), _) => format!("{arg} is not an option of monopod: {advice}."),
                (None, "") => format!("{arg} is not an option of monopod; `monopod --help` lists them."),
                (None, near) => format!("{arg} is not an option of monopod; did you mean {near}?"),
            }
        }
        (ErrorKind::UnknownArgument, _) => one_too_many(&arg),
        // The second word, as no subcommand may follow a first word that is not one.
        (ErrorKind::ArgumentConflict, _) if !text(ContextKind::InvalidSubcommand).is_empty() => {
            one_too_many(&text(ContextKind::InvalidSubcommand))
        }
        _ => {
            let whole = error.to_string();
            let first = whole.lines().next().unwrap_or_default();
            format!("{}.", first.trim_start_matches("error: ").trim_end_matches('.'))
        }
    }
}

fn one_too_many(word: &str) -> String {
    format!("`{word}` is one argument too many: options aside, monopod takes one TARGET.")
}
