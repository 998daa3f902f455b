//! One request through the application: body first, then the queue, then the reply.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response, header};
use http_body::Body;
use hyper::ext::ReasonPhrase;

use super::backend::{Backend, InFlight};
use super::body::AppBody;
use crate::config::body_sizes::BodySizes;
use crate::exchange::replies::Reply;
use crate::exchange::request::BodyLimits;
use crate::exchange::{Client, Job, Replies, RequestHead, RequestId, Spool, Spooled, Trail, Waiting, detach, request};
use crate::semantics::fault::{Blame, Fault};
use crate::semantics::path::path_info;
use crate::semantics::request_start;
use crate::telemetry::metrics::Metrics;

/// The application branch; shared by all connections.
pub struct App {
    pub backend: Backend,
    pub replies: Replies,
    pub spool: Spool,
    /// Of paths without a size of their own.
    pub body_limits: BodyLimits,
    pub metrics: Arc<Metrics>,
    /// `--max-body-size`.
    pub body_sizes: BodySizes,
    /// `--root-path`, below which these sizes are for.
    pub root_path: String,
}

impl App {
    /// Queues a request without a body.
    ///
    /// # Errors
    /// `queue-full` (503).
    pub fn submit(&self, parts: Parts, client: Arc<Client>, id: RequestId) -> Result<Answer, Fault> {
        let waited = waited(&parts, &client);
        self.queue(parts, Spooled::Empty, waited, client, id)
    }

    /// Queues a request that has `waited` elsewhere.
    fn queue(
        &self,
        mut parts: Parts,
        body: Spooled,
        waited: Duration,
        client: Arc<Client>,
        id: RequestId,
    ) -> Result<Answer, Fault> {
        let now = Instant::now();
        let queued = now.checked_sub(waited).unwrap_or(now);
        let (reply, outcome) = self.replies.handle_on(parts.extensions.remove::<Arc<Trail>>());
        let job = Box::new(Job { head: RequestHead { parts, client, id }, body, reply, queued });
        match self.backend.submit(job) {
            Ok(in_flight) => Ok(Answer { outcome, _in_flight: in_flight }),
            Err(job) => {
                // In this order the job sees that nobody waits for an answer to it.
                drop(outcome);
                drop(job);
                Err(Fault::queue_full())
            }
        }
    }

    /// Reads the body, queues the request, and awaits the answer.
    ///
    /// # Errors
    /// The fault, when the body did not come, or as [`App::submit`] and [`Answer`].
    pub async fn respond<B>(
        &self,
        request: Request<B>,
        client: Arc<Client>,
        id: RequestId,
    ) -> Result<Response<AppBody>, Fault>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (mut parts, body) = request.into_parts();
        let size = self.body_sizes.at(&path_info(parts.uri.path(), &self.root_path));
        let limits = BodyLimits { size, ..self.body_limits };
        // The time that the body takes is the client's.
        let waited = waited(&parts, &client);
        let received = &self.metrics.request_bytes;
        let body = request::collect(body, &limits, &self.spool, received, || detach::head(&mut parts)).await?;
        self.queue(parts, body, waited, client, id)?.await
    }
}

/// How long a request has waited in front of the trusted proxy that sent it; any other's clock says nothing.
fn waited(parts: &Parts, client: &Client) -> Duration {
    if client.is_trusted { request_start::age(&parts.headers) } else { Duration::ZERO }
}

/// The answer to a queued request: a response, or the fault when the application failed before it committed one.
/// Dropping it, as hyper does when the client leaves, takes the job out of the queue.
pub struct Answer {
    outcome: Waiting,
    _in_flight: InFlight,
}

impl Future for Answer {
    type Output = Result<Response<AppBody>, Fault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(Pin::new(&mut self.outcome).poll(cx));
        Poll::Ready(outcome.map(response))
    }
}

fn response(reply: Reply) -> Response<AppBody> {
    let Reply { status, reason, headers, body } = reply;
    let mut response = Response::new(AppBody::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if let Some(reason) = reason.and_then(|reason| ReasonPhrase::try_from(reason).ok()) {
        response.extensions_mut().insert(reason);
    }
    response
}

/// The page for a fault. After a client's fault in the body nothing more can be read from the connection, so it
/// is closed.
#[must_use]
pub fn fault_page(fault: &Fault) -> Response<AppBody> {
    let mut response = fault.response();
    if matches!(fault.blame, Blame::Client | Blame::Gone) || matches!(fault.reason, "spool-failed" | "buffers-full") {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
