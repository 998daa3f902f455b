use super::rfc7239::{Identifier, identifier};
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
    for (text, expected) in [("443", "443"), ("80, 8443", "8443"), ("0", "-"), ("70000", "-"), ("+1", "-"), ("", "-")] {
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
