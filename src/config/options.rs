//! The definition of every option: name, meaning, parser and fixed default, once.
//!
//! The flag comes from the field, the environment name and the file key from the flag ([`env_name`], [`key`]); `--help`
//! and docs/configuration.md are rendered from here. A default the host decides is written `[default: …]` at the end of
//! the meaning and supplied by `sizing`, so after layering every field below has a value. Pure: reads nothing.
#![allow(
    clippy::doc_markdown,
    rustdoc::broken_intra_doc_links,
    rustdoc::bare_urls,
    reason = "the fields' doc comments are the text of --help, which is not Markdown"
)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::ArgPredicate;
use clap::{Arg, ArgAction, ArgMatches, Args};

use super::addresses::{admin_bind, bind, health_path, mount, root_path};
use super::body_sizes::{self, BodySize, body_size};
use super::dev_options::{self, DevOptions};
use super::gunicorn;
use super::log_options::LogOptions;
pub use super::refusal::sentence;
use super::settings::{AdminBind, Bind, Mount};
use super::trusted::{Trusted, trusted};
use super::values::{boolean, duration, head_size, memory, proxy_protocol, show_size, size_or_zero, target, whole};
use super::variables::{Variable, variable};

/// All options, one struct per heading of `--help`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Heading "Serve".
    #[command(flatten)]
    pub serve: ServeOptions,
    /// Heading "Static files".
    #[command(flatten)]
    pub static_files: StaticOptions,
    /// Heading "Limits".
    #[command(flatten)]
    pub limits: LimitOptions,
    /// Heading "Edge".
    #[command(flatten)]
    pub edge: EdgeOptions,
    /// Heading "Life".
    #[command(flatten)]
    pub life: LifeOptions,
    /// Heading "Logs".
    #[command(flatten)]
    pub logs: LogOptions,
    /// Heading "Development (monopod dev)".
    #[command(flatten)]
    pub dev: DevOptions,
}

/// What to run and where to listen.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Serve")]
pub struct ServeOptions {
    /// Application: module:callable, module:factory(), module, or path/app.py [default: found as Django or Flask would]
    #[arg(value_name = "TARGET", value_parser = target)]
    pub target: Option<String>,

    /// Address to listen on: HOST:PORT, [V6]:PORT, :PORT or PORT (on 0.0.0.0), unix:PATH, fd://N; repeatable
    /// [default: 127.0.0.1:8000, in a container 0.0.0.0:8000]
    #[arg(short, long, value_name = "ADDRESS", value_parser = bind)]
    pub bind: Vec<Bind>,

    /// Address of the admin port, which answers probes and metrics: as --bind has it, or none
    /// [default: none, in a container 0.0.0.0:9191]
    #[arg(long, value_name = "ADDRESS", value_parser = admin_bind)]
    pub admin_bind: AdminBind,

    /// Path that answers on the main port as /-/ready does on the admin port, such as /healthz [default: none]
    #[arg(long, value_name = "PATH", value_parser = health_path)]
    pub health_path: Option<String>,

    /// Processes that run Python; this version has one and warns of more, so scale by pods or threads
    #[arg(short, long, value_name = "N", value_parser = whole(1_usize, 65_535), default_value = "1")]
    pub workers: usize,

    /// Threads that run Python, 1 to 512 [default: 4 per CPU, from 4 to 32]
    #[arg(long, value_name = "N", value_parser = whole(1_usize, 512))]
    pub threads: usize,

    /// Further threads for responses that are streamed for longer than a second, up to 512; when all are taken and streams
    /// hold half of --threads too, new ones are answered 503 [default: 16 per thread]
    #[arg(long, value_name = "N", value_parser = whole(0_usize, 512))]
    pub stream_threads: usize,

    /// Working directory to change to first; also where the configuration file is looked for [default: stay]
    #[arg(long, value_name = "DIR")]
    pub chdir: Option<PathBuf>,

    /// Virtual environment to run in [default: $VIRTUAL_ENV, ./.venv, or that of the python3 on PATH]
    #[arg(long, value_name = "DIR")]
    pub venv: Option<PathBuf>,

    /// Configuration file [default: ./monopod.toml, or [tool.monopod] in ./pyproject.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Environment variable for the application; repeatable [default: none]
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = variable)]
    pub env: Vec<Variable>,

    /// Directory whose files are environment variables for the application, such as a mounted Secret; repeatable [default: none]
    #[arg(long, value_name = "DIR")]
    pub env_dir: Vec<PathBuf>,

    /// URL prefix the application lives under (`SCRIPT_NAME`), such as /app [default: none]
    #[arg(long, value_name = "PATH", value_parser = root_path)]
    pub root_path: Option<String>,

    /// Connections the kernel may hold before they are accepted
    #[arg(long, value_name = "N", value_parser = whole(1_u32, 65_535), default_value = "2048")]
    pub backlog: u32,
}

/// Static files served without Python.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Static files")]
pub struct StaticOptions {
    /// Serve the files of DIR under /URL; repeatable, and of two for one URL the first that has a file counts
    /// [default: none]
    #[arg(id = "static", long = "static", value_name = "/URL=DIR", value_parser = mount)]
    pub mounts: Vec<Mount>,

    /// Serve the files of DIR at /, such as /favicon.ico and /robots.txt; the application has the rest; repeatable
    /// [default: none]
    #[arg(long, value_name = "DIR")]
    pub static_root: Vec<PathBuf>,

    /// Answer a browser that asks for a page which neither a file nor the application has with index.html of
    /// --static-root
    #[arg(long, value_name = "BOOL", value_parser = boolean, default_value = "false", action = ArgAction::Set,
          num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value_if("no_spa", ArgPredicate::IsPresent, "false"), overrides_with = "no_spa")]
    pub spa: bool,

    /// Pages that nobody has are 404
    #[arg(long, overrides_with = "spa")]
    no_spa: bool,

    /// Serve the files of DIR under /URL as they are when they are asked for, such as uploads: unlike those of --static they
    /// may come and go while the server runs; repeatable [default: none]
    #[arg(long, value_name = "/URL=DIR", value_parser = mount)]
    pub media: Vec<Mount>,

    /// Let the application answer with files of DIR, by X-Accel-Redirect: /URL/FILE or X-Sendfile: DIR/FILE; clients
    /// cannot ask for them; repeatable [default: none]
    #[arg(long, value_name = "/URL=DIR", value_parser = mount)]
    pub accel: Vec<Mount>,

    /// How long clients may keep a file whose name has no content hash
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    pub max_age: Duration,

    /// Rules that set and remove headers of static files by their path, in the form of Netlify's and Cloudflare's _headers
    /// [default: the _headers of --static-root, where there is one]
    #[arg(long, value_name = "FILE")]
    pub headers_file: Option<PathBuf>,
}

/// What a client may cost.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitOptions {
    /// Largest request body; a larger one is answered 413. /PREFIX=SIZE is for the paths at and below /PREFIX (below
    /// --root-path, decoded), the longest counts; repeatable, and of two for the same paths the last counts
    #[arg(long, value_name = "[/PREFIX=]SIZE", value_parser = body_size,
          default_value = show_size(body_sizes::DEFAULT))]
    pub max_body_size: Vec<BodySize>,

    /// Longest request line; a longer one is answered 414
    #[arg(long, value_name = "SIZE", value_parser = head_size, default_value = "8k")]
    pub max_request_line: u64,

    /// Longest header, and four times that for all headers of a request; beyond it the answer is 431
    #[arg(long, value_name = "SIZE", value_parser = head_size, default_value = "16k")]
    pub max_header_size: u64,

    /// Most headers of a request; one more is answered 431
    #[arg(long, value_name = "N", value_parser = whole(1_usize, 10_000), default_value = "100")]
    pub max_headers: usize,

    /// How long a request's head may take to arrive before it is answered 408; 0: for ever
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    pub header_timeout: Duration,

    /// How long a request body may stand still before it is answered 408; 0: for ever
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    pub body_timeout: Duration,

    /// Bytes a second that a request body must bring on average after its first --body-timeout; 0: any rate
    #[arg(long, value_name = "SIZE", value_parser = size_or_zero, default_value = "500")]
    pub min_rate: u64,

    /// How long a client may take nothing of its response before the connection is cut; 0: for ever
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    pub write_timeout: Duration,

    /// How long a connection may stay open between two requests; 0: it closes after each
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "75s")]
    pub keep_alive: Duration,

    /// How long the application may take to begin its answer before the client gets 504 and the request is interrupted;
    /// 0: for ever
    #[arg(short, long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    pub timeout: Duration,

    /// Requests that may wait for a thread; one more is answered 503, unless its body lies in a temp file [default: 16 per
    /// thread]
    #[arg(long, value_name = "N", value_parser = whole(1_usize, 1_000_000))]
    pub queue_size: usize,

    /// How long a request may wait for a thread before it is answered 503
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    pub queue_timeout: Duration,

    /// Client connections open at once; one more waits in the backlog, and the one idle longest between two requests is
    /// closed for it [default: half of the limit of open files (ulimit -Hn) less 32, at most 524272]
    #[arg(long, value_name = "N", value_parser = whole(1_usize, 1_048_576))]
    pub max_connections: usize,

    /// Bodies held in memory by the whole process; beyond that they go to --temp-dir
    /// [default: a quarter of the memory limit; without one, of the machine's memory, at most 1g]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub buffer_memory: u64,

    /// Directory of temporary files [default: $TMPDIR, or /tmp]
    #[arg(long, value_name = "DIR")]
    pub temp_dir: PathBuf,
}

/// Who stands between the clients and this server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Edge")]
pub struct EdgeOptions {
    /// Peers whose X-Forwarded-For, -Proto, -Host, -Port, -Prefix and Forwarded headers are believed; from others these
    /// headers are removed: addresses, ranges such as 10.0.0.0/8, private, *, none; repeatable, or separated by commas
    #[arg(long, value_name = "PEERS", value_parser = trusted, value_delimiter = ',',
          default_value = "127.0.0.1,::1")]
    pub forwarded_allow_ips: Vec<Trusted>,

    /// Connections from --forwarded-allow-ips begin with a PROXY protocol header, version 1 or 2
    #[arg(long, value_name = "BOOL", value_parser = proxy_protocol, default_value = "false", action = ArgAction::Set,
          num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value_if("no_proxy_protocol", ArgPredicate::IsPresent, "false"),
          overrides_with = "no_proxy_protocol")]
    pub proxy_protocol: bool,

    /// No connection begins with a PROXY protocol header
    #[arg(long, overrides_with = "proxy_protocol")]
    no_proxy_protocol: bool,
}

/// Starting and stopping.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Life")]
pub struct LifeOptions {
    /// How long requests go on being accepted after SIGTERM, while the readiness probe fails and balancers take note;
    /// answers close their connections meanwhile [default: 5s in Kubernetes, else 0s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub drain_delay: Duration,

    /// How long requests may take to finish once the server is told to stop, --drain-delay included
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "25s")]
    pub graceful_timeout: Duration,

    /// Function of the application that says whether it is ready, as module:callable: not while it returns False or raises;
    /// asked every 5 s on a thread of its own, and a probe gets its last answer [default: none]
    #[arg(long, value_name = "HOOK", value_parser = target)]
    pub ready_hook: Option<String>,
}

/// The options as a bare command that takes arguments without a program name. Nothing is required of the command
/// line, as the layers below it supply what it leaves out; of a repeated single option the last counts.
#[must_use]
pub fn command() -> clap::Command {
    gunicorn::add_to(our_own())
}

/// The same without gunicorn's, for what people are shown.
#[must_use]
pub fn our_own() -> clap::Command {
    let flag = |id: &'static str| Arg::new(id).long(id).action(ArgAction::SetTrue);
    Options::augment_args(clap::Command::new("monopod"))
        .bin_name("monopod")
        .no_binary_name(true)
        .args_override_self(true)
        .mut_args(|arg| arg.required(false))
        .next_help_heading(None::<&'static str>)
        .arg(flag(CHECK_CONFIG).help("Load the application, say nothing if all is well, and exit: 0 or the reason"))
        .arg(flag(PRINT_CONFIG).help("The same, and print the settings as a monopod.toml"))
}

/// gunicorn's flags for the work of `monopod check`, which are not settings.
pub const CHECK_CONFIG: &str = "check-config";
/// The other one.
pub const PRINT_CONFIG: &str = "print-config";

/// The options that have an environment name and a file key: all but the `--no-…` halves of pairs, and gunicorn's.
pub fn settable(command: &clap::Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| is_setting(arg))
}

/// Whether the option has an environment name and a file key.
#[must_use]
pub fn is_setting(arg: &Arg) -> bool {
    let is_command = matches!(arg.get_id().as_str(), "help" | "version" | CHECK_CONFIG | PRINT_CONFIG);
    !is_command && !is_negation(arg) && !gunicorn::is_gunicorns(arg)
}

/// Whether the option is the `--no-…` half of a pair.
#[must_use]
pub fn is_negation(arg: &Arg) -> bool {
    arg.get_id().as_str().starts_with("no_")
}

/// Whether the option is of `monopod dev` alone.
#[must_use]
pub fn is_dev(arg: &Arg) -> bool {
    dev_options::IDS.contains(&arg.get_id().as_str())
}

/// The key in the configuration file, which is also the flag without its dashes.
#[must_use]
pub fn key(arg: &Arg) -> String {
    arg.get_id().as_str().replace('_', "-")
}

/// The environment variable.
#[must_use]
pub fn env_name(arg: &Arg) -> String {
    format!("MONOPOD_{}", arg.get_id().as_str().to_ascii_uppercase())
}

/// How the option is typed: `--key`, or the placeholder of a positional.
#[must_use]
pub fn flag(arg: &Arg) -> String {
    arg.get_long().map_or_else(|| arg.get_id().as_str().to_ascii_uppercase(), |long| format!("--{long}"))
}

/// Whether the option takes several values.
#[must_use]
pub fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// The meaning without its default, and the default: the parser's own or the one the meaning names.
#[must_use]
pub fn meaning(arg: &Arg) -> (String, Option<String>) {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let fixed = arg.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
    match help.split_once("[default: ") {
        Some((meaning, default)) => {
            let default = default.strip_suffix(']').unwrap_or(default);
            (meaning.trim_end().to_owned(), Some(default.to_owned()))
        }
        None => (help, fixed),
    }
}

/// Runs one value through the option's parser, as if it were typed.
///
/// # Errors
/// The sentence that says what is wrong, beginning with `label`.
pub fn check(arg: &Arg, value: &OsString, label: &str) -> Result<(), String> {
    let typed = if arg.is_positional() {
        vec![OsString::from("--"), value.clone()]
    } else {
        let mut typed = OsString::from(format!("{}=", flag(arg)));
        typed.push(value);
        vec![typed]
    };
    command().try_get_matches_from(typed).map(|_: ArgMatches| ()).map_err(|error| sentence(&error, Some(label)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn flag_env_and_key_of_every_option_are_one_word() {
        for arg in settable(&command()) {
            let key = key(arg);
            assert_eq!(env_name(arg), format!("MONOPOD_{}", key.replace('-', "_").to_uppercase()));
            assert!(arg.get_long().map_or(key == "target", |long| long == key), "{key}");
            assert!(arg.get_help().is_some() && arg.get_help_heading().is_some(), "{key}");
        }
    }

    #[test]
    fn a_default_is_fixed_or_told_in_words_but_not_both() {
        for arg in settable(&command()) {
            let told = arg.get_help().unwrap().to_string().contains("[default: ");
            assert_ne!(told, !arg.get_default_values().is_empty(), "{}", key(arg));
        }
    }
}
