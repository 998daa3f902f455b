//! Whatever bytes come, the next client is served.

use crate::server::Server;

/// xorshift64*: the same bytes each run.
fn noise(mut seed: u64, len: usize) -> Vec<u8> {
    let mut next = || {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        u8::try_from(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 56).unwrap()
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn random_bytes() {
    let server = Server::start();
    for seed in 1..200 {
        let mut conn = server.connect();
        conn.send_what_is_taken(&noise(seed, 2000));
        conn.end_sending_if_open();
        let answer = String::from_utf8_lossy(&conn.rest()).into_owned();
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 505"),
            "{answer}"
        );
    }
    server.assert_alive();
}

#[test]
fn a_request_cut_anywhere() {
    let server = Server::start();
    let request = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    for end in 0..request.len() {
        let mut conn = server.connect();
        conn.send(&request[..end]);
    }
    server.assert_alive();
}

#[test]
fn a_mebibyte_of_nul() {
    let server = Server::start();
    let mut conn = server.connect();
    conn.send_what_is_taken(&vec![0; 1 << 20]);
    conn.end_sending_if_open();
    drop(conn.rest());
    server.assert_alive();
}

#[test]
fn what_is_no_request_is_answered_400() {
    let server = Server::start();
    for text in [
        "hello\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut conn = server.connect();
        conn.send(text);
        assert_eq!(conn.answer().status, 400, "{text:?}");
        conn.assert_closed();
    }
    server.assert_alive();
}

#[test]
fn connections_that_close_at_once() {
    let server = Server::start();
    for _ in 0..200 {
        drop(server.connect());
    }
    server.assert_alive();
}
