//! Beside tower-http's `ServeDir`: where both have an opinion, it is the same.

use super::*;
use http_body_util::BodyExt;
use proptest::prelude::*;
use tower::ServiceExt;
use tower_http::services::ServeDir;

/// Status, `Content-Range` and body.
type Answer = (u16, String, Bytes);

async fn theirs(site: &Site, path: &str, fields: &[(&'static str, &str)]) -> Answer {
    let dir =
        ServeDir::new(site.root()).append_index_html_on_directories(false).precompressed_br().precompressed_gzip();
    let mut request = http::Request::get(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let response = dir.oneshot(request.body(String::new()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let content_range = parts.headers.get("content-range").map_or("", |value| value.to_str().unwrap()).to_owned();
    (parts.status.as_u16(), content_range, body.collect().await.unwrap().to_bytes())
}

async fn ours(files: &StaticFiles, path: &str, fields: &[(&'static str, &str)]) -> Answer {
    let response = get(files, &format!("/static{path}"), fields);
    let content_range = header(&response, "content-range").to_owned();
    (response.status().as_u16(), content_range, bytes_of(response.into_body()).await.unwrap())
}

fn site() -> Site {
    let large = vec![b'x'; 300_000];
    Site::new(&[
        ("a.css", b"0123456789"),
        ("a.css.br", b"brotli"),
        ("a.css.gz", b"gz"),
        ("sub/b c.txt", &large),
        ("é.txt", b"e"),
    ])
}

fn compare(path: &str, fields: &[(&'static str, &str)]) -> (Answer, Answer) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let site = site();
        (ours(&site.open_with(0), path, fields).await, theirs(&site, path, fields).await)
    })
}

#[test]
fn the_same_for_known_requests() {
    for (path, fields) in [
        ("/a.css", vec![]),
        ("/a.css", vec![("accept-encoding", "br, gzip")]),
        ("/a.css", vec![("accept-encoding", "gzip;q=0.9, br;q=0.1")]),
        ("/a.css", vec![("range", "bytes=2-4")]),
        ("/a.css", vec![("range", "bytes=-3")]),
        ("/a.css", vec![("if-modified-since", LAST_MODIFIED)]),
        ("/a.css", vec![("if-unmodified-since", "Tue, 14 Nov 2000 22:13:20 GMT")]),
        ("/sub/b%20c.txt", vec![]),
        ("/sub/b%20c.txt", vec![("range", "bytes=262143-262145")]),
        ("/%C3%A9.txt", vec![]),
    ] {
        let (ours, theirs) = compare(path, &fields);
        if ours.0 == 412 {
            assert_eq!(theirs.0, 412, "{path} {fields:?}");
        } else {
            assert_eq!(ours, theirs, "{path} {fields:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_path_serves_what_theirs_does_not(path in "/(a\\.css|sub|\\.\\.|\\.|%2e|%2f|%5c|/|b%20c\\.txt|%00|x){0,5}") {
        let (ours, theirs) = compare(&path, &[]);
        prop_assert!(ours.0 == 404 || ours.2 == theirs.2, "{path}: {} {}", ours.0, theirs.0);
    }

    #[test]
    fn single_ranges(first in 0_u64..12, length in 0_u64..12) {
        let range = format!("bytes={first}-{}", first + length);
        let (ours, theirs) = compare("/a.css", &[("range", &range)]);
        prop_assert_eq!((ours.0, ours.1), (theirs.0, theirs.1));
        if ours.0 == 206 {
            prop_assert_eq!(ours.2, theirs.2);
        }
    }
}
