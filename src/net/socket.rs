//! What a connection is read from and written to, and how it tells that its client has left while nobody reads.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::{TcpStream, UnixStream};

/// A connected socket.
pub trait Socket: AsyncRead + AsyncWrite + AsFd + Unpin + Send + 'static {
    /// Whether the other end has closed, its sending half at least. Ready when it has, or when there is something to read
    /// first; wakes whom a read would wake. Takes nothing, and costs no system call while nothing comes.
    fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<bool>;
}

macro_rules! socket {
    ($stream:ty) => {
        impl Socket for $stream {
            fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<bool> {
                loop {
                    if ready!(self.poll_read_ready(cx)).is_err() {
                        return Poll::Ready(true);
                    }
                    let mut first = [MaybeUninit::uninit()];
                    match self.try_io(Interest::READABLE, || SockRef::from(self).peek(&mut first)) {
                        Ok(bytes) => return Poll::Ready(bytes == 0),
                        // It was ready for what has been read since; now it is not.
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_) => return Poll::Ready(true),
                    }
                }
            }
        }
    };
}

socket!(TcpStream);
socket!(UnixStream);
