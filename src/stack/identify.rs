//! Who the client is, where a proxy stands before this server.
//!
//! From a trusted peer X-Forwarded-* or Forwarded make a [`Client`] of the request's own, which travels as its extension
//! to the access record and to the application. From anyone else these headers, and X-Real-IP, are removed: nothing
//! behind this layer can mistake them for the truth. A request without them passes after one look at its names.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use http::{HeaderMap, HeaderName, Request, header};
use tower::{Layer, Service};

use super::Front;
use crate::config::trusted::{TrustedPeers, is_private};
use crate::exchange::Client;
use crate::semantics::forwarded;

/// Whom the process trusts (`--forwarded-allow-ips`), and whether it has told of someone it does not.
#[derive(Debug)]
pub struct Trust {
    peers: TrustedPeers,
    has_warned: AtomicBool,
    has_warned_of_no_header: AtomicBool,
}

impl Trust {
    #[must_use]
    pub fn new(peers: TrustedPeers) -> Self {
        Self { peers, has_warned: AtomicBool::new(false), has_warned_of_no_header: AtomicBool::new(false) }
    }

    /// Whether the peer of a connection may speak for others. Over a Unix socket it may, as with gunicorn: who can open
    /// the socket is the file system's to say.
    #[must_use]
    pub fn has_peer(&self, peer: Option<IpAddr>) -> bool {
        peer.is_none_or(|peer| self.peers.has_peer(peer))
    }

    /// Tells, once per process, that what a private peer says does not count: behind a proxy of one's own this is most
    /// likely an oversight, while anybody on the internet may send such headers.
    pub fn warn_of(&self, peer: Option<IpAddr>, what: &str) {
        if let Some(peer) = peer.filter(|peer| is_private(*peer))
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                %peer,
                reason = "untrusted-proxy",
                "{what} from a private peer is not believed; if the peer is a proxy of yours, add it to --forwarded-allow-ips"
            );
        }
    }

    /// Tells, as a warning once per process, that a trusted peer's connection did not begin with a PROXY header. One
    /// that was closed without a word is a TCP probe.
    pub fn warn_without_header(&self, peer: Option<IpAddr>, error: &io::Error) {
        let peer = peer.map(|peer| peer.to_string()).unwrap_or_default();
        if error.kind() == io::ErrorKind::InvalidData && !self.has_warned_of_no_header.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                peer,
                reason = "no-proxy-header",
                "{error}; let the proxy send it, or leave out --proxy-protocol"
            );
        } else {
            tracing::debug!(peer, %error, "no PROXY header");
        }
    }
}

/// Identifies the clients of one connection.
#[derive(Clone)]
pub struct IdentifyLayer(Arc<Connection>);

struct Connection {
    front: Arc<Front>,
    client: Arc<Client>,
}

impl IdentifyLayer {
    /// `client` is the other end of the connection.
    #[must_use]
    pub fn new(front: &Arc<Front>, client: &Arc<Client>) -> Self {
        Self(Arc::new(Connection { front: Arc::clone(front), client: Arc::clone(client) }))
    }
}

impl<S> Layer<S> for IdentifyLayer {
    type Service = Identify<S>;
    fn layer(&self, inner: S) -> Identify<S> {
        Identify { inner, connection: Arc::clone(&self.0) }
    }
}

/// See [`IdentifyLayer`].
#[derive(Clone)]
pub struct Identify<S> {
    inner: S,
    connection: Arc<Connection>,
}

impl<S, B> Service<Request<B>> for Identify<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if request.headers().keys().any(forwarded::speaks_for_a_client) {
            let Connection { front, client } = &*self.connection;
            if let Some(told) = identify(&front.trust, client, request.headers_mut()) {
                request.extensions_mut().insert(Arc::new(told));
            }
        }
        self.inner.call(request)
    }
}

/// The client as its trusted peer tells it, if it tells anything. Removes from the headers what is not believed.
#[must_use]
pub fn identify(trust: &Trust, client: &Client, headers: &mut HeaderMap) -> Option<Client> {
    if !client.is_trusted {
        if headers.contains_key(forwarded::X_FORWARDED_FOR) {
            trust.warn_of(client.peer, "X-Forwarded-For");
        }
        let forged: Vec<HeaderName> =
            headers.keys().filter(|name| forwarded::speaks_for_a_client(name)).cloned().collect();
        for name in forged {
            headers.remove(name);
        }
        return None;
    }
    if forwarded::has_x_forwarded(headers) {
        headers.remove(header::FORWARDED);
    }
    let origin = forwarded::origin(headers, &|hop| trust.peers.has_hop(hop));
    let told = || client.forwarded(origin.clone(), headers.get(header::HOST).and_then(|host| host.to_str().ok()));
    (origin != forwarded::Origin::default()).then(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::trusted::trusted;

    fn trust(list: &[&str]) -> Trust {
        Trust::new(TrustedPeers(list.iter().map(|item| trusted(item).unwrap()).collect()))
    }

    fn run(peer: &str, list: &[&str], lines: &[(&'static str, &str)]) -> (Option<Client>, Vec<String>, bool) {
        let trust = trust(list);
        let client = Client::tcp(peer.parse().unwrap(), "10.0.0.9:8000".parse().unwrap());
        let client = Client { is_trusted: trust.has_peer(client.peer), ..client };
        let mut headers: HeaderMap =
            lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
        let told = identify(&trust, &client, &mut headers);
        let mut left: Vec<String> = headers.keys().map(ToString::to_string).collect();
        left.sort();
        (told, left, trust.has_warned.into_inner())
    }

    const LINES: &[(&str, &str)] = &[
        ("host", "h"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-user", "root"),
        ("x-real-ip", "1.2.3.4"),
        ("forwarded", "for=6.6.6.6"),
    ];

    #[test]
    fn a_trusted_peer_is_believed() {
        let (told, left, warned) = run("10.0.0.1:5", &["private"], LINES);
        let told = told.unwrap();
        assert_eq!((told.remote_addr.as_str(), told.https, told.server_port.as_str()), ("1.2.3.4", true, "443"));
        assert_eq!(left, ["host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-user", "x-real-ip"]);
        assert!(!warned);
        let (told, left, _) =
            run("10.0.0.1:5", &["private"], &[("forwarded", "for=1.2.3.4"), ("x-real-ip", "6.6.6.6")]);
        assert_eq!(told.unwrap().remote_addr, "1.2.3.4");
        assert_eq!(left, ["forwarded", "x-real-ip"]);
    }

    #[test]
    fn whoever_is_not_trusted_speaks_for_nobody() {
        for (peer, list, warns) in [
            ("10.0.0.1:5", &["127.0.0.1"][..], true),
            ("[fd00::1]:5", &["127.0.0.1"], true),
            ("8.8.8.8:5", &["private"], false),
        ] {
            assert_eq!(run(peer, list, LINES), (None, vec!["host".to_owned()], warns), "{peer}");
        }
        // Not a word about addresses: no proxy has been overlooked.
        assert_eq!(run("10.0.0.1:5", &["none"], &[("x-real-ip", "1.2.3.4")]), (None, vec![], false));
    }

    #[test]
    fn a_trusted_peer_that_says_nothing_useful_leaves_the_client_as_it_is() {
        assert_eq!(run("10.0.0.1:5", &["*"], &[("x-real-ip", "1.2.3.4")]).0, None);
        assert_eq!(run("10.0.0.1:5", &["*"], &[("x-forwarded-for", "unknown")]).0, None);
    }

    #[test]
    fn a_unix_socket_is_trusted() {
        assert!(trust(&["none"]).has_peer(None));
    }
}
