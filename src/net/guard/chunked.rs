//! The framing of a chunked body (RFC 9112 §7.1): sizes, extensions, data, trailers.

use super::head::{HeadLimits, field, is_token};
use crate::semantics::fault::Fault;

/// Bytes of chunk extensions in one body; nobody sends them for a good reason.
const EXTENSIONS: usize = 4096;
/// Bytes of trailers in one body, line ends included: hyper takes no more.
const TRAILERS: usize = 16 * 1024 - 1;
/// Hexadecimal digits of a chunk size, leading zeros included: what fits 64 bits.
const SIZE_DIGITS: u32 = 16;

/// Where in a chunked body the checked bytes end.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    /// Bytes of extensions so far.
    extensions: usize,
    /// The extensions of a chunk, or the trailer line, so far.
    line: Vec<u8>,
    /// Trailers so far, and their bytes.
    trailers: usize,
    trailer_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size { size: u64, digits: u32 },
    Extension { size: u64 },
    SizeLf { size: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    Trailer,
    TrailerLf,
}

impl Default for Chunked {
    fn default() -> Self {
        let state = State::Size { size: 0, digits: 0 };
        Self { state, extensions: 0, line: Vec::new(), trailers: 0, trailer_bytes: 0 }
    }
}

impl Chunked {
    /// Checks `data` up to the body's end: bytes that are good, and whether they end the body.
    pub(super) fn check(&mut self, data: &[u8], limits: &HeadLimits) -> Result<(usize, bool), Fault> {
        let mut at = 0;
        while at < data.len() {
            if let State::Data { left } = self.state {
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(data.len() - at);
                at += length;
                let left = left - length as u64;
                self.state = if left == 0 { State::DataCr } else { State::Data { left } };
                continue;
            }
            let complete = self.step(data[at], limits)?;
            at += 1;
            if complete {
                return Ok((at, true));
            }
        }
        Ok((at, false))
    }

    /// One byte outside chunk data. True: the body is complete.
    fn step(&mut self, byte: u8, limits: &HeadLimits) -> Result<bool, Fault> {
        if matches!(self.state, State::Trailer | State::TrailerLf) {
            self.trailer_bytes += 1;
            if self.trailer_bytes > TRAILERS {
                return Err(Fault::bad_chunk());
            }
        }
        self.state = match (self.state, byte) {
            (State::Size { size, digits }, byte) if byte.is_ascii_hexdigit() && digits < SIZE_DIGITS => {
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                State::Size { size: size << 4 | digit, digits: digits + 1 }
            }
            (State::Size { size, digits: 1.. }, b';') => State::Extension { size },
            (State::Size { size, digits: 1.. }, b'\r') => State::SizeLf { size },
            (State::Extension { size }, b'\r') if are_extensions(&self.line) => {
                self.line.clear();
                State::SizeLf { size }
            }
            // Neither CR nor LF nor any other control character may hide in an extension.
            (State::Extension { size }, byte) if byte == b'\t' || (byte >= b' ' && byte != 0x7f) => {
                self.extensions += 1;
                if self.extensions > EXTENSIONS {
                    return Err(Fault::bad_chunk());
                }
                self.line.push(byte);
                State::Extension { size }
            }
            (State::SizeLf { size: 0 }, b'\n') => State::Trailer,
            (State::SizeLf { size }, b'\n') => State::Data { left: size },
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { size: 0, digits: 0 },
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::Trailer, byte) if byte != b'\n' && self.line.len() < limits.header => {
                self.line.push(byte);
                State::Trailer
            }
            (State::TrailerLf, b'\n') => {
                if self.line.is_empty() {
                    return Ok(true);
                }
                self.trailers += 1;
                if self.trailers > limits.count || field(&self.line).is_err() {
                    return Err(Fault::bad_chunk());
                }
                self.line.clear();
                State::Trailer
            }
            _ => return Err(Fault::bad_chunk()),
        };
        Ok(false)
    }
}

/// `name [ "=" ( token / quoted-string ) ]`, separated by `;` (RFC 9112 §7.1.1), without white space around them.
fn are_extensions(text: &[u8]) -> bool {
    let token = |text: &[u8]| !text.is_empty() && text.iter().all(|byte| is_token(*byte));
    let mut rest = text;
    loop {
        let name = rest.iter().position(|byte| !is_token(*byte)).unwrap_or(rest.len());
        if !token(&rest[..name]) {
            return false;
        }
        rest = &rest[name..];
        if let Some(value) = rest.strip_prefix(b"=") {
            let end = if value.first() == Some(&b'"') {
                quoted_string(value)
            } else {
                value.iter().position(|byte| !is_token(*byte)).unwrap_or(value.len())
            };
            if end == 0 {
                return false;
            }
            rest = &value[end..];
        }
        match rest {
            [] => return true,
            [b';', more @ ..] => rest = more,
            _ => return false,
        }
    }
}

/// Length of the quoted string that `text` begins with, quotes included (RFC 9110 §5.6.4); 0 when it does not end.
fn quoted_string(text: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { request_line: 100, header: 50, headers: 120, count: 2 };

    fn judge(body: &str) -> Result<(usize, bool), &'static str> {
        Chunked::default().check(body.as_bytes(), &LIMITS).map_err(|fault| fault.reason)
    }

    #[test]
    fn bodies() {
        for good in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "A\r\n0123456789\r\n00\r\n\r\n",
            "1;a=\"b\"\r\nx\r\n0;z\r\n\r\n",
            "1;a=b;c;d=\"; \\\" \"\r\nx\r\n0\r\n\r\n",
            "0\r\nX: y\r\nZ:\r\n\r\n",
        ] {
            assert_eq!(judge(good), Ok((good.len(), true)), "{good:?}");
            assert_eq!(judge(&format!("{good}GET")), Ok((good.len(), true)), "what follows is not ours");
        }
        for bad in [
            "\r\n",
            ";\r\n",
            " 5\r\n",
            "5 \r\n",
            "+5\r\n",
            "-5\r\n",
            "0x5\r\n",
            "G\r\n",
            "5\nhello",
            "5\r\rhello",
            "5\r\nhelloX",
            "5\r\nhello\n",
            "1;a\rb\r\n",
            "1;a\nb\r\n",
            "1;\0\r\n",
            "1;=b\r\n",
            "1;a=\r\n",
            "1;a=\"b\r\n",
            "1; a\r\n",
            "1;\r\n",
            "11111111111111111\r\n",
            "0\r\n X: y\r\n",
            "0\r\nX y\r\n",
            "0\r\nX: y\n",
            "0\r\nA: 1\r\nB: 2\r\nC: 3\r\n",
        ] {
            assert_eq!(judge(bad), Err("bad-chunk"), "{bad:?}");
        }
        assert_eq!(judge(&format!("1;{}", "x".repeat(EXTENSIONS + 1))), Err("bad-chunk"));
        assert_eq!(judge(&format!("0\r\n{}", "x".repeat(51))), Err("bad-chunk"));
        assert_eq!(judge("FFFFFFFFFFFFFFFF\r\nabc"), Ok((21, false)));
    }

    #[test]
    fn trailers_are_no_longer_together_than_hyper_takes() {
        let limits = HeadLimits { header: 20_000, ..LIMITS };
        let judge = |length: usize| {
            let body = format!("0\r\nX: {}\r\n\r\n", "y".repeat(length));
            Chunked::default()
                .check(body.as_bytes(), &limits)
                .map(|(_, complete)| complete)
                .map_err(|fault| fault.reason)
        };
        assert_eq!(judge(TRAILERS - 7), Ok(true));
        assert_eq!(judge(TRAILERS - 6), Err("bad-chunk"));
    }
}
