//! Which values are not for everybody's eyes: those of names that speak of secrets, and passwords inside of URLs.
//!
//! A report lands in tickets and chats, and a command line in the list of processes. Asked by `setting` and by the
//! tables of environment variables. Looks at text only.

/// What stands in place of a value.
pub const MASK: &str = "…";

/// Names that have one of these anywhere in them.
const WORDS: &[&str] = &[
    "secret",
    "passw",
    "passphrase",
    "passwd",
    "pwd",
    "token",
    "credential",
    "private",
    "apikey",
    "api_key",
    "access_key",
    "dsn",
    "auth",
    "salt",
    "signing",
    "encryption",
    "webhook",
    "pgpass",
    "secure_link_md5",
];

/// Names of which one of the parts between `_`, `-` and `.` is one of these.
const PARTS: &[&str] = &["pass", "key", "jwt", "cookie", "pin", "license", "licence"];

/// Ends of names that have such a part, and say something about the secret rather than tell it.
const ABOUT: &[&str] = &[
    "name",
    "secure",
    "domain",
    "age",
    "path",
    "samesite",
    "httponly",
    "prefix",
    "file",
    "dir",
    "timeout",
    "ttl",
    "header",
    "algorithm",
    "length",
    "flags",
    "id",
    "headers",
    "body",
];

/// Names that have such a word and hold a path, a number or what everybody gets.
const PLAIN: &[&str] = &[
    "keyfile",
    "ssl_certificate_key",
    "proxy_ssl_certificate_key",
    "ssl-keyfile",
    "auth_basic",
    "auth_basic_user_file",
    "authorization_timeout",
    "auth_request",
    "auth_request_set",
    "auth_delay",
    "server_tokens",
    "ssl_session_tickets",
    "proxy_cache_key",
    "uwsgi_cache_key",
    "limit_req_zone",
    "ssl_trusted_certificate",
    "fastcgi_cache_key",
    "proxy_pass",
    "uwsgi_pass",
    "fastcgi_pass",
    "scgi_pass",
    "grpc_pass",
    "memcached_pass",
    "proxy_pass_header",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "www-authenticate",
    "public-key-pins",
    "x-content-type-options",
];

/// Whether a variable or setting called `name` with this value is one to hide.
#[must_use]
pub fn is_secret(name: &str, value: &str) -> bool {
    speaks_of_one(name) || inside(value) != value
}

/// Whether the name does.
fn speaks_of_one(name: &str) -> bool {
    let name = name.rsplit(' ').next().unwrap_or(name).trim_start_matches(['-', '$', '(']).to_ascii_lowercase();
    if PLAIN.contains(&name.as_str()) {
        return false;
    }
    let is_about = name.rsplit(['_', '-', '.']).next().is_some_and(|last| ABOUT.contains(&last));
    WORDS.iter().any(|word| name.contains(word))
        || !is_about && name.split(['_', '-', '.']).any(|part| PARTS.contains(&part))
}

/// The value as it may be shown: hidden whole, or without the secrets in it; `NAME=VALUE` is judged by NAME too.
#[must_use]
pub fn shown(name: &str, value: &str) -> String {
    if value.is_empty() {
        return String::new();
    }
    if speaks_of_one(name) {
        return MASK.to_owned();
    }
    if let Some((left, right)) = value.split_once('=')
        && !left.is_empty()
        && left.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && is_secret(left, right)
    {
        return format!("{left}={MASK}");
    }
    inside(value)
}

/// The words of a directive: the first may be the name of a header or variable, which the others are the value of.
#[must_use]
pub fn words(name: &str, values: &[String]) -> Vec<String> {
    let is_name = |word: &str| {
        let word = word.trim_start_matches(['$', '(']);
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    let is_variable = |word: &str| word.starts_with('$') && is_name(word);
    let hides = values.len() > 1 && values.first().is_some_and(|first| is_name(first) && speaks_of_one(first));
    let one = |(at, value): (usize, &String)| match value.as_str() {
        "always" | "=" | "!=" | "~" | "~*" | "if_not_empty" => value.clone(),
        _ if hides && at > 0 && !is_variable(value) => MASK.to_owned(),
        _ => shown(name, value),
    };
    values.iter().enumerate().map(one).collect()
}

/// The text without credentials of headers, passwords of URLs, and what is assigned to names of secrets.
fn inside(value: &str) -> String {
    // A header with credentials, as nginx may add one: `Authorization "Basic …"`; uWSGI's action with a password.
    let lower = value.to_ascii_lowercase();
    for scheme in ["basic ", "bearer ", "basicauth:", "basicauth-next:", "ldapauth:", "://hooks.", "/webhooks/"] {
        if let Some(at) = lower.find(scheme) {
            return format!("{}{MASK}", value.get(..at + scheme.len()).unwrap_or_default());
        }
    }
    without_assigned(&without_passwords(value))
}

/// The text without what stands behind `password=`, `--token ` or `'key': `.
fn without_assigned(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['=', ':', ' ']) {
        let (before, mark, behind) = (&rest[..at], &rest[at..=at], &rest[at + 1..]);
        let name = before.trim_end_matches(['\'', '"']);
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let start =
            name.rfind(|c| !is_part(c)).map_or(0, |at| at + name[at..].chars().next().map_or(1, char::len_utf8));
        // `/private=/srv/private` is a path.
        let name = if name[..start].ends_with('/') { "" } else { &name[start..] };
        let blanks = behind.len() - behind.trim_start_matches(' ').len();
        let value = &behind[blanks..];
        let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let assigns = match mark {
            "=" => true,
            ":" => quote.is_some(),
            _ => name.starts_with('-') && !value.starts_with('-'),
        };
        out.push_str(before);
        out.push_str(mark);
        rest = behind;
        if !assigns || name.is_empty() || value.is_empty() || value.starts_with('$') || !speaks_of_one(name) {
            continue;
        }
        out.push_str(&behind[..blanks]);
        let end = match quote {
            Some(quote) => value[1..].find(quote).map_or(value.len(), |at| at + 2),
            None => value.find(char::is_whitespace).unwrap_or(value.len()),
        };
        out.push_str(MASK);
        rest = &value[end..];
    }
    out.push_str(rest);
    out
}

/// The text without the passwords of URLs, and of `user:password@host`.
fn without_passwords(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(scheme) = rest.find("://") {
        let authority = scheme + 3;
        let end = rest[authority..].find(|c: char| c.is_whitespace() || "?\"'".contains(c));
        let end = end.map_or(rest.len(), |at| authority + at);
        out.push_str(&rest[..authority]);
        out.push_str(&without_password(
            &rest[authority..end],
            rest[..scheme].ends_with("http") || rest[..scheme].ends_with("https"),
        ));
        rest = &rest[end..];
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if out.is_empty()
        && let Some((user, behind)) = rest.split_once(':')
        && user.chars().all(is_name)
        && behind.contains('@')
        && !behind.contains(['/', ' '])
    {
        return without_password(rest, false);
    }
    out.push_str(rest);
    out
}

/// `user:password@host/path`: the password may have `/` and `@` in it. Without one a user of HTTP is a token.
fn without_password(text: &str, is_http: bool) -> String {
    let whole = || text.to_owned();
    let host = text.find('/').unwrap_or(text.len());
    let Some(at) = text.rfind('@') else { return whole() };
    let Some(colon) = text[..at].find(':') else {
        return if is_http && at < host { format!("{MASK}{}", &text[at..]) } else { whole() };
    };
    // `host:80/a@b` has a port.
    let port = text.get(colon + 1..host).unwrap_or_default();
    let is_port = !text[..host].contains('@') && port.bytes().all(|b| b.is_ascii_digit());
    if colon > host || is_port || colon + 1 == at {
        return whole();
    }
    format!("{}:{MASK}{}", &text[..colon], &text[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_of_a_secret_is_not_shown() {
        for (name, value, expected) in [
            ("raw_env", "DJANGO_SECRET_KEY=abc", "DJANGO_SECRET_KEY=…"),
            ("env", "DATABASE_URL=postgres://u:hush@db/x", "DATABASE_URL=…"),
            ("env", "DJANGO_SETTINGS_MODULE=mysite.settings", "DJANGO_SETTINGS_MODULE=mysite.settings"),
            ("SENTRY_DSN", "https://1@sentry.io/2", "…"),
            ("statsd", "redis://:hush@cache:6379/0", "redis://:…@cache:6379/0"),
            ("ssl-keyfile-password", "hush", "…"),
            ("keyfile", "/etc/key.pem", "/etc/key.pem"),
            ("--keyfile", "/etc/key.pem", "/etc/key.pem"),
            ("location / › proxy_set_header", "Authorization Basic aHVzaA==", "Authorization Basic …"),
            ("bind", "0.0.0.0:8000", "0.0.0.0:8000"),
            ("x", "http://host:80/a@b", "http://host:80/a@b"),
            ("x", "mysql://u:p/hush@db/x", "mysql://u:…@db/x"),
            ("x", "redis://a:hush@b, redis://a:hush@c", "redis://a:…@b, redis://a:…@c"),
            ("statsd_host", "u:hush@h:1", "u:…@h:1"),
            ("x", "https://hush@git.example.org/x", "https://…@git.example.org/x"),
            ("env", "DB_PASS=hush", "DB_PASS=…"),
            ("env", "SMTP_PASS=hush", "SMTP_PASS=…"),
            ("env", "PGPASS=hush", "PGPASS=…"),
            ("env", "JWT=hush", "JWT=…"),
            ("env", "COOKIE=hush", "COOKIE=…"),
            ("env", "KEY=hush", "KEY=…"),
            ("env", "PIN=hush", "PIN=…"),
            ("env", "SESSION_COOKIE_NAME=sid", "SESSION_COOKIE_NAME=sid"),
            ("env", "BYPASS=1", "BYPASS=1"),
            ("env", "CONN=Server=x;Password=hush", "CONN=…"),
            ("env", "HOOK=https://hooks.slack.com/services/hush", "HOOK=…"),
            ("attach-daemon2", "cmd=x,password=hush", "cmd=…"),
            ("attach-daemon", "run --password=hush -v", "run --password=… -v"),
            ("attach-daemon", "run --password hush -v", "run --password … -v"),
            ("route", "^/x basicauth:x,u:hush", "^/x basicauth:…"),
            ("logconfig_dict", "{'a': {'token': 'hu sh'}, 'b': 1}", "{'a': {'token': …}, 'b': 1}"),
            ("location / › proxy_pass", "http://app", "http://app"),
            ("keyring", "a=b", "a=b"),
            ("secure_link_md5", "$uri hush", "…"),
            ("static-map", "/private=/srv/private", "/private=/srv/private"),
        ] {
            assert_eq!(shown(name, value), expected, "{name} {value}");
        }
    }

    #[test]
    fn the_first_word_names_the_others() {
        for (name, line, expected) in [
            ("proxy_set_header", "X-Api-Key hush", "X-Api-Key …"),
            ("location / › proxy_set_header", "Cookie session=hush", "Cookie …"),
            ("proxy_set_header", "Cookie $http_cookie", "Cookie $http_cookie"),
            ("proxy_set_header", "Host $host", "Host $host"),
            ("set", "$token hush", "$token …"),
            ("uwsgi_param", "API_SECRET hush", "API_SECRET …"),
            ("add_header", "X-Token hush always", "X-Token … always"),
            ("if", "($http_x_api_key != hush)", "($http_x_api_key != …"),
            ("auth_basic", "Staging area", "Staging area"),
        ] {
            let values: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(words(name, &values).join(" "), expected, "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(name in ".*", value in ".*") {
            let _ = shown(&name, &value);
        }

        #[test]
        fn no_assignment_makes_it_panic(value in "([a-z =:'\"@/,?é-]|token|password|://){0,24}") {
            let _ = shown("x", &value);
        }

        #[test]
        fn no_password_of_a_url_is_shown(password in "[a-z]{12}", host in "[a-z]{3}") {
            let told = shown("x", &format!("amqp://me:{password}@{host}/v"));
            proptest::prop_assert!(!told.contains(&password));
        }
    }
}
