//! What build tools write down of the hashes they put into names: Django's `staticfiles.json`, Vite's and webpack's
//! manifests and their kin.
//!
//! Called by `scan`, blocking, a mount at a time. A manifest tells a hash from a word where the name alone does not
//! (`app-DiwrgTda.js`), but only by the name it was made from: tools list unhashed files too. Names that no manifest has
//! are judged by `immutable`.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Map, Value};

use super::immutable::is_hashed;
use super::walk::Tree;

/// Django's `ManifestStaticFilesStorage` writes it at the root.
const DJANGO: &str = "staticfiles.json";
/// Vite up to 4 and webpack-manifest-plugin, Create React App, webpack-assets-manifest, gulp-rev, webpack-bundle-tracker.
const NAMES: [&str; 5] =
    ["manifest.json", "asset-manifest.json", "assets-manifest.json", "rev-manifest.json", "webpack-stats.json"];
/// Vite from 5 on, in its output directory; never served, as its directory is hidden.
const VITE: &str = ".vite/manifest.json";
/// No manifest is larger, in bytes.
const LARGEST: u64 = 16 << 20;
/// The shortest hash that a tool cuts to, in characters.
const SHORTEST_HASH: usize = 6;

/// The files of a mount that never change.
#[derive(Debug, Default)]
pub struct Manifests {
    /// Paths relative to the root.
    paths: HashSet<String>,
    /// File names, in whatever directory: each carries a hash.
    names: HashSet<String>,
}

/// A manifest that is none, and why.
#[derive(Debug)]
pub struct Unreadable {
    pub path: String,
    pub error: io::Error,
}

impl Manifests {
    /// Reads all manifests that lie in `tree`, which was read from `root`.
    pub fn read(root: &Path, tree: &Tree) -> (Self, Vec<Unreadable>) {
        let mut manifests = Self::default();
        let mut unreadable = Vec::new();
        let served = tree.files.iter().filter(|(name, _)| is_manifest(name));
        let mut files: Vec<_> = served.map(|(name, found)| (name.clone(), found.path.clone())).collect();
        files.extend(directories(tree).into_iter().map(|directory| {
            let name = format!("{directory}{VITE}");
            let path = root.join(&name);
            (name, path)
        }));
        for (name, path) in files {
            match read(&path) {
                Ok(json) => manifests.add(name == DJANGO, &json),
                Err(error) if error.kind() == io::ErrorKind::NotFound && name.ends_with(VITE) => {}
                Err(error) => unreadable.push(Unreadable { path: path.to_string_lossy().into_owned(), error }),
            }
        }
        (manifests, unreadable)
    }

    /// Whether a path, relative to the root, never changes.
    #[must_use]
    pub fn is_immutable(&self, relative: &str) -> bool {
        let name = base(relative);
        self.paths.contains(relative) || self.names.contains(name) || is_hashed(name)
    }

    fn add(&mut self, django: bool, json: &Value) {
        let Value::Object(json) = json else { return };
        if django {
            // `{"paths": {"css/base.css": "css/base.27e20196a850.css", …}, …}`; what maps to itself carries no hash.
            let paths = object(json, "paths").into_iter().flatten();
            let hashed = paths.filter_map(|(name, hashed)| hashed.as_str().filter(|hashed| hashed != name));
            self.paths.extend(hashed.map(str::to_owned));
            return;
        }
        // Create React App has its pairs in `files`, webpack-bundle-tracker in `chunks`, the others at the top.
        for (source, made) in
            [object(json, "files"), object(json, "chunks"), Some(json)].into_iter().flatten().flatten()
        {
            self.add_entry(source, made);
        }
    }

    /// What was made of `source`.
    fn add_entry(&mut self, source: &str, made: &Value) {
        match made {
            Value::String(file) => self.add_file(&[source], file),
            Value::Array(files) => {
                for file in files {
                    // webpack-bundle-tracker before its version 1 has objects here.
                    let file = file.as_str().or_else(|| file.get("name")?.as_str());
                    self.add_file(&[source], file.unwrap_or_default());
                }
            }
            Value::Object(entry) => {
                let text = |name: &str| entry.get(name).and_then(Value::as_str);
                // Vite has `file`, and `src` for what it was made from; webpack-assets-manifest has `src` for the former.
                let Some(file) = text("file") else {
                    return self.add_file(&[source], text("src").unwrap_or_default());
                };
                // The key of a shared chunk is its own name, so it says nothing; `name` does.
                let sources: Vec<&str> = [text("name"), text("src"), Some(source)].into_iter().flatten().collect();
                let styles = entry.get("css").and_then(Value::as_array).into_iter().flatten();
                for file in styles.filter_map(Value::as_str).chain([file]) {
                    self.add_file(&sources, file);
                }
            }
            _ => {}
        }
    }

    fn add_file(&mut self, sources: &[&str], file: &str) {
        let name = base(file);
        if sources.iter().any(|source| is_made_of(base(source), name)) {
            self.names.insert(name.to_owned());
        }
    }
}

fn is_manifest(path: &str) -> bool {
    path == DJANGO || NAMES.contains(&base(path))
}

/// All directories of a tree, each with a slash at its end; the root is empty.
fn directories(tree: &Tree) -> BTreeSet<&str> {
    let mut directories = BTreeSet::from([""]);
    for name in tree.files.keys() {
        let mut end = name.len();
        while let Some(slash) = name[..end].rfind('/') {
            if !directories.insert(&name[..=slash]) {
                break;
            }
            end = slash;
        }
    }
    directories
}

fn read(path: &Path) -> io::Result<Value> {
    if fs::metadata(path)?.len() > LARGEST {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

fn object<'a>(json: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
    json.get(name)?.as_object()
}

/// The name of a file, given by its path or URL.
fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a file's name is the name of its source and a hash: `main.tsx` → `main-DiwrgTda.js`. What follows the source's
/// name has to look like no word: `main-legacy.js` and `main-Settings.js` are other names.
fn is_made_of(source: &str, file: &str) -> bool {
    let stem = source.split_once('.').map_or(source, |(stem, _)| stem);
    let Some(rest) = file.strip_prefix(stem).filter(|_| !stem.is_empty()) else { return false };
    let Some(rest) = rest.strip_prefix(['-', '.']) else { return false };
    let token = rest.split_once('.').map_or("", |(token, _)| token);
    let in_hashes = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_no_word = token.bytes().any(|byte| byte.is_ascii_digit())
        || token.bytes().skip(1).any(|byte| byte.is_ascii_uppercase())
            && token.bytes().any(|byte| byte.is_ascii_lowercase());
    token.len() >= SHORTEST_HASH && token.bytes().all(in_hashes) && is_no_word
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::static_files::walk::walk;

    fn manifests(files: &[(&str, &str)]) -> (Manifests, usize) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let (manifests, unreadable) = Manifests::read(dir.path(), &walk(dir.path()).unwrap());
        (manifests, unreadable.len())
    }

    fn judges(file: &str, json: &str, immutable: &[&str], others: &[&str]) {
        let (manifests, unreadable) = manifests(&[(file, json)]);
        assert_eq!(unreadable, 0, "{file}");
        for name in immutable {
            assert!(manifests.is_immutable(name), "{file}: {name}");
        }
        for name in others {
            assert!(!manifests.is_immutable(name), "{file}: {name}");
        }
    }

    #[test]
    fn django() {
        judges(
            "staticfiles.json",
            r#"{"paths": {"css/base.css": "css/base.27e20196a850.css", "odd": "odd.000000000000", "same.js": "same.js"},
                "version": "1.1"}"#,
            &["css/base.27e20196a850.css", "odd.000000000000", "js/other.27e20196a850.js"],
            &["css/base.css", "odd", "same.js", "css/other.css", "js/odd.000000000000"],
        );
        judges("staticfiles.json", "{}", &[], &["a.css"]);
        judges("staticfiles.json", "[1]", &[], &["a.css"]);
    }

    #[test]
    fn vite() {
        let json = r#"{
            "_shared-DiwrgTda.js": {"file": "assets/shared-DiwrgTda.js", "name": "shared", "css": ["assets/shared-ChJ_jhkl.css"]},
            "_plain-vendorlib.js": {"file": "assets/plain-vendorlib.js", "name": "plain-vendorlib"},
            "views/foo.tsx": {"file": "assets/foo-BRBmoGSx.js", "name": "foo", "src": "views/foo.tsx", "isEntry": true,
                "imports": ["_shared-DiwrgTda.js"], "css": ["assets/foo-UjPuWkab.css"], "assets": ["assets/logo-Words.svg"]},
            "src/main.ts": {"file": "main.js", "src": "src/main.ts", "isEntry": true},
            "src/old.ts": {"file": "assets/old-legacy.js", "src": "src/old.ts"},
            "src/user.ts": {"file": "assets/user-Settings.js", "src": "src/user.ts"},
            "logo.svg": {"file": "assets/logo-DvXyWeab.svg", "src": "logo.svg"},
            "odd": 1, "none": null
        }"#;
        for file in ["manifest.json", ".vite/manifest.json", "dist/.vite/manifest.json", "a/b/manifest.json"] {
            let with = [(file, json), ("dist/x.js", "")];
            let (manifests, unreadable) = manifests(&with);
            assert_eq!(unreadable, 0);
            for name in [
                "assets/shared-DiwrgTda.js",
                "assets/shared-ChJ_jhkl.css",
                "assets/foo-BRBmoGSx.js",
                "dist/assets/foo-UjPuWkab.css",
                "logo-DvXyWeab.svg",
            ] {
                assert!(manifests.is_immutable(name), "{file}: {name}");
            }
            for name in [
                "main.js",
                "assets/plain-vendorlib.js",
                "assets/old-legacy.js",
                "assets/user-Settings.js",
                "x-DiwrgTda.js",
            ] {
                assert!(!manifests.is_immutable(name), "{file}: {name}");
            }
        }
    }

    #[test]
    fn webpack_and_its_kin() {
        judges(
            "static/manifest.json",
            r#"{"main.js": "/static/main.aBcDeFgH.js", "plain.js": "plain.js", "a.css": {"src": "a-kLmNoPqR.css", "integrity": "x"}}"#,
            &["static/main.aBcDeFgH.js", "a-kLmNoPqR.css"],
            &["main.js", "plain.js", "a.css"],
        );
        judges(
            "asset-manifest.json",
            r#"{"files": {"main.css": "/static/css/main.1a2b3c.css", "index.html": "/index.html"}, "entrypoints": ["a"]}"#,
            &["static/css/main.1a2b3c.css"],
            &["index.html"],
        );
        judges(
            "webpack-stats.json",
            r#"{"status": "done", "chunks": {"app": ["app-qWeRtYuI.js", "app.css"], "old": [{"name": "old-1a2b3c.js"}]}}"#,
            &["app-qWeRtYuI.js", "x/old-1a2b3c.js"],
            &["app.css", "done"],
        );
        judges(
            "rev-manifest.json",
            r#"{"css/app.css": "css/app-d41d8c.css"}"#,
            &["css/app-d41d8c.css"],
            &["css/app.css"],
        );
    }

    #[test]
    fn a_web_app_manifest_is_none_of_these() {
        judges(
            "manifest.json",
            r#"{"name": "App 1", "short_name": "App", "start_url": "/", "icons": [{"src": "icon-512x512.png"}]}"#,
            &[],
            &["icon-512x512.png", "App"],
        );
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (name, text) in [("staticfiles.json", "{"), ("a/manifest.json", "no"), ("b/.vite/manifest.json", "[")] {
            let (manifests, unreadable) = manifests(&[(name, text), ("b/x.js", "")]);
            assert_eq!(unreadable, 1, "{name}");
            assert!(manifests.is_immutable("base.27e20196a850.css"));
        }
    }
}
