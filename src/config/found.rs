//! What the loaded framework says of its static files, so that they need no option. Whatever an option says counts more.
//!
//! Made by `python`, used by `static_files`; here, as neither knows the other.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::settings::{Mount, ROOT, StaticFiles};

/// Whether a file, by its path and its URL, never changes.
pub type ImmutableTest = Arc<dyn Fn(&Path, &str) -> bool + Send + Sync>;

/// See the module; nothing said is `None` or empty.
#[derive(Clone, Default)]
pub struct Found {
    /// The application is being worked on (Django's `DEBUG`, Flask's `debug`): files are looked for when they are asked
    /// for.
    pub live: bool,
    /// Django's `STATIC_ROOT` at `STATIC_URL` (with `DEBUG` what its finders find), the static folders of Flask and of its blueprints.
    pub mounts: Vec<Mount>,
    /// Directories whose files lie beside the application's pages (`WHITENOISE_ROOT`).
    pub roots: Vec<PathBuf>,
    /// `max-age` of files whose name carries no content hash (`WHITENOISE_MAX_AGE`).
    pub max_age: Option<Duration>,
    /// The name of the file that stands for its directory (`WHITENOISE_INDEX_FILE`); `Some(None)`: there is none.
    pub index: Option<Option<String>>,
    /// Decides instead of names and manifests (`WHITENOISE_IMMUTABLE_FILE_TEST`).
    pub immutable: Option<ImmutableTest>,
    /// Whether scripts of every origin may read the files (`WHITENOISE_ALLOW_ALL_ORIGINS`).
    pub all_origins: Option<bool>,
    /// Media types by extension, with its dot, or by whole name, both in lower case (`WHITENOISE_MIMETYPES`).
    pub media_types: HashMap<String, String>,
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").field("mounts", &self.mounts).field("roots", &self.roots).finish_non_exhaustive()
    }
}

impl Found {
    /// The file that stands for its directory.
    #[must_use]
    pub fn index(&self) -> Option<&str> {
        self.index.as_ref().map_or(Some("index.html"), Option::as_deref)
    }

    /// The media type that the framework gives a file name.
    #[must_use]
    pub fn media_type(&self, name: &str) -> Option<&str> {
        if self.media_types.is_empty() {
            return None;
        }
        let name = name.to_lowercase();
        let extension = name.rfind('.').filter(|dot| *dot > 0).map_or("", |dot| &name[dot..]);
        self.media_types.get(&name).or_else(|| self.media_types.get(extension)).map(String::as_str)
    }

    /// `settings`, and beside them what is found: the directories of other URLs, and the `max-age` unless it was
    /// `named`.
    #[must_use]
    pub fn complete(&self, settings: &StaticFiles, is_max_age_named: bool) -> StaticFiles {
        let mut settings = settings.clone();
        let roots = self.roots.iter().map(|dir| Mount { url: ROOT.to_owned(), dir: dir.clone() });
        let named: Vec<String> = settings.mounts.iter().map(|mount| mount.url.clone()).collect();
        settings.mounts.extend(self.mounts.iter().cloned().chain(roots).filter(|found| !named.contains(&found.url)));
        if let Some(max_age) = self.max_age.filter(|_| !is_max_age_named) {
            settings.max_age = max_age;
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_count_more_than_what_is_found() {
        let mount = |url: &str, dir: &str| Mount { url: url.into(), dir: dir.into() };
        let named = StaticFiles {
            mounts: vec![mount("/static/", "named")],
            spa: false,
            media: Vec::new(),
            accel: Vec::new(),
            max_age: Duration::from_mins(1),
            headers_file: None,
            memory: 1,
        };
        let found = Found {
            mounts: vec![mount("/static/", "found"), mount("/blog/", "one"), mount("/blog/", "two")],
            roots: vec!["public".into()],
            max_age: Some(Duration::from_secs(5)),
            ..Found::default()
        };
        let both = found.complete(&named, true);
        let expected =
            [mount("/static/", "named"), mount("/blog/", "one"), mount("/blog/", "two"), mount(ROOT, "public")];
        assert_eq!(both.mounts, expected);
        assert_eq!(both.max_age, Duration::from_mins(1));
        assert_eq!(found.complete(&named, false).max_age, Duration::from_secs(5));
    }

    #[test]
    fn media_types_go_by_name_and_then_by_extension() {
        let types = [(".foo", "a/foo"), ("license", "text/plain"), (".tar.gz", "never/asked")];
        let media_types = types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).into();
        let found = Found { media_types, ..Found::default() };
        assert_eq!(found.media_type("X.FOO"), Some("a/foo"));
        assert_eq!(found.media_type("LICENSE"), Some("text/plain"));
        for name in ["x.bar", ".foo", "x.tar.gz", ""] {
            assert_eq!(found.media_type(name), (name == ".foo").then_some("a/foo"), "{name}");
        }
    }
}
