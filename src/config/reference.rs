//! Renders docs/configuration.md from the definition of the options, so that the page cannot drift from the code.
//!
//! Called by a test that compares the page with this text. Pure.

use std::fmt::Write as _;

use super::gunicorn::{self, Fate};
use super::{options, sources};

const INTRO: &str = "\
# Configuration

Every option is optional. Each can be given in three ways, of which the first that speaks counts:

1. a flag on the command line: `--threads 8`;
2. an environment variable: `MONOPOD_THREADS=8`;
3. a key in the configuration file: `threads = 8`.

What nobody sets is decided from the container (its CPU and memory limits) or has a fixed default. `monopod check` prints
every option with its value and where it comes from. What moves over from gunicorn is [at the end](#from-gunicorn).
`monopod -h` shows the options most used, `monopod --help` all, `monopod help limits` one group; `monopod man` prints the
manual page, which the wheel also installs, and `monopod completions bash` (zsh, fish, elvish, powershell) what a shell needs
to complete them.

**The file** is `--config FILE`, else `monopod.toml`, else the table `[tool.monopod]` in `pyproject.toml`. The latter two
are looked for in the working directory: that of `--chdir` or `MONOPOD_CHDIR`, if given. A `chdir` in the file moves the
application, not the search for the file. `--config` and `--chdir` themselves start from where the command was run; all
other relative paths start from the working directory after `chdir`.

**Values.** Sizes are bytes or have a unit: `512k`, `25m`, `1g`, where `1k` is 1024 bytes. Times are seconds or have a unit:
`500ms`, `30s`, `2m`, `1h`, `7d`. A repeatable option is repeated as a flag, separated by commas in a variable, and a list
in the file; `static` may also be a table: `static = { \"/static\" = \"dir\" }`. A blank variable counts as unset. A yes-or-no
option takes `true` and `false`, and on the command line has a `--no-…` form.

A value that cannot be read, an unknown key and a wrong type stop the server with a sentence that names the flag, the
variable, or the file and key (exit code 64 for the command line, 78 for the rest). Nothing wrong is ever replaced by a
default.

**The container.** Limits are those of the control groups (v1 or v2), the tightest on the way up from the server's own: `cpu.max`,
the CPUs of the cpuset, `memory.max` or `memory.high`. One line at the start says what was found and decided. They are looked
at again every 10 s, as Kubernetes can resize a pod in place: a line tells a change, the default of `--buffer-memory` follows at
once, and threads, queue and static files stay until a restart.

**Connections.** At the start the soft limit of open files is raised to the hard one (`ulimit -Hn`, `LimitNOFILE=`), at most to
1048576: the usual soft limit of 1024 is there for programs that call `select()`, which cannot take a larger descriptor, and
this server does not. Half of it, less 32, is the default of `--max-connections`, as an upload or an answer that went to
disk has a descriptor beside its connection's; the 32 are Python's and the application's. Nothing else follows from it: no
table, thread or buffer. An application that does call `select()` needs less than a thousand descriptors in all: give it
`--max-connections 450`. Processes that the application starts inherit the raised limit.

**Variables for the application.** `--env NAME=VALUE` sets one, `--env-dir DIR` one for each regular file in DIR: the file's
name is the variable's, its content the value, less one newline at its end. That is how Kubernetes mounts a Secret or a
ConfigMap ([how](kubernetes.md#secrets)). They are there before the application is imported, as if they had been in the
environment from the start: settings among them (`MONOPOD_…`, `PORT`) count, but for `MONOPOD_ENV`, `_ENV_DIR`, `_CHDIR` and
`_CONFIG`, which say where to look. They replace a variable of the same name that is there already, `--env` outranks
`--env-dir`, and of several the last counts. Dotfiles and directories are passed over, files whose names cannot be a
variable's (`tls.crt`) with a warning. A file that cannot be read, has a NUL byte or more than 128 KiB, and more than 1 MiB
in all, stop the server. Values are never shown, only names; but a value given to `--env` can be read in the list of
processes, so secrets belong into files. What Python reads when it starts (`PYTHON…`, `LC_ALL`) has no effect here.

**Unknown variables** that begin with `MONOPOD_` are refused, like unknown keys of the file. Those that Kubernetes sets for a
Service called `monopod` or `monopod-…` are not meant and do no harm: `MONOPOD_SERVICE_HOST`, `MONOPOD_PORT=tcp://…`,
`MONOPOD_PORT_8000_TCP` and their like.

**Variables of platforms.** `PORT` stands for `--bind 0.0.0.0:$PORT` and `WEB_CONCURRENCY` for `--workers`; all rank below the
`MONOPOD_…` variable of the same option and above the file. Blank counts as unset. More than one worker, whoever asks for
them, gives a warning and one. gunicorn's `FORWARDED_ALLOW_IPS` stands for `--forwarded-allow-ips`. `TMPDIR` is the default
of `--temp-dir`.
";

const GUNICORN: &str = "
## From gunicorn

Options that both have (`--bind`, `--workers`, `--threads`, `--timeout`, `--keep-alive`, `--graceful-timeout`, `--backlog`, `--chdir`,
`--env`, `--forwarded-allow-ips`, `--proxy-protocol`, `--access-logformat`, `--log-level`) mean what they mean there; defaults
are those above. gunicorn's other options are accepted where they ask for what happens anyway or for nothing that matters
here, with one warning for all of them, and refused with advice where accepting them would be a lie.

`GUNICORN_CMD_ARGS` is read as gunicorn reads it, both servers' options in it, and has the lowest rank of all that anybody
says: below the configuration file. `--config`, `--check-config` and `--print-config` cannot be given there, and a `--chdir`
there moves the application, not the search for the file. A `gunicorn.conf.py` is not read; a warning says so where there
is no configuration file of monopod's.

`--check-config` loads the application and says nothing if all is well, on standard error what is ignored or odd; the exit code is 0, or that of the refusal.
`--print-config` also prints the settings as a monopod.toml: what nobody has set is a comment, and values of variables are
not shown.

| gunicorn's | becomes | because |
|---|---|---|
";

/// The page, in Markdown: the order of sources, the places of the file, and one table of options per heading.
#[must_use]
pub fn reference() -> String {
    let command = options::command();
    let mut page = INTRO.to_owned();
    let mut heading = None;
    for arg in options::settable(&command) {
        if heading != arg.get_help_heading() {
            heading = arg.get_help_heading();
            let title = heading.unwrap_or("Other");
            let _ = write!(page, "\n## {title}\n\n| option | env | key | default | meaning |\n|---|---|---|---|---|\n");
        }
        let _ =
            writeln!(page, "| {} | {} | {} | {} | {} |", option(&command, arg), env(arg), key(arg), default(arg), {
                cell(&options::meaning(arg).0)
            });
    }
    page.push_str(GUNICORN);
    for row in gunicorn::TABLE {
        let flags = row.flags.iter().map(|flag| format!("`{flag}`")).collect::<Vec<_>>().join(", ");
        let (fate, reason) = match row.fate {
            Fate::Nothing(why) => ("no effect".to_owned(), cell(why)),
            Fate::Ours(key) => (format!("`--{key}`"), "another name".to_owned()),
            Fate::Judged(_, words) => ("by its value".to_owned(), cell(words)),
            Fate::Refused(advice) => ("refused".to_owned(), cell(advice)),
        };
        let _ = writeln!(page, "| {flags} | {fate} | {reason} |");
    }
    page
}

fn option(command: &clap::Command, arg: &clap::Arg) -> String {
    let placeholder = arg.get_value_names().and_then(<[_]>::first).map(ToString::to_string).unwrap_or_default();
    if arg.is_positional() {
        return format!("`{placeholder}`");
    }
    let short = arg.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    let negation = format!("no-{}", options::key(arg));
    if command.get_arguments().any(|other| other.get_long() == Some(&negation)) {
        return format!("{short}`{}`, `--{negation}`", options::flag(arg));
    }
    format!("{short}`{} {placeholder}`", options::flag(arg))
}

fn env(arg: &clap::Arg) -> String {
    let own = format!("`{}`", options::env_name(arg));
    sources::platform_name(arg.get_id().as_str()).map_or_else(|| own.clone(), |name| format!("{own}, `{name}`"))
}

fn key(arg: &clap::Arg) -> String {
    let key = options::key(arg);
    if key == "config" { "–".to_owned() } else { format!("`{key}`") }
}

fn default(arg: &clap::Arg) -> String {
    let (_, default) = options::meaning(arg);
    default.map_or_else(|| "–".to_owned(), |default| cell(&default))
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_has_one_complete_row() {
        let page = reference();
        let command = options::command();
        for arg in options::settable(&command) {
            let name = format!("`{}`", options::env_name(arg));
            let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ") && line.contains(&name)).collect();
            assert_eq!(rows.len(), 1, "{name}");
            let cells: Vec<&str> = rows[0].trim_matches('|').split(" | ").map(str::trim).collect();
            assert_eq!(cells.len(), 5, "{}", rows[0]);
            assert!(cells.iter().all(|cell| !cell.is_empty()), "{}", rows[0]);
            assert!(cells[3] != "–", "{name} has no default, not even a word for none");
        }
    }

    #[test]
    fn the_tables_follow_the_headings_of_help() {
        let page = reference();
        let titles: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let all =
            ["Serve", "Static files", "Limits", "Edge", "Life", "Logs", "Development (monopod dev)", "From gunicorn"];
        assert_eq!(titles, all);
    }

    #[test]
    fn rows_say_what_the_definition_says() {
        let page = reference();
        for row in [
            "| `--backlog N` | `MONOPOD_BACKLOG` | `backlog` | 2048 | Connections the kernel may hold before they are accepted |",
            "| `-w`, `--workers N` | `MONOPOD_WORKERS`, `WEB_CONCURRENCY` | `workers` | 1 |",
            "| `--access-log`, `--no-access-log` | `MONOPOD_ACCESS_LOG` | `access-log` | true |",
            "| `--limit-request-line` | `--max-request-line` | another name |",
            "| `--daemon`, `-D` | refused | it runs in the foreground,",
            "| `TARGET` | `MONOPOD_TARGET` | `target` | found as Django or Flask would |",
        ] {
            assert!(page.contains(row), "{row}\n{page}");
        }
    }
}
