//! Binds the addresses of `--bind`, before the application is imported.
//!
//! A used port or a bad path fails the start at once, with a sentence that names the address.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::config::error::StartError;
use crate::config::settings::Bind;
use crate::sys::fd;

/// A bound, listening, non-blocking socket.
#[derive(Debug)]
pub enum Listener {
    Tcp { listener: std::net::TcpListener, local: SocketAddr },
    Unix { listener: UnixListener, path: PathBuf, own: Option<SocketFile> },
}

impl Listener {
    /// The path of the socket that this process made.
    #[must_use]
    pub fn own_file(&self) -> Option<PathBuf> {
        match self {
            Self::Unix { own: Some(file), .. } => Some(file.0.clone()),
            _ => None,
        }
    }

    /// Another descriptor of the same socket, which leaves the path to this one.
    ///
    /// # Errors
    /// `EMFILE` at the limit of descriptors.
    pub fn share(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp { listener, local } => Self::Tcp { listener: listener.try_clone()?, local: *local },
            Self::Unix { listener, path, .. } => {
                Self::Unix { listener: listener.try_clone()?, path: path.clone(), own: None }
            }
        })
    }

    /// Where it is, unless it is a path.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp { local, .. } => Some(*local),
            Self::Unix { .. } => None,
        }
    }

    /// Takes the path's removal over from the listener.
    #[must_use]
    pub fn take_file(&mut self) -> Option<SocketFile> {
        match self {
            Self::Unix { own, .. } => own.take(),
            Self::Tcp { .. } => None,
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp { listener, .. } => listener.as_fd(),
            Self::Unix { listener, .. } => listener.as_fd(),
        }
    }
}

/// A socket's path that this process made; removed when dropped.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { local, .. } => write!(f, "http://{local}"),
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An address that cannot be bound. `Display` is the sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct Unbound {
    sentence: String,
    /// What the system said.
    pub source: io::Error,
}

impl From<Unbound> for StartError {
    fn from(unbound: Unbound) -> Self {
        Self::unavailable(unbound.sentence)
    }
}

/// Binds `bind`, which `option` gave, with `backlog` waiting connections. A name that resolves to several addresses binds each.
///
/// # Errors
/// [`Unbound`] (69, unavailable) naming the address and what to do.
pub fn bind(bind: &Bind, option: &str, backlog: u32) -> Result<Vec<Listener>, Unbound> {
    open(bind, backlog).map_err(|source| Unbound { sentence: sentence(bind, option, &source), source })
}

/// As [`bind`], for those who have words of their own.
///
/// # Errors
/// What the system says.
pub fn open(bind: &Bind, backlog: u32) -> io::Result<Vec<Listener>> {
    match bind {
        Bind::Tcp(host, port) => tcp(host, *port, backlog),
        Bind::Unix(path) => unix(path, backlog).map(|listener| vec![listener]),
        Bind::Fd(number) => inherited(*number).map(|listener| vec![listener]),
    }
}

/// What to tell of an `error` of [`open`].
#[must_use]
pub fn sentence(bind: &Bind, option: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{bind} is in use by another process: stop it or choose another address with {option}")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("{bind} is not an address of this machine: bind 0.0.0.0 for all of them")
        }
        io::ErrorKind::PermissionDenied => {
            format!("no permission to bind {bind}: choose a port above 1023 or a directory that this user may write")
        }
        _ => format!("cannot bind {bind}: {error}; check the address given to {option}"),
    }
}

fn tcp(host: &str, port: u16, backlog: u32) -> io::Result<Vec<Listener>> {
    let addresses = (host, port).to_socket_addrs()?;
    let mut listeners: Vec<Listener> = Vec::new();
    let mut missing = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
    for mut address in addresses {
        // With port 0 all addresses of one name share the port that the first one got.
        if let (0, Some(Listener::Tcp { local, .. })) = (port, listeners.first()) {
            address.set_port(local.port());
        }
        match tcp_at(address, backlog) {
            Ok(listener) => listeners.push(listener),
            // `localhost` names ::1 too, which many containers do not have.
            Err(error) if is_missing_family(&error) => missing = error,
            Err(error) => return Err(error),
        }
    }
    if listeners.is_empty() { Err(missing) } else { Ok(listeners) }
}

/// This machine has no such address, or no such protocol.
fn is_missing_family(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

fn tcp_at(address: SocketAddr, backlog: u32) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    // Linux gives accepted sockets the option of their listener: one system call less a connection.
    socket.set_tcp_nodelay(true)?;
    if address.ip().to_canonical().is_loopback() {
        // What stays on this machine needs no pacing, by which BBR doubles the cost of large answers. Every kernel has reno, for
        // everybody; without it all works the same. Inherited as well. Decision 016.
        drop(socket.set_tcp_congestion(b"reno"));
    }
    socket.bind(&SockAddr::from(address))?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    let listener = std::net::TcpListener::from(socket);
    let local = listener.local_addr()?;
    Ok(Listener::Tcp { listener, local })
}

fn unix(path: &Path, backlog: u32) -> io::Result<Listener> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    let own = Some(SocketFile(path.to_owned()));
    Ok(Listener::Unix { listener: UnixListener::from(OwnedFd::from(socket)), path: path.to_owned(), own })
}

/// Removes a socket that nobody listens on any more; leaves a live one, and anything that is no socket.
fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if !meta.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "the path exists and is not a socket"))
        }
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
            Err(error) => Err(error),
        },
        Err(_) => Ok(()),
    }
}

/// A listening socket that the process was started with (`fd://N`: socket activation, a supervisor).
fn inherited(number: i32) -> io::Result<Listener> {
    let socket = Socket::from(OwnedFd::from(fd::duplicate(number)?));
    let listens = SockRef::from(&socket).is_listener()?;
    if !listens {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the descriptor is not a listening socket"));
    }
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    if let Some(local) = address.as_socket() {
        socket.set_tcp_nodelay(true)?;
        return Ok(Listener::Tcp { listener: std::net::TcpListener::from(socket), local });
    }
    let path = address.as_pathname().map(Path::to_owned).unwrap_or_default();
    // Whoever made the socket removes its path.
    Ok(Listener::Unix { listener: UnixListener::from(OwnedFd::from(socket)), path, own: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_0_takes_a_free_port_and_a_used_one_is_named() {
        let any = bind(&Bind::Tcp("127.0.0.1".into(), 0), "--bind", 16).unwrap();
        let [Listener::Tcp { local, .. }] = any.as_slice() else { panic!("one listener") };
        assert_ne!(local.port(), 0);
        let error = bind(&Bind::Tcp("127.0.0.1".into(), local.port()), "--bind", 16).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        let error = StartError::from(error);
        assert_eq!(error.exit_code(), 69);
        assert!(error.to_string().contains(&format!("127.0.0.1:{} is in use", local.port())), "{error}");
    }

    #[test]
    fn loopback_connections_are_not_paced_and_others_are_as_the_system_has_it() {
        let system = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").unwrap();
        for (host, expected) in [("127.0.0.1", "reno"), ("::ffff:127.0.0.1", "reno"), ("0.0.0.0", system.trim())] {
            let any = bind(&Bind::Tcp(host.into(), 0), "--bind", 16).unwrap();
            let [Listener::Tcp { listener, local }] = any.as_slice() else { panic!("one listener") };
            let _client = std::net::TcpStream::connect(("127.0.0.1", local.port())).unwrap();
            let (accepted, _) = listener.accept().unwrap();
            let name = SockRef::from(&accepted).tcp_congestion().unwrap();
            assert_eq!(String::from_utf8(name).unwrap().trim_end_matches('\0'), expected, "{host}");
        }
    }

    #[test]
    fn a_stale_socket_is_replaced_a_live_one_and_a_file_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let first = bind(&Bind::Unix(path.clone()), "--bind", 16).unwrap();
        assert!(bind(&Bind::Unix(path.clone()), "--bind", 16).unwrap_err().to_string().contains("in use"));
        drop(first);
        assert!(bind(&Bind::Unix(path), "--bind", 16).is_ok());
        let file = dir.path().join("f");
        std::fs::write(&file, "precious").unwrap();
        assert!(bind(&Bind::Unix(file.clone()), "--bind", 16).is_err());
        assert_eq!(std::fs::read_to_string(file).unwrap(), "precious");
    }
}
