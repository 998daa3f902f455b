//! `wsgi::environ` against what came over the wire: a stream goes through the real connection, and of each request that
//! arrives the environ is compared, key by key, with one made from the reference's reading of the bytes.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use monopod::exchange::{Client, RequestHead, RequestId};
use monopod::wsgi::environ::EnvironFactory;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString};

use super::choices::Choices;
use super::connection::{self, Bodies, Seen};
use super::framing::{self, Message};
use super::guard::{USUAL, shown};
use super::streams;

const ROOT_PATH: &str = "/app";

/// An environ tells what was sent: all of it, to the byte, and nothing else.
pub fn environ(data: &[u8]) {
    let stream = streams::stream(data);
    let reading = framing::read(&stream, &USUAL);
    let outcome = connection::serve(&Choices::of(data).cut(&stream), USUAL, Bodies::Read);
    Python::initialize();
    Python::attach(|py| {
        for (seen, message) in outcome.seen.into_iter().zip(&reading.messages) {
            let Seen::Whole(parts, body) = seen else { continue };
            let found = build(py, *parts, &body).unwrap();
            let expected = reference(message);
            for key in found.keys().chain(expected.keys()) {
                assert_eq!(found.get(key), expected.get(key), "{key}; {:?}", shown(&stream));
            }
        }
    });
}

/// The text of `RequestId::default()`.
const NO_ID: &[u8] = &[b'0'; 32];

type Environ = BTreeMap<String, Bytes>;

/// The real one. Every key and value is a `str` whose characters are bytes, except `wsgi.input`, which is read.
fn build(py: Python<'_>, parts: Parts, body: &Bytes) -> PyResult<Environ> {
    static FACTORY: PyOnceLock<EnvironFactory> = PyOnceLock::new();
    let factory = FACTORY.get_or_try_init(py, || {
        let template = PyDict::new(py);
        template.set_item("wsgi.url_scheme", "http")?;
        EnvironFactory::new(py, &template, ROOT_PATH, Arc::default())
    })?;
    let client = Client::tcp((Ipv4Addr::new(1, 2, 3, 4), 5).into(), (Ipv4Addr::new(10, 0, 0, 9), 8000).into());
    let head = RequestHead { parts, client: Arc::new(client), id: RequestId::default() };
    let input = PyBytes::new(py, body);
    let environ = factory.build(py, &head, body.len() as u64, &input, &input)?;
    environ.del_item("monopod.client_disconnected")?;
    let mut found = Environ::new();
    for (key, value) in environ.iter() {
        let key: String = key.cast_exact::<PyString>()?.extract()?;
        let bytes = match value.cast_exact::<PyString>() {
            Ok(text) => text.call_method1("encode", ("latin-1",))?.cast_into::<PyBytes>()?.as_bytes().to_vec(),
            Err(_) => value.cast::<PyBytes>()?.as_bytes().to_vec(),
        };
        found.insert(key, bytes.into());
    }
    Ok(found)
}

/// PEP 3333 and RFC 3875 §4.1, read off the bytes of the message.
fn reference(message: &Message) -> Environ {
    let mut environ = Environ::new();
    let mut set = |key: &str, value: &[u8]| drop(environ.insert(key.to_owned(), Bytes::copy_from_slice(value)));
    set("wsgi.url_scheme", b"http");
    set("monopod.request_id", NO_ID);
    set("wsgi.input", &message.body);
    set("SCRIPT_NAME", ROOT_PATH.as_bytes());
    set("REMOTE_ADDR", b"1.2.3.4");
    set("REMOTE_PORT", b"5");
    set("SERVER_NAME", b"10.0.0.9");
    set("SERVER_PORT", b"8000");
    set("SERVER_PROTOCOL", if message.is_http_11 { b"HTTP/1.1" } else { b"HTTP/1.0" });
    set("REQUEST_METHOD", &message.method);
    set("RAW_URI", &normal(&message.target));
    set("REQUEST_URI", &normal(&message.target));
    let (path, query) = path_and_query(&message.target);
    set("PATH_INFO", &decoded(below_root(path)));
    set("QUERY_STRING", query);

    let mut headers: BTreeMap<String, Vec<&[u8]>> = BTreeMap::new();
    for (name, value) in &message.headers {
        let name = String::from_utf8(name.to_ascii_uppercase()).unwrap();
        headers.entry(name).or_default().push(value);
    }
    for (name, values) in headers {
        let separator: &[u8] = if name == "COOKIE" { b"; " } else { b"," };
        match name.as_str() {
            "CONTENT-TYPE" => set("CONTENT_TYPE", &values.join(separator)),
            "CONTENT-LENGTH" => set("CONTENT_LENGTH", message.body.len().to_string().as_bytes()),
            "TRANSFER-ENCODING" if !message.body.is_empty() => {
                set("CONTENT_LENGTH", message.body.len().to_string().as_bytes());
            }
            // httpoxy, and names that would be another's key.
            "TRANSFER-ENCODING" | "PROXY" => {}
            name if name.contains('_') => {}
            // Of a client that is not believed.
            "X-REQUEST-ID" => set("HTTP_X_REQUEST_ID", NO_ID),
            name => set(&format!("HTTP_{}", name.replace('-', "_")), &values.join(separator)),
        }
    }
    environ
}

/// RFC 9112 §3.2: of an absolute target what follows its authority; of any other all.
fn path_and_query(target: &[u8]) -> (&[u8], &[u8]) {
    let mut rest = target;
    if target[0] != b'/'
        && let Some(at) = (0..target.len()).find(|at| target[*at..].starts_with(b"://"))
    {
        let authority = &target[at + 3..];
        rest = &authority[authority.iter().position(|byte| b"/?".contains(byte)).unwrap_or(authority.len())..];
        if rest.is_empty() {
            return (b"/", b"");
        }
        if rest[0] == b'?' {
            return (b"/", &rest[1..]);
        }
    } else if target[0] != b'/' && target != b"*" {
        // An authority alone (RFC 9112 §3.2.3), which the stack refuses.
        return (b"", b"");
    }
    match rest.iter().position(|byte| *byte == b'?') {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, b""),
    }
}

/// RFC 9110 §4.2.3: `http` and `https` in small letters, and `/` for an empty path. An absolute target cannot be had
/// otherwise from the http crate; any other is as it was sent.
fn normal(target: &[u8]) -> Vec<u8> {
    let Some(colon) = (0..target.len()).find(|at| target[*at..].starts_with(b"://")) else { return target.to_vec() };
    if target[0] == b'/' {
        return target.to_vec();
    }
    let mut scheme = target[..colon].to_vec();
    if [&b"http"[..], b"https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        scheme.make_ascii_lowercase();
    }
    let authority = &target[colon + 3..];
    let end = authority.iter().position(|byte| b"/?".contains(byte)).unwrap_or(authority.len());
    let slash = if authority.get(end) == Some(&b'/') { "" } else { "/" };
    [scheme.as_slice(), b"://", &authority[..end], slash.as_bytes(), &authority[end..]].concat()
}

fn below_root(path: &[u8]) -> &[u8] {
    match path.strip_prefix(ROOT_PATH.as_bytes()) {
        Some(below @ ([] | [b'/', ..])) => below,
        _ => path,
    }
}

/// RFC 3986 §2.1; what is no escape stays.
fn decoded(path: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| u8::try_from(digit).unwrap());
    let mut bytes = Vec::new();
    let mut rest = path;
    while let [byte, after @ ..] = rest {
        rest = after;
        let escape = match after {
            [high, low, ..] if *byte == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        if let Some((high, low)) = escape {
            rest = &after[2..];
            bytes.push(high * 16 + low);
        } else {
            bytes.push(*byte);
        }
    }
    bytes
}
