//! Python's compiled copies of modules, which may be those of an earlier text: they are valid by the source's size and its
//! time in whole seconds (PEP 552), and whoever saves twice within one is served the first.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Where the copies are.
pub struct Bytecode {
    /// `PYTHONPYCACHEPREFIX`: a tree of its own.
    prefix: Option<PathBuf>,
}

impl Bytecode {
    /// As the environment says.
    #[must_use]
    pub fn found(env: &dyn Fn(&str) -> Option<OsString>) -> Self {
        Self { prefix: env("PYTHONPYCACHEPREFIX").filter(|text| !text.is_empty()).map(PathBuf::from) }
    }

    /// Removes those of `source`, so that the next import reads what it says.
    pub fn forget(&self, source: &Path) {
        let (Some(dir), Some(stem)) = (self.dir_of(source), source.file_stem().and_then(OsStr::to_str)) else { return };
        if source.extension().is_none_or(|extension| extension != "py") {
            return;
        }
        for entry in std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
            let name = entry.file_name();
            let rest = name.to_str().and_then(|name| name.strip_prefix(stem)).unwrap_or_default();
            if rest.starts_with('.') && Path::new(&name).extension().is_some_and(|extension| extension == "pyc") {
                // What cannot be removed was not written by this user, and is not written anew either.
                drop(std::fs::remove_file(entry.path()));
            }
        }
    }

    fn dir_of(&self, source: &Path) -> Option<PathBuf> {
        let beside = source.parent()?;
        Some(match &self.prefix {
            Some(prefix) => prefix.join(beside.strip_prefix("/").unwrap_or(beside)),
            None => beside.join("__pycache__"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_one_module_go_and_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let prefix = dir.path().join("cache");
        let source = dir.path().join("app.py");
        let beside = dir.path().join("__pycache__");
        let below = prefix.join(dir.path().strip_prefix("/").unwrap());
        for (prefix, at) in [(None, beside), (Some(prefix), below)] {
            std::fs::create_dir_all(&at).unwrap();
            for name in ["app.cpython-312.pyc", "app.cpython-312.opt-1.pyc", "apple.cpython-312.pyc"] {
                std::fs::write(at.join(name), "").unwrap();
            }
            let bytecode = Bytecode { prefix };
            bytecode.forget(&dir.path().join("app.html"));
            assert_eq!(std::fs::read_dir(&at).unwrap().count(), 3);
            bytecode.forget(&source);
            let left: Vec<_> = std::fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(left, ["apple.cpython-312.pyc"]);
        }
    }
}
