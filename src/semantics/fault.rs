//! What went wrong with one request: who is to blame, what the client is told, and the fixed word for it.
//!
//! Every refusal and failure in any room becomes a [`Fault`]. `reason` is a kebab-case word that never
//! changes: the log field and metric label by which operators find it.

use http::{HeaderValue, Response, StatusCode, header};

/// Who is to blame for a failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The client sent what cannot be served.
    Client,
    /// The application raised or broke PEP 3333.
    App,
    /// This server or its limits.
    Server,
    /// Nobody is left to answer.
    Gone,
}

/// One request's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub blame: Blame,
    pub status: StatusCode,
    /// A fixed kebab-case word.
    pub reason: &'static str,
    /// Seconds for Retry-After (RFC 9110 §10.2.3), where waiting helps.
    pub retry_after: Option<u32>,
}

impl Fault {
    const fn new(blame: Blame, status: StatusCode, reason: &'static str) -> Self {
        Self { blame, status, reason, retry_after: None }
    }

    /// The body is longer than `--max-body-size`.
    #[must_use]
    pub const fn body_too_large() -> Self {
        Self::new(Blame::Client, StatusCode::PAYLOAD_TOO_LARGE, "body-too-large")
    }

    /// The client stopped before the body's end, or broke its framing.
    #[must_use]
    pub const fn body_aborted() -> Self {
        Self::new(Blame::Gone, StatusCode::BAD_REQUEST, "body-aborted")
    }

    /// A body could not be kept: no space or no permission in `--temp-dir`.
    #[must_use]
    pub const fn spool_failed() -> Self {
        Self::new(Blame::Server, StatusCode::INSUFFICIENT_STORAGE, "spool-failed")
    }

    /// `--buffer-memory` is spent and there is no disk.
    #[must_use]
    pub const fn buffers_full() -> Self {
        Self { retry_after: Some(1), ..Self::new(Blame::Server, StatusCode::SERVICE_UNAVAILABLE, "buffers-full") }
    }

    /// `--queue-size` requests wait already.
    #[must_use]
    pub const fn queue_full() -> Self {
        Self { retry_after: Some(1), ..Self::new(Blame::Server, StatusCode::SERVICE_UNAVAILABLE, "queue-full") }
    }

    /// The request waited longer than `--queue-timeout`.
    #[must_use]
    pub const fn queue_timeout() -> Self {
        Self { retry_after: Some(1), ..Self::new(Blame::Server, StatusCode::SERVICE_UNAVAILABLE, "queue-timeout") }
    }

    /// So many responses are being streamed that no thread is left for one more (`--stream-threads`).
    #[must_use]
    pub const fn streams_full() -> Self {
        Self { retry_after: Some(1), ..Self::new(Blame::Server, StatusCode::SERVICE_UNAVAILABLE, "streams-full") }
    }

    /// The server ends, and `--graceful-timeout` is over.
    #[must_use]
    pub const fn drain_timeout() -> Self {
        Self { retry_after: Some(1), ..Self::new(Blame::Server, StatusCode::SERVICE_UNAVAILABLE, "drain-timeout") }
    }

    /// The application had no answer within `--timeout`.
    #[must_use]
    pub const fn app_timeout() -> Self {
        Self::new(Blame::App, StatusCode::GATEWAY_TIMEOUT, "app-timeout")
    }

    /// The application raised before it committed a response.
    #[must_use]
    pub const fn app_raised() -> Self {
        Self::new(Blame::App, StatusCode::INTERNAL_SERVER_ERROR, "app-raised")
    }

    /// The file that the application named is not there, or not one to be read.
    #[must_use]
    pub const fn accel_missing() -> Self {
        Self::new(Blame::App, StatusCode::NOT_FOUND, "accel-missing")
    }

    /// The file that the application named is outside of what `--accel` allows.
    #[must_use]
    pub const fn accel_outside() -> Self {
        Self::new(Blame::App, StatusCode::NOT_FOUND, "accel-outside")
    }

    /// A file could not be opened although it is there.
    #[must_use]
    pub const fn file_failed() -> Self {
        Self::new(Blame::Server, StatusCode::INTERNAL_SERVER_ERROR, "file-failed")
    }

    /// A job was dropped without an answer, or the server itself failed.
    #[must_use]
    pub const fn internal() -> Self {
        Self::new(Blame::Server, StatusCode::INTERNAL_SERVER_ERROR, "internal")
    }

    /// The request target is not one this server can serve (RFC 9112 §3.2).
    #[must_use]
    pub const fn bad_target() -> Self {
        Self::new(Blame::Client, StatusCode::BAD_REQUEST, "bad-target")
    }

    /// HTTP/1.1 without exactly one Host (RFC 9112 §3.2).
    #[must_use]
    pub const fn bad_host() -> Self {
        Self::new(Blame::Client, StatusCode::BAD_REQUEST, "bad-host")
    }

    /// A method that an application server does not answer, such as CONNECT (RFC 9110 §9.3.6).
    #[must_use]
    pub const fn method_refused() -> Self {
        Self::new(Blame::Client, StatusCode::NOT_IMPLEMENTED, "method-refused")
    }

    /// A request head that RFC 9112 does not allow; `reason` says in what.
    #[must_use]
    pub const fn bad_head(reason: &'static str) -> Self {
        Self::new(Blame::Client, StatusCode::BAD_REQUEST, reason)
    }

    /// A chunked body that RFC 9112 §7.1 does not allow.
    #[must_use]
    pub const fn bad_chunk() -> Self {
        Self::new(Blame::Client, StatusCode::BAD_REQUEST, "bad-chunk")
    }

    /// The request line is longer than `--max-request-line`.
    #[must_use]
    pub const fn request_line_too_long() -> Self {
        Self::new(Blame::Client, StatusCode::URI_TOO_LONG, "request-line-too-long")
    }

    /// A header is longer than `--max-header-size`, or all of them are too long together (RFC 6585 §5).
    #[must_use]
    pub const fn header_too_large() -> Self {
        Self::new(Blame::Client, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "header-too-large")
    }

    /// More headers than `--max-headers` (RFC 6585 §5).
    #[must_use]
    pub const fn too_many_headers() -> Self {
        Self::new(Blame::Client, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "too-many-headers")
    }

    /// The head was not complete within `--header-timeout`.
    #[must_use]
    pub const fn header_timeout() -> Self {
        Self::new(Blame::Client, StatusCode::REQUEST_TIMEOUT, "header-timeout")
    }

    /// The body stood still for `--body-timeout`, or came slower than `--min-rate`.
    #[must_use]
    pub const fn body_timeout() -> Self {
        Self::new(Blame::Client, StatusCode::REQUEST_TIMEOUT, "body-timeout")
    }

    /// A version of HTTP that is not spoken here (RFC 9110 §15.6.6).
    #[must_use]
    pub const fn version_refused() -> Self {
        Self::new(Blame::Client, StatusCode::HTTP_VERSION_NOT_SUPPORTED, "version-refused")
    }

    /// Status and phrase, a line.
    #[must_use]
    pub fn page(&self) -> String {
        format!("{} {}\n", self.status.as_u16(), self.status.canonical_reason().unwrap_or("Error"))
    }

    /// The plain page for this fault, which it takes along as an extension, for those who count and record.
    #[must_use]
    pub fn response<B: From<String>>(&self) -> Response<B> {
        let mut response = Response::new(B::from(self.page()));
        response.extensions_mut().insert(*self);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
