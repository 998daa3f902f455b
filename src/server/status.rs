//! The status page at the admin port's root: one HTML document, and the headers that keep it to itself.
//!
//! `admin` answers with it where a browser asks. The page fetches `/-/status.json` (`telemetry::snapshot`) for as long as
//! somebody looks; rates, percentiles and graphs are its own work, so the server keeps nothing for it.

use http::{HeaderValue, Method, Response, StatusCode, header};

use crate::app::service::fault_page;
use crate::semantics::fault::Fault;
use crate::stack::probe;
use crate::stack::route::FrontBody;
use crate::sys::random;

const PAGE: &str = include_str!("status.html");
/// Stands in the page where the nonce of an answer belongs.
const NONCE: &str = "{{nonce}}";

/// The page. Its policy (CSP level 3) lets it run its own script and style, fetch from where it came, and nothing else; it
/// cannot be framed.
#[must_use]
pub fn page(method: &Method) -> Response<FrontBody> {
    let Some(nonce) = nonce() else { return fault_page(&Fault::internal()).map(FrontBody::App) };
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types"
    );
    let mut response = probe::plain(StatusCode::OK, method, PAGE.replace(NONCE, &nonce));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// 128 bits that nobody can guess, different for each answer (CSP level 3 §7.1).
fn nonce() -> Option<String> {
    random::bytes().ok().map(|bytes| format!("{:032x}", u128::from_ne_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_and_style_carry_the_nonce_and_nothing_else_is_inline() {
        assert_eq!(PAGE.matches("<script").count(), PAGE.matches("<script nonce=\"{{nonce}}\">").count());
        assert_eq!(PAGE.matches("<style").count(), PAGE.matches("<style nonce=\"{{nonce}}\">").count());
        assert_eq!(PAGE.matches(NONCE).count(), 2);
        // What the policy would refuse, or what would be somebody else's text as markup.
        for never in ["style=\"", "onclick", "onload", "innerHTML", "insertAdjacent", "document.write", "eval("] {
            assert!(!PAGE.contains(never), "{never}");
        }
    }

    #[test]
    fn a_nonce_is_used_once() {
        let (one, other) = (nonce().unwrap(), nonce().unwrap());
        assert_eq!(one.len(), 32);
        assert_ne!(one, other);
    }
}
