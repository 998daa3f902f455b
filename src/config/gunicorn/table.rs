//! What becomes of each of gunicorn's options, against its version 27: without effect, another option of ours, judged by
//! its value, or refused with what to do instead.
//!
//! Reasons and advice are second halves of sentences, without a full stop. Pure.

use super::judges::{
    access_logfile, error_logfile, header_map, http_protocols, http2_cleartext, protocol, worker_class,
};

/// One option of gunicorn's.
pub struct Row {
    /// As it is typed: the long form first.
    pub flags: &'static [&'static str],
    /// The placeholder of its value, empty for none.
    pub value: &'static str,
    /// What becomes of it here.
    pub fate: Fate,
}

/// What becomes of an option.
#[derive(Clone, Copy)]
pub enum Fate {
    /// Accepted with a warning, as it has no effect: why.
    Nothing(&'static str),
    /// The same as this option of ours.
    Ours(&'static str),
    /// Depends on its value: the judge, and what it does in words.
    Judged(fn(&str) -> Result<Meaning, String>, &'static str),
    /// Refused: what to do instead.
    Refused(&'static str),
}

/// What a value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// What happens anyway.
    Anyway,
    /// This option of ours.
    Ours(&'static str),
    /// Nothing, which is worth a warning: why.
    Nothing(&'static str),
}

const fn nothing(flags: &'static [&'static str], value: &'static str, why: &'static str) -> Row {
    Row { flags, value, fate: Fate::Nothing(why) }
}

const fn ours(flags: &'static [&'static str], value: &'static str, key: &'static str) -> Row {
    Row { flags, value, fate: Fate::Ours(key) }
}

const fn judged(
    flags: &'static [&'static str],
    value: &'static str,
    judge: fn(&str) -> Result<Meaning, String>,
    words: &'static str,
) -> Row {
    Row { flags, value, fate: Fate::Judged(judge, words) }
}

const fn refused(flags: &'static [&'static str], advice: &'static str) -> Row {
    Row { flags, value: "", fate: Fate::Refused(advice) }
}

const TLS: &str = "this version does not speak TLS, so terminate it in front, at the ingress or load balancer, and \
                   name that in --forwarded-allow-ips";
pub(super) const HTTP_2: &str = "this version speaks HTTP/1.1 only";
const STRICT: &str = "what RFC 9112 forbids is always refused, as it is how requests are smuggled past a proxy";
pub(super) const ASGI: &str = "it is for ASGI applications, which need a server such as uvicorn";
const DIRTY: &str = "there are no such workers, so hand long work to a task queue such as Celery";
const SYSLOG: &str =
    "logs go to standard output, so let the container runtime or journald collect them, or pipe them into logger";
const LOGGING: &str = "the form of the server's lines is set by --log-format, --access-logformat and --log-level, and \
                       the application's own logging is configured in the application";
const DEV: &str = "use `monopod dev`, which reloads the application when a file changes";
const OWN_USER: &str = "start it as the user it is to run as: `USER` in the Dockerfile, `runAsUser` and `runAsGroup` in \
                        Kubernetes, `User=` and `Group=` in systemd";
const PASTE: &str = "load the application in a module, such as wsgi.py with `from paste.deploy import loadapp` and \
                     `application = loadapp(\"config:/path/to/app.ini\")`, and name that module";
const METRICS: &str = "metrics are pulled from /metrics of --admin-bind instead";
const NO_RECYCLING: &str =
    "this version does not replace its process, so give the container a memory limit if the application leaks";
const CONTROL: &str = "/metrics, /-/threads and the status page of --admin-bind tell what a running server does";

/// gunicorn's options, in the order of its own help.
pub const TABLE: &[Row] = &[
    refused(
        &["-c"],
        "monopod has a configuration file of its own (--config FILE), and `monopod explain gunicorn.conf.py` \
         says what goes into it",
    ),
    judged(
        &["--worker-class", "-k"],
        "CLASS",
        worker_class,
        "`sync` and `gthread`: no effect, as --threads says how many requests run at once; others are refused",
    ),
    nothing(&["--worker-connections"], "N", "--max-connections limits them"),
    nothing(&["--max-requests"], "N", NO_RECYCLING),
    nothing(&["--max-requests-jitter"], "N", NO_RECYCLING),
    ours(&["--limit-request-line"], "BYTES", "max-request-line"),
    ours(&["--limit-request-fields"], "N", "max-headers"),
    ours(&["--limit-request-field_size"], "BYTES", "max-header-size"),
    refused(&["--reload-engine"], DEV),
    refused(&["--spew"], "SIGUSR1 and /-/threads of --admin-bind tell where every thread stands"),
    nothing(&["--preload"], "", "one process imports the application, once"),
    nothing(&["--no-sendfile"], "", "files go out the fastest way there is"),
    nothing(&["--reuse-port"], "", "one process has the port"),
    refused(
        &["--daemon", "-D"],
        "it runs in the foreground, so let systemd, Docker or Kubernetes keep it running in the background",
    ),
    refused(
        &["--pid", "-p"],
        "it stays in the foreground and writes no PID file, so whoever starts it knows its PID (`$!` in a shell)",
    ),
    nothing(&["--worker-tmp-dir"], "DIR", "there is no heartbeat file"),
    refused(&["--user", "-u"], OWN_USER),
    refused(&["--group", "-g"], OWN_USER),
    refused(&["--umask", "-m"], "set the umask where it is started: `umask 007` in a shell, `UMask=` in systemd"),
    refused(&["--initgroups"], OWN_USER),
    judged(
        &["--access-logfile"],
        "FILE",
        access_logfile,
        "`-`: --access-log; `/dev/null`: --no-access-log; other files are refused, as logs go to standard output",
    ),
    nothing(&["--disable-redirect-access-to-syslog"], "", "no log goes to syslog"),
    judged(
        &["--error-logfile", "--log-file"],
        "FILE",
        error_logfile,
        "`-`: no effect, as logs go to standard output; other files are refused",
    ),
    nothing(&["--capture-output"], "", "what the application prints goes to the standard streams, beside the log"),
    refused(&["--logger-class"], LOGGING),
    refused(&["--log-config"], LOGGING),
    refused(&["--log-config-json"], LOGGING),
    refused(&["--log-syslog-to"], SYSLOG),
    refused(&["--log-syslog"], SYSLOG),
    refused(&["--log-syslog-prefix"], SYSLOG),
    refused(&["--log-syslog-facility"], SYSLOG),
    nothing(&["--enable-stdio-inheritance", "-R"], "", "the standard streams are the application's as well"),
    nothing(&["--statsd-host"], "ADDRESS", METRICS),
    nothing(&["--dogstatsd-tags"], "TAGS", METRICS),
    nothing(&["--statsd-prefix"], "PREFIX", METRICS),
    nothing(&["--enable-backlog-metric"], "", METRICS),
    nothing(&["--name", "-n"], "NAME", "ps shows the command line as it was typed"),
    refused(&["--pythonpath"], "set PYTHONPATH in the environment"),
    refused(&["--paste"], PASTE),
    refused(&["--paster"], PASTE),
    refused(&["--paste-global"], PASTE),
    refused(
        &["--proxy-allow-from"],
        "with --proxy-protocol, connections from --forwarded-allow-ips begin with the header: name the peers there",
    ),
    judged(&["--protocol"], "NAME", protocol, "`http`: no effect; others are refused"),
    nothing(&["--uwsgi-allow-from"], "PEERS", "nothing but HTTP is spoken"),
    refused(&["--keyfile"], TLS),
    refused(&["--certfile"], TLS),
    refused(&["--ssl-version"], TLS),
    refused(&["--cert-reqs"], TLS),
    refused(&["--ca-certs"], TLS),
    nothing(&["--suppress-ragged-eofs"], "", "this version does not speak TLS"),
    nothing(&["--do-handshake-on-connect"], "", "this version does not speak TLS"),
    refused(&["--ciphers"], TLS),
    judged(
        &["--http-protocols"],
        "NAMES",
        http_protocols,
        "`h1`: no effect; others are refused, as this version has no HTTP/2",
    ),
    judged(
        &["--http2-cleartext"],
        "MODE",
        http2_cleartext,
        "`off`: no effect; others are refused, as this version has no HTTP/2",
    ),
    nothing(&["--http2-max-concurrent-streams"], "N", HTTP_2),
    nothing(&["--http2-initial-window-size"], "BYTES", HTTP_2),
    nothing(&["--http2-max-frame-size"], "BYTES", HTTP_2),
    nothing(&["--http2-max-header-list-size"], "BYTES", HTTP_2),
    refused(&["--permit-obsolete-folding"], STRICT),
    refused(&["--strip-header-spaces"], STRICT),
    nothing(&["--permit-unconventional-http-method"], "", "any method but CONNECT reaches the application"),
    refused(&["--permit-unconventional-http-version"], STRICT),
    refused(&["--casefold-http-method"], "methods are case-sensitive (RFC 9110, 9.1), so mend the client"),
    refused(
        &["--forwarder-headers"],
        "SCRIPT_NAME comes from --root-path, or by X-Forwarded-Prefix from --forwarded-allow-ips, and headers with _ in their \
         names are dropped",
    ),
    judged(&["--header-map"], "MODE", header_map, "`drop`: no effect, as that is what happens; others are refused"),
    refused(&["--asgi-loop"], ASGI),
    refused(&["--asgi-lifespan"], ASGI),
    refused(&["--asgi-disconnect-grace-period"], ASGI),
    refused(&["--websocket-max-message-size"], ASGI),
    nothing(&["--http-parser"], "NAME", "there is one parser"),
    refused(&["--dirty-app"], DIRTY),
    nothing(&["--dirty-workers"], "N", "there are no such workers"),
    nothing(&["--dirty-timeout"], "N", "there are no such workers"),
    nothing(&["--dirty-threads"], "N", "there are no such workers"),
    nothing(&["--dirty-graceful-timeout"], "N", "there are no such workers"),
    refused(&["--control-socket"], CONTROL),
    refused(&["--control-socket-mode"], CONTROL),
    nothing(&["--no-control-socket"], "", "there is none"),
];

/// What a user of this server may look for and this version does not have, be it gunicorn's or not: flag and advice.
pub(super) const ABSENT: &[(&str, &str)] = &[
    ("--https-redirect", "this version does not speak TLS, so redirect in front, or by Django's SECURE_SSL_REDIRECT"),
    (
        "--compress",
        "this version compresses static files only (`monopod compress`), so compress in front or in the application",
    ),
    ("--no-compress", "this version compresses static files only (`monopod compress`), so leave it out"),
    ("--max-memory", NO_RECYCLING),
];
