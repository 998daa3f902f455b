//! A file is for GET and HEAD; whatever else is asked, the connection stays in step.

use crate::static_site::{PLAIN, Site, assert_plain, get};

#[test]
fn an_answer_to_head_has_no_body() {
    let site = Site::new();
    let server = site.serve();
    let mut conn = server.connect();
    let after = get("/static/plain.txt", "");
    for (path, fields, status, length) in [
        ("/static/plain.txt", "", 200, "7"),
        ("/static/plain.txt", "Range: bytes=0-0\r\n", 200, "7"),
        ("/static/plain.txt", "Range: bytes=100-\r\n", 200, "7"),
        ("/static/missing.txt", "", 404, "14"),
        ("/static/../secret.txt", "", 404, "14"),
    ] {
        // Both at once: a body would be taken for the beginning of the second answer.
        conn.send(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{after}"));
        let head = conn.head();
        assert_eq!((head.status, head.header("content-length")), (status, Some(length)), "{path} {fields}");
        assert_eq!(conn.answer().body, PLAIN);
    }
}

#[test]
fn other_methods_are_refused_and_their_bodies_are_no_requests() {
    let site = Site::new();
    let server = site.serve();
    let smuggled = get("/smuggled", "");
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "PURGE", "get", "GETS"] {
        for path in ["/static/plain.txt", "/static/missing.txt"] {
            for body in [
                "\r\n".to_owned(),
                format!("Content-Length: {}\r\n\r\n{smuggled}", smuggled.len()),
                format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len()),
            ] {
                let mut conn = server.connect();
                conn.send(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{body}"));
                let answer = conn.answer();
                assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method} {path}");
                assert_eq!(answer.body, "405 Method Not Allowed\n");
                if answer.header("connection") == Some("close") {
                    conn.assert_closed();
                } else {
                    assert_plain(&mut conn);
                }
            }
        }
    }
}

#[test]
fn a_get_with_a_body() {
    let site = Site::new();
    let server = site.serve();
    let smuggled = get("/smuggled", "");
    let mut conn = server.connect();
    conn.send(get("/static/plain.txt", &format!("Content-Length: {}\r\n", smuggled.len())) + &smuggled);
    assert_eq!(conn.answer().body, PLAIN);
    assert_plain(&mut conn);
}
