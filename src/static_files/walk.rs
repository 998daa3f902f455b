//! Walks a directory as the public sees it: only regular files, only names that may be public, never out of the root.
//!
//! Called by `scan` at start and by `compress`, so that what is compressed is what is served. Blocking.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::asset::SIBLINGS;
use super::parallel;
use crate::semantics::path::is_public_name;

/// No sane tree is deeper; a crafted one must not exhaust the stack.
const MAX_DEPTH: usize = 64;

/// Links to directories that are followed. Directories that link to one another (as in pnpm's `node_modules`) have more
/// paths through them than any start can wait for.
const MAX_LINKED: usize = 256;

/// A regular file of the tree.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it really is, links resolved.
    pub path: PathBuf,
    /// Bytes, when walked.
    pub size: u64,
    /// When its content changed last.
    pub modified: SystemTime,
    /// Of its content, where `digests` knows it.
    pub digest: Option<blake3::Hash>,
}

/// Why an entry was left out although its name is public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A symbolic link to something outside the root.
    LeadsOut,
    /// Not readable, or a link to nothing.
    Unreadable,
    /// The name is not UTF-8.
    NotUtf8,
    /// A link to a directory that contains it, or too many links to directories, or a tree too deep.
    Endless,
}

/// What a walk found.
#[derive(Debug, Default)]
pub struct Tree {
    /// By path relative to the root, with `/` between names.
    pub files: BTreeMap<String, Found>,
    /// What was left out, and why.
    pub left_out: Vec<(PathBuf, Reason)>,
}

impl Found {
    /// Whether a sibling was made before its source was changed. In whole seconds: the brotli command and many archives
    /// keep no more of a time.
    #[must_use]
    pub fn is_older_than(&self, source: &Self) -> bool {
        let seconds =
            |found: &Self| found.modified.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
        seconds(self) < seconds(source)
    }
}

impl Tree {
    /// Whether a file is the compressed form of another in the tree. `x.tar.gz` without `x.tar` is a file like any
    /// other.
    #[must_use]
    pub fn is_sibling(&self, name: &str) -> bool {
        SIBLINGS.iter().any(|(_, suffix)| name.strip_suffix(suffix).is_some_and(|base| self.files.contains_key(base)))
    }
}

/// Walks `root`, which may itself be reached by a link: level by level, and the directories of a level in parallel.
///
/// # Errors
/// When the root cannot be read; whatever cannot be read below it is only left out.
pub fn walk(root: &Path) -> io::Result<Tree> {
    let root = root.canonicalize()?;
    fs::read_dir(&root)?;
    let mut tree = Tree::default();
    let mut linked = 0;
    let top = Directory { entry: root.clone(), path: root.clone(), prefix: String::new(), above: Arc::default() };
    let mut level = vec![top];
    while !level.is_empty() {
        let listings = parallel::map(&level, parallel::readers(), |directory| directory.list(&root));
        let mut next = Vec::new();
        for (directory, listing) in level.into_iter().zip(listings) {
            let Ok(listing) = listing else {
                tree.left_out.push((directory.entry, Reason::Unreadable));
                continue;
            };
            tree.files.extend(listing.files);
            tree.left_out.extend(listing.left_out);
            let chain: Arc<[PathBuf]> = directory.above.iter().chain([&directory.path]).cloned().collect();
            for Below { entry, path, prefix } in listing.directories {
                // Counted here and not where it is found, so that what is left out does not depend on who was first.
                let is_linked = path.parent() != Some(&directory.path);
                if chain.len() >= MAX_DEPTH || chain.contains(&path) || (is_linked && linked == MAX_LINKED) {
                    tree.left_out.push((entry, Reason::Endless));
                    continue;
                }
                linked += usize::from(is_linked);
                next.push(Directory { entry, path, prefix, above: Arc::clone(&chain) });
            }
        }
        level = next;
    }
    Ok(tree)
}

/// One to be read.
struct Directory {
    /// Where it was found.
    entry: PathBuf,
    /// Where it really is.
    path: PathBuf,
    /// Its path relative to the root, with a `/` at the end; empty for the root.
    prefix: String,
    /// The real directories from the root to the one it was found in.
    above: Arc<[PathBuf]>,
}

/// What one directory has.
#[derive(Default)]
struct Listing {
    files: Vec<(String, Found)>,
    directories: Vec<Below>,
    left_out: Vec<(PathBuf, Reason)>,
}

/// A directory in another.
struct Below {
    entry: PathBuf,
    path: PathBuf,
    prefix: String,
}

impl Directory {
    fn list(&self, root: &Path) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for entry in fs::read_dir(&self.path)?.flatten() {
            if let Err(reason) = self.entry(&entry, root, &mut listing) {
                listing.left_out.push((entry.path(), reason));
            }
        }
        Ok(listing)
    }

    fn entry(&self, entry: &DirEntry, root: &Path, listing: &mut Listing) -> Result<(), Reason> {
        let name = entry.file_name();
        let name = name.to_str().ok_or(Reason::NotUtf8)?;
        if !is_public_name(name) {
            return Ok(());
        }
        let (path, metadata) = resolve(entry, root)?;
        let relative = format!("{}{name}", self.prefix);
        if metadata.is_dir() {
            listing.directories.push(Below { entry: entry.path(), path, prefix: format!("{relative}/") });
        } else if metadata.is_file() {
            let modified = metadata.modified().map_err(|_| Reason::Unreadable)?;
            listing.files.push((relative, Found { path, size: metadata.len(), modified, digest: None }));
        }
        // Sockets, pipes and devices are not even told of: opening one could block for ever.
        Ok(())
    }
}

/// Follows a link, but only to where the root still is above. The names inside the root that it passes through may be
/// hidden: that is how Kubernetes mounts a `ConfigMap` (`robots.txt -> ..data/robots.txt`).
fn resolve(entry: &DirEntry, root: &Path) -> Result<(PathBuf, Metadata), Reason> {
    let metadata = entry.metadata().map_err(|_| Reason::Unreadable)?;
    if !metadata.is_symlink() {
        return Ok((entry.path(), metadata));
    }
    let target = entry.path().canonicalize().map_err(|_| Reason::Unreadable)?;
    if !target.starts_with(root) {
        return Err(Reason::LeadsOut);
    }
    let metadata = fs::symlink_metadata(&target).map_err(|_| Reason::Unreadable)?;
    Ok((target, metadata))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    fn write(root: &Path, name: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }

    fn names(tree: &Tree) -> Vec<&str> {
        tree.files.keys().map(String::as_str).collect()
    }

    #[test]
    fn public_regular_files_only() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.js", "sub/b.js", ".env", ".git/config", ".well-known/security.txt", ".well-known/.secret"] {
            write(dir.path(), name);
        }
        let _socket = UnixListener::bind(dir.path().join("socket")).unwrap();
        fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"latin1-\xe9.txt")), "x").unwrap();
        let tree = walk(dir.path()).unwrap();
        assert_eq!(names(&tree), [".well-known/security.txt", "a.js", "sub/b.js"]);
        assert_eq!(tree.left_out.len(), 1);
        assert_eq!(tree.left_out[0].1, Reason::NotUtf8);
    }

    #[test]
    fn links_stay_inside_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("root"), dir.path().join("root-not"));
        write(&root, "real.js");
        write(&root, "sub/b.js");
        write(&outside, "secret");
        symlink("real.js", root.join("alias.js")).unwrap();
        symlink("sub", root.join("again")).unwrap();
        symlink(outside.join("secret"), root.join("out.js")).unwrap();
        symlink("../root-not", root.join("out")).unwrap();
        symlink("nothing", root.join("dangling")).unwrap();
        symlink("..", root.join("sub/loop")).unwrap();
        symlink(&root, dir.path().join("by-link")).unwrap();

        let tree = walk(&dir.path().join("by-link")).unwrap();
        assert_eq!(names(&tree), ["again/b.js", "alias.js", "real.js", "sub/b.js"]);
        assert_eq!(tree.files["alias.js"].path, root.canonicalize().unwrap().join("real.js"));
        let mut reasons: Vec<_> = tree.left_out.iter().map(|(_, reason)| *reason).collect();
        reasons.sort_unstable();
        // `loop` is met twice: below `sub` and below `again`.
        assert_eq!(reasons, [Reason::LeadsOut, Reason::LeadsOut, Reason::Unreadable, Reason::Endless, Reason::Endless]);
    }

    #[test]
    fn directories_full_of_links_to_one_another_end() {
        let dir = tempfile::tempdir().unwrap();
        for from in 0..10 {
            write(dir.path(), &format!("{from}/a.js"));
            for to in 0..10 {
                symlink(format!("../{to}"), dir.path().join(format!("{from}/to-{to}"))).unwrap();
            }
        }
        let tree = walk(dir.path()).unwrap();
        assert!(tree.files.len() <= 10 + MAX_LINKED);
        assert!((0..10).all(|name| tree.files.contains_key(&format!("{name}/a.js"))));
    }

    #[test]
    fn a_config_map_is_read() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "..2024_10_01/robots.txt");
        symlink("..2024_10_01", dir.path().join("..data")).unwrap();
        symlink("..data/robots.txt", dir.path().join("robots.txt")).unwrap();
        assert_eq!(names(&walk(dir.path()).unwrap()), ["robots.txt"]);
    }

    #[test]
    fn a_missing_root_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(walk(&dir.path().join("missing")).is_err());
        write(dir.path(), "file");
        assert!(walk(&dir.path().join("file")).is_err());
    }
}
