//! The framing guard: every byte that a client sends passes it before hyper sees it.

use monopod::net::guard::{Framer, HeadLimits};

use crate::Part;

const LIMITS: HeadLimits = HeadLimits { request_line: 8192, header: 16384, headers: 65536, count: 100 };

/// What curl or a load generator sends.
const SHORT: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n";

/// What a browser sends through an ingress.
pub const BROWSER: &[u8] = b"GET /orders/2041?page=3&sort=date HTTP/1.1\r\n\
    Host: shop.example.com\r\n\
    Connection: keep-alive\r\n\
    X-Request-ID: 4b1e7cc1d1f8b0a2b7f2c0f6a5a1b3e9\r\n\
    X-Forwarded-For: 203.0.113.7\r\n\
    X-Forwarded-Host: shop.example.com\r\n\
    X-Forwarded-Proto: https\r\n\
    Cache-Control: max-age=0\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
    Referer: https://shop.example.com/orders?page=2\r\n\
    Cookie: sessionid=8gq2m2kx1v0b7c6d5e4f3a2b1c0d9e8f; csrftoken=Zr4u7x1A2s5D8f1G4h7J0k3L6z9X2c5V\r\n\
    \r\n";

/// 4 KiB in chunks of 256 bytes.
fn chunked() -> Vec<u8> {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = [b"100\r\n".as_slice(), &[b'x'; 256], b"\r\n"].concat();
    [head.as_slice(), &chunk.repeat(16), b"0\r\n\r\n"].concat()
}

pub fn parts() -> Vec<Part<'static>> {
    // The framer of a connection goes on from message to message.
    let follow = |name, message: Vec<u8>| {
        let mut framer = Framer::new(LIMITS);
        Part::new(name, move || {
            let verdict = framer.check(&message);
            assert_eq!((verdict.pass, verdict.heads), (message.len(), 1));
            verdict
        })
    };
    vec![
        follow("guard, short head", SHORT.to_vec()),
        follow("guard, browser's head", BROWSER.to_vec()),
        follow("guard, chunked body of 4 KiB", chunked()),
    ]
}
