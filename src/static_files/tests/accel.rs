//! A file that the application names is answered with as it is at that moment.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use http::StatusCode;

use super::*;
use crate::exchange::{Asked, FileName, NamedFile};
use crate::static_files::Accel;

/// The answer where the application named `/private/a.txt`, with this status and these headers.
async fn answer(site: &Site, status: u16, said: &[(&'static str, &str)]) -> Response<StaticBody> {
    let mount = settings::Mount { url: "/private/".to_owned(), dir: site.root().to_owned() };
    let accel = Arc::new(Accel::open("--accel", &[mount]).unwrap());
    let asked = Asked { method: Method::GET, headers: HeaderMap::new() };
    let mut head = Response::new(());
    *head.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in said {
        head.headers_mut().append(*name, HeaderValue::from_str(value).unwrap());
    }
    let named = NamedFile { name: FileName::Uri("/private/a.txt".to_owned()), asked };
    accel.answer(named, head.into_parts().0).await
}

#[tokio::test]
async fn its_tag_is_size_and_time_in_nanoseconds() {
    let site = Site::new(&[("a.txt", b"12345")]);
    let response = answer(&site, 200, &[]).await;
    let nanos = 1_700_000_000_000_000_000_u64;
    assert_eq!(header(&response, "etag"), format!("\"{nanos:016x}{:016x}\"", 5));
    assert_eq!(header(&response, "last-modified"), LAST_MODIFIED);
    assert_eq!(bytes(response).await, "12345");
    let modified = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos + 1);
    File::options().write(true).open(site.root().join("a.txt")).unwrap().set_modified(modified).unwrap();
    assert_eq!(header(&answer(&site, 200, &[]).await, "etag"), format!("\"{:016x}{:016x}\"", nanos + 1, 5));
}

#[tokio::test]
async fn a_date_that_every_build_has_tells_no_two_files_apart() {
    let site = Site::new(&[("a.txt", b"12345")]);
    let path = site.root().join("a.txt");
    let write = |text: &str| {
        fs::write(&path, text).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        (metadata.ctime(), metadata.ctime_nsec())
    };
    let before = write("12345");
    let first = answer(&site, 200, &[]).await;
    assert_eq!(header(&first, "last-modified"), "");
    // The file system's clock ticks in milliseconds.
    while write("67890") == before {}
    assert_ne!(header(&answer(&site, 200, &[]).await, "etag"), header(&first, "etag"));
}

#[tokio::test]
async fn another_status_has_no_validators_but_the_applications() {
    let site = Site::new(&[("a.txt", b"12345")]);
    let response = answer(&site, 403, &[("etag", "\"x\""), ("accept-ranges", "bytes"), ("content-length", "0")]).await;
    assert_eq!((response.status().as_u16(), header(&response, "etag")), (403, "\"x\""));
    assert_eq!((header(&response, "last-modified"), header(&response, "accept-ranges")), ("", ""));
    assert_eq!(bytes(response).await, "12345");
}
