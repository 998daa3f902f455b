//! `Expect: 100-continue` is answered 100 when the body is wanted, and never before its length was judged
//! (RFC 9110 §10.1.1).

use crate::server::Server;

const HEAD: &str = "POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n";

#[test]
fn the_body_is_asked_for() {
    let server = Server::start();
    let mut conn = server.connect();
    conn.send(format!("{HEAD}Content-Length: 5\r\n\r\n"));
    assert_eq!(conn.head().status, 100);
    conn.send("hello");
    assert_eq!(conn.answer().body, "POST /p 5 hello");
    assert_eq!(conn.get("/next"), "GET /next 0 ");
}

#[test]
fn a_chunked_body_is_asked_for() {
    let server = Server::start();
    let mut conn = server.connect();
    conn.send(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n"));
    assert_eq!(conn.head().status, 100);
    conn.send("5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(conn.answer().body, "POST /p 5 hello");
}

#[test]
fn a_body_that_is_too_long_is_not() {
    let server = Server::with(&["--max-body-size", "10"]);
    let mut conn = server.connect();
    conn.send(format!("{HEAD}Content-Length: 11\r\n\r\n"));
    let answer = conn.answer();
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    conn.assert_closed();
}

#[test]
fn a_body_sent_at_once_is_read_too() {
    let server = Server::start();
    let mut conn = server.connect();
    conn.send(format!("{HEAD}Content-Length: 5\r\n\r\nhello"));
    let first = conn.answer();
    let answer = if first.status == 100 { conn.answer() } else { first };
    assert_eq!(answer.body, "POST /p 5 hello");
}
