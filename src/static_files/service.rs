//! The face of the room: opens the mounts at start, then decides for each request whether it is theirs, and answers it.
//!
//! Called by `server` (open, the ready line) and by the router in `stack`. `respond` neither blocks nor awaits.

use std::path::PathBuf;
use std::sync::Arc;

use http::header::VARY;
use http::{HeaderMap, HeaderValue, Method, Response};
use tracing::warn;

use super::accel::Accel;
use super::asset::Asset;
use super::body::StaticBody;
use super::catalog::{Catalog, Lookup};
use super::headers_file::HeadersFile;
use super::lookup::{ASK_AGAIN, Directories, Looked};
use super::media::Media;
use super::{respond, scan};
use crate::config::{Found, settings};
use crate::semantics::accept::wants_html;
use crate::semantics::path::decode;
use crate::sys::arena::Arena;

/// The page of a single-page application.
const SPA_PAGE: &str = "/index.html";

/// All static mounts of the server.
#[derive(Debug)]
pub struct StaticFiles {
    catalog: Catalog,
    mounts: Vec<MountReport>,
    /// `--root-path`, for redirects.
    root_path: String,
    /// What is answered where nothing else is (`--spa`).
    spa: Option<Arc<Asset>>,
    /// What the application may answer with (`--accel`).
    accel: Option<Arc<Accel>>,
    /// What comes and goes while the server runs (`--media`).
    media: Option<Arc<Media>>,
    /// Where files are looked for when they are asked for, instead of in the catalog.
    live: Option<Arc<Directories>>,
    live_spa: bool,
    /// Where the larger files lie that are kept in memory.
    arena: Option<Arc<Arena>>,
}

/// What a mount holds, for the ready line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountReport {
    /// The URL prefix, with a slash at both ends.
    pub url: String,
    /// The directory as configured.
    pub dir: PathBuf,
    /// URLs served; `None`: whatever is there when it is asked for.
    pub assets: Option<usize>,
    /// Bytes of all their variants.
    pub bytes: u64,
}

impl MountReport {
    fn live(mount: &settings::Mount) -> Self {
        Self { url: mount.url.clone(), dir: mount.dir.clone(), assets: None, bytes: 0 }
    }
}

impl StaticFiles {
    /// Reads every mount, in parallel; blocks until done. A directory that is missing is warned of and serves nothing:
    /// its prefix still answers 404, so that a page without styles is not turned into a crash loop.
    #[must_use]
    pub fn open(settings: &settings::StaticFiles, found: &Found, headers: &HeadersFile, root_path: &str) -> Self {
        if found.live {
            return Self::live(settings, found, headers, root_path);
        }
        let (catalog, mut mounts, arena) = scan::scan(settings, found, &headers.rules);
        mounts.extend(settings.media.iter().map(MountReport::live));
        let spa = settings.spa.then(|| catalog.asset(SPA_PAGE)).flatten();
        if settings.spa && spa.is_none() {
            warn!("--spa answers with index.html of --static-root, and there is none; paths nobody knows are 404");
        }
        let accel = Accel::open("--accel", &settings.accel).map(Arc::new);
        let media = Media::open(settings, &headers.rules, scan::cache_control(settings)).map(Arc::new);
        Self { catalog, mounts, root_path: root_path.to_owned(), spa, accel, media, live: None, live_spa: false, arena }
    }

    /// Reads nothing now, and each file when it is asked for.
    fn live(settings: &settings::StaticFiles, found: &Found, headers: &HeadersFile, root_path: &str) -> Self {
        let urls = settings.mounts.iter().map(|mount| mount.url.as_str());
        Self {
            catalog: Catalog::new(urls, found.index()),
            mounts: settings.mounts.iter().chain(&settings.media).map(MountReport::live).collect(),
            root_path: root_path.to_owned(),
            spa: None,
            accel: Accel::open("--accel", &settings.accel).map(Arc::new),
            media: Media::open(settings, &headers.rules, ASK_AGAIN).map(Arc::new),
            live: Some(Arc::new(Directories::new(&settings.mounts, found, &headers.rules))),
            live_spa: settings.spa,
            arena: None,
        }
    }

    /// Memory of which the kernel can send parts by itself.
    #[must_use]
    pub fn arena(&self) -> Option<&Arc<Arena>> {
        self.arena.as_ref()
    }

    /// Whether files are looked for when they are asked for: then [`StaticFiles::look`] is to be asked.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// As [`StaticFiles::respond`], of the files as they are now.
    pub async fn look(
        &self,
        method: &Method,
        path: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Option<Response<StaticBody>> {
        let live = self.live.as_ref()?;
        let decoded = decode(path);
        let known = decoded.as_deref().unwrap_or(path);
        // Of a path that is a prefix but for its slash.
        let slashed = format!("{known}/");
        let is_bare = self.catalog.prefix_of(&slashed) == Some(&slashed);
        let prefix = if is_bare { &slashed } else { self.catalog.prefix_of(known)? };
        let wanted = if is_bare { &slashed } else { known };
        let looked = if decoded.is_ok() { find(live, prefix, wanted).await } else { Looked::Miss };
        let lookup = match &looked {
            Looked::Hit(_) if is_bare => Lookup::Directory,
            Looked::Hit(asset) => Lookup::Hit(asset),
            Looked::Directory => Lookup::Directory,
            Looked::Miss if prefix == settings::ROOT || is_bare => Lookup::Outside,
            Looked::Miss => Lookup::Miss,
        };
        self.answer(lookup, method, known, query, headers)
    }

    /// As [`StaticFiles::spa`], of the page as it is now.
    pub async fn look_spa(&self, method: &Method, headers: &HeaderMap) -> Option<Response<StaticBody>> {
        let live = self.live.as_ref().filter(|_| self.live_spa && is_page_wanted(method, headers))?;
        match find(live, settings::ROOT, SPA_PAGE).await {
            Looked::Hit(asset) => Some(page(&asset, method, headers)),
            _ => None,
        }
    }

    /// The directories whose files the application may answer with, if there are any.
    #[must_use]
    pub fn accel(&self) -> Option<&Arc<Accel>> {
        self.accel.as_ref()
    }

    /// The directories of `--media`, if the still percent-encoded `path` is theirs: a longer URL of another mount counts more.
    #[must_use]
    pub fn media(&self, path: &str) -> Option<&Arc<Media>> {
        let media = self.media.as_ref()?;
        let decoded = decode(path);
        let known = decoded.as_deref().unwrap_or(path);
        let other = self.catalog.prefix_of(known).map_or(0, str::len);
        media.prefix_of(known).is_some_and(|url| url.len() >= other).then_some(media)
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

    /// Answers a request for a static file by its still percent-encoded `path`. None: it is not one, and the app's turn.
    /// Under a static prefix the answer is always from here: 404 where nothing lies, 405 for methods other than GET and
    /// HEAD. Only a mount at `/` leaves its misses to the app, and its directories for the other methods.
    #[must_use]
    pub fn respond(
        &self,
        method: &Method,
        path: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Option<Response<StaticBody>> {
        let decoded = decode(path);
        // What cannot be decoded names nothing; whose nothing it is, the raw prefix tells.
        let known = decoded.as_deref().unwrap_or(path);
        let lookup = match (self.catalog.find(known), &decoded) {
            (Lookup::Hit(_) | Lookup::Directory, Err(_)) => Lookup::Miss,
            (lookup, _) => lookup,
        };
        self.answer(lookup, method, known, query, headers)
    }

    fn answer(
        &self,
        lookup: Lookup<'_>,
        method: &Method,
        path: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Option<Response<StaticBody>> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let is_file = matches!(lookup, Lookup::Hit(_)) && !path.ends_with('/');
        match lookup {
            Lookup::Outside => None,
            // A directory of the app's namespace, which it may take forms at.
            _ if !reads && !is_file && self.catalog.prefix_of(path) == Some(settings::ROOT) => None,
            Lookup::Hit(asset) if !reads => Some(respond::other_method(asset, method)),
            _ if !reads => Some(respond::method_not_allowed(method)),
            Lookup::Miss => Some(respond::not_found(method)),
            Lookup::Directory => Some(respond::slash(method, &self.root_path, path, query)),
            Lookup::Hit(asset) => Some(respond::asset(asset, method, headers)),
        }
    }

    /// The page of a single-page application, if there is one and the request is that of a browser for a page: what to
    /// answer when the application has nothing at the path either.
    #[must_use]
    pub fn spa(&self, method: &Method, headers: &HeaderMap) -> Option<Response<StaticBody>> {
        let asset = self.spa.as_ref()?;
        is_page_wanted(method, headers).then(|| page(asset, method, headers))
    }
}

async fn find(live: &Arc<Directories>, prefix: &str, path: &str) -> Looked {
    let (live, prefix, path) = (Arc::clone(live), prefix.to_owned(), path.to_owned());
    tokio::task::spawn_blocking(move || live.find(&prefix, &path)).await.unwrap_or(Looked::Miss)
}

fn is_page_wanted(method: &Method, headers: &HeaderMap) -> bool {
    matches!(*method, Method::GET | Method::HEAD) && wants_html(headers)
}

/// The page, in place of another answer.
fn page(asset: &Asset, method: &Method, headers: &HeaderMap) -> Response<StaticBody> {
    let mut response = respond::asset(asset, method, headers);
    // Another request for the same path is the application's to answer.
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept"));
    response
}
