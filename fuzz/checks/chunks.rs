//! The chunked part of the reference: RFC 9112 §7.1 over the whole buffer.

use monopod::net::guard::HeadLimits;

use super::framing::{Stop, counted, field, token};

/// Bytes of chunk extensions in one body.
const EXTENSIONS: usize = 4096;
/// Bytes of a trailer section are fewer, with the empty line that ends it.
const TRAILERS: usize = 16384;

const BAD_CHUNK: [&str; 1] = ["bad-chunk"];

/// RFC 9112 §7.1.
pub(super) fn read(data: &[u8], at: usize, limits: &HeadLimits, body: &mut Vec<u8>) -> Result<usize, Stop> {
    let mut at = at;
    let mut extensions = 0;
    loop {
        let digits = data[at..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        // Sixteen are 64 bits.
        if digits > 16 || (digits == 0 && at < data.len()) {
            return Err(Stop::Refused(BAD_CHUNK.into()));
        }
        let size = data[at..at + digits]
            .iter()
            .fold(0_u64, |size, digit| size << 4 | u64::from(char::from(*digit).to_digit(16).unwrap()));
        at += digits;
        if data.get(at) == Some(&b';') {
            let allowed = |byte: &&u8| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..=0xff);
            let length = data[at + 1..].iter().take_while(allowed).count();
            let text = &data[at + 1..at + 1 + length];
            extensions += length;
            at += 1 + length;
            if extensions > EXTENSIONS || (data.get(at) == Some(&b'\r') && !chunk_ext(text)) {
                return Err(Stop::Refused(BAD_CHUNK.into()));
            }
        }
        at = crlf(data, at)?;
        if size == 0 {
            return trailers(data, at, limits);
        }
        at = counted(data, at, size, body)?;
        at = crlf(data, at)?;
    }
}

fn crlf(data: &[u8], at: usize) -> Result<usize, Stop> {
    match data[at..] {
        [b'\r', b'\n', ..] => Ok(at + 2),
        [] | [b'\r'] => Err(Stop::Incomplete),
        _ => Err(Stop::Refused(BAD_CHUNK.into())),
    }
}

/// RFC 9112 §7.1.2: fields up to an empty line.
fn trailers(data: &[u8], at: usize, limits: &HeadLimits) -> Result<usize, Stop> {
    let begin = at;
    let mut at = at;
    let mut count = 0;
    loop {
        let length = data[at..].iter().take_while(|byte| !matches!(byte, b'\r' | b'\n')).count();
        let text = &data[at..at + length];
        let with_line_end = at + length + data[at + length..].iter().take(2).count() - begin;
        if length > limits.header || with_line_end >= TRAILERS {
            return Err(Stop::Refused(BAD_CHUNK.into()));
        }
        at = crlf(data, at + length)?;
        if text.is_empty() {
            return Ok(at);
        }
        count += 1;
        if count > limits.count || field(text).is_err() {
            return Err(Stop::Refused(BAD_CHUNK.into()));
        }
    }
}

/// RFC 9112 §7.1.1, behind the first semicolon: `name [ "=" ( token / quoted-string ) ]` and so on, no white space.
fn chunk_ext(text: &[u8]) -> bool {
    let mut parts = vec![Vec::new()];
    let (mut is_quoted, mut is_escaped) = (false, false);
    for byte in text {
        match byte {
            b';' if !is_quoted => {
                parts.push(Vec::new());
                continue;
            }
            b'"' if !is_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        is_escaped = is_quoted && !is_escaped && *byte == b'\\';
        parts.last_mut().unwrap().push(*byte);
    }
    !is_quoted
        && parts.iter().all(|part| match part.iter().position(|byte| *byte == b'=') {
            None => token(part),
            Some(equals) => token(&part[..equals]) && (token(&part[equals + 1..]) || quoted(&part[equals + 1..])),
        })
}

/// RFC 9110 §5.6.4, whose characters have been looked at.
fn quoted(text: &[u8]) -> bool {
    let [b'"', inside @ .., b'"'] = text else { return false };
    let mut rest = inside;
    loop {
        rest = match rest {
            [] => return true,
            [b'\\', _, rest @ ..] => rest,
            [b'"' | b'\\', ..] => return false,
            [_, rest @ ..] => rest,
        }
    }
}
