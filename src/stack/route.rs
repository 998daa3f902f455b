//! The fork of the way: static files answer here, the application gets the rest.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tower::Service;

use super::Front;
use crate::app::body::AppBody;
use crate::app::service::fault_page;
use crate::exchange::Client;
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
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
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

/// The innermost service: `front` answers `client`.
pub fn route(
    front: Arc<Front>,
    client: Arc<Client>,
) -> impl Service<Request<Incoming>, Response = Response<FrontBody>, Error = Infallible, Future: Send> + Clone + Send + 'static
{
    tower::service_fn(move |request: Request<Incoming>| {
        let (front, client) = (Arc::clone(&front), Arc::clone(request.extensions().get().unwrap_or(&client)));
        async move { Ok(answer(&front, client, request).await) }
    })
}

async fn answer(front: &Front, client: Arc<Client>, request: Request<Incoming>) -> Response<FrontBody> {
    if !front.static_files.is_empty() {
        let path = below_root(request.uri().path(), &front.root_path);
        if let Some(response) = front.static_files.respond(request.method(), path, request.headers()) {
            return response.map(FrontBody::Static);
        }
    }
    match front.app.respond(request, client).await {
        Ok(response) => response.map(FrontBody::App),
        Err(fault) => {
            tracing::debug!(status = fault.status.as_u16(), reason = fault.reason, "request refused");
            fault_page(&fault).map(FrontBody::App)
        }
    }
}
