//! One request through the application: body first, then the queue, then the reply.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::Body;
use hyper::ext::ReasonPhrase;

use super::backend::Backend;
use super::body::AppBody;
use crate::exchange::replies::Reply;
use crate::exchange::request::BodyLimits;
use crate::exchange::{Client, Job, Replies, RequestHead, Spool, Spooled, request};
use crate::semantics::fault::{Blame, Fault};

/// The application branch; shared by all connections.
pub struct App {
    pub backend: Backend,
    pub replies: Replies,
    pub spool: Spool,
    pub body_limits: BodyLimits,
}

impl App {
    /// Answers one request.
    ///
    /// # Errors
    /// The fault, when the application could not be reached or failed before it committed a response.
    pub async fn respond<B>(&self, request: Request<B>, client: Arc<Client>) -> Result<Response<AppBody>, Fault>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let body = if body.is_end_stream() {
            Spooled::Empty
        } else {
            request::collect(body, &self.body_limits, &self.spool).await?
        };
        let (reply, outcome) = self.replies.handle();
        let job = Job { head: RequestHead { parts, client }, body, reply };
        let _in_flight = self.backend.submit(job).map_err(|_job| Fault::queue_full())?;
        // A job dropped unanswered (a panic in a pool thread) closes its channel.
        let reply = outcome.await.unwrap_or_else(|_| Err(Fault::internal()))?;
        Ok(response(reply))
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
    // For the access record.
    response.extensions_mut().insert(*fault);
    if matches!(fault.blame, Blame::Client | Blame::Gone) || matches!(fault.reason, "spool-failed" | "buffers-full") {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
