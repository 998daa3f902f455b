//! A chunked request body is decoded, whatever its chunks are like (RFC 9112 §7.1).

use crate::server::Server;

const HEAD: &str = "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn chunks_of_all_kinds() {
    let server = Server::start();
    let mut conn = server.connect();
    for (chunks, expected) in [
        ("0\r\n\r\n", "POST /c 0 "),
        ("5\r\nhello\r\n0\r\n\r\n", "POST /c 5 hello"),
        ("1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", "POST /c 5 hello"),
        ("00005\r\nhello\r\n000\r\n\r\n", "POST /c 5 hello"),
        ("A\r\n0123456789\r\n0\r\n\r\n", "POST /c 10 0123456789"),
        ("a\r\n0123456789\r\n0\r\n\r\n", "POST /c 10 0123456789"),
        ("5;name=value\r\nhello\r\n0\r\n\r\n", "POST /c 5 hello"),
        ("5\r\nhello\r\n0\r\nTrailer: dropped\r\n\r\n", "POST /c 5 hello"),
        ("2\r\n\r\n\r\n0\r\n\r\n", "POST /c 2 \r\n"),
    ] {
        conn.send(format!("{HEAD}{chunks}"));
        assert_eq!(conn.answer().body, expected, "{chunks:?}");
    }
    assert_eq!(conn.get("/next"), "GET /next 0 ");
}

#[test]
fn byte_by_byte() {
    let server = Server::start();
    let mut conn = server.connect();
    for byte in format!("{HEAD}5\r\nhello\r\n0\r\n\r\n").bytes() {
        conn.send([byte]);
    }
    assert_eq!(conn.answer().body, "POST /c 5 hello");
}

#[test]
fn sizes_that_are_none_are_refused() {
    let server = Server::start();
    for size in ["x", "-1", "+5", "0x5", "5 5", "ffffffffffffffffff", ""] {
        let mut conn = server.connect();
        conn.send(format!("{HEAD}{size}\r\nhello\r\n0\r\n\r\n"));
        let answer = String::from_utf8_lossy(&conn.rest()).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{size:?}: {answer}");
    }
    server.assert_alive();
}
