//! The face of the room: opens the mounts at start, then decides for each request whether it is theirs, and answers it.
//!
//! Called by `server` (open, the ready line) and by the router in `stack`. `respond` neither blocks nor awaits.

use std::path::PathBuf;

use http::{HeaderMap, Method, Response};

use super::body::StaticBody;
use super::catalog::{Catalog, Lookup};
use super::{respond, scan};
use crate::config::settings;
use crate::semantics::path::decode;

/// All static mounts of the server.
#[derive(Debug)]
pub struct StaticFiles {
    catalog: Catalog,
    mounts: Vec<MountReport>,
}

/// What a mount holds, for the ready line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountReport {
    /// The URL prefix, with a slash at both ends.
    pub url: String,
    /// The directory as configured.
    pub dir: PathBuf,
    /// URLs served.
    pub assets: usize,
    /// Bytes of all their variants.
    pub bytes: u64,
}

impl StaticFiles {
    /// Reads every mount, in parallel; blocks until done. A directory that is missing is warned of and serves nothing:
    /// its prefix still answers 404, so that a page without styles is not turned into a crash loop.
    #[must_use]
    pub fn open(settings: &settings::StaticFiles) -> Self {
        let (catalog, mounts) = scan::scan(settings);
        Self { catalog, mounts }
    }

    /// Whether there is no mount at all, so that asking is needless.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.catalog.has_prefixes()
    }

    /// One report per mount, in the order configured.
    #[must_use]
    pub fn mounts(&self) -> &[MountReport] {
        &self.mounts
    }

    /// Answers a request for a static file by its still percent-encoded `path`. None: it is not one, and the app's turn. Under a static prefix the answer
    /// is always from here: 404 where nothing lies, 405 for methods other than GET and HEAD. Only a mount at `/` leaves
    /// its misses to the app.
    #[must_use]
    pub fn respond(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response<StaticBody>> {
        let lookup = match decode(path) {
            Ok(decoded) => self.catalog.find(&decoded),
            // What cannot be decoded names nothing; whose nothing it is, the raw prefix tells.
            Err(_) => match self.catalog.find(path) {
                Lookup::Outside => Lookup::Outside,
                Lookup::Hit(_) | Lookup::Miss => Lookup::Miss,
            },
        };
        let reads = matches!(*method, Method::GET | Method::HEAD);
        match lookup {
            Lookup::Outside => None,
            _ if !reads => Some(respond::method_not_allowed(method)),
            Lookup::Miss => Some(respond::not_found(method)),
            Lookup::Hit(asset) => Some(respond::asset(asset, method, headers)),
        }
    }
}
