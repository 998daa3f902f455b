//! Counts requests, in flight and ended, and writes the access record when the last byte is handed to the connection.
//!
//! A request is in flight until its response body has ended or was dropped: metrics and record say how it really ended,
//! and a drain waits for the truth. What a request ended for is counted here, once, by what the record tells; only what
//! the stream cut and what an application did after its commit is counted where it is found.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower::{Layer, Service};

use super::Front;
use super::guard::StandIn;
use super::probe::Unrecorded;
use super::turns::Turns;
use crate::exchange::Client;
use crate::exchange::parking::Park;
use crate::semantics::fault::Fault;
use crate::semantics::path::in_ascii;
use crate::telemetry::log::ACCESS;
use crate::telemetry::metrics::{CLIENT_GONE, MethodLabel};

/// The number of requests in flight; clones count together.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    /// Requests in flight now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn enter(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is known of a request until it ends; dropping it counts the request and writes its record. Boxed, as the answer
/// that carries it is moved through every layer.
#[derive(Debug)]
struct Observation {
    connection: Arc<Connection>,
    start: Instant,
    method: MethodLabel,
    /// HTTP/1.0 has no chunked coding: where the length is not known, the connection's end is the body's.
    http_10: bool,
    /// Of the answer; until there is one, [`CLIENT_GONE`].
    status: u16,
    /// Bytes of its body.
    bytes: u64,
    /// Why the request was refused or failed.
    reason: &'static str,
    /// The body was handed to the connection to its end.
    complete: bool,
    /// The body ended with an error.
    failed: bool,
    record: Option<Record>,
}

/// What only the access record tells.
#[derive(Debug)]
struct Record {
    client: Arc<Client>,
    method: http::Method,
    target: http::Uri,
    version: Version,
    user_agent: Option<HeaderValue>,
    /// The client never sent this request: the stream refused it before its head was complete or right.
    stand_in: bool,
}

impl Observation {
    /// The answer begins.
    fn answered<B: Body>(&mut self, response: &Response<B>) {
        self.status = response.status().as_u16();
        if let Some(fault) = response.extensions().get::<Fault>() {
            self.reason = fault.reason;
        }
        if response.extensions().get::<StandIn>().is_some() {
            self.method = MethodLabel::OTHER;
            if let Some(record) = &mut self.record {
                record.stand_in = true;
            }
        }
        if response.extensions().get::<Unrecorded>().is_some() {
            self.record = None;
        }
    }

    /// Finds out why the body has no end, or why there was no answer; counts what nobody has counted yet.
    fn blame(&mut self) {
        let metrics = &self.connection.front.metrics;
        let unfinished = !self.complete && self.reason.is_empty();
        match self.connection.turns.is_cut() {
            // The stream broke off the client's body, which the collector takes for the client's leaving.
            Some(cut) if unfinished || self.reason == Fault::body_aborted().reason => self.reason = cut,
            // The application's doing, of which it tells and counts itself.
            _ if self.failed && self.reason.is_empty() => {}
            _ => {
                if unfinished {
                    self.reason = "client-gone";
                }
                if !self.reason.is_empty() {
                    metrics.fault(self.reason);
                }
            }
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let took = self.connection.turns.end().duration_since(self.start);
        self.blame();
        let front = &self.connection.front;
        front.metrics.request(self.method, self.status, took, self.bytes);
        front.in_flight.leave();
        if let Some(record) = &self.record {
            self.write(record, took);
        }
    }
}

impl Observation {
    fn write(&self, record: &Record, took: Duration) {
        // Quotes are escaped by either format, control characters of the client by `in_ascii` and `to_str`: no value
        // can forge a line or a field.
        let (method, path) = if record.stand_in { ("-", "-") } else { (record.method.as_str(), record.target.path()) };
        let agent = record.user_agent.as_ref().map_or("", |agent| agent.to_str().unwrap_or("?"));
        tracing::info!(
            target: ACCESS,
            client = record.client.remote_addr,
            method,
            path = in_ascii(path).as_ref(),
            query = in_ascii(record.target.query().unwrap_or("")).as_ref(),
            version = ?record.version,
            status = self.status,
            bytes = self.bytes,
            ms = (took.as_secs_f64() * 1_000_000.0).round() / 1000.0,
            complete = self.complete,
            reason = self.reason,
            user_agent = agent,
            "request"
        );
    }
}

/// Observes a connection's requests.
#[derive(Clone)]
pub struct ObserveLayer(Arc<Connection>);

struct Connection {
    front: Arc<Front>,
    turns: Arc<Turns>,
    /// Whose records are kept.
    client: Option<Arc<Client>>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("client", &self.client).finish_non_exhaustive()
    }
}

impl ObserveLayer {
    /// Counts in `front` and in the connection's `turns`; keeps records of `client` when the access log is on.
    #[must_use]
    pub fn new(front: &Arc<Front>, client: &Arc<Client>, turns: &Arc<Turns>) -> Self {
        let client = front.access_log.then(|| Arc::clone(client));
        Self(Arc::new(Connection { front: Arc::clone(front), turns: Arc::clone(turns), client }))
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;
    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, connection: Arc::clone(&self.0) }
    }
}

/// See [`ObserveLayer`].
#[derive(Clone)]
pub struct Observe<S> {
    inner: S,
    connection: Arc<Connection>,
}

impl<S, R, B> Service<Request<R>> for Observe<S>
where
    S: Service<Request<R>, Response = Response<B>>,
    B: Body,
{
    type Response = Response<Observed<B>>;
    type Error = S::Error;
    type Future = ObserveFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let record = self.connection.client.as_ref().map(|client| Record {
            client: Arc::clone(request.extensions().get().unwrap_or(client)),
            method: request.method().clone(),
            target: request.uri().clone(),
            version: request.version(),
            user_agent: request.headers().get(header::USER_AGENT).cloned(),
            stand_in: false,
        });
        self.connection.front.in_flight.enter();
        let observation = Box::new(Observation {
            connection: Arc::clone(&self.connection),
            start: Instant::now(),
            method: MethodLabel::from(request.method()),
            http_10: request.version() == Version::HTTP_10,
            status: CLIENT_GONE,
            bytes: 0,
            reason: "",
            complete: false,
            failed: false,
            record,
        });
        ObserveFuture { inner: self.inner.call(request), observation: Some(observation) }
    }
}

pin_project! {
    /// See [`ObserveLayer`].
    pub struct ObserveFuture<F> {
        #[pin]
        inner: F,
        observation: Option<Box<Observation>>,
    }
}

impl<F, B, E> Future for ObserveFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<Observed<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let mut observation = this.observation.take();
        let is_draining = |observation: &Observation| observation.connection.front.draining.load(Ordering::Relaxed);
        if observation.as_deref().is_some_and(is_draining) {
            // Where to the client's next request should go, its next connection finds out (RFC 9112 §9.6).
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if response.body().size_hint().exact().is_none()
            && observation.as_ref().is_some_and(|observation| observation.http_10)
        {
            // hyper would say keep-alive to a client that asked for it, and yet close (RFC 9112 §9.3).
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(observation) = &mut observation {
            observation.answered(&response);
        }
        Poll::Ready(Ok(response.map(|body| Observed { body, observation })))
    }
}

pin_project! {
    /// A response body under observation.
    #[derive(Debug)]
    pub struct Observed<B: Body> {
        #[pin]
        body: B,
        observation: Option<Box<Observation>>,
    }

    impl<B: Body> PinnedDrop for Observed<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(observation) = this.observation {
                // hyper drops a body of known length with its last byte, without asking for the end, and never polls
                // one that is over before it began (HEAD, 204, 304).
                observation.complete = observation.method == MethodLabel::HEAD || this.body.is_end_stream();
            }
        }
    }
}

impl<B> Body for Observed<B>
where
    B: Body<Data = Bytes, Error = io::Error> + Park + Unpin,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut this = self.project();
        if let Some(observation) = this.observation.as_ref()
            && observation.connection.turns.hold_back()
        {
            // hyper would take it into memory, whatever the client reads.
            if observation.connection.turns.is_blocked() {
                this.body.poll_parked(cx);
            }
            return Poll::Pending;
        }
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        match (&frame, this.observation) {
            (Some(Ok(frame)), Some(observation)) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                observation.bytes += length as u64;
                observation.connection.turns.hand_out(length);
            }
            (Some(Err(error)), Some(observation)) => {
                observation.failed = true;
                if error.kind() != io::ErrorKind::ConnectionAborted {
                    observation.reason = "file-failed";
                }
                if observation.http_10 && this.body.size_hint().exact().is_none() {
                    observation.connection.turns.break_off();
                }
            }
            _ => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
