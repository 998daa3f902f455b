//! `traceparent`: which trace a request belongs to (W3C Trace Context, <https://www.w3.org/TR/trace-context/>).
//!
//! Called for access records. The header itself goes on to the application as it came, valid or not.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::header_lines::lines;

static NAME: HeaderName = HeaderName::from_static("traceparent");

/// Where the two ids are.
const TRACE: std::ops::Range<usize> = 3..35;
const SPAN: std::ops::Range<usize> = 36..52;

/// A valid `traceparent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent(HeaderValue);

impl TraceParent {
    /// That of a request, if it is one header and valid (§3.2).
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = lines(headers, &NAME);
        let value = values.next().filter(|value| is_valid(value.as_bytes()))?;
        values.next().is_none().then(|| Self(value.clone()))
    }

    /// 32 hex digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        self.part(TRACE)
    }

    /// 16 hex digits: the caller's span, the parent of any that is begun here.
    #[must_use]
    pub fn span_id(&self) -> &str {
        self.part(SPAN)
    }

    fn part(&self, at: std::ops::Range<usize>) -> &str {
        self.0.to_str().ok().and_then(|text| text.get(at)).unwrap_or_default()
    }
}

/// `version "-" trace-id "-" parent-id "-" trace-flags`, in small hex digits; a version to come may have more behind
/// another dash (§3.2.4).
fn is_valid(value: &[u8]) -> bool {
    let hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let some = |part: &[u8]| hex(part) && part.iter().any(|byte| *byte != b'0');
    let dashes = value.len() >= 55 && value[2] == b'-' && value[35] == b'-' && value[52] == b'-';
    dashes
        && hex(&value[..2])
        && &value[..2] != b"ff"
        && some(&value[TRACE])
        && some(&value[SPAN])
        && hex(&value[53..55])
        && (value.len() == 55 || (&value[..2] != b"00" && value[55] == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn ids_are_told_of_valid_headers_alone() {
        let found = |values: &[&str]| {
            let headers = values.iter().map(|value| (NAME.clone(), value.parse().unwrap())).collect();
            TraceParent::of(&headers).map(|found| (found.trace_id().to_owned(), found.span_id().to_owned()))
        };
        let ids = Some(("0af7651916cd43dd8448eb211c80319c".to_owned(), "b7ad6b7169203331".to_owned()));
        assert_eq!(found(&[GOOD]), ids);
        assert_eq!(found(&[&format!("cc{}-what-comes", &GOOD[2..])]), ids);
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[GOOD, GOOD]), None);
        for bad in [
            "",
            &GOOD[..54],
            &format!("{GOOD}-x"),
            &format!("cc{}x", &GOOD[2..]),
            &GOOD.replace("00-", "ff-"),
            &GOOD.to_uppercase(),
            &GOOD.replace('-', "_"),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333\"-01",
        ] {
            assert_eq!(found(&[bad]), None, "{bad}");
        }
    }
}
