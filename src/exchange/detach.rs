//! Heads out of the connection's read buffer, whose 8 KiB can neither be freed nor used again while anything of a head is
//! a part of them.
//!
//! For heads that are kept while a body takes long: `app` does it when one turns out to be slow, `stack/observe` with
//! what it keeps for the access log.

use http::HeaderValue;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Uri};

/// Takes all of a head out of the buffer.
pub fn head(parts: &mut Parts) {
    for value in parts.headers.values_mut() {
        *value = self::value(value);
    }
    parts.uri = uri(&parts.uri);
}

/// A copy in memory of its own.
#[must_use]
pub fn value(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).map_or_else(
        |_| value.clone(),
        |mut copy| {
            copy.set_sensitive(value.is_sensitive());
            copy
        },
    )
}

/// A copy in memory of its own.
#[must_use]
pub fn uri(uri: &Uri) -> Uri {
    let mut parts = uri.clone().into_parts();
    parts.authority = parts.authority.map(|name| Authority::try_from(name.as_str()).unwrap_or(name));
    parts.path_and_query = parts.path_and_query.map(|path| PathAndQuery::try_from(path.as_str()).unwrap_or(path));
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn a_detached_head_says_the_same_and_keeps_nothing_of_the_buffer() {
        for target in ["/a/%20b?c=d&e", "/", "*", "http://name:8080/path?query", "http://name", "name:443"] {
            let buffer = Bytes::from(format!("{target}some value"));
            let value = HeaderValue::from_maybe_shared(buffer.slice(target.len()..)).unwrap();
            let (mut parts, ()) = http::Request::new(()).into_parts();
            parts.uri = Uri::from_maybe_shared(buffer.slice(..target.len())).unwrap();
            parts.headers.insert("x-one", value.clone());
            parts.headers.append("x-one", value.clone());
            let before = (parts.uri.to_string(), parts.uri.clone(), parts.headers.clone());
            head(&mut parts);
            assert_eq!((parts.uri.to_string(), parts.uri.clone(), parts.headers.clone()), before);
            drop((before, value));
            assert!(buffer.is_unique(), "{target}");
        }
    }
}
