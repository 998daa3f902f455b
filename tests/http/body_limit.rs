//! A body over the limit is answered 413; announced, it is answered before it is sent.

use crate::server::Server;

#[test]
fn announced() {
    let server = Server::with(&["--max-body-size", "10"]);
    let mut conn = server.connect();
    conn.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n");
    assert_eq!(conn.answer().status, 413);
    conn.assert_closed();
}

#[test]
fn chunked() {
    let server = Server::with(&["--max-body-size", "10"]);
    let mut conn = server.connect();
    conn.send("POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n");
    assert_eq!(conn.answer().status, 413);
    server.assert_alive();
}

#[test]
fn exactly_the_limit() {
    let server = Server::with(&["--max-body-size", "10"]);
    let mut conn = server.connect();
    conn.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789");
    assert_eq!(conn.answer().body, "POST /p 10 0123456789");
}
