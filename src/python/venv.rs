//! Finds the Python environment for the native binary, and refuses one of another minor version.
//!
//! Order: `--venv`, `VIRTUAL_ENV`, `./.venv`, the `python3` on PATH. An environment of another minor version would
//! load in silence and then miss its packages, so versions are compared first. The wheel runs inside its
//! environment and never comes here.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::config::error::StartError;

/// The CPython this binary is linked with, such as `3.11`.
pub const VERSION: &str = env!("MONOPOD_PYTHON_VERSION");

/// The directory of the libpython it was linked with, below that installation's prefix.
const LIBRARY_DIR: &str = env!("MONOPOD_PYTHON_LIBRARY_DIR");

/// The python executable of the environment to use; `None`: libpython's own defaults.
///
/// # Errors
/// `StartError` (78, config) when the environment is broken or of another minor version.
pub fn discover(
    option: Option<&Path>,
    env: &dyn Fn(&str) -> Option<OsString>,
    cwd: &Path,
) -> Result<Option<PathBuf>, StartError> {
    let named = |name: &str| env(name).filter(|value| !value.is_empty());
    if let Some(dir) = option {
        return of_venv(&cwd.join(dir), "--venv").map(Some);
    }
    if let Some(dir) = named("VIRTUAL_ENV") {
        return of_venv(Path::new(&dir), "VIRTUAL_ENV").map(Some);
    }
    let local = cwd.join(".venv");
    if local.join("pyvenv.cfg").is_file() {
        return of_venv(&local, "./.venv").map(Some);
    }
    Ok(named("PATH").and_then(|path| on_path(&path)))
}

fn of_venv(dir: &Path, from: &str) -> Result<PathBuf, StartError> {
    let python = dir.join("bin/python");
    let config = std::fs::read_to_string(dir.join("pyvenv.cfg"));
    let (Ok(config), true) = (config, python.exists()) else {
        return Err(StartError::config(format!(
            "{} (from {from}) is not a virtual environment: it has no pyvenv.cfg and bin/python; make one with python{VERSION} -m venv {}",
            dir.display(),
            dir.display(),
        )));
    };
    if let Some(version) = version_of(&config)
        && version != VERSION
    {
        return Err(StartError::config(format!(
            "the virtual environment {} (from {from}) is for Python {version}, but this monopod is built for Python {VERSION}: make one with python{VERSION} -m venv, or pip install monopod into yours",
            dir.display(),
        )));
    }
    Ok(python)
}

/// Major and minor version in a pyvenv.cfg: `version` (venv) or `version_info` (virtualenv, uv).
fn version_of(config: &str) -> Option<String> {
    config.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        if !matches!(key.trim(), "version" | "version_info") {
            return None;
        }
        minor_of(value.trim())
    })
}

/// `3.11.7` → `3.11`.
fn minor_of(version: &str) -> Option<String> {
    let mut parts = version.split('.');
    let (major, minor) = (parts.next()?, parts.next()?);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(major) && digits(minor)).then(|| format!("{major}.{minor}"))
}

/// The first `pythonX.Y` of our version, else `python3`, on PATH. Another version there is not an error, as nobody
/// named it: libpython finds its own standard library.
fn on_path(path: &OsStr) -> Option<PathBuf> {
    let library = loaded_library(&std::fs::read_to_string("/proc/self/maps").unwrap_or_default())
        .unwrap_or_else(|| LIBRARY_DIR.into());
    for name in [format!("python{VERSION}"), "python3".to_owned()] {
        let found = std::env::split_paths(path).map(|dir| dir.join(&name)).find(|file| file.is_file());
        if let Some(python) = found
            && let Some(said) = ask(&python)
            && said.version == VERSION
            // Another build of the same version has other extension modules in its standard library.
            && library.starts_with(said.prefix.canonicalize().unwrap_or(said.prefix))
        {
            return Some(said.executable);
        }
    }
    None
}

/// The libpython this process runs with, by its memory map (proc_pid_maps(5)): a binary that was copied into an image finds
/// another one there than it was linked with. None where libpython is a part of the binary.
fn loaded_library(maps: &str) -> Option<PathBuf> {
    let name = format!("libpython{VERSION}");
    let paths = maps.lines().filter_map(|line| line.find('/').map(|at| Path::new(&line[at..])));
    let mut libraries =
        paths.filter(|path| path.file_name().and_then(OsStr::to_str).is_some_and(|file| file.starts_with(&name)));
    libraries.next().map(Path::to_owned)
}

struct Said {
    executable: PathBuf,
    version: String,
    prefix: PathBuf,
}

/// What a python says of itself. A version manager's shim is a script, so the answer, not the file, counts.
fn ask(python: &Path) -> Option<Said> {
    let code = "import sys; print(sys.executable); print('%d.%d' % sys.version_info[:2]); print(sys.base_prefix)";
    let output = Command::new(python).args(["-I", "-S", "-c", code]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut lines = text.lines();
    let (executable, version, prefix) = (lines.next()?, lines.next()?, lines.next()?);
    let said = Said { executable: executable.into(), version: version.to_owned(), prefix: prefix.into() };
    (!executable.is_empty()).then_some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn venv(dir: &Path, config: &str) {
        std::fs::create_dir_all(dir.join("bin")).unwrap();
        std::fs::write(dir.join("pyvenv.cfg"), config).unwrap();
        std::fs::write(dir.join("bin/python"), "").unwrap();
    }

    fn none(_: &str) -> Option<OsString> {
        None
    }

    #[test]
    fn versions_are_read_from_every_makers_file() {
        for (config, version) in [
            ("home = /usr/bin\nversion = 3.11.7\n", Some("3.11")),
            ("home=/x\nversion_info = 3.13.0.final.0\n", Some("3.13")),
            ("uv = 0.8.1\nversion_info = 3.12\n", Some("3.12")),
            ("home = /usr/bin\n", None),
            ("version = abc\n", None),
        ] {
            assert_eq!(version_of(config).as_deref(), version, "{config}");
        }
    }

    #[test]
    fn the_order_is_option_then_virtual_env_then_dot_venv() {
        let dir = tempfile::tempdir().unwrap();
        let right = format!("version = {VERSION}.1\n");
        for name in ["option", "activated", ".venv"] {
            venv(&dir.path().join(name), &right);
        }
        let activated = dir.path().join("activated").into_os_string();
        let env = |name: &str| (name == "VIRTUAL_ENV").then(|| activated.clone());
        let found = |option: Option<&str>, env: &dyn Fn(&str) -> Option<OsString>| {
            discover(option.map(Path::new), env, dir.path()).unwrap().unwrap()
        };
        assert_eq!(found(Some("option"), &env), dir.path().join("option/bin/python"));
        assert_eq!(found(None, &env), dir.path().join("activated/bin/python"));
        assert_eq!(found(None, &none), dir.path().join(".venv/bin/python"));
    }

    #[test]
    fn the_library_in_use_is_in_the_memory_map() {
        let line = |path: &str| format!("7f0000000000-7f0000100000 r-xp 00000000 fe:01 4711      {path}\n");
        let maps = |paths: &[&str]| paths.iter().map(|path| line(path)).collect::<String>();
        let library = format!("/usr/lib/x86_64-linux-gnu/libpython{VERSION}.so.1.0");
        let found = |paths: &[&str]| loaded_library(&maps(paths));
        assert_eq!(found(&["", "[heap]", "/usr/lib/libc.so.6", &library, &library]), Some(library.clone().into()));
        assert_eq!(found(&["/usr/local/bin/monopod", "/usr/lib/libpython2.7.so.1.0", "[stack]"]), None);
        let here = loaded_library(&std::fs::read_to_string("/proc/self/maps").unwrap());
        assert!(here.is_none_or(|path| path.is_absolute()));
    }

    #[test]
    fn another_minor_version_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        venv(&dir.path().join("old"), "version = 3.4.10\n");
        let error = discover(Some(Path::new("old")), &none, dir.path()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("3.4") && text.contains(VERSION), "{text}");
        assert_eq!(error.exit_code(), 78);
        assert!(discover(Some(Path::new("missing")), &none, dir.path()).is_err());
    }
}
