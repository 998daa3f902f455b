//! A file that the application names in place of a body (`X-Accel-Redirect`, `X-Sendfile`), on its way to the front.
//!
//! Made by `wsgi` where `--accel` names directories, answered with by `static_files`. Takes along what was asked, as the
//! front has given the request away by then.

use http::{HeaderMap, Method};

/// The file, and the request that it answers.
#[derive(Debug)]
pub struct NamedFile {
    pub name: FileName,
    pub asked: Asked,
}

/// How the application named it. Text of the application's, of which nothing is checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileName {
    /// `X-Accel-Redirect`: a path below one of the URLs, percent-encoded, and perhaps a query.
    Uri(String),
    /// `X-Sendfile`: a path inside one of the directories, or relative to them.
    Path(String),
}

/// What a request asked for, apart from its target: ranges, preconditions.
#[derive(Debug)]
pub struct Asked {
    pub method: Method,
    pub headers: HeaderMap,
}

impl FileName {
    /// As the application wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Uri(name) | Self::Path(name) => name,
        }
    }
}
