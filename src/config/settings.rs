//! The resolved settings: plain nested structs, one per room, each handed whole to its room.
//!
//! Built once at start by `resolve` from the options; nothing here has a default of its own and nothing changes later.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use super::access_format::AccessFormat;
use super::body_sizes::BodySizes;
use super::trusted::TrustedPeers;
use super::variables::Variables;

/// Everything the server was told, or worked out for itself, before it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What to run and where to listen.
    pub serve: Serve,
    /// Static files served without Python.
    pub static_files: StaticFiles,
    /// What a client may cost.
    pub limits: Limits,
    /// Where bodies wait.
    pub buffers: Buffers,
    /// Who stands between the clients and this server.
    pub edge: Edge,
    /// Starting and stopping.
    pub life: Life,
    /// What is written, and how.
    pub logs: Logs,
    /// What `monopod dev` does besides; `None`: this is another command.
    pub dev: Option<Dev>,
}

/// What to run and where to listen.
#[derive(Debug, Clone, PartialEq)]
pub struct Serve {
    /// The application as the operator named it (`TARGET`); `None`: to be found by convention.
    pub target: Option<String>,
    /// Where to listen (`--bind`); never empty.
    pub bind: Vec<Bind>,
    /// Where probes and metrics are answered (`--admin-bind`).
    pub admin_bind: AdminBind,
    /// Path that answers on every port as the admin port's `/-/ready` does (`--health-path`).
    pub health_path: Option<String>,
    /// Processes that run Python (`--workers`); always 1 in this version.
    pub workers: usize,
    /// Threads that run Python (`--threads`), 1 to 512.
    pub threads: usize,
    /// Further threads for responses that last (`--stream-threads`).
    pub stream_threads: usize,
    /// `SCRIPT_NAME` for every request (`--root-path`): empty, or `/prefix` without a trailing slash.
    pub root_path: String,
    /// Absolute working directory to change to before anything is imported (`--chdir`); it exists.
    pub chdir: Option<PathBuf>,
    /// The virtual environment (`--venv`), relative to the working directory after `chdir`.
    pub venv: Option<PathBuf>,
    /// What is put into the environment before the application is imported (`--env`, `--env-dir`).
    pub variables: Variables,
    /// Connections the kernel may hold before they are accepted (`--backlog`).
    pub backlog: u32,
}

/// One address to listen on. `Display` is the form `--bind` takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Bind {
    /// Host (a name or an address, IPv6 without brackets) and port; port 0 lets the kernel choose.
    Tcp(String, u16),
    /// Path of a Unix socket.
    Unix(PathBuf),
    /// A listening socket this process inherited, by number.
    Fd(i32),
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Fd(number) => write!(f, "fd://{number}"),
        }
    }
}

impl Bind {
    /// Whether only this machine can reach the address: a Unix socket, `localhost`, 127.0.0.0/8 or `::1`.
    /// An inherited socket is not judged and counts as reachable.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(host, _) => {
                host == "localhost"
                    || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
                    || host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
            }
            Self::Unix(_) => true,
            Self::Fd(_) => false,
        }
    }
}

/// Where the admin port is, if anywhere. `Display` is the form `--admin-bind` takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminBind(pub Option<Bind>);

impl fmt::Display for AdminBind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(bind) => bind.fmt(f),
            None => f.write_str("none"),
        }
    }
}

/// The URL of `--static-root`, whose misses are the application's.
pub const ROOT: &str = "/";

/// One URL prefix answered from one directory (`--static`, `--media`, `--accel`). `Display` is the form that these options take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// URL prefix; starts and ends with `/`. [`ROOT`] is that of `--static-root`.
    pub url: String,
    /// Directory, relative to the working directory after `chdir`; it may not exist.
    pub dir: PathBuf,
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.strip_suffix('/').filter(|url| !url.is_empty()).unwrap_or(ROOT);
        write!(f, "{url}={}", self.dir.display())
    }
}

/// Static files served without Python.
#[derive(Debug, Clone, PartialEq)]
pub struct StaticFiles {
    /// In the order given (`--static`, then `--static-root`); of two with the same URL the first has a file first.
    pub mounts: Vec<Mount>,
    /// Whether index.html of `--static-root` is answered where nobody has a page (`--spa`).
    pub spa: bool,
    /// What comes and goes while the server runs, in the order given (`--media`).
    pub media: Vec<Mount>,
    /// What the application may answer with, in the order given (`--accel`).
    pub accel: Vec<Mount>,
    /// `max-age` of files whose name carries no content hash (`--max-age`).
    pub max_age: Duration,
    /// Rules for headers (`--headers-file`), relative to the working directory after `chdir`; it may not exist. `None`: the
    /// `_headers` of `--static-root`, where there is one.
    pub headers_file: Option<PathBuf>,
    /// Bytes of assets kept in memory: an eighth of the memory limit, from 16 MiB to 256 MiB.
    pub memory: u64,
}

/// What a client may cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Largest request body, by path (`--max-body-size`).
    pub max_body_size: BodySizes,
    /// Longest request line in bytes (`--max-request-line`).
    pub max_request_line: usize,
    /// Longest header in bytes (`--max-header-size`); all headers of a request may be four times as long.
    pub max_header_size: usize,
    /// Most headers of a request (`--max-headers`); at least 1.
    pub max_headers: usize,
    /// How long a head may take to arrive (`--header-timeout`); `None`: for ever.
    pub header_timeout: Option<Duration>,
    /// How long a body may stand still (`--body-timeout`); `None`: for ever.
    pub body_timeout: Option<Duration>,
    /// Bytes a second that a body must bring on average (`--min-rate`); 0: any rate.
    pub min_rate: u64,
    /// How long a client may take nothing of its response (`--write-timeout`); `None`: for ever.
    pub write_timeout: Option<Duration>,
    /// How long a connection may be idle between requests (`--keep-alive`); `None`: it closes after each.
    pub keep_alive: Option<Duration>,
    /// How long the application may take to begin its answer (`--timeout`); `None`: for ever.
    pub timeout: Option<Duration>,
    /// Requests that may wait for a thread (`--queue-size`); at least 1.
    pub queue_size: usize,
    /// How long a request may wait for a thread (`--queue-timeout`).
    pub queue_timeout: Duration,
    /// Client connections open at once (`--max-connections`); at least 1.
    pub max_connections: usize,
}

/// Where bodies wait.
#[derive(Debug, Clone, PartialEq)]
pub struct Buffers {
    /// Bytes of request and response bodies held in memory by the whole process (`--buffer-memory`); at least 1 MiB.
    pub memory: u64,
    /// Where unnamed temporary files go past that (`--temp-dir`); it may be missing or read-only.
    pub temp_dir: PathBuf,
}

/// Who stands between the clients and this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Peers that may say who their client is (`--forwarded-allow-ips`). A Unix socket's always may.
    pub forwarded_allow_ips: TrustedPeers,
    /// Whether connections from these peers begin with a PROXY protocol header (`--proxy-protocol`).
    pub proxy_protocol: bool,
}

/// Starting and stopping.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    /// How long requests go on being accepted after SIGTERM (`--drain-delay`).
    pub drain_delay: Duration,
    /// How long requests in flight may take to finish once the server stops (`--graceful-timeout`), the delay included.
    pub graceful_timeout: Duration,
    /// The application's own word on whether it is ready (`--ready-hook`): `module:callable`.
    pub ready_hook: Option<String>,
}

/// What is written, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Logs {
    /// The least severe level that is written (`--log-level`).
    pub level: tracing::Level,
    /// The form of a line (`--log-format`).
    pub format: LogFormat,
    /// Whether each request gets a line (`--access-log`).
    pub access: bool,
    /// What that line is, where it is not a record like all others (`--access-logformat`).
    pub access_format: Option<AccessFormat>,
    /// Whether that line, and all others, are for whoever works on the application (`monopod dev`).
    pub brief: bool,
    /// How long a request may be in the application before its stack is told (`--slow-request`); `None`: for ever.
    pub slow_request: Option<Duration>,
}

/// What `monopod dev` does besides serving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dev {
    /// Whether the application runs in a process of its own, which a change replaces (`--reload`).
    pub reload: bool,
    /// Files and patterns of files that are not the application's and count as if they were (`--reload-extra-file`).
    pub extra_files: Vec<String>,
    /// Whether a browser is to be opened (`--open`).
    pub open: bool,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line, for collectors.
    Json,
    /// For people.
    Text,
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "json",
            Self::Text => "text",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bind_shows_the_form_the_option_takes() {
        assert_eq!(Bind::Tcp("localhost".into(), 80).to_string(), "localhost:80");
        assert_eq!(Bind::Tcp("::1".into(), 0).to_string(), "[::1]:0");
        assert_eq!(Bind::Unix("/run/a.sock".into()).to_string(), "unix:/run/a.sock");
        assert_eq!(Bind::Fd(3).to_string(), "fd://3");
    }

    #[test]
    fn local_binds_are_those_only_this_machine_reaches() {
        for (bind, local) in [
            (Bind::Tcp("127.0.0.1".into(), 1), true),
            (Bind::Tcp("127.9.9.9".into(), 1), true),
            (Bind::Tcp("::1".into(), 1), true),
            (Bind::Tcp("localhost".into(), 1), true),
            (Bind::Unix("x".into()), true),
            (Bind::Tcp("0.0.0.0".into(), 1), false),
            (Bind::Tcp("::".into(), 1), false),
            (Bind::Tcp("example.org".into(), 1), false),
            (Bind::Fd(3), false),
        ] {
            assert_eq!(bind.is_local(), local, "{bind}");
        }
    }
}
