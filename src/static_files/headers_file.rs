//! The file of rules for headers: `--headers-file`, or the `_headers` that a `--static-root` brings with it.
//!
//! Opened by `server` before anything that takes time; `scan` applies the rules to what it makes. What the operator named
//! must be right. What lies in a directory may be from elsewhere: what is wrong there is left out with a warning.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::config::StartError;
use crate::config::settings::{ROOT, StaticFiles};
use crate::semantics::header_rules::{BadLine, HeaderRules};
use crate::semantics::printable::printable;

/// Where the rules lie in a directory that is served at `/`.
const NAME: &str = "_headers";

/// Bytes at most.
const LARGEST: u64 = 1 << 20;

/// Lines of a file that are warned of one by one.
const TOLD: usize = 10;

/// Whether a URL path is that of a file which tells the server what to do, as `_headers` and `_redirects` do elsewhere.
pub fn is_for_the_server(url: &str) -> bool {
    matches!(url, "/_headers" | "/_redirects")
}

/// The rules, and where they come from.
#[derive(Debug, Default)]
pub struct HeadersFile {
    /// None: there is no file.
    pub path: Option<PathBuf>,
    pub rules: HeaderRules,
    /// What is wrong with a file that nobody named.
    pub warnings: Vec<String>,
}

impl HeadersFile {
    /// Reads the file. Of several `--static-root` the first that has one counts, as for every file. Blocking.
    ///
    /// # Errors
    /// [`StartError::Config`] when the file that was named cannot be read, or has a line that cannot be followed.
    pub fn open(settings: &StaticFiles) -> Result<Self, StartError> {
        if let Some(path) = &settings.headers_file {
            return Self::named(path);
        }
        let roots = settings.mounts.iter().filter(|mount| mount.url == ROOT);
        let found = roots.map(|mount| mount.dir.join(NAME)).find(|path| path.is_file());
        Ok(found.map_or_else(Self::default, Self::found))
    }

    fn named(path: &Path) -> Result<Self, StartError> {
        let shown = path.display();
        let text = read(path).map_err(|error| {
            StartError::config(format!("the headers file {shown} cannot be read ({error}); correct --headers-file"))
        })?;
        let (rules, bad) = HeaderRules::parse(&text);
        if let Some(BadLine { number, what }) = bad.first() {
            return Err(StartError::config(format!("{shown}, line {number}: {what}")));
        }
        Ok(Self { path: Some(path.to_owned()), rules, warnings: Vec::new() })
    }

    fn found(path: PathBuf) -> Self {
        let shown = path.to_string_lossy();
        let shown = printable(&shown);
        let text = match read(&path) {
            Ok(text) => text,
            Err(error) => {
                let warnings = vec![format!(
                    "{shown} cannot be read ({error}), so its headers are not sent; correct it, or name another --headers-file"
                )];
                return Self { warnings, ..Self::default() };
            }
        };
        let (rules, bad) = HeaderRules::parse(&text);
        let line = |BadLine { number, what }: &BadLine| format!("{shown}, line {number} is left out: {what}");
        let mut warnings: Vec<String> = bad.iter().take(TOLD).map(line).collect();
        if let Some(more) = bad.get(TOLD..).filter(|more| !more.is_empty()) {
            warnings.push(format!("{shown}: {} further lines are left out", more.len()));
        }
        Self { rules, warnings, path: Some(path) }
    }
}

/// A regular file of a sane size, as text.
fn read(path: &Path) -> io::Result<String> {
    // Opening a pipe would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Mount;
    use std::time::Duration;

    fn settings(headers_file: Option<PathBuf>, roots: &[&Path]) -> StaticFiles {
        let mount = |dir: &&Path| Mount { url: ROOT.to_owned(), dir: dir.to_path_buf() };
        let mounts = roots.iter().map(mount).collect();
        StaticFiles {
            mounts,
            spa: false,
            media: Vec::new(),
            accel: Vec::new(),
            max_age: Duration::ZERO,
            headers_file,
            memory: 0,
        }
    }

    fn refused(path: &Path) -> String {
        let error = HeadersFile::open(&settings(Some(path.into()), &[])).unwrap_err();
        assert_eq!(error.exit_code(), 78);
        error.to_string()
    }

    #[test]
    fn a_file_that_was_named_must_be_right() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rules");
        assert!(refused(&path).contains("cannot be read"));
        assert!(refused(dir.path()).contains("it is no file"));
        fs::write(&path, b"/*\n X-A: \xff\n").unwrap();
        assert!(refused(&path).contains("not UTF-8"));
        fs::write(&path, "/*\n X-A: 1\n X-B\n").unwrap();
        assert_eq!(
            refused(&path),
            format!("{}, line 3: `X-B` is neither `Name: value` nor a path, which begins with `/`", path.display())
        );

        let size = usize::try_from(LARGEST).unwrap();
        fs::write(&path, format!("/*\n X-A: 1\n{}", "#".repeat(size - 10))).unwrap();
        assert!(refused(&path).contains("larger than 1 MiB"));
        fs::write(&path, format!("/*\n X-A: 1\n{}", "#".repeat(size - 11))).unwrap();
        let headers = HeadersFile::open(&settings(Some(path.clone()), &[])).unwrap();
        assert_eq!((headers.rules.len(), headers.path), (1, Some(path)));
    }

    #[test]
    fn the_first_root_that_has_one_brings_it() {
        let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let roots = dirs.each_ref().map(tempfile::TempDir::path);
        let open = || HeadersFile::open(&settings(None, &roots)).unwrap();
        assert!(open().path.is_none() && open().rules.is_empty());

        // A directory of that name is nobody's rules.
        fs::create_dir(roots[0].join(NAME)).unwrap();
        fs::write(roots[2].join(NAME), "/*\n X-A: 1\n").unwrap();
        assert_eq!(open().path, Some(roots[2].join(NAME)));
        fs::write(roots[1].join(NAME), "x\n".repeat(2) + "/*\n X-A: 1\n" + &" X-B\n".repeat(20)).unwrap();
        let headers = open();
        assert_eq!((headers.path, headers.rules.len()), (Some(roots[1].join(NAME)), 1));
        assert_eq!(headers.warnings.len(), TOLD + 1);
        assert!(headers.warnings[0].contains("_headers, line 1 is left out: "), "{:?}", headers.warnings);
        assert!(headers.warnings[TOLD].ends_with("11 further lines are left out"), "{:?}", headers.warnings);

        fs::write(roots[1].join(NAME), b"\xff").unwrap();
        assert!(open().rules.is_empty() && open().warnings[0].contains("not UTF-8"));
        // A file that was named takes the place of those.
        let named = roots[0].join("named");
        fs::write(&named, "/a\n X-A: 1\n").unwrap();
        let headers = HeadersFile::open(&settings(Some(named.clone()), &roots)).unwrap();
        assert_eq!((headers.path, headers.warnings.len()), (Some(named), 0));
    }
}
