//! The reference for `net::guard`: where each message of a stream ends, read off RFC 9112 over the whole buffer.
//!
//! Deliberately simple, and none of the guard's code. It is as strict as the guard promises to be; which of several
//! faults of one line is named is nobody's promise, so it names them all.

use http::Uri;
use monopod::net::guard::HeadLimits;

use super::chunks;

/// What a stream consists of.
#[derive(Debug, Default)]
pub struct Reading {
    /// All whose head is complete. Only the last one may lack its body's end.
    pub messages: Vec<Message>,
    /// Why nothing can follow, if so.
    pub refused: Option<Refused>,
}

#[derive(Debug)]
pub struct Message {
    /// Offset behind the head.
    pub head_end: usize,
    /// Offset behind the body; `None`: it is not complete, or it is refused.
    pub end: Option<usize>,
    pub method: Vec<u8>,
    pub target: Vec<u8>,
    /// HTTP/1.1, not HTTP/1.0.
    pub is_http_11: bool,
    /// Names as they came; values without the white space around them.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Decoded, as far as it came.
    pub body: Vec<u8>,
}

#[derive(Debug)]
pub struct Refused {
    /// In the body of the last message, not in the head of a further one.
    pub in_body: bool,
    /// Any of these.
    pub reasons: Vec<&'static str>,
}

/// Why reading stops.
pub(super) enum Stop {
    /// More bytes are needed.
    Incomplete,
    Refused(Vec<&'static str>),
}

pub fn read(data: &[u8], limits: &HeadLimits) -> Reading {
    let mut reading = Reading::default();
    let mut at = 0;
    while at < data.len() {
        let (mut message, body) = match head(data, at, limits) {
            Ok(found) => found,
            Err(Stop::Incomplete) => break,
            Err(Stop::Refused(reasons)) => {
                reading.refused = Some(Refused { in_body: false, reasons });
                break;
            }
        };
        let end = match body {
            Body::Length(length) => counted(data, message.head_end, length, &mut message.body),
            Body::Chunked => chunks::read(data, message.head_end, limits, &mut message.body),
        };
        message.end = end.as_ref().ok().copied();
        reading.messages.push(message);
        match end {
            Ok(end) => at = end,
            Err(Stop::Incomplete) => break,
            Err(Stop::Refused(reasons)) => {
                reading.refused = Some(Refused { in_body: true, reasons });
                break;
            }
        }
    }
    reading
}

impl Message {
    /// The values of all lines of this name, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let is_it = move |known: &[u8]| known.eq_ignore_ascii_case(name.as_bytes());
        self.headers.iter().filter(move |(known, _)| is_it(known)).map(|(_, value)| value.as_slice())
    }
}

enum Body {
    Length(u64),
    Chunked,
}

/// RFC 9112 §2.2: the line at `at` and where the next one begins. It ends with CR LF; LF alone is refused.
fn line<'a>(data: &'a [u8], at: usize, longest: usize, too_long: &'static str) -> Result<(&'a [u8], usize), Stop> {
    let lf = data[at..].iter().position(|byte| *byte == b'\n').map(|length| at + length);
    let text = &data[at..lf.unwrap_or(data.len())];
    let inside = text.strip_suffix(b"\r").unwrap_or(text);
    let mut reasons = Vec::new();
    if inside.len() > longest {
        reasons.push(too_long);
    }
    if lf.is_some() && inside.len() == text.len() {
        reasons.push("bare-lf");
    }
    match lf {
        _ if !reasons.is_empty() => Err(Stop::Refused(reasons)),
        Some(lf) => Ok((inside, lf + 1)),
        None => Err(Stop::Incomplete),
    }
}

fn refuse_for<T>(reasons: Vec<&'static str>, otherwise: T) -> Result<T, Stop> {
    if reasons.is_empty() { Ok(otherwise) } else { Err(Stop::Refused(reasons)) }
}

/// RFC 9112 §2.1 to §6.
fn head(data: &[u8], begin: usize, limits: &HeadLimits) -> Result<(Message, Body), Stop> {
    // §2.2: an empty line before the request line is ignored; one.
    let at = if data[begin..].starts_with(b"\r\n") { begin + 2 } else { begin };
    match data.get(at) {
        None => return Err(Stop::Incomplete),
        Some(byte) if !tchar(*byte) && *byte != b'\r' => return Err(Stop::Refused(vec!["bad-request-line"])),
        Some(_) => {}
    }
    let (text, mut at) = line(data, at, limits.request_line, "request-line-too-long")?;
    let (method, target, is_http_11) = request_line(text)?;
    let first_header = at;
    let mut headers = Vec::new();
    loop {
        let (text, next) = line(data, at, limits.header, "header-too-large")?;
        at = next;
        if text.is_empty() {
            break;
        }
        let mut reasons = Vec::new();
        if at - first_header > limits.headers {
            reasons.push("header-too-large");
        }
        if headers.len() == limits.count {
            reasons.push("too-many-headers");
        }
        match field(text) {
            Err(reason) => reasons.push(reason),
            Ok(header) => {
                reasons.extend(singular(&headers, &header));
                headers.push(header);
            }
        }
        refuse_for(reasons, ())?;
    }
    let message = Message {
        head_end: at,
        end: None,
        method: method.to_vec(),
        target: target.to_vec(),
        is_http_11,
        headers,
        body: Vec::new(),
    };
    let body = framing(&message)?;
    Ok((message, body))
}

/// RFC 9112 §3.
fn request_line(text: &[u8]) -> Result<(&[u8], &[u8], bool), Stop> {
    let parts: Vec<&[u8]> = text.split(|byte| *byte == b' ').collect();
    let mut reasons = Vec::new();
    let [method, target, version] = parts[..] else {
        // A target that is not one may be seen before the superfluous space.
        parts.get(1).iter().for_each(|target| reasons.extend(unservable(target)));
        reasons.push("bad-request-line");
        return Err(Stop::Refused(reasons));
    };
    let visible = |byte: &u8| matches!(byte, 0x21..=0x7e | 0x80..=0xff) && *byte != b'#';
    if !token(method) || target.is_empty() || !target.iter().all(visible) {
        reasons.push("bad-request-line");
    }
    reasons.extend(unservable(target));
    let is_http_11 = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        _ => {
            let digit = |at: usize| version.get(at).is_some_and(u8::is_ascii_digit);
            let is_one =
                version.len() == 8 && version.starts_with(b"HTTP/") && digit(5) && version[6] == b'.' && digit(7);
            reasons.push(if is_one { "version-refused" } else { "bad-request-line" });
            false
        }
    };
    refuse_for(reasons, (method, target, is_http_11))
}

/// What is wrong with a target of visible characters.
fn unservable(target: &[u8]) -> Vec<&'static str> {
    let mut reasons = Vec::new();
    if bad_authority(target) {
        reasons.push("bad-host");
    }
    // RFC 3986 has stricter rules than a guard needs; what the http crate cannot hold cannot be served, though.
    if Uri::try_from(target).is_err() {
        reasons.push(if target.len() < usize::from(u16::MAX) { "bad-target" } else { "request-line-too-long" });
    }
    reasons
}

/// RFC 9112 §3.2.2: `scheme "://" authority`, whose authority is no Host.
fn bad_authority(target: &[u8]) -> bool {
    let Some(scheme) = (0..target.len()).find(|at| target[*at..].starts_with(b"://")) else { return false };
    let authority = target[scheme + 3..].split(|byte| *byte == b'/' || *byte == b'?').next().unwrap_or_default();
    target[0] != b'/' && (authority.is_empty() || !host(authority))
}

/// RFC 9112 §5.
pub(super) fn field(text: &[u8]) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
    if text[0] == b' ' || text[0] == b'\t' {
        return Err("obs-fold");
    }
    let colon = text.iter().position(|byte| *byte == b':').ok_or("bad-header")?;
    let (name, mut value) = (&text[..colon], &text[colon + 1..]);
    let allowed = |byte: &u8| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..=0xff);
    if !token(name) || !value.iter().all(allowed) {
        return Err("bad-header");
    }
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    Ok((name.to_vec(), value.to_vec()))
}

/// What is wrong with a header of which there may be one, or whose value decides the framing.
fn singular(before: &[(Vec<u8>, Vec<u8>)], (name, value): &(Vec<u8>, Vec<u8>)) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let is_repeated = before.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name));
    match name.as_slice() {
        // §3.2
        b"host" if is_repeated || !host(value) => Some("bad-host"),
        // §6.3
        b"content-length" if is_repeated || value.is_empty() || !value.iter().all(u8::is_ascii_digit) => {
            Some("bad-content-length")
        }
        b"content-length" => match number(value) {
            ..=0x7fff_ffff_ffff_ffff => None,
            0x8000_0000_0000_0000..=0xffff_ffff_ffff_ffff => Some("body-too-large"),
            _ => Some("bad-content-length"),
        },
        // RFC 9110 §7.6.1: tokens.
        b"connection" if !value.is_ascii() => Some("bad-header"),
        // §6.1: chunked, once.
        b"transfer-encoding" if is_repeated || !value.eq_ignore_ascii_case(b"chunked") => Some("bad-transfer-encoding"),
        _ => None,
    }
}

fn number(digits: &[u8]) -> u128 {
    digits.iter().fold(0, |number: u128, digit| number.saturating_mul(10).saturating_add((digit - b'0').into()))
}

/// RFC 9112 §6.3.
fn framing(message: &Message) -> Result<Body, Stop> {
    let length = message.values("content-length").next();
    let is_chunked = message.values("transfer-encoding").next().is_some();
    let mut reasons = Vec::new();
    if message.is_http_11 && message.values("host").next().is_none() {
        reasons.push("bad-host");
    }
    if is_chunked && length.is_some() {
        reasons.push("length-with-transfer-encoding");
    }
    if is_chunked && !message.is_http_11 {
        reasons.push("bad-transfer-encoding");
    }
    let length = length.map_or(0, |digits| u64::try_from(number(digits)).unwrap());
    refuse_for(reasons, if is_chunked { Body::Chunked } else { Body::Length(length) })
}

pub(super) fn counted(data: &[u8], at: usize, length: u64, body: &mut Vec<u8>) -> Result<usize, Stop> {
    let there = (data.len() - at) as u64;
    let end = at + usize::try_from(length.min(there)).unwrap();
    body.extend_from_slice(&data[at..end]);
    if length <= there { Ok(end) } else { Err(Stop::Incomplete) }
}

/// RFC 9110 §7.2 and RFC 3986 §3.2.2, without the comma of a joined repetition; an IP literal by its letters alone.
fn host(text: &[u8]) -> bool {
    let port_at = match text.iter().position(|byte| *byte == b']') {
        Some(end) if text[0] == b'[' => end + 1,
        _ => text.iter().position(|byte| *byte == b':').unwrap_or(text.len()),
    };
    let (name, port) = text.split_at(port_at);
    let port_is_good = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    port_is_good
        && match name {
            [b'[', inside @ .., b']'] => inside.iter().all(|byte| b"0123456789abcdefABCDEFvV:.".contains(byte)),
            _ => reg_name(name),
        }
}

fn reg_name(name: &[u8]) -> bool {
    match name {
        [] => true,
        [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => reg_name(rest),
        [byte, rest @ ..] if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(byte) => reg_name(rest),
        _ => false,
    }
}

pub(super) fn token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| tchar(*byte))
}

/// RFC 9110 §5.6.2: any visible character except delimiters.
fn tchar(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte)
}
