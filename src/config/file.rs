//! The configuration file: finding it, reading it, and refusing what does not belong in it.
//!
//! `--config FILE`, else `monopod.toml`, else `[tool.monopod]` of `pyproject.toml`, the latter two in the working
//! directory. Called by `resolve`. Values leave as text for the options' own parsers; only what text cannot tell is
//! judged here: unknown keys, and the kinds of TOML values.

use std::any::TypeId;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Arg;
use clap::error::{ContextKind, ContextValue};
use toml::{Table, Value};

use super::body_sizes::BodySize;
use super::error::StartError;
use super::gunicorn;
use super::options;
use super::settings::Mount;
use super::variables::Variable;

const PYPROJECT: &str = "pyproject.toml";

/// A configuration file's contents.
#[derive(Debug)]
pub struct File {
    /// The path as people know it: as given, or the bare name of the one that was found.
    pub shown: PathBuf,
    table: Table,
}

/// Reads the file at `path`, which the operator calls `shown`; `None` if it does not exist.
///
/// # Errors
/// [`StartError::Config`] when it cannot be read, is not TOML, or is a `pyproject.toml` without `[tool.monopod]`.
pub fn open(shown: &Path, path: &Path) -> Result<Option<File>, StartError> {
    let Some(mut table) = read(shown, path)? else { return Ok(None) };
    if path.file_name().is_some_and(|name| name == PYPROJECT) {
        let empty = || StartError::config(format!("{} has no table [tool.monopod]: add it.", shown.display()));
        table = tool_table(shown, table)?.ok_or_else(empty)?;
    }
    Ok(Some(File { shown: shown.into(), table }))
}

/// Reads the file found in the directory, if there is one.
///
/// # Errors
/// [`StartError::Config`] when a file is there and cannot be read or is not TOML.
pub fn discover(directory: &Path) -> Result<Option<File>, StartError> {
    let own = Path::new("monopod.toml");
    if let Some(file) = open(own, &directory.join(own))? {
        return Ok(Some(file));
    }
    let project = Path::new(PYPROJECT);
    let Some(table) = read(project, &directory.join(project))? else { return Ok(None) };
    Ok(tool_table(project, table)?.map(|table| File { shown: project.into(), table }))
}

fn read(shown: &Path, path: &Path) -> Result<Option<Table>, StartError> {
    let shown = shown.display();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StartError::config(format!("{shown} cannot be read ({error}): make it readable."))),
    };
    text.parse::<Table>().map(Some).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let message = error.message().replace('\n', ", ");
        StartError::config(format!("{shown} is not valid TOML: correct line {line} ({message})."))
    })
}

fn tool_table(shown: &Path, mut table: Table) -> Result<Option<Table>, StartError> {
    let section = match table.remove("tool") {
        Some(Value::Table(mut tool)) => tool.remove("monopod"),
        _ => None,
    };
    match section {
        None => Ok(None),
        Some(Value::Table(section)) => Ok(Some(section)),
        Some(_) => Err(StartError::config(format!("`tool.monopod` in {} wants to be a table.", shown.display()))),
    }
}

impl File {
    /// The values of each key, as text.
    ///
    /// # Errors
    /// [`StartError::Config`] naming the key that is unknown or has a value of the wrong kind.
    pub fn values<'a>(&self, command: &'a clap::Command) -> Result<Vec<(&'a Arg, Vec<OsString>)>, StartError> {
        let shown = self.shown.display();
        let mut entries = Vec::new();
        for (key, value) in &self.table {
            // A file that names another file would make the order of layers a riddle.
            let arg = options::settable(command).find(|arg| options::key(arg) == *key && key != "config");
            let Some(arg) = arg else {
                let advice = match (gunicorn::advice(&format!("--{}", key.replace('_', "-"))), nearest(command, key)) {
                    (Some(advice), _) => format!("{advice}."),
                    (None, Some(near)) => format!("did you mean `{near}`?"),
                    (None, None) => "`monopod --help` lists the options.".to_owned(),
                };
                return Err(StartError::config(format!("`{key}` in {shown} is not a setting; {advice}")));
            };
            let values = texts(arg, value)
                .map_err(|what| StartError::config(format!("`{key}` in {shown} wants {what}, not {}.", kind(value))))?;
            entries.push((arg, values.into_iter().map(OsString::from).collect()));
        }
        Ok(entries)
    }
}

/// The key most like an unknown one, by clap's own measure for flags.
pub(super) fn nearest(command: &clap::Command, key: &str) -> Option<String> {
    let keys = options::settable(command).map(options::key).filter(|key| key != "config");
    let guess = clap::Command::new("keys")
        .no_binary_name(true)
        .disable_help_flag(true)
        .args(keys.map(|key| Arg::new(key.clone()).long(key)));
    let error = guess.try_get_matches_from([format!("--{key}")]).err()?;
    match error.get(ContextKind::SuggestedArg)? {
        ContextValue::String(flag) => Some(flag.trim_start_matches('-').to_owned()),
        _ => None,
    }
}

/// A value of the file's, or of a keyword argument, as the texts that the option's parser reads; else what it wants.
pub(super) fn texts(arg: &Arg, value: &Value) -> Result<Vec<String>, &'static str> {
    match value {
        Value::Array(items) if options::is_list(arg) => items.iter().map(|item| text(arg, item)).collect(),
        Value::Table(pairs) if is_pairs(arg) => {
            pairs.iter().map(|(left, right)| Ok(format!("{left}={}", text(arg, right)?))).collect()
        }
        single => Ok(vec![text(arg, single)?]),
    }
}

/// Whether its values are `LEFT=RIGHT`.
fn is_pairs(arg: &Arg) -> bool {
    [TypeId::of::<Mount>(), TypeId::of::<Variable>(), TypeId::of::<BodySize>()].into_iter().any(|id| is(arg, id))
}

fn text(arg: &Arg, value: &Value) -> Result<String, &'static str> {
    let free_text = [TypeId::of::<String>(), TypeId::of::<PathBuf>(), TypeId::of::<Mount>(), TypeId::of::<Variable>()];
    match value {
        Value::String(text) => Ok(text.clone()),
        // These parsers take any text, so a number or a boolean would pass for a name.
        _ if free_text.into_iter().any(|id| is(arg, id)) => Err("text in quotes"),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(truth) => Ok(truth.to_string()),
        _ if options::is_list(arg) => Err("a value or a flat list"),
        _ => Err("a single value"),
    }
}

fn is(arg: &Arg, id: TypeId) -> bool {
    arg.get_value_parser().type_id() == id
}

/// What a value is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "a boolean",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_text(name: &str, text: &str) -> Result<File, StartError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        open(Path::new(name), &path).map(Option::unwrap)
    }

    fn values(text: &str) -> Result<Vec<(String, Vec<OsString>)>, String> {
        let command = options::command();
        let file = open_text("monopod.toml", text).map_err(|error| error.to_string())?;
        let values = file.values(&command).map_err(|error| error.to_string())?;
        Ok(values.into_iter().map(|(arg, values)| (options::key(arg), values)).collect())
    }

    #[test]
    fn toml_values_become_text() {
        for (text, key, expected) in [
            ("target = 'app:app'", "target", &["app:app"][..]),
            ("threads = 8", "threads", &["8"]),
            ("threads = '8'", "threads", &["8"]),
            ("queue-timeout = 0.5", "queue-timeout", &["0.5"]),
            ("access-log = false", "access-log", &["false"]),
            ("bind = 8000", "bind", &["8000"]),
            ("bind = ['unix:a', 80]", "bind", &["unix:a", "80"]),
            ("static = '/a=b'", "static", &["/a=b"]),
            ("static = ['/a=b', '/c=d']", "static", &["/a=b", "/c=d"]),
            ("static = { '/a' = 'b', '/c' = 'd=e' }", "static", &["/a=b", "/c=d=e"]),
            ("static = []", "static", &[]),
            ("max-body-size = { '/up' = '1g' }", "max-body-size", &["/up=1g"]),
            ("env = ['A=b', 'C=']", "env", &["A=b", "C="]),
            ("env = { A = 'b=c' }", "env", &["A=b=c"]),
        ] {
            let expected = expected.iter().map(OsString::from).collect();
            assert_eq!(values(text), Ok(vec![(key.to_owned(), expected)]), "{text}");
        }
    }

    #[test]
    fn wrong_kinds_are_refused_by_key_and_file() {
        for (text, sentence) in [
            ("target = true", "`target` in monopod.toml wants text in quotes, not a boolean."),
            ("temp-dir = 5", "`temp-dir` in monopod.toml wants text in quotes, not a number."),
            ("root-path = 1.5", "`root-path` in monopod.toml wants text in quotes, not a number."),
            ("threads = [1]", "`threads` in monopod.toml wants a single value, not a list."),
            ("threads = { a = 1 }", "`threads` in monopod.toml wants a single value, not a table."),
            ("max-age = 1979-05-27", "`max-age` in monopod.toml wants a single value, not a date."),
            ("bind = { a = 1 }", "`bind` in monopod.toml wants a value or a flat list, not a table."),
            ("bind = [[1]]", "`bind` in monopod.toml wants a value or a flat list, not a list."),
            ("env = { A = 1 }", "`env` in monopod.toml wants text in quotes, not a table."),
            ("static = { '/a' = 1 }", "`static` in monopod.toml wants text in quotes, not a table."),
        ] {
            assert_eq!(values(text).unwrap_err(), sentence);
        }
    }

    #[test]
    fn unknown_keys_are_refused_with_the_nearest_known_one() {
        for (text, sentence) in [
            ("thread = 1", "`thread` in monopod.toml is not a setting; did you mean `threads`?"),
            ("max_age = 1", "`max_age` in monopod.toml is not a setting; did you mean `max-age`?"),
            ("taget = 'a'", "`taget` in monopod.toml is not a setting; did you mean `target`?"),
            ("no-access-log = true", "`no-access-log` in monopod.toml is not a setting; did you mean `access-log`?"),
            ("config = 'a'", "`config` in monopod.toml is not a setting; `monopod --help` lists the options."),
            ("help = 1", "`help` in monopod.toml is not a setting; did you mean `health-path`?"),
            ("[server]", "`server` in monopod.toml is not a setting; `monopod --help` lists the options."),
            ("'threads=1' = 1", "`threads=1` in monopod.toml is not a setting; `monopod --help` lists the options."),
            ("'' = 1", "`` in monopod.toml is not a setting; `monopod --help` lists the options."),
        ] {
            assert_eq!(values(text).unwrap_err(), sentence);
        }
    }

    #[test]
    fn broken_files_are_refused_with_the_line() {
        let error = open_text("monopod.toml", "threads = 1\nbind = [").unwrap_err();
        assert!(error.to_string().starts_with("monopod.toml is not valid TOML: correct line 2 ("), "{error}");
        assert_eq!(error.exit_code(), 78);
        let error = open_text("monopod.toml", "threads = 1\nthreads = 2").unwrap_err();
        assert!(error.to_string().contains("duplicate"), "{error}");
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("monopod.toml"), b"\xff").unwrap();
        let error = discover(directory.path()).unwrap_err();
        assert!(error.to_string().starts_with("monopod.toml cannot be read ("), "{error}");
    }

    #[test]
    fn a_project_file_counts_if_it_has_our_table() {
        let file = open_text(PYPROJECT, "[project]\nname = 'x'\n[tool.monopod]\nthreads = 2").unwrap();
        assert_eq!(file.table.len(), 1);
        let error = open_text(PYPROJECT, "[tool.other]").unwrap_err();
        assert_eq!(error.to_string(), "pyproject.toml has no table [tool.monopod]: add it.");
        let error = open_text(PYPROJECT, "[tool]\nmonopod = 1").unwrap_err();
        assert_eq!(error.to_string(), "`tool.monopod` in pyproject.toml wants to be a table.");
    }
}
