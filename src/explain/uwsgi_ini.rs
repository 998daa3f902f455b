//! uWSGI's ini files: sections, placeholders and files that a file includes.
//!
//! As uWSGI reads them: options in order, `%(name)` stands for an option or name set before, `%d` and its kin for the
//! file's own path, `$(NAME)` for a variable of the environment. Conditions and loops are told, not followed.

use std::collections::HashMap;
use std::path::Path;

use super::Context;
use super::setting::{Place, Setting};

/// How deep files may include one another.
const DEPTH: usize = 8;
/// How many are read in all, as a file may include itself more than once.
const MOST_FILES: usize = 256;

/// The options of one ini text and of what it includes, in order.
#[derive(Debug, Default)]
pub struct Ini {
    pub settings: Vec<Setting>,
    /// Names that placeholders asked for.
    pub used: Vec<String>,
    /// Files that could not be read.
    pub missing: Vec<String>,
    values: HashMap<String, String>,
    included: usize,
}

impl Ini {
    /// Reads `text`, which the operator calls `source` (`file.ini`, or `file.ini:section`).
    pub fn read(&mut self, source: &str, text: &str, context: &Context) {
        self.read_at(source, text, context, 0);
    }

    fn read_at(&mut self, source: &str, text: &str, context: &Context, depth: usize) {
        let (file, wanted) = match source.rsplit_once(':') {
            Some((file, section)) if !section.contains('/') && !file.is_empty() => (file, section),
            _ => (source, "uwsgi"),
        };
        let mut section = String::new();
        let mut joined = String::new();
        let mut first = 0;
        for (number, line) in text.lines().enumerate() {
            // A line may go on after a backslash.
            if joined.is_empty() {
                first = number + 1;
            }
            if let Some(start) = line.strip_suffix('\\') {
                joined.push_str(start);
                continue;
            }
            joined.push_str(line);
            let whole = std::mem::take(&mut joined);
            let line = whole.trim_start_matches('\u{feff}').trim();
            if line.is_empty() || line.starts_with([';', '#']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                name.split(']').next().unwrap_or_default().trim().clone_into(&mut section);
                continue;
            }
            if section != wanted {
                continue;
            }
            let place = Place { source: file.to_owned(), line: Some(first) };
            self.line(line, place, file, context, depth);
        }
    }

    fn line(&mut self, line: &str, place: Place, file: &str, context: &Context, depth: usize) {
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (line, None),
        };
        let (value, computed) = match value {
            Some(value) => {
                let (value, computed) = self.filled(value, file, context);
                (Some(value), computed)
            }
            None => (None, false),
        };
        // `set = name=value` has the name on the right.
        if matches!(name, "set" | "set-placeholder" | "set-ph")
            && let Some((name, value)) = value.as_deref().and_then(|pair| pair.split_once('='))
        {
            self.values.insert(name.trim().to_owned(), value.trim().to_owned());
        }
        self.values.insert(name.to_owned(), value.clone().unwrap_or_default());
        let values = value.clone().into_iter().collect();
        self.settings.push(Setting { place, name: name.to_owned(), values, computed, assigned: true });
        if let ("ini" | "include" | "inherit", Some(other)) = (name, value) {
            self.included += 1;
            let (path, _) = other.rsplit_once(':').unwrap_or((&other, ""));
            let beside = Path::new(file).parent().map(|parent| parent.join(path).display().to_string());
            let found = [Some(path.to_owned()), beside].into_iter().flatten().find_map(|path| {
                let text = (context.open)(Path::new(&path)).ok()?;
                Some((path, text))
            });
            match found {
                Some((_, text)) if depth < DEPTH && self.included < MOST_FILES => {
                    self.read_at(&other, &text, context, depth + 1);
                }
                _ => self.missing.push(other),
            }
        }
    }

    /// The value with its placeholders filled in, and whether another machine may see another value.
    fn filled(&mut self, value: &str, file: &str, context: &Context) -> (String, bool) {
        let mut out = String::new();
        let mut computed = false;
        let mut rest = value;
        while let Some(at) = rest.find(['%', '$']) {
            out.push_str(&rest[..at]);
            let (mark, after) = rest[at..].split_at(1);
            rest = after;
            if let Some(inner) = after.strip_prefix('(')
                && let Some((name, behind)) = inner.split_once(')')
            {
                let filled = if mark == "%" {
                    self.used.push(name.to_owned());
                    self.values.get(name).cloned()
                } else {
                    computed = true;
                    (context.env)(name)
                };
                out.push_str(&filled.unwrap_or_else(|| format!("{mark}({name})")));
                rest = behind;
                continue;
            }
            let path = Path::new(file);
            let part = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
            let magic = if mark == "%" { after.chars().next() } else { None };
            let filled = match magic {
                Some('d') => path.parent().map(|parent| {
                    let parent = parent.display().to_string();
                    if parent.is_empty() { "./".to_owned() } else { format!("{parent}/") }
                }),
                Some('n') => part(path.file_stem()),
                Some('s') => part(path.file_name()),
                Some('e') => part(path.extension()),
                Some('p') => Some(file.to_owned()),
                Some('c') => part(path.parent().and_then(Path::file_name)),
                Some('k') => {
                    computed = true;
                    Some(context.cpus.to_string())
                }
                Some('%') => Some("%".to_owned()),
                _ => None,
            };
            match filled {
                Some(filled) => {
                    out.push_str(&filled);
                    rest = &after[1..];
                }
                None => out.push_str(mark),
            }
        }
        out.push_str(rest);
        (out, computed)
    }
}

/// Whether a value still has a placeholder in it that nothing fills.
#[must_use]
pub fn open_placeholder(value: &str) -> Option<&str> {
    let at = value.find("%(").into_iter().chain(value.find("$(")).chain(value.find("@(")).min()?;
    let end = value[at..].find(')')?;
    value.get(at..=at + end)
}
/// Says no to an ini file of another program's, which has sections and none of uWSGI's.
///
/// # Errors
/// A sentence with what it has.
pub fn refuse_others(name: &str, text: &str) -> Result<(), String> {
    let sections: Vec<&str> = text.lines().map(str::trim).filter(|line| line.starts_with('[')).collect();
    if sections.is_empty() || name.contains(".ini:") || sections.iter().any(|section| section.starts_with("[uwsgi")) {
        return Ok(());
    }
    let first = sections.iter().find(|section| section.starts_with("[server:")).unwrap_or(&sections[0]);
    let instead = if first.starts_with("[server:") {
        "explain the command that it stands for, as in `-- gunicorn --bind :6543 module:app`, and load the file in that module by paste.deploy.loadapp('config:…')"
    } else {
        "name the server's own file"
    };
    Err(format!("{name} has no [uwsgi] section but {first}: {instead}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn files_of_other_programs_are_refused() {
        for (text, expected) in [
            ("[uwsgi]\nhttp = :80\n", ""),
            ("http = :80\n", ""),
            ("[app:main]\nuse = egg:x\n[server:main]\nuse = egg:waitress\n", "[server:main]"),
            ("[supervisord]\nnodaemon = true\n", "[supervisord]"),
        ] {
            let refused = super::refuse_others("x.ini", text).err().unwrap_or_default();
            assert!(refused.contains(expected) && refused.is_empty() == expected.is_empty(), "{text}: {refused}");
        }
    }
}
