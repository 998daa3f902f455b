//! Names that no change of matters: what tools, editors and databases leave beside the application's own files.

use std::ffi::OsStr;
use std::path::Path;

/// Directories that are not looked into.
const DIRECTORIES: [&str; 17] = [
    "__pycache__",
    "__pypackages__",
    "node_modules",
    "bower_components",
    "site-packages",
    "venv",
    "env",
    "virtualenv",
    "htmlcov",
    "media",
    "uploads",
    "staticfiles",
    "build",
    "dist",
    "target",
    "tmp",
    "log",
];

/// Ends of names that are no source of anything.
const ENDINGS: [&str; 18] = [
    ".pyc", ".pyo", ".pyd", ".swp", ".swo", ".swx", ".tmp", ".bak", ".orig", ".rej", ".log", ".pid", ".sock", ".db",
    ".sqlite", ".sqlite3", "-journal", "-wal",
];

/// Whether nothing in a directory of this name and place counts, unless it is imported from there.
#[must_use]
pub fn is_ignored_directory(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    // A hidden one is some tool's.
    name.starts_with('.')
        || name.ends_with(".egg-info")
        || DIRECTORIES.contains(&name) && !path.join("__init__.py").is_file()
        || path.join("pyvenv.cfg").is_file()
}

/// Whether a file of this name is an editor's, a tool's or a database's own.
#[must_use]
pub fn is_ignored_file(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else { return true };
    // Vim tries whether it can make files by making this one.
    let is_editors = name == "4913"
        || name.ends_with('~')
        || name.starts_with(".#")
        || name.starts_with('#') && name.ends_with('#')
        || name.starts_with("___jb_")
        || name.ends_with("___")
        || name.starts_with(".goutputstream");
    let lower = name.to_ascii_lowercase();
    is_editors || ENDINGS.iter().any(|ending| lower.ends_with(ending)) || lower.ends_with("-shm")
}

/// Whether a file is likely to be a template, where its directory has other things too.
#[must_use]
pub fn is_likely_template(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
    ["html", "htm", "xhtml", "jinja", "jinja2", "j2", "djhtml", "txt", "xml", "mjml", "eml"]
        .contains(&extension.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editors_and_databases_are_not_the_application() {
        for name in [
            "4913",
            "app.py~",
            ".#app.py",
            "#app.py#",
            ".app.py.swp",
            "app.cpython-311.pyc",
            "db.sqlite3",
            "db.sqlite3-journal",
            "db.sqlite3-wal",
            "db.sqlite3-shm",
            "app.py___jb_tmp___",
            "x.LOG",
        ] {
            assert!(is_ignored_file(Path::new(name)), "{name}");
        }
        for name in ["app.py", "page.html", ".env", "data.json", "wal.py", "monopod.toml"] {
            assert!(!is_ignored_file(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn directories_of_tools_are_not_looked_into() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            path
        };
        for name in [".git", ".venv", ".mypy_cache", "node_modules", "__pycache__", "x.egg-info", "media", "venv"] {
            assert!(is_ignored_directory(&at(name)), "{name}");
        }
        assert!(!is_ignored_directory(&at("shop")));
        std::fs::write(at("media").join("__init__.py"), "").unwrap();
        assert!(!is_ignored_directory(&at("media")), "a package");
        std::fs::write(at("python").join("pyvenv.cfg"), "").unwrap();
        assert!(is_ignored_directory(&at("python")), "a virtual environment by any name");
    }
}
