//! A `Range` gets bytes of the file, in time, and never more of them than the file has (RFC 9110 §14).

use crate::server::Server;
use crate::static_site::{Site, assert_plain, attack, get};
use crate::wire::Answer;

/// Files of one byte, of usual sizes, and of more than is kept in memory.
const SIZES: [usize; 4] = [1, 1000, 20_000, 5_000_000];

/// Every byte tells where it was.
fn content(size: usize) -> String {
    let lines = (0..size.div_ceil(10)).map(|line| format!("{line:09}\n"));
    let mut content: String = lines.collect();
    content.truncate(size);
    content
}

fn serve() -> (Site, Server) {
    let site = Site::new();
    for size in SIZES {
        site.write(&format!("static/{size}.txt"), &content(size));
    }
    let server = site.serve();
    (site, server)
}

fn ask(server: &Server, size: usize, range: &str) -> Answer {
    attack(server, get(&format!("/static/{size}.txt"), &format!("Range: {range}\r\n")))
}

/// That an answer has the bytes of the file it says it has: all of them, or one part, or none of them. The status.
fn assert_true(answer: &Answer, size: usize) -> u16 {
    let content = content(size);
    match answer.status {
        200 => assert!(answer.body == content, "not the file"),
        206 => {
            let range = answer.header("content-range").expect("one part").strip_prefix("bytes ").unwrap();
            let (range, whole) = range.split_once('/').unwrap();
            let (first, last) = range.split_once('-').unwrap();
            assert_eq!(whole, size.to_string());
            assert!(answer.body == content[first.parse().unwrap()..=last.parse().unwrap()], "not {range}");
        }
        416 => {
            assert_eq!(answer.header("content-range"), Some(format!("bytes */{size}").as_str()));
            assert_eq!(answer.body, "416 Range Not Satisfiable\n");
        }
        other => panic!("{other}"),
    }
    answer.status
}

/// nginx added up the lengths of all ranges without looking for an overflow, took the negative sum for one that is less
/// than the file, and sent what its cache had before it, or memory.
#[test]
fn cve_2017_7529_the_sum_of_all_ranges_overflows() {
    let (_site, server) = serve();
    for size in SIZES {
        let longer = size + 600;
        // The first is of the attack as it was told: more than the file, and what makes 2^63 of it.
        let mut lists =
            vec![format!("-{longer},-{}", (1 << 63) - longer), format!("-{longer},-{}", u64::MAX - longer as u64 + 1)];
        for huge in [i64::MAX as u64, 1 << 63, u64::MAX - 1, u64::MAX] {
            lists.push(format!("-{huge}"));
            lists.push(format!("0-{huge}"));
            lists.push(vec![format!("-{huge}"); 16].join(","));
            lists.push(vec![format!("0-{huge}"); 16].join(","));
            lists.push(format!("0-{huge},-{huge},1-"));
        }
        lists.extend(
            ["-18446744073709551616", "0-18446744073709551616", "-99999999999999999999999999"].map(String::from),
        );
        for list in lists {
            let answer = ask(&server, size, &format!("bytes={list}"));
            assert_eq!(assert_true(&answer, size), 206, "{list}");
            assert!(answer.body.len() <= size);
        }
        // Past the end, and not by way of zero before it.
        for first in [i64::MAX as u64, 1 << 63, u64::MAX] {
            let list = format!("{first}-,{first}-{},{}-", u64::MAX, u128::from(u64::MAX) + 1);
            assert_eq!(assert_true(&ask(&server, size, &format!("bytes={list}")), size), 416);
        }
    }
}

/// Starlette merged ranges by comparing each with each, and looked for them by an expression that began anew at each
/// digit: one header kept it busy for seconds.
#[test]
fn cve_2025_62727_thousands_of_ranges_cost_no_more_than_their_bytes() {
    let (_site, server) = serve();
    let floods = [
        flood(|at| format!("{at}-{at}")),
        flood(|at| format!("{}-{}", 9999 - at, 9999 - at)),
        flood(|at| format!("{}-", 6_000_000 + at)),
        flood(|_| "0-".to_owned()),
        flood(|_| String::new()) + "0-0",
        "0".repeat(FLOOD),
        format!("0-{}", "9".repeat(FLOOD)),
    ];
    let mut conn = server.connect();
    let mut cpu_of = |name: &str, list: &str| {
        let before = server.cpu();
        for _ in 0..500 {
            conn.send(get("/static/20000.txt", &format!("{name}: bytes={list}\r\n")));
            assert_true(&conn.answer(), 20_000);
        }
        server.cpu() - before
    };
    for list in &floods {
        // The same bytes where they mean nothing tell how fast this machine is.
        let (usual, used) = (cpu_of("X-Range", list), cpu_of("Range", list));
        assert!(used < 10 + 3 * usual, "{used} hundredths of a second of CPU, not about {usual}: {list:.30}");
    }
    assert_plain(&mut conn);
}

/// Bytes in a list of ranges: somewhat less than a header may have.
const FLOOD: usize = 16_000;

/// As many ranges as there is room for.
fn flood(range: impl Fn(usize) -> String) -> String {
    let mut list = String::with_capacity(FLOOD);
    for at in 0.. {
        let range = range(at);
        if list.len() + range.len() >= FLOOD {
            break;
        }
        list.extend([&range, ","]);
    }
    list
}

#[test]
fn up_to_sixteen_ranges_are_parts_and_more_are_the_whole() {
    let (_site, server) = serve();
    for size in SIZES.into_iter().filter(|size| *size > 1) {
        let content = content(size);
        for count in [2, 15, 16, 17, 100] {
            // From the last to the first: the client's order is kept.
            let ranges: Vec<_> = (0..count).rev().map(|at| (at * 10, at * 10 + at % 10)).collect();
            let list: Vec<_> = ranges.iter().map(|(first, last)| format!("{first}-{last}")).collect();
            let answer = ask(&server, size, &format!("bytes={}", list.join(",")));
            if count > 16 {
                assert_eq!(assert_true(&answer, size), 200, "{count}");
                continue;
            }
            assert_eq!((answer.status, answer.header("content-range")), (206, None), "{count}");
            let parts: Vec<_> = ranges.iter().map(|&(first, last)| (first, last, &content[first..=last])).collect();
            assert_eq!(parts_of(&answer, size), parts);
        }
    }
}

/// RFC 9110 §14.6: the parts of a multipart answer, as they say where they are from.
fn parts_of(answer: &Answer, size: usize) -> Vec<(usize, usize, &str)> {
    let boundary = answer.header("content-type").unwrap().strip_prefix("multipart/byteranges; boundary=").unwrap();
    let body = answer.body.strip_suffix(&format!("\r\n--{boundary}--\r\n")).expect("the last boundary");
    // Each boundary but the first begins with the end of the part before.
    let parts = body.strip_prefix(&format!("--{boundary}\r\n")).expect("the first boundary");
    let boundary_between = format!("\r\n--{boundary}\r\n");
    let parts = parts.split(boundary_between.as_str()).map(|part| {
        let (head, content) = part.split_once("\r\n\r\n").unwrap();
        let range = head.strip_prefix("Content-Type: text/plain; charset=utf-8\r\nContent-Range: bytes ").unwrap();
        let (first, last) = range.strip_suffix(&format!("/{size}")).unwrap().split_once('-').unwrap();
        (first.parse().unwrap(), last.parse().unwrap(), content)
    });
    parts.collect()
}

#[test]
fn ranges_that_overlap_repeat_or_lie_beyond_the_end() {
    let (_site, server) = serve();
    for (list, status, content_range) in [
        ("0-9,5-19", 206, "bytes 0-19/1000"),
        ("5-19,0-9", 206, "bytes 0-19/1000"),
        ("0-,-1", 206, "bytes 0-999/1000"),
        ("7-7,7-7,7-7", 206, "bytes 7-7/1000"),
        ("-1,999-999,999-", 206, "bytes 999-999/1000"),
        ("-600,0-400,400-", 206, "bytes 0-999/1000"),
        ("1000-,0-0", 206, "bytes 0-0/1000"),
        ("0-0,1000-1001", 206, "bytes 0-0/1000"),
        ("999-1000", 206, "bytes 999-999/1000"),
        ("1000-", 416, "bytes */1000"),
        ("1000-1000,2000-,-0", 416, "bytes */1000"),
    ] {
        let answer = ask(&server, 1000, &format!("bytes={list}"));
        assert_eq!(assert_true(&answer, 1000), status, "{list}");
        assert_eq!(answer.header("content-range"), Some(content_range), "{list}");
    }
    // All of it asked for again and again is all of it once.
    for list in [vec!["0-"; 16].join(","), vec!["-1000"; 16].join(","), vec!["0-999"; 17].join(",")] {
        assert!(assert_true(&ask(&server, 1000, &format!("bytes={list}")), 1000) < 300, "{list}");
    }
}

#[test]
fn lists_that_are_none_are_ignored() {
    let (_site, server) = serve();
    for field in [
        "bytes=0-0,9-3",
        "bytes=0-0,x",
        "bytes=0x1-2",
        "bytes=+0-1",
        "bytes=0--1",
        "bytes=",
        "bytes=,",
        "bytes",
        "bytes 0-0",
        "other=0-0",
        // RFC 9110 §5.3: two fields are one list only where the definition says so.
        "bytes=0-0\r\nRange: bytes=1-1",
    ] {
        assert_eq!(assert_true(&ask(&server, 1000, field), 1000), 200, "{field}");
    }
}
