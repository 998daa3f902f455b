//! `semantics::forwarded` and `stack::identify` against lists read entry by entry. Data: whom the server trusts, who the
//! peer is, and header lines.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderName, HeaderValue};
use monopod::config::trusted::{TrustedPeers, trusted};
use monopod::exchange::Client;
use monopod::semantics::forwarded::{Host, Node, Origin, origin};
use monopod::stack::identify::{Trust, identify};

/// Only who is trusted speaks for a client, and of a list only what trusted proxies wrote counts.
pub fn forwarded(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let list = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let list: Vec<&str> = list.split(' ').filter(|item| trusted(item).is_ok()).collect();
    let peer = String::from_utf8_lossy(lines.next().unwrap_or_default()).parse::<IpAddr>().ok();
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(header) {
        headers.append(name, value);
    }

    let trust = Trust::new(TrustedPeers(list.iter().map(|item| trusted(item).unwrap()).collect()));
    let client = match peer {
        Some(peer) => Client::tcp((peer, 5000).into(), (Ipv4Addr::new(10, 0, 0, 9), 8000).into()),
        None => Client::unix(),
    };
    let is_trusted = peer.is_none_or(|peer| is_listed(peer, &list, true));
    assert_eq!(trust.has_peer(client.peer), is_trusted, "{peer:?} among {list:?}");
    let client = Client { is_trusted, ..client };
    let mut left = headers.clone();
    let told = identify(&trust, &client, &mut left);
    survivors(&headers, &left, is_trusted);
    if !is_trusted {
        assert_eq!(told, None, "{peer:?} is not among {list:?}");
        return;
    }

    let trusts = |hop: IpAddr| is_listed(hop, &list, false);
    let told_origin = origin(&headers, &trusts);
    if let Some(expected) = reference(&headers, &trusts) {
        assert_eq!(told_origin, expected, "{headers:?}, trusting {list:?}");
    }
    let is_client_known = told_origin.client.is_some_and(|client| !trusts(client.address));
    if is_client_known {
        // Whatever is left of the first one who is not ours, is that one's own word.
        assert_eq!(origin(&forged(&headers), &trusts), told_origin, "a forgery counts; {headers:?}");
    }
    match (told, told_origin.client) {
        (None, _) => assert_eq!(told_origin, Origin::default()),
        (Some(told), Some(Node { address, port })) => {
            let port = port.map(|port| port.to_string()).unwrap_or_default();
            assert_eq!((told.remote_addr, told.remote_port), (address.to_string(), port));
        }
        (Some(told), None) => {
            assert_eq!((told.remote_addr, told.remote_port), (client.remote_addr, client.remote_port));
        }
    }
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((HeaderName::from_bytes(&line[..colon]).ok()?, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
}

/// RFC 1122, 1918, 3927, 4193, 4291, 6598.
const PRIVATE: [&str; 9] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// Whether `--forwarded-allow-ips` names the address; `*` means every peer, but of hops only private ones.
fn is_listed(address: IpAddr, list: &[&str], is_peer: bool) -> bool {
    list.iter().any(|item| match item.trim() {
        "none" => false,
        "*" if is_peer => true,
        "*" | "private" => PRIVATE.iter().any(|range| is_inside(address, range)),
        range => is_inside(address, range),
    })
}

/// Bit by bit, with every IPv4 address as the IPv6 one that stands for it (RFC 4291 §2.5.5.2).
fn is_inside(address: IpAddr, range: &str) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let (base, length) = range.split_once('/').unwrap_or((range, ""));
    let base: IpAddr = base.parse().unwrap();
    let length = if length.is_empty() { None } else { Some(length.parse::<u32>().unwrap()) };
    let length = if base.is_ipv4() { 96 + length.unwrap_or(32) } else { length.unwrap_or(128) };
    // A short IPv6 prefix, such as ::/0, is about IPv6.
    if base.is_ipv6() && length < 96 && address.to_canonical().is_ipv4() {
        return false;
    }
    (0..length).all(|at| (bits(address) ^ bits(base)) >> (127 - at) & 1 == 0)
}

/// What is left of the headers.
fn survivors(before: &HeaderMap, after: &HeaderMap, is_trusted: bool) {
    let speaks = |name: &HeaderName| {
        name.as_str().starts_with("x-forwarded-") || ["x-real-ip", "forwarded"].contains(&name.as_str())
    };
    let family = ["for", "proto", "host", "port"].map(|word| format!("x-forwarded-{word}"));
    let has_family = family.iter().any(|name| before.contains_key(name));
    for name in before.keys() {
        let is_removed = if is_trusted { name == "forwarded" && has_family } else { speaks(name) };
        let expected: Vec<_> = before.get_all(name).iter().filter(|_| !is_removed).collect();
        assert_eq!(after.get_all(name).iter().collect::<Vec<_>>(), expected, "{name} of {before:?}");
    }
    assert!(after.keys().all(|name| before.contains_key(name)));
}

/// The same headers behind lines that a client made up.
fn forged(headers: &HeaderMap) -> HeaderMap {
    let mut forged = HeaderMap::new();
    let names_hops = |name: &str| ["x-forwarded-for", "forwarded"].contains(&name);
    let longest_way = list(headers, "x-forwarded-for").len().max(list(headers, "forwarded").len()).max(1);
    for (name, lie) in [
        ("x-forwarded-for", "6.6.6.6, 10.6.6.6"),
        ("x-forwarded-proto", "https, http"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-port", "666"),
        ("x-forwarded-prefix", "/evil"),
        ("forwarded", "for=6.6.6.6;proto=https;host=evil.example, for=\"[::6]\""),
        ("forwarded", "x=\""),
    ] {
        // Of a list that is shorter than the way through the proxies some did not write; what they passed on counts.
        if list(headers, name).len() >= longest_way || (headers.contains_key(name) && names_hops(name)) {
            forged.append(name, HeaderValue::from_static(lie));
        }
    }
    for (name, value) in headers {
        forged.append(name, value.clone());
    }
    forged
}

/// `None` where a Forwarded cannot be read as a whole (RFC 7239), so that only the forgery tells something.
fn reference(headers: &HeaderMap, trusts: &dyn Fn(IpAddr) -> bool) -> Option<Origin> {
    let mut origin = Origin::default();
    let mut hops = 0;
    let said = |name: &str| list(headers, name);
    let has_x_forwarded =
        ["for", "proto", "host", "port"].iter().any(|word| headers.contains_key(format!("x-forwarded-{word}")));
    if has_x_forwarded || !headers.contains_key("forwarded") {
        for entry in said("x-forwarded-for").iter().rev() {
            let Some(node) = node(entry) else { break };
            origin.client = Some(node);
            hops += 1;
            if !trusts(node.address) {
                break;
            }
        }
        hops = hops.max(1);
        origin.https = among(&said("x-forwarded-proto"), hops, scheme).pop();
        origin.host = among(&said("x-forwarded-host"), hops, host).pop();
        origin.port = among(&said("x-forwarded-port"), hops, port).pop();
    } else {
        let lines: Option<Vec<_>> = headers.get_all("forwarded").iter().map(|line| elements(&latin_1(line))).collect();
        for element in lines?.iter().flatten().rev() {
            let Some(element) = element else { break };
            hops += 1;
            origin.https = element.https.or(origin.https);
            origin.host = element.host.clone().or(origin.host);
            let Some(node) = element.client else { break };
            origin.client = Some(node);
            if !trusts(node.address) {
                break;
            }
        }
        hops = hops.max(1);
    }
    let mut prefixes = among(&said("x-forwarded-prefix"), hops, prefix);
    prefixes.reverse();
    origin.prefix = prefixes.concat();
    Some(origin)
}

fn list(headers: &HeaderMap, name: &str) -> Vec<String> {
    let mut entries = Vec::new();
    for line in headers.get_all(name) {
        entries.extend(latin_1(line).split(',').map(|entry| entry.trim_matches([' ', '\t']).to_owned()));
    }
    entries
}

/// Of the last `hops` entries those from the right up to the first that says nothing.
fn among<T>(entries: &[String], hops: usize, parse: fn(&str) -> Option<T>) -> Vec<T> {
    let mut found = Vec::new();
    for at in (0..entries.len()).rev().take(hops) {
        let Some(value) = parse(&entries[at]) else { break };
        found.push(value);
    }
    found
}

fn node(entry: &str) -> Option<Node> {
    let (address, port_text): (IpAddr, Option<&str>) = if let Some(rest) = entry.strip_prefix('[') {
        let (inside, rest) = rest.split_once(']')?;
        let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
        (inside.parse::<Ipv6Addr>().ok()?.into(), port)
    } else if entry.matches(':').count() == 1 {
        let (address, port) = entry.split_once(':')?;
        (address.parse::<Ipv4Addr>().ok()?.into(), Some(port))
    } else {
        (entry.parse().ok()?, None)
    };
    let port = match port_text {
        Some(text) => Some(port(text)?),
        None => None,
    };
    Some(Node { address: address.to_canonical(), port })
}

fn port(text: &str) -> Option<u16> {
    let is_plain = (1..=5).contains(&text.len()) && text.chars().all(|letter| letter.is_ascii_digit());
    let number: u32 = if is_plain { text.parse().unwrap() } else { 0 };
    (1..=65535).contains(&number).then(|| u16::try_from(number).unwrap())
}

fn scheme(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}

fn host(text: &str) -> Option<Host> {
    let (name, port_text) = match text.strip_prefix('[') {
        Some(rest) => {
            let end = rest.find(']')? + 2;
            rest[..end - 2].parse::<Ipv6Addr>().ok()?;
            text.split_at(end)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let letters = |letter: char| letter.is_ascii_alphanumeric() || "-._~".contains(letter);
    let is_name = (1..=255).contains(&name.len()) && (name.starts_with('[') || name.chars().all(letters));
    let port = match port_text {
        "" => None,
        text => Some(port(text.strip_prefix(':')?)?),
    };
    is_name.then(|| Host { name: name.to_owned(), port })
}

fn prefix(text: &str) -> Option<String> {
    if text == "/" {
        return Some(String::new());
    }
    let segments: Vec<&str> = text.strip_suffix('/').unwrap_or(text).split('/').collect();
    let letters = |letter: char| letter.is_ascii_alphanumeric() || "-._~!$&()*+;=:@".contains(letter);
    let is_plain = |segment: &&str| !["", ".", ".."].contains(segment) && segment.chars().all(letters);
    (segments.len() > 1 && segments[0].is_empty() && segments[1..].iter().all(is_plain)).then(|| segments.join("/"))
}

fn latin_1(line: &HeaderValue) -> String {
    line.as_bytes().iter().map(|byte| char::from(*byte)).collect()
}

#[derive(Default)]
struct Element {
    client: Option<Node>,
    https: Option<bool>,
    host: Option<Host>,
}

/// RFC 7239 §4, from left to right: the elements of a line, `None` for one whose words nobody knows; `None` for all where
/// the line is no list.
fn elements(text: &str) -> Option<Vec<Option<Element>>> {
    let token = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    let mut elements = Vec::new();
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut letters = text.chars().peekable();
    loop {
        while letters.next_if(|letter| " \t".contains(*letter)).is_some() {}
        let mut name = String::new();
        while let Some(letter) = letters.next_if(|letter| token(*letter)) {
            name.push(letter.to_ascii_lowercase());
        }
        if !name.is_empty() {
            letters.next_if_eq(&'=')?;
            let mut value = String::new();
            if letters.next_if_eq(&'"').is_some() {
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => value.push(letters.next()?),
                        letter => value.push(letter),
                    }
                }
            } else {
                while let Some(letter) = letters.next_if(|letter| token(*letter)) {
                    value.push(letter);
                }
                if value.is_empty() {
                    return None;
                }
            }
            pairs.push((name, value));
            while letters.next_if(|letter| " \t".contains(*letter)).is_some() {}
        }
        match letters.next() {
            Some(';') => {
                // An element of semicolons alone is one, though it says nothing.
                pairs.push((String::new(), String::new()));
            }
            end @ (Some(',') | None) => {
                // RFC 9110 §5.6.1.2: nothing between two commas is no element.
                if !pairs.is_empty() {
                    elements.push(element(&std::mem::take(&mut pairs)));
                }
                if end.is_none() {
                    return Some(elements);
                }
            }
            Some(_) => return None,
        }
    }
}

fn element(pairs: &[(String, String)]) -> Option<Element> {
    let mut element = Element::default();
    for (at, (name, value)) in pairs.iter().enumerate() {
        if !name.is_empty() && pairs[..at].iter().any(|(known, _)| known == name) {
            return None;
        }
        match name.as_str() {
            "for" => {
                if let Identifier::Known(node) = identifier(value)? {
                    element.client = Some(node);
                }
            }
            "proto" => element.https = Some(scheme(value)?),
            "host" => element.host = Some(host(value)?),
            _ => {}
        }
    }
    // A list with anything but ASCII in it is not believed from there on.
    pairs.iter().all(|(_, value)| value.is_ascii()).then_some(element)
}

enum Identifier {
    Known(Node),
    Hidden,
}

/// RFC 7239 §6.
fn identifier(text: &str) -> Option<Identifier> {
    let is_hidden = |text: &str| {
        text.len() > 1
            && text.starts_with('_')
            && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
    };
    let (name, after) = match text.find(']') {
        Some(end) if text.starts_with('[') => text.split_at(end + 1),
        _ => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match after {
        "" => None,
        _ => match after.strip_prefix(':')? {
            hidden if is_hidden(hidden) => None,
            digits => Some(port(digits)?),
        },
    };
    if name == "unknown" || is_hidden(name) {
        return Some(Identifier::Hidden);
    }
    let address: IpAddr = match name.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.into(),
        None => name.parse::<Ipv4Addr>().ok()?.into(),
    };
    Some(Identifier::Known(Node { address: address.to_canonical(), port }))
}
