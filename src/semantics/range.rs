//! `Range` (RFC 9110 §14): which bytes of a representation of known size a client asks for.
//!
//! Called by `static_files` after the preconditions. Pure; refuses to be made to work hard by a hostile list.

use http::HeaderValue;

/// At most this many ranges are looked at; with more the field is ignored, as RFC 9110 §14.2 advises against floods.
pub const MAX_RANGES: usize = 16;

/// Bytes `first` to `last`, both included, inside the representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// Offset of the first byte.
    pub first: u64,
    /// Offset of the last byte, never less than `first`.
    pub last: u64,
}

/// What a `Range` field selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The field is ignored: answer 200 with everything.
    Whole,
    /// Answer 206 with these: one at least, none overlapping another, in the order asked for.
    Parts(Vec<ByteRange>),
    /// Answer 416.
    Unsatisfiable,
}

impl ByteRange {
    /// How many bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a range has one byte at least")]
    pub const fn len(self) -> u64 {
        self.last - self.first + 1
    }

    /// The `Content-Range` of this part (RFC 9110 §14.4).
    #[must_use]
    pub fn content_range(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.first, self.last)
    }
}

/// Resolves a `Range` field against a representation of `size` bytes.
#[must_use]
pub fn select(value: &HeaderValue, size: u64) -> Selection {
    let Some((unit, specs)) = value.as_bytes().trim_ascii().split_first_chunk::<6>() else {
        return Selection::Whole;
    };
    // RFC 9110 §14.1: unit names are case-insensitive, and an unknown unit is ignored. An empty representation has no
    // byte that a Content-Range could name, so it is sent whole.
    if !unit.eq_ignore_ascii_case(b"bytes=") || size == 0 {
        return Selection::Whole;
    }

    let mut parts = Vec::new();
    let mut seen = 0;
    // RFC 9110 §5.6.1.2: empty list elements are skipped.
    for spec in specs.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|spec| !spec.is_empty()) {
        seen += 1;
        match resolve(spec, size) {
            _ if seen > MAX_RANGES => return Selection::Whole,
            // RFC 9110 §14.2: a list with an invalid element is ignored as a whole.
            Spec::Invalid => return Selection::Whole,
            Spec::PastTheEnd => {}
            Spec::Inside(part) => parts.push(part),
        }
    }
    match (seen, parts.len()) {
        (0, _) => Selection::Whole,
        (_, 0) => Selection::Unsatisfiable,
        _ => Selection::Parts(coalesce(parts)),
    }
}

/// A `range-spec`, clipped to the representation.
enum Spec {
    Inside(ByteRange),
    PastTheEnd,
    Invalid,
}

fn resolve(spec: &[u8], size: u64) -> Spec {
    let Some(dash) = spec.iter().position(|byte| *byte == b'-') else {
        return Spec::Invalid;
    };
    match (number(&spec[..dash]), number(&spec[dash + 1..])) {
        // RFC 9110 §14.1.2: the last n bytes, or all of them when there are fewer.
        (Number::Absent, Number::Value(length)) => Spec::clip(size - length.min(size), u64::MAX, size),
        (Number::Value(first), Number::Absent) => Spec::clip(first, u64::MAX, size),
        // RFC 9110 §14.1.1: an int-range whose last is less than its first is invalid.
        (Number::Value(first), Number::Value(last)) if is_ascending(&spec[..dash], &spec[dash + 1..]) => {
            Spec::clip(first, last, size)
        }
        _ => Spec::Invalid,
    }
}

impl Spec {
    fn clip(first: u64, last: u64, size: u64) -> Self {
        if first < size { Self::Inside(ByteRange { first, last: last.min(size - 1) }) } else { Self::PastTheEnd }
    }
}

enum Number {
    Value(u64),
    Absent,
    Invalid,
}

/// Digits only (no sign, no space). A number too large for us is past any end, so it saturates.
fn number(digits: &[u8]) -> Number {
    if digits.is_empty() {
        return Number::Absent;
    }
    let mut number = 0_u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Number::Invalid;
        }
        number = number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    }
    Number::Value(number)
}

/// Whether the second number is not less than the first; by their digits, so that saturation hides nothing.
fn is_ascending(first: &[u8], last: &[u8]) -> bool {
    significant(first) <= significant(last)
}

fn significant(digits: &[u8]) -> (usize, &[u8]) {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    (digits.len() - zeros, &digits[zeros..])
}

/// RFC 9110 §15.3.7.2: ranges that overlap may be sent as one. Merging them keeps an answer from being larger than the
/// representation; lists without overlap keep the client's order.
fn coalesce(parts: Vec<ByteRange>) -> Vec<ByteRange> {
    let mut sorted = parts.clone();
    sorted.sort_unstable_by_key(|part| part.first);
    let mut merged: Vec<ByteRange> = Vec::with_capacity(sorted.len());
    for part in sorted {
        match merged.last_mut() {
            Some(before) if part.first <= before.last => before.last = before.last.max(part.last),
            _ => merged.push(part),
        }
    }
    if merged.len() == parts.len() { parts } else { merged }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ask(field: &str, size: u64) -> Selection {
        select(&HeaderValue::from_str(field).unwrap(), size)
    }

    fn parts(parts: &[(u64, u64)]) -> Selection {
        Selection::Parts(parts.iter().map(|&(first, last)| ByteRange { first, last }).collect())
    }

    #[test]
    fn selections() {
        use Selection::{Unsatisfiable, Whole};
        for (field, expected) in [
            ("bytes=0-0", parts(&[(0, 0)])),
            ("bytes=0-", parts(&[(0, 99)])),
            ("bytes=99-", parts(&[(99, 99)])),
            ("bytes=10-19", parts(&[(10, 19)])),
            ("bytes=10-1000", parts(&[(10, 99)])),
            ("bytes=10-99999999999999999999999", parts(&[(10, 99)])),
            ("bytes=-1", parts(&[(99, 99)])),
            ("bytes=-1000", parts(&[(0, 99)])),
            ("BYTES=0-1", parts(&[(0, 1)])),
            ("bytes= 0-1 , ,5-6,", parts(&[(0, 1), (5, 6)])),
            ("bytes=50-59,0-9", parts(&[(50, 59), (0, 9)])),
            ("bytes=0-9,10-19", parts(&[(0, 9), (10, 19)])),
            ("bytes=0-9,5-19", parts(&[(0, 19)])),
            ("bytes=50-59,0-9,5-19", parts(&[(0, 19), (50, 59)])),
            ("bytes=0-,0-,0-,0-", parts(&[(0, 99)])),
            ("bytes=200-300,0-1", parts(&[(0, 1)])),
            ("bytes=100-", Unsatisfiable),
            ("bytes=100-200,300-", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=", Whole),
            ("bytes=,", Whole),
            ("bytes", Whole),
            ("", Whole),
            ("items=0-1", Whole),
            ("bytes=5-4", Whole),
            ("bytes=99999999999999999999999-99999999999999999999998", Whole),
            ("bytes=0-1,5-4", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=0 - 1", Whole),
            ("bytes=1", Whole),
            ("bytes=--1", Whole),
            ("bytes 0-1", Whole),
        ] {
            assert_eq!(ask(field, 100), expected, "{field}");
        }
        assert_eq!(ask("bytes=0-", 0), Whole);
        assert_eq!(ask("bytes=-5", 0), Whole);
    }

    #[test]
    fn sixteen_ranges_and_no_more() {
        let list =
            |n: u64| format!("bytes={}", (0..n).map(|i| format!("{}-{}", i * 2, i * 2)).collect::<Vec<_>>().join(","));
        assert!(matches!(ask(&list(16), 100), Selection::Parts(parts) if parts.len() == 16));
        assert_eq!(ask(&list(17), 100), Selection::Whole);
    }

    #[test]
    fn content_range() {
        assert_eq!(ByteRange { first: 0, last: 0 }.content_range(10), "bytes 0-0/10");
    }

    proptest! {
        #[test]
        fn parts_are_inside_disjoint_and_no_larger_than_the_whole(field in "bytes=[0-9,\\- ]{0,60}", size in 0_u64..200) {
            if let Selection::Parts(parts) = ask(&field, size) {
                prop_assert!(!parts.is_empty() && parts.len() <= MAX_RANGES);
                prop_assert!(parts.iter().all(|part| part.first <= part.last && part.last < size));
                prop_assert!(parts.iter().map(|part| part.len()).sum::<u64>() <= size);
            }
        }

        #[test]
        fn selects_the_bytes_named(ranges in prop::collection::vec((0_u64..300, 0_u64..300), 1..10), size in 1_u64..200) {
            let ranges: Vec<_> = ranges.into_iter().map(|(a, b)| (a.min(b), a.max(b))).collect();
            let field = format!("bytes={}", ranges.iter().map(|(a, b)| format!("{a}-{b}")).collect::<Vec<_>>().join(","));
            let wanted: Vec<u64> = (0..size).filter(|at| ranges.iter().any(|(a, b)| a <= at && at <= b)).collect();
            let mut got: Vec<u64> = match ask(&field, size) {
                Selection::Parts(parts) => parts.iter().flat_map(|part| part.first..=part.last).collect(),
                Selection::Unsatisfiable => vec![],
                Selection::Whole => (0..size).collect(),
            };
            got.sort_unstable();
            prop_assert_eq!(got, wanted);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60), size in any::<u64>()) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let _ = select(&value, size);
            }
        }
    }
}
