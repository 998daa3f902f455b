//! The catalog: every URL path that is a static file, and the prefixes that belong to static files alone.
//!
//! Built by `scan`, asked by `service`. A look-up is one hash and no system call; what is not in the map does not
//! exist, so no spelling of a path can reach a file that the scan did not put there.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::asset::Asset;
use crate::config::settings::ROOT;

/// URL paths, decoded, to assets.
#[derive(Debug)]
pub struct Catalog {
    entries: HashMap<Box<str>, Item>,
    /// Longest first.
    prefixes: Vec<Box<str>>,
    /// The file that stands for its directory, if any does.
    index: Option<Box<str>>,
}

/// What lies at a path.
#[derive(Debug)]
enum Item {
    Asset(Arc<Asset>),
    /// A directory with an index, which has a slash at its end.
    Directory,
}

/// What a URL path is to the static files.
#[derive(Clone, Copy, Debug)]
pub enum Lookup<'a> {
    /// This asset.
    Hit(&'a Asset),
    /// A directory that is served under this path and a slash.
    Directory,
    /// Under a static prefix, but nothing there.
    Miss,
    /// Not theirs.
    Outside,
}

/// The directory that a file stands for, if `index` is the name of such files.
pub fn directory_of<'a>(path: &'a str, index: Option<&str>) -> Option<&'a str> {
    path.strip_suffix(index?).filter(|directory| directory.ends_with('/'))
}

impl Catalog {
    /// An empty catalog for mounts at these URL prefixes, each of which starts and ends with `/`. A file with the name
    /// `index` stands for its directory.
    pub fn new<'a>(prefixes: impl IntoIterator<Item = &'a str>, index: Option<&str>) -> Self {
        let mut prefixes: Vec<Box<str>> = prefixes.into_iter().map(Box::from).collect();
        prefixes.sort_unstable_by_key(|prefix| std::cmp::Reverse(prefix.len()));
        prefixes.dedup();
        Self { entries: HashMap::new(), prefixes, index: index.map(Box::from) }
    }

    /// The longest prefix a path is under. The slash at its end keeps `/static` from meaning `/staticfoo`.
    pub fn prefix_of(&self, path: &str) -> Option<&str> {
        self.prefixes.iter().map(|prefix| &**prefix).find(|prefix| path.starts_with(prefix))
    }

    /// Adds an asset; the first of two with the same path stays. False: it did not get in.
    pub fn insert(&mut self, path: &str, asset: Asset) -> bool {
        let asset = Arc::new(asset);
        if let Some(directory) = directory_of(path, self.index.as_deref()) {
            self.put(directory, Item::Asset(Arc::clone(&asset)));
            if let Some(bare) = directory.strip_suffix('/').filter(|bare| !bare.is_empty()) {
                self.put(bare, Item::Directory);
            }
        }
        self.put(path, Item::Asset(asset))
    }

    fn put(&mut self, path: &str, item: Item) -> bool {
        match self.entries.entry(path.into()) {
            Entry::Vacant(entry) => {
                entry.insert(item);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// The asset at a decoded path.
    pub fn asset(&self, path: &str) -> Option<Arc<Asset>> {
        match self.entries.get(path)? {
            Item::Asset(asset) => Some(Arc::clone(asset)),
            Item::Directory => None,
        }
    }

    /// Looks a decoded path up.
    pub fn find(&self, path: &str) -> Lookup<'_> {
        let Some(prefix) = self.prefix_of(path) else {
            return if self.is_bare(path) { Lookup::Directory } else { Lookup::Outside };
        };
        match self.entries.get(path) {
            Some(Item::Asset(asset)) => Lookup::Hit(asset),
            Some(Item::Directory) => Lookup::Directory,
            // `/favicon.ico` and `/robots.txt` live beside the app's pages.
            None if prefix == ROOT => Lookup::Outside,
            None => Lookup::Miss,
        }
    }

    /// Whether the path is a prefix but for its slash, with an index there.
    fn is_bare(&self, path: &str) -> bool {
        self.prefixes.iter().any(|prefix| prefix.strip_suffix('/') == Some(path))
            && matches!(self.entries.get(path), Some(Item::Directory))
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
        let traits = Traits {
            content_type: "a/b".into(),
            all_origins: false,
            cache_control: &cache_control,
            last_modified: None,
        };
        Asset::new(&traits, loaded, vec![]).unwrap()
    }

    #[test]
    fn prefixes() {
        let catalog = Catalog::new(["/static/", "/static/admin/", "/media/", "/media/"], None);
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
        let mut catalog = Catalog::new(["/static/", "/"], None);
        assert!(catalog.insert("/static/a", asset()));
        assert!(!catalog.insert("/static/a", asset()));
        assert!(catalog.insert("/robots.txt", asset()));
        assert!(matches!(catalog.find("/static/a"), Lookup::Hit(_)));
        assert!(matches!(catalog.find("/robots.txt"), Lookup::Hit(_)));
        for miss in ["/static/b", "/static/", "/static/a/", "/static/../robots.txt", "/static/A"] {
            assert!(matches!(catalog.find(miss), Lookup::Miss), "{miss}");
        }
        for outside in ["/", "/static", "/app", "*", ""] {
            assert!(matches!(catalog.find(outside), Lookup::Outside), "{outside}");
        }
    }
    #[test]
    fn an_index_stands_for_its_directory() {
        let mut catalog = Catalog::new(["/static/", "/docs/"], Some("index.html"));
        assert!(catalog.insert("/static/guide/index.html", asset()));
        assert!(catalog.insert("/static/my-index.html", asset()));
        assert!(catalog.insert("/docs/index.html", asset()));
        for hit in ["/static/guide/index.html", "/static/guide/", "/docs/", "/docs/index.html"] {
            assert!(matches!(catalog.find(hit), Lookup::Hit(_)), "{hit}");
        }
        for directory in ["/static/guide", "/docs"] {
            assert!(matches!(catalog.find(directory), Lookup::Directory), "{directory}");
        }
        for miss in ["/static/", "/static/my-", "/static/guide//", "/docs//"] {
            assert!(matches!(catalog.find(miss), Lookup::Miss), "{miss}");
        }
        for outside in ["/static", "", "/doc", "//docs"] {
            assert!(matches!(catalog.find(outside), Lookup::Outside), "{outside}");
        }

        let mut catalog = Catalog::new([ROOT], Some("index.html"));
        assert!(catalog.insert("/index.html", asset()));
        assert!(matches!(catalog.find("/"), Lookup::Hit(_)));
        assert!(matches!(catalog.find(""), Lookup::Outside));
        assert!(catalog.insert("/a/index.html", asset()));
        assert!(!catalog.insert("/a", asset()), "the first that comes has the path");
        assert!(matches!(catalog.find("/a"), Lookup::Directory));
    }
}
