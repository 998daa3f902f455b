//! Keeps secrets off the error page: values that were given to the application by variables, and string literals that are
//! assigned to names like `SECRET_KEY` in the lines of source that the page shows.
//!
//! The terminal has all of it, as Python prints it; the page may be on a projector.

use crate::config::Variables;
use crate::python::failure::Failure;

/// What stands in place of a secret.
const MASK: &str = "••••••";
/// A shorter value is in too many words.
const SHORTEST: usize = 6;
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

/// The page's share of `failure`, for an application that was given `variables`.
#[must_use]
pub fn without(mut failure: Failure, variables: &Variables) -> Failure {
    let mut values: Vec<String> = variables
        .iter()
        .map(|variable| variable.value.to_string_lossy().into_owned())
        .filter(|value| value.len() >= SHORTEST)
        .collect();
    // The longest first: one may be a part of another.
    values.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
    let mask = |text: &mut String| {
        for value in &values {
            if text.contains(value.as_str()) {
                *text = text.replace(value.as_str(), MASK);
            }
        }
    };
    let in_source = |line: &mut String| {
        mask(line);
        if let Some(masked) = masked_literals(line) {
            *line = masked;
        }
    };
    mask(&mut failure.sentence);
    failure.text = failure.text.lines().fold(String::new(), |mut text, line| {
        let mut line = line.to_owned();
        // Lines of source are indented.
        if line.starts_with("    ") {
            in_source(&mut line);
        } else {
            mask(&mut line);
        }
        text.push_str(&line);
        text.push('\n');
        text
    });
    for raised in &mut failure.exceptions {
        mask(&mut raised.message);
        for frame in &mut raised.frames {
            frame.source.iter_mut().for_each(|(_, line)| in_source(line));
        }
    }
    failure
}

/// The line with its string literals emptied, where a name that speaks of a secret stands before one.
fn masked_literals(line: &str) -> Option<String> {
    let name_in = |text: &str| {
        let lower = text.to_ascii_lowercase();
        NAMES.iter().filter_map(|name| lower.find(name)).min()
    };
    let leads = |text: &str| text.contains(['=', ':', ',', '(']);
    let (mut out, mut rest) = (String::new(), line);
    let (mut is_named, mut is_masked, mut is_open) = (false, false, false);
    while let Some(open) = rest.find(['"', '\'']) {
        let (before, behind) = rest.split_at(open);
        let is_triple = behind.starts_with("\"\"\"") || behind.starts_with("'''");
        let (quote, inside) = behind.split_at(if is_triple { 3 } else { 1 });
        let (literal, behind) = inside.split_at(end_of_literal(inside, quote));
        let name = name_in(before);
        let is_due = is_masked || is_open || name.map_or(is_named && leads(before), |at| leads(&before[at..]));
        // The key of a dictionary names the secret, and what is behind it is the secret.
        let names_it = name_in(literal).is_some();
        let after = behind.strip_prefix(quote).unwrap_or_default().trim_start();
        let is_key = names_it && after.starts_with([':', ']', ')', ',']);
        out.extend([before, quote]);
        if is_due && !is_key && !literal.is_empty() {
            out.push_str(MASK);
            is_masked = true;
        } else {
            out.push_str(literal);
        }
        // Of three quotes the first two are an empty literal.
        is_open = is_due && literal.is_empty();
        is_named |= name.is_some() || names_it;
        rest = behind;
        if let Some(behind) = rest.strip_prefix(quote) {
            out.push_str(quote);
            rest = behind;
        }
    }
    out.push_str(rest);
    is_masked.then_some(out)
}

fn end_of_literal(inside: &str, quote: &str) -> usize {
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if inside[at..].starts_with(quote) {
            return at;
        }
    }
    inside.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::variables::variable;
    use crate::python::failure::{Frame, Raised};

    #[test]
    fn literals_that_are_assigned_to_secrets_are_emptied() {
        for (line, expected) in [
            ("SECRET_KEY = 'django-insecure-x'", Some("SECRET_KEY = '••••••'")),
            ("    \"PASSWORD\": \"hunter2\",", Some("    \"PASSWORD\": \"••••••\",")),
            (
                "api_key = os.environ.get('API_KEY', \"s\\\"x\")",
                Some("api_key = os.environ.get('API_KEY', \"••••••\")"),
            ),
            ("token='a' + 'b'", Some("token='••••••' + '••••••'")),
            ("os.environ['SECRET_KEY']", None),
            ("app = Flask('name')", None),
            ("secret = open(path)", None),
            ("SECRET = \"\"\"begins", Some("SECRET = \"\"\"••••••")),
        ] {
            assert_eq!(masked_literals(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn values_of_variables_are_nowhere() {
        let mut variables = Variables::default();
        variables.set(variable("DATABASE_URL=postgres://me:pw@db").unwrap());
        variables.set(variable("DEBUG=1").unwrap());
        let frame = Frame { source: vec![(1, "connect('postgres://me:pw@db')  # 1".into())], ..Frame::default() };
        let raised =
            Raised { message: "cannot read postgres://me:pw@db".into(), frames: vec![frame], ..Raised::default() };
        let text = "ValueError: cannot read postgres://me:pw@db\n".to_owned();
        let failure = Failure { sentence: "line 1".into(), text, exceptions: vec![raised] };
        let shown = without(failure, &variables);
        assert!(!format!("{shown:?}").contains("me:pw"), "{shown:?}");
        assert_eq!(shown.sentence, "line 1");
        assert_eq!(shown.exceptions[0].frames[0].source[0].1, "connect('••••••')  # 1");
    }
}
