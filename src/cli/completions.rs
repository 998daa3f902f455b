//! `monopod completions SHELL`: the script by which a shell completes our commands, options and their values.
//!
//! Rendered by clap_complete from the same definition as help. What a value may be is told here for the shells alone: the
//! options' own parsers take more than can be listed.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command, ValueHint};
use clap_complete::Shell;

use super::help::GROUPS;

/// `monopod completions SHELL`.
pub fn subcommand() -> Command {
    Command::new("completions")
        .override_usage("monopod completions SHELL")
        .about("Print the script by which a shell completes monopod's words")
        .after_help(
            "bash: monopod completions bash > ~/.local/share/bash-completion/completions/monopod\n\
             zsh:  monopod completions zsh > a directory of $fpath, as _monopod\n\
             fish: monopod completions fish > ~/.config/fish/completions/monopod.fish",
        )
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .help("The shell")
                .required(true)
                .value_parser(clap::value_parser!(Shell)),
        )
}

/// The shell that was named.
pub fn shell(matches: &ArgMatches) -> Option<Shell> {
    matches.get_one::<Shell>("shell").copied()
}

/// The script for `shell`, from the command that is completed.
pub fn script(shell: Shell, command: Command) -> String {
    let groups = GROUPS.iter().map(|(name, _)| (*name).to_owned());
    let topics: Vec<String> =
        groups.chain(command.get_subcommands().skip(1).map(|subcommand| subcommand.get_name().to_owned())).collect();
    let known = |topic: Arg| topic.value_parser(PossibleValuesParser::new(topics));
    let mut command = command.mut_subcommand("help", |help| help.mut_arg("topic", known));
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "monopod", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Tells the shell what a value may be.
pub fn hinted(arg: Arg) -> Arg {
    if !arg.get_action().takes_values() {
        return arg;
    }
    let placeholder = arg.get_value_names().and_then(<[_]>::first).map(ToString::to_string).unwrap_or_default();
    match (arg.get_id().as_str(), placeholder.as_str()) {
        ("log_level", _) => arg.value_parser(PossibleValuesParser::new(["error", "warn", "info", "debug", "trace"])),
        ("log_format", _) => arg.value_parser(PossibleValuesParser::new(["json", "text"])),
        (_, "BOOL") => arg.value_parser(PossibleValuesParser::new(["true", "false"])),
        (_, "DIR") => arg.value_hint(ValueHint::DirPath),
        (_, "FILE") => arg.value_hint(ValueHint::FilePath),
        ("target", _) => arg.value_hint(ValueHint::AnyPath),
        _ => arg.value_hint(ValueHint::Other),
    }
}
