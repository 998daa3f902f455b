//! The catalog: every URL path that is a static file, and the prefixes that belong to static files alone.
//!
//! Built by `scan`, asked by `service`. A look-up is one hash and no system call; what is not in the map does not
//! exist, so no spelling of a path can reach a file that the scan did not put there.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::asset::Asset;

/// The URL prefix of a mount whose misses are the app's: `/favicon.ico` and `/robots.txt` live beside its pages.
pub const SHARED: &str = "/";

/// URL paths, decoded, to assets.
#[derive(Debug)]
pub struct Catalog {
    assets: HashMap<Box<str>, Asset>,
    /// Longest first.
    prefixes: Vec<Box<str>>,
}

/// What a URL path is to the static files.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// This asset.
    Hit(&'a Asset),
    /// Under a static prefix, but nothing there.
    Miss,
    /// Not theirs.
    Outside,
}

impl Catalog {
    /// An empty catalog for mounts at these URL prefixes, each of which starts and ends with `/`.
    pub fn new<'a>(prefixes: impl IntoIterator<Item = &'a str>) -> Self {
        let mut prefixes: Vec<Box<str>> = prefixes.into_iter().map(Box::from).collect();
        prefixes.sort_unstable_by_key(|prefix| std::cmp::Reverse(prefix.len()));
        prefixes.dedup();
        Self { assets: HashMap::new(), prefixes }
    }

    /// The longest prefix a path is under. The slash at its end keeps `/static` from meaning `/staticfoo`.
    pub fn prefix_of(&self, path: &str) -> Option<&str> {
        self.prefixes.iter().map(|prefix| &**prefix).find(|prefix| path.starts_with(prefix))
    }

    /// Adds an asset; the first of two with the same path stays. False: it did not get in.
    pub fn insert(&mut self, path: String, asset: Asset) -> bool {
        match self.assets.entry(path.into_boxed_str()) {
            Entry::Vacant(entry) => {
                entry.insert(asset);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// Looks a decoded path up.
    pub fn find(&self, path: &str) -> Lookup<'_> {
        let Some(prefix) = self.prefix_of(path) else {
            return Lookup::Outside;
        };
        match self.assets.get(path) {
            Some(asset) => Lookup::Hit(asset),
            None if prefix == SHARED => Lookup::Outside,
            None => Lookup::Miss,
        }
    }

    /// Whether there is a static prefix at all.
    pub fn has_prefixes(&self) -> bool {
        !self.prefixes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::static_files::asset::Traits;
    use crate::static_files::content::{Content, Loaded};
    use bytes::Bytes;
    use http::HeaderValue;

    fn asset() -> Asset {
        let cache_control = HeaderValue::from_static("no-cache");
        let loaded = Loaded { content: Content::Memory(Bytes::new()), digest: blake3::hash(b"") };
        Asset::new(&Traits { name: "a", cache_control: &cache_control, last_modified: None }, loaded, vec![]).unwrap()
    }

    #[test]
    fn prefixes() {
        let catalog = Catalog::new(["/static/", "/static/admin/", "/media/", "/media/"]);
        for (path, expected) in [
            ("/static/a", Some("/static/")),
            ("/static/admin/a", Some("/static/admin/")),
            ("/static/administrator", Some("/static/")),
            ("/static/", Some("/static/")),
            ("/static", None),
            ("/staticfoo", None),
            ("/", None),
            ("//static/a", None),
            ("", None),
        ] {
            assert_eq!(catalog.prefix_of(path), expected, "{path}");
        }
    }

    #[test]
    fn hit_miss_and_outside() {
        let mut catalog = Catalog::new(["/static/", "/"]);
        assert!(catalog.insert("/static/a".to_owned(), asset()));
        assert!(!catalog.insert("/static/a".to_owned(), asset()));
        assert!(catalog.insert("/robots.txt".to_owned(), asset()));
        assert!(matches!(catalog.find("/static/a"), Lookup::Hit(_)));
        assert!(matches!(catalog.find("/robots.txt"), Lookup::Hit(_)));
        for miss in ["/static/b", "/static/", "/static/a/", "/static/../robots.txt", "/static/A"] {
            assert!(matches!(catalog.find(miss), Lookup::Miss), "{miss}");
        }
        for outside in ["/", "/static", "/app", "*", ""] {
            assert!(matches!(catalog.find(outside), Lookup::Outside), "{outside}");
        }
    }
}
