//! The admin port (`--admin-bind`): probes and metrics, from the bind until the process is gone.
//!
//! `front` runs it on the IO thread, guarded like any connection but with limits of its own. Its requests never see the
//! queue, the application or its locks, keep no access record and are not counted as clients'. A connection serves one
//! request: who asks every few seconds need not hold a descriptor meanwhile.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tower::{Service, ServiceBuilder};

use super::phase::Life;
use super::status;
use super::threads::Threads;
use crate::app::queue::Queue;
use crate::app::service::fault_page;
use crate::exchange::{Budget, Client};
use crate::net::accept::{self, Serve};
use crate::net::conn;
use crate::net::guard::HeadLimits;
use crate::net::listen::Listener;
use crate::net::permits::{Permit, Permits};
use crate::net::socket::Socket;
use crate::net::stream::{Stream, Timeouts};
use crate::python::crew::Seats;
use crate::semantics::accept::{Media, wants_html, weight_of};
use crate::semantics::fault::Fault;
use crate::stack::guard::GuardLayer;
use crate::stack::observe::InFlight;
use crate::stack::panic_net::PanicNetLayer;
use crate::stack::probe;
use crate::stack::route::FrontBody;
use crate::stack::turns::Turns;
use crate::sys::cgroup;
use crate::sys::usage::{host_name, usage};
use crate::telemetry::exposition::{self, Levels};
use crate::telemetry::log::DroppedLines;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::plain_text;
use crate::telemetry::snapshot::snapshot;

/// Enough for a scraper, a probe and somebody with a browser.
const HEAD: HeadLimits = HeadLimits { request_line: 2048, header: 8192, headers: 16 * 1024, count: 64 };
/// Who is slower than this is cut off.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(5));
const TIMEOUTS: Timeouts = Timeouts { header: PATIENCE, keep_alive: PATIENCE, write: PATIENCE };
const OPTIONS: conn::Options =
    conn::Options { keep_alive: false, head: HEAD.request_line + HEAD.headers + HEAD.header, headers: HEAD.count };

/// Connections at once; one answers one request.
const CONNECTIONS: usize = 64;

const INDEX: &str = "\
/metrics        what the server counts, as text for scrapers
/-/live         200 while the process should go on, else 503
/-/ready        200 while new requests should come here, else 503 and why not
/-/threads      the stacks of the Python threads, with the requests they are in
/-/status.json  what the status page shows, which a browser finds here
";

const OPENMETRICS: Media = Media { kind: "application", subtype: "openmetrics-text", version: "1.0.0" };
const PLAIN: Media = Media { kind: "text", subtype: "plain", version: "0.0.4" };

/// Where the port looks for its answers.
pub struct Sources {
    pub life: Arc<Life>,
    pub metrics: Arc<Metrics>,
    pub in_flight: InFlight,
    pub queue: Arc<Queue>,
    pub seats: Arc<Seats>,
    pub budget: Budget,
    pub dropped_lines: DroppedLines,
    /// The interpreter's version.
    pub python: Arc<str>,
    pub threads: Arc<Threads>,
    /// `--max-connections`.
    pub connections_max: usize,
    /// When the server began.
    pub began: Instant,
}

impl Sources {
    /// What is so at this moment. Reads `/proc`, so not for the IO thread.
    fn levels(&self) -> Levels {
        let (busy, _) = self.seats.busy();
        Levels {
            phase: self.life.phase().word(),
            not_ready: self.life.ready().err(),
            not_live: self.life.live().err(),
            in_flight: self.in_flight.count() as u64,
            queue_depth: self.queue.depth() as u64,
            queue_capacity: self.queue.capacity() as u64,
            threads_busy: busy as u64,
            threads_streaming: self.seats.overdue().streams() as u64,
            threads_stuck: self.seats.overdue().stuck() as u64,
            threads_max: self.seats.threads() as u64,
            connections_max: self.connections_max as u64,
            buffer_bytes: self.budget.used(),
            buffer_limit_bytes: self.budget.limit(),
            spooled_bytes: self.budget.spooled(),
            log_lines_dropped: self.dropped_lines.count(),
            memory_used: cgroup::memory_used(),
            python: Arc::clone(&self.python),
            usage: usage(),
            limits: cgroup::limits(),
        }
    }

    /// For the status page. As [`Self::levels`] not for the IO thread.
    fn snapshot(&self) -> String {
        snapshot(&self.metrics, &self.levels(), host_name().as_deref(), self.began.elapsed())
    }
}

/// Answers the connections of the admin port.
#[derive(Clone)]
pub struct Admin {
    sources: Arc<Sources>,
}

impl Admin {
    #[must_use]
    pub fn new(sources: Sources) -> Self {
        Self { sources: Arc::new(sources) }
    }

    /// Serves `listeners` in tasks of their own for as long as the runtime runs; the end of the process ends their
    /// connections.
    pub fn open(&self, listeners: Vec<Listener>) {
        let permits = Permits::new(CONNECTIONS);
        for listener in listeners {
            let (admin, permits) = (self.clone(), Arc::clone(&permits));
            tokio::spawn(async move {
                if let Err(error) = accept::accept(listener, permits, admin, std::future::pending()).await {
                    tracing::error!(%error, reason = "admin-failed", "the admin port cannot be served");
                }
            });
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Response<FrontBody> {
        let (method, path) = (request.method(), request.uri().path());
        if !matches!(path, "/" | "/metrics" | "/-/live" | "/-/ready" | "/-/threads" | "/-/status.json") {
            return probe::plain(StatusCode::NOT_FOUND, method, "404 Not Found\n".to_owned());
        }
        if !probe::is_read(method) {
            return probe::not_allowed();
        }
        let sources = self.sources;
        match path {
            "/-/live" => probe::state(method, "live", sources.life.live()),
            "/-/ready" => probe::state(method, "ready", sources.life.ready()),
            "/" if wants_html(request.headers()) => by_accept(status::page(method)),
            "/" => by_accept(probe::plain(StatusCode::OK, method, INDEX.to_owned())),
            "/-/threads" => probe::plain(StatusCode::OK, &method.clone(), sources.threads.tell().await),
            "/-/status.json" => off_thread(&method.clone(), JSON, move || sources.snapshot()).await,
            _ => {
                let scrape = move || exposition::scrape(&sources.metrics, sources.levels());
                let method = method.clone();
                by_accept(if wants_openmetrics(request.headers()) {
                    off_thread(&method, exposition::CONTENT_TYPE, scrape).await
                } else {
                    off_thread(&method, plain_text::CONTENT_TYPE, move || plain_text::from_openmetrics(&scrape())).await
                })
            }
        }
    }
}

const JSON: &str = "application/json";

/// A text that takes a moment to make, such as for reading `/proc`.
async fn off_thread(
    method: &Method,
    content_type: &'static str,
    make: impl FnOnce() -> String + Send + 'static,
) -> Response<FrontBody> {
    let Ok(text) = tokio::task::spawn_blocking(make).await else {
        return fault_page(&Fault::internal()).map(FrontBody::App);
    };
    let mut response = probe::plain(StatusCode::OK, method, text);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// OpenMetrics, which a plain GET must get, unless the client would rather have the older text. So would a browser, which
/// shows that and saves the other to a file.
fn wants_openmetrics(headers: &HeaderMap) -> bool {
    !wants_html(headers) && weight_of(headers, OPENMETRICS) >= weight_of(headers, PLAIN)
}

/// RFC 9110 §12.5.5: says that the choice was made by `Accept`.
fn by_accept(mut response: Response<FrontBody>) -> Response<FrontBody> {
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

impl Serve for Admin {
    fn serve<S>(&self, stream: S, _: Client, permit: Permit)
    where
        S: Socket,
    {
        let turns = Arc::new(Turns::default());
        let service = ServiceBuilder::new().layer(PanicNetLayer).layer(GuardLayer::new(&turns)).service(self.clone());
        let stream = Stream::new(stream, HEAD, TIMEOUTS, Arc::clone(&turns));
        tokio::spawn(conn::serve(stream, OPTIONS, service, permit, turns));
    }
}

impl Service<Request<Incoming>> for Admin {
    type Response = Response<FrontBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<FrontBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let admin = self.clone();
        Box::pin(async move { Ok(admin.answer(request).await) })
    }
}
