//! The parsers of places: addresses to listen on, static mounts, URL prefixes.
//!
//! Like those in `values`, they run for a flag, an environment variable and a file key alike, and look at nothing but
//! the text: no name is resolved and no directory opened.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use super::settings::{AdminBind, Bind, Mount};
use super::values::wants;

/// The port of an address given without one, as gunicorn has it.
const DEFAULT_PORT: u16 = 8000;
/// The same for the admin port, and its port in a container.
pub const ADMIN_PORT: u16 = 9191;

/// An address to listen on: `HOST:PORT`, `[V6]:PORT`, `:PORT` or `PORT` (both on 0.0.0.0), `unix:PATH`, `fd://N`.
/// An IP address or `localhost` alone gets port 8000.
///
/// # Errors
/// Anything else, with the forms it takes.
pub fn bind(text: &str) -> Result<Bind, String> {
    let forms = "an address such as `127.0.0.1:8000`, `[::1]:8000`, `:8000`, `unix:/run/app.sock` or `fd://3`";
    address(text, DEFAULT_PORT).ok_or_else(|| wants(forms, text))
}

/// An address as of [`bind`], but with port 9191 where none is given, or `none`.
///
/// # Errors
/// Anything else, with the forms it takes.
pub fn admin_bind(text: &str) -> Result<AdminBind, String> {
    if text.trim().eq_ignore_ascii_case("none") {
        return Ok(AdminBind(None));
    }
    let forms = "`none`, or an address such as `127.0.0.1:9191`, `:9191` or `unix:/run/admin.sock`";
    address(text, ADMIN_PORT).map(|bind| AdminBind(Some(bind))).ok_or_else(|| wants(forms, text))
}

fn address(text: &str, default_port: u16) -> Option<Bind> {
    let given = text.trim();
    if let Some(path) = given.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        (!path.is_empty()).then(|| Bind::Unix(path.into()))
    } else if let Some(number) = given.strip_prefix("fd://") {
        // 0, 1 and 2 are the standard streams.
        number.parse().ok().filter(|fd| *fd > 2).map(Bind::Fd)
    } else {
        tcp(given.strip_prefix("tcp://").unwrap_or(given), default_port)
    }
}

fn tcp(text: &str, default_port: u16) -> Option<Bind> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let address = host.split_once('%').map_or(host, |(address, _zone)| address);
        address.parse::<Ipv6Addr>().ok()?;
        let port = if port.is_empty() { default_port } else { self::port(port.strip_prefix(':')?)? };
        return Some(Bind::Tcp(host.to_owned(), port));
    }
    if let Some(port) = self::port(text) {
        return Some(Bind::Tcp("0.0.0.0".to_owned(), port));
    }
    let Some((host, port)) = text.split_once(':') else {
        let alone = text == "localhost" || text.parse::<Ipv4Addr>().is_ok();
        return alone.then(|| Bind::Tcp(text.to_owned(), default_port));
    };
    let port = self::port(port)?;
    if host.is_empty() {
        return Some(Bind::Tcp("0.0.0.0".to_owned(), port));
    }
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    host.chars().all(name).then(|| Bind::Tcp(host.to_owned(), port))
}

/// A TCP port of plain digits; `str::parse` alone would take a sign.
fn port(text: &str) -> Option<u16> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Whether `path` is a plain absolute URL path: no empty, `.` or `..` segment and nothing that would need escaping.
pub(super) fn is_plain_path(path: &str) -> bool {
    let inside = path.strip_prefix('/').map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    inside.is_some_and(|inside| inside.split('/').all(|segment| !matches!(segment, "" | "." | "..")))
        && !path.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, '?' | '#' | '%' | '\\'))
}

/// A static mount: `/URL=DIR`. The URL gets its trailing slash.
///
/// # Errors
/// No `=`, no directory, or a URL that is `/` alone, relative, or has empty, dotted or escaped segments.
pub fn mount(text: &str) -> Result<Mount, String> {
    let parsed = text.split_once('=').filter(|(url, dir)| is_plain_path(url) && !dir.trim().is_empty());
    match parsed {
        Some((url, dir)) => Ok(Mount { url: format!("{}/", url.trim_end_matches('/')), dir: PathBuf::from(dir) }),
        None => Err(wants("/URL=DIR with a plain URL path below `/`, such as `/static=./static`", text)),
    }
}

/// The exact path of a probe.
///
/// # Errors
/// `/` alone, which is the application's, and what [`root_path`] refuses.
pub fn health_path(text: &str) -> Result<String, String> {
    if is_plain_path(text) { Ok(text.to_owned()) } else { Err(wants("a plain URL path such as `/healthz`", text)) }
}

/// A URL prefix: empty for none, else with a leading and without a trailing slash.
///
/// # Errors
/// Empty, dotted or escaped segments, a query or a fragment.
pub fn root_path(text: &str) -> Result<String, String> {
    let inside = text.trim().trim_matches('/');
    if inside.is_empty() {
        return Ok(String::new());
    }
    let path = format!("/{inside}");
    if is_plain_path(&path) { Ok(path) } else { Err(wants("a plain URL path such as `/app`", text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bind_takes_every_form_of_an_address() {
        let tcp = |host: &str, port| Bind::Tcp(host.to_owned(), port);
        for (text, expected) in [
            ("127.0.0.1:8000", tcp("127.0.0.1", 8000)),
            (" 127.0.0.1:0 ", tcp("127.0.0.1", 0)),
            ("tcp://app_1.example-x.org:80", tcp("app_1.example-x.org", 80)),
            ("[::1]:65535", tcp("::1", 65535)),
            ("[::]", tcp("::", 8000)),
            ("[fe80::1%eth0]:80", tcp("fe80::1%eth0", 80)),
            (":80", tcp("0.0.0.0", 80)),
            ("80", tcp("0.0.0.0", 80)),
            ("localhost", tcp("localhost", 8000)),
            ("0.0.0.0", tcp("0.0.0.0", 8000)),
            ("unix:app.sock", Bind::Unix("app.sock".into())),
            ("unix:/run/app.sock", Bind::Unix("/run/app.sock".into())),
            ("unix:///run/app.sock", Bind::Unix("/run/app.sock".into())),
            ("fd://3", Bind::Fd(3)),
        ] {
            assert_eq!(bind(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn bind_refuses_what_is_not_an_address() {
        let table = [
            "",
            ":",
            "host",
            "80o0",
            "host:",
            "host:http",
            "host:65536",
            "host:-1",
            "host:+1",
            "*:80",
            "a b:80",
            "::1",
            "::1:80",
            "[::1",
            "[::1]80",
            "[::1]:",
            "[host]:80",
            "unix:",
            "unix://",
            "fd://",
            "fd://0",
            "fd://x",
            "fd://-1",
            "http://host:80",
            "999999",
        ];
        for text in table {
            let refusal = bind(text).unwrap_err();
            assert!(refusal.contains("wants an address") && refusal.ends_with(&format!("not `{text}`")), "{refusal}");
        }
    }

    #[test]
    fn the_admin_port_is_an_address_or_none() {
        for (text, shown) in [
            ("none", "none"),
            (" None ", "none"),
            ("localhost", "localhost:9191"),
            ("[::1]", "[::1]:9191"),
            ("9000", "0.0.0.0:9000"),
            ("unix:/run/a", "unix:/run/a"),
            ("fd://3", "fd://3"),
        ] {
            assert_eq!(admin_bind(text).map(|bind| bind.to_string()).as_deref(), Ok(shown), "{text}");
        }
        for text in ["", "off", "host", "fd://0"] {
            assert!(admin_bind(text).unwrap_err().starts_with("wants `none`, or an address"), "{text}");
        }
    }

    #[test]
    fn a_health_path_is_exact_and_never_the_front_page() {
        for text in ["/healthz", "/a/b.c", "/up/"] {
            assert_eq!(health_path(text).as_deref(), Ok(text));
        }
        for text in ["", "/", "healthz", "//", "/a//b", "/a?b", "/..", "/a b", "/%61"] {
            assert!(health_path(text).unwrap_err().starts_with("wants a plain URL path"), "{text}");
        }
    }

    #[test]
    fn mount_splits_url_and_directory() {
        for (text, url, dir) in [
            ("/static=static", "/static/", "static"),
            ("/static/=/srv/static/", "/static/", "/srv/static/"),
            ("/a/b.c=a=b", "/a/b.c/", "a=b"),
        ] {
            assert_eq!(mount(text), Ok(Mount { url: url.into(), dir: dir.into() }), "{text}");
        }
        for text in [
            "",
            "/static",
            "static=dir",
            "/=dir",
            "//=dir",
            "/static=",
            "/static= ",
            "=dir",
            "/a//b=d",
            "/../a=d",
            "/a/./b=d",
            "/a b=d",
            "/a?b=d",
            "/%61=d",
            "/a\\b=d",
            "//a=d",
            "/a//=d",
        ] {
            assert!(mount(text).unwrap_err().starts_with("wants /URL=DIR"), "{text}");
        }
    }

    #[test]
    fn root_path_is_empty_or_a_prefix_without_trailing_slash() {
        for (text, expected) in [("", ""), ("/", ""), ("/app", "/app"), ("/app/", "/app"), ("a/b", "/a/b")] {
            assert_eq!(root_path(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["/a//b", "/..", "/a?b", "/a#", "/a b", "http://host/a"] {
            assert!(root_path(text).unwrap_err().starts_with("wants a plain URL path"), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_a_parser_panic_and_what_it_takes_it_takes_again(text in ".*") {
            if let Ok(address) = bind(&text) {
                proptest::prop_assert_eq!(bind(&address.to_string()), Ok(address));
            }
            if let Ok(prefix) = root_path(&text) {
                proptest::prop_assert_eq!(root_path(&prefix), Ok(prefix));
            }
            if let Ok(first) = mount(&text) {
                proptest::prop_assert_eq!(mount(&first.to_string()), Ok(first));
            }
        }

        #[test]
        fn tcp_addresses_round_trip(host in "[a-z][a-z0-9.-]{0,20}", port: u16) {
            proptest::prop_assert_eq!(bind(&format!("{host}:{port}")), Ok(Bind::Tcp(host, port)));
        }
    }
}
