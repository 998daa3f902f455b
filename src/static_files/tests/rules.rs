//! Headers by rule: what a rule says is what every answer for a file says, and nothing else of the answer changes.

use super::*;
use crate::config::settings::ROOT;

/// The site at `/` and at `/static/`, with these rules in its `_headers`.
fn ruled(site: &Site, rules: &str) -> StaticFiles {
    site.write("_headers", rules.as_bytes(), 0);
    open(&[("/static/", site.root()), (ROOT, site.root())], 1 << 20)
}

fn site() -> Site {
    Site::new(&[
        ("a.css", b"0123456789"),
        ("a.css.br", b"brotli"),
        ("app-B7PI925R.js", b"js"),
        ("font.woff2", b"font"),
        ("index.html", b"page"),
        ("guide/index.html", b"guide"),
        ("sub/b c.txt", b"text"),
    ])
}

#[test]
fn a_rule_replaces_and_removes_what_we_send() {
    let files = ruled(
        &site(),
        "/*\n Cache-Control: no-cache\n X-A: 1\n/*.woff2\n ! Access-Control-Allow-Origin\n ! X-Content-Type-Options\n\
         /static/app-*\n Cache-Control: public, max-age=31536000, immutable\n Content-Type: application/x-app\n",
    );
    let css = get(&files, "/a.css", &[]);
    assert_eq!((header(&css, "cache-control"), header(&css, "x-a")), ("no-cache", "1"));
    assert_eq!((header(&css, "content-type"), header(&css, "content-length")), ("text/css; charset=utf-8", "10"));
    let font = get(&files, "/font.woff2", &[]);
    assert_eq!((header(&font, "access-control-allow-origin"), header(&font, "x-content-type-options")), ("", ""));
    // The same file at another URL is another asset.
    let app = get(&files, "/static/app-B7PI925R.js", &[]);
    assert_eq!(header(&app, "cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(header(&app, "content-type"), "application/x-app");
    assert_eq!(
        header(&get(&files, "/app-B7PI925R.js", &[]), "cache-control"),
        "no-cache",
        "a hash does not outrank a rule"
    );
}

#[test]
fn every_answer_with_the_file_has_the_headers() {
    let files = ruled(&site(), "/a.css\n Cache-Control: no-store\n Vary: Origin\n X-A: 1\n Content-Language: de\n");
    let whole = get(&files, "/a.css", &[]);
    let (etag, vary) = (header(&whole, "etag").to_owned(), "Accept-Encoding, Origin");
    let brotli = get(&files, "/a.css", &[("accept-encoding", "br")]);
    assert_eq!((header(&brotli, "content-encoding"), header(&brotli, "content-length")), ("br", "6"));
    let part = get(&files, "/a.css", &[("range", "bytes=1-2")]);
    assert_eq!((part.status().as_u16(), header(&part, "content-range")), (206, "bytes 1-2/10"));
    let parts = get(&files, "/a.css", &[("range", "bytes=1-2,5-6")]);
    assert!(header(&parts, "content-type").starts_with("multipart/byteranges"));
    let head = request(&files, &Method::HEAD, "/a.css", &[]).unwrap();
    for response in [&whole, &brotli, &part, &parts, &head] {
        assert_eq!((header(response, "cache-control"), header(response, "x-a")), ("no-store", "1"));
        assert_eq!((header(response, "vary"), header(response, "content-language")), (vary, "de"));
    }
    let unchanged = get(&files, "/a.css", &[("if-none-match", &etag)]);
    assert_eq!((unchanged.status().as_u16(), header(&unchanged, "etag")), (304, &*etag));
    assert_eq!((header(&unchanged, "cache-control"), header(&unchanged, "vary")), ("no-store", vary));
    assert_eq!((header(&unchanged, "x-a"), header(&unchanged, "content-language")), ("1", ""));
}

#[tokio::test]
async fn the_parts_of_many_ranges_have_the_type_of_the_rule() {
    let files = ruled(&site(), "/a.css\n Content-Type: text/x-mine\n");
    let parts = bytes(get(&files, "/a.css", &[("range", "bytes=0-0,2-2")])).await;
    assert_eq!(String::from_utf8_lossy(&parts).matches("Content-Type: text/x-mine\r\n").count(), 2);
}

#[test]
fn paths_are_those_of_the_url_decoded() {
    let files =
        ruled(&site(), "/guide/\n X-A: 1\n/index.html\n X-A: 2\n/sub/b%20c.txt\n X-A: 3\n/:dir/:page.html\n X-B: 4\n");
    for (path, a, b) in [
        ("/guide/", "1", "4"),
        ("/guide/index.html", "1", "4"),
        ("/", "2", ""),
        ("/static/", "", "4"),
        ("/sub/b%20c.txt", "3", ""),
        ("/s%75b/b%20c.txt", "3", ""),
        ("/static/sub/b%20c.txt", "", ""),
    ] {
        let response = get(&files, path, &[]);
        assert_eq!((header(&response, "x-a"), header(&response, "x-b")), (a, b), "{path}");
    }
}

#[test]
fn answers_without_a_file_have_none() {
    let files = ruled(&site(), "/*\n X-A: 1\n");
    for (path, fields, expected) in [
        ("/static/missing", vec![], 404),
        ("/guide", vec![], 302),
        ("/a.css", vec![("range", "bytes=99-")], 416),
        ("/a.css", vec![("if-match", "\"x\"")], 412),
    ] {
        let response = get(&files, path, &fields);
        assert_eq!((response.status().as_u16(), header(&response, "x-a")), (expected, ""), "{path}");
    }
}

#[test]
fn rules_are_not_served_themselves() {
    let site = site();
    site.write("_headers.br", b"br", 0);
    site.write("_redirects", b"/a /b", 0);
    site.write("sub/_headers", b"a file like any other", 0);
    let files = ruled(&site, "/*\n X-A: 1\n");
    for path in ["/_headers", "/_redirects", "/_headers.br", "/%5fheaders"] {
        assert_eq!(status(&files, path), None, "{path} is the application's");
    }
    assert_eq!(status(&files, "/sub/_headers"), Some(200));
}

#[tokio::test]
async fn options_is_answered_where_a_rule_lets_another_origin_in() {
    let files = ruled(
        &site(),
        "/*.css\n Access-Control-Allow-Origin: https://a.example\n X-A: 1\n/\n Access-Control-Allow-Origin: *\n",
    );
    let options = |path| request(&files, &Method::OPTIONS, path, &[("access-control-request-method", "GET")]);
    let answer = options("/a.css").unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "allow")), (204, "GET, HEAD, OPTIONS"));
    assert_eq!(header(&answer, "access-control-allow-origin"), "https://a.example");
    assert_eq!(header(&answer, "access-control-allow-methods"), "GET, HEAD");
    assert_eq!((header(&answer, "x-a"), header(&answer, "content-length"), header(&answer, "etag")), ("", "", ""));
    assert!(bytes_of(answer.into_body()).await.unwrap().is_empty());

    let post = request(&files, &Method::POST, "/a.css", &[]).unwrap();
    assert_eq!((post.status().as_u16(), header(&post, "allow")), (405, "GET, HEAD, OPTIONS"));
    // Fonts are for every origin without a rule, and need no preflight.
    for path in ["/font.woff2", "/static/missing"] {
        let answer = options(path).unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "allow")), (405, "GET, HEAD"), "{path}");
    }
    assert!(options("/").is_none(), "a page of the application's, which may take forms");
}
