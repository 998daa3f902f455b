//! Accept (RFC 9110 §12.5.1), as far as anything here depends on it: whether a browser asks for a page.
//!
//! Called by `static_files`.

use http::{HeaderMap, header};

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

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

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
