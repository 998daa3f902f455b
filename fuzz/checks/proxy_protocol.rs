//! `net::proxy_protocol` against its text, read over the whole buffer. Data: what a connection begins with.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use monopod::net::proxy_protocol::{Parsed, Source, parse, read};
use tokio::io::{AsyncRead, ReadBuf};

use super::choices::Choices;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// What this server takes behind the sixteen fixed bytes of version 2.
const LONGEST_REST: usize = 4096;

/// A header is read to its last byte and no further, and means the same however it is cut.
pub fn proxy_protocol(data: &[u8]) {
    let expected = reference(data);
    for pieces in [vec![data], Choices::of(data).cut(data)] {
        let mut stream = Pieces { left: &pieces, at: 0, taken: 0 };
        let found = now(read(&mut stream));
        match (found, expected) {
            (Ok(source), Some(expected)) => assert_eq!((source, stream.taken), expected, "{data:?}"),
            (Err(error), None) => {
                let is_told = matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof);
                assert!(is_told, "{error}");
            }
            (found, expected) => panic!("{found:?}, reference {expected:?}; {data:?}"),
        }
        let most = if data.starts_with(&SIGNATURE) { 16 + LONGEST_REST } else { 107 };
        assert!(stream.taken <= most, "{} bytes read; {data:?}", stream.taken);
    }
    // No beginning of a header is taken for one, nor refused, and none asks for more than the header still has.
    let (end, is_whole) = expected.map_or((data.len(), false), |(_, length)| (length, true));
    let mut is_refused = false;
    for at in 0..=end.min(300) {
        match parse(&data[..at]) {
            Parsed::Incomplete { more } => {
                assert!(more > 0 && !is_refused, "{data:?} at {at}");
                assert!(!is_whole || at + more <= end, "asks for {more} at {at}; {data:?}");
            }
            Parsed::Done { len, source } => assert_eq!((Some((source, len)), at), (expected, end), "{data:?}"),
            Parsed::Invalid => {
                assert!(!is_whole, "refused at {at}; {data:?}");
                is_refused = true;
            }
        }
    }
}

/// Who speaks, and how long the header is.
fn reference(data: &[u8]) -> Option<(Source, usize)> {
    if data.starts_with(&SIGNATURE) { binary(data) } else { text(data) }
}

/// §2.1.
fn text(data: &[u8]) -> Option<(Source, usize)> {
    let end = (0..data.len()).find(|at| data[*at..].starts_with(b"\r\n"))?;
    if end + 2 > 107 {
        return None;
    }
    let line = std::str::from_utf8(&data[..end]).ok()?;
    let words: Vec<&str> = line.split(' ').collect();
    let source = match words[..] {
        // "the receiver must ignore anything presented before the CRLF"
        ["PROXY", "UNKNOWN", ..] => Source::Hidden,
        ["PROXY", family @ ("TCP4" | "TCP6"), client, server, client_port, server_port] => {
            let end = |address: &str, port: &str| {
                let address: IpAddr = address.parse().ok()?;
                let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
                (is_number && address.is_ipv4() == (family == "TCP4")).then_some(())?;
                Some(SocketAddr::new(address, port.parse().ok()?))
            };
            Source::Client { client: end(client, client_port)?, server: end(server, server_port)? }
        }
        _ => return None,
    };
    Some((source, end + 2))
}

/// §2.2.
fn binary(data: &[u8]) -> Option<(Source, usize)> {
    let (fixed, rest) = data.split_at_checked(16)?;
    let length = usize::from(fixed[14]) * 256 + usize::from(fixed[15]);
    let is_local = match fixed[12] {
        0x20 => true,
        0x21 => false,
        _ => return None,
    };
    let (family, protocol) = (fixed[13] / 16, fixed[13] % 16);
    if family > 3 || protocol > 2 || length > LONGEST_REST || length > rest.len() {
        return None;
    }
    let port = |at: usize| u16::from_be_bytes([rest[at], rest[at + 1]]);
    let source = match (family, protocol) {
        _ if is_local => Source::Proxy,
        (1, 1) if length < 12 => return None,
        (2, 1) if length < 36 => return None,
        (1, 1) => {
            let address = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&rest[at..at + 4]).unwrap());
            Source::Client { client: (address(0), port(8)).into(), server: (address(4), port(10)).into() }
        }
        (2, 1) => {
            let address = |at: usize| IpAddr::from(<[u8; 16]>::try_from(&rest[at..at + 16]).unwrap());
            Source::Client { client: (address(0), port(32)).into(), server: (address(16), port(34)).into() }
        }
        _ => Source::Hidden,
    };
    Some((source, 16 + length))
}

/// A connection that hands out one piece each time, and then ends.
struct Pieces<'a> {
    left: &'a [&'a [u8]],
    at: usize,
    taken: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while let Some((piece, after)) = self.left.split_first() {
            let rest = &piece[self.at..];
            if rest.is_empty() {
                (self.left, self.at) = (after, 0);
                continue;
            }
            let length = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..length]);
            self.at += length;
            self.taken += length;
            break;
        }
        Poll::Ready(Ok(()))
    }
}

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap());

/// The outcome of what never has to wait; the deadline it sets itself does not come.
fn now<T>(future: impl Future<Output = T>) -> T {
    let _runtime = RUNTIME.enter();
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("the connection has ended, and it still waits"),
    }
}
