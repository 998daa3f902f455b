//! Directives whose meaning depends on where they stand, and on the rest of the configuration.

use super::access_log;
use super::location::{Kind, is_page, target_of};
use super::parse::Directive;
use super::{Scope, Walk, site};
use crate::explain::rules::{self, Unit, nginx_time};
use crate::explain::setting::{Choice, Finding, Setting, Status};

const REDIRECT: &str =
    "redirects are the ingress's or the application's; from HTTP to HTTPS Django's SECURE_SSL_REDIRECT";

pub(super) const BY_NAME: &str = "names with a content hash are kept for a year, immutable; for all others --max-age holds, and a long one would leave clients with stale files";

impl Walk<'_> {
    pub(super) fn kept(&mut self, setting: Setting, key: &str, value: &str, note: &str) -> Finding {
        if value.contains("${") || value.contains("{{") {
            return Finding::unknown(setting, format!("it has a variable: write --{key} with what it stands for"));
        }
        match self.plan.choose(key, value) {
            Ok(choice) => Finding { setting, status: Status::Kept, becomes: vec![choice], note: note.to_owned() },
            Err(why) => Finding::dropped(setting, why.trim_end_matches('.').to_owned()),
        }
    }

    pub(super) fn listen(&mut self, directive: &Directive, setting: Setting, scope: &Scope<'_>) -> Finding {
        let has = |word: &str| directive.arguments.iter().any(|argument| argument == word);
        let server = scope.server;
        if server.is_some_and(|server| !site::serves(server)) {
            return Finding::not_needed(setting, "this server only redirects or refuses");
        }
        let by_server = server.and_then(|server| server.last("ssl")).is_some_and(|ssl| ssl.first() == "on");
        if has("ssl") || has("quic") || by_server {
            return Finding::not_yet(
                setting,
                "TLS is not in this version: end it in front (ingress, mesh or load balancer), see docs/tls.md",
            );
        }
        let given = directive.first();
        let address = match given.strip_prefix("*:") {
            Some(port) => format!(":{port}"),
            None if given.starts_with("unix:") || given.contains("]:") || given.parse::<u16>().is_ok() => {
                given.to_owned()
            }
            None if given.starts_with('[') => format!("{given}:80"),
            None if given.contains(':') => given.to_owned(),
            None => format!("{given}:80"),
        };
        let address = if address.parse::<u16>().is_ok() { format!("0.0.0.0:{address}") } else { address };
        let port = address.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
        if let Some(port) = port.filter(|_| address.starts_with("[::]:")) {
            let both = [format!("0.0.0.0:{port}"), format!(":{port}")];
            let has_v4 = server.is_some_and(|server| {
                server.all("listen").any(|listen| {
                    let first = listen.first();
                    both.iter().any(|known| known == first) || first.parse() == Ok(port) || first == format!("*:{port}")
                })
            });
            if has_v4 {
                return Finding::not_needed(
                    setting,
                    format!("where there is IPv6, --bind '[::]:{port}' alone takes both families"),
                );
            }
        }
        if has("proxy_protocol") {
            let _ = self.plan.choose("proxy-protocol", "true");
        }
        if let Some(backlog) = directive.arguments.iter().find_map(|argument| argument.strip_prefix("backlog=")) {
            let _ = self.plan.choose("backlog", backlog);
        }
        let note = match port {
            Some(port @ 1..1024) => {
                format!("containers allow port {port}; elsewhere it takes CAP_NET_BIND_SERVICE, so 8000 may be simpler")
            }
            _ => String::new(),
        };
        self.kept(setting, "bind", &address, &note)
    }

    /// alias, root, try_files and internal: what their location became, they became.
    pub(super) fn of_files(&mut self, directive: &Directive, setting: Setting, scope: &Scope<'_>) -> Finding {
        let Some(location) = scope.location else {
            if directive.name == "try_files"
                && let (Some(root), Some(last)) = (scope.root, directive.arguments.last())
            {
                let closed = self.nginx.site.closed_below("", "").map(|path| format!("inside it {path}"));
                let closed = scope.guard.name().map(str::to_owned).or(closed);
                if let Some(by) = closed {
                    self.plan.advise(format!("Files of {root} were not for everybody ({by}): a view that answers with X-Accel-Redirect (--accel) can show them."));
                    return Finding::dropped(setting, "not everybody might see these files, which no option says");
                }
                if is_page(last) {
                    let _ = self.plan.choose("spa", "true");
                }
                return self.kept(setting, "static-root", root, "files beside the application's pages");
            }
            return Finding::not_needed(setting, "what its locations make of it is told there");
        };
        let becomes: Vec<Choice> = location
            .choices
            .iter()
            .map(|(key, value)| Choice { key: key.clone(), value: value.clone() })
            .filter(|choice| self.plan.choices().contains(&choice))
            .collect();
        if directive.name == "try_files" {
            let last = directive.arguments.last().map_or("", String::as_str);
            if last.starts_with('=') || becomes.is_empty() && !last.starts_with('@') {
                return Finding::not_needed(
                    setting,
                    "what is no file below --static is 404, elsewhere the application's",
                );
            }
        }
        if becomes.is_empty() {
            let note = if location.note.is_empty() { "as its location" } else { location.note.as_str() };
            return Finding::new(setting, location.status, note);
        }
        Finding { setting, status: Status::Kept, becomes, note: String::new() }
    }

    pub(super) fn pass(&mut self, setting: Setting, scope: &Scope<'_>) -> Finding {
        let (upstream, _) = target_of(setting.value());
        if scope.location.is_none_or(|location| location.kind != Kind::App) || !self.nginx.site.is_application(upstream)
        {
            return Finding::dropped(setting, "not the application: route to it at the ingress");
        }
        if let Some(location) = scope.location.filter(|location| location.status == Status::Dropped) {
            return Finding::dropped(setting, location.note.as_str());
        }
        Finding::not_needed(setting, "the application is in this process")
    }

    pub(super) fn expires(&mut self, setting: Setting, scope: &Scope<'_>) -> Finding {
        if scope.location.is_some_and(|location| location.kind == Kind::App) {
            return Finding::dropped(setting, "the application says Cache-Control for its own pages");
        }
        if by_ending(scope) {
            return Finding::not_needed(setting, BY_NAME);
        }
        let note = "for names without a content hash; those with one are kept for a year, immutable";
        // For `/` it would be a rule for all files, those with a hash in their names included.
        let files = scope.location.filter(|at| at.kind == Kind::Files && !at.choices.is_empty());
        let url = files.and_then(|at| at.url.clone()).filter(|url| !url.is_empty());
        let is_never = |value: &str| value == "epoch" || value == "0" || value.starts_with('-');
        match setting.value() {
            "off" => Finding::not_needed(setting, "files have Cache-Control, by --max-age"),
            "max" => self.kept(setting, "max-age", "365d", note),
            // Not for all files: these alone are not to be kept.
            value
                if is_never(value)
                    && let Some(url) = url =>
            {
                let (name, value) = ("Cache-Control".to_owned(), "no-cache".to_owned());
                self.rule(setting, format!("{url}/*"), name, value, "by the rules in _headers")
            }
            value if is_never(value) => self.kept(setting, "max-age", "0", note),
            value => match nginx_time(value) {
                Some(time) => self.kept(setting, "max-age", &time, note),
                None => Finding::unknown(
                    setting,
                    "it is no plain time: see --max-age, and --headers-file for rules by path",
                ),
            },
        }
    }

    pub(super) fn body_size(&mut self, setting: Setting, scope: &Scope<'_>) -> Finding {
        let zero = setting.value().trim() == "0";
        let size = if zero { "1t".to_owned() } else { setting.value().to_owned() };
        let prefix = match scope.location.map(|location| location.prefix.as_deref()) {
            None | Some(Some("")) => String::new(),
            Some(Some(prefix)) => format!("{prefix}="),
            Some(None) => {
                return Finding::dropped(
                    setting,
                    format!(
                        "a size is for all paths or for those below a prefix: name its prefix, --max-body-size /PREFIX={size}"
                    ),
                );
            }
        };
        self.kept(
            setting,
            "max-body-size",
            &format!("{prefix}{size}"),
            if zero { "no limit there; 1t is as good" } else { "" },
        )
    }

    pub(super) fn returned(setting: Setting, scope: &Scope<'_>) -> Finding {
        let code = setting.values.first().map_or("", String::as_str);
        if setting.name.ends_with("rewrite") {
            return Finding::dropped(setting, "paths are rewritten by the ingress, or are URLs of the application");
        }
        if let Some(location) = scope.location
            && location.choices.iter().any(|(key, _)| key == "health-path")
        {
            return Finding::not_needed(setting, "its location is --health-path");
        }
        let note = if code.starts_with('3') || code.starts_with("http") {
            REDIRECT
        } else {
            "answers of nginx's own are the ingress's or the application's"
        };
        Finding::dropped(setting, note)
    }

    pub(super) fn in_condition(directive: &Directive) -> &'static str {
        match directive.name.as_str() {
            "return" | "rewrite" if directive.arguments.iter().any(|word| word.contains("https:")) => REDIRECT,
            _ => "a part of the condition above it",
        }
    }

    pub(super) fn access_log(&mut self, setting: Setting, scope: &Scope<'_>) -> Finding {
        let is_off = setting.values.first().is_some_and(|value| value == "off");
        match (is_off, scope.location) {
            (true, None) if scope.server.is_some() && self.nginx.site.is_many() => {
                Finding::dropped(setting, "of one site of several; --no-access-log is for all")
            }
            (true, None) => self.kept(setting, "access-log", "false", ""),
            (true, Some(_)) => Finding::dropped(
                setting,
                "every request has an access record, but for probes; --no-access-log is for all",
            ),
            (false, _) => Finding::not_needed(setting, "the access log goes to standard output"),
        }
    }

    pub(super) fn log_format(&mut self, setting: Setting) -> Finding {
        let name = setting.values.first().cloned().unwrap_or_default();
        if !self.nginx.site.formats.contains(&name) {
            return Finding::not_needed(setting, "no access_log for all requests uses it");
        }
        match access_log::translate(setting.values.get(1..).unwrap_or_default()) {
            Ok(format) => {
                let note = "without it the log is JSON in containers, with more in it (docs/logging.md)";
                let formatted = Setting { values: vec![format], ..setting.clone() };
                let kept = rules::keep(formatted, "access-logformat", Unit::Same, note, self.plan);
                Finding { setting, ..kept }
            }
            Err(variable) => Finding::dropped(
                setting,
                format!("no atom says {variable}; the JSON log has times, ids and more of its own (docs/logging.md)"),
            ),
        }
    }

    pub(super) fn include(&mut self, directive: &Directive, setting: Setting) -> Finding {
        if !self.nginx.missing.contains(&directive.place) {
            return Finding::not_needed(setting, "what it includes is told line by line");
        }
        let name = directive.first().rsplit('/').next().unwrap_or_default();
        match name {
            "mime.types" => Finding::not_needed(setting, "media types are built in"),
            "uwsgi_params" | "proxy_params" | "fastcgi_params" | "scgi_params" | "fastcgi.conf" | "proxy.conf" => {
                Finding::not_needed(setting, "parameters for the upstream, which is this process")
            }
            _ if name.ends_with("ssl-nginx.conf") || name.contains("letsencrypt") => {
                Finding::not_yet(setting, "TLS is not in this version: end it in front, see docs/tls.md")
            }
            _ => Finding::unknown(setting, "no such file is here: name it as a FILE as well"),
        }
    }
}

/// Whether the location is about files of some ending, wherever they lie.
pub(super) fn by_ending(scope: &Scope<'_>) -> bool {
    scope.location.is_some_and(|location| location.kind == Kind::Files && location.choices.is_empty())
}
