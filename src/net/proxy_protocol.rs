//! The PROXY protocol's header, version 1 (a line of text) and 2 (binary): what a TCP proxy says of its client before the
//! first byte of HTTP (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>).
//!
//! Called by `server` once per connection, where `--proxy-protocol` asks for it and the peer is trusted. Reads the header
//! and not a byte more; without a whole and valid one the connection ends, as guessing would let clients choose who they are.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// How long a proxy may take to send it.
const DEADLINE: Duration = Duration::from_secs(10);
/// §2.1: the longest line, CR and LF included; 108 bytes hold it with a zero behind it.
const LONGEST_LINE: usize = 107;
/// `PROXY UNKNOWN` and CR LF.
const SHORTEST: usize = 15;
/// §2.2.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family and protocol, length.
const FIXED: usize = 16;
/// What may follow those: addresses, and the fields clouds and TLS add. They may announce 64 KiB; nobody sends so much.
const LONGEST_REST: usize = 4096;

/// What a beginning of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// At least `more` bytes of the header are missing.
    Incomplete { more: usize },
    /// The header is `len` bytes long.
    Done { len: usize, source: Source },
    /// Not a header.
    Invalid,
}

/// Who speaks on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The proxy itself (LOCAL), such as a health check.
    Proxy,
    /// A client that the proxy cannot name: UNKNOWN, AF_UNSPEC, a Unix socket, or not a stream.
    Hidden,
    /// `client` who connected to `server`.
    Client { client: SocketAddr, server: SocketAddr },
}

/// Parses the header at the beginning of `bytes`.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(byte, expected)| byte == expected);
    let (is_text, is_binary) = (begins(b"PROXY "), begins(SIGNATURE));
    match bytes.len() {
        _ if !is_text && !is_binary => Parsed::Invalid,
        len @ ..SHORTEST => Parsed::Incomplete { more: SHORTEST - len },
        _ if is_text => text(bytes),
        _ => binary(bytes),
    }
}

/// §2.1.
fn text(bytes: &[u8]) -> Parsed {
    let bytes = &bytes[..bytes.len().min(LONGEST_LINE)];
    let Some(len) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return match LONGEST_LINE - bytes.len() {
            0 => Parsed::Invalid,
            room => Parsed::Incomplete { more: missing(bytes).min(room) },
        };
    };
    match str::from_utf8(&bytes[..len]).ok().and_then(line) {
        Some(source) => Parsed::Done { len: len + 2, source },
        None => Parsed::Invalid,
    }
}

/// How many bytes a line without its end lacks at least.
fn missing(line: &[u8]) -> usize {
    if line.ends_with(b"\r") {
        return 1;
    }
    if line.starts_with(b"PROXY UNKNOWN") {
        return 2;
    }
    // Six fields of a byte or more, a space between each, and the end.
    let spaces = line.split(|byte| *byte == b' ').count() - 1;
    5_usize.saturating_sub(spaces) * 2 + usize::from(line.ends_with(b" ")) + 2
}

fn line(line: &str) -> Option<Source> {
    let mut fields = line.split(' ').skip(1);
    let is_v6 = match fields.next()? {
        "UNKNOWN" => return Some(Source::Hidden),
        "TCP4" => false,
        "TCP6" => true,
        _ => return None,
    };
    let mut next = || fields.next();
    let (client, server, client_port, server_port) = (next()?, next()?, next()?, next()?);
    let address = |text: &str| text.parse::<IpAddr>().ok().filter(|address| address.is_ipv6() == is_v6);
    let client = SocketAddr::new(address(client)?, port(client_port)?);
    let server = SocketAddr::new(address(server)?, port(server_port)?);
    next().is_none().then_some(Source::Client { client, server })
}

/// Digits alone; `str::parse` would take a sign.
fn port(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// §2.2.
fn binary(bytes: &[u8]) -> Parsed {
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else {
        return Parsed::Incomplete { more: FIXED - bytes.len() };
    };
    let [.., command, family, high, low] = *fixed;
    let len = usize::from(u16::from_be_bytes([high, low]));
    let is_assigned = matches!(command, 0x20 | 0x21) && matches!((family >> 4, family & 0xf), (0..=3, 0..=2));
    if !is_assigned || len > LONGEST_REST {
        return Parsed::Invalid;
    }
    let Some(rest) = rest.get(..len) else {
        return Parsed::Incomplete { more: len - rest.len() };
    };
    let source = match (command, family) {
        // LOCAL: whatever follows is to be skipped.
        (0x20, _) => Some(Source::Proxy),
        (_, 0x11) => addresses(rest, |octets: [u8; 4]| Ipv4Addr::from(octets).into()),
        (_, 0x21) => addresses(rest, |octets: [u8; 16]| Ipv6Addr::from(octets).into()),
        _ => Some(Source::Hidden),
    };
    source.map_or(Parsed::Invalid, |source| Parsed::Done { len: FIXED + len, source })
}

/// Client, server, and their ports; what follows are fields of type, length and value, of which none is needed.
fn addresses<const N: usize>(block: &[u8], address: fn([u8; N]) -> IpAddr) -> Option<Source> {
    let (client, rest) = block.split_first_chunk::<N>()?;
    let (server, rest) = rest.split_first_chunk::<N>()?;
    let (client_port, rest) = rest.split_first_chunk::<2>()?;
    let (server_port, _) = rest.split_first_chunk::<2>()?;
    let at = |octets: &[u8; N], port: &[u8; 2]| SocketAddr::new(address(*octets), u16::from_be_bytes(*port));
    Some(Source::Client { client: at(client, client_port), server: at(server, server_port) })
}

/// Reads the header from a fresh connection, and leaves every byte behind it unread.
///
/// # Errors
/// `InvalidData` for what is no header, `TimedOut` after ten seconds, or why it could not be read.
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Source> {
    timeout(DEADLINE, read_exactly(stream)).await?
}

async fn read_exactly<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Source> {
    let mut header = Vec::new();
    loop {
        match parse(&header) {
            Parsed::Incomplete { more } => {
                let had = header.len();
                header.resize(had + more, 0);
                stream.read_exact(&mut header[had..]).await?;
            }
            Parsed::Done { source, .. } => return Ok(source),
            Parsed::Invalid => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the connection begins with no PROXY header"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn source(client: &str, server: &str) -> Source {
        Source::Client { client: client.parse().unwrap(), server: server.parse().unwrap() }
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &len, rest].concat()
    }

    /// What comes of the header and of the HTTP behind it.
    fn read_all(mut bytes: &[u8]) -> (Option<Source>, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let outcome = runtime.block_on(read(&mut bytes));
        (outcome.ok(), bytes.len())
    }

    const HTTP: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

    fn taken(header: &[u8]) -> Option<Source> {
        let (source, left) = read_all(&[header, HTTP].concat());
        assert!(source.is_none() || left == HTTP.len(), "{left} bytes left of {header:?}");
        source
    }

    #[test]
    fn lines_of_text() {
        let longest_v6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        for (line, expected) in [
            ("PROXY TCP4 1.2.3.4 5.6.7.8 9 10", Some(source("1.2.3.4:9", "5.6.7.8:10"))),
            ("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535", Some(source("0.0.0.0:0", "255.255.255.255:65535"))),
            ("PROXY TCP6 ::1 2001:db8::2 9 10", Some(source("[::1]:9", "[2001:db8::2]:10"))),
            (
                &format!("PROXY TCP6 {longest_v6} {longest_v6} 65535 65535"),
                Some(source(&format!("[{longest_v6}]:65535"), &format!("[{longest_v6}]:65535"))),
            ),
            ("PROXY UNKNOWN", Some(Source::Hidden)),
            ("PROXY UNKNOWN whatever 1 2 3 \r x", Some(Source::Hidden)),
            (&format!("PROXY UNKNOWN {longest_v6} {longest_v6} 65535 65535"), Some(Source::Hidden)),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 9", None),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 9 10 11", None),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 9 10 ", None),
            ("PROXY TCP4  1.2.3.4 5.6.7.8 9 10", None),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 +9 10", None),
            ("PROXY TCP4 1.2.3.4 5.6.7.8  10", None),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 9 65536", None),
            ("PROXY TCP4 ::1 ::2 9 10", None),
            ("PROXY TCP6 1.2.3.4 5.6.7.8 9 10", None),
            ("PROXY TCP4 1.2.3 5.6.7.8 9 10", None),
            ("PROXY TCP4 localhost 5.6.7.8 9 10", None),
            ("PROXY UDP4 1.2.3.4 5.6.7.8 9 10", None),
            ("PROXY UNKNOWNS", None),
            ("PROXY  UNKNOWN", None),
            ("proxy UNKNOWN", None),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 9 10\n", None),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 9 \u{664}", None),
        ] {
            assert_eq!(taken(format!("{line}\r\n").as_bytes()), expected, "{line}");
        }
        assert_eq!(taken(b"PROXY TCP4 1.2.3.4 5.6.7.8 9 10\n"), None);
        assert_eq!(taken(b""), None);
    }

    #[test]
    fn a_line_has_107_bytes_at_most() {
        let unknown = |len: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(len - 16)).into_bytes();
        assert_eq!(taken(&unknown(107)), Some(Source::Hidden));
        assert_eq!(taken(&unknown(108)), None);
        assert_eq!(parse(&[b'P'; 4096]), Parsed::Invalid);
        let endless = [b"PROXY TCP4 ", [b'1'; 4096].as_slice()].concat();
        let (source, left) = read_all(&endless);
        assert_eq!((source, endless.len() - left), (None, LONGEST_LINE));
    }

    #[test]
    fn binary_headers() {
        let v4 = [1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 0, 10];
        let v6 = [Ipv6Addr::LOCALHOST.octets(), "2001:db8::2".parse::<Ipv6Addr>().unwrap().octets()].concat();
        let v6 = [v6.as_slice(), &[0, 9, 0, 10]].concat();
        let more = [v4.as_slice(), &[0x04, 0, 1, 7], &[0xea; 500]].concat();
        for (header, expected) in [
            (v2(0x21, 0x11, &v4), Some(source("1.2.3.4:9", "5.6.7.8:10"))),
            (v2(0x21, 0x11, &more), Some(source("1.2.3.4:9", "5.6.7.8:10"))),
            (v2(0x21, 0x21, &v6), Some(source("[::1]:9", "[2001:db8::2]:10"))),
            (v2(0x20, 0x00, &[]), Some(Source::Proxy)),
            (v2(0x20, 0x11, &v4), Some(Source::Proxy)),
            (v2(0x21, 0x00, &[]), Some(Source::Hidden)),
            (v2(0x21, 0x00, &more), Some(Source::Hidden)),
            (v2(0x21, 0x12, &v4), Some(Source::Hidden)),
            (v2(0x21, 0x31, &[b'/'; 216]), Some(Source::Hidden)),
            (v2(0x21, 0x00, &[0; LONGEST_REST]), Some(Source::Hidden)),
            (v2(0x21, 0x00, &[0; LONGEST_REST + 1]), None),
            (v2(0x21, 0x11, &v4[..11]), None),
            (v2(0x21, 0x21, &v4), None),
            (v2(0x21, 0x41, &v4), None),
            (v2(0x21, 0x13, &v4), None),
            (v2(0x22, 0x11, &v4), None),
            (v2(0x11, 0x11, &v4), None),
            (v2(0x31, 0x11, &v4), None),
        ] {
            assert_eq!(taken(&header), expected, "{header:?}");
        }
        let mut broken = v2(0x21, 0x11, &v4);
        broken[11] = b'\r';
        assert_eq!(taken(&broken), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_has_ten_seconds() {
        let (mut stream, _silent) = tokio::io::duplex(64);
        assert_eq!(read(&mut stream).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    fn header() -> impl Strategy<Value = Vec<u8>> {
        let text = (any::<[u8; 4]>(), any::<[u8; 4]>(), any::<u16>(), any::<u16>()).prop_map(|(c, s, cp, sp)| {
            format!("PROXY TCP4 {} {} {cp} {sp}\r\n", Ipv4Addr::from(c), Ipv4Addr::from(s)).into_bytes()
        });
        let text_v6 = (any::<Ipv6Addr>(), any::<Ipv6Addr>(), any::<u16>(), any::<u16>())
            .prop_map(|(c, s, cp, sp)| format!("PROXY TCP6 {c} {s} {cp} {sp}\r\n").into_bytes());
        let unknown = "PROXY UNKNOWN( [ -~]{0,91})?\r\n".prop_map(String::into_bytes);
        let families = prop::sample::select(vec![0x00, 0x11, 0x12, 0x21, 0x22, 0x31]);
        let binary = (0x20..=0x21_u8, families, prop::collection::vec(any::<u8>(), 36..300))
            .prop_map(|(command, family, rest)| v2(command, family, &rest));
        prop_oneof![text, text_v6, unknown, binary]
    }

    proptest! {
        #[test]
        fn every_header_is_read_to_its_end_and_no_further(header in header(), http in prop::collection::vec(any::<u8>(), 0..50)) {
            let whole = [header.as_slice(), &http].concat();
            let Parsed::Done { len, .. } = parse(&whole) else { panic!("{header:?}") };
            prop_assert_eq!(len, header.len());
            for end in 0..len {
                match parse(&header[..end]) {
                    Parsed::Incomplete { more } => prop_assert!(more > 0 && end + more <= len, "{} of {} at {}", more, len, end),
                    other => prop_assert!(false, "{:?} at {}", other, end),
                }
            }
            let (source, left) = read_all(&whole);
            prop_assert!(source.is_some() && left == http.len());
        }

        #[test]
        fn no_bytes_make_it_panic_or_ask_for_nothing(
            begin in prop::sample::select(vec![&b""[..], b"PROXY ", b"PROXY TCP4 ", SIGNATURE]),
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = [begin, rest.as_slice()].concat();
            match parse(&bytes) {
                Parsed::Incomplete { more } => prop_assert!(more > 0 && bytes.len() + more <= FIXED + LONGEST_REST),
                Parsed::Done { len, .. } => prop_assert!(len <= bytes.len()),
                Parsed::Invalid => {}
            }
        }
    }
}
