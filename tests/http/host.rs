//! HTTP/1.1 without exactly one Host is refused with 400 and a closed socket (RFC 9112 §3.2).

use crate::server::Server;

#[test]
fn missing_and_repeated() {
    let server = Server::start();
    for hosts in ["", "Host: a\r\nHost: b\r\n", "Host: a\r\nhost: a\r\n"] {
        let mut conn = server.connect();
        conn.send(format!("GET / HTTP/1.1\r\n{hosts}\r\n"));
        assert_eq!(conn.answer().status, 400, "{hosts:?}");
        conn.assert_closed();
    }
}

#[test]
fn one_is_enough_and_http_1_0_needs_none() {
    let server = Server::start();
    assert_eq!(server.connect().get("/one"), "GET /one 0 ");
    let mut conn = server.connect();
    conn.send("GET /none HTTP/1.0\r\n\r\n");
    assert_eq!(conn.answer().body, "GET /none 0 ");
}
