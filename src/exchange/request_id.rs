//! What one request is called: by a trusted proxy (`X-Request-ID`), or else by this process.
//!
//! The application has it as `monopod.request_id`, the log as `request_id`. Making one takes a number; its text is made
//! only where it is read.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName};

use crate::semantics::header_lines::lines;

/// The header, of requests and of pages that tell of a fault.
pub static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A proxy's id that is longer is not taken.
const LONGEST: usize = 128;
/// Hex digits of an id that is made here.
const DIGITS: usize = 32;

/// Names one request. `Display` is its text, which is fit for a log, a header and a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestId {
    /// The same for all of a process, and of one request.
    Made(u64, u64),
    /// As a proxy has it.
    Told(Arc<str>),
}

impl Default for RequestId {
    /// That of no request.
    fn default() -> Self {
        Self::Made(0, 0)
    }
}

impl RequestId {
    /// Its text; `digits` is room for it.
    pub fn text<'a>(&'a self, digits: &'a mut Digits) -> &'a str {
        match self {
            Self::Made(process, number) => digits.hex([*process, *number]),
            Self::Told(text) => text,
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut Digits::default()))
    }
}

/// Room for the text of an id.
#[derive(Debug)]
pub struct Digits([u8; DIGITS]);

impl Default for Digits {
    fn default() -> Self {
        Self([b'0'; DIGITS])
    }
}

impl Digits {
    fn hex(&mut self, halves: [u64; 2]) -> &str {
        let bytes = halves.map(u64::to_be_bytes);
        for (two, byte) in self.0.chunks_exact_mut(2).zip(bytes.as_flattened()) {
            two[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            two[1] = b"0123456789abcdef"[usize::from(byte & 0xf)];
        }
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Gives requests their ids; one per process.
#[derive(Debug)]
pub struct RequestIds {
    process: u64,
    next: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        // The standard library's way to random numbers: the keys of a hasher.
        let random = || RandomState::new().hash_one(std::process::id());
        Self { process: random(), next: AtomicU64::new(random()) }
    }
}

impl RequestIds {
    /// The id of a request with these `headers`; whether its sender may name it is for the caller to know.
    pub fn of(&self, headers: &HeaderMap, is_trusted: bool) -> RequestId {
        let told = is_trusted.then(|| told(headers)).flatten();
        told.unwrap_or_else(|| RequestId::Made(self.process, scattered(self.next.fetch_add(1, Ordering::Relaxed))))
    }
}

/// One header of visible ASCII, without what would have to be escaped in a quoted string.
fn told(headers: &HeaderMap) -> Option<RequestId> {
    let mut values = lines(headers, &X_REQUEST_ID);
    let text = values.next()?.to_str().ok()?;
    let is_fit = (1..=LONGEST).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\' | b'<' | b'>'));
    (is_fit && values.next().is_none()).then(|| RequestId::Told(text.into()))
}

/// No two numbers become the same one, and neighbours do not look alike (splitmix64).
fn scattered(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        values.iter().map(|value| (X_REQUEST_ID.clone(), http::HeaderValue::from_bytes(value).unwrap())).collect()
    }

    #[test]
    fn made_ids_are_32_hex_digits_and_never_the_same() {
        let ids = RequestIds::default();
        let made: HashSet<String> = (0..10_000).map(|_| ids.of(&headers(&[]), true).to_string()).collect();
        assert_eq!(made.len(), 10_000);
        assert!(made.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
        assert_ne!(RequestIds::default().process, RequestIds::default().process);
        assert_eq!(RequestId::Made(1, 0xabc).to_string(), "00000000000000010000000000000abc");
    }

    #[test]
    fn an_id_is_taken_from_whom_is_trusted_if_it_is_fit() {
        let ids = RequestIds::default();
        let longest = "x".repeat(LONGEST);
        for good in ["a", "Root=1-67891233-abcdef012345678912345678", "4e:5/6+7=@~,;#", &longest] {
            assert_eq!(ids.of(&headers(&[good.as_bytes()]), true).to_string(), good);
            assert!(matches!(ids.of(&headers(&[good.as_bytes()]), false), RequestId::Made(..)));
        }
        let too_long = "x".repeat(LONGEST + 1);
        for bad in ["", "a b", "a\tb", "a\"b", "a\\b", "a<b", "\u{e9}", "\u{85}", &too_long] {
            assert!(matches!(ids.of(&headers(&[bad.as_bytes()]), true), RequestId::Made(..)), "{bad}");
        }
        assert!(matches!(ids.of(&headers(&[b"a", b"a"]), true), RequestId::Made(..)));
    }
}
