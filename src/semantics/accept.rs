//! Accept (RFC 9110 §12.5.1), as far as anything here depends on it: whether a browser asks for a page, and in which
//! format a scraper wants the metrics.
//!
//! Called by `static_files` and the admin port.

use http::{HeaderMap, header};

use super::accept_encoding::weight;

/// Whether the client names `text/html` among what it takes. A browser does for a page; `fetch()`, an image or a script
/// does not, nor does `*/*`.
#[must_use]
pub fn wants_html(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().any(|line| {
        line.as_bytes().split(|byte| *byte == b',').any(|range| {
            let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let is_html = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(b"text/html"));
            // RFC 9110 §12.4.2: a weight of 0 means not acceptable.
            is_html && !parts.any(is_weight_zero)
        })
    })
}

fn is_weight_zero(parameter: &[u8]) -> bool {
    match parameter {
        [b'q' | b'Q', b'=', b'0', rest @ ..] => rest.iter().all(|byte| matches!(byte, b'.' | b'0')),
        _ => false,
    }
}

/// A media type that can be answered, and which of its versions that is.
#[derive(Clone, Copy, Debug)]
pub struct Media {
    pub kind: &'static str,
    pub subtype: &'static str,
    pub version: &'static str,
}

/// How much the client wants it, in thousandths: by the most specific range that covers it, and of several such by the
/// heaviest. A range of another version does not cover it; other parameters say nothing here. All without `Accept`.
#[must_use]
pub fn weight_of(headers: &HeaderMap, media: Media) -> u16 {
    let ranges = headers.get_all(header::ACCEPT).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let mut heaviest: Option<(u8, u16)> = None;
    let mut has_range = false;
    for range in ranges.map(<[u8]>::trim_ascii).filter(|range| !range.is_empty()) {
        has_range = true;
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let Some(specificity) = parts.next().and_then(|name| covers(name, media)) else { continue };
        let (mut thousandths, mut is_other) = (1000, false);
        for parameter in parts {
            if let Some(found) = weight(parameter) {
                thousandths = found;
            } else if let Some(version) = parameter.strip_prefix(b"version=") {
                is_other = version.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(version)
                    != media.version.as_bytes();
            }
        }
        heaviest = heaviest.max((!is_other).then_some((specificity, thousandths)));
    }
    if has_range { heaviest.map_or(0, |(_, weight)| weight) } else { 1000 }
}

/// How specific a range that covers the type is.
fn covers(range: &[u8], media: Media) -> Option<u8> {
    let at = range.iter().position(|byte| *byte == b'/')?;
    let (kind, subtype) = (&range[..at], &range[at + 1..]);
    match (kind.eq_ignore_ascii_case(media.kind.as_bytes()), subtype.eq_ignore_ascii_case(media.subtype.as_bytes())) {
        (true, true) => Some(2),
        (true, false) => (subtype == b"*").then_some(1),
        (false, _) => (range == b"*/*").then_some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_most_specific_range_weighs() {
        let media = Media { kind: "text", subtype: "plain", version: "0.0.4" };
        for (accept, expected) in [
            ("text/plain", 1000),
            ("text/plain;q=0.25, */*", 250),
            ("*/*;q=0.1, text/*;q=0.5", 500),
            ("text/html, */*;q=0.1", 100),
            ("text/html", 0),
            ("text/plain;q=0, */*", 0),
            ("TEXT/Plain; version=\"0.0.4\"; charset=utf-8; q=0.7", 700),
            ("text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3", 300),
            ("text/plain;version=1.0.0", 0),
            ("text/plain;q=0.2,text/plain;version=0.0.4;q=0.6", 600),
            ("text", 0),
            ("*/plain", 0),
            (" , ", 1000),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(weight_of(&headers, media), expected, "{accept}");
        }
        assert_eq!(weight_of(&HeaderMap::new(), media), 1000);
    }

    #[test]
    fn only_who_names_html_wants_it() {
        for (accept, wants) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", true),
            ("application/json, TEXT/HTML;level=1;q=0.5", true),
            ("text/html;q=0.01", true),
            ("text/html;q=0", false),
            ("text/html; Q=0.000", false),
            ("*/*", false),
            ("text/*", false),
            ("application/json", false),
            ("text/htmlx", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(wants_html(&headers), wants, "{accept}");
        }
        assert!(!wants_html(&HeaderMap::new()));
    }
}
