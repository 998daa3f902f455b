//! The way out: the write timer, and what is to be known of the client while nobody reads from it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::time::Instant;

use super::{End, Stream};
use crate::net::linger::Linger;
use crate::net::outgoing::Failed;
use crate::net::socket::Socket;

impl<S: Socket> Stream<S> {
    /// The client has left while its last request is being answered: nobody else will take the answer. One that has sent
    /// more is still there.
    fn is_left(&mut self, cx: &mut Context<'_>) -> bool {
        let waits = self.turns.is_answering_last() && self.framer.is_in_head() && !self.next_is_here;
        if !waits || !self.held.is_empty() || !self.passed.is_empty() {
            return false;
        }
        match self.inner.poll_closed(cx) {
            Poll::Ready(closed) => {
                self.next_is_here = !closed;
                closed
            }
            Poll::Pending => false,
        }
    }

    /// Runs the write timer while the client takes nothing. A body that holds back is asked again when that begins, so
    /// that it knows, and when something was written.
    fn timed(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            if let Ok(bytes) = &written {
                self.turns.wrote(*bytes);
            }
            if self.blocked_since.take().is_some() {
                self.turns.set_blocked(false);
            }
            if self.turns.is_held_back() {
                self.hand_out_by_pace();
                cx.waker().wake_by_ref();
            } else if self.turns.is_all_written() {
                self.ahead = None;
            }
            self.rest_if_crowded(cx);
            return Poll::Ready(written);
        }
        let since = *self.blocked_since.get_or_insert_with(|| {
            self.turns.set_blocked(true);
            if self.turns.is_held_back() {
                cx.waker().wake_by_ref();
            }
            Instant::now()
        });
        if self.is_left(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let Some(limit) = self.timeouts.write else { return Poll::Pending };
        ready!(self.write_timer.poll(cx, since + limit));
        self.cut("write-timeout");
        // What the kernel still holds for this client would outlive a FIN by minutes.
        self.turns.break_off();
        tracing::debug!(reason = "write-timeout", "a client took nothing of its response for too long");
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: Socket> AsyncWrite for Stream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(data)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let was_blocked = this.blocked_since.is_some();
        let written = this.outgoing.poll_write(&mut this.inner, cx, data, was_blocked).map_err(|failed| match failed {
            Failed::Socket(error) => error,
            Failed::File(error) => {
                // A file has a length, so the end of the connection is not taken for the end of the response.
                this.cut("file-failed");
                error
            }
        });
        this.timed(cx, written)
    }

    /// Whatever the socket is: else hyper would copy what it is given together, and a window has no bytes.
    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Whatever is written is on its way. hyper asks for this whenever it has looked at the connection.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.inner).poll_flush(cx))?;
        Poll::Ready(if this.is_left(cx) { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) })
    }

    /// Closes the sending half; where the client may still be sending, takes that in for a while.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // hyper ends the connection, and is not to be taken from it.
        this.turns.set_resting(false);
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            // Closed with something unread the socket would be reset, and what it has not sent yet be lost (RFC 9112 §9.6).
            let is_silent = this.end == End::Open && this.framer.is_in_head();
            if is_silent && this.inner.poll_closed(cx) != Poll::Ready(false) {
                return Poll::Ready(Ok(()));
            }
            this.linger = Some(Linger::begin());
        }
        let Some(linger) = &mut this.linger else { return Poll::Ready(Ok(())) };
        linger.poll(&mut this.inner, &mut this.read_timer, cx).map(Ok)
    }
}
