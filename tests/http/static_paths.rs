//! Nothing outside a static root is sent, and nothing hidden inside it, however a request spells it.
//!
//! What other servers had a CVE for is named after it; more spellings are in `tests/wsgi/test_static_paths.py`.

use crate::static_site::{PLAIN, Site, assert_not_found, assert_plain, attack, attack_path, get};

/// How deep below `/` a root may lie for an attack to reach `/`, and deeper.
const DEEPEST: usize = 16;

/// Starlette compared paths by `os.path.commonprefix`, letter by letter: a directory beside the root whose name only
/// began like the root's passed for a part of it.
#[test]
fn cve_2023_29159_a_sibling_whose_name_begins_like_the_roots() {
    let site = Site::new();
    site.write_secret("static_disallow/secret.txt");
    site.write_secret("static.txt");
    site.link("../static_disallow", "static/linked");
    site.link("../static_disallow/secret.txt", "static/linked.txt");
    site.link("../static.txt", "static/linked-too.txt");
    let server = site.serve();
    for path in [
        "/static/../static_disallow/secret.txt",
        "/static/%2e%2e/static_disallow/secret.txt",
        "/static/..%2fstatic_disallow%2fsecret.txt",
        "/static/sub/../../static_disallow/secret.txt",
        "/static/../static.txt",
        "/static/_disallow/secret.txt",
        "/static/linked/secret.txt",
        "/static/linked.txt",
        "/static/linked-too.txt",
    ] {
        assert_not_found(&server, path);
    }
    // No prefix of ours: the application's turn.
    for path in ["/static_disallow/secret.txt", "/static.txt", "/static../static_disallow/secret.txt"] {
        assert_eq!(attack_path(&server, path).body, format!("GET {path} 0 "));
    }
    assert_plain(&mut server.connect());
}

/// aiohttp, told to follow links, no longer looked whether what it found lay inside the root, link or not: `..` as far
/// as `/` and down again read any file.
#[test]
fn cve_2024_23334_links_are_followed_and_dots_are_not() {
    let site = Site::new();
    site.write("static/sub/deep.txt", "deep");
    site.link("sub/deep.txt", "static/inside.txt");
    site.link("sub", "static/inside");
    site.link(site.path("secret.txt"), "static/out.txt");
    site.link(site.path(""), "static/out");
    site.link("out", "static/out-by-another");
    let server = site.serve();
    let secret = site.path("secret.txt");
    let secret = secret.to_str().unwrap();
    for levels in 1..DEEPEST {
        for dots in ["../", "%2e%2e/", "..%2f", "%2e%2e%2f", "inside/../", "sub/../../"] {
            let up = dots.repeat(levels);
            assert_not_found(&server, &format!("/static/{up}{}", &secret[1..]));
            assert_not_found(&server, &format!("/static/inside/{up}{}", &secret[1..]));
            assert_not_found(&server, &format!("/static/{up}secret.txt"));
        }
    }
    // Joined with an absolute path, a root is forgotten (`pathlib`, `os.path.join`).
    for path in [format!("/static/{secret}"), format!("/static/%2f{}", &secret[1..]), format!("/static//{secret}")] {
        assert_not_found(&server, &path);
    }
    for path in ["out.txt", "out/secret.txt", "out-by-another/secret.txt", "out/static/plain.txt"] {
        assert_not_found(&server, &format!("/static/{path}"));
    }
    for path in ["/static/inside.txt", "/static/inside/deep.txt"] {
        assert_eq!(attack_path(&server, path).body, "deep");
    }
}

/// uWSGI's PHP plugin put the decoded path behind its docroot and looked only whether that began with the docroot.
#[test]
fn cve_2018_7490_encoded_slashes_below_a_docroot() {
    let site = Site::new();
    let secret = site.path("secret.txt");
    let secret = secret.to_str().unwrap();
    let encoded = secret[1..].replace('/', "%2f");
    let server = site.serve();
    for levels in 1..DEEPEST {
        for dots in ["..%2f", "%2e%2e%2f", "..%2F", "..%5c"] {
            for rest in [&secret[1..], &encoded, "secret.txt", "static%2fplain.txt"] {
                let path = format!("/{}{rest}", dots.repeat(levels));
                assert_not_found(&server, &format!("/static{path}"));
                assert_not_found(&server, &format!("/static/{path}"));
                // Below no prefix it is the application's, which sees the path as it was meant and no file.
                let answer = attack_path(&server, &path);
                assert_eq!(answer.status, 200);
                assert!(answer.body.starts_with("GET /..") && answer.body.ends_with(" 0 "), "{}", answer.body);
            }
        }
    }
    assert_plain(&mut server.connect());
}

/// aiohttp looked at where a file's link led, but not at its compressed sibling's.
#[test]
fn cve_2024_42367_a_compressed_sibling_that_leads_out_of_the_root() {
    let site = Site::new();
    site.link("..", "static/out");
    for (coding, suffix) in [("br", "br"), ("zstd", "zst"), ("gzip", "gz")] {
        for (name, target) in [("relative", "../secret.txt"), ("through", "out/secret.txt"), ("nothing", "../nothing")]
        {
            site.write(&format!("static/{coding}-{name}.txt"), PLAIN);
            site.link(target, &format!("static/{coding}-{name}.txt.{suffix}"));
        }
        site.write(&format!("static/{coding}-absolute.txt"), PLAIN);
        site.link(site.path("secret.txt"), &format!("static/{coding}-absolute.txt.{suffix}"));
        // A link within the root is as good as a file.
        site.write(&format!("static/{coding}-good.txt"), PLAIN);
        site.write(&format!("static/packed/{coding}"), coding);
        site.link(format!("packed/{coding}"), &format!("static/{coding}-good.txt.{suffix}"));
    }
    let server = site.serve();
    for (coding, suffix) in [("br", "br"), ("zstd", "zst"), ("gzip", "gz")] {
        for name in ["relative", "through", "nothing", "absolute"] {
            let path = format!("/static/{coding}-{name}.txt");
            for accepted in [coding, "*", "br, zstd, gzip, identity;q=0"] {
                let answer = attack(&server, get(&path, &format!("Accept-Encoding: {accepted}\r\n")));
                assert_eq!((answer.status, answer.body.as_str()), (200, PLAIN), "{path}");
                assert_eq!(answer.header("content-encoding"), None, "{path}");
            }
            assert_not_found(&server, &format!("{path}.{suffix}"));
        }
        let path = format!("/static/{coding}-good.txt");
        let answer = attack(&server, get(&path, &format!("Accept-Encoding: {coding}\r\n")));
        assert_eq!((answer.header("content-encoding"), answer.body.as_str()), (Some(coding), coding));
    }
}

#[test]
fn dots_in_every_form_of_a_request() {
    let site = Site::new();
    let server = site.serve();
    for path in [
        "/static/../secret.txt",
        "/static/..%2fsecret.txt",
        "/static/%2e%2e%5csecret.txt",
        "/static/%252e%252e%252fsecret.txt",
        "/static/%25252e%25252e/secret.txt",
        "/static/%c0%ae%c0%ae%c0%afsecret.txt",
        "/static/%e0%80%ae%e0%80%ae/secret.txt",
        "/static/%f0%80%80%ae%f0%80%80%ae/secret.txt",
        "/static/..%00/secret.txt",
        "/static/plain.txt%00/../../secret.txt",
        "/static/%2e%2e/static/plain.txt",
    ] {
        for request in [
            get(&format!("http://a.example{path}"), ""),
            get(&format!("{path}?plain.txt"), ""),
            format!("GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
            format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n"),
            get(path, "Range: bytes=0-9\r\n"),
            get(path, "Accept-Encoding: gzip, br, zstd\r\n"),
        ] {
            let answer = attack(&server, &request);
            assert_eq!(answer.status, 404, "{request}");
            assert_eq!(answer.header("content-length"), Some("14"), "{request}");
        }
    }
    let answer = attack_path(&server, "/static/plain.txt?/../../secret.txt");
    assert_eq!(answer.body, PLAIN);
}

#[test]
fn bytes_that_are_in_no_path() {
    let site = Site::new();
    let server = site.serve();
    for (path, status) in [
        (&b"..\xc0\xafsecret.txt"[..], 400),
        (b"\xc0\xae\xc0\xae/secret.txt", 400),
        (b"..\\secret.txt", 404),
        (b"plain.txt\0", 400),
        (b"..\0/secret.txt", 400),
        (b"..\t/secret.txt", 400),
        (b"plain.txt\r/../../secret.txt", 400),
    ] {
        let request = [b"GET /static/", path, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        let answer = attack(&server, request);
        assert_eq!(answer.status, status, "{}", path.escape_ascii());
    }
    assert_plain(&mut server.connect());
}

#[test]
fn hidden_names() {
    let site = Site::new();
    for name in [".env", ".env.gz", ".git/config", "sub/.env", "sub/.git/config", "..data/file", "...", ".well-known2"]
    {
        site.write_secret(&format!("static/{name}"));
    }
    site.write_secret("static/.well-known/.secret");
    site.write("static/.well-known/security.txt", "Contact: a");
    site.write("static/sub/.well-known/assetlinks.json", "[]");
    site.link(".env", "static/env");
    let server = site.serve();
    for path in [
        ".env",
        "%2eenv",
        "%2Eenv",
        ".env.gz",
        ".env%00",
        "./.env",
        "sub/.env",
        "sub/%2eenv",
        "sub//.env",
        ".git",
        ".git/",
        ".git/config",
        "%2egit/config",
        ".git%2fconfig",
        "sub/.git/config",
        "..data/file",
        "...",
        ".well-known",
        ".well-known2",
        ".well-known/.secret",
        ".well-known/../.env",
        ".well-known/%2e%2e/.env",
    ] {
        assert_not_found(&server, &format!("/static/{path}"));
        assert_eq!(attack(&server, get(&format!("/static/{path}"), "Accept-Encoding: gzip\r\n")).status, 404);
    }
    assert_eq!(attack_path(&server, "/static/.well-known/security.txt").body, "Contact: a");
    assert_eq!(attack_path(&server, "/static/sub/%2ewell-known/assetlinks.json").body, "[]");
}
