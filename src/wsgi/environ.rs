//! Builds the environ dictionary: a copy of a per-process template, then what this request says.
//!
//! Strings are WSGI's "native strings": each character is one byte of the wire, latin-1 (PEP 3333,
//! "Unicode Issues"). Header names are looked up in a table of ready keys; unknown ones are built.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::template::Template;
use crate::exchange::request_id::{Digits, X_REQUEST_ID};
use crate::exchange::{Client, RequestHead, RequestId};
use crate::python::embed::latin1;
use crate::semantics::path::{below_root, path_info};
use crate::telemetry::metrics::{DroppedHeader, Metrics};

/// Headers that common clients and proxies send; their environ keys are made once.
const KNOWN: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "baggage",
    "cache-control",
    "cdn-loop",
    "connection",
    "content-encoding",
    "content-language",
    "cookie",
    "date",
    "dnt",
    "expect",
    "forwarded",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "origin",
    "pragma",
    "priority",
    "range",
    "referer",
    "save-data",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "sec-gpc",
    "te",
    "trace",
    "traceparent",
    "tracestate",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
    "x-api-key",
    "x-csrf-token",
    "x-csrftoken",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
    "x-request-start",
    "x-requested-with",
];

/// Keys that each request sets.
const ALWAYS: [&str; 13] = [
    "REQUEST_METHOD",
    "PATH_INFO",
    "QUERY_STRING",
    "RAW_URI",
    "REQUEST_URI",
    "SERVER_PROTOCOL",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "SERVER_NAME",
    "SERVER_PORT",
    "wsgi.input",
    REQUEST_ID,
    CLIENT_DISCONNECTED,
];

/// What the access record calls this request.
const REQUEST_ID: &str = "monopod.request_id";
const CLIENT_DISCONNECTED: &str = "monopod.client_disconnected";

/// What environ keys and values are made of, once per process.
pub struct EnvironFactory {
    template: Template,
    root_path: String,
    keys: Keys,
    known: HeaderMap<Py<PyString>>,
    methods: Vec<(http::Method, Py<PyString>)>,
    http_10: Py<PyString>,
    http_2: Py<PyString>,
    /// What the last Host header said, and its string.
    host: Mutex<Option<(Vec<u8>, Py<PyString>)>>,
    metrics: Arc<Metrics>,
}

struct Keys {
    method: Py<PyString>,
    path_info: Py<PyString>,
    query_string: Py<PyString>,
    raw_uri: Py<PyString>,
    request_uri: Py<PyString>,
    protocol: Py<PyString>,
    remote_port: Py<PyString>,
    content_type: Py<PyString>,
    content_length: Py<PyString>,
    input: Py<PyString>,
    script_name: Py<PyString>,
    host: Py<PyString>,
    url_scheme: Py<PyString>,
    https: Py<PyString>,
    request_id: Py<PyString>,
    client_disconnected: Py<PyString>,
    x_request_id: Py<PyString>,
}

impl EnvironFactory {
    /// `template` holds what no request changes; `root_path` becomes SCRIPT_NAME (`--root-path`); headers that are left
    /// out are counted in `metrics`.
    ///
    /// # Errors
    /// Only what allocating Python objects raises.
    pub fn new(py: Python<'_>, template: &Bound<'_, PyDict>, root_path: &str, metrics: Arc<Metrics>) -> PyResult<Self> {
        let key = |text: &str| PyString::intern(py, text).unbind();
        template.set_item(key("SCRIPT_NAME"), root_path)?;
        // What every request sets has its place already: a copy that grows makes its table anew, twice.
        for name in ALWAYS {
            template.set_item(key(name), py.None())?;
        }
        // What most requests say; the others set it.
        let usual = [("REQUEST_METHOD", "GET"), ("SERVER_PROTOCOL", "HTTP/1.1"), ("QUERY_STRING", "")];
        for (name, value) in usual {
            template.set_item(key(name), key(value))?;
        }
        let mut known = HeaderMap::with_capacity(KNOWN.len());
        for name in KNOWN {
            known.insert(HeaderName::from_static(name), key(&environ_key(name)));
        }
        let methods = [
            http::Method::POST,
            http::Method::HEAD,
            http::Method::PUT,
            http::Method::PATCH,
            http::Method::DELETE,
            http::Method::OPTIONS,
        ];
        Ok(Self {
            template: Template::new(template)?,
            root_path: root_path.to_owned(),
            keys: Keys {
                method: key("REQUEST_METHOD"),
                path_info: key("PATH_INFO"),
                query_string: key("QUERY_STRING"),
                raw_uri: key("RAW_URI"),
                request_uri: key("REQUEST_URI"),
                protocol: key("SERVER_PROTOCOL"),
                remote_port: key("REMOTE_PORT"),
                content_type: key("CONTENT_TYPE"),
                content_length: key("CONTENT_LENGTH"),
                input: key("wsgi.input"),
                script_name: key("SCRIPT_NAME"),
                host: key("HTTP_HOST"),
                url_scheme: key("wsgi.url_scheme"),
                https: key("https"),
                request_id: key(REQUEST_ID),
                client_disconnected: key(CLIENT_DISCONNECTED),
                x_request_id: key("HTTP_X_REQUEST_ID"),
            },
            known,
            methods: methods.into_iter().map(|method| (method.clone(), key(method.as_str()))).collect(),
            http_10: key("HTTP/1.0"),
            http_2: key("HTTP/2.0"),
            host: Mutex::default(),
            metrics,
        })
    }

    /// The environ for one request whose body is `input`, `body_len` bytes long; by `client_disconnected` the application
    /// may ask whether its client is still there.
    ///
    /// # Errors
    /// Only what allocating Python objects raises.
    pub fn build<'py>(
        &self,
        py: Python<'py>,
        head: &RequestHead,
        body_len: u64,
        input: &Bound<'py, PyAny>,
        client_disconnected: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let keys = &self.keys;
        let parts = &head.parts;
        let environ = self.template.copy(py, &head.client)?;
        if parts.method != http::Method::GET {
            match self.methods.iter().find(|(method, _)| *method == parts.method) {
                Some((_, text)) => environ.set_item(&keys.method, text)?,
                None => environ.set_item(&keys.method, parts.method.as_str())?,
            }
        }
        self.set_target(py, &environ, &parts.uri, &head.client)?;
        match parts.version {
            Version::HTTP_10 => environ.set_item(&keys.protocol, &self.http_10)?,
            Version::HTTP_2 => environ.set_item(&keys.protocol, &self.http_2)?,
            _ => {}
        }
        let client = &head.client;
        environ.set_item(&keys.remote_port, latin1(py, client.remote_port.as_bytes())?)?;
        if client.https {
            environ.set_item(&keys.url_scheme, &keys.https)?;
        }
        environ.set_item(&keys.input, input)?;
        environ.set_item(&keys.client_disconnected, client_disconnected)?;
        self.set_headers(py, &environ, &parts.headers, body_len)?;
        let request_id = latin1(py, head.id.text(&mut Digits::default()).as_bytes())?;
        // There only where a header is (PEP 3333, "environ Variables"), but not with the word of a client that does not count.
        if matches!(head.id, RequestId::Made(..)) && parts.headers.contains_key(&X_REQUEST_ID) {
            environ.set_item(&keys.x_request_id, &request_id)?;
        }
        environ.set_item(&keys.request_id, request_id)?;
        if let Some(host) = &client.host {
            environ.set_item(&keys.host, host)?;
        }
        Ok(environ)
    }

    /// HTTP_HOST, which most requests have in common.
    fn host<'py>(&self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
        // Not waited for, as in `Template::copy`.
        let Some(mut last) = self.host.try_lock() else { return latin1(py, bytes) };
        if let Some((of, host)) = &*last
            && *of == bytes
        {
            return Ok(host.bind(py).clone());
        }
        let host = latin1(py, bytes)?;
        let before = last.replace((bytes.to_vec(), host.clone().unbind()));
        drop(last);
        drop(before);
        Ok(host)
    }

    fn set_target(
        &self,
        py: Python<'_>,
        environ: &Bound<'_, PyDict>,
        uri: &http::Uri,
        client: &Client,
    ) -> PyResult<()> {
        let keys = &self.keys;
        let path = below_root(uri.path(), &self.root_path);
        if let Some(script_name) = client.script_name(&self.root_path, path.len() < uri.path().len()) {
            environ.set_item(&keys.script_name, script_name)?;
        }
        let path_info = path_info(uri.path(), &self.root_path);
        let path = latin1(py, &path_info)?;
        if let Some(query) = uri.query() {
            environ.set_item(&keys.query_string, latin1(py, query.as_bytes())?)?;
        }
        // As the client sent it: an absolute target stays absolute (its scheme in small letters, an empty path as `/`).
        let raw = match uri.path_and_query() {
            Some(target) if uri.scheme().is_none() && target.as_str().as_bytes() == &*path_info => path.clone(),
            Some(target) if uri.scheme().is_none() => latin1(py, target.as_str().as_bytes())?,
            _ => latin1(py, uri.to_string().as_bytes())?,
        };
        environ.set_item(&keys.path_info, path)?;
        environ.set_item(&keys.raw_uri, &raw)?;
        environ.set_item(&keys.request_uri, &raw)
    }

    fn set_headers(
        &self,
        py: Python<'_>,
        environ: &Bound<'_, PyDict>,
        headers: &HeaderMap,
        body_len: u64,
    ) -> PyResult<()> {
        if headers.keys_len() == headers.len() {
            for (name, value) in headers {
                if *name == header::HOST {
                    environ.set_item(&self.keys.host, self.host(py, value.as_bytes())?)?;
                } else {
                    self.set_header(py, environ, name, || latin1(py, value.as_bytes()))?;
                }
            }
        } else {
            for name in headers.keys() {
                self.set_header(py, environ, name, || latin1(py, &joined(name, headers.get_all(name))))?;
            }
        }
        // A chunked body is complete by now, so its length is known (RFC 9112 §7.1.3).
        if body_len > 0 || headers.contains_key(header::CONTENT_LENGTH) {
            environ.set_item(&self.keys.content_length, body_len.to_string())?;
        }
        Ok(())
    }

    fn set_header<'py>(
        &self,
        py: Python<'py>,
        environ: &Bound<'py, PyDict>,
        name: &HeaderName,
        value: impl Fn() -> PyResult<Bound<'py, PyString>>,
    ) -> PyResult<()> {
        if let Some(key) = self.known.get(name) {
            return environ.set_item(key, value()?);
        }
        match *name {
            header::CONTENT_TYPE => environ.set_item(&self.keys.content_type, value()?),
            // Content-Length is set from the body itself; a de-chunked body has no transfer coding left.
            header::CONTENT_LENGTH | header::TRANSFER_ENCODING => Ok(()),
            // `X_Y` and `X-Y` would be one key, so one could be forged as the other; `Proxy` is httpoxy
            // (CVE-2016-5385).
            _ if name.as_str().contains('_') => self.drop_header(DroppedHeader::Underscore),
            _ if name.as_str() == "proxy" => self.drop_header(DroppedHeader::Proxy),
            _ => environ.set_item(PyString::new(py, &environ_key(name.as_str())), value()?),
        }
    }

    #[allow(clippy::unnecessary_wraps)] // an arm among others
    fn drop_header(&self, kind: DroppedHeader) -> PyResult<()> {
        self.metrics.dropped_header(kind);
        Ok(())
    }
}

/// `X-Request-Id` → `HTTP_X_REQUEST_ID` (RFC 3875 §4.1.18).
fn environ_key(name: &str) -> String {
    let mut key = String::with_capacity(name.len() + 5);
    key.push_str("HTTP_");
    key.extend(name.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_uppercase() }));
    key
}

/// Repeated headers as one: `,` between values (RFC 9110 §5.3), `; ` between cookies (RFC 9113 §8.2.3).
fn joined<'a>(name: &HeaderName, values: impl IntoIterator<Item = &'a HeaderValue>) -> Vec<u8> {
    let separator: &[u8] = if *name == header::COOKIE { b"; " } else { b"," };
    let mut all = Vec::new();
    for (n, value) in values.into_iter().enumerate() {
        if n > 0 {
            all.extend_from_slice(separator);
        }
        all.extend_from_slice(value.as_bytes());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_cgi_names() {
        assert_eq!(environ_key("x-request-id"), "HTTP_X_REQUEST_ID");
        assert_eq!(environ_key("te"), "HTTP_TE");
    }

    #[test]
    fn repeated_headers_join_and_cookies_join_their_own_way() {
        let values = [HeaderValue::from_static("a"), HeaderValue::from_static("b")];
        assert_eq!(joined(&header::ACCEPT, &values), b"a,b");
        assert_eq!(joined(&header::COOKIE, &values), b"a; b");
    }
}
