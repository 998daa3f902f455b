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

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower::{Layer, Service};

use super::Front;
use super::guard::StandIn;
use super::probe::Unrecorded;
use super::turns::Turns;
use crate::exchange::parking::Park;
use crate::exchange::request_id::{Digits, X_REQUEST_ID};
use crate::exchange::{Client, Portion, RequestId, Trail, detach};
use crate::semantics::fault::Fault;
use crate::semantics::path::in_ascii;
use crate::semantics::traceparent::TraceParent;
use crate::telemetry::access::{AccessLog, Entry, Kept};
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
    trail: Arc<Trail>,
    trace: Option<TraceParent>,
    /// What the access log wants of the headers.
    request_headers: Kept,
    response_headers: Kept,
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
        if let (Some(record), Some(log)) = (&mut self.record, &self.connection.front.access_log) {
            record.response_headers = kept(log.response_headers(), response.headers(), Clone::clone);
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
        let Some(log) = &self.connection.front.access_log else { return };
        let (method, path) = if record.stand_in { ("-", "-") } else { (record.method.as_str(), record.target.path()) };
        log.write(&Entry {
            remote_addr: &record.client.remote_addr,
            remote_port: &record.client.remote_port,
            server_name: &record.client.server_name,
            server_port: &record.client.server_port,
            https: record.client.https,
            method,
            path: &in_ascii(path),
            query: &in_ascii(record.target.query().unwrap_or("")),
            version: record.version,
            status: self.status,
            bytes: self.bytes,
            queue: record.trail.queue(),
            app: record.trail.app(),
            total: took,
            complete: self.complete,
            reason: self.reason,
            request_id: record.trail.id.text(&mut Digits::default()),
            trace: record.trace.as_ref().map(|trace| (trace.trace_id(), trace.span_id())),
            request_headers: &record.request_headers,
            response_headers: &record.response_headers,
        });
    }

    /// Names the request on the page that says what failed here, and in a header for those who read no pages.
    fn sign<B: From<String>>(&self, response: &mut Response<B>) {
        let Some(fault) = response.extensions().get::<Fault>().copied() else { return };
        let given = response.extensions_mut().remove::<RequestId>();
        let Some(id) = given.or_else(|| self.record.as_ref().map(|record| record.trail.id.clone())) else { return };
        if !fault.status.is_server_error() {
            return;
        }
        let mut digits = Digits::default();
        let id = id.text(&mut digits);
        if let Ok(value) = HeaderValue::from_str(id) {
            response.headers_mut().insert(&X_REQUEST_ID, value);
        }
        *response.body_mut() = B::from(format!("{}request id: {id}\n", fault.page()));
    }
}

fn kept(names: &[HeaderName], headers: &HeaderMap, copy: fn(&HeaderValue) -> HeaderValue) -> Kept {
    names.iter().map(|name| headers.get(name).map(copy)).collect()
}

/// Observes a connection's requests.
#[derive(Clone)]
pub struct ObserveLayer(Arc<Connection>);

struct Connection {
    front: Arc<Front>,
    turns: Arc<Turns>,
    client: Arc<Client>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Connection {
    fn record<R>(&self, log: &AccessLog, request: &Request<R>) -> Record {
        let client = request.extensions().get().unwrap_or(&self.client);
        let headers = request.headers();
        let has_body = headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING);
        Record {
            client: Arc::clone(client),
            method: request.method().clone(),
            // The body may take long, and keep the read buffer.
            target: if has_body { detach::uri(request.uri()) } else { request.uri().clone() },
            version: request.version(),
            trail: Arc::new(Trail::new(self.front.request_ids.of(headers, client.is_trusted))),
            trace: TraceParent::of(headers),
            request_headers: kept(log.request_headers(), headers, if has_body { detach::value } else { Clone::clone }),
            response_headers: Kept::default(),
            stand_in: false,
        }
    }
}

impl ObserveLayer {
    /// Counts in `front` and in the connection's `turns`; keeps records of `client` when the access log is on.
    #[must_use]
    pub fn new(front: &Arc<Front>, client: &Arc<Client>, turns: &Arc<Turns>) -> Self {
        Self(Arc::new(Connection { front: Arc::clone(front), turns: Arc::clone(turns), client: Arc::clone(client) }))
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
    B: Body + From<String>,
{
    type Response = Response<Observed<B>>;
    type Error = S::Error;
    type Future = ObserveFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<R>) -> Self::Future {
        let record = self.connection.front.access_log.as_ref().map(|log| self.connection.record(log, &request));
        if let Some(record) = &record {
            request.extensions_mut().insert(Arc::clone(&record.trail));
        }
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
    B: Body + From<String>,
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
            observation.sign(&mut response);
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
    B: Body<Data = Portion, Error = io::Error> + Park + Unpin,
{
    type Data = Portion;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Portion>>>> {
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
                let length = frame.data_ref().map_or(0, Portion::len);
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
