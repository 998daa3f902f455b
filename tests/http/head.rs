//! The answer to HEAD has the length of GET's and no body, so that the connection goes on (RFC 9110 §9.3.2).

use crate::server::Server;

#[test]
fn the_connection_is_used_again() {
    let server = Server::start();
    let mut conn = server.connect();
    for _ in 0..3 {
        conn.send("HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = conn.head();
        assert_eq!((head.status, head.header("content-length")), (200, Some("10")));
        assert_eq!(conn.get("/g"), "GET /g 0 ");
    }
}
