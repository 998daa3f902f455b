//! Takes connections from a listener and gives each its own task.
//!
//! An accept error never ends the loop and never spins it: out of descriptors, it says so once and waits until
//! some are free.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::listen::Listener;
use crate::exchange::Client;
use crate::sys::fd::off_standard;

/// The pause after an error that only time mends.
const BACK_OFF: Duration = Duration::from_millis(100);

/// What to do with each accepted connection.
pub trait Serve: Clone + Send + 'static {
    /// Serves `client` on `stream` in a task of its own; returns at once.
    fn serve<S>(&self, stream: S, client: Client)
    where
        S: AsyncRead + AsyncWrite + AsFd + Unpin + Send + 'static;
}

/// Accepts until the future is dropped; dropping it closes the listener.
///
/// # Errors
/// When the runtime cannot take the listener.
pub async fn accept(listener: Listener, serve: impl Serve) -> io::Result<()> {
    match listener {
        Listener::Tcp { listener, local } => {
            let listener = TcpListener::from_std(listener)?;
            let mut trouble = Trouble::default();
            loop {
                match listener.accept().await.and_then(|(stream, peer)| Ok((off_standard_tcp(stream)?, peer))) {
                    Ok((stream, peer)) => {
                        trouble.over();
                        serve.serve(stream, Client::tcp(peer, local));
                    }
                    Err(error) => trouble.pause(&error).await,
                }
            }
        }
        Listener::Unix { listener, own, .. } => {
            let listener = UnixListener::from_std(listener)?;
            // Kept until the loop ends.
            let _own = own;
            let mut trouble = Trouble::default();
            loop {
                match listener.accept().await.and_then(|(stream, _)| off_standard_unix(stream)) {
                    Ok(stream) => {
                        trouble.over();
                        serve.serve(stream, Client::unix());
                    }
                    Err(error) => trouble.pause(&error).await,
                }
            }
        }
    }
}

/// See [`off_standard`]; costs nothing where the number is any other.
fn off_standard_tcp(stream: TcpStream) -> io::Result<TcpStream> {
    if stream.as_raw_fd() > libc::STDERR_FILENO {
        return Ok(stream);
    }
    TcpStream::from_std(off_standard(stream.into_std()?.into())?.into())
}

/// The same for a Unix socket.
fn off_standard_unix(stream: UnixStream) -> io::Result<UnixStream> {
    if stream.as_raw_fd() > libc::STDERR_FILENO {
        return Ok(stream);
    }
    UnixStream::from_std(off_standard(stream.into_std()?.into())?.into())
}

#[derive(Default)]
struct Trouble {
    told: bool,
}

impl Trouble {
    fn over(&mut self) {
        self.told = false;
    }

    async fn pause(&mut self, error: &io::Error) {
        if is_the_peers(error) {
            return;
        }
        if !self.told {
            self.told = true;
            tracing::error!(
                %error,
                reason = "accept-failed",
                "cannot accept connections; they wait in the backlog (out of file descriptors? raise the nofile limit)"
            );
        }
        tokio::time::sleep(BACK_OFF).await;
    }
}

/// Errors of one connection that was gone before it was accepted (accept(2), "Error handling").
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_error_is_not_ours() {
        assert!(is_the_peers(&io::Error::from_raw_os_error(libc::ECONNABORTED)));
        assert!(!is_the_peers(&io::Error::from_raw_os_error(libc::EMFILE)));
        assert!(!is_the_peers(&io::Error::from_raw_os_error(libc::ENFILE)));
    }
}
