//! Which variant is served, and with which headers.

use super::*;

const SOURCE: &[u8] = b"body{color:red}";

fn site() -> Site {
    Site::new(&[
        ("a.css", SOURCE),
        ("a.css.br", b"br"),
        ("a.css.zst", b"zst"),
        ("a.css.gz", b"gzip"),
        ("plain.js", b"1"),
    ])
}

#[tokio::test]
async fn the_best_by_weight_from_memory_and_from_disk() {
    let site = site();
    for memory in [1 << 20, 3, 0] {
        let files = site.open_with(memory);
        for (accept, coding, body) in [
            ("br, gzip, zstd", "br", &b"br"[..]),
            ("gzip, zstd", "zstd", b"zst"),
            ("gzip", "gzip", b"gzip"),
            ("br;q=0.5, gzip", "gzip", b"gzip"),
            ("br;q=0, *", "zstd", b"zst"),
            ("identity;q=0, gzip", "gzip", b"gzip"),
            ("*;q=0", "", SOURCE),
            ("identity", "", SOURCE),
            ("", "", SOURCE),
        ] {
            let response = get(&files, "/static/a.css", &[("accept-encoding", accept)]);
            assert_eq!(response.status(), 200);
            assert_eq!(header(&response, "content-encoding"), coding, "{accept}");
            assert_eq!(header(&response, "vary"), "Accept-Encoding");
            assert_eq!(header(&response, "content-type"), "text/css; charset=utf-8");
            assert_eq!(header(&response, "last-modified"), LAST_MODIFIED);
            assert_eq!(header(&response, "cache-control"), "public, max-age=60");
            assert_eq!(header(&response, "x-content-type-options"), "nosniff");
            assert_eq!(header(&response, "accept-ranges"), "bytes");
            assert_eq!(bytes(response).await, body);
        }
        let plain = get(&files, "/static/plain.js", &[("accept-encoding", "br")]);
        assert_eq!(header(&plain, "vary"), "");
    }
}

#[test]
fn tags_are_one_per_variant_and_only_from_content() {
    let tags = |files: &StaticFiles| {
        ["br", "zstd", "gzip", ""]
            .map(|accept| header(&get(files, "/static/a.css", &[("accept-encoding", accept)]), "etag").to_owned())
    };
    let (site, other) = (site(), site());
    other.write("a.css", SOURCE, 0);
    let first = tags(&site.open());
    assert_eq!(first, tags(&site.open_with(0)));
    assert_eq!(first, tags(&other.open()));
    for (index, tag) in first.iter().enumerate() {
        assert!(tag.len() == 34 && tag.starts_with('"') && tag.ends_with('"'), "{tag}");
        assert!(!first[..index].contains(tag));
    }
    other.write("a.css", b"body{color:tan}", 0);
    let changed = tags(&other.open());
    assert_ne!(changed[3], first[3]);
    assert_eq!(changed[0], first[0]);
}

#[test]
fn head_is_get_without_the_body() {
    let files = site().open();
    for accept in ["", "br"] {
        let fields = [("accept-encoding", accept), ("range", "bytes=0-0")];
        let head = request(&files, &Method::HEAD, "/static/a.css", &fields).unwrap();
        let get = get(&files, "/static/a.css", &fields[..1]);
        assert_eq!(head.status(), 200);
        assert_eq!(head.headers(), get.headers());
        assert!(head.body().is_end_stream());
    }
}

#[test]
fn siblings_are_no_urls_and_a_lone_archive_is() {
    let site =
        Site::new(&[("a.js", b"1"), ("a.js.gz", b"1"), ("a.js.gz.br", b"1"), ("lone.tar.gz", b"1"), ("b.js.br", b"1")]);
    let files = site.open();
    assert_eq!(status(&files, "/static/a.js.gz"), Some(404));
    assert_eq!(status(&files, "/static/a.js.gz.br"), Some(404));
    assert_eq!(status(&files, "/static/b.js.br"), Some(200));
    let archive = get(&files, "/static/lone.tar.gz", &[("accept-encoding", "gzip")]);
    assert_eq!(header(&archive, "content-type"), "application/gzip");
    assert_eq!(header(&archive, "content-encoding"), "");
    assert_eq!(files.mounts()[0].assets, Some(3));
}

#[test]
fn a_sibling_older_than_its_source_is_ignored() {
    let site = site();
    site.write("a.css", SOURCE, 5);
    site.write("a.css.gz", b"gzip", 5);
    let files = site.open();
    let response = get(&files, "/static/a.css", &[("accept-encoding", "br, zstd, gzip")]);
    assert_eq!(header(&response, "content-encoding"), "gzip");
    assert_eq!(status(&files, "/static/a.css.br"), Some(404));
}

#[test]
fn names_with_a_hash_are_immutable() {
    let site = Site::new(&[
        ("staticfiles.json", br#"{"paths": {"x.css": "x.27e20196a850.css", "y": "y.000000000000"}}"#),
        ("x.css", b""),
        ("x.27e20196a850.css", b""),
        ("y.000000000000", b""),
        ("assets/index-B2H3sXNv.js", b""),
        ("jquery-3.7.1.min.js", b""),
        ("font.woff2", b""),
    ]);
    let files = site.open();
    for (path, immutable) in [
        ("x.css", false),
        ("x.27e20196a850.css", true),
        ("y.000000000000", true),
        ("assets/index-B2H3sXNv.js", true),
        ("jquery-3.7.1.min.js", false),
    ] {
        let response = get(&files, &format!("/static/{path}"), &[]);
        let expected = if immutable { "public, max-age=31536000, immutable" } else { "public, max-age=60" };
        assert_eq!(header(&response, "cache-control"), expected, "{path}");
    }
    assert_eq!(header(&get(&files, "/static/font.woff2", &[]), "access-control-allow-origin"), "*");
}

#[test]
fn a_broken_manifest_leaves_the_patterns() {
    let site = Site::new(&[("staticfiles.json", b"{"), ("x.27e20196a850.css", b"")]);
    let response = get(&site.open(), "/static/x.27e20196a850.css", &[]);
    assert_eq!(header(&response, "cache-control"), "public, max-age=31536000, immutable");
}

#[test]
fn a_constant_date_is_not_sent() {
    let site = Site::new(&[("a", b"1")]);
    for (seconds, expected) in [(0, ""), (1, ""), (315_532_800, ""), (1_700_000_000, LAST_MODIFIED)] {
        let file = File::options().write(true).open(site.root().join("a")).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        assert_eq!(header(&get(&site.open(), "/static/a", &[]), "last-modified"), expected);
    }
    let file = File::options().write(true).open(site.root().join("a")).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_hours(24)).unwrap();
    let response = get(&site.open(), "/static/a", &[]);
    let sent = httpdate::parse_http_date(header(&response, "last-modified")).unwrap();
    assert!(sent <= SystemTime::now());
}

#[tokio::test]
async fn an_empty_file_is_a_200() {
    let site = Site::new(&[("a", b"")]);
    for memory in [1, 0] {
        let response = get(&site.open_with(memory), "/static/a", &[("range", "bytes=0-")]);
        assert_eq!(response.status(), 200);
        assert_eq!(bytes(response).await, "");
    }
}
