//! Answers: a representation and a request's headers to a response, in the order preconditions, range, whole.
//!
//! Called by `service`, which has found the asset, and by `named`. Decides nothing of its own: `semantics` decides, this
//! builds.

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::asset::{Asset, Variant};
use super::body::StaticBody;
use crate::semantics::path::encode;
use crate::semantics::preconditions::{self, Verdict};
use crate::semantics::range::{self, ByteRange, Selection};

/// Answers a GET or HEAD for an asset.
pub fn asset(asset: &Asset, method: &Method, headers: &HeaderMap) -> Response<StaticBody> {
    self::variant(asset.choose(headers), method, headers)
}

/// Answers a GET or HEAD for this representation.
pub fn variant(variant: &Variant, method: &Method, headers: &HeaderMap) -> Response<StaticBody> {
    match preconditions::evaluate(method, headers, &variant.etag, variant.last_modified) {
        Verdict::NotModified => build(StatusCode::NOT_MODIFIED, variant.not_modified.clone(), StaticBody::empty()),
        Verdict::Failed => refusal(StatusCode::PRECONDITION_FAILED, method, None),
        Verdict::Proceed if *method == Method::HEAD => {
            // RFC 9110 §14.2: Range is defined for GET alone.
            build(StatusCode::OK, variant.headers.clone(), StaticBody::empty())
        }
        Verdict::Proceed => ranged(variant, method, headers)
            .unwrap_or_else(|| build(StatusCode::OK, variant.headers.clone(), StaticBody::whole(&variant.content))),
    }
}

/// To the path of a directory: `path`, decoded, and a slash. Only a path, so whatever the client wrote it leads to this
/// host; never kept, as the application may answer there tomorrow.
pub fn slash(method: &Method, root_path: &str, path: &str, query: Option<&str>) -> Response<StaticBody> {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let location = format!("{root_path}{}/{query}", encode(path));
    match HeaderValue::try_from(location) {
        Ok(location) => refusal(StatusCode::FOUND, method, Some((LOCATION, location))),
        Err(_) => not_found(method),
    }
}

/// 404 for a path under a static prefix.
pub fn not_found(method: &Method) -> Response<StaticBody> {
    refusal(StatusCode::NOT_FOUND, method, None)
}

/// 405 for what is neither GET nor HEAD.
pub fn method_not_allowed(method: &Method) -> Response<StaticBody> {
    // RFC 9110 §15.5.6: Allow is required.
    refusal(StatusCode::METHOD_NOT_ALLOWED, method, Some((ALLOW, HeaderValue::from_static("GET, HEAD"))))
}

/// Answers another method than GET and HEAD for an asset: OPTIONS, where a rule opens it to another origin.
pub fn other_method(asset: &Asset, method: &Method) -> Response<StaticBody> {
    match asset.preflight() {
        Some(headers) if *method == Method::OPTIONS => {
            build(StatusCode::NO_CONTENT, headers.clone(), StaticBody::empty())
        }
        Some(headers) => {
            refusal(StatusCode::METHOD_NOT_ALLOWED, method, headers.get(ALLOW).map(|allow| (ALLOW, allow.clone())))
        }
        None => method_not_allowed(method),
    }
}

/// 206 or 416; None when there is no range to honour.
fn ranged(variant: &Variant, method: &Method, headers: &HeaderMap) -> Option<Response<StaticBody>> {
    let mut fields = headers.get_all(RANGE).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return None;
    };
    if !preconditions::if_range_holds(headers, &variant.etag, variant.strong_date) {
        return None;
    }
    let size = variant.content.size();
    match range::select(field, size) {
        Selection::Whole => None,
        Selection::Parts(parts) => match parts[..] {
            [part] => single(variant, part, size),
            _ => multiple(variant, &parts, size),
        },
        Selection::Unsatisfiable => {
            // RFC 9110 §15.5.17: Content-Range tells the size.
            let content_range = HeaderValue::try_from(format!("bytes */{size}")).ok()?;
            Some(refusal(StatusCode::RANGE_NOT_SATISFIABLE, method, Some((CONTENT_RANGE, content_range))))
        }
    }
}

fn single(variant: &Variant, part: ByteRange, size: u64) -> Option<Response<StaticBody>> {
    let mut headers = variant.headers.clone();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(part.len()));
    headers.insert(CONTENT_RANGE, HeaderValue::try_from(part.content_range(size)).ok()?);
    let mut body = StaticBody::empty();
    body.push_range(&variant.content, part);
    Some(build(StatusCode::PARTIAL_CONTENT, headers, body))
}

/// RFC 9110 §14.6.
fn multiple(variant: &Variant, parts: &[ByteRange], size: u64) -> Option<Response<StaticBody>> {
    let boundary = format!("{:032x}", variant.boundary);
    let content_type = variant.content_type.to_str().ok()?;
    let mut body = StaticBody::empty();
    let mut line_end = "";
    for part in parts {
        let content_range = part.content_range(size);
        let head =
            format!("{line_end}--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {content_range}\r\n\r\n");
        body.push_bytes(Bytes::from(head));
        body.push_range(&variant.content, *part);
        line_end = "\r\n";
    }
    body.push_bytes(Bytes::from(format!("\r\n--{boundary}--\r\n")));

    let mut headers = variant.headers.clone();
    headers.insert(CONTENT_TYPE, HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}")).ok()?);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(http_body::Body::size_hint(&body).lower()));
    Some(build(StatusCode::PARTIAL_CONTENT, headers, body))
}

/// A short text answer that no cache keeps: RFC 9110 §15.1 lets caches keep 404 and 405 by their own guess, and in a
/// rolling update the file that this pod lacks is there on the next.
fn refusal(status: StatusCode, method: &Method, extra: Option<(HeaderName, HeaderValue)>) -> Response<StaticBody> {
    let text = match status {
        StatusCode::FOUND => "302 Found\n",
        StatusCode::NOT_FOUND => "404 Not Found\n",
        StatusCode::METHOD_NOT_ALLOWED => "405 Method Not Allowed\n",
        StatusCode::PRECONDITION_FAILED => "412 Precondition Failed\n",
        _ => "416 Range Not Satisfiable\n",
    };
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    headers.extend(extra);
    let mut body = StaticBody::empty();
    if *method != Method::HEAD {
        body.push_bytes(Bytes::from_static(text.as_bytes()));
    }
    build(status, headers, body)
}

fn build(status: StatusCode, headers: HeaderMap, body: StaticBody) -> Response<StaticBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
