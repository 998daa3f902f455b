//! Keeps secrets off the error page: values of variables that are named like one or come from `--env-dir`, passwords in
//! URLs, and string literals that are assigned to names like `SECRET_KEY` in the lines of source that the page shows.
//!
//! What else variables say stays, as it may be the very reason of the failure. The terminal has all of it, as Python
//! prints it; the page may be on a projector.

use std::ffi::OsString;

use super::secret_literals::Reading;
use crate::config::Variables;
use crate::python::failure::{Failure, Frame};

/// What stands in place of a secret.
pub const MASK: &str = "••••••";
/// A shorter value is in too many words.
const SHORTEST: usize = 4;
/// The same where nothing but its place speaks for a secret.
const SHORTEST_UNNAMED: usize = 6;
/// A line of a longer secret, and a user's name in a URL that is more than a name.
const LONG: usize = 16;
/// Parts of names, as in Django's debug page.
const NAMES: [&str; 11] = [
    "secret",
    "passw",
    "passphrase",
    "token",
    "api_key",
    "apikey",
    "private_key",
    "access_key",
    "auth_key",
    "credential",
    "signature",
];
/// Words in names of variables.
const WORDS: [&str; 7] = ["key", "dsn", "salt", "auth", "pwd", "pass", "pw"];
/// Last words of names of variables that say where something is.
const PLACES: [&str; 4] = ["file", "path", "dir", "sock"];
/// Where the shell is: every one has these.
const PWD: [&str; 2] = ["PWD", "OLDPWD"];
/// Values that say nothing.
const PLAIN: [&str; 6] = ["true", "false", "none", "null", "http", "https"];

/// Where in the text something is named like a secret.
#[must_use]
pub fn names_secret(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    NAMES.iter().filter_map(|name| lower.find(name)).min()
}

/// The page's share of `failure`, for an application that was given `variables` and has this environment.
#[must_use]
pub fn without(
    mut failure: Failure,
    variables: &Variables,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Failure {
    let masks = Masks::of(variables, env);
    masks.apply(&mut failure.sentence);
    masks.apply(&mut failure.text);
    let mut reading = Reading::default();
    failure.text = failure.text.lines().fold(String::new(), |mut text, line| {
        // Lines of source are indented.
        if line.starts_with("    ") {
            text.push_str(&reading.shown(line));
        } else {
            reading = Reading::default();
            text.push_str(line);
        }
        text.push('\n');
        text
    });
    for raised in &mut failure.exceptions {
        masks.apply(&mut raised.message);
        raised.frames.iter_mut().for_each(|frame| masks.apply_to_source(frame));
    }
    failure
}

/// What is not to be seen, and what stands there instead; the longest first, as one may be a part of another.
struct Masks(Vec<(String, String)>);

impl Masks {
    fn of(variables: &Variables, env: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let text = |value: &OsString| value.to_string_lossy().into_owned();
        let given = variables
            .iter()
            .map(|variable| (variable.name.clone(), text(&variable.value), variables.is_from_dir(&variable.name)));
        let inherited = env.into_iter().map(|(name, value)| (text(&name), text(&value), false));
        let mut masks = Self(Vec::new());
        for (name, value, is_mounted) in given.chain(inherited) {
            if let Some(password) = credentials(&value).next().map(|(from, to)| &value[from..to]) {
                masks.add(password, SHORTEST);
                masks.add(&percent_encoding::percent_decode_str(password).decode_utf8_lossy(), SHORTEST);
            }
            if is_name_of_secret(&name) && !PWD.contains(&name.as_str()) {
                masks.add(&value, SHORTEST);
            } else if is_mounted {
                masks.add(&value, SHORTEST_UNNAMED);
            }
        }
        masks.0.sort_unstable_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        masks.0.dedup();
        masks
    }

    fn add(&mut self, value: &str, shortest: usize) {
        let value = value.trim();
        if value.len() < shortest || PLAIN.contains(&value.to_ascii_lowercase().as_str()) {
            return;
        }
        self.0.push((value.to_owned(), vec![MASK; value.lines().count()].join("\n")));
        // As Python's repr() has it, within quotes of either kind.
        let escaped = value.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
        for form in [escaped.replace('\'', "\\'"), escaped.replace('"', "\\\""), escaped] {
            if form != value {
                self.0.push((form, MASK.to_owned()));
            }
        }
        if value.contains('\n') {
            let lines = value.lines().filter(|line| line.len() >= LONG);
            self.0.extend(lines.map(|line| (line.to_owned(), MASK.to_owned())));
        }
    }

    fn apply(&self, text: &mut String) {
        for (value, mask) in &self.0 {
            if text.contains(value.as_str()) {
                *text = text.replace(value.as_str(), mask);
            }
        }
        let found: Vec<(usize, usize)> = credentials(text).collect();
        for (from, to) in found.into_iter().rev() {
            text.replace_range(from..to, MASK);
        }
    }

    fn apply_to_source(&self, frame: &mut Frame) {
        let mut whole = frame.source.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>().join("\n");
        self.apply(&mut whole);
        let mut reading = Reading::default();
        for ((number, line), masked) in frame.source.iter_mut().zip(whole.split('\n')) {
            let shown = reading.shown(masked);
            // What it points at is elsewhere in another line.
            if *number == frame.line && *line != shown {
                frame.mark = None;
            }
            *line = shown;
        }
    }
}

fn is_name_of_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let mut words = lower.split('_');
    let is_place = lower.rsplit('_').next().is_some_and(|last| PLACES.contains(&last));
    !is_place && (names_secret(&lower).is_some() || words.any(|word| WORDS.contains(&word)))
}

/// Where passwords of URLs are: `://user:password@`, and `://token@`.
fn credentials(text: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    text.match_indices("://").filter_map(|(at, mark)| {
        let begin = at + mark.len();
        let ends = |c: char| c.is_whitespace() || "/?#\"'<>`,;)".contains(c);
        let authority = text[begin..].split(ends).next().unwrap_or_default();
        let user = &authority[..authority.rfind('@')?];
        let from = match user.find(':') {
            Some(colon) => colon + 1,
            None if user.len() >= LONG => 0,
            None => return None,
        };
        (from < user.len()).then_some((begin + from, begin + user.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::variables::variable;
    use crate::python::failure::Raised;

    fn shown(text: &str, variables: &[&str], env: &[(&str, &str)]) -> Failure {
        let mut given = Variables::default();
        for text in variables {
            given.set(variable(text).unwrap());
        }
        let source = text.lines().enumerate().map(|(at, line)| (at + 1, line.to_owned())).collect();
        let frame = Frame { source, line: 1, mark: Some((1, 2)), ..Frame::default() };
        let raised = Raised { message: text.to_owned(), frames: vec![frame], ..Raised::default() };
        let failure = Failure { sentence: text.to_owned(), text: format!("{text}\n"), exceptions: vec![raised] };
        without(failure, &given, env.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn values_of_variables_that_are_secrets_are_nowhere() {
        for (text, variables, env, secret) in [
            ("cannot read postgres://me:p%40ss@db", &["DATABASE_URL=postgres://me:p%40ss@db"][..], &[][..], "p%40ss"),
            ("wrong password 'p@ss'", &["DATABASE_URL=postgres://me:p%40ss@db"], &[], "p@ss"),
            ("no redis://:hunter2@cache/0 there", &[], &[], "hunter2"),
            ("clone https://ghp_0123456789abcdef@github.com", &[], &[], "ghp_"),
            ("bad pin1", &["PIN_KEY=pin1"], &[], "pin1"),
            ("bad s3cr3t", &[], &[("STRIPE_SECRET", "s3cr3t")], "s3cr3t"),
            ("bad https://1@sentry", &[], &[("SENTRY_DSN", "https://1@sentry")], "1@sentry"),
            ("key: one\ntwo, three", &["TLS_KEY=one\ntwo"], &[], "two"),
            ("bad 'one\\ntwo'", &["TLS_KEY=one\ntwo"], &[], "two"),
            ("bad \"it's\\\\\"", &["MY_TOKEN=it's\\"], &[], "it's"),
        ] {
            let shown = shown(text, variables, env);
            for part in [&shown.sentence, &shown.text, &shown.exceptions[0].message] {
                assert!(!part.contains(secret) && part.contains(MASK), "{part} has {secret}");
            }
            let frame = &shown.exceptions[0].frames[0];
            assert!(frame.source.iter().all(|(_, line)| !line.contains(secret)), "{frame:?}");
            assert_eq!(frame.source.len(), text.lines().count());
        }
    }

    #[test]
    fn what_says_why_it_failed_stays() {
        let text = "No module named 'shopapp', in development, at /run/secrets/x, https://example.com/a@b true";
        let variables = ["FLASK_APP=shopapp", "APP_ENV=development", "SECRET_KEY_FILE=/run/secrets/x", "AUTH=true"];
        let shown = shown(text, &variables, &[("MONKEY", "named"), ("KEYBOARD", "module"), ("PWD", "/run/secrets")]);
        assert_eq!(shown.sentence, text);
        assert_eq!(shown.exceptions[0].frames[0].mark, Some((1, 2)));
    }

    #[test]
    fn what_is_mounted_is_secret() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ORDINARY"), "mounted\n").unwrap();
        let mut variables = Variables::default();
        variables.read_dir(dir.path()).unwrap();
        let failure = Failure { sentence: "it is mounted".into(), ..Failure::default() };
        assert_eq!(without(failure, &variables, []).sentence, format!("it is {MASK}"));
    }

    #[test]
    fn what_is_masked_is_not_pointed_at() {
        let frame = &shown("SECRET = 'a'", &[], &[]).exceptions[0].frames[0];
        assert_eq!((frame.source[0].1.as_str(), frame.mark), ("SECRET = '••••••'", None));
    }
}
