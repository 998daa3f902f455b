//! Access records: what is told of each request when it has ended, as a line of the log's form, or in gunicorn's atoms
//! (`--access-logformat`).
//!
//! `stack` makes one [`Entry`] per request and keeps for it the headers that [`AccessLog`] asks for, no others.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderName, HeaderValue, Version, header};
use tracing::Level;

use super::brief;
use super::line::{Form, Json, Line};
use super::log;
use super::records::{Record, Take, Value, Wanted};
use super::sink::Sink;
use crate::config::access_format::{AccessFormat, Atom, Part};
use crate::config::settings::Logs;
use crate::sys::local_time::LocalTime;

/// The target of access records.
pub const ACCESS: &str = "monopod::access";

/// Headers that a record keeps, in the order they were asked for.
pub type Kept = Box<[Option<HeaderValue>]>;

/// What is told of a request.
#[derive(Debug)]
pub struct Entry<'a> {
    pub remote_addr: &'a str,
    pub remote_port: &'a str,
    pub server_name: &'a str,
    pub server_port: &'a str,
    pub https: bool,
    pub method: &'a str,
    /// Path and query, in ASCII.
    pub path: &'a str,
    pub query: &'a str,
    pub version: Version,
    pub status: u16,
    pub bytes: u64,
    pub queue: Option<Duration>,
    pub app: Option<Duration>,
    pub total: Duration,
    pub complete: bool,
    pub reason: &'a str,
    pub request_id: &'a str,
    /// The ids of its trace and span.
    pub trace: Option<(&'a str, &'a str)>,
    pub request_headers: &'a [Option<HeaderValue>],
    pub response_headers: &'a [Option<HeaderValue>],
}

/// Writes access records.
pub struct AccessLog {
    out: Out,
    format: Option<AccessFormat>,
    /// `monopod dev`.
    is_brief: bool,
}

/// Where they go.
enum Out {
    Lines(Arc<Sink>, Form),
    Records(Arc<Take>, Arc<Wanted>),
}

impl AccessLog {
    pub(super) fn new(sink: Arc<Sink>, form: Form, logs: &Logs) -> Self {
        Self { out: Out::Lines(sink, form), format: logs.access_format.clone(), is_brief: logs.brief }
    }

    /// Records for `take`, if `logs` wants them, and while they are `wanted`.
    #[must_use]
    pub fn of_records(take: Arc<Take>, wanted: Arc<Wanted>, logs: &Logs) -> Option<Self> {
        logs.access.then(|| Self {
            out: Out::Records(take, wanted),
            format: logs.access_format.clone(),
            is_brief: false,
        })
    }

    /// The request headers that an [`Entry`] needs.
    #[must_use]
    pub fn request_headers(&self) -> &[HeaderName] {
        const RECORD: &[HeaderName] = &[header::USER_AGENT];
        self.format.as_ref().map_or(RECORD, |format| &format.request_headers)
    }

    /// The response headers that an [`Entry`] needs.
    #[must_use]
    pub fn response_headers(&self) -> &[HeaderName] {
        self.format.as_ref().map_or(&[], |format| &format.response_headers)
    }

    /// Writes one.
    pub fn write(&self, entry: &Entry<'_>) {
        match &self.out {
            Out::Lines(sink, form) => log::write(sink, |out| match &self.format {
                Some(format) => formatted(out, format, entry),
                None if self.is_brief => brief::record(out, form.color, entry),
                None => record(Line::begin(out, *form, Level::INFO, ACCESS), entry),
            }),
            Out::Records(take, wanted) => {
                if wanted.is_so() {
                    take(of_program(self.format.as_ref(), entry));
                }
            }
        }
    }
}

/// The record that a program gets: by default a line as developers know them, and everything else as its fields.
fn of_program(format: Option<&AccessFormat>, entry: &Entry<'_>) -> Record {
    let mut message = String::new();
    if let Some(format) = format {
        formatted(&mut message, format, entry);
        message.pop();
    } else {
        for (atom, after) in
            [(Atom::Client, " \""), (Atom::RequestLine, "\" "), (Atom::Status, " "), (Atom::Bytes, " ")]
        {
            let _ = atom_of(atom, entry, &mut message);
            message.push_str(after);
        }
        let _ = write!(message, "{}ms", millis(entry.total));
        if !entry.reason.is_empty() {
            let _ = write!(message, " {}", entry.reason);
        }
    }
    let text = |text: &str| Value::Text(text.to_owned());
    let mut fields = vec![
        ("client", text(entry.remote_addr)),
        ("method", text(entry.method)),
        ("path", text(entry.path)),
        ("query", text(entry.query)),
        ("version", text(version(entry.version))),
        ("status", Value::Integer(entry.status.into())),
        ("bytes", Value::Integer(i64::try_from(entry.bytes).unwrap_or(i64::MAX))),
        ("total_ms", Value::Number(millis(entry.total))),
        ("complete", Value::Truth(entry.complete)),
        ("reason", text(entry.reason)),
        ("request_id", text(entry.request_id)),
    ];
    let parts = [("queue_ms", entry.queue), ("app_ms", entry.app)];
    fields.extend(parts.into_iter().filter_map(|(key, time)| Some((key, Value::Number(millis(time?))))));
    Record { level: Level::INFO, target: ACCESS, message, fields, below: None }
}

fn record(mut line: Line<'_>, entry: &Entry<'_>) {
    line.message(&"request");
    line.text("client", entry.remote_addr);
    line.text("method", entry.method);
    line.text("path", entry.path);
    line.text("query", entry.query);
    line.word("version", &version(entry.version));
    line.number("status", entry.status);
    line.number("bytes", entry.bytes);
    for (key, time) in [("queue_ms", entry.queue), ("app_ms", entry.app), ("total_ms", Some(entry.total))] {
        if let Some(time) = time {
            line.number(key, millis(time));
        }
    }
    line.number("complete", entry.complete);
    line.text("reason", entry.reason);
    line.word("request_id", &entry.request_id);
    if let Some((trace, span)) = entry.trace {
        line.word("trace_id", &trace);
        line.word("span_id", &span);
    }
    let agent = entry.request_headers.first().and_then(Option::as_ref);
    line.header("user_agent", agent.map_or(b"", HeaderValue::as_bytes));
    line.end(ACCESS);
}

/// To a thousandth.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

/// A line in the operator's own format. Nothing in a value ends a line or a quoted string: `"` and `\` are escaped, and
/// control characters as JSON has them, so that a format may be JSON itself.
fn formatted(out: &mut String, format: &AccessFormat, entry: &Entry<'_>) {
    for part in &format.parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Atom(atom) => {
                let _ = atom_of(*atom, entry, out);
            }
        }
    }
    out.push('\n');
}

fn atom_of(atom: Atom, entry: &Entry<'_>, out: &mut String) -> std::fmt::Result {
    let or_dash = |text| if str::is_empty(text) { "-" } else { text };
    let mark = if entry.query.is_empty() { "" } else { "?" };
    let total = entry.total;
    match atom {
        Atom::Status => write!(out, "{}", entry.status),
        Atom::Bytes => write!(out, "{}", entry.bytes),
        Atom::Seconds => write!(out, "{}", total.as_secs()),
        Atom::Millis => write!(out, "{}", total.as_millis()),
        Atom::Micros => write!(out, "{}", total.as_micros()),
        Atom::DecimalSeconds => write!(out, "{}.{:06}", total.as_secs(), total.subsec_micros()),
        Atom::Process => write!(out, "<{}>", std::process::id()),
        Atom::Time => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            write!(out, "[{}]", LocalTime::at(i64::try_from(now).unwrap_or_default()))
        }
        Atom::RequestLine => {
            let (method, path, query) = (entry.method, entry.path, entry.query);
            write!(Json(out), "{method} {path}{mark}{query} {}", version(entry.version))
        }
        Atom::Target => write!(Json(out), "{}{mark}{}", entry.path, entry.query),
        Atom::Client => Json(out).write_str(or_dash(entry.remote_addr)),
        Atom::Port => Json(out).write_str(or_dash(entry.remote_port)),
        Atom::Method => Json(out).write_str(entry.method),
        Atom::Path => Json(out).write_str(entry.path),
        Atom::Query => Json(out).write_str(entry.query),
        Atom::Protocol => Json(out).write_str(version(entry.version)),
        Atom::RequestId => Json(out).write_str(entry.request_id),
        Atom::ServerName => Json(out).write_str(entry.server_name),
        Atom::ServerPort => Json(out).write_str(entry.server_port),
        Atom::Scheme => out.write_str(if entry.https { "https" } else { "http" }),
        Atom::Software => out.write_str(concat!("monopod/", env!("CARGO_PKG_VERSION"))),
        Atom::Nothing => out.write_str("-"),
        Atom::RequestHeader(at) => header_or_dash(entry.request_headers, at, out),
        Atom::ResponseHeader(at) => header_or_dash(entry.response_headers, at, out),
        Atom::User(at) => {
            let header = entry.request_headers.get(at).and_then(Option::as_ref);
            let user = header.and_then(|value| basic_user(value.as_bytes()));
            match user.filter(|user| !user.is_empty()) {
                Some(user) => push_bytes(out, &user),
                None => out.write_str("-"),
            }
        }
    }
}

fn header_or_dash(kept: &[Option<HeaderValue>], at: usize, out: &mut String) -> std::fmt::Result {
    match kept.get(at) {
        Some(Some(value)) => push_bytes(out, value.as_bytes()),
        _ => out.write_str("-"),
    }
}

/// UTF-8 as it is, other bytes as latin-1.
fn push_bytes(out: &mut String, bytes: &[u8]) -> std::fmt::Result {
    match str::from_utf8(bytes) {
        Ok(text) => Json(out).write_str(text),
        Err(_) => bytes.iter().try_for_each(|byte| Json(out).write_char(char::from(*byte))),
    }
}

/// RFC 4648 §4, with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Who says to be who by basic authentication (RFC 7617 §2).
fn basic_user(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, encoded) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = BASE64.decode(encoded.trim_ascii()).ok()?;
    let end = memchr::memchr(b':', &decoded)?;
    Some(decoded[..end].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::access_format::access_format;

    fn rendered(format: &str, values: &[(&str, &[u8])]) -> String {
        let format = access_format(format).unwrap();
        let find = |name: &HeaderName| {
            let found = values.iter().find(|(known, _)| name.as_str() == *known);
            found.map(|(_, value)| HeaderValue::from_bytes(value).unwrap())
        };
        let entry = Entry {
            remote_addr: "1.2.3.4",
            remote_port: "",
            server_name: "a.example",
            server_port: "443",
            https: true,
            method: "GET",
            path: "/a%0a\"b",
            query: "q=\\1",
            version: Version::HTTP_11,
            status: 200,
            bytes: 12,
            queue: None,
            app: None,
            total: Duration::from_micros(1_234_567),
            complete: true,
            reason: "",
            request_id: "4e",
            trace: None,
            request_headers: &format.request_headers.iter().map(find).collect::<Vec<_>>(),
            response_headers: &format.response_headers.iter().map(find).collect::<Vec<_>>(),
        };
        let mut out = String::new();
        formatted(&mut out, &format, &entry);
        assert_eq!(out.pop(), Some('\n'));
        out
    }

    #[test]
    fn atoms_tell_of_the_request() {
        for (format, expected) in [
            ("%(h)s %(l)s %(u)s", "1.2.3.4 - -"),
            ("\"%(r)s\"", r#""GET /a%0a\"b?q=\\1 HTTP/1.1""#),
            ("%(m)s %(U)s %(q)s %(H)s", r#"GET /a%0a\"b q=\\1 HTTP/1.1"#),
            ("%(s)s %(b)s %(B)s", "200 12 12"),
            ("%(T)s %(M)s %(D)s %(L)s", "1 1234 1234567 1.234567"),
            ("%({x-request-id}i)s %({HTTP_X_REQUEST_ID}e)s", "4e 4e"),
            (
                "%({REMOTE_PORT}e)s %({server_name}e)s:%({server_port}e)s %({wsgi.url_scheme}e)s",
                "- a.example:443 https",
            ),
            ("%(f)s %(a)s %({accept}i)s %({etag}o)s", "- - - -"),
        ] {
            assert_eq!(rendered(format, &[]), expected, "{format}");
        }
        assert_eq!(rendered("%(p)s", &[]), format!("<{}>", std::process::id()));
        let time = rendered("%(t)s", &[]);
        assert!(time.starts_with('[') && time.ends_with(']') && time.len() == 28, "{time}");
    }

    #[test]
    fn no_value_ends_a_string_or_a_line() {
        let agent: (&str, &[u8]) = ("user-agent", b"a\"b\\c\td \xe9");
        let utf8: (&str, &[u8]) = ("referer", "\u{e9}\u{85}\u{2028}".as_bytes());
        assert_eq!(rendered("%(a)s", &[agent]), "a\\\"b\\\\c\\td \u{e9}");
        assert_eq!(rendered("%(f)s", &[utf8]), "\u{e9}\\u0085\\u2028");
        let line = rendered(r#"{"agent":"%(a)s","status":%(s)s}"#, &[agent]);
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&read["agent"], &read["status"]), (&"a\"b\\c\td \u{e9}".into(), &200.into()));
    }

    #[test]
    fn the_user_is_that_of_basic_authentication() {
        for (value, expected) in [
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin"),
            ("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", "Aladdin"),
            ("Basic IjpwYXNz", "\\\""),
            ("Basic OnBhc3M=", "-"),
            ("Basic QWxhZGRpbg==", "-"),
            ("Basic !", "-"),
            ("Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "-"),
            ("x", "-"),
        ] {
            assert_eq!(rendered("%(u)s", &[("authorization", value.as_bytes())]), expected, "{value}");
        }
    }
}
