//! One request head, line by line (RFC 9112 §2 to §6), and how its body is framed.

use memchr::{memchr, memmem};

use crate::semantics::fault::Fault;

/// `--max-request-line`, `--max-header-size`, the sum of all headers, `--max-headers`; the first three in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    pub request_line: usize,
    pub header: usize,
    pub headers: usize,
    pub count: usize,
}

/// How the body is framed (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked,
}

/// Bytes of a target, and of a header's name, that hyper and `http` take at most.
const LONGEST_URI: usize = u16::MAX as usize - 1;
const LONGEST_NAME: usize = u16::MAX as usize;

/// What is known of a head so far.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Bytes of it that are checked: whole lines.
    checked: usize,
    /// Empty lines before the request line.
    leading: usize,
    /// Request line and headers seen.
    lines: usize,
    /// Where the headers begin.
    headers_at: usize,
    version: Version,
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Version {
    #[default]
    Http11,
    Http10,
}

impl Head {
    /// Checks `data`, which begins where the head begins. When it is complete: its length and the body's framing.
    pub(super) fn check(&mut self, data: &[u8], limits: &HeadLimits) -> Result<Option<(usize, Body)>, Fault> {
        loop {
            let rest = &data[self.checked..];
            // Another protocol, such as TLS, need not be waited for.
            if self.lines == 0 && rest.first().is_some_and(|byte| !is_token(*byte) && *byte != b'\r') {
                return Err(Fault::bad_head("bad-request-line"));
            }
            let Some(end) = memchr(b'\n', rest) else {
                // Not complete yet, and perhaps too long already. The CR of the line's end does not count.
                let length = rest.len() - usize::from(rest.ends_with(b"\r"));
                return self.check_size(length, limits).map(|()| None);
            };
            // RFC 9112 §2.2: a line ends with CRLF; a bare LF is where servers disagree.
            let Some(line) = rest[..end].strip_suffix(b"\r") else {
                // One that is too long may have been refused before its LF came: the same answer either way.
                return Err(self.check_size(end, limits).err().unwrap_or(Fault::bad_head("bare-lf")));
            };
            self.checked += end + 1;
            if line.is_empty() && self.lines > 0 {
                return self.finish().map(|body| Some((self.checked, body)));
            }
            self.check_line(line, limits)?;
        }
    }

    fn check_size(&self, line: usize, limits: &HeadLimits) -> Result<(), Fault> {
        if self.lines == 0 {
            return if line > limits.request_line { Err(Fault::request_line_too_long()) } else { Ok(()) };
        }
        let headers = self.checked.saturating_sub(self.headers_at);
        if line > limits.header || headers > limits.headers { Err(Fault::header_too_large()) } else { Ok(()) }
    }

    fn check_line(&mut self, line: &[u8], limits: &HeadLimits) -> Result<(), Fault> {
        self.check_size(line.len(), limits)?;
        if self.lines > 0 {
            if self.lines > limits.count {
                return Err(Fault::too_many_headers());
            }
            self.check_header(line)?;
        } else if line.is_empty() {
            // RFC 9112 §2.2: one empty line before the request line is forgiven.
            self.leading += 1;
            return if self.leading > 1 { Err(Fault::bad_head("bad-request-line")) } else { Ok(()) };
        } else {
            self.version = check_request_line(line)?;
            self.headers_at = self.checked;
        }
        self.lines += 1;
        Ok(())
    }

    fn check_header(&mut self, line: &[u8]) -> Result<(), Fault> {
        let (name, value) = field(line)?;
        match name.len() {
            LONGEST_NAME.. => return Err(Fault::header_too_large()),
            4 if name.eq_ignore_ascii_case(b"host") => {
                self.hosts += 1;
                if self.hosts > 1 || !is_host(value) {
                    return Err(Fault::bad_host());
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                // RFC 9112 §6.3: one length, of digits alone; a list or a repetition, even of equals, is refused.
                if self.length.is_some() {
                    return Err(Fault::bad_head("bad-content-length"));
                }
                self.length = Some(length(value)?);
            }
            // RFC 9110 §7.6.1: a list of tokens. Of one that is not ASCII hyper reads nothing, `close` neither.
            10 if name.eq_ignore_ascii_case(b"connection") && !value.is_ascii() => {
                return Err(Fault::bad_head("bad-header"));
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                // RFC 9112 §6.1: what is not chunked once cannot be delimited here.
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Fault::bad_head("bad-transfer-encoding"));
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&self) -> Result<Body, Fault> {
        // RFC 9112 §3.2.
        if self.hosts == 0 && self.version == Version::Http11 {
            return Err(Fault::bad_host());
        }
        match (self.chunked, self.length) {
            // RFC 9112 §6.1: both together is the classic of request smuggling; HTTP/1.0 has no codings.
            (true, Some(_)) => Err(Fault::bad_head("length-with-transfer-encoding")),
            (true, None) if self.version == Version::Http10 => Err(Fault::bad_head("bad-transfer-encoding")),
            (true, None) => Ok(Body::Chunked),
            (false, length) => Ok(Body::Length(length.unwrap_or(0))),
        }
    }
}

/// `method SP request-target SP HTTP-version` (RFC 9112 §3), single spaces.
fn check_request_line(line: &[u8]) -> Result<Version, Fault> {
    let bad = Fault::bad_head("bad-request-line");
    // A method is short, where a loop is less than a search.
    let at = line.iter().position(|byte| *byte == b' ').ok_or(bad)?;
    let (method, rest) = (&line[..at], &line[at + 1..]);
    let (target, version) = split(rest, b' ').ok_or(bad)?;
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Err(bad);
    }
    // RFC 3986 §3.5: a fragment is never sent, and some servers cut it off in silence.
    if target.is_empty() || any(target, |byte| byte <= b' ' || byte == 0x7f || byte == b'#') {
        return Err(bad);
    }
    // RFC 9112 §3.2.2: the authority of an absolute target is a Host, under the same rules.
    if target[0] != b'/'
        && let Some(at) = memmem::find(target, b"://")
    {
        let rest = &target[at + 3..];
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        if end == 0 || !is_host(&rest[..end]) {
            return Err(Fault::bad_host());
        }
    }
    // What `http::Uri` does not take hyper answers by itself, so that no access record tells of it.
    if target.len() > LONGEST_URI {
        return Err(Fault::request_line_too_long());
    }
    if !(target[0] == b'/' && target.iter().all(|byte| is_usual(*byte))) && http::Uri::try_from(target).is_err() {
        return Err(Fault::bad_target());
    }
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Err(Fault::version_refused())
        }
        _ => Err(bad),
    }
}

/// What `http::Uri` takes anywhere in a path or query, without the control characters that are refused before.
fn is_usual(byte: u8) -> bool {
    byte.is_ascii() && !matches!(byte, b'"' | b'<' | b'>' | b'`')
}

/// `field-name ":" OWS field-value OWS` (RFC 9112 §5): the name and the value without its white space.
pub(super) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    // No white space before the colon (RFC 9112 §5.1): it is not a token character.
    let colon = line.iter().position(|byte| !is_token(*byte)).filter(|at| *at > 0 && line[*at] == b':');
    let Some(colon) = colon else {
        // RFC 9112 §5.2: a folded line begins with white space.
        let is_folded = matches!(line.first(), Some(b' ' | b'\t'));
        return Err(if is_folded { Fault::bad_head("obs-fold") } else { Fault::bad_head("bad-header") });
    };
    let value = &line[colon + 1..];
    // RFC 9110 §5.5: no control characters, of which CR and NUL are the dangerous ones.
    if any(value, |byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
        return Err(Fault::bad_head("bad-header"));
    }
    Ok((&line[..colon], value.trim_ascii()))
}

/// Whether any byte is `bad`, looking at sixteen a time without a branch: that compiles to vector instructions.
fn any(bytes: &[u8], bad: impl Fn(u8) -> bool) -> bool {
    let within = |chunk: &[u8; 16]| chunk.iter().fold(false, |found, byte| found | bad(*byte));
    let Some(last) = bytes.last_chunk() else { return bytes.iter().any(|byte| bad(*byte)) };
    bytes.as_chunks().0.iter().any(within) || within(last)
}

fn split(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr(at, bytes)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// `1*DIGIT` that fits.
fn length(value: &[u8]) -> Result<u64, Fault> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = str::from_utf8(value).ok().filter(|_| digits);
    let length: u64 = text.and_then(|text| text.parse().ok()).ok_or(Fault::bad_head("bad-content-length"))?;
    // More than any file can hold; parsers further on may count signed.
    if i64::try_from(length).is_ok() { Ok(length) } else { Err(Fault::body_too_large()) }
}

/// `uri-host [":" port]` (RFC 9110 §7.2), or nothing. A comma is a joined repetition, `@` a user.
fn is_host(value: &[u8]) -> bool {
    let (name, port) = match value {
        [b'[', rest @ ..] => match split(rest, b']') {
            Some((address, port)) if address.iter().all(|byte| byte.is_ascii_hexdigit() || b":.vV".contains(byte)) => {
                (&[][..], port.strip_prefix(b":").or(port.is_empty().then_some(&[][..])))
            }
            _ => return false,
        },
        value => match value.iter().position(|byte| *byte == b':') {
            Some(at) => (&value[..at], Some(&value[at + 1..])),
            None => (value, Some(&[][..])),
        },
    };
    let escaped = |at: usize| name.get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    port.is_some_and(|port| port.iter().all(u8::is_ascii_digit))
        && name.iter().all(|byte| HOST[*byte as usize])
        && name.iter().enumerate().filter(|(_, byte)| **byte == b'%').all(|(at, _)| escaped(at))
}

/// `tchar` (RFC 9110 §5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    TOKEN[byte as usize]
}

static TOKEN: [bool; 256] = letters_digits_and(b"!#$%&'*+-.^_`|~");

/// `reg-name` (RFC 3986 §3.2.2), with the `%` of what is escaped and without the comma.
static HOST: [bool; 256] = letters_digits_and(b"-._~%!$&'()*+;=");

const fn letters_digits_and(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { request_line: 100, header: 50, headers: 120, count: 4 };

    fn judge(head: &str) -> Result<Option<Body>, &'static str> {
        let found = Head::default().check(head.as_bytes(), &LIMITS);
        found.map(|found| found.map(|(_, body)| body)).map_err(|fault| fault.reason)
    }

    #[test]
    fn framing_by_the_headers() {
        for (headers, body) in [
            ("", Ok(Some(Body::Length(0)))),
            ("Content-Length: 5\r\n", Ok(Some(Body::Length(5)))),
            ("content-length:005  \r\n", Ok(Some(Body::Length(5)))),
            ("Transfer-Encoding: Chunked\r\n", Ok(Some(Body::Chunked))),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Err("length-with-transfer-encoding")),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Err("length-with-transfer-encoding")),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Err("bad-transfer-encoding")),
            ("Transfer-Encoding: gzip, chunked\r\n", Err("bad-transfer-encoding")),
            ("Transfer-Encoding: identity\r\n", Err("bad-transfer-encoding")),
            ("Transfer-Encoding:\r\n", Err("bad-transfer-encoding")),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", Err("bad-content-length")),
            ("Content-Length: 5, 5\r\n", Err("bad-content-length")),
            ("Content-Length: +5\r\n", Err("bad-content-length")),
            ("Content-Length: 18446744073709551616\r\n", Err("bad-content-length")),
            ("Content-Length:\r\n", Err("bad-content-length")),
            ("Host: y\r\n", Err("bad-host")),
            ("A : b\r\n", Err("bad-header")),
            ("A b\r\n", Err("bad-header")),
            (": b\r\n", Err("bad-header")),
            (" A: b\r\n", Err("obs-fold")),
            ("A: b\n", Err("bare-lf")),
            ("A: b\rc\r\n", Err("bad-header")),
            ("A: b\0c\r\n", Err("bad-header")),
        ] {
            assert_eq!(judge(&format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n")), body, "{headers:?}");
        }
    }

    #[test]
    fn request_lines() {
        for (line, reason) in [
            ("GET / HTTP/1.0\r\n", None),
            ("\r\nGET / HTTP/1.0\r\n", None),
            ("brew! /%20 HTTP/1.0\r\n", None),
            ("\r\n\r\nGET / HTTP/1.0\r\n", Some("bad-request-line")),
            ("GET  / HTTP/1.0\r\n", Some("bad-request-line")),
            ("GET / HTTP/1.0 \r\n", Some("bad-request-line")),
            ("GET\t/ HTTP/1.0\r\n", Some("bad-request-line")),
            ("GET /\r\n", Some("bad-request-line")),
            ("GET /#x HTTP/1.0\r\n", Some("bad-request-line")),
            ("G(T / HTTP/1.0\r\n", Some("bad-request-line")),
            ("GET / http/1.0\r\n", Some("bad-request-line")),
            ("GET /\"\u{fc}|?`{}' HTTP/1.0\r\n", None),
            ("OPTIONS * HTTP/1.0\r\n", None),
            ("GET /? HTTP/1.0\r\n", None),
            ("GET /?\" HTTP/1.0\r\n", Some("bad-target")),
            ("GET /< HTTP/1.0\r\n", Some("bad-target")),
            ("GET \\/ HTTP/1.0\r\n", Some("bad-target")),
            ("GET ? HTTP/1.0\r\n", Some("bad-target")),
            ("GET http:/x HTTP/1.0\r\n", Some("bad-target")),
            ("GET / HTTP/2.0\r\n", Some("version-refused")),
            ("\u{16}\u{3}", Some("bad-request-line")),
        ] {
            assert_eq!(judge(&format!("{line}\r\n")).err(), reason, "{line:?}");
        }
    }

    #[test]
    fn hosts() {
        for (host, ok) in [
            ("x", true),
            ("x:80", true),
            ("[::1]:8", true),
            ("", true),
            ("a,b", false),
            ("u@h", false),
            ("a b", false),
            ("a:80:90", false),
            ("a:http", false),
            ("[::1", false),
            ("[::1]x", false),
            ("a%zz", false),
            ("a%20", true),
            ("a/b", false),
        ] {
            assert_eq!(judge(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).is_ok(), ok, "{host}");
        }
        assert_eq!(judge("GET / HTTP/1.1\r\n\r\n"), Err("bad-host"));
        assert_eq!(judge("GET / HTTP/1.0\r\n\r\n"), Ok(Some(Body::Length(0))));
    }

    #[test]
    fn limits_hold_before_the_line_is_complete() {
        let long = "x".repeat(101);
        assert_eq!(judge(&long), Err("request-line-too-long"));
        assert_eq!(judge(&long[..100]), Ok(None));
        assert_eq!(judge(&format!("{long}\n")), Err("request-line-too-long"), "as without the LF");
        assert_eq!(judge(&format!("GET / HTTP/1.0\r\nA: {}", &long[..48])), Err("header-too-large"));
        assert_eq!(judge(&format!("GET / HTTP/1.0\r\nA: {}\r\n\r\n", &long[..47])), Ok(Some(Body::Length(0))));
        assert_eq!(judge(&format!("GET / HTTP/1.0\r\n{}\r\n", "A: b\r\n".repeat(4))), Ok(Some(Body::Length(0))));
        assert_eq!(judge(&format!("GET / HTTP/1.0\r\n{}\r\n", "A: b\r\n".repeat(5))), Err("too-many-headers"));
        let wide = format!("A: {}\r\n", &long[..45]);
        assert_eq!(judge(&format!("GET / HTTP/1.0\r\n{}\r\n", wide.repeat(3))), Err("header-too-large"));
    }
}
