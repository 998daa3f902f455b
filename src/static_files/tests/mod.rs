//! The room from outside: a directory on disk, a request, an answer. One file a promise.

mod accel;
mod compress;
mod conditions;
mod digests;
mod oracle;
mod paths;
mod ranges;
mod rules;
mod variants;

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use http_body::Body;
use tempfile::TempDir;

use super::{HeadersFile, StaticBody, StaticFiles};
use crate::config::{Found, settings};
use crate::exchange::portion::bytes_of;

const LAST_MODIFIED: &str = "Tue, 14 Nov 2023 22:13:20 GMT";

/// A directory to serve. Every file gets the same old time, so that siblings are not stale and dates are known.
struct Site {
    dir: TempDir,
}

impl Site {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let site = Self { dir: tempfile::tempdir().unwrap() };
        for (name, bytes) in files {
            site.write(name, bytes, 0);
        }
        site
    }

    fn root(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, name: &str, bytes: &[u8], seconds_later: u64) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds_later);
        File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
    }

    fn open(&self) -> StaticFiles {
        self.open_with(1 << 20)
    }

    fn open_with(&self, memory: u64) -> StaticFiles {
        open(&[("/static/", self.root())], memory)
    }
}

fn open(mounts: &[(&str, &Path)], memory: u64) -> StaticFiles {
    let mount = |(url, dir): &(&str, &Path)| settings::Mount { url: (*url).to_owned(), dir: dir.to_path_buf() };
    let mounts = mounts.iter().map(mount).collect();
    let max_age = Duration::from_mins(1);
    let (media, accel) = (Vec::new(), Vec::new());
    let settings = settings::StaticFiles { mounts, spa: false, media, accel, max_age, headers_file: None, memory };
    StaticFiles::open(&settings, &Found::default(), &HeadersFile::open(&settings).unwrap(), "")
}

fn request(
    files: &StaticFiles,
    method: &Method,
    path: &str,
    fields: &[(&'static str, &str)],
) -> Option<Response<StaticBody>> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    let target = path.parse::<http::Uri>().unwrap();
    files.respond(method, target.path(), target.query(), &headers)
}

fn get(files: &StaticFiles, path: &str, fields: &[(&'static str, &str)]) -> Response<StaticBody> {
    request(files, &Method::GET, path, fields).unwrap()
}

fn status(files: &StaticFiles, path: &str) -> Option<u16> {
    request(files, &Method::GET, path, &[]).map(|response| response.status().as_u16())
}

/// The header as text; empty when there is none.
fn header<'a>(response: &'a Response<StaticBody>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// The body, once its length has been seen to agree with `Content-Length`.
async fn bytes(response: Response<StaticBody>) -> Bytes {
    assert_eq!(response.body().size_hint().exact().unwrap().to_string(), header(&response, "content-length"));
    bytes_of(response.into_body()).await.unwrap()
}
