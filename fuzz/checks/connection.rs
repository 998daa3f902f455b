//! What the service behind one real connection sees of a stream: `net::stream` and `net::conn`, hyper included, over a
//! socket that hands out the pieces it was given.
//!
//! No task, no timer and no kernel: the connection is polled until it comes to rest, so a run is repeatable to the byte.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fs::File;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use monopod::exchange::Budget;
use monopod::net::conn::{self, Options};
use monopod::net::guard::HeadLimits;
use monopod::net::permits::Permits;
use monopod::net::socket;
use monopod::net::stream::{Stream, Timeouts};
use monopod::stack::turns::Turns;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What reached the service, in order.
#[derive(Debug)]
pub enum Seen {
    /// A request with the whole of its body.
    Whole(Box<Parts>, Bytes),
    /// A request whose body did not end as it should, or that nobody read.
    Broken(Box<Parts>),
    /// The stand-in for what the stream refused, with the reason.
    Refused(&'static str),
}

/// What a connection came to.
pub struct Outcome {
    pub seen: Vec<Seen>,
    /// Everything that was sent to the client.
    pub written: Vec<u8>,
}

/// The name of a header that numbers the service's answers.
pub const ANSWER: &str = "x-answer";

/// What the service does with the body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bodies {
    Read,
    /// It is dropped after its first bytes, as one that is too large.
    Left,
}

/// Serves `pieces`, then the client's end.
pub fn serve(pieces: &[&[u8]], limits: HeadLimits, bodies: Bodies) -> Outcome {
    let socket = Socket::new(pieces);
    let turns = Arc::new(Turns::default());
    let timeouts = Timeouts { header: None, keep_alive: None, write: None };
    // With a budget of none the connection rests between any two requests.
    let budget = Budget::new(if pieces.len().is_multiple_of(2) { 0 } else { u64::MAX });
    let stream = Stream::new(socket.clone(), limits, timeouts, Arc::clone(&turns)).within(budget);
    let service = Recorder { turns: Arc::clone(&turns), seen: Arc::default(), bodies };
    let options =
        Options { keep_alive: true, head: limits.request_line + limits.headers + limits.header, headers: limits.count };
    let permit = Permits::new(1).try_take().unwrap();
    let mut connection = pin!(conn::serve(stream, options, service.clone(), permit, turns));
    // Only for the clock behind the time that a closing connection lingers; no timer ever fires.
    let _runtime = RUNTIME.enter();
    if rest(connection.as_mut()).is_pending() {
        // Not before: a client that has left is not answered (docs/decisions/002).
        socket.end();
        assert!(rest(connection).is_ready(), "a connection outlives its client");
    }
    let seen = std::mem::take(&mut *service.seen.lock());
    let written = std::mem::take(&mut socket.0.lock().written);
    Outcome { seen, written }
}
static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap());

/// Polls until nothing wakes the future any more.
fn rest(mut future: Pin<&mut impl Future<Output = ()>>) -> Poll<()> {
    struct Bell(AtomicBool);
    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let bell = Arc::new(Bell(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&bell));
    let mut polls = 0;
    while bell.0.swap(false, Ordering::Relaxed) {
        polls += 1;
        assert!(polls < 1_000_000, "a connection never comes to rest");
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            return Poll::Ready(());
        }
    }
    Poll::Pending
}

/// Answers every request when its body has come, or has begun to.
#[derive(Clone)]
struct Recorder {
    turns: Arc<Turns>,
    seen: Arc<Mutex<Vec<Seen>>>,
    bodies: Bodies,
}

impl tower::Service<Request<Incoming>> for Recorder {
    type Response = Response<http_body_util::combinators::MapErr<Full<Bytes>, fn(Infallible) -> io::Error>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let Self { turns, seen, bodies } = self.clone();
        let refused = turns.begin();
        Box::pin(async move {
            let (head, mut body) = request.into_parts();
            let (sight, status) = match refused {
                Some(fault) => (Seen::Refused(fault.reason), fault.status.as_u16()),
                None if bodies == Bodies::Left => {
                    drop(body.frame().await);
                    drop(body);
                    (Seen::Broken(Box::new(head)), 413)
                }
                None => match body.collect().await {
                    // As the stack does (RFC 9110 §9.3.6); a 200 would make a tunnel of it.
                    Ok(body) if head.method == http::Method::CONNECT => {
                        (Seen::Whole(Box::new(head), body.to_bytes()), 501)
                    }
                    Ok(body) => (Seen::Whole(Box::new(head), body.to_bytes()), 200),
                    Err(_) => (Seen::Broken(Box::new(head)), 400),
                },
            };
            let mut seen = seen.lock();
            let none: fn(Infallible) -> io::Error = |never| match never {};
            let body = Full::new(Bytes::from_static(b"answer")).map_err(none);
            let answer = Response::builder().status(status).header(ANSWER, seen.len()).body(body);
            seen.push(sight);
            turns.end();
            Ok(answer.unwrap())
        })
    }
}

/// The server's end of a socket, which both the connection and the check hold.
#[derive(Clone)]
struct Socket(Arc<Mutex<Wire>>);

struct Wire {
    /// Each arrives when the one before it has been read, and the reader has asked again.
    arriving: VecDeque<Bytes>,
    is_late: bool,
    has_ended: bool,
    reader: Option<Waker>,
    written: Vec<u8>,
}

impl Socket {
    fn new(pieces: &[&[u8]]) -> Self {
        let arriving =
            pieces.iter().filter(|piece| !piece.is_empty()).map(|piece| Bytes::copy_from_slice(piece)).collect();
        let wire = Wire { arriving, is_late: false, has_ended: false, reader: None, written: Vec::new() };
        Self(Arc::new(Mutex::new(wire)))
    }

    /// The client closes.
    fn end(&self) {
        let mut wire = self.0.lock();
        wire.has_ended = true;
        if let Some(reader) = wire.reader.take() {
            reader.wake();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = &mut *self.0.lock();
        wire.is_late = !wire.is_late;
        match wire.arriving.front_mut() {
            Some(_) if wire.is_late => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(piece) => {
                let part = piece.split_to(piece.len().min(buf.remaining()));
                buf.put_slice(&part);
                if piece.is_empty() {
                    wire.arriving.pop_front();
                }
                Poll::Ready(Ok(()))
            }
            None if wire.has_ended => Poll::Ready(Ok(())),
            None => {
                wire.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl socket::Socket for Socket {
    fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let wire = &mut *self.0.lock();
        if wire.arriving.is_empty() && !wire.has_ended {
            wire.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(wire.arriving.is_empty())
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().written.extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The stream sets socket options on it, which this one refuses without harm.
static NO_SOCKET: LazyLock<File> = LazyLock::new(|| File::open("/dev/null").unwrap());

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        NO_SOCKET.as_fd()
    }
}
