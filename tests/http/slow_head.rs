//! A head that comes in pieces is put together, and holds nobody up.

use crate::server::Server;

#[test]
fn byte_by_byte_beside_another_client() {
    let server = Server::start();
    let (mut slow, mut other) = (server.connect(), server.connect());
    for byte in b"GET /slow HTTP/1.1\r\nHost: a.example\r\nX-A: b\r\n\r\n" {
        slow.send([*byte]);
        assert_eq!(other.get("/other"), "GET /other 0 ");
    }
    assert_eq!(slow.answer().body, "GET /slow 0 ");
}
