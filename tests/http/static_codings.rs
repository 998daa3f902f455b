//! Of a file's compressed siblings the one that the client likes best is sent (RFC 9110 §12.5.3).

use crate::static_site::{Site, attack, get};

#[test]
fn weights() {
    let site = Site::new();
    for (name, siblings) in [("all", &["br", "zst", "gz"][..]), ("gzip", &["gz"]), ("none", &[])] {
        site.write(&format!("static/{name}.txt"), "identity");
        for suffix in siblings {
            site.write(&format!("static/{name}.txt.{suffix}"), suffix);
        }
    }
    let server = site.serve();
    for (accepted, all, gzip) in [
        ("br;q=0.5, gzip;q=1", "gz", "gz"),
        ("br;q=0.5,gzip;q=0.5,zstd;q=0.501", "zst", "gz"),
        ("gzip;q=0.001, br;q=0.000", "gz", "gz"),
        ("identity;q=0, br", "br", "identity"),
        ("identity;q=0, *", "br", "gz"),
        ("identity;q=0.9, gzip;q=0.8", "identity", "identity"),
        ("*;q=0, gzip", "gz", "gz"),
        ("*;q=0, zstd;q=0.1", "zst", "identity"),
        ("br;q=0, *;q=0.1", "zst", "gz"),
        ("gzip\r\nAccept-Encoding: br", "br", "gz"),
        ("GZIP;Q=1 , x-gzip ; q=0.1", "gz", "gz"),
        // Nothing acceptable is left: RFC 9110 §12.5.3 lets a server send what was not asked for.
        ("identity;q=0", "identity", "identity"),
        ("*;q=0", "identity", "identity"),
        ("identity;q=0, *;q=0", "identity", "identity"),
        ("br;q=0, zstd;q=0, gzip;q=0, identity;q=0", "identity", "identity"),
        // Elements that are none.
        ("br;q=1.5, gzip;q=nan, zstd;q=-1", "identity", "identity"),
        ("br;q=, gzip;q, zstd;q=0.1234", "identity", "identity"),
        (", ;q=1, ;;, gzip", "gz", "gz"),
    ] {
        for (name, expected) in [("all", all), ("gzip", gzip), ("none", "identity")] {
            let path = format!("/static/{name}.txt");
            let answer = attack(&server, get(&path, &format!("Accept-Encoding: {accepted}\r\n")));
            let coding = match expected {
                "zst" => Some("zstd"),
                "gz" => Some("gzip"),
                "identity" => None,
                other => Some(other),
            };
            let what = format!("{name} for {accepted:?}");
            assert_eq!((answer.status, answer.body.as_str()), (200, expected), "{what}");
            assert_eq!(answer.header("content-encoding"), coding, "{what}");
            assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{what}");
            let vary = if name == "none" { None } else { Some("accept-encoding") };
            assert_eq!(answer.header("vary").map(str::to_ascii_lowercase).as_deref(), vary, "{what}");
        }
    }
}
