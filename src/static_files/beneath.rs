//! Opens a file beneath a directory, wherever the links of the tree lead: never one outside of it.
//!
//! Called by `accel` off the async threads. The kernel itself holds the bounds (`openat2`, Linux 5.6). Where it cannot, or a
//! seccomp profile does not let it, and for links with an absolute target, the path is resolved first and then opened name
//! by name without following any link, so that nobody can put one in between.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use crate::sys::fd::off_standard;

/// Why there is no file.
#[derive(Debug)]
pub enum Refusal {
    /// It lies outside, or has a name that may not be public.
    Outside,
    /// It is not there, or not a file to be read.
    Missing(io::Error),
    /// This server is at a limit, or the disk fails.
    Failed(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(
                Errno::NOENT
                | Errno::NOTDIR
                | Errno::ISDIR
                | Errno::ACCESS
                | Errno::PERM
                | Errno::LOOP
                | Errno::NAMETOOLONG
                // A socket, or a device that nobody drives.
                | Errno::NXIO
                | Errno::NODEV,
            ) => Self::Missing(error),
            _ => Self::Failed(error),
        }
    }
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Self {
        io::Error::from(error).into()
    }
}

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// `NONBLOCK`: a pipe is opened, looked at and closed, instead of waited for.
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Opens the regular file `name`, relative and without `..`, beneath `root`, which may itself be reached by links.
/// Blocking.
///
/// # Errors
/// See [`Refusal`].
pub fn open(root: &Path, name: &str) -> Result<(File, Metadata), Refusal> {
    let directory = openat(CWD, root, DIRECTORY, Mode::empty())?;
    let bounds = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let opened = match openat2(&directory, name, FILE, Mode::empty(), bounds) {
        // Not known, not allowed, not understood; a link that is absolute or leads out; somebody renames directories.
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::TOOBIG | Errno::XDEV | Errno::AGAIN) => {
            name_by_name(root, name)?
        }
        opened => opened?,
    };
    let file = File::from(off_standard(opened)?);
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(Refusal::Missing(not_a_file())) }
}

/// What is there is a directory, or whatever else nobody can download.
pub fn not_a_file() -> io::Error {
    io::Error::other("not a regular file")
}

/// The same, by the path that all links lead to.
fn name_by_name(root: &Path, name: &str) -> Result<OwnedFd, Refusal> {
    let root = fs::canonicalize(root)?;
    let real = fs::canonicalize(root.join(name))?;
    let Ok(inside) = real.strip_prefix(&root) else { return Err(Refusal::Outside) };
    let mut names = inside.components();
    let Some(last) = names.next_back() else { return Err(Refusal::Missing(not_a_file())) };
    let mut directory = openat(CWD, &root, DIRECTORY, Mode::empty())?;
    for name in names {
        directory = openat(&directory, name.as_os_str(), DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(openat(&directory, last.as_os_str(), FILE | OFlags::NOFOLLOW, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    /// A tree with links of all kinds, beside a secret.
    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("root"), dir.path().join("root-not"));
        for name in ["root/real", "root/sub/deep/real", "root/..2024/data", "root-not/secret"] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        symlink("real", root.join("alias")).unwrap();
        symlink("../real", root.join("sub/up")).unwrap();
        symlink(root.join("sub"), root.join("absolute")).unwrap();
        symlink("..2024", root.join("..data")).unwrap();
        symlink("..data/data", root.join("data")).unwrap();
        symlink("../root-not/secret", root.join("out")).unwrap();
        symlink(outside.join("secret"), root.join("out-absolute")).unwrap();
        symlink("../root-not", root.join("out-dir")).unwrap();
        symlink("../root/real", root.join("out-and-back")).unwrap();
        symlink("/proc/self/root", root.join("magic")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("nothing", root.join("dangling")).unwrap();
        rustix::fs::mknodat(CWD, root.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        symlink(&root, dir.path().join("by-link")).unwrap();
        dir
    }

    const FOUND: &[(&str, &str)] = &[
        ("real", "root/real"),
        ("alias", "root/real"),
        ("sub/deep/real", "root/sub/deep/real"),
        ("sub/up", "root/real"),
        ("absolute/deep/real", "root/sub/deep/real"),
        ("absolute/up", "root/real"),
        ("data", "root/..2024/data"),
    ];

    #[test]
    fn links_are_followed_inside_and_nowhere_else() {
        let dir = tree();
        let _socket = UnixListener::bind(dir.path().join("root/socket")).unwrap();
        for root in ["root", "by-link"] {
            let root = dir.path().join(root);
            for (name, expected) in FOUND {
                let mut text = String::new();
                let (mut file, metadata) = open(&root, name).unwrap();
                file.read_to_string(&mut text).unwrap();
                assert_eq!((text.as_str(), metadata.len()), (*expected, expected.len() as u64), "{name}");
            }
            for name in ["out", "out-absolute", "out-dir/secret"] {
                assert!(matches!(open(&root, name), Err(Refusal::Outside)), "{name}");
            }
            for name in ["magic/etc/passwd", "nothing", "real/x", "dangling", "loop", "sub", "pipe", "socket", "."] {
                assert!(matches!(open(&root, name), Err(Refusal::Missing(_) | Refusal::Outside)), "{name}");
            }
        }
        assert!(matches!(open(&dir.path().join("gone"), "real"), Err(Refusal::Missing(_))));
        assert!(matches!(open(&dir.path().join("root/real"), "real"), Err(Refusal::Missing(_))));
    }

    #[test]
    fn without_the_kernels_help_it_is_the_same() {
        let dir = tree();
        let root = dir.path().join("by-link");
        for (name, expected) in FOUND {
            let mut text = String::new();
            File::from(name_by_name(&root, name).unwrap()).read_to_string(&mut text).unwrap();
            assert_eq!(text, *expected, "{name}");
        }
        for name in ["out", "out-absolute", "out-dir/secret", "../root-not/secret", "magic/etc/hostname", "magic/proc"]
        {
            assert!(matches!(name_by_name(&root, name), Err(Refusal::Outside | Refusal::Missing(_))), "{name}");
        }
        assert!(name_by_name(&root, "loop").is_err());
        // It leaves the root and comes back: its real place is inside, but the kernel does not follow it there.
        assert!(name_by_name(&root, "out-and-back").is_ok());
        assert!(open(&root, "out-and-back").is_ok());
    }
}
