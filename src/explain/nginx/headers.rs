//! Headers: those that nginx adds to answers, and those that it sets on requests.

use super::lines::{BY_NAME, by_ending};
use super::location::Kind;
use super::{Scope, Walk};
use crate::explain::secrets;
use crate::explain::setting::{Finding, Setting, Status};

impl Walk<'_> {
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
                // Not for all files: these alone are not to be kept.
                _ if path != "/*" && (age == Some("0") || value.contains("no-store") || value.contains("no-cache")) => {
                    self.rule(setting, path, name.clone(), value.clone(), "by the rules in _headers")
                }
                Some(age) => self.kept(setting.clone(), "max-age", age, note),
                None if value.contains("no-store") || value.contains("no-cache") => Finding::dropped(
                    setting,
                    "files have Cache-Control, by --max-age; a rule for their path in a file for --headers-file says otherwise",
                ),
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
        self.rule(setting, path, name.clone(), value.clone(), &note)
    }

    /// A rule for the file of `--headers-file`.
    pub(super) fn rule(&mut self, setting: Setting, path: String, name: String, value: String, note: &str) -> Finding {
        let finding = self.kept(setting, "headers-file", "_headers", note);
        if finding.status == Status::Kept {
            let rule = (path, name, value);
            if !self.plan.headers.contains(&rule) {
                self.plan.headers.push(rule);
            }
        }
        finding
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
            "host" if is_constant => Finding::dropped(
                setting,
                "the application sees the Host that the client sent: the ingress sets another",
            ),
            "connection" | "host" | "x-real-ip" | "accept-encoding" | "proxy" | "content-length" => {
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
            "x-forwarded-for" if value.starts_with("$http_") && value != "$http_x_forwarded_for" => Finding::dropped(
                setting,
                "only X-Forwarded-For and Forwarded are read: let the proxy in front send one of them",
            ),
            _ if lower.starts_with("x-forwarded-") || lower == "forwarded" => Finding::not_needed(
                setting,
                "REMOTE_ADDR, HTTP_HOST and SERVER_PORT are what a trusted proxy says (--forwarded-allow-ips)",
            ),
            "uwsgi_scheme" | "https" | "request_scheme" if is_constant => {
                self.plan.has_front |= matches!(value.as_str(), "https" | "on" | "1");
                Finding::not_needed(
                    setting,
                    "wsgi.url_scheme is what a trusted proxy says (--forwarded-allow-ips); Django's is_secure() follows it",
                )
            }
            _ if UWSGI_PARAMS.contains(&name.as_str()) => Finding::not_needed(setting, "a part of environ"),
            _ => Finding::dropped(
                setting,
                "requests are not rewritten: the ingress or the application's middleware sets it",
            ),
        }
    }
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
