//! Reads the mounts at start: pairs files with their precompressed siblings, shares out the memory, loads in parallel.
//!
//! Called by `StaticFiles::open`. Blocking. Never fails: what cannot be served is left out with a warning that says
//! what to do, one warning a mount and cause.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderValue;
use tracing::{debug, warn};

use super::asset::{Asset, SIBLINGS, Traits};
use super::catalog::{Catalog, directory_of};
use super::content::{Content, Keep, Loaded};
use super::digests::Digests;
use super::headers_file::is_for_the_server;
use super::manifest::{Manifests, Unreadable};
use super::parallel;
use super::service::MountReport;
use super::walk::{self, Reason, Tree, walk};
use crate::config::Found;
use crate::config::settings::{Mount, StaticFiles};
use crate::semantics::accept_encoding::Coding;
use crate::semantics::header_rules::HeaderRules;
use crate::semantics::media_types::{content_type, is_font, with_charset};
use crate::semantics::preconditions::LastModified;
use crate::semantics::printable::printable;
use crate::sys::arena::{Arena, WORTH_SENDING};

/// A file above this is never kept in memory: it is read rarely, and the page cache has it already.
const LARGEST_IN_MEMORY: u64 = 4 << 20;

/// Files above the memory budget whose descriptors stay open. A quarter of the usual soft limit of 1024: connections
/// need theirs.
const MAX_DESCRIPTORS: usize = 256;

const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Of files whose name carries no content hash.
pub fn cache_control(settings: &StaticFiles) -> HeaderValue {
    let max_age = HeaderValue::try_from(format!("public, max-age={}", settings.max_age.as_secs()));
    max_age.unwrap_or(HeaderValue::from_static("no-cache"))
}

/// Reads every mount into one catalog.
pub fn scan(
    settings: &StaticFiles,
    framework: &Found,
    rules: &HeaderRules,
) -> (Catalog, Vec<MountReport>, Option<Arc<Arena>>) {
    let mut catalog = Catalog::new(settings.mounts.iter().map(|mount| mount.url.as_str()), framework.index());
    let trees = parallel::map(&settings.mounts, parallel::threads(), read_tree);
    let mut files = Vec::new();
    for (index, (mount, tree)) in settings.mounts.iter().zip(trees).enumerate() {
        let mut found = pair(index, mount, framework, tree);
        // A longer prefix below this one belongs to the other mount alone, whether or not the file is there.
        found.retain(|file| catalog.prefix_of(&file.url) == Some(&mount.url));
        files.append(&mut found);
    }
    share_out(&mut files, settings.memory);

    let max_age = cache_control(settings);
    let mut assets = parallel::map(&files, parallel::readers(), |file| load(file, framework, &max_age, rules));
    let arena = gather(&mut assets);

    let report =
        |mount: &Mount| MountReport { url: mount.url.clone(), dir: mount.dir.clone(), assets: Some(0), bytes: 0 };
    let mut reports: Vec<MountReport> = settings.mounts.iter().map(report).collect();
    for (file, asset) in files.into_iter().zip(assets) {
        let Some(asset) = asset else { continue };
        let size = asset.size();
        if catalog.insert(&file.url, asset) {
            let report = &mut reports[file.mount];
            report.assets = report.assets.map(|assets| assets + 1);
            report.bytes += size;
        }
    }
    (catalog, reports, arena)
}

/// Puts what is kept in memory and large enough where the kernel can send it from; where there is no such memory all stays
/// as it is.
fn gather(assets: &mut [Option<Asset>]) -> Option<Arc<Arena>> {
    let contents = assets.iter_mut().flatten().flat_map(Asset::contents);
    let mut large: Vec<&mut Bytes> = contents
        .filter_map(|content| match content {
            Content::Memory(bytes) if bytes.len() >= WORTH_SENDING => Some(bytes),
            _ => None,
        })
        .collect();
    Arena::hold(&mut large).unwrap_or_else(|error| {
        debug!(%error, "static files are copied into each socket, as there is no memory that the kernel can send");
        None
    })
}

/// One URL to be, and the files it is made of.
struct Candidate {
    mount: usize,
    url: String,
    immutable: bool,
    identity: Part,
    encoded: Vec<(Coding, Part)>,
}

struct Part {
    found: walk::Found,
    keep: Keep,
}

fn read_tree(mount: &Mount) -> Tree {
    let (url, dir) = (&mount.url, mount.dir.display());
    let mut tree = walk(&mount.dir).unwrap_or_else(|error| {
        warn!(
            "static directory {dir} cannot be read ({error}), so {url} serves nothing; \
             create it (Django: collectstatic) or correct --static"
        );
        Tree::default()
    });
    if !tree.files.is_empty() {
        match Digests::read(&mount.dir) {
            Ok(digests) => digests.vouch(&mut tree),
            Err(error) => warn!(
                "static directory {dir}: the digests that `monopod compress` left cannot be used ({error}), so every \
                 file is read now; run `monopod compress {dir}` again"
            ),
        }
    }
    for (reason, what) in [
        (Reason::LeadsOut, "are links out of the directory; copy the files into it"),
        (Reason::Unreadable, "cannot be read; correct their permissions, or remove the dangling links"),
        (Reason::NotUtf8, "have names that are not UTF-8; rename them"),
        (Reason::Endless, "link to directories above or across, or lie too deep; remove the links"),
    ] {
        let mut found = tree.left_out.iter().filter(|(_, why)| *why == reason).map(|(path, _)| path);
        if let Some(first) = found.next() {
            let (count, first) = (1 + found.count(), first.to_string_lossy());
            let first = printable(&first);
            warn!("static directory {dir}: {count} entries are not served (the first is {first}), as they {what}");
        }
    }
    tree
}

fn pair(mount: usize, settings: &Mount, framework: &Found, mut tree: Tree) -> Vec<Candidate> {
    let (manifests, unreadable) = Manifests::read(&settings.dir, &tree);
    for Unreadable { path, error } in unreadable {
        let path = printable(&path);
        warn!("{path} cannot be read as a manifest ({error}); hashed names are told by their pattern alone");
    }
    let names: Vec<String> = tree.files.keys().filter(|name| !tree.is_sibling(name)).cloned().collect();
    let part = |found| Part { found, keep: Keep::Path };

    let mut stale = Vec::new();
    let mut candidates = Vec::with_capacity(names.len());
    for name in names {
        let Some(identity) = tree.files.remove(&name) else {
            continue;
        };
        let mut encoded = Vec::new();
        for (coding, suffix) in SIBLINGS {
            let Some(found) = tree.files.remove(&format!("{name}{suffix}")) else {
                continue;
            };
            if found.is_older_than(&identity) {
                stale.push(found.path);
            } else {
                encoded.push((coding, part(found)));
            }
        }
        let url = format!("{}{name}", settings.url);
        let immutable = match &framework.immutable {
            Some(test) => test(&identity.path, &url),
            None => manifests.is_immutable(&name),
        };
        // With its siblings, which are no files of their own either.
        if !is_for_the_server(&url) {
            candidates.push(Candidate { mount, url, immutable, identity: part(identity), encoded });
        }
    }
    if let Some(first) = stale.first() {
        let (count, dir, first) = (stale.len(), settings.dir.display(), first.to_string_lossy());
        let first = printable(&first);
        warn!(
            "static directory {dir}: {count} compressed siblings are older than their source and are ignored \
             (the first is {first}); run `monopod compress {dir}`"
        );
    }
    candidates
}

/// Memory goes to the smallest files first: most hits for the bytes. Of the rest the largest keep their descriptors.
fn share_out(files: &mut [Candidate], memory: u64) {
    let mut parts: Vec<&mut Part> = files
        .iter_mut()
        .flat_map(|file| std::iter::once(&mut file.identity).chain(file.encoded.iter_mut().map(|(_, part)| part)))
        .collect();
    parts.sort_by_key(|part| part.found.size);
    let mut left = memory;
    let mut on_disk = Vec::new();
    for part in parts {
        match left.checked_sub(part.found.size) {
            Some(rest) if part.found.size <= LARGEST_IN_MEMORY => {
                left = rest;
                part.keep = Keep::Memory;
            }
            _ => on_disk.push(part),
        }
    }
    for part in on_disk.into_iter().rev().take(MAX_DESCRIPTORS) {
        part.keep = Keep::Descriptor;
    }
}

fn load(file: &Candidate, framework: &Found, max_age: &HeaderValue, rules: &HeaderRules) -> Option<Asset> {
    let open = |found: &walk::Found, keep| match found.digest {
        Some(digest) => Content::load_known(&found.path, keep, found.size, digest),
        None => Content::load(&found.path, keep),
    };
    let read = |part: &Part| match open(&part.found, part.keep) {
        Ok(loaded) => Some(loaded),
        Err(error) => {
            let path = part.found.path.to_string_lossy();
            let path = printable(&path);
            warn!("static file {path} cannot be read ({error}) and is not served; correct its permissions");
            None
        }
    };
    let identity = read(&file.identity)?;
    let encoded = file.encoded.iter().filter_map(|(coding, part)| Some((*coding, read(part)?))).collect();
    let cache_control = if file.immutable { &IMMUTABLE } else { max_age };
    finish(&file.url, framework, rules, cache_control, file.identity.found.modified, identity, encoded)
}

/// The asset at a URL, of what its files have.
pub fn finish(
    url: &str,
    framework: &Found,
    rules: &HeaderRules,
    cache_control: &HeaderValue,
    modified: SystemTime,
    identity: Loaded,
    encoded: Vec<(Coding, Loaded)>,
) -> Option<Asset> {
    let name = url.rsplit('/').next().unwrap_or_default();
    let traits = Traits {
        content_type: framework.media_type(name).map_or_else(|| content_type(name), with_charset),
        all_origins: framework.all_origins.unwrap_or_else(|| is_font(name)),
        cache_control,
        last_modified: last_modified(modified, SystemTime::now()),
    };
    let asset = Asset::new(&traits, identity, encoded).ok()?;
    // An index has two URLs.
    let paths: Vec<&str> = [url].into_iter().chain(directory_of(url, framework.index())).collect();
    Some(asset.with(&rules.at(&paths)))
}

/// The date to send. RFC 9110 §8.8.2.1: never later than now. None for files of 1980 and before: builds made
/// reproducible give every file one date (zero, or the first that ZIP knows), by which each later version would look
/// unmodified.
pub fn last_modified(modified: SystemTime, now: SystemTime) -> Option<LastModified> {
    let credible = SystemTime::UNIX_EPOCH + Duration::from_hours(11 * 365 * 24);
    if modified < credible { None } else { LastModified::new(modified.min(now)) }
}
