//! Variables for the application: `--env NAME=VALUE`, and the files of `--env-dir`.
//!
//! `resolve` reads them before anything else is decided and then looks at them and the process environment as one, so
//! they act as if they had been there from the start. Files are those of a mounted Secret or ConfigMap: the name is the
//! variable, the content the value. Values are secrets: no `Debug`, sentence or note here shows one.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// Linux refuses to start a program with a longer `NAME=VALUE` in its environment (`MAX_ARG_STRLEN`, with its NUL).
const LONGEST: usize = 128 * 1024 - 1;
/// All variables together; a Secret or ConfigMap holds no more, and Linux gives a program not much more room.
const MOST: usize = 1024 * 1024;
/// How often a directory is read anew because it was replaced meanwhile.
const ATTEMPTS: usize = 8;

/// One variable. `Debug` keeps the value to itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// A valid name: ASCII letters, digits and `_`, not beginning with a digit.
    pub name: String,
    /// Without NUL bytes.
    pub value: OsString,
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=…", self.name)
    }
}

/// Reads `NAME=VALUE`.
///
/// # Errors
/// A missing `=`, or a name that is none; the sentence has nothing of the text, which may be a secret.
pub fn variable(text: &str) -> Result<Variable, String> {
    let parsed = text.split_once('=').filter(|(name, value)| is_name(name) && !value.contains('\0'));
    let (name, value) = parsed.ok_or("wants NAME=VALUE, with a name of letters, digits and _")?;
    if name.len() + value.len() + 1 > LONGEST {
        return Err(format!("wants at most 128k for {name}, as no program can be started with more"));
    }
    Ok(Variable { name: name.to_owned(), value: value.into() })
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

/// The variables that the operator gives to the application, one for each name, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    all: Vec<Variable>,
    /// The names of those from `--env-dir`, which are mounted secrets as a rule.
    from_dirs: BTreeSet<String>,
}

impl Variables {
    /// Takes one; of two with the same name the later counts.
    pub fn set(&mut self, variable: Variable) {
        self.from_dirs.remove(&variable.name);
        match self.all.binary_search_by(|known| known.name.cmp(&variable.name)) {
            Ok(at) => self.all[at] = variable,
            Err(at) => self.all.insert(at, variable),
        }
    }

    /// The value of one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.iter().find(|variable| variable.name == name).map(|variable| variable.value.as_os_str())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Variable> {
        self.all.iter()
    }

    /// Whether it came from a file of `--env-dir`.
    #[must_use]
    pub fn is_from_dir(&self, name: &str) -> bool {
        self.from_dirs.contains(name)
    }

    /// Their names, for people to read.
    #[must_use]
    pub fn names(&self) -> String {
        self.iter().map(|variable| variable.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Takes the regular files of `dir` and gives the names of those that cannot be variables, which are left out.
    /// Dotfiles, directories and whatever else is there are not looked at; a file's last newline is not a part of it.
    ///
    /// # Errors
    /// The second half of a sentence, behind the name of who named `dir`.
    pub fn read_dir(&mut self, dir: &Path) -> Result<Vec<String>, String> {
        let dir_fails =
            |error: io::Error| format!("wants a directory that can be read, and {}: {error}", dir.display());
        // What is mounted there is replaced as a whole, by a new target of this link.
        let (files, values) = settled(
            || std::fs::read_link(dir.join("..data")).ok(),
            || {
                let files = list(dir).map_err(dir_fails)?;
                let values = files.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
                Ok((files, values))
            },
        )?;
        let mut left_out = Vec::new();
        for (path, value) in files.iter().zip(values) {
            match (path.file_name().and_then(OsStr::to_str).filter(|name| is_name(name)), value) {
                (_, Content::NoFile) => {}
                (Some(name), Content::Text(value)) => {
                    self.set(Variable { name: name.to_owned(), value });
                    self.from_dirs.insert(name.to_owned());
                }
                (None, _) => left_out.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned()),
            }
        }
        let size = self.iter().map(|Variable { name, value }| name.len() + value.len() + 2).sum::<usize>();
        if size > MOST {
            return Err(format!("wants at most 1m of variables, and with {} there are {size} bytes", dir.display()));
        }
        Ok(left_out)
    }
}

/// Reads until `state` was the same before and after, so that nothing is half old and half new.
fn settled<T>(state: impl Fn() -> Option<PathBuf>, mut read: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    for _ in 1..ATTEMPTS {
        let before = state();
        let result = read();
        if state() == before {
            return result;
        }
    }
    read()
}

/// What is behind a name in a directory.
enum Content {
    Text(OsString),
    NoFile,
}

/// What is in the directory, but for dotfiles, in the order of names.
fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Content, String> {
    let shown = path.display();
    let fails = |error: io::Error| format!("wants files that can be read, and {shown} cannot ({error})");
    // A fifo would be waited for.
    if !std::fs::metadata(path).map_err(fails)?.is_file() {
        return Ok(Content::NoFile);
    }
    let mut value = Vec::new();
    File::open(path).and_then(|file| file.take(LONGEST as u64 + 2).read_to_end(&mut value)).map_err(fails)?;
    if value.last() == Some(&b'\n') {
        value.pop();
    }
    let name = path.file_name().unwrap_or_default().len();
    if name + value.len() + 1 > LONGEST {
        return Err(format!(
            "wants files of at most 128k, and {shown} has more: mount it elsewhere and tell the application its path"
        ));
    }
    if value.contains(&0) {
        return Err(format!(
            "wants text, and {shown} has a NUL byte: mount it elsewhere and tell the application its path"
        ));
    }
    Ok(Content::Text(OsString::from_vec(value)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn read_all(files: &[(&str, &[u8])]) -> Result<(Variables, Vec<String>), String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        let mut variables = Variables::default();
        variables.read_dir(dir.path()).map(|left_out| (variables, left_out))
    }

    #[test]
    fn a_variable_has_a_name_and_any_value() {
        for (text, name, value) in
            [("A=b", "A", "b"), ("_a1=", "_a1", ""), ("URL=postgres://a:b@c/d?e=f", "URL", "postgres://a:b@c/d?e=f")]
        {
            assert_eq!(variable(text), Ok(Variable { name: name.into(), value: value.into() }), "{text}");
        }
        for text in ["", "secret", "=secret", "1A=secret", "A-B=secret", "Ä=secret", "A =secret", "A=sec\0ret"] {
            let refusal = variable(text).unwrap_err();
            assert!(refusal.starts_with("wants NAME=VALUE") && !refusal.contains("sec"), "{refusal}");
        }
        assert!(variable(&format!("A={}", "x".repeat(LONGEST - 2))).is_ok());
        assert!(variable(&format!("A={}", "x".repeat(LONGEST - 1))).unwrap_err().contains("128k for A"));
    }

    #[test]
    fn files_are_variables_without_their_last_newline() {
        let (variables, left_out) = read_all(&[
            ("B", b"two\n"),
            ("A", b"one"),
            ("EMPTY", b""),
            ("LINES", b"a\nb\n\n"),
            ("LATIN", b"\xff\n"),
            (".hidden", b"x"),
            ("tls.crt", b"x"),
            ("1", b"x"),
        ])
        .unwrap();
        assert_eq!(variables.names(), "A, B, EMPTY, LATIN, LINES");
        assert_eq!(variables.get("LINES"), Some(OsStr::new("a\nb\n")));
        assert_eq!(variables.get("EMPTY"), Some(OsStr::new("")));
        assert_eq!(variables.get("LATIN").map(OsStr::as_encoded_bytes), Some(&b"\xff"[..]));
        assert_eq!(left_out, ["1", "tls.crt"]);
        assert_eq!(format!("{variables:?}").matches("=…").count(), 5);
        assert!(!format!("{variables:?}").contains("two"));
    }

    #[test]
    fn a_mounted_secret_is_read_through_its_links() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        std::fs::create_dir_all(at("..2026_01_01/sub")).unwrap();
        std::fs::write(at("..2026_01_01/KEY"), "value\n").unwrap();
        symlink("..2026_01_01", at("..data")).unwrap();
        symlink("..data/KEY", at("KEY")).unwrap();
        symlink("..data/sub", at("SUB")).unwrap();
        let mut variables = Variables::default();
        assert_eq!(variables.read_dir(dir.path()), Ok(vec![]));
        assert_eq!((variables.names().as_str(), variables.get("KEY")), ("KEY", Some(OsStr::new("value"))));
    }

    #[test]
    fn what_is_replaced_while_it_is_read_is_read_anew() {
        use std::cell::Cell;
        // How often it is replaced, whether the reading fails then as its files are gone, and how many readings it takes.
        for (replaced, fails, readings) in [(0, false, 1), (1, false, 2), (3, true, 4), (100, false, ATTEMPTS)] {
            let (generation, count) = (Cell::new(0), Cell::new(0));
            let result = settled(
                || Some(PathBuf::from(generation.get().to_string())),
                || {
                    count.set(count.get() + 1);
                    let seen = generation.get();
                    if seen < replaced {
                        generation.set(seen + 1);
                        return if fails { Err("gone".to_owned()) } else { Ok(seen) };
                    }
                    Ok(seen)
                },
            );
            assert_eq!((result, count.get()), (Ok(replaced.min(ATTEMPTS - 1)), readings));
        }
    }

    #[test]
    fn the_later_counts() {
        let mut variables = Variables::default();
        for text in ["B=1", "A=1", "B=2"] {
            variables.set(variable(text).unwrap());
        }
        assert_eq!((variables.names().as_str(), variables.get("B")), ("A, B", Some(OsStr::new("2"))));
    }

    #[test]
    fn what_cannot_be_a_value_is_refused_by_name() {
        let long = |length| vec![b'x'; length];
        for (content, says) in
            [(b"a\0b".to_vec(), "has a NUL byte"), (long(LONGEST - 1), "more"), (long(1 << 20), "more")]
        {
            let refusal = read_all(&[("A", &content)]).unwrap_err();
            assert!(refusal.contains("/A has ") && refusal.contains(says), "{refusal}");
        }
        assert!(read_all(&[("A", &long(LONGEST - 2))]).is_ok());
        let (names, content): (Vec<String>, _) = ((0..9).map(|number| format!("V{number}")).collect(), long(120_000));
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), content.as_slice())).collect();
        assert!(read_all(&many).unwrap_err().starts_with("wants at most 1m of variables"));
        let missing = Variables::default().read_dir(Path::new("/no/where")).unwrap_err();
        assert!(missing.starts_with("wants a directory that can be read, and /no/where: No such file"), "{missing}");
        let dir = tempfile::tempdir().unwrap();
        symlink("nowhere", dir.path().join("A")).unwrap();
        let dangling = Variables::default().read_dir(dir.path()).unwrap_err();
        assert!(
            dangling.starts_with("wants files that can be read, and ") && dangling.contains("/A cannot"),
            "{dangling}"
        );
    }
}
