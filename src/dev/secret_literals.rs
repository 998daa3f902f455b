//! Empties string literals in lines of Python that a name like `SECRET_KEY` leads to, on its line or on those behind it.

use super::secrets::{MASK, names_secret};

/// Reads lines in their order.
#[derive(Debug, Default)]
pub struct Reading {
    /// The literal that the last line has left open.
    open: Option<Open>,
    depth: i32,
    /// How deep in brackets the name is.
    floor: Option<i32>,
    /// All literals are, until the brackets behind the name are closed.
    is_due: bool,
}

#[derive(Debug)]
struct Open {
    quote: String,
    is_due: bool,
}

impl Reading {
    /// The next line, with what is to be shown of it.
    pub fn shown(&mut self, line: &str) -> String {
        let (mut out, mut rest) = (String::new(), line);
        let mut is_masked = self.is_due;
        if let Some(open) = self.open.take() {
            let (literal, behind) = rest.split_at(end_of_literal(rest, &open.quote));
            out.push_str(if open.is_due && !literal.trim().is_empty() { MASK } else { literal });
            is_masked |= open.is_due;
            let Some(behind) = behind.strip_prefix(open.quote.as_str()) else {
                let goes_on = open.quote.len() == 3 || literal.ends_with('\\');
                self.open = goes_on.then_some(open);
                return out;
            };
            out.push_str(&open.quote);
            rest = behind;
        }
        let (mut is_named, mut in_comment) = (false, false);
        while let Some(at) = rest.find(['"', '\'']) {
            let (before, behind) = rest.split_at(at);
            in_comment |= before.contains('#');
            let name = names_secret(before);
            if !in_comment {
                self.count(before, name);
            }
            let is_triple = behind.starts_with("\"\"\"") || behind.starts_with("'''");
            let (quote, inside) = behind.split_at(if is_triple { 3 } else { 1 });
            let (literal, behind) = inside.split_at(end_of_literal(inside, quote));
            let is_due = is_masked || name.map_or(is_named && leads(before), |at| leads(&before[at..]));
            // The key of a dictionary names the secret, and what is behind it is the secret.
            let names_it = names_secret(literal).is_some();
            let closed = behind.strip_prefix(quote);
            let is_key = names_it && closed.is_some_and(|after| after.trim_start().starts_with([':', ']', ')', ',']));
            if names_it && !in_comment {
                self.floor = Some(self.depth);
            }
            out.extend([before, quote]);
            if is_due && !is_key {
                out.push_str(if literal.is_empty() { "" } else { MASK });
                is_masked = true;
            } else {
                out.push_str(literal);
            }
            is_named |= name.is_some() || names_it;
            let Some(behind) = closed else {
                if !in_comment && (is_triple || literal.ends_with('\\')) {
                    self.open = Some(Open { quote: quote.to_owned(), is_due: is_due && !is_key });
                }
                return out;
            };
            out.push_str(quote);
            rest = behind;
        }
        let code = rest.split('#').next().unwrap_or_default();
        let name = names_secret(code);
        if !in_comment {
            self.count(code, name);
        }
        let is_named = is_named || name.is_some_and(|at| leads(&code[at..]));
        let end = code.trim_end();
        let goes_on = self.floor.is_some_and(|floor| self.depth > floor)
            || end.ends_with(['\\', '='])
            || self.depth > 0 && end.ends_with(':');
        self.is_due = !in_comment && (is_named || is_masked) && goes_on;
        if !self.is_due {
            self.floor = None;
        }
        out.push_str(rest);
        out
    }

    /// Follows the brackets of code that has a name at `name`.
    fn count(&mut self, code: &str, name: Option<usize>) {
        for (at, c) in code.char_indices() {
            if Some(at) == name && !self.is_due {
                self.floor = Some(self.depth);
            }
            self.depth += match c {
                '(' | '[' | '{' => 1,
                ')' | ']' | '}' => -1,
                _ => 0,
            };
        }
    }
}

fn leads(text: &str) -> bool {
    text.contains(['=', ':', ',', '('])
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

    fn shown(lines: &str) -> String {
        let mut reading = Reading::default();
        lines.lines().map(|line| reading.shown(line)).collect::<Vec<_>>().join("\n")
    }

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
            ("# SECRET_KEY = 'x'", Some("# SECRET_KEY = '••••••'")),
            ("os.environ['SECRET_KEY']", None),
            ("app = Flask('name')", None),
            ("secret = open(path)", None),
            ("SECRET = \"\"\"begins", Some("SECRET = \"\"\"••••••")),
        ] {
            assert_eq!(shown(line), expected.unwrap_or(line));
        }
    }

    #[test]
    fn lines_behind_the_name_belong_to_it() {
        for (lines, expected) in [
            ("SECRET = (\n  'a'\n  'b'\n)\nx = 'c'", "SECRET = (\n  '••••••'\n  '••••••'\n)\nx = 'c'"),
            ("SECRET = '''a\nb\n'''\nx = 'c'", "SECRET = '''••••••\n••••••\n'''\nx = 'c'"),
            ("TOKEN = \\\n  'a'\nx = 'c'", "TOKEN = \\\n  '••••••'\nx = 'c'"),
            (
                "D = {\n 'PASSWORD': 'a',\n 'HOST': 'b',\n 'TOKEN':\n 'a',\n}",
                "D = {\n 'PASSWORD': '••••••',\n 'HOST': 'b',\n 'TOKEN':\n '••••••',\n}",
            ),
            ("# don't (secret\nx = 'c'", "# don't (secret\nx = 'c'"),
            ("\"\"\"Of the\nsecret = 'c'\n\"\"\"\nx = 'c'", "\"\"\"Of the\nsecret = 'c'\n\"\"\"\nx = 'c'"),
            ("def token(request):\n    return 'c'", "def token(request):\n    return 'c'"),
        ] {
            assert_eq!(shown(lines), expected);
        }
    }
}
