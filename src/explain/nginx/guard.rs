//! Who may see what a block serves: access rules, passwords and conditions, as they are inherited.
//!
//! Files behind a guard must not become public by an option of monopod, which has no such rules: `location` asks here
//! before it names a directory. In doubt it is a guard. Looks at directives only.

use super::parse::Directive;

/// The guards of a block, its parents' included (each kind is inherited as long as none of it stands inside).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guard {
    access: bool,
    password: Option<&'static str>,
    question: Option<&'static str>,
    other: Option<&'static str>,
}

/// Directives of which one with another value than `off` asks for a password or a token.
const PASSWORDS: &[&str] =
    &["auth_basic", "auth_jwt", "auth_digest", "auth_pam", "auth_ldap", "auth_gss", "auth_oidc", "ssl_verify_client"];
/// Those that stand for a check of their own.
const OTHERS: &[&str] = &[
    "secure_link",
    "secure_link_md5",
    "secure_link_secret",
    "valid_referers",
    "access_by_lua",
    "access_by_lua_block",
    "access_by_lua_file",
    "js_access",
    "auth_jwt_require",
];
/// Conditions about the client's program or the site's name, which keep no file from anybody.
const NO_GUARDS: &[&str] = &["$host", "$http_host", "$server_name", "$request_method", "$http_user_agent", "$scheme"];

impl Guard {
    /// What holds in a block with these directives.
    #[must_use]
    pub fn within(mut self, block: &[Directive]) -> Self {
        let rules: Vec<&Directive> =
            block.iter().filter(|rule| matches!(rule.name.as_str(), "allow" | "deny")).collect();
        if !rules.is_empty() {
            // The first that fits counts: to deny some addresses and let all others in is no guard.
            let all = rules.iter().find(|rule| matches!(rule.first(), "all" | "0.0.0.0/0"));
            self.access = match all {
                Some(rule) => rule.name == "deny",
                None => false,
            };
        }
        for directive in block {
            let name = directive.name.as_str();
            let is_off = matches!(directive.first(), "off" | "optional_no_ca");
            if let Some(known) = PASSWORDS.iter().find(|known| **known == name) {
                self.password = (!is_off).then_some(*known);
            } else if name == "auth_request" {
                self.question = (!is_off).then_some("auth_request");
            } else if let Some(known) = OTHERS.iter().find(|known| **known == name) {
                self.other = Some(known);
            } else if name == "limit_except" && !directive.arguments.iter().any(|method| method == "GET") {
                self.other = Some("limit_except");
            } else if name == "if" && refuses(directive) {
                self.other = self.other.or(Some("a condition"));
            }
        }
        self
    }

    /// What it is guarded by, for people.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        let access = self.access.then_some("allow and deny");
        access.or(self.password).or(self.question).or(self.other)
    }
}

/// Whether a condition keeps somebody out.
fn refuses(condition: &Directive) -> bool {
    let is_about_files = !condition.arguments.first().is_some_and(|word| {
        let word = word.trim_start_matches('(');
        NO_GUARDS.iter().any(|name| word.strip_prefix(name).is_some_and(|rest| !rest.starts_with('_')))
    });
    is_about_files
        && condition.all("return").any(|answer| matches!(answer.first(), "401" | "402" | "403" | "404" | "410" | "444"))
}

/// Whether a location is closed to some of those who may see what lies around it, as a subtree of files may be.
#[must_use]
pub fn is_closed(location: &Directive) -> bool {
    let refuses =
        location.last("return").is_some_and(|answer| matches!(answer.first(), "401" | "403" | "404" | "410" | "444"));
    location.has("internal") || refuses || Guard::default().within(location.inner()).name().is_some()
}

/// The path that a location's pattern certainly begins with: `/a/` of `/a/` and of `^/a/(.*)$`.
#[must_use]
pub fn literal(modifier: &str, path: &str) -> Option<String> {
    if !modifier.starts_with('~') {
        return path.starts_with('/').then(|| path.to_owned());
    }
    let rest = path.strip_prefix('^')?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_".contains(c);
    let end = rest.find(|c| !is_plain(c)).unwrap_or(rest.len());
    // What may be left out or repeated is not certain.
    let end = if rest[end..].starts_with(['?', '*', '+', '{', '|']) { end.saturating_sub(1) } else { end };
    let literal = &rest[..end];
    literal.starts_with('/').then(|| literal.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::nginx::parse::parse;

    #[test]
    fn guards_are_inherited_until_one_of_their_kind_stands_inside() {
        for (outer, inner, expected) in [
            ("", "", None),
            ("", "allow 10.0.0.0/8; deny all;", Some("allow and deny")),
            ("allow 10.0.0.0/8; deny all;", "", Some("allow and deny")),
            ("allow 10.0.0.0/8; deny all;", "allow all;", None),
            ("deny 192.0.2.7;", "", None),
            ("", "deny 192.0.2.7; allow all; deny all;", None),
            ("auth_basic x;", "auth_basic_user_file /f;", Some("auth_basic")),
            ("auth_basic x;", "auth_basic off;", None),
            ("auth_basic x;", "allow all;", Some("auth_basic")),
            ("auth_request /ask;", "", Some("auth_request")),
            ("auth_request /ask;", "auth_request off;", None),
            ("ssl_verify_client on;", "", Some("ssl_verify_client")),
            ("", "secure_link $arg_md5;", Some("secure_link")),
            ("", "limit_except GET { deny all; }", None),
            ("", "limit_except POST { deny all; }", Some("limit_except")),
            ("", "if ($cookie_id = '') { return 403; }", Some("a condition")),
            ("if ($host != a) { return 444; }", "", None),
            ("if ($scheme = http) { return 301 https://$host; }", "", None),
        ] {
            let read = |text| parse(text, "n").unwrap();
            let guard = Guard::default().within(&read(outer)).within(&read(inner));
            assert_eq!(guard.name(), expected, "{outer} | {inner}");
        }
    }

    #[test]
    fn what_patterns_begin_with() {
        for (modifier, path, expected) in [
            ("", "/a/", Some("/a/")),
            ("=", "/a", Some("/a")),
            ("~", "^/a/(.*)$", Some("/a/")),
            ("~*", "^/ab?/", Some("/a")),
            ("~", r"\.php$", None),
            ("", "@app", None),
        ] {
            assert_eq!(literal(modifier, path).as_deref(), expected, "{path}");
        }
    }
}
