//! Whose a path is, and that nothing leaves the root.

use super::*;
use std::os::unix::fs::symlink;

#[test]
fn hits_misses_and_the_apps_turn() {
    let site = Site::new(&[
        ("app.js", b"1"),
        ("sub/a b.js", b"2"),
        ("café.css", b"3"),
        (".well-known/x", b"4"),
        ("100%.txt", b"5"),
    ]);
    let files = site.open();
    for (path, expected) in [
        ("/static/app.js", Some(200)),
        ("/static/app.js?v=1", Some(200)),
        ("/static/%61pp.js", Some(200)),
        ("/%73tatic/app.js", Some(200)),
        ("/static/sub/a%20b.js", Some(200)),
        ("/static/caf%C3%A9.css", Some(200)),
        ("/static/.well-known/x", Some(200)),
        ("/static/100%25.txt", Some(200)),
        ("http://example.org/static/app.js", Some(200)),
        ("/static/", Some(404)),
        ("/static/sub", Some(404)),
        ("/static/sub/", Some(404)),
        ("/static/app.js/", Some(404)),
        ("/static//app.js", Some(404)),
        ("/static/./app.js", Some(404)),
        ("/static/APP.js", Some(404)),
        ("/static", None),
        ("/staticfoo/app.js", None),
        ("/static.js", None),
        ("/", None),
        ("//static/app.js", None),
        ("/app/static/app.js", None),
        ("/app/%zz", None),
        ("/app/%00", None),
        ("*", None),
    ] {
        assert_eq!(status(&files, path), expected, "{path}");
    }
}

#[test]
fn nothing_leaves_the_root() {
    let site = Site::new(&[
        ("root/app.js", b"1"),
        ("root/sub/b.js", b"1"),
        ("secret", b"s"),
        ("root/.env", b"s"),
        ("root/.git/config", b"s"),
    ]);
    let root = site.root().join("root");
    symlink("../secret", root.join("out.js")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("../secret", root.join("app.js.br")).unwrap();
    symlink("app.js", root.join("alias.js")).unwrap();
    let files = open(&[("/static/", &root)], 1 << 20);
    for path in [
        "/static/../secret",
        "/static/%2e%2e/secret",
        "/static/.%2E/secret",
        "/static/%2e%2e%2fsecret",
        "/static/..%5csecret",
        "/static/..%5Csecret",
        "/static/sub/../app.js",
        "/static/sub/%2e%2e/app.js",
        "/static/%252e%252e/secret",
        "/static/app.js%00",
        "/static/app.js%00.png",
        "/static/%ff",
        "/static/%c0%ae%c0%ae/secret",
        "/static/%zz",
        "/static/%",
        "/static/.env",
        "/static/%2eenv",
        "/static/.git/config",
        "/static/out.js",
        "/static/up/secret",
        "/static/up/root/app.js",
    ] {
        assert_eq!(status(&files, path), Some(404), "{path}");
    }
    assert_eq!(status(&files, "/static/alias.js"), Some(200));
    let response = get(&files, "/static/app.js", &[("accept-encoding", "br")]);
    assert_eq!(header(&response, "content-encoding"), "");
}

#[test]
fn the_longest_prefix_has_the_path_to_itself() {
    let (outer, inner) =
        (Site::new(&[("a", b"outer"), ("admin/a", b"outer"), ("admin/b", b"outer")]), Site::new(&[("a", b"inner!")]));
    let files = open(&[("/static/", outer.root()), ("/static/admin/", inner.root())], 1 << 20);
    assert_eq!(header(&get(&files, "/static/admin/a", &[]), "content-length"), "6");
    assert_eq!(status(&files, "/static/admin/b"), Some(404));
    assert_eq!(status(&files, "/static/a"), Some(200));
    let counts: Vec<_> = files.mounts().iter().map(|mount| (mount.url.as_str(), mount.assets, mount.bytes)).collect();
    assert_eq!(counts, [("/static/", Some(1), 5), ("/static/admin/", Some(1), 6)]);
}

#[test]
fn of_two_directories_at_one_prefix_the_first_wins() {
    let (first, second) = (Site::new(&[("a", b"1")]), Site::new(&[("a", b"22"), ("b", b"22")]));
    let files = open(&[("/static/", first.root()), ("/static/", second.root())], 1 << 20);
    assert_eq!(header(&get(&files, "/static/a", &[]), "content-length"), "1");
    assert_eq!(header(&get(&files, "/static/b", &[]), "content-length"), "2");
}

#[test]
fn a_mount_at_the_root_leaves_its_misses_to_the_app() {
    let site = Site::new(&[("favicon.ico", b"1"), ("static/x", b"1")]);
    let files = open(&[("/", site.root()), ("/assets/", site.root())], 1 << 20);
    assert_eq!(status(&files, "/favicon.ico"), Some(200));
    assert_eq!(status(&files, "/login"), None);
    assert_eq!(status(&files, "/%zz"), None);
    assert_eq!(status(&files, "/assets/nothing"), Some(404));
    assert!(request(&files, &Method::POST, "/login", &[]).is_none());
    assert_eq!(request(&files, &Method::POST, "/favicon.ico", &[]).unwrap().status(), 405);
}

#[tokio::test]
async fn an_index_stands_for_its_directory() {
    let site = Site::new(&[("index.html", b"home"), ("my docs/index.html", b"docs"), ("static/x", b"1")]);
    let files = open(&[("/", site.root()), ("/help/", site.root())], 1 << 20);
    for (path, body) in [
        ("/", "home"),
        ("/index.html", "home"),
        ("/my%20docs/", "docs"),
        ("/help/", "home"),
        ("/help/my%20docs/index.html", "docs"),
    ] {
        let response = get(&files, path, &[]);
        assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8");
        assert_eq!(bytes(response).await, body, "{path}");
    }
    for (path, location) in [
        ("/my%20docs", "/my%20docs/"),
        ("/%6dy%20docs?a=b&c=%2F", "/my%20docs/?a=b&c=%2F"),
        ("/help", "/help/"),
        ("/help/my%20docs?", "/help/my%20docs/?"),
    ] {
        let response = get(&files, path, &[]);
        assert_eq!((response.status().as_u16(), header(&response, "location")), (302, location));
        assert_eq!(header(&response, "cache-control"), "no-store");
    }
    // Not a redirect to another host, whatever is made of the slashes.
    for path in ["//my%20docs", "/my%20docs//", "//evil.example/my%20docs", "/%2Fevil.example/..", "/\\evil"] {
        let target = path.replace('\\', "%5c");
        assert!(request(&files, &Method::GET, &target, &[]).is_none(), "{path}");
    }
    assert_eq!(status(&files, "/help//"), Some(404));
    for path in ["/", "/my%20docs", "/my%20docs/"] {
        assert!(request(&files, &Method::POST, path, &[]).is_none(), "a form of the application's: {path}");
    }
    assert_eq!(request(&files, &Method::POST, "/help/", &[]).unwrap().status(), 405);
}

#[test]
fn the_first_directory_that_has_a_file_counts() {
    let (one, two) = (Site::new(&[("a.txt", b"one")]), Site::new(&[("a.txt", b"twotwo"), ("b.txt", b"two")]));
    let files = open(&[("/static/", one.root()), ("/static/", two.root())], 1 << 20);
    assert_eq!(header(&get(&files, "/static/a.txt", &[]), "content-length"), "3");
    assert_eq!(header(&get(&files, "/static/b.txt", &[]), "content-length"), "3");
    assert_eq!(files.mounts().iter().map(|mount| mount.assets).collect::<Vec<_>>(), [Some(1), Some(1)]);
}

#[tokio::test]
async fn other_methods_and_misses_are_answered_here() {
    let site = Site::new(&[("app.js", b"1")]);
    let files = site.open();
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
        for path in ["/static/app.js", "/static/nothing"] {
            let response = request(&files, &method, path, &[]).unwrap();
            assert_eq!((response.status().as_u16(), header(&response, "allow")), (405, "GET, HEAD"));
            assert_eq!(bytes(response).await, "405 Method Not Allowed\n");
        }
    }
    let miss = get(&files, "/static/nothing", &[]);
    assert_eq!(header(&miss, "cache-control"), "no-store");
    assert_eq!(bytes(miss).await, "404 Not Found\n");
    let head = request(&files, &Method::HEAD, "/static/nothing", &[]).unwrap();
    assert_eq!((head.status().as_u16(), header(&head, "content-length")), (404, "14"));
    assert!(head.body().is_end_stream());
}

#[test]
fn a_missing_directory_is_no_error_and_no_mount_is_empty() {
    let site = Site::new(&[]);
    let files = open(&[("/static/", &site.root().join("missing"))], 1 << 20);
    assert!(!files.is_empty());
    assert_eq!(files.mounts()[0].assets, Some(0));
    assert_eq!(status(&files, "/static/a"), Some(404));
    assert_eq!(status(&files, "/a"), None);
    assert!(open(&[], 0).is_empty());
}

#[test]
fn a_catalog_is_read_once() {
    let site = Site::new(&[("a", b"1")]);
    let files = site.open();
    site.write("b", b"1", 0);
    fs::remove_file(site.root().join("a")).unwrap();
    assert_eq!(status(&files, "/static/a"), Some(200));
    assert_eq!(status(&files, "/static/b"), Some(404));
}
