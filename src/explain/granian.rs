//! granian: the table of its options, and those that depend on one another. It has no configuration file.

use super::Context;
use super::environment;
use super::plan::Plan;
use super::rules::Takes::{Nothing, Value};
use super::rules::Unit::{Millis, Same};
use super::rules::{self, Rule, dropped, not_needed, not_yet, option, own, switch};
use super::setting::{Finding, Setting, Status};

const TLS: &str = "TLS is not in this version: end it in front (ingress, mesh or load balancer), see docs/tls.md";
const HTTP2: &str = "HTTP/2 is not in this version: an ingress in front speaks it to clients";
const EVENT_LOOP: &str = "there is no event loop of Python's; one thread does all IO";
const RELOAD: &str = "`monopod dev` reloads while you work";
const RECYCLE: &str = "processes are not recycled in this version: a leak ends with the pod (memory limit, restart)";

#[rustfmt::skip]
pub const TABLE: &[Rule] = &[
    own("app", &[], Status::Kept, "target", "the application, as it is written; with --factory as `module:name()`"),
    own("--host", &["--host"], Status::Kept, "bind", "with --port"),
    own("--port", &["--port"], Status::Kept, "bind", "with --host"),
    own("--uds", &["--uds"], Status::Kept, "bind", "`unix:PATH`"),
    dropped("--uds-permissions", &["--uds-permissions"], Value, "the socket has the permissions of the umask"),
    own("--interface", &["--interface"], Status::NotNeeded, "", "`wsgi`: as here. `asgi`, `asginl`, `rsgi`: not possible"),
    own("--http", &["--http"], Status::NotNeeded, "", "`1` and `auto`: HTTP/1.1 is spoken. `2`: not yet"),
    not_needed("--ws", &["--ws", "--no-ws"], Nothing, "WSGI has no websockets"),
    own("--workers", &["--workers"], Status::NotYet, "threads",
        "one process in this version; workers × blocking threads requests at once are kept as threads, and pods scale CPUs"),
    own("--blocking-threads", &["--blocking-threads"], Status::Kept, "threads", "workers × blocking threads"),
    not_needed("--blocking-threads-idle-timeout", &["--blocking-threads-idle-timeout"], Value, "threads are attached to the interpreter for life"),
    not_needed("--runtime-threads", &["--runtime-threads"], Value, EVENT_LOOP),
    not_needed("--runtime-blocking-threads", &["--runtime-blocking-threads"], Value, EVENT_LOOP),
    not_needed("--runtime-mode", &["--runtime-mode"], Value, EVENT_LOOP),
    not_needed("--loop", &["--loop"], Value, EVENT_LOOP),
    not_needed("--task-impl", &["--task-impl"], Value, EVENT_LOOP),
    option("--backlog", &["--backlog"], "backlog", Same, ""),
    option("--backpressure", &["--backpressure"], "queue-size", Same, "requests that wait; one more is answered 503, where granian would stop to accept"),
    not_needed("--http1-buffer-size", &["--http1-buffer-size"], Value, "buffers are sized by --buffer-memory and the limits of heads"),
    option("--http1-header-read-timeout", &["--http1-header-read-timeout"], "header-timeout", Millis, "in milliseconds there"),
    own("--http1-keep-alive", &["--http1-keep-alive", "--no-http1-keep-alive"], Status::NotNeeded, "keep-alive", "it is on; off is `--keep-alive 0`").bare(),
    not_needed("--http1-pipeline-flush", &["--http1-pipeline-flush", "--no-http1-pipeline-flush"], Nothing, "pipelined requests are answered in order"),
    not_yet("--http2-adaptive-window", &["--http2-adaptive-window", "--no-http2-adaptive-window"], Nothing, HTTP2),
    not_yet("--http2-initial-connection-window-size", &["--http2-initial-connection-window-size"], Value, HTTP2),
    not_yet("--http2-initial-stream-window-size", &["--http2-initial-stream-window-size"], Value, HTTP2),
    not_yet("--http2-keep-alive-interval", &["--http2-keep-alive-interval"], Value, HTTP2),
    not_yet("--http2-keep-alive-timeout", &["--http2-keep-alive-timeout"], Value, HTTP2),
    not_yet("--http2-max-concurrent-streams", &["--http2-max-concurrent-streams"], Value, HTTP2),
    not_yet("--http2-max-frame-size", &["--http2-max-frame-size"], Value, HTTP2),
    not_yet("--http2-max-headers-size", &["--http2-max-headers-size"], Value, HTTP2),
    not_yet("--http2-max-send-buffer-size", &["--http2-max-send-buffer-size"], Value, HTTP2),
    own("--log", &["--log", "--no-log"], Status::NotNeeded, "", "the log is on; --log-level error for little of it").bare(),
    option("--log-level", &["--log-level"], "log-level", Same, ""),
    dropped("--log-config", &["--log-config"], Value, "configures granian's loggers; the application's own logging stays its own"),
    own("--access-log", &["--access-log", "--no-access-log"], Status::NotNeeded, "access-log", "it is on unless --no-access-log is given").bare(),
    dropped("--access-log-fmt", &["--access-log-fmt"], Value, "other atoms: --access-logformat takes gunicorn's (docs/logging.md); JSON has it all"),
    not_yet("--ssl-certificate", &["--ssl-certificate"], Value, TLS),
    not_yet("--ssl-keyfile", &["--ssl-keyfile"], Value, TLS),
    not_yet("--ssl-keyfile-password", &["--ssl-keyfile-password"], Value, TLS),
    not_yet("--ssl-protocol-min", &["--ssl-protocol-min"], Value, TLS),
    not_yet("--ssl-ca", &["--ssl-ca"], Value, TLS),
    not_yet("--ssl-crl", &["--ssl-crl"], Value, TLS),
    not_yet("--ssl-client-verify", &["--ssl-client-verify", "--no-ssl-client-verify"], Nothing, TLS),
    option("--url-path-prefix", &["--url-path-prefix"], "root-path", Same, ""),
    not_needed("--respawn-failed-workers", &["--respawn-failed-workers", "--no-respawn-failed-workers"], Nothing, "one process, which the platform starts again"),
    not_needed("--respawn-interval", &["--respawn-interval"], Value, "one process, which the platform starts again"),
    not_yet("--workers-lifetime", &["--workers-lifetime"], Value, RECYCLE),
    not_yet("--workers-max-rss", &["--workers-max-rss"], Value, RECYCLE),
    not_yet("--rss-sample-interval", &["--rss-sample-interval"], Value, RECYCLE),
    not_yet("--rss-samples", &["--rss-samples"], Value, RECYCLE),
    option("--workers-kill-timeout", &["--workers-kill-timeout"], "graceful-timeout", rules::Unit::Seconds, "how long requests may take to finish after SIGTERM"),
    own("--factory", &["--factory", "--no-factory"], Status::NotNeeded, "", "the application is named `module:name()`").bare(),
    option("--working-dir", &["--working-dir"], "chdir", Same, ""),
    dropped("--env-files", &["--env-files"], Value, "files of NAME=VALUE lines are not read; --env-dir takes a directory with a file for each variable"),
    own("--static-path-route", &["--static-path-route"], Status::Kept, "static", "with --static-path-mount"),
    own("--static-path-mount", &["--static-path-mount"], Status::Kept, "static", "with --static-path-route, which is /static unless given"),
    not_needed("--static-path-dir-to-file", &["--static-path-dir-to-file"], Value, "index.html stands for its directory"),
    option("--static-path-expires", &["--static-path-expires"], "max-age", rules::Unit::Seconds, "for names without a content hash; those with one are kept for ever"),
    own("--metrics", &["--metrics", "--no-metrics"], Status::Kept, "admin-bind", "`/metrics` is on the admin port").bare(),
    not_needed("--metrics-scrape-interval", &["--metrics-scrape-interval"], Value, "metrics are counted as things happen"),
    own("--metrics-address", &["--metrics-address"], Status::Kept, "admin-bind", "with --metrics"),
    own("--metrics-port", &["--metrics-port"], Status::Kept, "admin-bind", "with --metrics"),
    dropped("--reload", &["--reload", "--no-reload"], Nothing, RELOAD),
    dropped("--reload-paths", &["--reload-paths"], Value, RELOAD),
    dropped("--reload-ignore-dirs", &["--reload-ignore-dirs"], Value, RELOAD),
    dropped("--reload-ignore-patterns", &["--reload-ignore-patterns"], Value, RELOAD),
    dropped("--reload-ignore-paths", &["--reload-ignore-paths"], Value, RELOAD),
    dropped("--reload-tick", &["--reload-tick"], Value, RELOAD),
    dropped("--reload-ignore-worker-failure", &["--reload-ignore-worker-failure", "--no-reload-ignore-worker-failure"], Nothing, RELOAD),
    dropped("--process-name", &["--process-name"], Value, "the process is called monopod; containers are told apart by their names"),
    dropped("--pid-file", &["--pid-file"], Value, "signals go to the process that was started; in a container it is PID 1"),
    not_needed("--version", &["--version"], Nothing, "`monopod --version`"),
    not_needed("--help", &["--help"], Nothing, "`monopod --help`"),
    switch("--proxy-protocol", &["--proxy-protocol"], "proxy-protocol", ""),
];

/// What each option of a command line became; `target` is its positional.
pub fn explain(settings: Vec<Setting>, target: Option<Setting>, plan: &mut Plan, context: &Context) -> Vec<Finding> {
    let facts = Facts::of(&settings);
    if matches!(facts.interface.as_str(), "asgi" | "asginl" | "rsgi") {
        plan.stops.push(format!(
            "this application is served by --interface {}, and monopod serves WSGI: leave it where it is",
            facts.interface
        ));
    } else if facts.interface.is_empty() {
        plan.advise(
            "Without --interface granian serves RSGI: monopod can only serve the application if it is one of WSGI.",
        );
    }
    let mut findings = Vec::new();
    if let Some(target) = target {
        let mut name = target.value().to_owned();
        if facts.factory && !name.ends_with(')') {
            name.push_str("()");
        }
        findings.push(environment::target(Setting { name: "app".into(), ..target }, &name, plan));
    }
    findings.extend(settings.into_iter().map(|setting| one(setting, &facts, plan, context)));
    findings
}

struct Facts {
    interface: String,
    factory: bool,
    host: Option<String>,
    port: Option<String>,
    workers: u64,
    blocking: Option<u64>,
    routes: Vec<String>,
    mounts: Vec<String>,
    metrics: (String, String),
}

impl Facts {
    fn of(settings: &[Setting]) -> Self {
        let all = |name: &str| {
            let of = settings.iter().filter(|setting| setting.name == name);
            of.map(|setting| setting.value().to_owned()).collect::<Vec<_>>()
        };
        let last = |name: &str| all(name).pop();
        let number = |name: &str| last(name).and_then(|text| text.parse().ok());
        Self {
            interface: last("--interface").unwrap_or_default().to_ascii_lowercase(),
            factory: !all("--factory").is_empty(),
            host: last("--host"),
            port: last("--port"),
            workers: number("--workers").unwrap_or(1),
            blocking: number("--blocking-threads"),
            routes: all("--static-path-route"),
            mounts: all("--static-path-mount"),
            metrics: (
                last("--metrics-address").unwrap_or_else(|| "127.0.0.1".into()),
                last("--metrics-port").unwrap_or_else(|| "9090".into()),
            ),
        }
    }
}

fn one(setting: Setting, facts: &Facts, plan: &mut Plan, context: &Context) -> Finding {
    let Some(rule) = super::arguments::find(TABLE, &setting.name) else {
        return Finding::unknown(setting, "granian has no such option");
    };
    let is_off = setting.name.starts_with("--no-");
    let setting = match rules::follow(rule, setting, plan, context.behind_proxy) {
        Ok(finding) => return finding,
        Err(setting) => setting,
    };
    let value = setting.value().to_owned();
    let kept = |setting, key: &str, value: &str, note: &str, plan: &mut Plan| match plan.choose(key, value) {
        Ok(choice) => Finding { setting, status: Status::Kept, becomes: vec![choice], note: note.to_owned() },
        Err(why) => Finding::dropped(setting, why),
    };
    match rule.name {
        "--host" | "--port" | "--uds" if context.behind_proxy => Finding::not_needed(setting, rules::NO_HOP),
        "--host" | "--port" => {
            let host = facts.host.as_deref().unwrap_or("127.0.0.1");
            let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
            let address = format!("{host}:{}", facts.port.as_deref().unwrap_or("8000"));
            kept(setting, "bind", &address, "", plan)
        }
        "--uds" => kept(setting, "bind", &format!("unix:{value}"), "", plan),
        "--interface" if value == "wsgi" => Finding::not_needed(setting, "WSGI is what is served"),
        "--interface" => Finding::dropped(setting, "monopod serves WSGI"),
        "--http" if value == "2" => Finding::not_yet(setting, HTTP2),
        "--http" => Finding::not_needed(setting, "HTTP/1.1 is spoken"),
        "--workers" | "--blocking-threads" => {
            let at_once = facts.workers.max(1).saturating_mul(facts.blocking.unwrap_or(1).max(1)).min(512);
            if rule.name == "--workers" && facts.workers > 1 && facts.blocking.is_none() {
                // Without the option granian decides how many threads each has.
                return Finding::not_yet(
                    setting,
                    "one process in this version: scale by pods; threads are sized by the container",
                );
            }
            let mut finding = kept(setting, "threads", &at_once.to_string(), "", plan);
            if rule.name == "--workers" && facts.workers > 1 && finding.status == Status::Kept {
                finding.status = Status::NotYet;
                "one process in this version: workers × blocking threads run as many requests at once; for more CPUs, more pods"
                    .clone_into(&mut finding.note);
            } else if rule.name == "--workers" && facts.blocking.is_none() {
                plan.forget("threads");
                finding = Finding::not_needed(finding.setting, "one process");
            }
            finding
        }
        "--http1-keep-alive" if is_off => kept(setting, "keep-alive", "0", "", plan),
        "--log" if is_off => kept(setting, "log-level", "error", "errors are always told", plan),
        "--access-log" if is_off => kept(setting, "access-log", "false", "", plan),
        "--factory" if is_off => Finding::not_needed(setting, "it is off"),
        "--static-path-route" if facts.mounts.is_empty() => {
            Finding::dropped(setting, "there is no --static-path-mount to go with it")
        }
        "--static-path-route" | "--static-path-mount" => {
            let at = plan.choices().iter().filter(|choice| choice.key == "static").count();
            let by_route = rule.name == "--static-path-route";
            // Each by its own place among its kind.
            let place = if by_route {
                facts.routes.iter().position(|route| *route == value)
            } else {
                facts.mounts.iter().position(|mount| *mount == value)
            };
            let place = place.unwrap_or(at);
            let route = facts.routes.get(place).map_or("/static", String::as_str);
            let Some(mount) = facts.mounts.get(place) else {
                return Finding::dropped(setting, "there is no --static-path-mount to go with it");
            };
            kept(setting, "static", &format!("{}={mount}", route.trim_end_matches('/')), "", plan)
        }
        "--metrics" if is_off => Finding::not_needed(setting, "they cost nothing until they are asked for"),
        "--metrics" | "--metrics-address" | "--metrics-port" => {
            let (address, port) = &facts.metrics;
            kept(setting, "admin-bind", &format!("{address}:{port}"), "probes and the status page are there too", plan)
        }
        _ => Finding::not_needed(setting, rule.note),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::arguments::read;
    use crate::explain::rules::Takes;

    #[test]
    fn a_switch_takes_no_word_behind_it() {
        for rule in TABLE.iter().filter(|rule| rule.flags.iter().any(|flag| flag.starts_with("--no-"))) {
            assert_eq!(rule.takes, Takes::Nothing, "{}", rule.name);
        }
        let (settings, words) =
            read(&["--factory", "--metrics", "--port", "1", "a:b"].map(str::to_owned), TABLE, "granian");
        assert_eq!((settings.len(), words), (3, vec!["a:b".to_owned()]));
    }
}
