//! Looks for a file when it is asked for, while the application is being worked on: no scan, nothing kept, a change is
//! there with the next request.
//!
//! `service` asks it in place of the catalog, off the async threads. It makes the same assets, by the same rules.

use std::fs::{File, Metadata};
use std::path::Path;
use std::time::SystemTime;

use http::HeaderValue;

use super::asset::Asset;
use super::beneath;
use super::content::{Content, Loaded};
use super::headers_file::is_for_the_server;
use super::scan::finish;
use crate::config::Found;
use crate::config::settings::Mount;
use crate::semantics::header_rules::HeaderRules;
use crate::semantics::path::is_public_name;

/// Kept by browsers, and asked for each time (RFC 9111 §5.2.2.4).
pub const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// The directories to look in.
#[derive(Debug)]
pub struct Directories {
    /// In the order in which they count, absolute: the application may change the working directory.
    mounts: Vec<Mount>,
    framework: Found,
    rules: HeaderRules,
}

/// What a URL path is at this moment, as `catalog::Lookup`.
#[derive(Debug)]
pub enum Looked {
    Hit(Box<Asset>),
    Directory,
    Miss,
}

impl Directories {
    #[must_use]
    pub fn new(mounts: &[Mount], framework: &Found, rules: &HeaderRules) -> Self {
        let absolute = |mount: &Mount| Mount {
            url: mount.url.clone(),
            dir: std::path::absolute(&mount.dir).unwrap_or_else(|_| mount.dir.clone()),
        };
        Self { mounts: mounts.iter().map(absolute).collect(), framework: framework.clone(), rules: rules.clone() }
    }

    /// Looks a decoded path below the URL `prefix` up. Blocking.
    #[must_use]
    pub fn find(&self, prefix: &str, path: &str) -> Looked {
        let Some(name) = path.strip_prefix(prefix) else { return Looked::Miss };
        let mut looked = Looked::Miss;
        for mount in self.mounts.iter().filter(|mount| mount.url == prefix) {
            looked = self.look(&mount.dir, name, path);
            if !matches!(looked, Looked::Miss) {
                break;
            }
        }
        looked
    }

    fn look(&self, dir: &Path, name: &str, path: &str) -> Looked {
        let index = self.framework.index();
        if name.is_empty() || name.ends_with('/') {
            let Some(index) = index else { return Looked::Miss };
            let (name, path) = (format!("{name}{index}"), format!("{path}{index}"));
            return open(dir, &name).map_or(Looked::Miss, |opened| self.asset(opened, &path));
        }
        if let Some(opened) = open(dir, name) {
            return self.asset(opened, path);
        }
        match index.and_then(|index| open(dir, &format!("{name}/{index}"))) {
            Some(_) => Looked::Directory,
            None => Looked::Miss,
        }
    }

    fn asset(&self, (file, metadata): (File, Metadata), path: &str) -> Looked {
        if is_for_the_server(path) {
            return Looked::Miss;
        }
        let mut hasher = blake3::Hasher::new();
        if let Err(error) = hasher.update_reader(&file) {
            tracing::warn!(%error, path, "a static file cannot be read");
            return Looked::Miss;
        }
        let (size, digest) = (hasher.count(), hasher.finalize());
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let identity = Loaded { content: Content::of(file, size), digest };
        let asset = finish(path, &self.framework, &self.rules, &ASK_AGAIN, modified, identity, Vec::new());
        asset.map_or(Looked::Miss, |asset| Looked::Hit(Box::new(asset)))
    }
}

/// Only what a scan would find.
fn open(dir: &Path, name: &str) -> Option<(File, Metadata)> {
    name.split('/').all(is_public_name).then(|| beneath::open(dir, name).ok())?
}
