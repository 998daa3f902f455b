//! The definition of the options about logs, a part of [`super::options`], where their form is explained.
#![allow(clippy::doc_markdown, reason = "the fields' doc comments are the text of --help, which is not Markdown")]

use std::time::Duration;

use clap::builder::ArgPredicate;
use clap::{ArgAction, Args};

use super::access_format::{AccessFormat, access_format};
use super::settings::LogFormat;
use super::values::{boolean, duration, level, log_format};

/// What is written, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogOptions {
    /// Least severe level written: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", value_parser = level, default_value = "info")]
    pub log_level: tracing::Level,

    /// Form of a log line: json or text [default: json in a container unless on a terminal, else text]
    #[arg(long, value_name = "FORMAT", value_parser = log_format)]
    pub log_format: LogFormat,

    /// Write a line for each request
    #[arg(long, value_name = "BOOL", value_parser = boolean, default_value = "true", action = ArgAction::Set,
          num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value_if("no_access_log", ArgPredicate::IsPresent, "false"), overrides_with = "no_access_log")]
    pub access_log: bool,

    /// Write no line for each request
    #[arg(long, overrides_with = "access_log")]
    no_access_log: bool,

    /// What the line of a request is, in gunicorn's atoms, such as '%(h)s "%(r)s" %(s)s %(b)s %(D)s'
    /// [default: a record of the --log-format]
    #[arg(long, value_name = "FORMAT", value_parser = access_format)]
    pub access_logformat: Option<AccessFormat>,

    /// How long the application may take to begin its answer before a warning tells where it stands, with its Python
    /// stack; 0: for ever
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    pub slow_request: Duration,
}
