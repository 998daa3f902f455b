//! One HTTP/1 connection: hyper between a stream and the stack.

use std::cell::RefCell;
use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWrite;
use tower::Service;

use super::permits::Permit;
use super::socket::Socket;
use super::stream::{More, Stream};
use crate::stack::turns::Turns;

/// Bytes in one direction below which hyper asks for more, at least: more than of a body is ever out (`turns`), two portions
/// of a file (`parking`), so that a body is always asked, and told that its client takes nothing. It holds the largest head that the
/// guard lets pass. Of what comes in, `stream` gives it less.
const BUFFERED: usize = 576 * 1024;

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

impl Options {
    /// While the connection drains, a request that is here already is its last.
    fn http(&self, turns: &Turns) -> http1::Builder {
        let mut http = http1::Builder::new();
        // pipeline_flush stays off: with it hyper takes the whole body into memory, whatever the client reads.
        http.keep_alive(self.keep_alive && !turns.is_draining()).max_buf_size(self.head.max(BUFFERED));
        // The stream sees a client leave. hyper would read ahead for that, which takes a buffer anew for every request.
        http.half_close(true);
        if self.headers > HYPERS_HEADERS {
            // Only then, as hyper allocates for each request once this is set.
            http.max_headers(self.headers);
        }
        http
    }
}

/// A service that is always ready, as hyper calls it. hyper-util's adapter would make a clone of all layers for each
/// request and move the request twice more; one of hyper's connections calls from one place at a time.
struct AlwaysReady<T>(RefCell<T>);

impl<T, R> hyper::service::Service<R> for AlwaysReady<T>
where
    T: Service<R>,
{
    type Response = T::Response;
    type Error = T::Error;
    type Future = T::Future;

    fn call(&self, request: R) -> T::Future {
        self.0.borrow_mut().call(request)
    }
}

/// Serves requests on `stream` until either side closes it, it is cut off, or a drain asks and the request in flight is done.
/// `permit` is held until then, and may ask too, while the connection of `turns` is idle. A connection on which nothing
/// has come yet, or nothing comes any more, has no hyper: that would hold buffers of both directions. `service` is always
/// ready: it is never asked.
pub fn serve<S, T, B>(
    mut stream: Stream<S>,
    options: Options,
    service: T,
    mut permit: Permit,
    turns: Arc<Turns>,
) -> impl Future<Output = ()>
where
    S: Socket,
    T: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
    T::Future: Send,
    B: Body<Error = io::Error> + Send + 'static,
    B::Data: Send,
{
    permit.register(Arc::clone(&turns));
    async move {
        permit.wake_here().await;
        let mut service = AlwaysReady(RefCell::new(service));
        loop {
            let more =
                poll_fn(|cx| if turns.is_cut_off() { Poll::Ready(Ok(More::Nothing)) } else { stream.poll_more(cx) });
            match more.await {
                Ok(More::Request) => {}
                Ok(More::Nothing) => break,
                Err(error) => return tracing::debug!(%error, "connection ended"),
            }
            let _buffers = stream.set_aside_buffers();
            let conn = Box::new(options.http(&turns).serve_connection(TokioIo::new(stream), service));
            let Some(rested) = until_rest(conn, &turns).await else { return };
            // An empty line between requests may be left, but nothing else, or it would begin one.
            let is_clean = rested.read_buf.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
            (stream, service) = (rested.io.into_inner(), rested.service);
            if !is_clean || !stream.may_rest() {
                break;
            }
        }
        let closed = |cx: &mut Context<'_>| {
            if turns.is_cut_off() { Poll::Ready(Ok(())) } else { Pin::new(&mut stream).poll_shutdown(cx) }
        };
        drop(poll_fn(closed).await);
    }
}

/// Runs hyper until the connection has ended (`None`) or rests.
async fn until_rest<S, T, B>(
    mut conn: Box<http1::Connection<TokioIo<Stream<S>>, AlwaysReady<T>>>,
    turns: &Turns,
) -> Option<http1::Parts<TokioIo<Stream<S>>, AlwaysReady<T>>>
where
    S: Socket,
    T: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
    T::Future: Send,
    B: Body<Error = io::Error> + Send + 'static,
    B::Data: Send,
{
    let mut is_told = turns.is_draining();
    let ended = poll_fn(|cx| {
        if turns.is_cut_off() {
            return Poll::Ready(Some(Ok(())));
        }
        if turns.is_draining() && !is_told {
            is_told = true;
            Pin::new(&mut *conn).graceful_shutdown();
        }
        let was_resting = turns.is_resting();
        match Pin::new(&mut *conn).poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending if was_resting && turns.is_resting() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    match ended.await {
        None => Some(conn.into_parts()),
        Some(ended) => {
            if let Err(error) = ended {
                log(&error);
            }
            None
        }
    }
}

/// Headers that hyper parses without an allocation.
const HYPERS_HEADERS: usize = 100;

/// A broken connection is the client's affair: told at debug level with its cause.
fn log(error: &hyper::Error) {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    tracing::debug!(%error, cause, "connection ended");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Budget;
    use crate::net::guard::HeadLimits;
    use crate::net::permits::Permits;
    use crate::net::stream::{BUFFERS, Timeouts};
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;
    use tokio::task::JoinHandle;
    use tokio::time::{Instant, sleep, timeout};

    const IDLE: Duration = Duration::from_secs(75);
    const HEADER: Duration = Duration::from_secs(10);
    /// Longer than a connection is idle before it rests.
    const A_WHILE: Duration = Duration::from_secs(3);

    /// More bytes than a socket holds.
    const LARGE: usize = 4 << 20;

    struct Served {
        client: UnixStream,
        turns: Arc<Turns>,
        permits: Arc<Permits>,
        task: JoinHandle<()>,
    }

    fn never(never: Infallible) -> io::Error {
        match never {}
    }

    fn serve() -> Served {
        serve_within(Budget::new(u64::MAX))
    }

    /// A connection whose requests are answered with their path and the length of their body.
    fn serve_within(budget: Budget) -> Served {
        let limits = HeadLimits { request_line: 8192, header: 8192, headers: 8192, count: 100 };
        let timeouts = Timeouts { header: Some(HEADER), keep_alive: Some(IDLE), write: None };
        let (ours, client) = UnixStream::pair().unwrap();
        let turns = Arc::new(Turns::default());
        let stream = Stream::new(ours, limits, timeouts, Arc::clone(&turns)).within(budget);
        let its = Arc::clone(&turns);
        let service = tower::service_fn(move |request: Request<Incoming>| {
            let turns = Arc::clone(&its);
            turns.begin();
            async move {
                let path = request.uri().path().to_owned();
                if path == "/unread" {
                    // As a body that is too large; a future that has read some of it.
                    let mut body = request.into_body();
                    drop(body.frame().await);
                    drop(body);
                    turns.end();
                    let body = Full::new(Bytes::from("unread\n")).map_err(never as fn(Infallible) -> io::Error);
                    return Ok(Response::builder().header("connection", "close").body(body).unwrap());
                }
                let length = request.into_body().collect().await.unwrap().to_bytes().len();
                match path.as_str() {
                    "/long" => sleep(IDLE).await,
                    "/while" => sleep(Duration::from_millis(100)).await,
                    _ => {}
                }
                if path == "/large" {
                    turns.end();
                    let body = Full::new(Bytes::from(vec![b'.'; LARGE])).map_err(never as fn(Infallible) -> io::Error);
                    return Ok(Response::new(body));
                }
                // As an application: hyper looks for the next request meanwhile.
                sleep(Duration::from_millis(1)).await;
                turns.end();
                let body = Full::new(Bytes::from(format!("{path} {length}\n")));
                Ok::<_, Infallible>(Response::new(body.map_err(never as fn(Infallible) -> io::Error)))
            }
        });
        let options = Options { keep_alive: true, head: 16 * 1024, headers: 100 };
        let permits = Permits::new(1);
        let permit = permits.try_take().unwrap();
        let task = tokio::spawn(super::serve(stream, options, service, permit, Arc::clone(&turns)));
        Served { client, turns, permits, task }
    }

    impl Served {
        async fn ask(&mut self, path: &str, body: &[u8]) {
            let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
            // In two parts, of which the first is no head.
            let (first, second) = head.split_at(7);
            self.client.write_all(first.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
            self.client.write_all(second.as_bytes()).await.unwrap();
            self.client.write_all(body).await.unwrap();
            self.answer(&format!("{path} {}\n", body.len())).await;
        }

        async fn answer(&mut self, body: &str) {
            let mut answer = Vec::new();
            while !answer.ends_with(body.as_bytes()) {
                assert!(self.client.read_buf(&mut answer).await.unwrap() > 0, "closed");
            }
        }

        async fn end(&mut self) -> Duration {
            let since = Instant::now();
            assert_eq!(self.client.read(&mut [0]).await.unwrap(), 0);
            await_end(&mut self.task).await;
            since.elapsed()
        }
    }

    async fn await_end(task: &mut JoinHandle<()>) {
        timeout(A_WHILE, task).await.unwrap().unwrap();
    }

    /// Not on a paused clock, which would let all that time pass before the kernel's word comes.
    #[tokio::test]
    async fn a_client_that_leaves_is_seen_while_its_answer_is_made() {
        for body in ["", "x"] {
            for half in [true, false] {
                let mut served = serve();
                let long = format!("POST /long HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                served.client.write_all(long.as_bytes()).await.unwrap();
                sleep(Duration::from_millis(50)).await;
                assert!(!served.task.is_finished());
                if half {
                    served.client.shutdown().await.unwrap();
                } else {
                    drop(served.client);
                }
                await_end(&mut served.task).await;
            }
        }
    }

    #[tokio::test]
    async fn a_client_that_has_sent_its_next_request_is_still_there() {
        let mut served = serve();
        served.client.write_all(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        // Read or not by then: both ways end here.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        served.client.write_all(b"GET /second HTTP/1.1\r\nHost: a\r\n\r\nGET /third HTTP/1.1\r\n").await.unwrap();
        served.client.shutdown().await.unwrap();
        served.answer("/second 0\n").await;
        drop(served.client);
        await_end(&mut served.task).await;
    }

    #[tokio::test]
    async fn an_answer_comes_whole_although_the_next_request_is_the_last() {
        let mut served = serve();
        let two = "GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n";
        served.client.write_all(two.as_bytes()).await.unwrap();
        served.client.shutdown().await.unwrap();
        sleep(Duration::from_millis(50)).await;
        let mut answer = Vec::new();
        served.client.read_to_end(&mut answer).await.unwrap();
        assert!(answer.len() > LARGE, "{} bytes", answer.len());
        await_end(&mut served.task).await;
    }

    #[tokio::test]
    async fn what_is_unread_at_the_end_resets_nothing() {
        let mut served = serve();
        served.client.write_all(b"GET /while HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        sleep(Duration::from_millis(20)).await;
        served.client.write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        served.client.read_to_end(&mut answer).await.unwrap();
        assert!(answer.ends_with(b"/while 0\n"));
        drop(served.client);
        await_end(&mut served.task).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_rests_between_requests_and_then_serves_the_next() {
        let mut served = serve();
        for (number, length) in [0, 1, 20_000, 300_000].into_iter().enumerate() {
            served.ask(&format!("/{number}"), &vec![7; length]).await;
            assert!(!served.turns.is_resting());
            served.ask("/again", b"at once").await;
            sleep(A_WHILE).await;
            assert!(served.turns.is_resting());
        }
        let two = "GET /one HTTP/1.1\r\nHost: a\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\n\r\n";
        served.client.write_all(two.as_bytes()).await.unwrap();
        served.answer("/two 0\n").await;
        drop(served.client);
        await_end(&mut served.task).await;
    }

    #[tokio::test(start_paused = true)]
    async fn where_buffers_are_scarce_a_connection_rests_at_once() {
        for limit in [0, 2 * BUFFERS - 1, 2 * BUFFERS] {
            let budget = Budget::new(limit);
            let mut served = serve_within(budget.clone());
            for length in [0, 1, 300_000] {
                served.ask("/", &vec![7; length]).await;
                sleep(Duration::from_millis(10)).await;
                // Nothing is set aside for a connection without hyper.
                let mut bodies = budget.permit();
                assert_eq!(bodies.grow(usize::try_from(limit).unwrap()), limit < 2 * BUFFERS, "{limit}");
            }
            drop(served.client);
            await_end(&mut served.task).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_nobody_read_is_never_a_request() {
        for budget in [0, u64::MAX] {
            for headers in [0, 7000] {
                let mut served = serve_within(Budget::new(budget));
                let padding = "p".repeat(headers);
                let head =
                    format!("POST /unread HTTP/1.1\r\nHost: a\r\nP: {padding}\r\nTransfer-Encoding: chunked\r\n\r\n");
                let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
                let chunk = format!("{:x}\r\n{smuggled}\r\n", smuggled.len());
                let (first, second) = head.split_at(head.len() - 10);
                served.client.write_all(first.as_bytes()).await.unwrap();
                sleep(Duration::from_millis(1)).await;
                let body = format!("{second}{}0\r\n\r\n", chunk.repeat(100));
                served.client.write_all(body.as_bytes()).await.unwrap();
                let mut answer = String::new();
                served.client.read_to_string(&mut answer).await.unwrap();
                assert!(answer.ends_with("unread\n") && !answer.contains("smuggled"), "{answer}");
                await_end(&mut served.task).await;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_at_rest_is_closed_when_it_was_idle_for_long_enough() {
        let mut served = serve();
        served.ask("/", b"").await;
        let idle = served.end().await;
        assert!((IDLE..IDLE + Duration::from_secs(1)).contains(&idle), "{idle:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_begins_at_rest_has_its_own_time() {
        let mut served = serve();
        served.ask("/", b"").await;
        sleep(A_WHILE).await;
        served.client.write_all(b"GET / HT").await.unwrap();
        let since = Instant::now();
        let mut answer = String::new();
        served.client.read_to_string(&mut answer).await.unwrap();
        assert!((HEADER..HEADER + Duration::from_secs(1)).contains(&since.elapsed()));
        assert!(answer.ends_with("/refused 0\n"), "the stand-in is served: {answer}");
        await_end(&mut served.task).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_blank_line_does_not_keep_a_connection_from_its_rest() {
        let mut served = serve();
        served.ask("/", b"").await;
        sleep(A_WHILE).await;
        served.client.write_all(b"\r\n").await.unwrap();
        sleep(A_WHILE).await;
        served.ask("/next", b"").await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_ends_new_and_resting_connections_at_once_and_waits_for_the_others() {
        for asked in [false, true] {
            let mut served = serve();
            if asked {
                served.ask("/", b"").await;
            }
            sleep(A_WHILE).await;
            timeout(A_WHILE, served.permits.drain(|| {})).await.unwrap();
            served.end().await;
        }
        let mut served = serve();
        served.client.write_all(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12").await.unwrap();
        sleep(A_WHILE).await;
        let mut idle_gone = false;
        assert!(timeout(A_WHILE, served.permits.drain(|| idle_gone = true)).await.is_err());
        assert!(idle_gone, "only what is busy is left");
        served.client.write_all(b"345").await.unwrap();
        served.answer("/slow 5\n").await;
        served.permits.drain(|| {}).await;
        served.end().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_at_rest_is_cut_off_and_makes_room() {
        for cut_off in [false, true] {
            let mut served = serve();
            served.ask("/", b"").await;
            sleep(A_WHILE).await;
            if cut_off {
                served.permits.cut_off("test");
            } else {
                served.permits.dismiss(Duration::ZERO);
            }
            await_end(&mut served.task).await;
        }
    }
}
