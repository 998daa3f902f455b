//! 206 and 416.

use super::*;

fn digits(length: usize) -> Vec<u8> {
    b"0123456789".iter().copied().cycle().take(length).collect()
}

#[tokio::test]
async fn single_ranges_from_memory_and_from_disk() {
    let all = digits(700_000);
    let site = Site::new(&[("a.bin", &all)]);
    for memory in [1 << 20, 0] {
        let files = site.open_with(memory);
        for (range, content_range, expected) in [
            ("bytes=0-0", "bytes 0-0/700000", &all[..1]),
            ("bytes=10-", "bytes 10-699999/700000", &all[10..]),
            ("bytes=-1", "bytes 699999-699999/700000", &all[699_999..]),
            ("bytes=5-999999999", "bytes 5-699999/700000", &all[5..]),
            ("bytes=0-9,5-19", "bytes 0-19/700000", &all[..20]),
        ] {
            let response = get(&files, "/static/a.bin", &[("range", range)]);
            assert_eq!(response.status(), 206, "{range}");
            assert_eq!(header(&response, "content-range"), content_range);
            assert_eq!(header(&response, "last-modified"), LAST_MODIFIED);
            assert_eq!(bytes(response).await, expected);
        }
        let response = get(&files, "/static/a.bin", &[("range", "bytes=700000-")]);
        assert_eq!((response.status().as_u16(), header(&response, "content-range")), (416, "bytes */700000"));
        assert_eq!(bytes(response).await, "416 Range Not Satisfiable\n");
        for ignored in ["bytes=5-4", "lines=1-2", "bytes=x"] {
            assert_eq!(get(&files, "/static/a.bin", &[("range", ignored)]).status(), 200);
        }
        assert_eq!(get(&files, "/static/a.bin", &[("range", "bytes=0-0"), ("range", "bytes=1-1")]).status(), 200);
    }
}

#[tokio::test]
async fn multiple_ranges_are_multipart() {
    let site = Site::new(&[("a.txt", &digits(100))]);
    for memory in [1 << 20, 0] {
        let files = site.open_with(memory);
        let response = get(&files, "/static/a.txt", &[("range", "bytes=50-52,0-1,-1")]);
        assert_eq!(response.status(), 206);
        // RFC 9110 §15.3.7.2: not in the header of a multipart answer.
        assert_eq!(header(&response, "content-range"), "");
        let boundary =
            header(&response, "content-type").strip_prefix("multipart/byteranges; boundary=").unwrap().to_owned();
        let part = |range: &str, bytes: &str| {
            format!(
                "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes {range}/100\r\n\r\n{bytes}\r\n"
            )
        };
        let expected =
            [part("50-52", "012"), part("0-1", "01"), part("99-99", "9"), format!("--{boundary}--\r\n")].concat();
        assert_eq!(bytes(response).await, expected);

        let flood = format!("bytes={}", vec!["0-0"; 17].join(","));
        assert_eq!(get(&files, "/static/a.txt", &[("range", &flood)]).status(), 200);
    }
}

#[tokio::test]
async fn ranges_are_of_the_variant() {
    let site = Site::new(&[("a.css", &digits(100)), ("a.css.br", b"brotli")]);
    let response = get(&site.open(), "/static/a.css", &[("accept-encoding", "br"), ("range", "bytes=2-3")]);
    assert_eq!(header(&response, "content-range"), "bytes 2-3/6");
    assert_eq!(header(&response, "content-encoding"), "br");
    assert_eq!(header(&response, "vary"), "Accept-Encoding");
    assert_eq!(bytes(response).await, "ot");
}

#[test]
fn if_range() {
    let site = Site::new(&[("one.css", &digits(9)), ("two.css", &digits(9)), ("two.css.br", b"brotli")]);
    let files = site.open();
    let etag = header(&get(&files, "/static/one.css", &[]), "etag").to_owned();
    let weak = format!("W/{etag}");
    for (path, condition, expected) in [
        ("one", etag.as_str(), 206),
        ("two", &etag, 206),
        ("one", &weak, 200),
        ("one", "\"x\"", 200),
        ("one", LAST_MODIFIED, 206),
        ("one", "Tue, 14 Nov 2023 22:13:21 GMT", 200),
        // The date is the same for both variants, so it does not say which of them the client has a part of.
        ("two", LAST_MODIFIED, 200),
    ] {
        let response = get(&files, &format!("/static/{path}.css"), &[("range", "bytes=0-0"), ("if-range", condition)]);
        assert_eq!(response.status(), expected, "{path} {condition}");
    }
    let other = [("accept-encoding", "br"), ("range", "bytes=0-0"), ("if-range", etag.as_str())];
    assert_eq!(get(&files, "/static/two.css", &other).status(), 200, "the tag of another variant");
}
