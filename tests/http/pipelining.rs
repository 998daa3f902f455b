//! Pipelined requests are answered all, in order, and each as soon as it can be (RFC 9112 §9.3.2).

use crate::server::Server;

#[test]
fn in_order() {
    let server = Server::start();
    let mut conn = server.connect();
    let requests: String = (0..100)
        .map(|number| match number % 3 {
            0 => format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"),
            1 => format!("POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"),
            _ => {
                format!("PUT /{number} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            }
        })
        .collect();
    conn.send(requests);
    for number in 0..100 {
        let expected = match number % 3 {
            0 => format!("GET /{number} 0 "),
            1 => format!("POST /{number} 3 abc"),
            _ => format!("PUT /{number} 3 abc"),
        };
        assert_eq!(conn.answer().body, expected);
    }
}

#[test]
fn an_answer_does_not_wait_for_the_rest_of_the_next_request() {
    let server = Server::start();
    let mut conn = server.connect();
    conn.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /seco");
    assert_eq!(conn.answer().body, "GET /first 0 ");
    conn.send("nd HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(conn.answer().body, "GET /second 0 ");
}

#[test]
fn what_follows_a_close_is_not_answered() {
    // RFC 9112 §9.6.
    let server = Server::start();
    let mut conn = server.connect();
    conn.send("GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(conn.answer().body, "GET /last 0 ");
    conn.assert_closed();
}
