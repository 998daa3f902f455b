//! A connection is closed where HTTP says so: HTTP/1.0, `Connection: close`, a client that has left.

use crate::server::Server;

#[test]
fn http_1_0() {
    let server = Server::start();
    let mut conn = server.connect();
    conn.send("GET /old HTTP/1.0\r\n\r\n");
    assert_eq!(conn.answer().body, "GET /old 0 ");
    conn.assert_closed();
}

#[test]
fn http_1_0_with_keep_alive_stays() {
    let server = Server::start();
    let mut conn = server.connect();
    for _ in 0..2 {
        conn.send("GET /old HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
        let answer = conn.answer();
        assert_eq!(answer.body, "GET /old 0 ");
        assert!(answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("keep-alive")));
    }
}

#[test]
fn connection_close() {
    let server = Server::start();
    let mut conn = server.connect();
    conn.send("GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = conn.answer();
    assert_eq!((answer.body.as_str(), answer.header("connection")), ("GET /last 0 ", Some("close")));
    conn.assert_closed();
}

#[test]
fn a_client_that_ended_its_sending_half_has_left() {
    // docs/decisions/002: closed at once, with the whole answer if it was quicker, never with a part of it.
    let server = Server::start();
    for request in
        ["GET /half HTTP/1.1\r\nHost: a\r\n\r\n", "POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"]
    {
        let mut conn = server.connect();
        conn.send(request);
        conn.end_sending();
        let answer = String::from_utf8_lossy(&conn.rest()).into_owned();
        assert!(answer.is_empty() || answer.ends_with("/half 0 "), "{answer}");
    }
    server.assert_alive();
}

#[test]
fn a_client_that_leaves_within_its_body() {
    let server = Server::start();
    for framing in ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let mut conn = server.connect();
        conn.send(format!("POST /p HTTP/1.1\r\nHost: a\r\n{framing}"));
        conn.end_sending();
        let answer = String::from_utf8_lossy(&conn.rest()).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    server.assert_alive();
}
