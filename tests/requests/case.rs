//! One case of the corpus: the bytes that are sent, and what is expected of the server (README.md beside this file).

use std::fs;
use std::path::Path;

use toml::{Table, Value};

use super::escape::decode;

/// A pair of `NAME.http` and `NAME.toml`.
pub struct Case {
    pub name: String,
    /// RFC sections and CVEs.
    pub refs: Vec<String>,
    pub sent: Vec<u8>,
    /// The client ends its sending half after the last byte.
    pub eof: bool,
    pub outcome: Outcome,
    /// The connection is closed in the end.
    pub closed: bool,
}

/// What becomes of the bytes.
pub enum Outcome {
    /// The application sees these requests, and no others.
    Answered(Vec<Request>),
    /// So many requests are answered 200, and no byte after them reaches the application.
    Refused { before: usize, status: u16 },
}

/// What the application sees of one request; strings are latin-1, one byte a character.
pub struct Request {
    pub status: u16,
    pub method: String,
    /// RAW_URI, where it matters.
    pub target: Option<String>,
    pub path: String,
    pub query: String,
    pub body: String,
    pub environ: Vec<(String, String)>,
    pub absent: Vec<String>,
}

/// All cases of a directory, by name.
///
/// # Errors
/// The first file that cannot be understood, and why.
pub fn read_all(directory: &Path) -> Result<Vec<Case>, String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("http") => names.push(stem),
            Some("toml") if path.with_extension("http").exists() => {}
            _ => return Err(format!("{} belongs to no case", path.display())),
        }
    }
    names.sort();
    names.into_iter().map(|name| read(directory, &name).map_err(|error| format!("{name}: {error}"))).collect()
}

fn read(directory: &Path, name: &str) -> Result<Case, String> {
    let text = |extension| fs::read_to_string(directory.join(name).with_extension(extension));
    let sent = decode(&text("http").map_err(|error| error.to_string())?)?;
    let mut keys = Keys(text("toml").map_err(|error| error.to_string())?.parse().map_err(|error| format!("{error}"))?);
    if keys.string("title")?.is_none_or(|title| title.is_empty()) {
        return Err("title is missing".into());
    }
    let refs = keys.strings("refs")?;
    if refs.is_empty() {
        return Err("refs are missing".into());
    }
    let outcome = match keys.number("status")? {
        Some(status) => Outcome::Refused { before: keys.number("answered_before")?.unwrap_or(0).into(), status },
        None => Outcome::Answered(keys.tables("request")?.into_iter().map(request).collect::<Result<_, _>>()?),
    };
    let case =
        Case { name: name.to_owned(), refs, sent, eof: keys.flag("eof")?, closed: keys.flag("closed")?, outcome };
    keys.end()?;
    Ok(case)
}

fn request(table: Table) -> Result<Request, String> {
    let mut keys = Keys(table);
    let request = Request {
        status: keys.number("status")?.unwrap_or(200),
        method: keys.string("method")?.unwrap_or_else(|| "GET".into()),
        target: keys.string("target")?,
        path: keys.string("path")?.ok_or("path is missing")?,
        query: keys.string("query")?.unwrap_or_default(),
        body: keys.string("body")?.unwrap_or_default(),
        environ: keys.pairs("environ")?,
        absent: keys.strings("absent")?,
    };
    keys.end()?;
    Ok(request)
}

/// A table from which each key is taken once, so that those nobody knows are left.
struct Keys(Table);

impl Keys {
    fn string(&mut self, key: &str) -> Result<Option<String>, String> {
        self.0.remove(key).map(|value| latin_1(&value)).transpose()
    }

    fn strings(&mut self, key: &str) -> Result<Vec<String>, String> {
        match self.0.remove(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => values.iter().map(latin_1).collect(),
            Some(_) => Err(format!("{key} is not a list")),
        }
    }

    fn pairs(&mut self, key: &str) -> Result<Vec<(String, String)>, String> {
        match self.0.remove(key) {
            None => Ok(Vec::new()),
            Some(Value::Table(table)) => table.into_iter().map(|(name, value)| Ok((name, latin_1(&value)?))).collect(),
            Some(_) => Err(format!("{key} is not a table")),
        }
    }

    fn tables(&mut self, key: &str) -> Result<Vec<Table>, String> {
        let Some(Value::Array(values)) = self.0.remove(key) else { return Err(format!("[[{key}]] is missing")) };
        let table = |value| if let Value::Table(table) = value { Ok(table) } else { Err(format!("{key} is odd")) };
        values.into_iter().map(table).collect()
    }

    fn number(&mut self, key: &str) -> Result<Option<u16>, String> {
        let Some(value) = self.0.remove(key) else { return Ok(None) };
        let number = value.as_integer().and_then(|number| number.try_into().ok());
        number.map(Some).ok_or(format!("{key} is not a small number"))
    }

    fn flag(&mut self, key: &str) -> Result<bool, String> {
        self.0.remove(key).map_or(Ok(false), |value| value.as_bool().ok_or(format!("{key} is neither true nor false")))
    }

    fn end(self) -> Result<(), String> {
        if self.0.is_empty() { Ok(()) } else { Err(format!("unknown: {:?}", self.0.keys().collect::<Vec<_>>())) }
    }
}

/// Strings are written in the form of the `.http` files, but for the section sign in `refs`.
fn latin_1(value: &Value) -> Result<String, String> {
    let text = value.as_str().ok_or(format!("{value} is not a string"))?;
    if text.contains('§') {
        return Ok(text.to_owned());
    }
    decode(text).map(|bytes| bytes.into_iter().map(char::from).collect())
}
