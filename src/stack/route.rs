//! The fork of the way: probes and static files are answered here, the application gets the rest.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower::Service;

use super::Front;
use crate::app::body::AppBody;
use crate::app::service::{Answer, fault_page};
use crate::exchange::parking::Park;
use crate::exchange::{Client, Portion, RequestId, Trail};
use crate::semantics::fault::Fault;
use crate::semantics::path::below_root;
use crate::static_files::StaticBody;

/// The body of any answer.
#[derive(Debug)]
pub enum FrontBody {
    App(AppBody),
    Static(StaticBody),
}

impl From<String> for FrontBody {
    fn from(text: String) -> Self {
        Self::App(AppBody::from(text))
    }
}

impl Body for FrontBody {
    type Data = Portion;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Portion>>>> {
        match self.get_mut() {
            Self::App(body) => Pin::new(body).poll_frame(cx),
            Self::Static(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::App(body) => body.is_end_stream(),
            Self::Static(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::App(body) => body.size_hint(),
            Self::Static(body) => body.size_hint(),
        }
    }
}

impl Park for FrontBody {
    fn poll_parked(&mut self, cx: &mut Context<'_>) {
        match self {
            Self::App(body) => body.poll_parked(cx),
            Self::Static(body) => body.poll_parked(cx),
        }
    }
}

/// The innermost service: `front` answers a connection's requests.
#[derive(Clone)]
pub struct Route {
    front: Arc<Front>,
    client: Arc<Client>,
}

impl Route {
    /// `client` is the other end of the connection; a request's own, where a proxy told of one, is its extension.
    #[must_use]
    pub fn new(front: &Arc<Front>, client: &Arc<Client>) -> Self {
        Self { front: Arc::clone(front), client: Arc::clone(client) }
    }
}

impl Service<Request<Incoming>> for Route {
    type Response = Response<FrontBody>;
    type Error = Infallible;
    type Future = RouteFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Decides at once; only a request with a body, or one that waits for the application, is a future that waits.
    fn call(&mut self, request: Request<Incoming>) -> RouteFuture {
        let front = &self.front;
        if let Some(health) = front.health.as_ref().filter(|health| health.path == request.uri().path()) {
            return RouteFuture::answered(health.answer(request.method()));
        }
        let path = below_root(request.uri().path(), &front.root_path);
        if let Some(media) = front.static_files.media(path) {
            let (method, headers) = (request.method().clone(), request.headers().clone());
            let answer = Arc::clone(media).answer(method, path.to_owned(), headers);
            let front = Arc::clone(front);
            return RouteFuture::Looking {
                answer: Box::pin(async move {
                    let response = answer.await;
                    count(&front, &response);
                    response.map(FrontBody::Static)
                }),
            };
        }
        if front.static_files.is_live() {
            let client = Arc::clone(request.extensions().get().unwrap_or(&self.client));
            return RouteFuture::Looking { answer: Box::pin(look(Arc::clone(front), request, client)) };
        }
        if !front.static_files.is_empty() {
            let query = request.uri().query();
            if let Some(response) = front.static_files.respond(request.method(), path, query, request.headers()) {
                count(front, &response);
                return RouteFuture::answered(response.map(FrontBody::Static));
            }
        }
        let spa = front.static_files.spa(request.method(), request.headers()).map(Box::new);
        let client = Arc::clone(request.extensions().get().unwrap_or(&self.client));
        let id = name(front, &request, &client);
        if request.body().is_end_stream() {
            return match front.app.submit(request.into_parts().0, client, id.clone()) {
                Ok(answer) => RouteFuture::Queued { answer, spa, id },
                Err(fault) => RouteFuture::answered(refusal(fault, id)),
            };
        }
        // Boxed, or every request without a body would carry room for it through the stack.
        let (front, job) = (Arc::clone(front), id.clone());
        RouteFuture::Collecting { answer: Box::pin(async move { front.app.respond(request, client, job).await }), id }
    }
}

/// The name that its record has, or a new one.
fn name(front: &Front, request: &Request<Incoming>, client: &Client) -> RequestId {
    let trail = request.extensions().get::<Arc<Trail>>();
    trail.map_or_else(|| front.request_ids.of(request.headers(), client.is_trusted), |trail| trail.id.clone())
}

fn count(front: &Front, response: &Response<StaticBody>) {
    if !matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
        front.metrics.static_hits.inc();
    }
}

/// The way of a request while the application is being worked on: first to the files as they are now.
async fn look(front: Arc<Front>, request: Request<Incoming>, client: Arc<Client>) -> Response<FrontBody> {
    let files = &front.static_files;
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let path = below_root(request.uri().path(), &front.root_path);
    if let Some(response) = files.look(&method, path, request.uri().query(), &headers).await {
        count(&front, &response);
        return response.map(FrontBody::Static);
    }
    let id = name(&front, &request, &client);
    match front.app.respond(request, client, id.clone()).await {
        Ok(response) if response.status() == StatusCode::NOT_FOUND => match files.look_spa(&method, &headers).await {
            Some(page) => page.map(FrontBody::Static),
            None => response.map(FrontBody::App),
        },
        answer => answer.map_or_else(|fault| refusal(fault, id), |response| response.map(FrontBody::App)),
    }
}

pin_project! {
    /// See [`Route`].
    #[project = Projected]
    pub enum RouteFuture {
        // Boxed, or a request for the application would carry room for it through the stack.
        Answered { response: Option<Box<Response<FrontBody>>> },
        Queued {
            #[pin]
            answer: Answer,
            // What is answered instead of a 404 of the application.
            spa: Option<Box<Response<StaticBody>>>,
            id: RequestId,
        },
        Looking { answer: Pin<Box<dyn Future<Output = Response<FrontBody>> + Send>> },
        Collecting { answer: Pin<Box<dyn Future<Output = Result<Response<AppBody>, Fault>> + Send>>, id: RequestId },
    }
}

impl RouteFuture {
    fn answered(response: Response<FrontBody>) -> Self {
        Self::Answered { response: Some(Box::new(response)) }
    }
}

impl Future for RouteFuture {
    type Output = Result<Response<FrontBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (answer, id) = match self.project() {
            // A future is not polled again once it was ready.
            Projected::Answered { response } => {
                return response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(*response)));
            }
            Projected::Queued { answer, spa, id } => match (ready!(answer.poll(cx)), spa.take()) {
                (Ok(response), Some(page)) if response.status() == StatusCode::NOT_FOUND => {
                    return Poll::Ready(Ok(page.map(FrontBody::Static)));
                }
                (answer, _) => (answer, id),
            },
            Projected::Looking { answer } => return answer.as_mut().poll(cx).map(Ok),
            Projected::Collecting { answer, id } => (ready!(answer.as_mut().poll(cx)), id),
        };
        Poll::Ready(Ok(match answer {
            Ok(response) => response.map(FrontBody::App),
            Err(fault) => refusal(fault, std::mem::take(id)),
        }))
    }
}

/// The page, on which `observe` writes the id.
fn refusal(fault: Fault, id: RequestId) -> Response<FrontBody> {
    tracing::debug!(status = fault.status.as_u16(), reason = fault.reason, request_id = %id, "request refused");
    let mut page = fault_page(&fault).map(FrontBody::App);
    page.extensions_mut().insert(id);
    page
}
