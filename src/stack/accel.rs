//! Answers with the file that the application named in place of a body, where `--accel` lets it.
//!
//! Python is done with the request by then; what is left is the static files' to do. Costs other responses one look at
//! what their body is.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::Front;
use super::route::FrontBody;
use crate::static_files::{Accel, StaticBody};

/// Puts the look before a service.
#[derive(Clone, Debug)]
pub struct AccelLayer(Option<Arc<Accel>>);

impl AccelLayer {
    /// With the directories of `front`.
    #[must_use]
    pub fn new(front: &Front) -> Self {
        Self(front.static_files.accel().cloned())
    }
}

impl<S> Layer<S> for AccelLayer {
    type Service = AnswerFiles<S>;
    fn layer(&self, inner: S) -> AnswerFiles<S> {
        AnswerFiles { inner, accel: self.0.clone() }
    }
}

/// See [`AccelLayer`].
#[derive(Clone, Debug)]
pub struct AnswerFiles<S> {
    inner: S,
    accel: Option<Arc<Accel>>,
}

impl<S, B> Service<Request<B>> for AnswerFiles<S>
where
    S: Service<Request<B>, Response = Response<FrontBody>>,
{
    type Response = Response<FrontBody>;
    type Error = S::Error;
    type Future = AccelFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        AccelFuture { inner: self.inner.call(request), accel: self.accel.clone(), opening: None }
    }
}

pin_project! {
    /// See [`AccelLayer`].
    pub struct AccelFuture<F> {
        #[pin]
        inner: F,
        accel: Option<Arc<Accel>>,
        opening: Option<Pin<Box<dyn Future<Output = Response<StaticBody>> + Send>>>,
    }
}

impl<F, E> Future for AccelFuture<F>
where
    F: Future<Output = Result<Response<FrontBody>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if this.opening.is_none() {
            let mut response = ready!(this.inner.poll(cx))?;
            let FrontBody::App(body) = response.body_mut() else { return Poll::Ready(Ok(response)) };
            // Without directories the application cannot have named a file.
            let (Some(named), Some(accel)) = (body.take_named(), this.accel.take()) else {
                return Poll::Ready(Ok(response));
            };
            *this.opening = Some(Box::pin(accel.answer(*named, response.into_parts().0)));
        }
        match this.opening {
            Some(opening) => opening.as_mut().poll(cx).map(|response| Ok(response.map(FrontBody::Static))),
            None => Poll::Pending,
        }
    }
}
