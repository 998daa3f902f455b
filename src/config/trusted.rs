//! Who may say who the client is: `--forwarded-allow-ips`.
//!
//! As in gunicorn, `*` lets every peer speak. It does not make every address inside X-Forwarded-For a proxy: what a
//! client wrote there itself would then count. Pure: looks at addresses only.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::values::wants;

/// One item of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trusted {
    /// `none`: nobody, for a list that is not to have its default.
    Nobody,
    /// `private`: see [`is_private`].
    Private,
    /// `*`: any peer.
    Any,
    /// An address or a range.
    Range(IpNet),
}

/// The peers that may set X-Forwarded-*, Forwarded and the PROXY protocol's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedPeers(pub Vec<Trusted>);

impl TrustedPeers {
    /// Whether what the peer of a connection says of its client is believed.
    #[must_use]
    pub fn has_peer(&self, peer: IpAddr) -> bool {
        self.has(peer, true)
    }

    /// Whether an address named by a trusted peer is a proxy of ours too, so that what it said counts as well. `*` here
    /// means private addresses: a public one is taken for a client, unless its range is listed.
    #[must_use]
    pub fn has_hop(&self, hop: IpAddr) -> bool {
        self.has(hop, is_private(hop))
    }

    fn has(&self, address: IpAddr, any: bool) -> bool {
        // A socket bound to :: shows IPv4 peers as ::ffff:a.b.c.d.
        let address = address.to_canonical();
        self.0.iter().any(|trusted| match trusted {
            Trusted::Nobody => false,
            Trusted::Private => is_private(address),
            Trusted::Any => any,
            Trusted::Range(range) => range.contains(&address),
        })
    }
}

/// Loopback, link-local and private addresses, and the shared space (100.64.0.0/10) that clouds give to nodes and pods
/// (RFC 1122, 1918, 3927, 4193, 4291, 6598).
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let shared = Ipv4Addr::new(100, 64, 0, 0).to_bits() == v4.to_bits() & 0xFFC0_0000;
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// An address, a range in CIDR notation, `private`, `*` or `none`.
///
/// # Errors
/// Anything else; a name is not looked up.
pub fn trusted(text: &str) -> Result<Trusted, String> {
    let range = |given: &str| match given.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address.to_canonical())),
        // Bits behind the prefix are no harm: 10.1.2.3/8 is 10.0.0.0/8.
        // Leading zeros, which some take for octal, are an error in a range as they are in an address.
        Err(_) if given.split_once('/').is_none_or(|(base, _)| base.parse::<IpAddr>().is_err()) => None,
        Err(_) => given.parse::<IpNet>().ok().map(|range| canonical(range.trunc())),
    };
    let forms = "addresses such as `10.1.2.3`, ranges such as `10.0.0.0/8`, `private`, `*` or `none`";
    match text.trim() {
        "*" => Ok(Trusted::Any),
        "private" => Ok(Trusted::Private),
        "none" => Ok(Trusted::Nobody),
        given => range(given).map(Trusted::Range).ok_or_else(|| wants(forms, text)),
    }
}

/// ::ffff:10.0.0.0/104 is 10.0.0.0/8: addresses are looked up in that form.
fn canonical(range: IpNet) -> IpNet {
    match (range.addr().to_canonical(), range.prefix_len().checked_sub(96)) {
        (IpAddr::V4(v4), Some(length)) if range.addr().is_ipv6() => IpNet::new(v4.into(), length).unwrap_or(range),
        _ => range,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(list: &[&str]) -> TrustedPeers {
        TrustedPeers(list.iter().map(|item| trusted(item).unwrap()).collect())
    }

    #[test]
    fn peers_are_those_listed() {
        for (list, peer, expected) in [
            (&["127.0.0.1", "::1"][..], "127.0.0.1", true),
            (&["127.0.0.1", "::1"], "127.0.0.2", false),
            (&["127.0.0.1", "::1"], "::1", true),
            (&["127.0.0.1"], "::ffff:127.0.0.1", true),
            (&["::ffff:127.0.0.1"], "127.0.0.1", true),
            (&["10.1.2.3/8"], "10.255.0.1", true),
            (&["::ffff:10.1.2.3/104"], "10.255.0.1", true),
            (&["::ffff:10.0.0.0/104"], "11.0.0.1", false),
            (&["10.0.0.0/8"], "11.0.0.1", false),
            (&["10.0.0.0/8"], "::1", false),
            (&["2001:db8::/32"], "2001:db8:1::1", true),
            (&["private"], "192.168.1.1", true),
            (&["private"], "8.8.8.8", false),
            (&["private", "8.8.8.0/24"], "8.8.8.8", true),
            (&["*"], "8.8.8.8", true),
            (&["*"], "2001:db8::1", true),
            (&["none"], "127.0.0.1", false),
        ] {
            assert_eq!(peers(list).has_peer(peer.parse().unwrap()), expected, "{list:?} {peer}");
        }
    }

    #[test]
    fn any_peer_does_not_make_any_address_a_hop() {
        for (list, hop, expected) in [
            (&["*"][..], "10.0.0.1", true),
            (&["*"], "8.8.8.8", false),
            (&["*", "8.8.8.0/24"], "8.8.8.8", true),
            (&["private"], "10.0.0.1", true),
            (&["10.0.0.1"], "10.0.0.2", false),
        ] {
            assert_eq!(peers(list).has_hop(hop.parse().unwrap()), expected, "{list:?} {hop}");
        }
    }

    #[test]
    fn private_is_what_no_router_of_the_internet_carries() {
        for (address, expected) in [
            ("127.0.0.1", true),
            ("10.0.0.0", true),
            ("172.16.0.1", true),
            ("172.32.0.1", false),
            ("192.168.255.255", true),
            ("169.254.1.1", true),
            ("100.63.255.255", false),
            ("100.64.0.0", true),
            ("100.127.255.255", true),
            ("100.128.0.0", false),
            ("0.0.0.0", false),
            ("::1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("2001:db8::1", false),
            ("::ffff:10.0.0.1", true),
        ] {
            assert_eq!(is_private(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            " ",
            "localhost",
            "10.0.0.0/33",
            "10.0.0.0/",
            "010.0.0.0/8",
            "10.0.0",
            "10.0.0.1:80",
            "[::1]",
            "public",
            "**",
        ] {
            let refusal = trusted(text).unwrap_err();
            assert!(refusal.starts_with("wants addresses") && refusal.ends_with(&format!("not `{text}`")), "{refusal}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[0-9a-f:./* ]{0,30}|.*") {
            drop(trusted(&text));
        }
    }
}
