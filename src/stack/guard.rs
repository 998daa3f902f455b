//! Refuses requests that no application should see, by their head alone, and answers those that the connection's
//! stream refused before they were requests.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, Method, Request, Response, Version, header};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::app::service::fault_page;
use crate::semantics::fault::Fault;
use crate::semantics::header_lines::lines;

use super::route::FrontBody;
use super::turns::Turns;

/// Puts the guard before a service.
#[derive(Clone, Debug)]
pub struct GuardLayer {
    turns: Arc<Turns>,
}

impl GuardLayer {
    /// For the connection of `turns`.
    #[must_use]
    pub fn new(turns: &Arc<Turns>) -> Self {
        Self { turns: Arc::clone(turns) }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;
    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, turns: Arc::clone(&self.turns) }
    }
}

/// See [`GuardLayer`].
#[derive(Clone, Debug)]
pub struct Guard<S> {
    inner: S,
    turns: Arc<Turns>,
}

impl<S, B> Service<Request<B>> for Guard<S>
where
    S: Service<Request<B>, Response = Response<FrontBody>>,
{
    type Response = Response<FrontBody>;
    type Error = S::Error;
    type Future = GuardFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(fault) = self.turns.begin() {
            return GuardFuture::Refused { fault, stand_in: true };
        }
        match check(&mut request) {
            Ok(()) => GuardFuture::Passed { inner: self.inner.call(request) },
            Err(fault) => GuardFuture::Refused { fault, stand_in: false },
        }
    }
}

/// Marks the answer to a request that was never one: method and target are the stream's, not the client's.
#[derive(Clone, Copy, Debug)]
pub struct StandIn;

pin_project! {
    /// See [`GuardLayer`].
    #[project = Projected]
    pub enum GuardFuture<F> {
        Passed { #[pin] inner: F },
        Refused { fault: Fault, stand_in: bool },
    }
}

impl<F, E> Future for GuardFuture<F>
where
    F: Future<Output = Result<Response<FrontBody>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project() {
            Projected::Passed { inner } => inner.poll(cx),
            Projected::Refused { fault, stand_in } => {
                let mut page = fault_page(fault).map(FrontBody::App);
                if *stand_in {
                    page.extensions_mut().insert(StandIn);
                }
                Poll::Ready(Ok(page))
            }
        }
    }
}

fn check<B>(request: &mut Request<B>) -> Result<(), Fault> {
    // RFC 9110 §9.3.6: CONNECT is for proxies.
    if request.method() == Method::CONNECT {
        return Err(Fault::method_refused());
    }
    check_host(request)?;
    let path = request.uri().path();
    let asterisk = path == "*" && request.method() == Method::OPTIONS;
    if path.starts_with('/') || asterisk { Ok(()) } else { Err(Fault::bad_target()) }
}

/// RFC 9112 §3.2: exactly one Host with HTTP/1.1, at most one with HTTP/1.0; the authority of an absolute target
/// replaces it (§3.2.2).
fn check_host<B>(request: &mut Request<B>) -> Result<(), Fault> {
    if request.version() > Version::HTTP_11 {
        return Ok(());
    }
    let hosts = lines(request.headers(), &header::HOST).take(2).count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        return Err(Fault::bad_host());
    }
    if let Some(authority) = request.uri().authority() {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Fault::bad_host())?;
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_that_pass_and_heads_that_do_not() {
        let head = |method: &str, target: &str, version: Version, hosts: &[&str]| {
            let mut request = Request::builder().method(method).uri(target).version(version);
            for host in hosts {
                request = request.header("host", *host);
            }
            check(&mut request.body(()).unwrap()).map_err(|fault| fault.reason)
        };
        let one = ["a.example"].as_slice();
        assert_eq!(head("GET", "/", Version::HTTP_11, one), Ok(()));
        assert_eq!(head("GET", "/", Version::HTTP_10, &[]), Ok(()));
        assert_eq!(head("GET", "/", Version::HTTP_11, &[]), Err("bad-host"));
        assert_eq!(head("GET", "/", Version::HTTP_11, &["a", "b"]), Err("bad-host"));
        assert_eq!(head("GET", "/", Version::HTTP_10, &["a", "b"]), Err("bad-host"));
        assert_eq!(head("OPTIONS", "*", Version::HTTP_11, one), Ok(()));
        assert_eq!(head("GET", "*", Version::HTTP_11, one), Err("bad-target"));
        assert_eq!(head("CONNECT", "a.example:443", Version::HTTP_11, one), Err("method-refused"));
    }

    #[test]
    fn the_authority_of_an_absolute_target_is_the_host() {
        let mut request =
            Request::get("http://right.example/x").version(Version::HTTP_11).header("host", "wrong").body(()).unwrap();
        check(&mut request).unwrap();
        assert_eq!(request.headers()[header::HOST], "right.example");
    }
}
