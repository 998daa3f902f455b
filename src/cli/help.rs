//! What help shows: `-h` the options most used, on one screen; `--help` all in their groups; `monopod help GROUP` one
//! group.
//!
//! All three are clap's own rendering of the same definition, with arguments hidden and their texts cut or completed;
//! a command shows none that it refuses or has no use for. Called by [`super::parse`]. Never prints.

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::completions;
use crate::config::StartError;
use crate::config::dev_default;
use crate::config::options;
use crate::config::sources::platform_name;

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The options most used, each by the first words of its meaning.
    Brief,
    /// All of them, with their variables and defaults.
    Whole,
    /// As `Whole`, of the group with this heading.
    Group(&'static str),
    /// All of them, each by the first words of its meaning, for completions.
    Words,
}

/// Whose options are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Those of `monopod` itself: `--help` and the manual page have what any command takes, all else what serving does.
    Ours,
    /// Those of `serve` and `check`.
    Serving,
    /// Those of `dev`.
    Dev,
    /// Those that `healthcheck` looks at; it takes the server's other ones without a word.
    Healthcheck,
}

impl Whose {
    /// Whether the command has a use for the option, in help of this form.
    fn has(self, arg: &Arg, form: Form) -> bool {
        match self {
            Self::Ours if matches!(form, Form::Whole | Form::Group(_)) => true,
            Self::Ours | Self::Serving => !options::is_dev(arg),
            Self::Dev => true,
            Self::Healthcheck => HEALTHCHECK.contains(&arg.get_id().as_str()),
        }
    }
}

/// The ids of what decides where `healthcheck` asks, and how.
const HEALTHCHECK: &[&str] = &[
    "bind",
    "admin_bind",
    "health_path",
    "chdir",
    "config",
    "forwarded_allow_ips",
    "proxy_protocol",
    "no_proxy_protocol",
];

/// The options that most need, in the order of `--help`, and what is said of them where the first words do not tell.
const BRIEF: &[(&str, &str)] = &[
    ("target", "Application: module:callable or path/app.py"),
    ("bind", ""),
    ("threads", ""),
    ("chdir", ""),
    ("env", ""),
    ("static", ""),
    ("static-root", ""),
    ("max-body-size", ""),
    ("timeout", "Time the application has to begin its answer"),
    ("forwarded-allow-ips", "Proxies that are believed"),
    ("graceful-timeout", "Time requests have to end when it stops"),
    ("log-level", ""),
    ("access-log", ""),
    ("reload", "Start it anew when a file changes; --no-reload: do not"),
    ("reload-extra-file", ""),
    ("open", ""),
];

/// What a group is called behind `monopod help`, and its heading.
pub const GROUPS: &[(&str, &str)] = &[
    ("serve", "Serve"),
    ("static", "Static files"),
    ("limits", "Limits"),
    ("edge", "Edge"),
    ("life", "Life"),
    ("logs", "Logs"),
    (DEV, "Development (monopod dev)"),
];

/// A group, and the one command that it is for.
const DEV: &str = "dev";

/// The heading of what is no setting.
const OTHER: &str = "Other";
const WHOLE: &str = "whole-help";
const ORDER: &str = "Order: flag, environment, monopod.toml or [tool.monopod] in pyproject.toml, GUNICORN_CMD_ARGS, container, \
                     default.";
const ALIKE: &str = "It takes all options of the server, so that both can be started alike, and looks at these. Most easily they \
                     are variables or in monopod.toml, which reach both.";

/// The names of the groups, as a sentence has them.
fn groups() -> String {
    let names: Vec<&str> = GROUPS.iter().map(|(name, _)| *name).collect();
    match names.split_last() {
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// What `-h` says of that which it does not show.
fn more() -> String {
    format!(
        "All options, with their variables and defaults: monopod --help; one group of them: monopod help {}. None is \
         required. Each can also be a variable, MONOPOD_THREADS=8, or a key in monopod.toml, threads = 8.",
        groups()
    )
}

/// The command as help of this form shows it.
pub fn shaped(command: Command, form: Form, whose: Whose) -> Command {
    let flag = |id: &'static str, help: &'static str| Arg::new(id).help(help).help_heading(OTHER);
    let command = command
        .disable_help_flag(true)
        .mut_args(|arg| if whose.has(&arg, form) { shape(arg, form, whose) } else { arg.hide(true) })
        .arg(flag("help", "Show the options most used").short('h').action(ArgAction::HelpShort).hide_short_help(true))
        .arg(flag(WHOLE, "Show all options").long("help").action(ArgAction::SetTrue));
    match form {
        Form::Words => command,
        _ if whose == Whose::Healthcheck => command.after_help(ALIKE),
        Form::Brief => command.after_help(more()),
        Form::Whole | Form::Group(_) => command.after_help(ORDER),
    }
}

/// The options that the command has a use for, for what does not know hidden ones: completions.
pub fn narrowed(command: &Command, whose: Whose) -> Command {
    let theirs = command.get_arguments().filter(|arg| whose.has(arg, Form::Words)).cloned();
    Command::new("monopod").bin_name("monopod").args(theirs)
}

fn shape(arg: Arg, form: Form, whose: Whose) -> Arg {
    let is_setting = options::is_setting(&arg);
    let arg = if arg.get_help_heading().is_none() { arg.help_heading(OTHER) } else { arg };
    match form {
        Form::Group(heading) if arg.get_help_heading() != Some(heading) => arg.hide(true),
        Form::Whole | Form::Group(_) if is_setting => show_env(arg, whose),
        Form::Brief => match BRIEF.iter().find(|(key, _)| *key == options::key(&arg)) {
            Some((key, "")) => {
                let (meaning, _) = options::meaning(&arg);
                let placeholder = if *key == "max-body-size" { Some("SIZE") } else { None };
                let help = first_words(&meaning).to_owned();
                placeholder.into_iter().fold(arg, Arg::value_name).help(help).hide_default_value(true)
            }
            Some((_, help)) => arg.help(*help).hide_default_value(true),
            None if whose == Whose::Healthcheck && !options::is_negation(&arg) => {
                let help = first_words(&options::meaning(&arg).0).to_owned();
                arg.help(help).hide_default_value(true)
            }
            None => arg.hide_short_help(true),
        },
        Form::Words => {
            let help = first_words(&options::meaning(&arg).0).to_owned();
            completions::hinted(arg.help(help))
        }
        Form::Whole | Form::Group(_) => arg,
    }
}

/// A meaning up to its first detail.
fn first_words(meaning: &str) -> &str {
    [": ", "; ", ", ", " (", " before ", " once "]
        .iter()
        .fold(meaning, |text, mark| text.split(mark).next().unwrap_or(text))
}

/// Adds the environment names to an option's help, before its default.
fn show_env(arg: Arg, whose: Whose) -> Arg {
    let (meaning, default) = options::meaning(&arg);
    let developers = if whose == Whose::Dev { dev_default(arg.get_id().as_str()) } else { None };
    let default = developers.map(str::to_owned).or(default);
    let platform = platform_name(arg.get_id().as_str()).map(|name| format!(", {name}")).unwrap_or_default();
    let default = default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
    let help = format!("{meaning} [env: {}{platform}]{default}", options::env_name(&arg));
    arg.help(help).hide_default_value(true)
}

/// What every subcommand has: its own name for completions, and `-h` and `--help` where it has not its own (clap's are off
/// for all as soon as one has others).
pub fn completed(command: Command) -> Command {
    let name = format!("monopod {}", command.get_name());
    let has_help = command.get_arguments().any(|arg| arg.get_id() == "help");
    let command = command.bin_name(name);
    if has_help {
        return command;
    }
    command.arg(Arg::new("help").short('h').long("help").help("Show this").action(ArgAction::Help))
}

/// `--version`, and gunicorn's short form of it.
pub fn version() -> Arg {
    Arg::new("version")
        .short('V')
        .short_alias('v')
        .long("version")
        .help("Show the version")
        .help_heading(OTHER)
        .action(ArgAction::Version)
}

/// `monopod help [TOPIC]`.
pub fn subcommand() -> Command {
    Command::new("help")
        .override_usage("monopod help [GROUP | COMMAND]")
        .about("Show a group of options, or a command's help")
        .arg(Arg::new("topic").value_name("TOPIC").help(format!("{}; or a command", groups())))
}

/// Whether all options are asked for.
pub fn is_whole(matches: &ArgMatches) -> bool {
    matches!(matches.try_get_one::<bool>(WHOLE), Ok(Some(true)))
}

/// The help of the subcommand with this name; of the whole command without one.
pub fn of_subcommand(mut command: Command, name: &str) -> StyledStr {
    command.build();
    match command.find_subcommand_mut(name) {
        Some(subcommand) => subcommand.render_help(),
        None => command.render_help(),
    }
}

/// The help on a topic, from the command that `face` makes.
///
/// # Errors
/// [`StartError::Usage`] when it is neither a group nor a command.
pub fn on(topic: Option<&str>, face: &dyn Fn(Form) -> Command) -> Result<StyledStr, StartError> {
    let Some(topic) = topic else { return Ok(of_subcommand(face(Form::Whole), "")) };
    if let Some((_, heading)) = GROUPS.iter().find(|(name, _)| *name == topic) {
        let command = if topic == DEV { DEV } else { "serve" };
        return Ok(of_subcommand(face(Form::Group(heading)), command));
    }
    let whole = face(Form::Whole);
    if whole.get_subcommands().any(|command| command.get_name() == topic) {
        return Ok(of_subcommand(whole, topic));
    }
    let names = whole.get_subcommands().map(Command::get_name).collect::<Vec<_>>().join(", ");
    let groups = GROUPS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    Err(StartError::usage(format!("`{topic}` is neither a group of options ({groups}) nor a command ({names}).")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_heading_is_a_group_and_every_name_an_option() {
        let command = options::our_own();
        let mut headings: Vec<&str> = options::settable(&command).filter_map(Arg::get_help_heading).collect();
        headings.dedup();
        let ours: Vec<&str> = GROUPS.iter().map(|(_, heading)| *heading).collect();
        assert_eq!(ours, headings);
        let is_option = |id: &str| command.get_arguments().any(|arg| arg.get_id() == id || options::key(arg) == id);
        let unknown: Vec<_> =
            BRIEF.iter().map(|(key, _)| key).chain(HEALTHCHECK).filter(|name| !is_option(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        assert!(groups().starts_with("serve, static, ") && groups().ends_with(" or dev"), "{}", groups());
    }
}
