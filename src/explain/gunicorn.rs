//! gunicorn: what its settings become, by `gunicorn_table`, and those that depend on one another.
//!
//! Settings come from a gunicorn.conf.py, which `python` has evaluated, from `GUNICORN_CMD_ARGS` and from a command line,
//! which rank in this order.

use super::Context;
use super::environment;
pub use super::gunicorn_table::TABLE;
use super::plan::Plan;
use super::rules::Unit::Same;
use super::rules::{self, Rule};
use super::setting::{Finding, Setting, Status};

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
        !self.is_asgi() && !self.is_greenlets()
    }

    fn is_greenlets(&self) -> bool {
        ["gevent", "ggevent", "eventlet", "geventlet", "tornado", "gtornado", "meinheld"]
            .iter()
            .any(|known| self.class.starts_with(known))
    }

    /// Neither gunicorn's nor known.
    fn is_own(&self) -> bool {
        self.is_threaded() && !matches!(self.class.as_str(), "sync" | "gthread" | "thread" | "threads" | "")
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
    if matches!(rule.name, "limit_request_line" | "limit_request_field_size") && setting.value().trim() == "0" {
        let key = if rule.name == "limit_request_line" { "max-request-line" } else { "max-header-size" };
        let most = Setting { values: vec!["1m".to_owned()], ..setting.clone() };
        let kept = rules::keep(most, key, Same, "no limit there; 1m is the most here", plan);
        return Finding { setting, ..kept };
    }
    let setting = match rule.name {
        // gunicorn splits a text in its file at commas.
        "bind" if setting.assigned => {
            let values = setting.values.iter().flat_map(|value| value.split(',')).map(|one| one.trim().to_owned());
            Setting { values: values.collect(), ..setting }
        }
        _ => setting,
    };
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
        "worker_class" if facts.is_own() => Finding::unknown(
            setting,
            "a class of your own: is it of threads, of greenlets or for ASGI? It is taken for threads",
        ),
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
    match TABLE.iter().find(|rule| strsim::osa_distance(rule.name, &name) == 1 && rule.name.len() > 3) {
        Some(near) => {
            let note = format!("gunicorn passes it over, as it has no such setting; was {} meant?", near.name);
            Finding::unknown(setting, note)
        }
        None => Finding::not_needed(setting, "a name of the file's own; gunicorn passes it over too"),
    }
}
