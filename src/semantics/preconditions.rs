//! Conditional requests (RFC 9110 §13): whether a request goes on, is answered 304, or fails with 412.
//!
//! Called by `static_files` with the validators of the representation it chose. Pure; knows no file and no response.

use std::time::{Duration, SystemTime};

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::etag::{Comparison, EntityTag};

/// A modification date in whole seconds, as HTTP dates are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LastModified(u64);

/// HTTP dates have four digits for the year.
const YEAR_10000: u64 = 253_402_300_800;

impl LastModified {
    /// Rounds down to the second. None: a time no HTTP date can say.
    #[must_use]
    pub fn new(time: SystemTime) -> Option<Self> {
        let seconds = time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        (seconds < YEAR_10000).then_some(Self(seconds))
    }

    /// The date as sent in `Last-Modified`.
    #[must_use]
    pub fn value(self) -> Option<HeaderValue> {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(self.0);
        HeaderValue::try_from(httpdate::fmt_http_date(time)).ok()
    }

    /// The date that a header says; None: it says none.
    #[must_use]
    pub fn parse(value: &HeaderValue) -> Option<Self> {
        Self::new(httpdate::parse_http_date(value.to_str().ok()?.trim_ascii()).ok()?)
    }
}

/// What the preconditions of a request say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Perform the method.
    Proceed,
    /// 304 Not Modified.
    NotModified,
    /// 412 Precondition Failed.
    Failed,
}

/// Evaluates the preconditions of a request in the order of RFC 9110 §13.2.2, for an existing representation.
/// `last_modified` is None when the date is not known; then the date conditions are ignored.
#[must_use]
pub fn evaluate(
    method: &Method,
    headers: &HeaderMap,
    etag: &EntityTag,
    last_modified: Option<LastModified>,
) -> Verdict {
    // §13.2.2 steps 1 and 2: If-Unmodified-Since counts only where there is no If-Match.
    if headers.contains_key(IF_MATCH) {
        if !etag.is_named_by(headers.get_all(IF_MATCH), Comparison::Strong) {
            return Verdict::Failed;
        }
    } else if let (Some(since), Some(modified)) = (date(headers, &IF_UNMODIFIED_SINCE), last_modified)
        && modified > since
    {
        return Verdict::Failed;
    }

    // §13.2.2 steps 3 and 4: If-Modified-Since counts only where there is no If-None-Match, and for GET and HEAD alone.
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if headers.contains_key(IF_NONE_MATCH) {
        match (etag.is_named_by(headers.get_all(IF_NONE_MATCH), Comparison::Weak), reads) {
            (false, _) => Verdict::Proceed,
            (true, true) => Verdict::NotModified,
            (true, false) => Verdict::Failed,
        }
    } else if reads
        && let (Some(since), Some(modified)) = (date(headers, &IF_MODIFIED_SINCE), last_modified)
        && modified <= since
    {
        Verdict::NotModified
    } else {
        Verdict::Proceed
    }
}

/// Whether a `Range` field may be honoured: there is no `If-Range`, or it names exactly this representation
/// (RFC 9110 §13.1.5). Pass `last_modified` only where the date is a strong validator, that is where no other
/// representation of the resource has the same one.
#[must_use]
pub fn if_range_holds(headers: &HeaderMap, etag: &EntityTag, last_modified: Option<LastModified>) -> bool {
    let mut values = headers.get_all(IF_RANGE).iter();
    match (values.next(), values.next()) {
        (None, _) => true,
        (Some(value), None) => {
            // A date must be equal, not merely late enough.
            etag.is_strongly(value)
                || last_modified.is_some_and(|modified| LastModified::parse(value) == Some(modified))
        }
        (Some(_), Some(_)) => false,
    }
}

/// RFC 9110 §13.1.3, §13.1.4: a date that cannot be read, or more than one, is as no date.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<LastModified> {
    let mut values = headers.get_all(name).iter();
    let only = values.next()?;
    if values.next().is_some() { None } else { LastModified::parse(only) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "\"00000000000000000000000000000007\"";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const EXACT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const OBSOLETE: &str = "Sunday, 06-Nov-94 08:49:37 GMT";

    fn modified() -> Option<LastModified> {
        LastModified::new(SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_900))
    }

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn verdict(method: &Method, fields: &[(&'static str, &str)]) -> Verdict {
        evaluate(method, &headers(fields), &EntityTag::from_digest(7).unwrap(), modified())
    }

    #[test]
    fn dates_are_whole_seconds() {
        assert_eq!(modified().unwrap().value().unwrap(), EXACT);
        assert_eq!(LastModified::new(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(LastModified::new(SystemTime::UNIX_EPOCH + Duration::from_secs(YEAR_10000)), None);
    }

    #[test]
    fn order_of_rfc_9110_13_2_2() {
        use Verdict::{Failed, NotModified, Proceed};
        let weak = format!("W/{TAG}");
        let lists = format!("\"x\", {TAG}");
        for (fields, expected) in [
            (vec![], Proceed),
            (vec![("if-none-match", TAG)], NotModified),
            (vec![("if-none-match", weak.as_str())], NotModified),
            (vec![("if-none-match", lists.as_str())], NotModified),
            (vec![("if-none-match", "\"x\""), ("if-none-match", TAG)], NotModified),
            (vec![("if-none-match", "*")], NotModified),
            (vec![("if-none-match", "\"x\"")], Proceed),
            (vec![("if-none-match", "\"x\""), ("if-modified-since", AFTER)], Proceed),
            (vec![("if-none-match", TAG), ("if-modified-since", BEFORE)], NotModified),
            (vec![("if-modified-since", BEFORE)], Proceed),
            (vec![("if-modified-since", EXACT)], NotModified),
            (vec![("if-modified-since", AFTER)], NotModified),
            (vec![("if-modified-since", OBSOLETE)], NotModified),
            (vec![("if-modified-since", "yesterday")], Proceed),
            (vec![("if-modified-since", AFTER), ("if-modified-since", AFTER)], Proceed),
            (vec![("if-match", TAG)], Proceed),
            (vec![("if-match", "*")], Proceed),
            (vec![("if-match", weak.as_str())], Failed),
            (vec![("if-match", "\"x\"")], Failed),
            (vec![("if-match", "\"x\""), ("if-none-match", TAG)], Failed),
            (vec![("if-match", TAG), ("if-none-match", TAG)], NotModified),
            (vec![("if-match", TAG), ("if-unmodified-since", BEFORE)], Proceed),
            (vec![("if-unmodified-since", BEFORE)], Failed),
            (vec![("if-unmodified-since", EXACT)], Proceed),
            (vec![("if-unmodified-since", "soon")], Proceed),
        ] {
            assert_eq!(verdict(&Method::GET, &fields), expected, "{fields:?}");
            assert_eq!(verdict(&Method::HEAD, &fields), expected, "{fields:?}");
        }
        assert_eq!(verdict(&Method::PUT, &[("if-none-match", "*")]), Failed);
        assert_eq!(verdict(&Method::PUT, &[("if-modified-since", AFTER)]), Proceed);
    }

    #[test]
    fn an_unknown_date_ignores_date_conditions() {
        let etag = EntityTag::from_digest(7).unwrap();
        for name in ["if-modified-since", "if-unmodified-since"] {
            assert_eq!(evaluate(&Method::GET, &headers(&[(name, BEFORE)]), &etag, None), Verdict::Proceed);
        }
        assert!(!if_range_holds(&headers(&[("if-range", EXACT)]), &etag, None));
    }

    #[test]
    fn if_range() {
        let etag = EntityTag::from_digest(7).unwrap();
        for (value, holds) in
            [(TAG, true), (EXACT, true), (BEFORE, false), (AFTER, false), ("\"x\"", false), ("*", false)]
        {
            assert_eq!(if_range_holds(&headers(&[("if-range", value)]), &etag, modified()), holds, "{value}");
        }
        assert!(!if_range_holds(&headers(&[("if-range", &format!("W/{TAG}"))]), &etag, modified()));
        assert!(!if_range_holds(&headers(&[("if-range", TAG), ("if-range", TAG)]), &etag, modified()));
        assert!(if_range_holds(&HeaderMap::new(), &etag, modified()));
    }
}
