//! Which values are not for everybody's eyes: those of names that speak of secrets, and passwords inside of URLs.
//!
//! A report lands in tickets and chats, and a command line in the list of processes. Asked by `setting` and by the
//! tables of environment variables. Looks at text only.

/// What stands in place of a value.
pub const MASK: &str = "…";

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
    "_key",
    "-key",
];

/// Names that have such a word and hold a path or a number.
const PLAIN: &[&str] = &[
    "keyfile",
    "ssl_certificate_key",
    "ssl-keyfile",
    "auth_basic",
    "auth_basic_user_file",
    "authorization_timeout",
    "auth_request",
    "server_tokens",
    "ssl_session_tickets",
    "proxy_cache_key",
    "limit_req_zone",
    "ssl_trusted_certificate",
    "fastcgi_cache_key",
];

/// Whether a variable or setting called `name` with this value is one to hide.
#[must_use]
pub fn is_secret(name: &str, value: &str) -> bool {
    let name = name.rsplit(' ').next().unwrap_or(name).trim_start_matches('-').to_ascii_lowercase();
    let told = !PLAIN.contains(&name.as_str()) && WORDS.iter().any(|word| name.contains(word));
    told || password(value).is_some()
}

/// The value as it may be shown: hidden whole, or without the passwords of its URLs; `NAME=VALUE` is judged by NAME too.
#[must_use]
pub fn shown(name: &str, value: &str) -> String {
    if value.is_empty() {
        return String::new();
    }
    if is_secret(name, "") {
        return MASK.to_owned();
    }
    if let Some((left, right)) = value.split_once('=')
        && !left.is_empty()
        && left.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && is_secret(left, right)
    {
        return format!("{left}={MASK}");
    }
    // A header with credentials, as nginx may add one: `Authorization "Basic …"`.
    let lower = value.to_ascii_lowercase();
    for scheme in ["basic ", "bearer "] {
        if let Some(at) = lower.find(scheme) {
            return format!("{}{MASK}", value.get(..at + scheme.len()).unwrap_or_default());
        }
    }
    let mut rest = value.to_owned();
    if let Some((from, to)) = password(value) {
        rest.replace_range(from..to, MASK);
    }
    rest
}

/// Where the password of a URL stands in `value`.
fn password(value: &str) -> Option<(usize, usize)> {
    let authority = value.find("://")? + 3;
    let end = value[authority..].find(['/', '?', ' ']).map_or(value.len(), |at| authority + at);
    let at = authority + value[authority..end].rfind('@')?;
    let colon = authority + value[authority..at].find(':')?;
    (colon + 1 < at).then_some((colon + 1, at))
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
        ] {
            assert_eq!(shown(name, value), expected, "{name} {value}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(name in ".*", value in ".*") {
            let _ = shown(&name, &value);
        }

        #[test]
        fn no_password_of_a_url_is_shown(password in "[a-z]{12}", host in "[a-z]{3}") {
            let told = shown("x", &format!("amqp://me:{password}@{host}/v"));
            proptest::prop_assert!(!told.contains(&password));
        }
    }
}
