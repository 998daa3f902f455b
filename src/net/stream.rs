//! The byte stream that hyper reads and writes: guarded, and under the timers that hyper does not have.
//!
//! Bytes go straight into hyper's buffer and are checked there; only an incomplete head is held back. What the guard
//! refuses is replaced by a stand-in request, which the stack answers with the fault when its turn has come. Timers are
//! set once and looked at when they fire, so a request costs none.

mod pace;
mod rest;
mod writing;

use std::io;
use std::os::fd::AsFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::time::Instant;

use super::guard::{Framer, HeadLimits, Refused};
use super::linger::Linger;
use super::outgoing::Outgoing;
use super::socket::Socket;
use super::timer::Timer;
use crate::exchange::Budget;
use crate::exchange::budget::SetAside;
use crate::semantics::fault::Fault;
use crate::stack::turns::Turns;
use crate::sys::arena::Arena;
use crate::telemetry::metrics::Connected;

pub use rest::{BUFFERS, More};

/// What hyper reads in place of a refused head; `Turns` says that it is none.
const STAND_IN: &[u8] = b"GET /refused HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
/// Bytes that are read at once: what hyper has room for, but never so many that it makes more.
const MOST_READ: usize = 128 * 1024 - 1;
/// How long a connection is idle before hyper is taken from it.
const REST: Duration = Duration::from_secs(2);

/// How long the parts of a connection's life may take; `None`: as long as they like.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// A head, from its first byte (the first one: from the accept) to its last (`--header-timeout`).
    pub header: Option<Duration>,
    /// No request at all, between two (`--keep-alive`).
    pub keep_alive: Option<Duration>,
    /// Writing without the client taking a byte (`--write-timeout`).
    pub write: Option<Duration>,
}

/// A guarded, timed connection.
#[derive(Debug)]
pub struct Stream<S: AsFd> {
    inner: S,
    framer: Framer,
    turns: Arc<Turns>,
    timeouts: Timeouts,
    /// Its part in the metrics; `None`: it has none.
    connected: Option<Connected>,
    /// The beginning of a head, not passed on yet.
    held: BytesMut,
    /// Checked bytes that found no room in hyper's buffer.
    passed: BytesMut,
    end: End,
    /// When the current wait for a head began; of a connection's first head: when the connection did.
    waiting_since: Option<Instant>,
    read_timer: Timer,
    write_timer: Timer,
    /// When the client stopped taking bytes.
    blocked_since: Option<Instant>,
    outgoing: Outgoing,
    linger: Option<Linger>,
    /// There is no hyper.
    resting: bool,
    /// Of bodies, which give up a part for what hyper holds.
    budget: Option<Budget>,
    /// It was found not to keep up, and the kernel's part was looked at.
    is_paced: bool,
    /// What it is handed beyond what any client is, while it keeps up.
    ahead: Option<SetAside>,
    /// Something that the client sent after the request being answered waits to be read.
    next_is_here: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The client may send more.
    Open,
    /// A stand-in was passed on; nothing that follows is read.
    Refused,
    /// The body broke its framing; hyper is told with an error.
    Broken(Fault),
}

impl<S: AsFd> Stream<S> {
    /// Guards `inner` from here on.
    pub fn new(inner: S, limits: HeadLimits, timeouts: Timeouts, turns: Arc<Turns>) -> Self {
        Self {
            inner,
            framer: Framer::new(limits),
            turns,
            timeouts,
            connected: None,
            held: BytesMut::new(),
            passed: BytesMut::new(),
            end: End::Open,
            waiting_since: None,
            read_timer: Timer::default(),
            write_timer: Timer::default(),
            blocked_since: None,
            outgoing: Outgoing::default(),
            linger: None,
            resting: true,
            budget: None,
            is_paced: false,
            ahead: None,
            next_is_here: false,
        }
    }

    /// Has the kernel send what lies in `files`.
    #[must_use]
    pub fn sending(mut self, files: Option<&Arc<Arena>>) -> Self {
        self.outgoing = Outgoing::sending(files);
        self
    }

    /// Counts as a connection of a client, with its troubles.
    #[must_use]
    pub fn counted(mut self, connected: Connected) -> Self {
        self.connected = Some(connected);
        self
    }

    /// Ends a body or the connection for `reason`; the stack has no answer to count.
    fn cut(&self, reason: &'static str) {
        if let Some(connected) = self.connected.as_ref().filter(|_| self.turns.cut(reason)) {
            connected.metrics().fault(reason);
        }
    }

    /// Checks what arrived in `buf` after `before`, and leaves there what may go on.
    fn admit(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        if self.held.is_empty() && !self.turns.is_new() {
            // The wait for a first byte is over. A head's own time does not begin anew with each byte.
            self.waiting_since = None;
        }
        let refused = if self.held.is_empty() {
            let arrived = &buf.filled()[before..];
            let verdict = self.framer.check(arrived);
            self.heads_came(verdict.heads);
            if verdict.refused.is_none() {
                self.hold(&arrived[verdict.pass..]);
            }
            buf.set_filled(before + verdict.pass);
            verdict.refused
        } else {
            self.held.extend_from_slice(&buf.filled()[before..]);
            buf.set_filled(before);
            let verdict = self.framer.check(&self.held);
            self.heads_came(verdict.heads);
            let passed = self.held.split_to(verdict.pass);
            self.passed.unsplit(passed);
            self.turns.set_reading(!self.held.is_empty());
            verdict.refused
        };
        match refused {
            None => {}
            Some(Refused::Head(fault)) => self.refuse(fault),
            Some(Refused::Body(fault)) => {
                self.cut(fault.reason);
                self.end = End::Broken(fault);
            }
        }
    }

    /// Keeps the beginning of a head, if there is one.
    fn hold(&mut self, head: &[u8]) {
        if !head.is_empty() {
            self.held.extend_from_slice(head);
            self.turns.set_reading(true);
        }
    }

    fn heads_came(&mut self, heads: u64) {
        if heads > 0 {
            self.turns.come(heads);
            self.waiting_since = None;
            self.next_is_here = false;
        }
    }

    /// Nothing of the current head goes on; the stack will answer it with `fault`.
    fn refuse(&mut self, fault: Fault) {
        self.held.clear();
        self.passed.extend_from_slice(STAND_IN);
        self.turns.refuse(fault);
        self.end = End::Refused;
    }

    /// Gives hyper what found no room before.
    fn pass_on(&mut self, buf: &mut ReadBuf<'_>) {
        let length = self.passed.len().min(buf.remaining());
        buf.put_slice(&self.passed[..length]);
        self.passed.advance(length);
        if self.passed.is_empty() {
            self.passed = BytesMut::new();
        }
    }

    /// The client has nothing to say for now: is it time to say something to it? Ready: the timer refused or closed.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.resting && self.turns.is_draining() {
            // Else hyper is asked to leave, with the same result: nothing is in flight.
            return Poll::Ready(());
        }
        let in_head = !self.held.is_empty();
        let (since, limit) = if in_head || self.turns.is_new() {
            (Some(*self.waiting_since.get_or_insert_with(Instant::now)), self.timeouts.header)
        } else {
            let idle = self.turns.idle_since().filter(|_| self.framer.is_in_head());
            if idle.is_some() && self.turns.is_asked_to_leave() {
                return Poll::Ready(());
            }
            (idle, self.timeouts.keep_alive)
        };
        let Some(limit) = limit else { return Poll::Pending };
        let may_rest = !self.resting && !in_head && !self.turns.is_new() && REST < limit;
        let limit = if may_rest { REST } else { limit };
        let Some(since) = since else {
            // A request is being answered, or its body is awaited, which `exchange/request` times. hyper need not ask
            // again before the connection is idle, so the timer must be running by then.
            self.read_timer.run(cx, limit);
            return Poll::Pending;
        };
        ready!(self.read_timer.wait(cx, since + limit));
        if may_rest {
            self.rest(cx);
            return Poll::Pending;
        }
        if in_head {
            self.refuse(Fault::header_timeout());
        }
        Poll::Ready(())
    }
}

fn poll_read_some<S: AsyncRead + Unpin>(
    socket: &mut S,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    if buf.remaining() <= MOST_READ {
        return Pin::new(socket).poll_read(cx, buf);
    }
    let mut beginning = buf.limit(MOST_READ);
    // Has no state of its own.
    pin!(socket.read_buf(&mut beginning)).poll(cx).map_ok(drop)
}

impl<S: Socket> AsyncRead for Stream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.passed.is_empty() {
                this.pass_on(buf);
                return Poll::Ready(Ok(()));
            }
            match this.end {
                End::Open => {}
                End::Refused => return Poll::Pending,
                End::Broken(fault) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault.reason)));
                }
            }
            let before = buf.filled().len();
            let Poll::Ready(()) = poll_read_some(&mut this.inner, cx, buf)? else {
                ready!(this.poll_deadline(cx));
                if this.passed.is_empty() {
                    // Idle for too long, or asked to make room: hyper takes it for the client's end and closes.
                    return Poll::Ready(Ok(()));
                }
                continue;
            };
            if buf.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            this.admit(buf, before);
            if buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsFd> Drop for Stream<S> {
    fn drop(&mut self) {
        if self.turns.is_broken_off() {
            // A reset: over HTTP/1.0 a FIN would end the broken response like a complete one. It also frees what the
            // kernel has not sent yet.
            drop(SockRef::from(&self.inner).set_linger(Some(Duration::ZERO)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::future::poll_fn;
    use std::pin::pin;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    /// A connection that has answered one request, and its other end.
    fn answered() -> (Stream<UnixStream>, UnixStream, Arc<Turns>) {
        let limits = HeadLimits { request_line: 8192, header: 8192, headers: 8192, count: 100 };
        let timeouts = Timeouts { header: None, keep_alive: None, write: None };
        let (ours, theirs) = UnixStream::pair().unwrap();
        let turns = Arc::new(Turns::default());
        turns.come(1);
        turns.end();
        (Stream::new(ours, limits, timeouts, Arc::clone(&turns)), theirs, turns)
    }

    /// What the future gives when it is polled once.
    async fn at_once<F: Future>(future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    #[tokio::test]
    async fn who_is_asked_to_leave_closes_while_nothing_of_a_next_head_is_here() {
        let mut buffer = [0; 100];
        let (mut stream, _theirs, turns) = answered();
        assert!(at_once(stream.read(&mut buffer)).await.is_none());
        turns.ask_to_leave();
        assert_eq!(at_once(stream.read(&mut buffer)).await.unwrap().unwrap(), 0);

        let (mut stream, mut theirs, turns) = answered();
        theirs.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        stream.inner.readable().await.unwrap();
        assert!(at_once(stream.read(&mut buffer)).await.is_none());
        assert!(turns.idle_since().is_none());
        turns.ask_to_leave();
        assert!(at_once(stream.read(&mut buffer)).await.is_none());
        theirs.write_all(b"Host: a\r\n\r\n").await.unwrap();
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 27);
        turns.end();
        assert!(turns.idle_since().is_some() && !turns.is_asked_to_leave());
    }

    #[tokio::test]
    async fn a_connection_is_not_idle_before_its_answer_is_taken() {
        let (mut stream, mut theirs, turns) = answered();
        let answer = vec![7; 1 << 24];
        let ended = turns.idle_since().unwrap();
        let mut writing = pin!(stream.write_all(&answer));
        assert!(at_once(writing.as_mut()).await.is_none());
        assert!(turns.idle_since().is_none());
        let mut taken = vec![0; 1 << 24];
        let (wrote, read) = tokio::join!(writing, theirs.read_exact(&mut taken));
        assert!(wrote.is_ok() && read.is_ok());
        assert!(turns.idle_since().unwrap() > ended);
    }
}
