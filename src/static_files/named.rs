//! A file as it is at this moment, as the answer to one request: beside what the application said with its name.
//!
//! Called by `accel`, which opened it. What the application says of the file counts (media type, validators, caching), but
//! for its length and parts, which only the file knows. `respond` answers.

use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, EXPIRES, InvalidHeaderValue, LAST_MODIFIED, X_CONTENT_TYPE_OPTIONS,
};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::accel::Found;
use super::asset::Variant;
use super::body::StaticBody;
use super::content::Content;
use super::respond;
use super::scan::last_modified;
use crate::exchange::Asked;
use crate::semantics::accept_encoding::Coding;
use crate::semantics::etag::EntityTag;
use crate::semantics::fault::Fault;
use crate::semantics::media_types::content_type;
use crate::semantics::preconditions::LastModified;

/// What describes the file to those who get it, and nobody else (RFC 9110 §15.4.5).
const OF_THE_CONTENT: [HeaderName; 7] = [
    CONTENT_TYPE,
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_DISPOSITION,
    LAST_MODIFIED,
    ACCEPT_RANGES,
];

/// Answers what was `asked` with the file, after what the application `said`.
pub fn answer(found: Found, asked: &Asked, said: Parts) -> Response<StaticBody> {
    let is_read = matches!(asked.method, Method::GET | Method::HEAD);
    // An application that looks at Range itself (as Flask does) says 206; but the part is made here.
    let is_plain = matches!(said.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT);
    let made = if is_read && is_plain { conditional(found, asked, said.headers) } else { whole(found, asked, said) };
    // Of names and dates that are no header values; there are none.
    made.unwrap_or_else(|_| Fault::internal().response())
}

/// All of it, whatever the client has or wants of it, as the status is the application's.
fn whole(found: Found, asked: &Asked, said: Parts) -> Result<Response<StaticBody>, InvalidHeaderValue> {
    let mut headers = said.headers;
    describe(&found, &mut headers)?;
    let content = Content::of(found.file, found.metadata.len());
    let is_head = asked.method == Method::HEAD;
    let mut response = Response::new(if is_head { StaticBody::empty() } else { StaticBody::whole(&content) });
    *response.headers_mut() = headers;
    if said.status != StatusCode::PARTIAL_CONTENT {
        *response.status_mut() = said.status;
        // The reason phrase.
        *response.extensions_mut() = said.extensions;
    }
    Ok(response)
}

fn conditional(
    found: Found,
    asked: &Asked,
    mut headers: HeaderMap,
) -> Result<Response<StaticBody>, InvalidHeaderValue> {
    let content_type = describe(&found, &mut headers)?;
    let date = last_modified(found.metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), SystemTime::now());
    let last_modified = headers.get(LAST_MODIFIED).and_then(LastModified::parse).or(date);
    if let Some(date) = last_modified.and_then(LastModified::value) {
        headers.insert(LAST_MODIFIED, date);
    }
    let etag = match headers.get(ETAG).and_then(EntityTag::parse) {
        Some(etag) => etag,
        None => EntityTag::from_digest(digest(&found, date.is_some()))?,
    };
    headers.insert(ETAG, etag.value().clone());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let mut not_modified = headers.clone();
    for name in OF_THE_CONTENT {
        not_modified.remove(name);
    }
    let variant = Variant {
        coding: Coding::Identity,
        etag,
        last_modified,
        strong_date: last_modified,
        content_type,
        boundary: boundary(&found),
        content: Content::of(found.file, found.metadata.len()),
        headers,
        not_modified,
    };
    let mut response = respond::variant(&variant, &asked.method, &asked.headers);
    if response.status().is_client_error() {
        // 412 and 416: cookies and the like are the application's to send, whatever becomes of the file.
        let mut headers = variant.not_modified;
        for name in [ETAG, CACHE_CONTROL, EXPIRES] {
            headers.remove(name);
        }
        headers.extend(std::mem::take(response.headers_mut()));
        *response.headers_mut() = headers;
    }
    Ok(response)
}

/// Completes the headers of the application: length and, where it has not said it, media type, which is given back.
fn describe(found: &Found, headers: &mut HeaderMap) -> Result<HeaderValue, InvalidHeaderValue> {
    for name in [ACCEPT_RANGES, CONTENT_RANGE] {
        headers.remove(name);
    }
    headers.insert(CONTENT_LENGTH, HeaderValue::from(found.metadata.len()));
    if let Some(content_type) = headers.get(CONTENT_TYPE) {
        return Ok(content_type.clone());
    }
    let content_type = HeaderValue::try_from(&*content_type(&found.name))?;
    headers.insert(CONTENT_TYPE, content_type.clone());
    headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    Ok(content_type)
}

/// What the entity tag is made of: when the content changed, in nanoseconds, and its size. A date that says nothing (of a
/// build made reproducible) gives way to the time when the file got here.
fn digest(found: &Found, is_dated: bool) -> u128 {
    let of = &found.metadata;
    let (seconds, nanos) = if is_dated { (of.mtime(), of.mtime_nsec()) } else { (of.ctime(), of.ctime_nsec()) };
    let changed = seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos);
    u128::from(changed.cast_unsigned()) << 64 | u128::from(of.len())
}

/// Nobody who writes a file knows when the file system will say that it was changed.
fn boundary(found: &Found) -> u128 {
    let of = &found.metadata;
    let mut hasher = blake3::Hasher::new();
    for number in [of.dev(), of.ino(), of.ctime().cast_unsigned(), of.ctime_nsec().cast_unsigned(), of.len()] {
        hasher.update(&number.to_be_bytes());
    }
    let mut half = [0; 16];
    hasher.finalize_xof().fill(&mut half);
    u128::from_be_bytes(half)
}
