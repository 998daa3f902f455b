//! Directives whose meaning depends on where they stand, and on the rest of the configuration.

use super::access_log;
use super::location::{Kind, is_page, target_of};
use super::parse::Directive;
use super::{Scope, Walk, site};
use crate::explain::rules::{self, Unit, nginx_time};
use crate::explain::secrets;
use crate::explain::setting::{Choice, Finding, Setting, Status};

const REDIRECT: &str =
    "redirects are the ingress's or the application's; from HTTP to HTTPS Django's SECURE_SSL_REDIRECT";

const BY_NAME: &str = "names with a content hash are kept for a year, immutable; for all others --max-age holds, and a long one would leave clients with stale files";

impl Walk<'_> {
    fn kept(&mut self, setting: Setting, key: &str, value: &str, note: &str) -> Finding {
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
        match setting.value() {
            "off" => Finding::not_needed(setting, "files have Cache-Control, by --max-age"),
            "max" => self.kept(setting, "max-age", "365d", note),
            "epoch" => self.kept(setting, "max-age", "0", note),
            value if value.starts_with('-') => self.kept(setting, "max-age", "0", note),
            value => match nginx_time(value) {
                Some(time) => self.kept(setting, "max-age", &time, note),
                None => Finding::unknown(
                    setting,
                    "it is no plain time: see --max-age, and --headers-file for rules by path",
                ),
            },
        }
    }

    pub(super) fn add_header(&mut self, setting: Setting, scope: &Scope<'_>) -> Finding {
        let values: Vec<String> = setting.values.iter().filter(|value| *value != "always").cloned().collect();
        let [name, value, ..] = values.as_slice() else {
            return Finding::unknown(setting, "it has no value");
        };
        let lower = name.to_ascii_lowercase();
        if secrets::is_secret(name, value) {
            return Finding::dropped(
                setting,
                "it looks like a secret, which a file of rules for everybody's answers should not have",
            );
        }
        let path = match scope.location {
            Some(location) if location.kind == Kind::App => return Finding::dropped(setting, advice(&lower)),
            Some(location) if location.kind == Kind::Files && !location.choices.is_empty() => {
                location.url.as_ref().map_or_else(|| "/*".to_owned(), |url| format!("{url}/*"))
            }
            Some(location) if location.kind == Kind::Files && lower == "cache-control" => "/*".to_owned(),
            Some(_) => return Finding::dropped(setting, advice(&lower)),
            None => "/*".to_owned(),
        };
        if lower == "cache-control" && by_ending(scope) {
            return Finding::not_needed(setting, BY_NAME);
        }
        if lower == "cache-control" {
            let age = value.split(',').find_map(|part| part.trim().strip_prefix("max-age="));
            let note = "for names without a content hash; those with one are kept for a year, immutable";
            return match age {
                Some(age) => self.kept(setting.clone(), "max-age", age, note),
                None => Finding::not_needed(
                    setting,
                    "files have Cache-Control, by --max-age; names with a content hash are immutable",
                ),
            };
        }
        if lower == "x-content-type-options" {
            return Finding::not_needed(setting, "static files have it; Django's SecurityMiddleware sets it on pages");
        }
        let ours = [
            "accept-ranges",
            "content-encoding",
            "content-length",
            "etag",
            "last-modified",
            "connection",
            "date",
            "location",
            "set-cookie",
            "vary",
        ];
        if ours.contains(&lower.as_str()) || value.contains('$') || value.contains("{{") {
            return Finding::dropped(setting, if value.contains('$') { advice(&lower) } else { "the server's own" });
        }
        let note = format!("on static files, by the rules in _headers; {}", advice(&lower));
        let finding = self.kept(setting, "headers-file", "_headers", &note);
        if finding.status == Status::Kept {
            let rule = (path, name.clone(), value.clone());
            if !self.plan.headers.contains(&rule) {
                self.plan.headers.push(rule);
            }
        }
        finding
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

    pub(super) fn set_header(&mut self, setting: Setting) -> Finding {
        let name = setting.values.first().cloned().unwrap_or_default();
        let value = setting.values.get(1).cloned().unwrap_or_default();
        let lower = name.to_ascii_lowercase();
        let is_constant = !value.contains(['$', '{']) && !value.is_empty();
        match lower.as_str() {
            "upgrade" => Finding::dropped(
                setting,
                "WSGI has no websockets: what speaks them is another program, which the ingress routes to",
            ),
            "host" | "connection" | "x-real-ip" | "accept-encoding" | "proxy" | "content-length" => {
                Finding::not_needed(
                    setting,
                    if lower == "x-real-ip" {
                        "the client's address is REMOTE_ADDR"
                    } else {
                        "the application gets what the client sent"
                    },
                )
            }
            "x-forwarded-proto" | "x-forwarded-ssl" | "x-scheme" | "x-forwarded-protocol" | "x-url-scheme" => {
                if is_constant || value.starts_with("$http_") || value.contains("forwarded") {
                    self.plan.has_front = true;
                }
                Finding::not_needed(
                    setting,
                    "wsgi.url_scheme is what a trusted proxy says (--forwarded-allow-ips); Django's is_secure() follows it",
                )
            }
            "x-script-name" | "script_name" | "x-forwarded-prefix" if is_constant => {
                self.kept(setting.clone(), "root-path", &value, "SCRIPT_NAME")
            }
            "x-request-id" | "x-correlation-id" => Finding::not_needed(
                setting,
                "each request has an id: monopod.request_id in environ, and in the log (docs/logging.md)",
            ),
            _ if lower.starts_with("x-forwarded-") || lower == "forwarded" => Finding::not_needed(
                setting,
                "REMOTE_ADDR, HTTP_HOST and SERVER_PORT are what a trusted proxy says (--forwarded-allow-ips)",
            ),
            _ if UWSGI_PARAMS.contains(&name.as_str()) => Finding::not_needed(setting, "a part of environ"),
            _ => Finding::dropped(
                setting,
                "requests are not rewritten: the ingress or the application's middleware sets it",
            ),
        }
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
fn by_ending(scope: &Scope<'_>) -> bool {
    scope.location.is_some_and(|location| location.kind == Kind::Files && location.choices.is_empty())
}

/// Who sets a header on the application's pages.
fn advice(name: &str) -> &'static str {
    match name {
        "x-frame-options" => "on pages Django's XFrameOptionsMiddleware, or Flask's after_request",
        "strict-transport-security" => "on pages Django's SECURE_HSTS_SECONDS, or who ends TLS",
        "referrer-policy" => "on pages Django's SECURE_REFERRER_POLICY, or Flask's after_request",
        "cross-origin-opener-policy" => "on pages Django's SECURE_CROSS_ORIGIN_OPENER_POLICY",
        "content-security-policy" => "on pages django-csp, Flask-Talisman or a middleware",
        "access-control-allow-origin"
        | "access-control-allow-methods"
        | "access-control-allow-headers"
        | "access-control-allow-credentials" => "on pages django-cors-headers or Flask-CORS",
        "cache-control" | "pragma" | "expires" => "the application says Cache-Control for its own pages",
        _ => "on pages a middleware, or Flask's after_request",
    }
}

const UWSGI_PARAMS: &[&str] = &[
    "QUERY_STRING",
    "REQUEST_METHOD",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "REQUEST_URI",
    "PATH_INFO",
    "DOCUMENT_ROOT",
    "SERVER_PROTOCOL",
    "REQUEST_SCHEME",
    "HTTPS",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "SERVER_PORT",
    "SERVER_NAME",
    "UWSGI_SCHEME",
    "HTTP_HOST",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
];
