//! The panic net: a bug below answers 500 and is logged; no other request notices.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::semantics::fault::Fault;

/// Wraps a service in the net. (tower-http's `CatchPanic` would box every response body.)
#[derive(Clone, Copy, Debug)]
pub struct PanicNetLayer;

impl<S> Layer<S> for PanicNetLayer {
    type Service = PanicNet<S>;
    fn layer(&self, inner: S) -> PanicNet<S> {
        PanicNet { inner }
    }
}

/// See [`PanicNetLayer`].
#[derive(Clone, Debug)]
pub struct PanicNet<S> {
    inner: S,
}

impl<S, R, B> Service<R> for PanicNet<S>
where
    S: Service<R, Response = Response<B>>,
    B: From<String>,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = PanicNetFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        PanicNetFuture { inner: self.inner.call(request) }
    }
}

pin_project! {
    /// See [`PanicNetLayer`].
    pub struct PanicNetFuture<F> {
        #[pin]
        inner: F,
    }
}

impl<F, B, E> Future for PanicNetFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: From<String>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let inner = self.project().inner;
        // A panicked future is never polled again, so what it left half-done is never seen.
        match catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
            Ok(poll) => Poll::Ready(ready!(poll)),
            Err(panic) => {
                tracing::error!(
                    reason = "internal",
                    panic = message(&*panic),
                    "a request panicked; please report this"
                );
                Poll::Ready(Ok(Fault::internal().response()))
            }
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower::{ServiceBuilder, ServiceExt};

    #[tokio::test]
    async fn a_panic_answers_500_and_the_next_request_is_served() {
        let mut service =
            ServiceBuilder::new().layer(PanicNetLayer).service(tower::service_fn(|boom: bool| async move {
                assert!(!boom, "boom");
                Ok::<_, std::convert::Infallible>(Response::new("fine".to_owned()))
            }));
        assert_eq!(service.ready().await.unwrap().call(true).await.unwrap().status(), 500);
        assert_eq!(service.ready().await.unwrap().call(false).await.unwrap().status(), 200);
    }
}
