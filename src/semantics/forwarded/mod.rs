//! Who the client is, behind proxies: X-Forwarded-For, -Proto, -Host, -Port and -Prefix, or Forwarded (RFC 7239).
//!
//! Called by `stack::identify` for a peer that is trusted. Each list is read right to left, as each proxy appends on the
//! right what it saw: an entry counts only if a trusted proxy wrote it, so nothing left of the first address that is not
//! trusted, or of a part that is malformed, has any influence. Where both families are there X-Forwarded-* counts and
//! Forwarded does not: most proxies manage only the former and pass on whatever Forwarded a client sends.

#[cfg(test)]
mod tests;

mod rfc7239;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName, header};

pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// What trusted proxies say of a request; what they do not say is `None` or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address, or that of the last hop that can be named.
    pub client: Option<Node>,
    /// Whether the client spoke https.
    pub https: Option<bool>,
    /// The host that the client asked for.
    pub host: Option<Host>,
    /// The port that the client asked at, where it is not part of `host`.
    pub port: Option<u16>,
    /// What proxies cut off the path: empty, or `/prefix` without a trailing slash.
    pub prefix: String,
}

/// An address, and the port if it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Canonical: an IPv4 address mapped into IPv6 is an IPv4 address.
    pub address: IpAddr,
    pub port: Option<u16>,
}

/// A host, and its port where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub name: String,
    pub port: Option<u16>,
}

/// Whether a header speaks for a client: `X-Forwarded-…`, `Forwarded` or `X-Real-IP`. Those of others that deployments
/// know (`X-Forwarded-User`, `-Ssl`, `-Client-Cert`) are among them.
#[must_use]
pub fn speaks_for_a_client(name: &HeaderName) -> bool {
    let name = name.as_str();
    match name.as_bytes().first() {
        Some(b'x') => name.starts_with("x-forwarded-") || name == "x-real-ip",
        Some(b'f') => name == "forwarded",
        _ => false,
    }
}

/// Whether the X-Forwarded-* family speaks, so that Forwarded is not to be believed.
#[must_use]
pub fn has_x_forwarded(headers: &HeaderMap) -> bool {
    [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST, X_FORWARDED_PORT]
        .iter()
        .any(|name| headers.contains_key(name))
}

/// What the headers of a request from a trusted peer say; `trusts` tells which other addresses are proxies of ours.
#[must_use]
pub fn origin(headers: &HeaderMap, trusts: &dyn Fn(IpAddr) -> bool) -> Origin {
    let (origin, hops) = if has_x_forwarded(headers) || !headers.contains_key(header::FORWARDED) {
        x_forwarded(headers, trusts)
    } else {
        rfc7239::forwarded(headers, trusts)
    };
    // RFC 7239 has no word for the prefix.
    Origin { prefix: prefixes(headers, hops), ..origin }
}

/// X-Forwarded-*, and how many trusted proxies the request came through.
fn x_forwarded(headers: &HeaderMap, trusts: &dyn Fn(IpAddr) -> bool) -> (Origin, usize) {
    let mut client = None;
    let mut hops = 0;
    for node in entries(headers, &X_FORWARDED_FOR).map_while(node) {
        client = Some(node);
        hops += 1;
        if !trusts(node.address) {
            break;
        }
    }
    // The peer is one, whatever it says.
    let hops = hops.max(1);
    let origin = Origin {
        client,
        https: outermost(headers, &X_FORWARDED_PROTO, hops, is_https),
        host: outermost(headers, &X_FORWARDED_HOST, hops, host),
        port: outermost(headers, &X_FORWARDED_PORT, hops, port),
        prefix: String::new(),
    };
    (origin, hops)
}

/// The entry that the outermost of `hops` proxies wrote: proxies that append make one entry each, those that replace or
/// pass on leave fewer.
fn outermost<T>(headers: &HeaderMap, name: &HeaderName, hops: usize, parse: fn(&str) -> Option<T>) -> Option<T> {
    entries(headers, name).take(hops).map_while(parse).last()
}

/// Each proxy that cuts a prefix off the path appends it.
fn prefixes(headers: &HeaderMap, hops: usize) -> String {
    let mut cut: Vec<&str> = entries(headers, &X_FORWARDED_PREFIX).take(hops).map_while(prefix).collect();
    cut.reverse();
    cut.concat()
}

/// The entries of a list over all its lines, the last one first; one that is not ASCII is empty, which nobody takes.
fn entries<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().rev();
    lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')).map(|entry| text(entry).trim_matches(BLANK))
}

/// RFC 9110 §5.6.3.
const BLANK: [char; 2] = [' ', '\t'];

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).ok().filter(|text| text.is_ascii()).unwrap_or_default()
}

/// `a.b.c.d`, `a.b.c.d:port`, `v6`, `[v6]` or `[v6]:port`.
fn node(text: &str) -> Option<Node> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Node { address: address.to_canonical(), port: None });
    }
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return Some(Node { address: IpAddr::V6(address.parse().ok()?).to_canonical(), port: None });
    }
    let (_, digits) = text.rsplit_once(':')?;
    // SocketAddr takes scope ids (`%1`), which mean something on another machine only, and any digits for a port.
    let port = port(digits)?;
    let address = text.parse::<SocketAddr>().ok().filter(|_| !text.contains('%'))?;
    Some(Node { address: address.ip().to_canonical(), port: Some(port) })
}

fn is_https(scheme: &str) -> Option<bool> {
    // Traefik says ws and wss while a connection is to be upgraded.
    match scheme {
        _ if scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss") => Some(true),
        _ if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("ws") => Some(false),
        _ => None,
    }
}

/// A port other than 0, in plain digits.
fn port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?.filter(|port| *port != 0)
}

/// A Host as RFC 9110 §7.2 has it, narrowed to what names and addresses consist of.
#[must_use]
pub fn host(text: &str) -> Option<Host> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, digits)) if !digits.ends_with(']') => (name, Some(port(digits)?)),
        _ => (text, None),
    };
    let in_names = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~');
    let sound = match name.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().is_ok(),
        None => !name.is_empty() && name.len() <= 255 && name.bytes().all(in_names),
    };
    sound.then(|| Host { name: name.to_owned(), port })
}

/// A plain path below `/`. An empty segment would make links to `//another.host`.
fn prefix(text: &str) -> Option<&str> {
    let path = text.strip_suffix('/').unwrap_or(text);
    let in_segments = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&()*+;=:@".contains(&byte);
    let is_plain = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(in_segments);
    let sound = match path.strip_prefix('/') {
        Some(segments) => segments.split('/').all(is_plain),
        None => text == "/",
    };
    sound.then_some(path)
}
