//! gunicorn: the table of its settings, and what those become that depend on one another.
//!
//! Settings come from a gunicorn.conf.py, which `python` has evaluated, from `GUNICORN_CMD_ARGS` and from a command line,
//! which rank in this order. Every setting of gunicorn 20 to 27 has a row.

use super::Context;
use super::environment;
use super::plan::Plan;
use super::rules::Takes::{Maybe, Nothing, Value};
use super::rules::Unit::{Same, Seconds};
use super::rules::{self, Rule, dropped, not_needed, not_yet, option, own, switch};
use super::setting::{Finding, Setting, Status};
use super::words::distance;

const TLS: &str = "TLS is not in this version: end it in front (ingress, mesh or load balancer), see docs/tls.md";
const ONE_PROCESS: &str = "there are no worker processes to replace";
const SYSLOG: &str = "logs go to standard output, where the platform collects them";
const ASGI: &str = "for ASGI; monopod serves WSGI";
const HTTP2: &str = "HTTP/2 is not in this version: an ingress in front speaks it to clients";
const DIRTY: &str = "dirty arbiters are gunicorn's own; a task queue such as Celery does long work";

#[rustfmt::skip]
pub const TABLE: &[Rule] = &[
    own("wsgi_app", &[], Status::Kept, "target", "the application, as it is written"),
    option("bind", &["-b", "--bind"], "bind", Same, "").hop(),
    option("backlog", &["--backlog"], "backlog", Same, "").hop(),
    own("workers", &["-w", "--workers"], Status::NotYet, "threads",
        "one process in this version; workers × threads requests at once are kept as threads, and pods scale CPUs"),
    own("threads", &["--threads"], Status::Kept, "threads", "workers × threads: as many requests at once as before"),
    own("worker_class", &["-k", "--worker-class"], Status::NotNeeded, "",
        "sync and gthread: threads run the application. gevent, eventlet and tornado have no equal: threads wait in their place. Workers for ASGI: not possible"),
    dropped("worker_connections", &["--worker-connections"], Value,
        "it counts greenlets, or connections of gthread; --threads and --queue-size say how many requests run and wait, --max-connections how many clients are connected"),
    not_yet("max_requests", &["--max-requests"], Value,
        "processes are not recycled in this version: a leak ends with the pod (memory limit, restart)"),
    not_yet("max_requests_jitter", &["--max-requests-jitter"], Value, "belongs to max_requests"),
    option("timeout", &["-t", "--timeout"], "timeout", Seconds,
        "holds for one request: 504 at once, and its thread is interrupted; no worker is killed, and no other request is lost"),
    option("graceful_timeout", &["--graceful-timeout"], "graceful-timeout", Seconds,
        "counts from SIGTERM, --drain-delay included; keep it 4 s below terminationGracePeriodSeconds"),
    option("keepalive", &["--keep-alive"], "keep-alive", Seconds,
        "a balancer in front should close first: 75 s is the default for that reason").hop(),
    option("limit_request_line", &["--limit-request-line"], "max-request-line", Same, ""),
    option("limit_request_fields", &["--limit-request-fields"], "max-headers", Same, ""),
    option("limit_request_field_size", &["--limit-request-field_size", "--limit-request-field-size"],
        "max-header-size", Same, ""),
    dropped("reload", &["--reload"], Nothing, "`monopod dev` reloads while you work"),
    not_needed("reload_engine", &["--reload-engine"], Value, "`monopod dev` watches files by the kernel's notification"),
    dropped("reload_extra_files", &["--reload-extra-file"], Value, "`monopod dev --reload-extra-file` watches more files"),
    dropped("spew", &["--spew"], Nothing, "`/-/threads` and SIGUSR1 tell where threads stand"),
    own("check_config", &["--check-config"], Status::Dropped, "", "`monopod check` loads the application and shows every setting").bare(),
    own("print_config", &["--print-config"], Status::Dropped, "", "`monopod check` loads the application and shows every setting").bare(),
    not_needed("preload_app", &["--preload"], Nothing, "one process: the application is imported once, before requests are taken"),
    not_needed("sendfile", &["--no-sendfile"], Nothing, "files of wsgi.file_wrapper are sent without Python either way"),
    dropped("reuse_port", &["--reuse-port"], Nothing, "one process listens; two servers on one port are two pods"),
    option("chdir", &["--chdir"], "chdir", Same, ""),
    dropped("daemon", &["-D", "--daemon"], Nothing, "runs in the foreground, as containers, systemd and supervisors want it"),
    own("raw_env", &["-e", "--env"], Status::Kept, "env", "secrets are left out: mount them as files for --env-dir"),
    dropped("pidfile", &["-p", "--pid"], Value, "signals go to the process that was started; in a container it is PID 1"),
    not_needed("worker_tmp_dir", &["--worker-tmp-dir"], Value,
        "it is for the heartbeat of gunicorn's workers, of which there are none; bodies go to --temp-dir, which had better be a disk than /dev/shm"),
    dropped("user", &["-u", "--user"], Value, "start it as that user: runAsUser in Kubernetes, USER in an image, User= in systemd"),
    dropped("group", &["-g", "--group"], Value, "start it as that group: runAsGroup in Kubernetes, Group= in systemd"),
    dropped("umask", &["-m", "--umask"], Value, "set it where the process is started, or os.umask() in the application"),
    dropped("initgroups", &["--initgroups"], Nothing, "belongs to user"),
    option("tmp_upload_dir", &[], "temp-dir", Same, ""),
    own("secure_scheme_headers", &[], Status::NotNeeded, "",
        "X-Forwarded-Proto and Forwarded of trusted proxies set wsgi.url_scheme; other headers do not"),
    option("forwarded_allow_ips", &["--forwarded-allow-ips"], "forwarded-allow-ips", Same,
        "also decides who may say the client's address, which becomes REMOTE_ADDR").hop(),
    dropped("pythonpath", &["--pythonpath"], Value,
        "set PYTHONPATH in the environment of the container, or install the code; the working directory is on the path already"),
    dropped("paste", &["--paste", "--paster"], Value, "load the file in a module, `app = paste.deploy.loadapp('config:…')`, and name `module:app`"),
    dropped("raw_paste_global_conf", &["--paste-global"], Value, "belongs to paste"),
    own("proxy_protocol", &["--proxy-protocol"], Status::Kept, "proxy-protocol", "from peers in --forwarded-allow-ips").maybe(),
    option("proxy_allow_ips", &["--proxy-allow-from"], "forwarded-allow-ips", Same, "one list says who is believed").hop(),
    own("protocol", &["--protocol"], Status::NotNeeded, "", "HTTP is spoken. For uwsgi and fastcgi: let the proxy speak HTTP (proxy_pass)"),
    not_needed("uwsgi_allow_ips", &["--uwsgi-allow-from"], Value, "the uwsgi protocol is not spoken"),
    dropped("permit_obsolete_folding", &["--permit-obsolete-folding"], Nothing, "refused with 400, as RFC 9112 has it; such clients must be mended"),
    dropped("strip_header_spaces", &["--strip-header-spaces"], Nothing, "refused with 400, as RFC 9112 has it: it lets requests be smuggled"),
    not_needed("permit_unconventional_http_method", &["--permit-unconventional-http-method"], Nothing, "every method that is a token of RFC 9110 is passed on"),
    dropped("permit_unconventional_http_version", &["--permit-unconventional-http-version"], Nothing, "HTTP/1.0 and HTTP/1.1 are spoken"),
    dropped("casefold_http_method", &["--casefold-http-method"], Nothing, "methods are case-sensitive (RFC 9110); the application sees them as they came"),
    dropped("forwarder_headers", &["--forwarder-headers"], Value, "SCRIPT_NAME is --root-path, or X-Forwarded-Prefix of a trusted proxy"),
    own("header_map", &["--header-map"], Status::NotNeeded, "", "headers with `_` in their names are dropped and counted, as with `drop`"),
    option("root_path", &["--root-path"], "root-path", Same, ""),
    own("accesslog", &["--access-logfile"], Status::NotNeeded, "access-log",
        "the access log is on, and goes to standard output; files are the platform's"),
    option("access_log_format", &["--access-logformat"], "access-logformat", Same,
        "without it, the log is JSON in containers, with more in it"),
    own("errorlog", &["--error-logfile", "--log-file"], Status::NotNeeded, "", "records go to standard output; files are the platform's"),
    option("loglevel", &["--log-level"], "log-level", Same, ""),
    not_needed("capture_output", &["--capture-output"], Nothing, "what the application prints stays on standard output and error"),
    dropped("logger_class", &["--logger-class"], Value, "the log is monopod's own: --log-format, --access-logformat (docs/logging.md)"),
    dropped("logconfig", &["--log-config"], Value, "configures gunicorn's loggers; the application's own logging stays its own"),
    dropped("logconfig_dict", &[], Value, "configures gunicorn's loggers; the application's own logging stays its own"),
    dropped("logconfig_json", &["--log-config-json"], Value, "configures gunicorn's loggers; --log-format json is the default in containers"),
    dropped("syslog", &["--log-syslog"], Nothing, SYSLOG),
    dropped("syslog_addr", &["--log-syslog-to"], Value, SYSLOG),
    dropped("syslog_prefix", &["--log-syslog-prefix"], Value, SYSLOG),
    dropped("syslog_facility", &["--log-syslog-facility"], Value, SYSLOG),
    not_needed("disable_redirect_access_to_syslog", &["--disable-redirect-access-to-syslog"], Nothing, SYSLOG),
    not_needed("enable_stdio_inheritance", &["-R", "--enable-stdio-inheritance"], Nothing, "standard output and error are the application's, unbuffered by lines"),
    dropped("statsd_host", &["--statsd-host"], Value, "`/metrics` on the admin port is read by Prometheus (docs/metrics.md)"),
    dropped("statsd_prefix", &["--statsd-prefix"], Value, "belongs to statsd_host"),
    dropped("dogstatsd_tags", &["--dogstatsd-tags"], Value, "belongs to statsd_host"),
    not_needed("enable_backlog_metric", &["--enable-backlog-metric"], Nothing, "`/metrics` has the queue's length"),
    dropped("proc_name", &["-n", "--name"], Value, "the process is called monopod; containers are told apart by their names"),
    not_needed("default_proc_name", &[], Value, "belongs to proc_name"),
    not_yet("keyfile", &["--keyfile"], Value, TLS),
    not_yet("certfile", &["--certfile"], Value, TLS),
    not_yet("ssl_version", &["--ssl-version"], Value, TLS),
    not_yet("cert_reqs", &["--cert-reqs"], Value, TLS),
    not_yet("ca_certs", &["--ca-certs"], Value, TLS),
    not_yet("suppress_ragged_eofs", &["--suppress-ragged-eofs"], Nothing, TLS),
    not_yet("do_handshake_on_connect", &["--do-handshake-on-connect"], Nothing, TLS),
    not_yet("ciphers", &["--ciphers"], Value, TLS),
    not_yet("http_protocols", &["--http-protocols"], Value, HTTP2),
    not_yet("http2_cleartext", &["--http2-cleartext"], Value, HTTP2),
    not_yet("http2_max_concurrent_streams", &["--http2-max-concurrent-streams"], Value, HTTP2),
    not_yet("http2_initial_window_size", &["--http2-initial-window-size"], Value, HTTP2),
    not_yet("http2_max_frame_size", &["--http2-max-frame-size"], Value, HTTP2),
    not_yet("http2_max_header_list_size", &["--http2-max-header-list-size"], Value, HTTP2),
    not_needed("http_parser", &["--http-parser"], Value, "there is one parser, with a strict guard before it"),
    dropped("asgi_loop", &["--asgi-loop"], Value, ASGI),
    dropped("asgi_lifespan", &["--asgi-lifespan"], Value, ASGI),
    dropped("asgi_disconnect_grace_period", &["--asgi-disconnect-grace-period"], Value, ASGI),
    dropped("websocket_max_message_size", &["--websocket-max-message-size"], Value, "WSGI has no websockets"),
    dropped("control_socket", &["--control-socket"], Value, "the admin port answers probes, metrics and stacks (--admin-bind)"),
    dropped("control_socket_mode", &["--control-socket-mode"], Value, "belongs to control_socket"),
    not_needed("control_socket_disable", &["--no-control-socket"], Nothing, "there is none"),
    dropped("dirty_apps", &["--dirty-app"], Value, DIRTY),
    dropped("dirty_workers", &["--dirty-workers"], Value, DIRTY),
    dropped("dirty_timeout", &["--dirty-timeout"], Value, DIRTY),
    dropped("dirty_threads", &["--dirty-threads"], Value, DIRTY),
    dropped("dirty_graceful_timeout", &["--dirty-graceful-timeout"], Value, DIRTY),
    own("config", &["-c", "--config"], Status::NotNeeded, "", "it was read"),
    // Hooks.
    dropped("on_starting", &[], Value, "runs before the application is imported: put it at the top of the application's module"),
    dropped("on_reload", &[], Value, "nothing is reloaded: a new release is a new process"),
    dropped("when_ready", &[], Value, "the platform asks `/-/ready`, and --ready-hook asks the application"),
    dropped("pre_fork", &[], Value, "nothing is forked: what it prepares goes into the application's module"),
    dropped("post_fork", &[], Value,
        "nothing is forked, so nothing must be made anew: start threads, exporters (OpenTelemetry) and pools of connections where the application is made"),
    dropped("post_worker_init", &[], Value, "put it at the end of the application's module: it runs once, before the first request"),
    dropped("worker_int", &[], Value, "Ctrl-C ends the server; `/-/threads` and SIGUSR1 tell where threads stand"),
    dropped("worker_abort", &[], Value, "--timeout and --slow-request log the stack of the request that took too long"),
    dropped("pre_exec", &[], Value, "there is no exec on SIGUSR2: a new release is a new pod"),
    dropped("pre_request", &[], Value, "a WSGI middleware around the application does the same"),
    dropped("post_request", &[], Value, "a WSGI middleware, with close() of its iterable, does the same; times are in the access log and `/metrics`"),
    dropped("child_exit", &[], Value,
        "there is no child: prometheus_client needs no multiprocess directory and no mark_process_dead; else atexit"),
    dropped("worker_exit", &[], Value, "atexit runs once, when requests have ended"),
    dropped("nworkers_changed", &[], Value, ONE_PROCESS),
    dropped("on_exit", &[], Value, "atexit runs once, when requests have ended"),
    not_yet("ssl_context", &[], Value, TLS),
    dropped("on_dirty_starting", &[], Value, DIRTY),
    dropped("dirty_post_fork", &[], Value, DIRTY),
    dropped("dirty_worker_init", &[], Value, DIRTY),
    dropped("dirty_worker_exit", &[], Value, DIRTY),
    // Of older versions.
    not_needed("debug", &[], Nothing, "gunicorn has no such setting since 19"),
    dropped("django_settings", &["--settings"], Value, "set DJANGO_SETTINGS_MODULE in the environment, or by --env"),
    switch("proxy_protocol_on", &[], "proxy-protocol", ""),
    not_needed("version", &["-v", "--version"], Nothing, "`monopod --version`"),
    not_needed("help", &["-h", "--help"], Maybe, "`monopod --help`"),
];

/// Several sources of one server, the one that counts most last: what each setting became.
pub fn explain(
    sources: Vec<Vec<Setting>>,
    target: Option<Setting>,
    plan: &mut Plan,
    context: &Context,
) -> Vec<Finding> {
    let name_of = |setting: &Setting| row(setting).map(|rule| rule.name);
    let mut findings = Vec::new();
    let mut counting: Vec<Setting> = Vec::new();
    for source in sources {
        for setting in source {
            let name = name_of(&setting);
            // A flag that may be repeated adds to its own command line only.
            let repeats = matches!(name, Some("bind" | "raw_env" | "reload_extra_files"));
            let outranked = counting.iter().position(|known| {
                name.is_some() && name_of(known) == name && !(repeats && known.place.source == setting.place.source)
            });
            if let Some(at) = outranked {
                let lost = counting.remove(at);
                let whose = if setting.place.source == "gunicorn" { "the command line" } else { &setting.place.source };
                let note = format!("{whose} says otherwise, and counts more");
                findings.push(Finding::not_needed(lost, note));
            }
            counting.push(setting);
        }
    }
    if let Some(target) = target {
        if let Some(at) = counting.iter().position(|setting| setting.name == "wsgi_app") {
            findings.push(Finding::not_needed(counting.remove(at), "the command line names the application"));
        }
        counting.push(Setting { name: "wsgi_app".into(), ..target });
    }
    let facts = Facts::of(&counting);
    facts.advise(plan);
    findings.extend(counting.into_iter().map(|setting| one(setting, &facts, plan, context)));
    // A file first, then what outranks it.
    let rank =
        |source: &str| ["GUNICORN_CMD_ARGS", "gunicorn"].iter().position(|name| *name == source).map_or(0, |at| at + 1);
    findings.sort_by_key(|finding| (rank(&finding.setting.place.source), finding.setting.place.line));
    findings
}

/// Whether gunicorn has a setting of that name.
#[must_use]
pub fn is_setting(name: &str) -> bool {
    TABLE.iter().any(|rule| rule.name == name)
}

fn row(setting: &Setting) -> Option<&'static Rule> {
    let name = setting.name.as_str();
    if name.starts_with('-') {
        return super::arguments::find(TABLE, name);
    }
    TABLE.iter().find(|rule| rule.name == name && rule.name != "proxy_protocol_on")
}

/// What several settings decide together.
#[derive(Debug, Default)]
struct Facts {
    workers: Option<u64>,
    threads: Option<u64>,
    class: String,
}

impl Facts {
    fn of(settings: &[Setting]) -> Self {
        let value = |name: &str| {
            settings.iter().find(|setting| row(setting).is_some_and(|rule| rule.name == name)).map(Setting::value)
        };
        let class = value("worker_class").unwrap_or("sync").trim();
        Self {
            workers: value("workers").and_then(|text| text.trim().parse().ok()),
            threads: value("threads").and_then(|text| text.trim().parse().ok()),
            class: class.rsplit(['.', '#']).next().unwrap_or(class).to_ascii_lowercase().replace("worker", ""),
        }
    }

    fn is_threaded(&self) -> bool {
        matches!(self.class.as_str(), "sync" | "gthread" | "thread" | "threads" | "")
    }

    fn is_asgi(&self) -> bool {
        ["uvicorn", "asgi", "uvicornh11", "hypercorn", "aiohttp", "gunicornweb", "gunicornuvloopweb", "daphne"]
            .contains(&self.class.as_str())
    }

    /// Requests at once.
    fn at_once(&self) -> u64 {
        self.workers.unwrap_or(1).max(1).saturating_mul(self.threads.unwrap_or(1).max(1)).min(512)
    }

    fn advise(&self, plan: &mut Plan) {
        if self.is_asgi() {
            plan.stops.push(
                "this application is served by a worker for ASGI, and monopod serves WSGI: leave it where it is".into(),
            );
        } else if !self.is_threaded() {
            plan.advise(format!(
                "{} ran many requests at once in one thread. Here each needs a thread while it waits: the default is 4 per CPU, \
                 --threads takes up to 512. Remove monkey-patching (gevent.monkey, eventlet.monkey_patch) from the application.",
                self.class
            ));
        } else if self.threads.unwrap_or(1) <= 1 && self.workers.unwrap_or(1) > 1 {
            plan.advise(
                "The application ran in processes of one thread each; here its requests share one process. Django, Flask and \
                 their database layers are made for that; module-level state of your own that requests change wants a lock.",
            );
        }
    }
}

fn one(setting: Setting, facts: &Facts, plan: &mut Plan, context: &Context) -> Finding {
    let Some(rule) = row(&setting) else {
        return unknown(setting);
    };
    if setting.values == ["None"] && rule.name != "accesslog" {
        return Finding::not_needed(setting, "it is not set");
    }
    let setting = match rules::follow(rule, setting, plan, context.behind_proxy) {
        Ok(finding) => return finding,
        Err(setting) => setting,
    };
    let value = setting.value().to_owned();
    match rule.name {
        "wsgi_app" => environment::target(setting, &value, plan),
        "workers" => workers(setting, facts, plan),
        "threads" => threads(setting, facts, plan),
        "worker_class" if facts.is_asgi() => Finding::dropped(setting, "a worker for ASGI; monopod serves WSGI"),
        "worker_class" if facts.is_threaded() => Finding::not_needed(setting, "threads run the application"),
        "worker_class" => Finding::dropped(setting, "there are no greenlets: threads wait in their place"),
        "raw_env" => environment::variables(setting, plan),
        "proxy_protocol" if ["off", "false"].contains(&value.to_ascii_lowercase().as_str()) => {
            Finding::not_needed(setting, "it is off")
        }
        "proxy_protocol" => {
            let mut finding = rules::keep(setting, "proxy-protocol", rules::Unit::On, rule.note, plan);
            if context.behind_proxy {
                plan.forget("proxy-protocol");
                finding = Finding::not_needed(finding.setting, rules::NO_HOP);
            }
            finding
        }
        "protocol" if value == "http" => Finding::not_needed(setting, "HTTP is spoken"),
        "protocol" => {
            Finding::dropped(setting, "HTTP is spoken: let the proxy do so too (proxy_pass in place of uwsgi_pass)")
        }
        "header_map" if value == "dangerous" || value == "refuse" => Finding::dropped(
            setting,
            "headers with `_` in their names are dropped and counted: they can stand for another header in environ",
        ),
        "accesslog" if value.is_empty() || value.eq_ignore_ascii_case("none") => {
            let note = "gunicorn had no access log then; leave it out to have one";
            switch_off(setting, note, plan)
        }
        "accesslog" | "errorlog" if !["-", "/dev/stdout", "/dev/stderr"].contains(&value.as_str()) => {
            Finding::dropped(setting, "to standard output; who wants a file redirects it")
        }
        "config" if setting.place.line.is_none() && !context.read.contains(&value) => {
            Finding::unknown(setting, "it could not be read here: name it as a FILE as well")
        }
        "config" => Finding::not_needed(setting, "it was read"),
        "secure_scheme_headers" => Finding::not_needed(setting, rule.note),
        _ => Finding::new(
            setting,
            if let rules::Becomes::Own(status, _) = rule.becomes { status } else { Status::Unknown },
            rule.note,
        ),
    }
}

fn switch_off(setting: Setting, note: &str, plan: &mut Plan) -> Finding {
    match plan.choose("access-log", "false") {
        Ok(choice) => Finding { setting, status: Status::Kept, becomes: vec![choice], note: note.to_owned() },
        Err(why) => Finding::dropped(setting, why),
    }
}

fn workers(setting: Setting, facts: &Facts, plan: &mut Plan) -> Finding {
    let (Some(workers), true) = (facts.workers, facts.is_threaded()) else {
        return Finding::not_yet(setting, "one process in this version: scale by pods");
    };
    let Ok(choice) = plan.choose("threads", &facts.at_once().to_string()) else {
        return Finding::unknown(setting, "no number of threads follows from it");
    };
    let becomes = vec![choice];
    if workers <= 1 {
        let note = if facts.threads.is_some() {
            "one process"
        } else {
            "one process, one request at a time; more --threads for more"
        };
        return Finding { setting, status: Status::Kept, becomes, note: note.to_owned() };
    }
    let threads = facts.threads.unwrap_or(1);
    let each = if threads == 1 { "one thread".to_owned() } else { format!("{threads} threads") };
    let note = format!(
        "one process in this version: {workers} workers of {each} become threads, so as many requests run at once; for more CPUs, more pods"
    );
    Finding { setting, status: Status::NotYet, becomes, note }
}

fn threads(setting: Setting, facts: &Facts, plan: &mut Plan) -> Finding {
    if facts.threads.is_none() {
        return Finding::unknown(setting, "this is no number");
    }
    if !facts.is_threaded() {
        return Finding::dropped(setting, "it does nothing with this worker_class in gunicorn either");
    }
    match plan.choose("threads", &facts.at_once().to_string()) {
        Ok(choice) => {
            let note = if facts.workers.unwrap_or(1) > 1 { "workers × threads" } else { "" };
            Finding { setting, status: Status::Kept, becomes: vec![choice], note: note.to_owned() }
        }
        Err(why) => Finding::dropped(setting, why),
    }
}

/// A flag that gunicorn does not know either, or a name of a configuration file, which gunicorn passes over.
fn unknown(setting: Setting) -> Finding {
    if setting.name.starts_with('-') {
        return Finding::unknown(setting, "gunicorn has no such option");
    }
    let name = setting.name.to_ascii_lowercase();
    match TABLE.iter().find(|rule| distance(rule.name, &name) == 1 && rule.name.len() > 3) {
        Some(near) => {
            let note = format!("gunicorn passes it over, as it has no such setting; was {} meant?", near.name);
            Finding::unknown(setting, note)
        }
        None => Finding::not_needed(setting, "a name of the file's own; gunicorn passes it over too"),
    }
}
