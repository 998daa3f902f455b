//! `.env` and `.flaskenv` of the working directory, which `monopod dev` reads as python-dotenv does.
//!
//! Called by `resolve`: what is there counts only where nothing else says what the variable is, and of the two files
//! `.env` counts more. Lines that say nothing are passed over with a note; no note has a value, which may be a secret.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::ErrorKind;
use std::path::Path;

use super::error::StartError;
use super::sources::Env;
use super::variables::{Variables, variable};

/// In the order in which they count.
pub const FILES: [&str; 2] = [".env", ".flaskenv"];
/// They say where to look, so they cannot be what is found.
const CIRCULAR: [&str; 4] = ["MONOPOD_ENV", "MONOPOD_ENV_DIR", "MONOPOD_CHDIR", "MONOPOD_CONFIG"];

/// Adds to `variables` what the files in `dir` have, unless it is there or in the environment; what was passed over.
///
/// # Errors
/// [`StartError::Config`] when a file is there and cannot be read.
pub fn offer(variables: &mut Variables, dir: &Path, env: Env<'_>) -> Result<Vec<String>, StartError> {
    let mut notes = Vec::new();
    for file in FILES {
        let text = match std::fs::read(dir.join(file)) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(StartError::config(format!("{file} cannot be read ({error}): make it readable.")));
            }
        };
        let known = |name: &str| variables.get(name).map_or_else(|| env(name), |value| Some(value.to_owned()));
        let known = |name: &str| known(name).map(|value| value.to_string_lossy().into_owned());
        let (found, odd) = read(&text, &known);
        notes.extend(odd.iter().map(|line| format!("line {line} of {file} is not NAME=VALUE and is passed over.")));
        for (name, value) in found {
            if variables.get(&name).is_some() || env(&name).is_some() {
                continue;
            }
            match variable(&format!("{name}={value}")) {
                Ok(variable) if !CIRCULAR.contains(&name.as_str()) => variables.set(variable),
                _ => notes.push(format!("{name} in {file} cannot be set from there and is passed over.")),
            }
        }
    }
    Ok(notes)
}

/// The variables of `text`, of several with one name the last; and the numbers of lines that are none. `known` are those
/// of the environment, which `${NAME}` means first.
fn read(text: &str, known: &dyn Fn(&str) -> Option<String>) -> (BTreeMap<String, String>, Vec<usize>) {
    let (mut found, mut odd) = (BTreeMap::new(), Vec::new());
    // As Python reads text files.
    let text = &text.replace("\r\n", "\n").replace('\r', "\n");
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return (found, odd);
        }
        let line = text[..text.len() - rest.len()].matches('\n').count() + 1;
        let Some((bound, behind)) = binding(rest) else {
            odd.push(line);
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
            continue;
        };
        rest = behind;
        if let Some((name, value)) = bound {
            let value = expanded(&value, known, &found);
            found.insert(name, value);
        }
    }
}

/// Name and value.
type Bound = (String, String);

/// One binding and what is behind its line; no binding in a comment, or of a name without a value.
fn binding(text: &str) -> Option<(Option<Bound>, &str)> {
    if let Some(comment) = text.strip_prefix('#') {
        return Some((None, comment.find('\n').map_or("", |end| &comment[end..])));
    }
    let text = match text.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start_matches([' ', '\t']),
        _ => text,
    };
    let (name, rest) = match text.strip_prefix('\'') {
        Some(quoted) => quoted.split_once('\'')?,
        None => text.split_at(text.find(|c: char| c == '=' || c == '#' || c.is_whitespace()).unwrap_or(text.len())),
    };
    let rest = rest.trim_start_matches([' ', '\t']);
    let Some(rest) = rest.strip_prefix('=') else {
        return (!name.is_empty()).then(|| end_of_line(rest))?.map(|rest| (None, rest));
    };
    let rest = rest.trim_start_matches([' ', '\t']);
    let (value, rest) = if let Some(quote @ ('\'' | '"')) = rest.chars().next() {
        quoted(&rest[1..], quote)?
    } else {
        let (line, rest) = rest.split_at(rest.find(['\n', '\r']).unwrap_or(rest.len()));
        (plain(line).to_owned(), rest)
    };
    if name.is_empty() {
        return None;
    }
    Some((Some((name.to_owned(), value)), end_of_line(rest)?))
}

/// What is behind the end of the line, if there is nothing before it but a comment.
fn end_of_line(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches([' ', '\t', '\r']);
    let rest = if rest.starts_with('#') { &rest[rest.find('\n').unwrap_or(rest.len())..] } else { rest };
    (rest.is_empty() || rest.starts_with('\n')).then_some(rest)
}

/// A value without quotes ends where a comment begins, which has a space before it.
fn plain(line: &str) -> &str {
    let comment = line.match_indices('#').find(|(at, _)| line[..*at].ends_with(char::is_whitespace));
    comment.map_or(line, |(at, _)| &line[..at]).trim_end()
}

/// The value up to its closing quote, and what is behind that. Single quotes escape themselves and `\`, double ones the
/// usual characters too.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    // Where no quote stands alone, the last one behind a `\` ends it.
    let mut last = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Some((value, &text[at + 1..]));
        }
        if c != '\\' {
            value.push(c);
            continue;
        }
        let Some((at, escaped)) = chars.next() else { break };
        if escaped == quote {
            last = Some((format!("{value}\\"), &text[at + 1..]));
        }
        match (quote, escaped) {
            (_, '\\' | '\'') | ('"', '"') => value.push(escaped),
            ('"', 'n') => value.push('\n'),
            ('"', 'r') => value.push('\r'),
            ('"', 't') => value.push('\t'),
            ('"', 'a') => value.push('\x07'),
            ('"', 'b') => value.push('\x08'),
            ('"', 'f') => value.push('\x0c'),
            ('"', 'v') => value.push('\x0b'),
            _ => value.extend(['\\', escaped]),
        }
    }
    last
}

/// `value` with `${NAME}` and `${NAME:-DEFAULT}` replaced by what is `known`, or `found` above.
fn expanded(value: &str, known: &dyn Fn(&str) -> Option<String>, found: &BTreeMap<String, String>) -> String {
    let (mut out, mut rest) = (String::new(), value);
    while let Some((before, behind)) = rest.split_once("${") {
        out.push_str(before);
        let Some((inside, behind)) = behind.split_once('}') else {
            out.push_str("${");
            rest = behind;
            continue;
        };
        let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
        if name.contains(':') {
            // No variable: `${NAME:x}` stays as it is.
            let _ = write!(out, "${{{inside}}}");
            rest = behind;
            continue;
        }
        out.push_str(&known(name).or_else(|| found.get(name).cloned()).unwrap_or_else(|| default.to_owned()));
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(text: &str) -> Vec<(String, String)> {
        let (found, odd) = read(text, &|name| (name == "HOME").then(|| "/root".to_owned()));
        assert_eq!(odd, [0; 0], "{text}");
        found.into_iter().collect()
    }

    /// Each as python-dotenv 1.1 reads it, but for the byte order mark, which it takes for a part of the name.
    #[test]
    fn values_are_those_of_python_dotenv() {
        for (text, value) in [
            ("A=b", "b"),
            ("A = b", "b"),
            ("export A=b", "b"),
            ("A=b c  ", "b c"),
            ("A=b # comment", "b"),
            ("A=b#c", "b#c"),
            ("A=", ""),
            ("A='b # \\' c' # d", "b # ' c"),
            ("A='b\\n${HOME}'", "b\\n/root"),
            ("A=\"\\a\\b\\f\\v\"", "\x07\x08\x0c\x0b"),
            ("A=${HOME:x}y", "${HOME:x}y"),
            ("A=\"b\\n\\\"c\\\" \\d\"", "b\n\"c\" \\d"),
            ("A=\"b\nc\"", "b\nc"),
            ("A=pa$$word", "pa$$word"),
            ("A=${HOME}/x", "/root/x"),
            ("A=${NONE:-d}${NONE}", "d"),
            ("A=\"${HOME}\"", "/root"),
            ("\u{feff}A=b\r\n", "b"),
            ("# first\n\nA=b", "b"),
            ("A=a\nA=b", "b"),
            ("A=\"b\r\nc\"\r\n", "b\nc"),
            ("A=\"C:\\dir\\\"\n", "C:\\dir\\"),
            ("A='it\\'\n", "it\\"),
            ("JUST_A_NAME\nA=b", "b"),
        ] {
            assert_eq!(reads(text), [("A".to_owned(), value.to_owned())], "{text:?}");
        }
        assert_eq!(reads("B=1\nA=${B}2")[0].1, "12");
    }

    #[test]
    fn a_line_that_says_nothing_is_named_and_the_others_count() {
        let (found, odd) = read("A=1\n=2\nB='open\nC=\"x\" y\nD=4\n", &|_| None);
        assert_eq!(odd, [2, 3, 4]);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["A", "D"]);
    }

    #[test]
    fn what_is_set_counts_more_and_the_first_file_more_than_the_second() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".env"), "A=env\nB=env\nMONOPOD_CHDIR=/\nno-name=1").unwrap();
        std::fs::write(dir.path().join(".flaskenv"), "B=flask\nC=flask\nD=flask").unwrap();
        let mut variables = Variables::default();
        variables.set(variable("D=flag").unwrap());
        let notes = offer(&mut variables, dir.path(), &|name| (name == "A").then(|| "shell".into())).unwrap();
        let all: Vec<_> = variables.iter().map(|v| format!("{}={}", v.name, v.value.display())).collect();
        assert_eq!(all, ["B=env", "C=flask", "D=flag"]);
        assert_eq!(notes.len(), 2, "{notes:?}");
    }
}
