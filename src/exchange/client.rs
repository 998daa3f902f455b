//! Who a request comes from and what it was sent to, as text ready for environ.
//!
//! Made once per connection; where trusted proxies say more, a request gets one of its own. Shared by the access record
//! and environ, so that both tell the same story.

use std::net::{IpAddr, SocketAddr};

use crate::semantics::forwarded::{self, Host, Origin};

/// The two ends of a connection, or what trusted proxies say they were at their outer edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The other end of the connection; `None` on a Unix socket.
    pub peer: Option<IpAddr>,
    /// Whether the peer may speak for others (`--forwarded-allow-ips`).
    pub is_trusted: bool,
    /// `REMOTE_ADDR`: the client's IP address; empty on a Unix socket.
    pub remote_addr: String,
    /// `REMOTE_PORT`; empty on a Unix socket, and where a proxy does not tell it.
    pub remote_port: String,
    /// `SERVER_NAME`.
    pub server_name: String,
    /// `SERVER_PORT`, decimal (RFC 3875 §4.1.15); `80` on a Unix socket.
    pub server_port: String,
    /// `wsgi.url_scheme` is https.
    pub https: bool,
    /// `HTTP_HOST`, where it is not the request's own.
    pub host: Option<String>,
    /// What proxies cut off the path: empty, or `/prefix`.
    pub prefix: String,
}

impl Client {
    /// A TCP connection from `peer` to `local`.
    #[must_use]
    pub fn tcp(peer: SocketAddr, local: SocketAddr) -> Self {
        Self {
            peer: Some(peer.ip().to_canonical()),
            remote_addr: peer.ip().to_canonical().to_string(),
            remote_port: peer.port().to_string(),
            server_name: local.ip().to_canonical().to_string(),
            server_port: local.port().to_string(),
            ..Self::unix()
        }
    }

    /// A connection over a Unix socket, which has no addresses.
    #[must_use]
    pub fn unix() -> Self {
        Self {
            peer: None,
            is_trusted: false,
            remote_addr: String::new(),
            remote_port: String::new(),
            server_name: "localhost".to_owned(),
            server_port: "80".to_owned(),
            https: false,
            host: None,
            prefix: String::new(),
        }
    }

    /// The client of a request whose Host is `sent_host`, as trusted proxies have it.
    ///
    /// As with werkzeug's ProxyFix, X-Forwarded-Host is the Host and X-Forwarded-Port its port. Other than there, a port
    /// that came with the host is kept, and 80 and 443 are never added: one is what the scheme implies, and the other is
    /// a proxy that tells of a port behind the one that ended TLS.
    #[must_use]
    pub fn forwarded(&self, origin: Origin, sent_host: Option<&str>) -> Self {
        let Origin { client, https, host, port, prefix } = origin;
        let mut told = self.clone();
        if let Some(client) = client {
            told.remote_addr = client.address.to_string();
            told.remote_port = client.port.map(|port| port.to_string()).unwrap_or_default();
        }
        told.https = https.unwrap_or(self.https);
        told.prefix = prefix;
        let default = if told.https { 443 } else { 80 };
        let implied = (https.is_some() || host.is_some()).then_some(default);
        if let Some(Host { name, .. }) = &host {
            told.server_name.clone_from(name);
        }
        let was_told = host.is_some();
        let named = host.or_else(|| forwarded::host(sent_host?));
        let own_port = named.as_ref().and_then(|host| host.port);
        let server_port = if was_told { own_port.or(port) } else { port.or(own_port.filter(|_| https.is_some())) };
        if let Some(port) = server_port.or(implied) {
            told.server_port = port.to_string();
        }
        let added = port.filter(|port| own_port.is_none() && !matches!(port, 80 | 443));
        told.host = match (named, own_port.or(added)) {
            (Some(Host { name, .. }), Some(port)) if was_told || added.is_some() => Some(format!("{name}:{port}")),
            (Some(Host { name, .. }), None) if was_told => Some(name),
            _ => None,
        };
        told
    }

    /// `SCRIPT_NAME` where proxies cut a prefix off: that prefix, and behind it `root_path` where the path still had it
    /// (`was_below_root`) and the prefix does not end in it already.
    #[must_use]
    pub fn script_name(&self, root_path: &str, was_below_root: bool) -> Option<String> {
        let tells_root = !was_below_root || self.prefix.ends_with(root_path);
        let root_path = if tells_root { "" } else { root_path };
        (!self.prefix.is_empty()).then(|| format!("{}{root_path}", self.prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::forwarded::Node;

    fn connection() -> Client {
        Client::tcp("10.0.0.1:5000".parse().unwrap(), "10.0.0.9:8000".parse().unwrap())
    }

    #[test]
    fn what_is_not_told_stays_as_the_connection_has_it() {
        assert_eq!(connection().forwarded(Origin::default(), Some("h:1")), connection());
        let mapped = Client::tcp("[::ffff:10.0.0.1]:5000".parse().unwrap(), "[::ffff:10.0.0.9]:8000".parse().unwrap());
        assert_eq!(mapped, connection());
        let client = |port| Some(Node { address: "1.2.3.4".parse().unwrap(), port });
        let told = connection().forwarded(Origin { client: client(Some(5)), ..Origin::default() }, None);
        assert_eq!((told.remote_addr.as_str(), told.remote_port.as_str()), ("1.2.3.4", "5"));
        // The proxy's port beside the client's address would be a lie.
        let told = connection().forwarded(Origin { client: client(None), ..Origin::default() }, None);
        assert_eq!((told.remote_addr.as_str(), told.remote_port.as_str()), ("1.2.3.4", ""));
        assert_eq!((told.server_name.as_str(), told.server_port.as_str()), ("10.0.0.9", "8000"));
    }

    #[test]
    fn host_name_and_port_are_those_of_the_outer_edge() {
        // Host as sent; told: https, host, port; HTTP_HOST ("" for as sent), SERVER_NAME, SERVER_PORT.
        for (sent, https, host, port, expected) in [
            ("h", Some(true), None, None, ("", "10.0.0.9", "443")),
            ("h:8443", Some(true), None, None, ("", "10.0.0.9", "8443")),
            ("h", Some(false), None, None, ("", "10.0.0.9", "80")),
            ("h", None, Some("x.org"), None, ("x.org", "x.org", "80")),
            ("h", Some(true), Some("x.org"), None, ("x.org", "x.org", "443")),
            ("h", Some(true), Some("x.org"), Some(443), ("x.org", "x.org", "443")),
            ("h", Some(true), Some("x.org"), Some(8443), ("x.org:8443", "x.org", "8443")),
            ("h", Some(true), Some("x.org:8443"), Some(443), ("x.org:8443", "x.org", "8443")),
            ("h:1", Some(true), Some("[::1]:8443"), None, ("[::1]:8443", "[::1]", "8443")),
            ("h", Some(true), None, Some(443), ("", "10.0.0.9", "443")),
            ("h", Some(true), None, Some(80), ("", "10.0.0.9", "80")),
            ("h", None, None, Some(8443), ("h:8443", "10.0.0.9", "8443")),
            ("h:1", None, None, Some(8443), ("", "10.0.0.9", "8443")),
            ("not a host", Some(true), None, Some(8443), ("", "10.0.0.9", "8443")),
        ] {
            let host = host.and_then(forwarded::host);
            let told = connection().forwarded(Origin { https, host, port, ..Origin::default() }, Some(sent));
            let found = (told.host.as_deref().unwrap_or(""), told.server_name.as_str(), told.server_port.as_str());
            assert_eq!(found, expected);
            assert_eq!(told.https, https == Some(true));
        }
    }

    #[test]
    fn the_script_name_is_what_was_cut_and_the_root_once() {
        for (prefix, root_path, was_below_root, expected) in [
            ("", "/app", true, None),
            ("/p", "", true, Some("/p")),
            ("/p", "/app", true, Some("/p/app")),
            // The proxy cut more than --root-path knows of.
            ("/p", "/app", false, Some("/p")),
            // The proxy tells of --root-path, whether it cut it or not.
            ("/app", "/app", false, Some("/app")),
            ("/app", "/app", true, Some("/app")),
            ("/p/app", "/app", true, Some("/p/app")),
            ("/papp", "/app", true, Some("/papp/app")),
        ] {
            let client = Client { prefix: prefix.to_owned(), ..connection() };
            assert_eq!(client.script_name(root_path, was_below_root).as_deref(), expected, "{prefix} {root_path}");
        }
    }
}
