//! One HTTP/1 connection: hyper between a stream and the stack.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::Watcher;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tower::Service;

use super::permits::Permit;
use crate::stack::turns::Turns;

/// Bytes of head and body that hyper reads ahead of us, at least; it holds the largest head that the guard lets pass.
const READ_AHEAD: usize = 128 * 1024;

/// What of hyper's behaviour the settings decide.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A connection may serve more than one request.
    pub keep_alive: bool,
    /// Bytes of the largest head that the guard lets pass.
    pub head: usize,
    /// Headers that the guard lets pass (`--max-headers`).
    pub headers: usize,
}

/// Serves requests on `stream` until either side closes it, it is cut off, or `drain` asks and the request in flight is done. `permit`
/// is held until then, and may ask too, while the connection of `turns` is idle.
pub async fn serve<S, T, B>(
    stream: S,
    options: Options,
    service: T,
    drain: Watcher,
    mut permit: Permit,
    turns: Arc<Turns>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    T::Future: Send,
    B: Body<Error = io::Error> + Send + 'static,
    B::Data: Send,
{
    permit.register(Arc::clone(&turns)).await;
    let mut http = http1::Builder::new();
    // pipeline_flush stays off: with it hyper takes the whole body into memory, whatever the client reads.
    http.keep_alive(options.keep_alive).max_buf_size(options.head.max(READ_AHEAD));
    if options.headers > HYPERS_HEADERS {
        // Only then, as hyper allocates for each request once this is set.
        http.max_headers(options.headers);
    }
    let conn = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut conn = pin!(drain.watch(conn));
    let ended = poll_fn(|cx| if turns.is_cut_off() { Poll::Ready(Ok(())) } else { conn.as_mut().poll(cx) });
    if let Err(error) = ended.await {
        log(&error);
    }
}

/// Headers that hyper parses without an allocation.
const HYPERS_HEADERS: usize = 100;

/// A broken connection is the client's affair: told at debug level with its cause.
fn log(error: &hyper::Error) {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    tracing::debug!(%error, cause, "connection ended");
}
