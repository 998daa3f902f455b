//! Answers to probes: should this process get requests, does it live?
//!
//! Made for the admin port of `server` and, at `--health-path`, by `route`. They wait for nothing and nobody keeps them.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::route::FrontBody;

/// What a probe asks: all is well, or the word for what is not.
pub type State = Result<(), &'static str>;

/// `--health-path` and whom it asks.
pub struct Health {
    pub path: String,
    pub ready: Arc<dyn Fn() -> State + Send + Sync>,
}

/// Marks an answer of which no access record is kept.
#[derive(Clone, Copy, Debug)]
pub struct Unrecorded;

impl Health {
    /// Answers a request for the path.
    #[must_use]
    pub fn answer(&self, method: &Method) -> Response<FrontBody> {
        let mut response = if is_read(method) { state(method, "ready", (self.ready)()) } else { not_allowed() };
        response.extensions_mut().insert(Unrecorded);
        response
    }
}

/// A method that probes and scrapes may use.
#[must_use]
pub fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// 200 with the word for being well, or 503 with the one that says why not.
#[must_use]
pub fn state(method: &Method, well: &'static str, state: State) -> Response<FrontBody> {
    match state {
        Ok(()) => plain(StatusCode::OK, method, format!("{well}\n")),
        Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, method, format!("{why}\n")),
    }
}

/// 405 for what is neither GET nor HEAD.
#[must_use]
pub fn not_allowed() -> Response<FrontBody> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, &Method::GET, "405 Method Not Allowed\n".to_owned());
    // RFC 9110 §15.5.6: Allow is required.
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// A text that no cache keeps; for HEAD its headers alone.
#[must_use]
pub fn plain(status: StatusCode, method: &Method, text: String) -> Response<FrontBody> {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let mut response = Response::new(FrontBody::from(if *method == Method::HEAD { String::new() } else { text }));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
