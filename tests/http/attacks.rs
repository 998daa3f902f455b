//! Attacks that no single request of the corpus shows: they are in when bytes come, and in who leaves when.
//!
//! Each is named after the CVE that others had for it.

use std::fs;
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::json;
use socket2::SockRef;

use crate::requests::{APP, Client, TIMEOUT};
use crate::server::Server;

const AFTER: &[u8] = b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n";
/// What servers are wont to read at once: waitress' `recv_bytes`, hyper's first buffer, and larger ones.
const READS: [usize; 6] = [4096, 8192, 16384, 32768, 65536, 131_072];
/// The head of headers alone is refused above this.
const HEADERS: usize = 65536;

/// waitress ran what had been read ahead of the error.
#[test]
fn cve_2024_49768_nothing_runs_after_an_error_however_it_arrives() {
    let server = Server::serving(APP, &[]);
    for _ in 0..200 {
        refused_alone(&server, b"GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Segments::Two);
    }
    assert_eq!(Client::connect(&server).ask("/-seen").unwrap(), json!({}));
}

/// The request in error filled a read of waitress to its last byte, so that the next one was a read of its own.
#[test]
fn cve_2024_49768_nor_when_the_error_ends_where_a_read_does() {
    let server = Server::serving(APP, &[]);
    for length in READS.into_iter().flat_map(|length| [length - 1, length, length + 1]) {
        let mut bad = vec![bad_body(length)];
        if length < HEADERS {
            bad.push(bad_head(length));
        }
        for bad in bad {
            assert_eq!(bad.len(), length);
            for segments in [Segments::One, Segments::Two, Segments::AfterTheAnswer] {
                refused_alone(&server, &bad, segments);
            }
        }
    }
    assert_eq!(Client::connect(&server).ask("/-seen").unwrap(), json!({}));
}

/// The same after a request that is no error but the connection's last.
#[test]
fn cve_2024_49768_nor_after_a_request_that_closes() {
    let server = Server::serving(APP, &[]);
    for last in [
        &b"GET /-pid HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"[..],
        b"GET /-pid HTTP/1.0\r\n\r\n",
        b"GET /-pid HTTP/1.0\r\nConnection: close\r\n\r\n",
        b"POST /-pid HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        for segments in [Segments::One, Segments::Two, Segments::AfterTheAnswer] {
            assert_eq!(answered_once(&server, last, segments), 200);
        }
    }
    assert_eq!(Client::connect(&server).ask("/-seen").unwrap(), json!({}));
}

/// How a request and a good one behind it are sent.
#[derive(Clone, Copy)]
enum Segments {
    One,
    Two,
    AfterTheAnswer,
}

fn refused_alone(server: &Server, bad: &[u8], segments: Segments) {
    assert_eq!(answered_once(server, bad, segments), 400);
}

/// The status of the only answer to `first` and what follows it.
fn answered_once(server: &Server, first: &[u8], segments: Segments) -> u16 {
    let mut client = Client::connect(server);
    match segments {
        Segments::One => client.send(&[first, AFTER, AFTER].concat()),
        Segments::Two => {
            client.send(first);
            client.send(AFTER);
        }
        Segments::AfterTheAnswer => client.send(first),
    }
    let answer = client.answer(false).unwrap().expect("an answer");
    client.send(AFTER);
    assert!(client.answer(false).unwrap().is_none());
    answer.status
}

/// `length` bytes of a head, of which the last ones are the error.
fn bad_head(length: usize) -> Vec<u8> {
    let (begin, end) = ("GET /bad HTTP/1.1\r\nHost: a\r\n", "Host: b\r\n\r\n");
    let mut left = length - begin.len() - end.len();
    let mut head = begin.to_owned();
    while left > 0 {
        let line = if left > 10_000 { 8000 } else { left };
        head.extend(["X: ", &"x".repeat(line - 5), "\r\n"]);
        left -= line;
    }
    (head + end).into_bytes()
}

/// `length` bytes of a chunked request, of which the last ones are the error.
fn bad_body(length: usize) -> Vec<u8> {
    let (begin, end) = ("POST /bad HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "\r\n0 \r\n\r\n");
    let data = length - begin.len() - end.len() - 10;
    format!("{begin}{data:08x}\r\n{}{end}", "x".repeat(data)).into_bytes()
}

/// waitress kept the socket of a client that had left early, and span on it.
#[test]
fn cve_2024_49769_a_client_that_leaves_at_any_byte_leaves_nothing_behind() {
    nothing_is_left_of_clients_that_leave(&[], b"");
}

#[test]
fn cve_2024_49769_nor_does_one_behind_a_proxy() {
    nothing_is_left_of_clients_that_leave(&["--proxy-protocol"], b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n");
}

fn nothing_is_left_of_clients_that_leave(options: &[&str], preamble: &[u8]) {
    let server = Server::serving(APP, options);
    let mut control = Client::connect(&server);
    control.send(preamble);
    let pid = control.ask("/-pid").unwrap();
    let descriptors = || fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let before = descriptors();
    let mut request = preamble.to_vec();
    request.extend(b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    // These end their sending half, and neither read nor close.
    let mut staying = Vec::new();
    for end in 0..=request.len() {
        let mut leaving = Client::connect(&server);
        leaving.send(&request[..end]);
        leaving.end_sending();
        while leaving.answer(false).unwrap().is_some() {}
        let mut half = Client::connect(&server);
        half.send(&request[..end]);
        half.end_sending();
        staying.push(half);
        let mut resetting = Client::connect(&server);
        resetting.send(&request[..end]);
        reset(resetting.stream);
    }
    // Gone before they are accepted: there is no peer to ask for.
    for _ in 0..200 {
        reset(TcpStream::connect(server.address()).unwrap());
    }
    let deadline = Instant::now() + TIMEOUT;
    while descriptors() > before {
        assert!(Instant::now() < deadline, "{} descriptors, {before} before", descriptors());
        control.ask("/-pid").unwrap();
    }
    let used = server.cpu();
    // A second in which nothing happens.
    let (_nobody, never) = mpsc::channel::<()>();
    never.recv_timeout(Duration::from_secs(1)).unwrap_err();
    let used = server.cpu() - used;
    assert!(used <= 10, "{used} hundredths of a second of CPU in an idle second");
    drop(staying);
}

/// Puma did not always close the body, and the next request found in its thread what this one had left.
#[test]
fn cve_2022_23634_every_body_is_closed_once_and_before_the_next_request() {
    let server = Server::serving(APP, &[]);
    for body in ["endless", "few", "raises-late", "short", "long", "raises", "none"] {
        let leaves = match body {
            "raises" | "none" => &[Leave::AtOnce, Leave::AfterTheHead][..],
            _ => &[Leave::AtOnce, Leave::AfterTheHead, Leave::Late],
        };
        for head in ["GET /-body?BODY HTTP/1.1\r\nHost: a\r\n\r\n", "GET /-body?BODY HTTP/1.0\r\n\r\n"] {
            let request = head.replace("BODY", body);
            for leave in leaves {
                for resets in [false, true] {
                    let mut client = Client::connect(&server);
                    // The second is still in the queue, or read ahead, when the client leaves.
                    client.send(request.repeat(2).as_bytes());
                    match leave {
                        Leave::AtOnce => {}
                        Leave::AfterTheHead => drop(client.fill(1)),
                        Leave::Late => drop(client.fill(100_000)),
                    }
                    if resets {
                        reset(client.stream);
                    }
                }
            }
        }
        let mut whole = Client::connect(&server);
        whole.send(format!("HEAD /-body?{body} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let _ = whole.answer(true).unwrap();
    }
    let bodies = Client::connect(&server).ask("/-bodies").unwrap();
    assert!(bodies["opened"].as_u64() > Some(50), "{bodies}");
    assert_eq!(bodies["closed"], bodies["opened"], "{bodies}");
    assert_eq!((&bodies["closed twice"], &bodies["left over"]), (&json!(0), &json!(0)), "{bodies}");
}

/// When a client leaves.
#[derive(Clone, Copy)]
enum Leave {
    AtOnce,
    AfterTheHead,
    Late,
}

/// Closes a connection by RST.
fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}
