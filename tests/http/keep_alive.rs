//! A connection serves one request after another (RFC 9112 §9.3), whatever the requests are like.

use crate::server::Server;

#[test]
fn many_requests_on_one_connection() {
    let server = Server::start();
    let mut conn = server.connect();
    for number in 0..100 {
        assert_eq!(conn.get(&format!("/{number}")), format!("GET /{number} 0 "));
    }
}

#[test]
fn bodies_between_requests() {
    let server = Server::start();
    let mut conn = server.connect();
    for len in [0, 1, 1000, 100_000, 3_000_000] {
        conn.send(format!("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n"));
        conn.send(vec![b'x'; len]);
        assert_eq!(conn.answer().body, format!("POST /p {len} {}", "x".repeat(len.min(100))));
        assert_eq!(conn.get("/g"), "GET /g 0 ");
    }
}

#[test]
fn empty_lines_before_a_request_line_are_skipped() {
    // RFC 9112 §2.2: at least one.
    let server = Server::start();
    let mut conn = server.connect();
    assert_eq!(conn.get("/first"), "GET /first 0 ");
    conn.send("\r\n");
    assert_eq!(conn.get("/second"), "GET /second 0 ");
}
