//! The directories whose files come and go while the server runs (`--media`): what people upload.
//!
//! `service` opens it at start, the router in `stack` asks it before all other files. Each file is looked for when a client
//! asks for it, off the async threads, as `accel` looks for what the application names; `named` answers. A client learns of
//! what is hidden or leads out no more than that there is nothing.

use std::sync::Arc;

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::accel::{Accel, Found};
use super::beneath::Refusal;
use super::body::StaticBody;
use super::{named, respond};
use crate::config::settings::StaticFiles;
use crate::exchange::Asked;
use crate::semantics::fault::Fault;
use crate::semantics::header_rules::HeaderRules;
use crate::semantics::path::decode;
use crate::semantics::printable::printable;

/// All directories of `--media`.
#[derive(Debug)]
pub struct Media {
    directories: Accel,
    /// The URLs, with a slash at both ends.
    urls: Vec<String>,
    cache_control: HeaderValue,
    rules: HeaderRules,
}

impl Media {
    /// The directories as configured; one that is missing is warned of and may come later. None: there are none.
    #[must_use]
    pub fn open(settings: &StaticFiles, rules: &HeaderRules, cache_control: HeaderValue) -> Option<Self> {
        let directories = Accel::open("--media", &settings.media)?;
        let urls = settings.media.iter().map(|mount| mount.url.clone()).collect();
        Some(Self { directories, urls, cache_control, rules: rules.clone() })
    }

    /// The URL below which the decoded `path` lies, if there is one: the longest.
    #[must_use]
    pub fn prefix_of(&self, path: &str) -> Option<&str> {
        let known = self.urls.iter().filter(|url| path.starts_with(url.as_str()));
        known.max_by_key(|url| url.len()).map(String::as_str)
    }

    /// Answers a request for the still percent-encoded `path`.
    pub async fn answer(self: Arc<Self>, method: Method, path: String, headers: HeaderMap) -> Response<StaticBody> {
        if !matches!(method, Method::GET | Method::HEAD) {
            return respond::method_not_allowed(&method);
        }
        let media = Arc::clone(&self);
        let looked = tokio::task::spawn_blocking(move || (media.directories.at(&path), path));
        let Ok((found, path)) = looked.await else { return Fault::internal().response() };
        match found {
            Ok(found) => self.found(found, &path, &Asked { method, headers }),
            Err(Refusal::Outside | Refusal::Missing(_)) => {
                let mut page = respond::not_found(&method);
                // RFC 9110 §15.1: caches may keep a 404 otherwise, and the file may be there the next moment.
                page.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                page
            }
            Err(Refusal::Failed(error)) => {
                let file = printable(&path);
                tracing::error!(reason = "file-failed", file = file.as_ref(), %error, "a file of --media cannot be opened");
                Fault::file_failed().response()
            }
        }
    }

    fn found(&self, found: Found, path: &str, asked: &Asked) -> Response<StaticBody> {
        let mut said = Response::new(()).into_parts().0;
        said.headers.insert(CACHE_CONTROL, self.cache_control.clone());
        let mut response = named::answer(found, asked, said);
        let changes = self.rules.at(&[decode(path).as_deref().unwrap_or(path)]);
        if response.status() == StatusCode::NOT_MODIFIED {
            changes.apply_to_not_modified(response.headers_mut());
        } else if response.status().is_success() {
            changes.apply(response.headers_mut());
        }
        response
    }
}
