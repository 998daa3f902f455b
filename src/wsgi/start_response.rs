//! The `start_response` callable and the `write` callable that it returns.
//!
//! Checks what the application says before it can reach the wire (PEP 3333, "The start_response() Callable"):
//! the form of the status, names and values without control characters, no hop-by-hop headers.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use parking_lot::{Mutex, MutexGuard};
use pyo3::exceptions::{PyConnectionAbortedError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};

use super::accel::Accel;
use super::file_wrapper::as_bytes;
use super::head::Head;
use super::reply::Response;
use crate::exchange::Ticket;

/// `start_response(status, response_headers, exc_info=None)` of one request.
#[pyclass(frozen, module = "monopod", name = "StartResponse", freelist = 64)]
pub struct StartResponse {
    response: Mutex<Response>,
    ticket: Arc<Ticket>,
}

/// What `write` raises once nobody reads.
const GONE: &str = "the client has left";

/// `write(body_data)`: the imperative way to send a body.
#[pyclass(frozen, module = "monopod", name = "Write", freelist = 64)]
pub struct Write {
    start_response: Py<StartResponse>,
}

#[pymethods]
impl StartResponse {
    #[pyo3(signature = (status, response_headers, /, exc_info = None))]
    fn __call__(
        this: Bound<'_, Self>,
        status: &Bound<'_, PyString>,
        response_headers: &Bound<'_, PyList>,
        exc_info: Option<&Bound<'_, PyTuple>>,
    ) -> PyResult<Write> {
        let mut response = this.get().lock()?;
        let called_before = response.attempt();
        match exc_info {
            Some(exc_info) if response.is_committed() => return Err(raised(exc_info)),
            None if called_before => {
                return Err(PyRuntimeError::new_err("start_response was called twice without exc_info (PEP 3333)"));
            }
            _ => {}
        }
        let head = checked(status, response_headers, response.may_name_files())?;
        response.start(head);
        drop(response);
        Ok(Write { start_response: this.unbind() })
    }

    /// `environ['monopod.client_disconnected']`: nobody waits for this response any more, so that work on it is in vain.
    /// The client has left, has all that Content-Length promised, or was told that time is up (`--timeout`). From any
    /// thread; never blocks.
    fn client_disconnected(&self) -> bool {
        self.ticket.is_left() || self.response.try_lock().is_some_and(|response| response.is_gone())
    }
}

#[pymethods]
impl Write {
    #[pyo3(signature = (body_data, /))]
    fn __call__(&self, py: Python<'_>, body_data: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some(chunk) = as_bytes(body_data) else { return Err(not_bytes(body_data)) };
        let mut response = self.start_response.get().lock()?;
        let too_long = response.room().is_some_and(|room| chunk.as_bytes().len() as u64 > room);
        response.write(py, chunk);
        if too_long {
            return Err(PyRuntimeError::new_err("write() went past the response's Content-Length (PEP 3333)"));
        }
        // The application's loop would go on for a reader that is not there.
        if response.is_gone() { Err(PyConnectionAbortedError::new_err(GONE)) } else { Ok(()) }
    }
}

impl StartResponse {
    /// The callable that makes `response`.
    #[must_use]
    pub fn new(response: Response, ticket: Arc<Ticket>) -> Self {
        Self { response: Mutex::new(response), ticket }
    }

    /// The response, which one thread at a time may touch.
    ///
    /// # Errors
    /// `RuntimeError` when the application calls from two threads at once. Waiting could deadlock: the other
    /// thread may be waiting for the GIL that this one holds.
    pub fn lock(&self) -> PyResult<MutexGuard<'_, Response>> {
        self.response
            .try_lock()
            .ok_or_else(|| PyRuntimeError::new_err("one response is being written by two threads at once"))
    }
}

/// The `TypeError` for a chunk that is not bytes.
#[must_use]
pub fn not_bytes(chunk: &Bound<'_, PyAny>) -> PyErr {
    let class = chunk.get_type();
    let name = class.name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("a WSGI body is made of bytes, not {name} (PEP 3333); encode it first"))
}

/// The exception inside an `exc_info` triple.
fn raised(exc_info: &Bound<'_, PyTuple>) -> PyErr {
    match exc_info.get_item(1) {
        Ok(value) if !value.is_none() => PyErr::from_value(value),
        _ => PyRuntimeError::new_err("start_response: exc_info holds no exception"),
    }
}

fn checked(status: &Bound<'_, PyString>, headers: &Bound<'_, PyList>, may_name_files: bool) -> PyResult<Head> {
    let (status, reason) = checked_status(status)?;
    let mut accel = Accel::default();
    let mut map = HeaderMap::with_capacity(headers.len() + 2);
    let mut declared = None;
    for item in headers.iter() {
        let pair = item.cast::<PyTuple>().ok().filter(|pair| pair.len() == 2);
        let Some(pair) = pair else {
            return Err(PyTypeError::new_err("response_headers must be a list of (name, value) tuples (PEP 3333)"));
        };
        let (name, value) = (pair.get_borrowed_item(0)?, pair.get_borrowed_item(1)?);
        let (Ok(name), Ok(value)) = (name.cast::<PyString>(), value.cast::<PyString>()) else {
            return Err(PyTypeError::new_err("header names and values must be str (PEP 3333)"));
        };
        let (name, text) = (header_name(name.to_str()?)?, value.to_str()?);
        if accel.take(name.as_str(), text, may_name_files) {
            if text.contains(|c: char| c.is_ascii_control() && c != '\t') {
                return Err(bad_value(&name));
            }
            continue;
        }
        let usual = if name == header::CONTENT_TYPE { usual_content_type(text) } else { None };
        let value = match usual {
            Some(value) => value,
            None => header_value(&name, text)?,
        };
        if is_hop_by_hop(&name) {
            tracing::warn!(
                header = name.as_str(),
                reason = "app-hop-by-hop",
                "hop-by-hop header of the application dropped (PEP 3333)"
            );
            continue;
        }
        if name == header::CONTENT_LENGTH {
            let length = content_length(&value)?;
            if declared.is_some_and(|other| other != length) {
                return Err(PyValueError::new_err("two Content-Length headers with different values (RFC 9110 §8.6)"));
            }
            declared = Some(length);
            map.insert(name, value);
        } else {
            map.append(name, value);
        }
    }
    if accel.file.is_some() {
        // Of a body that nobody will see.
        declared = None;
    }
    Ok(Head { status, reason, headers: map, declared, accel })
}

fn checked_status(status: &Bound<'_, PyString>) -> PyResult<(StatusCode, Option<Bytes>)> {
    let text = status.to_str()?;
    if text == "200 OK" {
        return Ok((StatusCode::OK, None));
    }
    let bad =
        || PyValueError::new_err("the status must be three digits, a space and a reason, such as '200 OK' (PEP 3333)");
    let (code, reason) = text.split_once(' ').unwrap_or((text, ""));
    let digits = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    let code = StatusCode::from_bytes(code.as_bytes()).ok().filter(|code| digits && code.as_u16() >= 200);
    let code = code.ok_or_else(bad)?;
    if Some(reason) == code.canonical_reason() {
        return Ok((code, None));
    }
    // RFC 9112 §4: HTAB, SP, VCHAR and obs-text; nothing that could end the line.
    let reason =
        latin_1(reason).filter(|bytes| bytes.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f)));
    Ok((code, Some(Bytes::from(reason.ok_or_else(bad)?))))
}

fn header_name(name: &str) -> PyResult<HeaderName> {
    // As most responses have them; what follows looks at each letter.
    match name {
        "Content-Type" => return Ok(header::CONTENT_TYPE),
        "Content-Length" => return Ok(header::CONTENT_LENGTH),
        _ => {}
    }
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| PyValueError::new_err("a response header's name has characters that RFC 9110 §5.1 forbids"))
}

/// Latin-1, no control characters. Errors name the header, never its value: values may be secrets.
fn header_value(name: &HeaderName, text: &str) -> PyResult<HeaderValue> {
    let checked = if text.is_ascii() {
        HeaderValue::from_str(text).ok()
    } else {
        latin_1(text).and_then(|bytes| HeaderValue::from_bytes(&bytes).ok())
    };
    checked.ok_or_else(|| bad_value(name))
}

/// Content types that most responses have, as values that need no memory of their own.
fn usual_content_type(text: &str) -> Option<HeaderValue> {
    const USUAL: [&str; 8] = [
        "text/html; charset=utf-8",
        "application/json",
        "text/html",
        "text/plain",
        "text/plain; charset=utf-8",
        "application/json; charset=utf-8",
        "application/octet-stream",
        "text/html; charset=UTF-8",
    ];
    USUAL.into_iter().find(|usual| *usual == text).map(HeaderValue::from_static)
}

fn bad_value(name: &HeaderName) -> PyErr {
    PyValueError::new_err(format!(
        "the value of response header {name} has a control character or one outside latin-1 (RFC 9110 §5.5)"
    ))
}

fn content_length(value: &HeaderValue) -> PyResult<u64> {
    let digits = value.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| PyValueError::new_err("Content-Length must be a decimal number of bytes (RFC 9110 §8.6)"))
}

/// One byte a character; `None` when a character has none.
#[must_use]
pub(super) fn latin_1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

/// Headers that speak of the connection, which is the server's (PEP 3333, "Other HTTP Features"; RFC 9110 §7.6.1).
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONNECTION
            | header::PROXY_AUTHENTICATE
            | header::PROXY_AUTHORIZATION
            | header::TE
            | header::TRAILER
            | header::TRANSFER_ENCODING
            | header::UPGRADE
    ) || matches!(name.as_str(), "keep-alive" | "proxy-connection" | "trailers")
}
