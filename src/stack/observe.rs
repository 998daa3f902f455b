//! Counts requests in flight and writes the access record when the last byte is handed to the connection.
//!
//! A request is in flight until its response body has ended or was dropped: a record says how it really ended, and
//! a drain waits for the truth.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::Front;
use super::guard::StandIn;
use super::turns::Turns;
use crate::exchange::Client;
use crate::semantics::fault::Fault;
use crate::semantics::path::in_ascii;
use crate::telemetry::log::ACCESS;

/// The number of requests in flight; clones count together.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    /// Requests in flight now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn enter(&self, turns: &Arc<Turns>) -> InFlightGuard {
        self.0.fetch_add(1, Ordering::Relaxed);
        InFlightGuard { in_flight: self.clone(), turns: Arc::clone(turns) }
    }
}

#[derive(Debug)]
struct InFlightGuard {
    in_flight: InFlight,
    turns: Arc<Turns>,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.in_flight.0.fetch_sub(1, Ordering::Relaxed);
        self.turns.end();
    }
}

/// What is known of a request until it ends; dropping it writes the record.
#[derive(Debug)]
struct Observation {
    in_flight: InFlightGuard,
    /// HTTP/1.0 has no chunked coding: where the length is not known, the connection's end is the body's.
    http_10: bool,
    record: Option<Box<Record>>,
}

#[derive(Debug)]
struct Record {
    client: Arc<Client>,
    method: http::Method,
    target: http::Uri,
    version: Version,
    user_agent: Option<HeaderValue>,
    start: Instant,
    status: u16,
    bytes: u64,
    /// Why the request was refused or failed.
    reason: &'static str,
    /// Length of the body, where it is known from the start.
    expected: Option<u64>,
    complete: bool,
    /// The client never sent this request: the stream refused it before its head was complete or right.
    stand_in: bool,
}

impl Drop for Record {
    fn drop(&mut self) {
        // Quotes are escaped by either format, control characters of the client by `in_ascii` and `to_str`: no value
        // can forge a line or a field.
        let (method, path) = if self.stand_in { ("-", "-") } else { (self.method.as_str(), self.target.path()) };
        let agent = self.user_agent.as_ref().map_or("", |agent| agent.to_str().unwrap_or("?"));
        tracing::info!(
            target: ACCESS,
            client = self.client.remote_addr,
            method,
            path = in_ascii(path).as_ref(),
            query = in_ascii(self.target.query().unwrap_or("")).as_ref(),
            version = ?self.version,
            status = self.status,
            bytes = self.bytes,
            ms = (self.start.elapsed().as_secs_f64() * 1_000_000.0).round() / 1000.0,
            complete = self.complete,
            reason = self.reason,
            user_agent = agent,
            "request"
        );
    }
}

/// Observes a connection's requests.
#[derive(Clone)]
pub struct ObserveLayer {
    in_flight: InFlight,
    turns: Arc<Turns>,
    client: Option<Arc<Client>>,
}

impl ObserveLayer {
    /// Counts in `front` and in the connection's `turns`; keeps records of `client` when the access log is on.
    #[must_use]
    pub fn new(front: &Front, client: &Arc<Client>, turns: &Arc<Turns>) -> Self {
        let client = front.access_log.then(|| Arc::clone(client));
        Self { in_flight: front.in_flight.clone(), turns: Arc::clone(turns), client }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;
    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, layer: self.clone() }
    }
}

/// See [`ObserveLayer`].
#[derive(Clone)]
pub struct Observe<S> {
    inner: S,
    layer: ObserveLayer,
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
        let record = self.layer.client.as_ref().map(|client| {
            Box::new(Record {
                client: Arc::clone(request.extensions().get().unwrap_or(client)),
                method: request.method().clone(),
                target: request.uri().clone(),
                version: request.version(),
                user_agent: request.headers().get(header::USER_AGENT).cloned(),
                start: Instant::now(),
                status: 0,
                bytes: 0,
                reason: "",
                expected: None,
                complete: false,
                stand_in: false,
            })
        });
        let http_10 = request.version() == Version::HTTP_10;
        let observation = Observation { http_10, in_flight: self.layer.in_flight.enter(&self.layer.turns), record };
        ObserveFuture { inner: self.inner.call(request), observation: Some(observation) }
    }
}

pin_project! {
    /// See [`ObserveLayer`].
    pub struct ObserveFuture<F> {
        #[pin]
        inner: F,
        observation: Option<Observation>,
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
        if observation.as_ref().is_some_and(|observation| observation.http_10)
            && response.body().size_hint().exact().is_none()
        {
            // hyper would say keep-alive to a client that asked for it, and yet close (RFC 9112 §9.3).
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(record) = observation.as_mut().and_then(|observation| observation.record.as_mut()) {
            record.status = response.status().as_u16();
            record.reason = response.extensions().get::<Fault>().map_or("", |fault| fault.reason);
            record.stand_in = response.extensions().get::<StandIn>().is_some();
            // hyper never polls a body that is over before it began (HEAD, 204, 304).
            record.expected = response.body().size_hint().exact();
            record.complete = response.body().is_end_stream() || record.method == http::Method::HEAD;
        }
        Poll::Ready(Ok(response.map(|body| Observed { body, observation })))
    }
}

pin_project! {
    /// A response body under observation.
    #[derive(Debug)]
    pub struct Observed<B> {
        #[pin]
        body: B,
        observation: Option<Observation>,
    }
}

impl<B> Body for Observed<B>
where
    B: Body<Data = Bytes, Error = io::Error>,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        if let (Some(Err(_)), Some(observation)) = (&frame, &this.observation)
            && observation.http_10
            && this.body.size_hint().exact().is_none()
        {
            observation.in_flight.turns.break_off();
        }
        if let Some(record) = this.observation.as_mut().and_then(|observation| observation.record.as_mut()) {
            match &frame {
                Some(Ok(frame)) => {
                    record.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                    // hyper drops a body of known length with its last byte, without asking for the end.
                    record.complete = record.expected == Some(record.bytes) || this.body.is_end_stream();
                }
                Some(Err(_)) => record.complete = false,
                None => record.complete = true,
            }
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
