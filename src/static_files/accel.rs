//! The directories whose files the application may answer with (`--accel`), and the look-up in them.
//!
//! `service` opens it at start, `stack` asks it for an answer where the application named a file in place of a body. Files
//! come and go, so each is looked for when it is named, off the async threads. What leads out of the directories, or is
//! hidden, is refused whatever the application says: the name may be a client's.

use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::header::CACHE_CONTROL;
use http::response::Parts;
use http::{HeaderValue, Response};
use tracing::{error, warn};

use super::beneath::{self, Refusal};
use super::body::StaticBody;
use super::named;
use crate::config::settings::Mount;
use crate::exchange::{FileName, NamedFile};
use crate::semantics::fault::Fault;
use crate::semantics::path::{decode, is_public_name};
use crate::semantics::printable::printable;

/// All directories of `--accel`.
#[derive(Debug)]
pub struct Accel {
    /// In the order given.
    roots: Vec<Root>,
}

#[derive(Debug)]
struct Root {
    /// With a slash at both ends.
    url: String,
    /// Absolute: the application may change the working directory.
    dir: PathBuf,
}

/// A file to answer with.
#[derive(Debug)]
pub struct Found {
    pub file: File,
    pub metadata: Metadata,
    /// Its last name, for its media type.
    pub name: String,
}

impl Accel {
    /// The directories as `option` has them; one that is missing is warned of and may come later. None: there are none.
    #[must_use]
    pub fn open(option: &str, mounts: &[Mount]) -> Option<Self> {
        let root = |mount: &Mount| {
            let (url, dir) = (&mount.url, mount.dir.display());
            if !mount.dir.is_dir() {
                warn!("{option} directory {dir} is not there (yet); until it is, files below {url} are answered 404");
            }
            let dir = std::path::absolute(&mount.dir).unwrap_or_else(|_| mount.dir.clone());
            Root { url: url.clone(), dir }
        };
        (!mounts.is_empty()).then(|| Self { roots: mounts.iter().map(root).collect() })
    }

    /// Answers with the file that the application `named`; `said` is the head of its response. 404 where there is none to
    /// answer with.
    pub async fn answer(self: Arc<Self>, named: NamedFile, said: Parts) -> Response<StaticBody> {
        let NamedFile { name, asked } = named;
        let looked = tokio::task::spawn_blocking(move || {
            let found = self.find(&name);
            (found, name)
        });
        let Ok((found, name)) = looked.await else { return Fault::internal().response() };
        match found {
            Ok(found) => named::answer(found, &asked, said),
            Err(refusal) => {
                let mut page = refused(&refusal, &name).response();
                // RFC 9110 §15.1: caches may keep a 404 otherwise, and the file may be there the next moment.
                page.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                page
            }
        }
    }

    /// The file of a still percent-encoded path. Blocking.
    pub(super) fn at(&self, path: &str) -> Result<Found, Refusal> {
        self.find(&FileName::Uri(path.to_owned()))
    }

    /// Blocking.
    fn find(&self, name: &FileName) -> Result<Found, Refusal> {
        match name {
            FileName::Uri(uri) => {
                let path = uri.split_once('?').map_or(uri.as_str(), |(path, _)| path);
                let path = decode(path).map_err(|_| Refusal::Outside)?;
                first_of(longest(&self.roots, |root| path.strip_prefix(root.url.as_str()), |root| root.url.len()))
            }
            FileName::Path(path) if path.starts_with('/') => self.find_inside(path),
            FileName::Path(path) => {
                first_of(self.roots.iter().map(|root| (root.dir.as_path(), path.as_str())).collect())
            }
        }
    }

    /// An absolute path. It may reach a directory by other links than the configuration does.
    fn find_inside(&self, path: &str) -> Result<Found, Refusal> {
        if path.split('/').any(|name| name == "..") {
            return Err(Refusal::Outside);
        }
        if path.ends_with('/') {
            return Err(Refusal::Missing(beneath::not_a_file()));
        }
        let below = |root: &Root, path: &Path| path.strip_prefix(&root.dir).ok()?.to_str().map(str::to_owned);
        let found = longest(&self.roots, |root| below(root, Path::new(path)), |root| root.dir.as_os_str().len());
        if !found.is_empty() {
            return first_of(found);
        }
        // Whether there is anything outside is nobody's business.
        let real = fs::canonicalize(path).map_err(|_| Refusal::Outside)?;
        let real_root = |root: &Root| Some(Root { url: String::new(), dir: fs::canonicalize(&root.dir).ok()? });
        let roots: Vec<Root> = self.roots.iter().filter_map(real_root).collect();
        first_of(longest(&roots, |root| below(root, &real), |root| root.dir.as_os_str().len()))
    }
}

/// The roots that have the name below them, if no other that has it is longer, and the rest of the name.
fn longest<N>(roots: &[Root], below: impl Fn(&Root) -> Option<N>, length: impl Fn(&Root) -> usize) -> Vec<(&Path, N)> {
    let mut having: Vec<(&Root, N)> = roots.iter().filter_map(|root| Some((root, below(root)?))).collect();
    let most = having.iter().map(|(root, _)| length(root)).max();
    having.retain(|(root, _)| Some(length(root)) == most);
    having.into_iter().map(|(root, name)| (root.dir.as_path(), name)).collect()
}

/// The first of several that is there.
fn first_of<N: AsRef<str>>(names: Vec<(&Path, N)>) -> Result<Found, Refusal> {
    let mut refusal = Refusal::Outside;
    for (root, name) in names {
        match open(root, name.as_ref()) {
            Err(missing @ Refusal::Missing(_)) => refusal = missing,
            opened => return opened,
        }
    }
    Err(refusal)
}

fn open(root: &Path, name: &str) -> Result<Found, Refusal> {
    let Some((_, last)) = name.rsplit_once('/').or(Some(("", name))).filter(|(_, last)| !last.is_empty()) else {
        return Err(Refusal::Missing(beneath::not_a_file()));
    };
    // A doubled slash is an application's that joins paths; the system takes it for one.
    if !name.split('/').filter(|name| !name.is_empty()).all(is_public_name) {
        return Err(Refusal::Outside);
    }
    let (file, metadata) = beneath::open(root, name.trim_start_matches('/'))?;
    Ok(Found { file, metadata, name: last.to_owned() })
}

/// Tells of it, once a request: the client learns no more than that there is nothing.
fn refused(refusal: &Refusal, name: &FileName) -> Fault {
    let file = printable(name.as_str());
    match refusal {
        Refusal::Outside => {
            warn!(
                reason = "accel-outside",
                file = file.as_ref(),
                "the application named a file that is in no directory of --accel, leads out of it, or is hidden"
            );
            Fault::accel_outside()
        }
        Refusal::Missing(error) => {
            warn!(
                reason = "accel-missing",
                file = file.as_ref(),
                %error,
                "the application named a file that is not there, or not one to be read"
            );
            Fault::accel_missing()
        }
        Refusal::Failed(error) => {
            error!(
                reason = "file-failed",
                file = file.as_ref(),
                %error,
                "a file that the application named cannot be opened"
            );
            Fault::file_failed()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    /// `private` and, in it, `deeper` are directories of their own; `other` is a second one for `/other/`.
    fn tree() -> (tempfile::TempDir, Accel) {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "private/a.pdf",
            "private/a b%20ü.pdf",
            "private/deeper/a.pdf",
            "private/.env",
            "private/.git/config",
            "private/.well-known/a",
            "private-not/a.pdf",
            "other/only.txt",
            "second/only.txt",
            "second/more.txt",
        ] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        symlink(dir.path().join("private-not"), dir.path().join("private/out")).unwrap();
        symlink(dir.path(), dir.path().join("link")).unwrap();
        let mount = |(url, name): (&str, &str)| Mount { url: url.to_owned(), dir: dir.path().join(name) };
        let mounts = [
            ("/p/", "private"),
            ("/p/deeper/", "second"),
            ("/d/", "private/deeper"),
            ("/other/", "other"),
            ("/other/", "second"),
            ("/gone/", "gone"),
        ];
        let accel = Accel::open("--accel", &mounts.map(mount)).unwrap();
        (dir, accel)
    }

    /// What is in the file, or the word for its refusal.
    fn text(accel: &Accel, name: &FileName) -> String {
        match accel.find(name) {
            Ok(mut found) => {
                let mut text = String::new();
                found.file.read_to_string(&mut text).unwrap();
                assert!(text.ends_with(&found.name) && found.metadata.len() == text.len() as u64);
                text
            }
            Err(Refusal::Outside) => "outside".into(),
            Err(Refusal::Missing(_)) => "missing".into(),
            Err(Refusal::Failed(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn uris() {
        let (_dir, accel) = tree();
        for (uri, expected) in [
            ("/p/a.pdf", "private/a.pdf"),
            ("/p/a.pdf?x=/../y", "private/a.pdf"),
            ("/p//a.pdf", "private/a.pdf"),
            ("/p/a%20b%2520%C3%BC.pdf", "private/a b%20ü.pdf"),
            ("/p/a b%2520ü.pdf", "private/a b%20ü.pdf"),
            ("/p/.well-known/a", "private/.well-known/a"),
            ("/p/deeper/more.txt", "second/more.txt"),
            ("/d/a.pdf", "private/deeper/a.pdf"),
            ("/other/only.txt", "other/only.txt"),
            ("/other/more.txt", "second/more.txt"),
            ("/p/deeper/a.pdf", "missing"),
            ("/p/b.pdf", "missing"),
            ("/p/", "missing"),
            ("/p/a.pdf/", "missing"),
            ("/p/a.pdf/x", "missing"),
            ("/p/.well-known", "missing"),
            ("/gone/a", "missing"),
            ("/p", "outside"),
            ("/p-not/a.pdf", "outside"),
            ("/pprivate/a.pdf", "outside"),
            ("/private/a.pdf", "outside"),
            ("//p/a.pdf", "outside"),
            ("p/a.pdf", "outside"),
            ("", "outside"),
            ("@named", "outside"),
            ("http://host/p/a.pdf", "outside"),
            ("/p/../private-not/a.pdf", "outside"),
            ("/p/%2e%2e/private-not/a.pdf", "outside"),
            ("/p/..%2fprivate-not/a.pdf", "outside"),
            ("/p/..%5cprivate-not/a.pdf", "outside"),
            ("/p/..\\private-not/a.pdf", "outside"),
            ("/p/./a.pdf", "outside"),
            ("/p/a.pdf%00.txt", "outside"),
            ("/p/a.pdf%", "outside"),
            ("/p/%ff", "outside"),
            ("/p/out/a.pdf", "outside"),
            ("/p/.env", "outside"),
            ("/p/.git/config", "outside"),
        ] {
            assert_eq!(text(&accel, &FileName::Uri(uri.to_owned())), expected, "{uri}");
        }
    }

    #[test]
    fn paths() {
        let (dir, accel) = tree();
        for (path, expected) in [
            ("private/a.pdf", "private/a.pdf"),
            ("private//a.pdf", "private/a.pdf"),
            ("private/a b%20ü.pdf", "private/a b%20ü.pdf"),
            ("private/deeper/a.pdf", "private/deeper/a.pdf"),
            ("second/more.txt", "second/more.txt"),
            // By another way than the configuration's.
            ("link/private/a.pdf", "private/a.pdf"),
            ("link/private/deeper/a.pdf", "private/deeper/a.pdf"),
            ("private/b.pdf", "missing"),
            ("private", "missing"),
            ("private/deeper/", "missing"),
            ("private/a.pdf/", "missing"),
            ("private-not/a.pdf", "outside"),
            ("private-not/nothing", "outside"),
            ("link/private-not/a.pdf", "outside"),
            ("private/../private/a.pdf", "outside"),
            ("link/private/../../private/a.pdf", "outside"),
            ("private/out/a.pdf", "outside"),
            ("private/.env", "outside"),
            ("link/private/.env", "outside"),
            ("private/a.pdf\0", "outside"),
        ] {
            let absolute = format!("{}/{path}", dir.path().display());
            assert_eq!(text(&accel, &FileName::Path(absolute)), expected, "{path}");
        }
        for (path, expected) in [
            ("a.pdf", "private/a.pdf"),
            ("deeper/a.pdf", "private/deeper/a.pdf"),
            ("only.txt", "second/only.txt"),
            ("nothing", "missing"),
            ("../private-not/a.pdf", "outside"),
            ("out/a.pdf", "outside"),
            (".env", "outside"),
            ("", "missing"),
        ] {
            assert_eq!(text(&accel, &FileName::Path(path.to_owned())), expected, "{path}");
        }
    }

    #[test]
    fn a_directory_may_come_later() {
        let (dir, accel) = tree();
        let name = FileName::Uri("/gone/a.txt".to_owned());
        assert_eq!(text(&accel, &name), "missing");
        fs::create_dir(dir.path().join("gone")).unwrap();
        fs::write(dir.path().join("gone/a.txt"), "gone/a.txt").unwrap();
        assert_eq!(text(&accel, &name), "gone/a.txt");
        assert!(Accel::open("--accel", &[]).is_none());
    }
}
