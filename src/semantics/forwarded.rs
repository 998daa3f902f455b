//! Who the client is, behind proxies: X-Forwarded-For, -Proto, -Host, -Port and -Prefix, or Forwarded (RFC 7239).
//!
//! Called by `stack::identify` for a peer that is trusted. Each list is read right to left, as each proxy appends on the
//! right what it saw: an entry counts only if a trusted proxy wrote it, so nothing left of the first address that is not
//! trusted, or of a part that is malformed, has any influence. Where both families are there X-Forwarded-* counts and
//! Forwarded does not: most proxies manage only the former and pass on whatever Forwarded a client sends.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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
        forwarded(headers, trusts)
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

/// Forwarded, and how many trusted proxies the request came through.
fn forwarded(headers: &HeaderMap, trusts: &dyn Fn(IpAddr) -> bool) -> (Origin, usize) {
    let mut origin = Origin::default();
    let mut hops = 0;
    'lines: for line in headers.get_all(header::FORWARDED).iter().rev() {
        let mut rest = Some(line.as_bytes());
        while let Some(unread) = rest {
            let Some((last, before)) = last_element(unread) else { break 'lines };
            rest = before;
            if last.trim_ascii().is_empty() {
                // RFC 9110 §5.6.1.2.
                continue;
            }
            // What is not ASCII is no element, and nobody's hop.
            let last = Some(text(last)).filter(|text| !text.is_empty());
            let Some(element) = last.and_then(element) else { break 'lines };
            hops += 1;
            origin.https = element.https.or(origin.https);
            origin.host = element.host.or(origin.host);
            let Some(client) = element.client else { break 'lines };
            origin.client = Some(client);
            if !trusts(client.address) {
                break 'lines;
            }
        }
    }
    (origin, hops.max(1))
}

/// The last element of a list, and what is before its comma. Read from the right, as whatever is left of the comma, an
/// open quote for one, must not change what a trusted proxy appended.
fn last_element(list: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let mut quoted = false;
    for (at, byte) in list.iter().enumerate().rev() {
        match byte {
            b'"' if !quoted => quoted = true,
            b'"' => {
                let slashes = list[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
                quoted = slashes % 2 == 1;
            }
            b',' if !quoted => return Some((&list[at + 1..], Some(&list[..at]))),
            _ => {}
        }
    }
    (!quoted).then_some((list, None))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Element {
    /// `None` without `for`, and for an `unknown` or obfuscated one (RFC 7239 §6).
    client: Option<Node>,
    https: Option<bool>,
    host: Option<Host>,
}

#[derive(Debug, PartialEq, Eq)]
enum Identifier {
    Known(Node),
    Hidden,
}

/// RFC 7239 §4: `name=value` pairs between semicolons, each name once.
fn element(text: &str) -> Option<Element> {
    let mut element = Element::default();
    let mut seen: Vec<&str> = Vec::new();
    let mut rest = text.trim_matches(BLANK);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(';') {
            rest = after.trim_start_matches(BLANK);
            continue;
        }
        let (name, after) = rest.split_once('=').filter(|(name, _)| is_token(name))?;
        if seen.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return None;
        }
        seen.push(name);
        let (value, after) = value(after)?;
        rest = after.trim_start_matches(BLANK);
        if !(rest.is_empty() || rest.starts_with(';')) {
            return None;
        }
        match name.to_ascii_lowercase().as_str() {
            "for" => match identifier(&value)? {
                Identifier::Known(node) => element.client = Some(node),
                Identifier::Hidden => {}
            },
            "proto" => element.https = Some(is_https(&value)?),
            "host" => element.host = Some(host(&value)?),
            _ => {}
        }
    }
    Some(element)
}

/// A token or a quoted string, and what follows it (RFC 9110 §5.6).
fn value(text: &str) -> Option<(String, &str)> {
    let Some(inside) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find([';', ' ', '\t']).unwrap_or(text.len()));
        return is_token(value).then(|| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut letters = inside.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &inside[at + 1..])),
            '\\' => value.push(letters.next()?.1),
            _ => value.push(letter),
        }
    }
    None
}

fn is_token(text: &str) -> bool {
    let in_tokens = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(in_tokens)
}

/// RFC 7239 §6: an IPv4 address, an IPv6 address in brackets, `unknown` or `_hidden`, with or without a port, which may
/// be hidden too.
fn identifier(text: &str) -> Option<Identifier> {
    let is_hidden = |text: &str| {
        let in_names = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        text.strip_prefix('_').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(in_names))
    };
    let (name, port) = match text.rsplit_once(':') {
        Some((name, digits)) if !digits.ends_with(']') => {
            (name, if is_hidden(digits) { None } else { Some(port(digits)?) })
        }
        _ => (text, None),
    };
    if name == "unknown" || is_hidden(name) {
        return Some(Identifier::Hidden);
    }
    let address = match name.strip_prefix('[') {
        Some(rest) => IpAddr::V6(rest.strip_suffix(']')?.parse().ok()?),
        None => IpAddr::V4(name.parse::<Ipv4Addr>().ok()?),
    };
    Some(Identifier::Known(Node { address: address.to_canonical(), port }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header::HeaderName};
    use proptest::prelude::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
        }
        headers
    }

    /// 10.0.0.0/8 and fd00::/8 are proxies.
    fn ours(address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => v4.octets()[0] == 10,
            IpAddr::V6(v6) => v6.segments()[0] >> 8 == 0xfd,
        }
    }

    /// Address, port, scheme, host, port and prefix in one line; `-` for what is not said.
    fn told(lines: &[(&str, &str)]) -> String {
        let Origin { client, https, host, port, prefix } = origin(&headers(lines), &ours);
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let port_of = |port: Option<u16>| or_dash(port.map(|port| port.to_string()));
        [
            or_dash(client.map(|client| client.address.to_string())),
            port_of(client.and_then(|client| client.port)),
            or_dash(https.map(|https| if https { "https" } else { "http" }.to_owned())),
            or_dash(host.map(|host| host.name + &host.port.map(|port| format!(":{port}")).unwrap_or_default())),
            port_of(port),
            or_dash(Some(prefix).filter(|prefix| !prefix.is_empty())),
        ]
        .join(" ")
    }

    #[test]
    fn the_client_is_the_first_address_from_the_right_that_is_no_proxy() {
        for (list, client) in [
            ("1.2.3.4", "1.2.3.4 -"),
            ("6.6.6.6, 1.2.3.4", "1.2.3.4 -"),
            ("6.6.6.6, 1.2.3.4, 10.0.0.1", "1.2.3.4 -"),
            ("1.2.3.4,10.0.0.2 ,\t10.0.0.1", "1.2.3.4 -"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3 -"),
            ("1.2.3.4:56", "1.2.3.4 56"),
            ("2001:db8::1", "2001:db8::1 -"),
            ("[2001:db8::1]", "2001:db8::1 -"),
            ("[2001:db8::1]:56", "2001:db8::1 56"),
            ("1.2.3.4, [fd00::1]:443", "1.2.3.4 -"),
            ("::ffff:1.2.3.4", "1.2.3.4 -"),
            ("1.2.3.4, ::ffff:10.0.0.1", "1.2.3.4 -"),
            // Malformed: the last hop that has a name.
            ("1.2.3.4, unknown, 10.0.0.1", "10.0.0.1 -"),
            ("1.2.3.4, , 10.0.0.1", "10.0.0.1 -"),
            ("1.2.3.4, 10.0.0.1,", "- -"),
            ("1.2.3.4, \u{e9}", "- -"),
            ("unknown", "- -"),
            ("", "- -"),
            ("1.2.3.4:", "- -"),
            ("1.2.3.4:x", "- -"),
            ("1.2.3.4:+5", "- -"),
            ("1.2.3.4:0", "- -"),
            ("1.2.3.4:65536", "- -"),
            ("1.2.3", "- -"),
            ("1.2.3.4.5", "- -"),
            ("01.2.3.4", "- -"),
            ("[1.2.3.4]", "- -"),
            ("[::1", "- -"),
            ("fe80::1%eth0", "- -"),
            ("[fe80::1%1]:80", "- -"),
            ("\"1.2.3.4\"", "- -"),
            ("1.2.3.4;x", "- -"),
        ] {
            assert_eq!(told(&[("x-forwarded-for", list)]), format!("{client} - - - -"), "{list}");
        }
        let lines =
            [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.2.3.4, 10.0.0.2"), ("x-forwarded-for", "10.0.0.1")];
        assert_eq!(told(&lines), "1.2.3.4 - - - - -");
    }

    #[test]
    fn the_other_lists_count_as_far_as_proxies_wrote_them() {
        for (hops, list, proto) in [
            (1, "https", "https"),
            (1, "HTTP", "http"),
            (1, "wss", "https"),
            (1, "https, http", "http"),
            (2, "https, http", "https"),
            (2, "http, https, http", "https"),
            (3, "https", "https"),
            (3, "gopher, https", "https"),
            (1, "https, gopher", "-"),
            (1, "https,", "-"),
            (1, "", "-"),
        ] {
            let through = ["1.2.3.4", "1.2.3.4, 10.0.0.1", "1.2.3.4, 10.0.0.2, 10.0.0.1"][hops - 1];
            let lines = [("x-forwarded-for", through), ("x-forwarded-proto", list)];
            assert_eq!(told(&lines), format!("1.2.3.4 - {proto} - - -"), "{hops} {list}");
        }
        assert_eq!(told(&[("x-forwarded-proto", "http, https")]), "- - https - - -");
    }

    #[test]
    fn hosts_and_ports_are_plain() {
        for (text, expected) in [
            ("example.org", "example.org -"),
            ("a_b.example.org:8443", "a_b.example.org:8443 -"),
            ("[2001:db8::1]", "[2001:db8::1] -"),
            ("[2001:db8::1]:8443", "[2001:db8::1]:8443 -"),
            ("1.2.3.4:80", "1.2.3.4:80 -"),
            ("evil.example, example.org", "example.org -"),
            ("example.org:", "- -"),
            ("example.org:x", "- -"),
            ("a:b:80", "- -"),
            ("::1", "- -"),
            ("[::1]80", "- -"),
            ("[example.org]", "- -"),
            ("user@example.org", "- -"),
            ("example.org/x", "- -"),
            ("a b", "- -"),
            ("a\\b", "- -"),
            ("", "- -"),
        ] {
            assert_eq!(told(&[("x-forwarded-host", text)]), format!("- - - {expected} -"), "{text}");
        }
        for (text, expected) in
            [("443", "443"), ("80, 8443", "8443"), ("0", "-"), ("70000", "-"), ("+1", "-"), ("", "-")]
        {
            assert_eq!(told(&[("x-forwarded-port", text)]), format!("- - - - {expected} -"), "{text}");
        }
    }

    #[test]
    fn prefixes_are_plain_paths() {
        for (text, expected) in [
            ("/app", "/app"),
            ("/app/", "/app"),
            ("/a/b.c~d", "/a/b.c~d"),
            ("/evil, /app", "/app"),
            ("/", "-"),
            ("", "-"),
            ("app", "-"),
            ("//evil.example", "-"),
            ("/a//b", "-"),
            ("/a//", "-"),
            ("/..", "-"),
            ("/a/../b", "-"),
            ("/a?b", "-"),
            ("/a%2fb", "-"),
            ("/a\\b", "-"),
            ("https://evil.example/", "-"),
        ] {
            assert_eq!(told(&[("x-forwarded-prefix", text)]), format!("- - - - - {expected}"), "{text}");
        }
        let lines = [
            ("x-forwarded-for", "1.2.3.4, 10.0.0.1"),
            ("x-forwarded-prefix", "/evil, /outer"),
            ("x-forwarded-prefix", "/inner"),
        ];
        assert_eq!(told(&lines), "1.2.3.4 - - - - /outer/inner");
    }

    #[test]
    fn forwarded_says_the_same_in_its_own_way() {
        for (list, expected) in [
            ("for=1.2.3.4", "1.2.3.4 - - - - -"),
            ("For=\"1.2.3.4:56\";Proto=HTTPS;by=10.0.0.9;Host=example.org", "1.2.3.4 56 https example.org - -"),
            ("for=\"[2001:db8::1]:56\" ; host=\"example.org:8443\"", "2001:db8::1 56 - example.org:8443 - -"),
            ("for=\"[2001:db8::1]\"", "2001:db8::1 - - - - -"),
            ("for=\"1.2.3.4:_hidden\"", "1.2.3.4 - - - - -"),
            ("for=6.6.6.6;proto=http, for=1.2.3.4;proto=https, for=10.0.0.1;proto=http", "1.2.3.4 - https - - -"),
            ("for=1.2.3.4, for=10.0.0.1;proto=https", "1.2.3.4 - https - - -"),
            ("for=1.2.3.4;x=\"a,b;c\\\"d\\\\\",for=10.0.0.1", "1.2.3.4 - - - - -"),
            ("for=\"\\1.2.3.4\"", "1.2.3.4 - - - - -"),
            (", for=1.2.3.4 ,,", "1.2.3.4 - - - - -"),
            (";for=1.2.3.4;;proto=https;", "1.2.3.4 - https - - -"),
            // Hidden: what the proxy said beside it counts, what is left of it does not.
            ("for=6.6.6.6;host=evil, for=unknown;proto=https, for=10.0.0.1", "10.0.0.1 - https - - -"),
            ("for=6.6.6.6, for=_SEVKISEK;host=example.org", "- - - example.org - -"),
            ("for=6.6.6.6, proto=https", "- - https - - -"),
            // Malformed: the last hop that has a name.
            ("for=1.2.3.4, x, for=10.0.0.1", "10.0.0.1 - - - - -"),
            ("for=1.2.3.4;for=6.6.6.6", "- - - - - -"),
            ("for=1.2.3.4:56", "- - - - - -"),
            ("for=2001:db8::1", "- - - - - -"),
            ("for=\"2001:db8::1\"", "- - - - - -"),
            ("for = 1.2.3.4", "- - - - - -"),
            ("for=", "- - - - - -"),
            ("for=\"1.2.3.4", "- - - - - -"),
            ("for=1.2.3.4\"", "- - - - - -"),
            ("for=\"1.2.3.4\"x", "- - - - - -"),
            ("for=\"1.2.3.4\\\"", "- - - - - -"),
            ("for=_", "- - - - - -"),
            ("for=1.2.3.4;proto=gopher", "- - - - - -"),
            ("for=1.2.3.4;host=a/b", "- - - - - -"),
            // An open quote of the client's does not swallow what a proxy appended.
            ("for=\", for=1.2.3.4", "1.2.3.4 - - - - -"),
            ("for=\"\\, for=1.2.3.4;host=\"example.org\"", "1.2.3.4 - - example.org - -"),
            ("for=\", for=\"[fd00::1]\"", "fd00::1 - - - - -"),
        ] {
            assert_eq!(told(&[("forwarded", list)]), expected, "{list}");
        }
        let lines =
            [("forwarded", "for=1.2.3.4;proto=https"), ("forwarded", "for=10.0.0.1"), ("x-forwarded-prefix", "/a, /b")];
        assert_eq!(told(&lines), "1.2.3.4 - https - - /a/b");
    }

    #[test]
    fn where_both_speak_x_forwarded_counts_alone() {
        let forwarded = ("forwarded", "for=6.6.6.6;proto=https;host=evil");
        assert_eq!(told(&[forwarded, ("x-forwarded-for", "1.2.3.4")]), "1.2.3.4 - - - - -");
        assert_eq!(told(&[forwarded, ("x-forwarded-for", "unknown")]), "- - - - - -");
        assert_eq!(told(&[forwarded, ("x-forwarded-proto", "http")]), "- - http - - -");
        assert_eq!(told(&[]), "- - - - - -");
    }

    #[test]
    fn headers_that_speak_for_a_client() {
        for (name, expected) in [
            ("x-forwarded-for", true),
            ("x-forwarded-user", true),
            ("x-real-ip", true),
            ("forwarded", true),
            ("x-forwarded", false),
            ("x-request-id", false),
            ("from", false),
            ("host", false),
        ] {
            assert_eq!(speaks_for_a_client(&HeaderName::from_static(name)), expected, "{name}");
        }
    }

    const LISTS: [HeaderName; 6] =
        [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PREFIX, header::FORWARDED];

    /// Bytes that may stand in a header, most of them of the kind that parsers stumble over.
    fn soup() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![prop::sample::select(b"\",;=\\ \t:[]./_for1".to_vec()), 0x80..=0xff_u8, 0x20..0x7f_u8];
        prop::collection::vec(byte, 0..40)
    }

    fn proxy() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            any::<[u8; 3]>().prop_map(|[b, c, d]| IpAddr::from([10, b, c, d])),
            any::<u64>().prop_map(|low| IpAddr::V6(Ipv6Addr::from_bits((0xfd << 120) | u128::from(low)))),
        ]
    }

    fn client() -> impl Strategy<Value = IpAddr> {
        any::<IpAddr>().prop_map(|ip| ip.to_canonical()).prop_filter("a proxy", |address| !ours(*address))
    }

    /// What each trusted proxy appends, the outermost first: whom it saw, and the rest.
    fn chain() -> impl Strategy<Value = Vec<(IpAddr, bool, u16)>> {
        let proxies = prop::collection::vec((proxy(), any::<bool>(), 1..=u16::MAX), 0..4);
        (client(), any::<bool>(), 1..=u16::MAX, proxies)
            .prop_map(|(client, https, port, proxies)| std::iter::once((client, https, port)).chain(proxies).collect())
    }

    fn append(headers: &mut HeaderMap, name: &HeaderName, entry: &str, same_line: bool) {
        let lines: Vec<HeaderValue> = headers.get_all(name).iter().cloned().collect();
        match lines.last() {
            Some(last) if same_line => {
                let joined = HeaderValue::from_bytes(&[last.as_bytes(), b", ", entry.as_bytes()].concat()).unwrap();
                headers.remove(name);
                for line in lines[..lines.len() - 1].iter().chain([&joined]) {
                    headers.append(name, line.clone());
                }
            }
            _ => drop(headers.append(name, entry.parse().unwrap())),
        }
    }

    proptest! {
        #[test]
        fn no_headers_make_it_panic(lines in prop::collection::vec((prop::sample::select(LISTS.to_vec()), soup()), 0..6)) {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(name, HeaderValue::from_bytes(&value).unwrap());
            }
            let Origin { host, prefix, .. } = origin(&headers, &ours);
            prop_assert!(prefix.is_empty() || prefix.starts_with('/') && !prefix.contains("//"));
            if let Some(found) = host {
                prop_assert_eq!(super::host(&found.name).map(|host| host.name), Some(found.name));
            }
        }

        #[test]
        fn what_the_client_wrote_left_of_the_proxies_changes_nothing(
            chain in chain(), lies in prop::collection::vec(soup(), LISTS.len()), same_line: bool, standard: bool,
        ) {
            let mut honest = HeaderMap::new();
            let mut forged = HeaderMap::new();
            let mine: &[HeaderName] = if standard { &LISTS[4..] } else { &LISTS[..5] };
            for (name, lie) in mine.iter().zip(&lies) {
                forged.append(name, HeaderValue::from_bytes(lie).unwrap());
            }
            for (seen, https, port) in &chain {
                let scheme = if *https { "https" } else { "http" };
                let quoted = if seen.is_ipv6() { format!("\"[{seen}]:{port}\"") } else { format!("\"{seen}:{port}\"") };
                let entries = if standard {
                    vec![format!("/p{port}"), format!("for={quoted};proto={scheme};host=\"h:{port}\"")]
                } else {
                    vec![seen.to_string(), scheme.into(), format!("h:{port}"), port.to_string(), format!("/p{port}")]
                };
                for (name, entry) in mine.iter().zip(&entries) {
                    append(&mut honest, name, entry, same_line);
                    append(&mut forged, name, entry, same_line);
                }
            }
            let told = origin(&honest, &ours);
            let (first, https, port) = chain[0];
            prop_assert_eq!(told.client.map(|client| client.address), Some(first));
            prop_assert_eq!(told.https, Some(https));
            prop_assert_eq!(told.host.as_ref().and_then(|host| host.port), Some(port));
            let prefixes: Vec<String> = chain.iter().map(|(_, _, port)| format!("/p{port}")).collect();
            prop_assert_eq!(&told.prefix, &prefixes.concat());
            prop_assert_eq!(origin(&forged, &ours), told);
        }

        #[test]
        fn an_address_reads_back(ip: IpAddr, port in 1..=u16::MAX) {
            let expected = Node { address: ip.to_canonical(), port: Some(port) };
            let text = SocketAddr::new(ip, port).to_string();
            prop_assert_eq!(node(&text), Some(expected));
            prop_assert_eq!(identifier(&text), Some(Identifier::Known(expected)));
            prop_assert_eq!(node(&ip.to_string()), Some(Node { port: None, ..expected }));
        }
    }
}
