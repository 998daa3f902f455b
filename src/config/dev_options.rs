//! The definition of the options of `monopod dev` alone, a part of [`super::options`], where their form is explained.
#![allow(clippy::doc_markdown, reason = "the fields' doc comments are the text of --help, which is not Markdown")]

use clap::builder::ArgPredicate;
use clap::{ArgAction, Args};

use super::values::{boolean, file_pattern};

/// What `monopod dev` does besides serving.
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option, or its negation")]
#[command(next_help_heading = "Development (monopod dev)")]
pub struct DevOptions {
    /// Start the application anew when a file of it changes; without, it runs in the process that was started, as
    /// debuggers like it
    #[arg(long, value_name = "BOOL", value_parser = boolean, default_value = "true", action = ArgAction::Set,
          num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value_if("no_reload", ArgPredicate::IsPresent, "false"), overrides_with = "no_reload")]
    pub reload: bool,

    /// Run the application in the process that was started
    #[arg(long, overrides_with = "reload")]
    no_reload: bool,

    /// Another file whose change starts the application anew, or a pattern of such files (`*`, `?`, `**`); repeatable
    /// [default: none]
    #[arg(long, value_name = "FILE", value_parser = file_pattern)]
    pub reload_extra_file: Vec<String>,

    /// Open the application in the browser once it is ready
    #[arg(long, value_name = "BOOL", value_parser = boolean, default_value = "false", action = ArgAction::Set,
          num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value_if("no_open", ArgPredicate::IsPresent, "false"), overrides_with = "no_open")]
    pub open: bool,

    /// Open no browser
    #[arg(long, overrides_with = "open")]
    no_open: bool,
}

/// The ids of these options as they are typed.
pub(super) const IDS: [&str; 5] = ["reload", "no_reload", "reload_extra_file", "open", "no_open"];
