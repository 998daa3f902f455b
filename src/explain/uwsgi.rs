//! uWSGI: what its options become, by `uwsgi_table`, and those that depend on one another.

use super::Context;
use super::environment;
use super::nginx::location::is_uploads;
use super::plan::Plan;
use super::rules::{self, Unit};
use super::setting::{Finding, Setting, Status};
use super::uwsgi_ini::{Ini, open_placeholder};
use super::uwsgi_table::{FAMILIES, FLOW, find};

/// What each setting of a command line and of ini files became, in order.
pub fn explain(settings: Vec<Setting>, ini: &Ini, plan: &mut Plan, context: &Context) -> Vec<Finding> {
    let facts = Facts::of(&settings);
    facts.advise(plan);
    if !facts.target.is_empty() {
        // Found together; each finding that belongs to it is kept below.
        let finding = environment::target(Setting::default(), &facts.target, plan);
        if finding.status != Status::Kept {
            plan.advise(format!("The application cannot be named as {}: {}.", facts.target, finding.note));
        }
    }
    settings.into_iter().map(|setting| one(setting, &facts, ini, plan, context)).collect()
}

struct Facts {
    target: String,
    mounts: usize,
    root_path: Option<String>,
    processes: Option<u64>,
    threads: Option<u64>,
    has_http: bool,
    is_async: bool,
    /// What paths begin with that routes ask a password for, or refuse.
    guarded: Vec<String>,
}

impl Facts {
    fn of(settings: &[Setting]) -> Self {
        let all = |name: &str| {
            let of = settings.iter().filter(|setting| find(&setting.name).is_some_and(|rule| rule.name == name));
            of.map(|setting| setting.value().trim().to_owned()).collect::<Vec<_>>()
        };
        let last = |name: &str| all(name).pop().filter(|value| !value.is_empty());
        let number = |name: &str| last(name).and_then(|text| text.parse().ok());
        let mounts = all("mount");
        let mut root_path = None;
        let mut target = last("module").or_else(|| last("wsgi-file")).unwrap_or_default();
        if let (true, [mount]) = (target.is_empty(), mounts.as_slice())
            && let Some((url, app)) = mount.split_once('=')
        {
            app.clone_into(&mut target);
            root_path = Some(url.to_owned()).filter(|url| !url.trim_matches('/').is_empty());
        }
        if let Some(callable) = last("callable")
            && !target.is_empty()
            && !target.contains(':')
        {
            target = format!("{target}:{callable}");
        }
        // `module` alone means its `application`, which is also what monopod looks for first.
        Self {
            target,
            mounts: mounts.len(),
            root_path,
            processes: number("processes"),
            threads: number("threads"),
            has_http: ["http", "http-socket", "http11-socket"].iter().any(|name| !all(name).is_empty()),
            is_async: ["gevent", "async"].iter().any(|name| !all(name).is_empty()),
            guarded: settings.iter().filter_map(guards).collect(),
        }
    }

    /// Whether some of the files under `url` are not for everybody.
    fn is_guarded(&self, url: &str) -> bool {
        let url = url.trim_end_matches('/');
        self.guarded.iter().any(|path| path.starts_with(url) || url.starts_with(path.trim_end_matches('/')))
    }

    fn at_once(&self) -> u64 {
        self.processes.unwrap_or(1).max(1).saturating_mul(self.threads.unwrap_or(1).max(1)).min(512)
    }

    fn advise(&self, plan: &mut Plan) {
        if self.threads.unwrap_or(1) <= 1 && self.processes.unwrap_or(1) > 1 {
            plan.advise(
                "The application ran in processes of one thread each; here its requests share one process. Django, Flask and \
                 their database layers are made for that; module-level state of your own that requests change wants a lock.",
            );
        }
        if self.mounts > 1 {
            plan.advise(
                "Several applications are mounted: each becomes a server of its own, and the ingress tells them apart.",
            );
        }
    }
}

fn one(setting: Setting, facts: &Facts, ini: &Ini, plan: &mut Plan, context: &Context) -> Finding {
    let name = setting.name.trim_start_matches("--").to_owned();
    if FLOW.iter().any(|word| name == *word || word.ends_with('-') && name.starts_with(word))
        || name.starts_with("for-")
    {
        return Finding::dropped(setting, "conditions and loops are not followed: what is inside counts as if it held");
    }
    if let Some(open) = open_placeholder(setting.value()) {
        let note = format!("{open} has no value here: replace it, and explain again");
        return Finding::unknown(setting, note);
    }
    let Some(rule) = find(&setting.name) else { return family(setting, &name, ini, plan) };
    if rule.name == "limit-post" && setting.value().trim() == "0" {
        let most = Setting { values: vec!["1t".to_owned()], ..setting.clone() };
        let kept = rules::keep(most, "max-body-size", Unit::Same, "no limit there; 1t is as good", plan);
        return Finding { setting, ..kept };
    }
    let setting = match rules::follow(rule, setting, plan, context.behind_proxy) {
        Ok(finding) => return finding,
        Err(setting) => setting,
    };
    let value = setting.value().trim().to_owned();
    let kept = |setting, key: &str, value: &str, note: &str, plan: &mut Plan| match plan.choose(key, value) {
        Ok(choice) => Finding { setting, status: Status::Kept, becomes: vec![choice], note: note.to_owned() },
        Err(why) => Finding::dropped(setting, why.trim_end_matches('.').to_owned()),
    };
    match rule.name {
        "module" | "wsgi-file" | "callable" => named(setting, facts, plan),
        "mount" if facts.mounts == 1 && facts.target.ends_with(value.split('=').nth(1).unwrap_or("\0")) => {
            match &facts.root_path {
                Some(root) => kept(setting, "root-path", root, "SCRIPT_NAME, and the application", plan),
                None => named(setting, facts, plan),
            }
        }
        "mount" => Finding::dropped(setting, "one application a server: the others are pods of their own"),
        "http" | "http-socket" | "http11-socket" | "socket" if context.behind_proxy => {
            Finding::not_needed(setting, rules::NO_HOP)
        }
        "socket" if facts.has_http => {
            Finding::not_needed(setting, "for a proxy that speaks uwsgi; there is an address for HTTP")
        }
        "http" | "http-socket" | "http11-socket" | "socket" => {
            let address = value.split(',').next().unwrap_or_default().trim_start_matches('*');
            let is_path = address.contains('/') || !address.contains(':') && address.parse::<u16>().is_err();
            let address = if is_path { format!("unix:{address}") } else { address.to_owned() };
            let note = if rule.name == "socket" { rule.note } else { "" };
            kept(setting, "bind", &address, note, plan)
        }
        "protocol" if value == "http" => Finding::not_needed(setting, "HTTP is spoken"),
        "protocol" => Finding::dropped(setting, "HTTP is spoken: the proxy in front does so too (proxy_pass)"),
        "processes" | "threads" if facts.is_async => {
            Finding::not_yet(setting, "one process in this version: scale by pods; threads are sized by the container")
        }
        "processes" => concurrency(setting, facts.processes, facts, plan),
        "threads" => concurrency(setting, facts.threads, facts, plan),
        "buffer-size" => match value.parse::<u64>() {
            Ok(bytes) if bytes > 65536 => kept(
                setting,
                "max-header-size",
                &bytes.div_ceil(4).to_string(),
                "for one header, and four times that for all",
                plan,
            ),
            Ok(_) => Finding::not_needed(setting, rule.note),
            Err(_) => Finding::unknown(setting, "this is no number of bytes"),
        },
        "static-map" => static_map(setting, &value, facts, plan),
        "check-static" if facts.is_guarded("") => guarded(setting, plan),
        "check-static" => kept(setting, "static-root", &value, rule.note, plan),
        "env" => environment::variables(setting, plan),
        "pythonpath" if matches!(value.as_str(), "." | "./") => {
            Finding::not_needed(setting, "the working directory is on the path")
        }
        "ini" if ini.missing.contains(&value) => {
            Finding::unknown(setting, "it could not be read here: name it as a FILE as well")
        }
        _ => Finding::new(
            setting,
            if let rules::Becomes::Own(status, _) = rule.becomes { status } else { Status::Unknown },
            rule.note,
        ),
    }
}

/// Part of how the application is named.
fn named(setting: Setting, facts: &Facts, plan: &mut Plan) -> Finding {
    match &plan.target {
        Some(target) => {
            let choice = super::setting::Choice { key: "target".into(), value: target.clone() };
            Finding { setting, status: Status::Kept, becomes: vec![choice], note: String::new() }
        }
        None if facts.target.is_empty() => Finding::unknown(setting, "it names no application by itself"),
        None => Finding::dropped(setting, "monopod cannot take this name; see above"),
    }
}

fn concurrency(setting: Setting, number: Option<u64>, facts: &Facts, plan: &mut Plan) -> Finding {
    let many = facts.processes.unwrap_or(1) > 1;
    let is_processes = find(&setting.name).is_some_and(|rule| rule.name == "processes");
    if number.is_none() {
        return Finding::unknown(setting, "this is no number");
    }
    let choice = match plan.choose("threads", &facts.at_once().to_string()) {
        Ok(choice) => choice,
        Err(why) => return Finding::dropped(setting, why),
    };
    let (status, note) = match (is_processes, many) {
        (true, true) => (
            Status::NotYet,
            "one process in this version: processes × threads run as many requests at once; for more CPUs, more pods",
        ),
        (true, false) => (Status::Kept, "one process"),
        (false, true) => (Status::Kept, "processes × threads"),
        (false, false) => (Status::Kept, ""),
    };
    Finding { setting, status, becomes: vec![choice], note: note.to_owned() }
}

/// The beginning of the paths that a route keeps from some: `/private` of `route-uri = ^/private basicauth:…`.
fn guards(setting: &Setting) -> Option<String> {
    const ACTIONS: &[&str] =
        &["basicauth:", "basicauth-next:", "ldapauth:", "radius:", "spnego:", "break:40", "break:41", "return:40"];
    let name = setting.name.trim_start_matches('-');
    if !name.starts_with("route") || matches!(name, "route-host" | "route-user-agent") {
        return None;
    }
    let value = setting.value().trim();
    let (subject, action) = value.rsplit_once(char::is_whitespace).unwrap_or(("", value));
    if !ACTIONS.iter().any(|known| action.starts_with(known) || value.contains(&format!(" {known}"))) {
        return None;
    }
    let pattern = subject.split_whitespace().next().unwrap_or_default();
    let is_path = matches!(name, "route" | "route-uri" | "route-request-uri");
    let path = pattern.strip_prefix('^').filter(|_| is_path).unwrap_or_default();
    let end = path.find(|c: char| !c.is_ascii_alphanumeric() && !"/-_".contains(c)).unwrap_or(path.len());
    Some(path[..end].to_owned())
}

fn guarded(setting: Setting, plan: &mut Plan) -> Finding {
    let value = setting.value().to_owned();
    plan.advise(format!("{value} was protected by a route, and monopod has no such rules: let a view of the application answer with X-Accel-Redirect (--accel)."));
    Finding::dropped(
        setting,
        "was protected by a route, which no option says: let a view answer with X-Accel-Redirect (--accel)",
    )
}

fn static_map(setting: Setting, value: &str, facts: &Facts, plan: &mut Plan) -> Finding {
    let (url, path) = value.split_once('=').unwrap_or((value, ""));
    let last = |path: &str| path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    if last(url).contains('.') {
        let note =
            format!("a single file: put it into a directory of such files, and name that by --static-root ({path})");
        return Finding::dropped(setting, note);
    }
    let url = url.trim().trim_end_matches('/');
    if facts.is_guarded(url) {
        return guarded(setting, plan);
    }
    if url.is_empty() {
        let setting = Setting { values: vec![path.to_owned()], ..setting };
        return rules::keep(setting, "static-root", Unit::Same, "", plan);
    }
    let key = if is_uploads(url, path.trim()) { "media" } else { "static" };
    match plan.choose(key, &format!("{url}={}", path.trim())) {
        Ok(choice) => Finding { setting, status: Status::Kept, becomes: vec![choice], note: String::new() },
        Err(why) => Finding::dropped(setting, why),
    }
}

/// An option without a row of its own.
fn family(setting: Setting, name: &str, ini: &Ini, plan: &mut Plan) -> Finding {
    if let Some((_, status, note)) = FAMILIES.iter().find(|(start, ..)| name.starts_with(start)) {
        if name.starts_with("static-expires") {
            // `REGEX SECONDS`, or `REGEX=SECONDS`.
            let value = setting.value().to_owned();
            let seconds = value.rsplit([' ', '=']).next().unwrap_or_default();
            let note = "for names without a content hash, whatever the pattern; those with one are kept for ever";
            return match plan.choose("max-age", seconds) {
                Ok(choice) => Finding { setting, status: Status::Kept, becomes: vec![choice], note: note.to_owned() },
                Err(why) => Finding::dropped(setting, why.trim_end_matches('.').to_owned()),
            };
        }
        return Finding::new(setting, *status, *note);
    }
    if ini.used.iter().any(|used| used == name) {
        return Finding::not_needed(setting, "a name of the file's own; its value is where it is used");
    }
    Finding::unknown(setting, "explain does not know this option, or it is a name of the file's own")
}
