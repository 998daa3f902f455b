//! `monopod man`: the manual page, in roff.
//!
//! The options' sections are clap_mangen's rendering of the same definition as help; the rest is written here.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

const EXIT: &[(&str, &str)] = &[
    ("0", "It ran and was told to stop, or all is well."),
    ("1", "healthcheck: not ready; compress --check: siblings are missing or stale; explain: an application of ASGI."),
    ("64", "The command line is wrong."),
    ("66", "explain: a file that is named cannot be read."),
    ("69", "Something is not to be had, such as a port in use."),
    ("70", "The application or the server failed, such as an import that raises."),
    ("74", "Standard output cannot be written, as on a full disk."),
    ("78", "The environment or the configuration file is wrong."),
    ("126, 127", "init: the command cannot be run, or is not found."),
    ("128 + n", "As PID 1: the server was killed by signal n."),
];

const SIGNALS: &[(&str, &str)] = &[
    (
        "TERM",
        "Drain: go on for --drain-delay, then let requests end until --graceful-timeout. A second one ends it now.",
    ),
    ("INT, QUIT", "As TERM, without --drain-delay. After any of the three, another one ends it now."),
    ("HUP, USR2", "A line in the log: there is nothing to re-read."),
    ("USR1", "Write to standard error where every Python thread stands, each with its request."),
];

const FILES: &[(&str, &str)] = &[
    ("./monopod.toml", "The configuration file."),
    ("./pyproject.toml", "Its table [tool.monopod], where there is no monopod.toml."),
];

const EXAMPLES: &[(&str, &str)] = &[
    ("monopod", "Serve the Django or Flask application of this directory."),
    (
        "monopod shop.wsgi:application --bind :8000 --static /static=public",
        "Name it, listen on all addresses, serve files.",
    ),
    ("monopod check", "Show every setting, and who says so."),
    ("monopod compress public", "Compress static files at build time."),
];

/// `monopod man`.
pub fn subcommand() -> Command {
    Command::new("man")
        .override_usage("monopod man")
        .about("Print the manual page, in roff")
        .after_help("To read it: monopod man | man -l -")
}

/// The page on `command`.
///
/// # Errors
/// None but those of writing to memory.
pub fn page(mut command: Command) -> io::Result<String> {
    command.build();
    let version = format!("monopod {}", command.get_version().unwrap_or_default());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut head = Roff::new();
    head.control("TH", ["MONOPOD", "1", "", &version, "User Commands"]);
    // Words that are options stay as they are where a line ends.
    head.control("nh", []).control("ad", ["l"]);
    head.control("SH", ["NAME"]).text([roman("monopod - WSGI server for containers")]);
    head.control("SH", ["SYNOPSIS"]);
    head.text([bold("monopod"), roman(" [serve] ["), italic("TARGET"), roman("] ["), italic("OPTIONS"), roman("]")]);
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "serve") {
        let usage = subcommand.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: monopod ").to_owned();
        head.control("br", []).text([bold("monopod"), roman(format!(" {usage}"))]);
    }
    head.control("SH", ["DESCRIPTION"]).text([roman(about)]);
    head.control("PP", []).text([roman(
        "Every option is optional. It is a flag, an environment variable, or a key of the configuration file, which is the \
         flag without its dashes. The first that speaks counts: flag, environment, configuration file, GUNICORN_CMD_ARGS, \
         what the container's limits suggest, default.",
    )]);
    head.control("SH", ["COMMANDS"]);
    for subcommand in command.get_subcommands() {
        let about = subcommand.get_long_about().or_else(|| subcommand.get_about());
        head.control("TP", []).text([bold(subcommand.get_name())]);
        head.text([roman(format!("{}.", about.map(ToString::to_string).unwrap_or_default().trim_end_matches('.')))]);
    }
    let mut tail = Roff::new();
    terms(&mut tail, "FILES", FILES);
    terms(&mut tail, "EXIT STATUS", EXIT);
    terms(&mut tail, "SIGNALS", SIGNALS);
    terms(&mut tail, "EXAMPLES", EXAMPLES);

    let mut page = Vec::new();
    head.to_writer(&mut page)?;
    Man::new(command).render_options_section(&mut page)?;
    tail.to_writer(&mut page)?;
    Ok(without_preamble(&String::from_utf8_lossy(&page)))
}

fn terms(roff: &mut Roff, title: &str, terms: &[(&str, &str)]) {
    roff.control("SH", [title]);
    for (term, meaning) in terms {
        roff.control("TP", []).text([bold(*term)]).text([roman(*meaning)]);
    }
}

/// Each part begins with the definition of how an apostrophe looks; once is enough.
fn without_preamble(page: &str) -> String {
    let is_preamble = |line: &str| line.starts_with(".ie ") || line.starts_with(".el ");
    let preamble = page.lines().filter(|line| is_preamble(line)).take(2);
    let rest = page.lines().filter(|line| !is_preamble(line));
    preamble.chain(rest).fold(String::new(), |page, line| page + line + "\n")
}
