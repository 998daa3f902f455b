//! The header Forwarded (RFC 7239), read from the right, hop by hop.
//!
//! Called by `forwarded`, which knows what to believe.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, header};

use super::{BLANK, Host, Node, Origin, host, is_https, port, text};

/// Forwarded, and how many trusted proxies the request came through.
pub(super) fn forwarded(headers: &HeaderMap, trusts: &dyn Fn(IpAddr) -> bool) -> (Origin, usize) {
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
pub(super) enum Identifier {
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
pub(super) fn identifier(text: &str) -> Option<Identifier> {
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
