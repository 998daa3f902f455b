//! Takes connections from a listener, each with a permit, and gives each its own task.
//!
//! An accept error never spins the loop: out of descriptors, it says so once and waits until some are free. Only a
//! listener that is none any more ends it.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::listen::Listener;
use super::permits::{Permit, Permits};
use super::socket::Socket;
use crate::exchange::Client;
use crate::sys::fd;

/// The pause after an error that only time mends.
const BACK_OFF: Duration = Duration::from_millis(100);

/// The longest backlog there is (`--backlog`).
const MOST_WAITING: usize = 65_535;

/// What to do with each accepted connection.
pub trait Serve: Clone + Send + 'static {
    /// Serves `client` on `stream` in a task of its own, which keeps `permit`; returns at once.
    fn serve<S>(&self, stream: S, client: Client, permit: Permit)
    where
        S: Socket;
}

/// What becomes of those who wait at a listener when it is closed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backlog {
    Taken,
    /// Another process has the same socket, and takes them.
    Left,
}

/// Accepts until `stop` is over, and then whoever has connected by then, as the kernel resets what waits at a listener that
/// is closed; unless it is [`Backlog::Left`]. Each connection gets one of `permits`, which other listeners may share: a listener that nobody comes to holds
/// none.
///
/// # Errors
/// When the runtime cannot take the listener, or nobody will come to it any more.
pub async fn accept(
    listener: Listener,
    permits: Arc<Permits>,
    serve: impl Serve,
    stop: impl Future<Output = Backlog> + Send,
) -> io::Result<()> {
    match listener {
        Listener::Tcp { listener, local } => {
            let listener = TcpListener::from_std(listener)?;
            let next = |cx: &mut Context<'_>| {
                let accepted = listener.poll_accept(cx);
                accepted.map(|accepted| {
                    let (stream, peer) = accepted?;
                    Ok((off_standard_tcp(stream)?, Client::tcp(peer, local)))
                })
            };
            tokio::select! {
                error = accept_all(&listener, next, &permits, serve.clone()) => return error,
                backlog = stop => if backlog == Backlog::Left { return Ok(()) },
            }
            let listener = listener.into_std()?;
            let rest = || {
                let (stream, peer) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Ok((off_standard_tcp(TcpStream::from_std(stream)?)?, Client::tcp(peer, local)))
            };
            accept_rest(rest, &permits, &serve);
        }
        Listener::Unix { listener, own, .. } => {
            let listener = UnixListener::from_std(listener)?;
            // Kept until the loop ends.
            let _own = own;
            let next = |cx: &mut Context<'_>| {
                let accepted = listener.poll_accept(cx);
                accepted.map(|accepted| Ok((off_standard_unix(accepted?.0)?, Client::unix())))
            };
            tokio::select! {
                error = accept_all(&listener, next, &permits, serve.clone()) => return error,
                backlog = stop => if backlog == Backlog::Left { return Ok(()) },
            }
            let listener = listener.into_std()?;
            let rest = || {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Ok((off_standard_unix(UnixStream::from_std(stream)?)?, Client::unix()))
            };
            accept_rest(rest, &permits, &serve);
        }
    }
    Ok(())
}

/// Accepts by `next`, which does not wait, until nobody is left, or no permit.
fn accept_rest<S>(next: impl Fn() -> io::Result<(S, Client)>, permits: &Arc<Permits>, serve: &impl Serve)
where
    S: Socket,
{
    // More come all the time; at some point the port has to close.
    for _ in 0..MOST_WAITING {
        let Some(permit) = permits.try_take() else { return };
        match next() {
            Ok((stream, client)) => serve.serve(stream, client, permit),
            Err(error) if is_the_peers(&error) => {}
            Err(_) => return,
        }
    }
}

/// Accepts by `next` what waits at `listener`, for as long as it is one.
async fn accept_all<S>(
    listener: &(impl AsFd + Sync),
    next: impl Fn(&mut Context<'_>) -> Poll<io::Result<(S, Client)>>,
    permits: &Arc<Permits>,
    serve: impl Serve,
) -> io::Result<()>
where
    S: Socket,
{
    let mut trouble = Trouble::default();
    let mut permit = None;
    loop {
        let accepted = poll_fn(|cx| match permit.take().or_else(|| permits.try_take()) {
            // Given back while there is nobody to accept.
            Some(permit) => next(cx).map(|accepted| Some((accepted, permit))),
            None => Poll::Ready(None),
        });
        match accepted.await {
            Some((Ok((stream, client)), permit)) => {
                trouble.over();
                serve.serve(stream, client, permit);
            }
            Some((Err(error), _)) if is_final(&error) => return Err(error),
            Some((Err(error), permit)) => {
                drop(permit);
                trouble.pause(&error).await;
            }
            None => match fd::watch(listener.as_fd()) {
                Ok(backlog) => permit = permits.take(async { drop(backlog.readable().await) }).await,
                Err(error) => trouble.pause(&error).await,
            },
        }
    }
}

/// See [`fd::off_standard`]; costs nothing where the number is any other.
fn off_standard_tcp(stream: TcpStream) -> io::Result<TcpStream> {
    if stream.as_raw_fd() > libc::STDERR_FILENO {
        return Ok(stream);
    }
    TcpStream::from_std(fd::off_standard(stream.into_std()?.into())?.into())
}

/// The same for a Unix socket.
fn off_standard_unix(stream: UnixStream) -> io::Result<UnixStream> {
    if stream.as_raw_fd() > libc::STDERR_FILENO {
        return Ok(stream);
    }
    UnixStream::from_std(fd::off_standard(stream.into_std()?.into())?.into())
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

/// What is no listening socket and will not be one again: somebody has shut it down or closed its descriptor.
fn is_final(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_peers_error_is_not_ours() {
        assert!(is_the_peers(&io::Error::from_raw_os_error(libc::ECONNABORTED)));
        assert!(!is_the_peers(&io::Error::from_raw_os_error(libc::EMFILE)));
        assert!(!is_the_peers(&io::Error::from_raw_os_error(libc::ENFILE)));
    }

    #[tokio::test]
    async fn a_listener_that_is_none_any_more_ends_the_loop() {
        #[derive(Clone)]
        struct Nobody;
        impl Serve for Nobody {
            fn serve<S>(&self, _: S, _: Client, _: Permit)
            where
                S: Socket,
            {
                panic!("nobody comes");
            }
        }
        let bound = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        bound.set_nonblocking(true).unwrap();
        let shared = socket2::Socket::from(bound.try_clone().unwrap());
        let local = bound.local_addr().unwrap();
        let listener = Listener::Tcp { listener: bound, local };
        let accepting = tokio::spawn(accept(listener, Permits::new(1), Nobody, std::future::pending()));
        shared.shutdown(std::net::Shutdown::Read).unwrap();
        assert_eq!(accepting.await.unwrap().unwrap_err().raw_os_error(), Some(libc::EINVAL));
    }

    #[tokio::test]
    async fn who_has_connected_by_the_end_is_served() {
        #[derive(Clone, Default)]
        struct Count(Arc<AtomicUsize>);
        impl Serve for Count {
            fn serve<S>(&self, _: S, _: Client, _: Permit)
            where
                S: Socket,
            {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let bound = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        bound.set_nonblocking(true).unwrap();
        let local = bound.local_addr().unwrap();
        let clients: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(local).unwrap()).collect();
        let served = Count::default();
        // Another process has the same socket: they wait for it.
        let (same, stop) = (bound.try_clone().unwrap(), std::future::ready(Backlog::Left));
        accept(Listener::Tcp { listener: same, local }, Permits::new(100), served.clone(), stop).await.unwrap();
        assert!(served.0.load(Ordering::Relaxed) < clients.len(), "left");
        // Over before the loop has looked for anybody.
        let stop = std::future::ready(Backlog::Taken);
        accept(Listener::Tcp { listener: bound, local }, Permits::new(100), served.clone(), stop).await.unwrap();
        assert_eq!(served.0.load(Ordering::Relaxed), clients.len());
        assert!(std::net::TcpStream::connect(local).is_err(), "the port is closed");
    }
}
