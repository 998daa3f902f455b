//! Files that somebody named besides those that the application consists of (`--reload-extra-file`): paths, with wildcards
//! as a shell has them.
//!
//! A part of what `interest` knows.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::ignored::is_ignored_file;

/// `*` stands for names of one directory, as in a shell; `**` for directories.
const AS_A_SHELL: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// One name, which may be that of many files.
pub struct Extra {
    pattern: Pattern,
    fixed: PathBuf,
}

impl Extra {
    /// `text` as seen from `root`, in whose own path nothing is a wildcard. None: it is no pattern.
    pub fn new(root: &Path, text: &str) -> Option<Self> {
        let mut parts: Vec<(&OsStr, bool)> = root.iter().map(|part| (part, false)).collect();
        for component in Path::new(text).components() {
            match component {
                Component::Prefix(_) | Component::CurDir => {}
                Component::RootDir => parts = vec![(component.as_os_str(), false)],
                Component::ParentDir => parts.truncate((parts.len() - 1).max(1)),
                Component::Normal(part) => parts.push((part, part.to_string_lossy().contains(['*', '?', '[']))),
            }
        }
        let fixed = parts.iter().take_while(|(_, is_wild)| !is_wild).map(|(part, _)| part).collect();
        let written = parts.iter().skip(1).map(|(part, is_wild)| match part.to_string_lossy() {
            wild if *is_wild => format!("/{wild}"),
            name => format!("/{}", Pattern::escape(&name)),
        });
        Some(Self { pattern: Pattern::new(&written.collect::<String>()).ok()?, fixed })
    }

    /// The path up to the first part that has a wildcard.
    pub fn fixed(&self) -> &Path {
        &self.fixed
    }

    /// Whether it names `path`. What editors leave behind, and kin, is named only as it is.
    pub fn names(&self, path: &Path) -> bool {
        (self.fixed == path || !is_ignored_file(path)) && self.pattern.matches_path_with(path, AS_A_SHELL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_shell_would() {
        let root = Path::new("/srv/site [old]");
        let named = ["./conf/*.toml", "../shared/rates.json", "data/**/*.csv", "[ab].txt", "/etc/*.yml"];
        let extras: Vec<Extra> = named.iter().map(|text| Extra::new(root, text).unwrap()).collect();
        let is_named = |path: &Path| extras.iter().any(|extra| extra.names(path));
        for name in ["conf/a.toml", "data/x.csv", "data/one/two/x.csv", "a.txt"] {
            assert!(is_named(&root.join(name)), "{name}");
        }
        assert!(is_named(Path::new("/srv/shared/rates.json")) && is_named(Path::new("/etc/a.yml")));
        for name in ["conf/below/a.toml", "conf/a.json", "data/x.json", "c.txt", "conf/.a.toml", "data/.a.csv.swp"] {
            assert!(!is_named(&root.join(name)), "{name}");
        }
        let fixed: Vec<&Path> = extras.iter().map(Extra::fixed).collect();
        let below = |name: &str| root.join(name);
        assert_eq!(
            fixed,
            [&*below("conf"), Path::new("/srv/shared/rates.json"), &below("data"), root, Path::new("/etc")]
        );
        assert!(Extra::new(root, "[a").is_none(), "no pattern");
    }

    #[test]
    fn what_is_ignored_else_is_named_as_it_is() {
        let root = Path::new("/srv");
        assert!(Extra::new(root, ".a.swp").unwrap().names(Path::new("/srv/.a.swp")));
        assert!(!Extra::new(root, "*.swp").unwrap().names(Path::new("/srv/a.swp")));
    }
}
