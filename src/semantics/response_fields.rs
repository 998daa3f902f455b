//! What a response field is to an operator who names it: the server's alone, single-valued, or of the representation.
//!
//! Called by `header_rules`. Unknown fields are lists: RFC 9110 §5.3 lets two of one name be joined by a comma.

use http::HeaderName;
use http::header::{CONTENT_LOCATION, CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY};

/// Why nobody but the server sets or removes a field. None: anybody may.
#[must_use]
pub fn reserved(name: &HeaderName) -> Option<&'static str> {
    match name.as_str() {
        "accept-ranges" | "content-encoding" | "content-length" | "content-range" | "etag" | "last-modified" => {
            Some("describes the bytes that are sent, which the server alone knows")
        }
        // RFC 9110 §7.6.1.
        "connection"
        | "keep-alive"
        | "proxy-authenticate"
        | "proxy-authorization"
        | "proxy-connection"
        | "te"
        | "trailer"
        | "transfer-encoding"
        | "upgrade" => Some("is between the server and the next hop"),
        "age" | "allow" | "date" | "location" => Some("is for the server to say"),
        "set-cookie" | "set-cookie2" => Some("would be kept by caches and handed to other clients"),
        "basic-auth" => Some("is how Netlify asks for a password, and here would publish it"),
        _ => None,
    }
}

/// Whether a field holds one value, so that of two the last counts.
#[must_use]
pub fn is_single(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "access-control-allow-credentials"
            | "access-control-allow-origin"
            | "access-control-max-age"
            | "content-disposition"
            | "content-location"
            | "content-type"
            | "cross-origin-embedder-policy"
            | "cross-origin-embedder-policy-report-only"
            | "cross-origin-opener-policy"
            | "cross-origin-opener-policy-report-only"
            | "cross-origin-resource-policy"
            | "expires"
            | "origin-agent-cluster"
            | "refresh"
            | "retry-after"
            | "server"
            | "service-worker-allowed"
            | "sourcemap"
            | "strict-transport-security"
            | "x-content-type-options"
            | "x-dns-prefetch-control"
            | "x-download-options"
            | "x-frame-options"
            | "x-permitted-cross-domain-policies"
            | "x-sourcemap"
            | "x-ua-compatible"
            | "x-xss-protection"
    )
}

/// Whether a field is one decision told in parts, such as `Cache-Control`: its parts are joined, two decisions are not.
#[must_use]
pub fn is_decision(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.ends_with("cache-control") || matches!(name, "pragma" | "referrer-policy" | "surrogate-control")
}

/// RFC 9110 §15.4.5: whether a field describes the representation, which the client of a 304 has already. What guides
/// caches and browsers is repeated, as they update what they keep (RFC 9111 §3.2).
#[must_use]
pub fn is_of_representation(name: &HeaderName) -> bool {
    let guides = [CONTENT_LOCATION, CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY].contains(name);
    (name.as_str().starts_with("content-") && !guides) || matches!(name.as_str(), "digest" | "repr-digest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_is_which() {
        let name = |name| HeaderName::from_static(name);
        for field in ["content-length", "connection", "te", "etag", "date", "set-cookie", "basic-auth"] {
            assert!(reserved(&name(field)).is_some(), "{field}");
        }
        for field in ["content-type", "cache-control", "vary", "x-anything", "access-control-allow-origin"] {
            assert!(reserved(&name(field)).is_none(), "{field}");
        }
        assert!(is_single(&name("x-frame-options")) && !is_single(&name("link")) && !is_single(&name("cache-control")));
        assert!(is_decision(&name("cdn-cache-control")) && !is_decision(&name("content-security-policy")));
        assert!(is_of_representation(&name("content-type")) && is_of_representation(&name("content-language")));
        for field in ["content-location", "content-security-policy", "cache-control", "expires", "x-anything"] {
            assert!(!is_of_representation(&name(field)), "{field}");
        }
    }
}
