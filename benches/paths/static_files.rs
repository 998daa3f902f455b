//! A static file from its path to its answer: look-up, choice of a coding, preconditions, headers.

use std::time::Duration;

use http::header::{ACCEPT_ENCODING, ETAG, IF_NONE_MATCH, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use monopod::config::Found;
use monopod::config::settings::{Mount, StaticFiles as Settings};
use monopod::static_files::{HeadersFile, Mode, StaticFiles, compress};

use crate::Part;

fn served() -> StaticFiles {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..200 {
        let rules = format!(".card-{number} {{ margin: {number}px; color: #123456; background: #654321; }}\n");
        std::fs::write(directory.path().join(format!("site-{number}.css")), rules.repeat(20)).unwrap();
    }
    compress(&[directory.path().to_owned()], Mode::Write, &|_| std::ops::ControlFlow::Continue(())).unwrap();
    let settings = Settings {
        mounts: vec![Mount { url: "/static/".to_owned(), dir: directory.path().to_owned() }],
        spa: false,
        media: vec![],
        accel: vec![],
        max_age: Duration::from_mins(1),
        headers_file: None,
        memory: 64 << 20,
    };
    // All of it is in memory from here on.
    StaticFiles::open(&settings, &Found::default(), &HeadersFile::open(&settings).unwrap(), "")
}

fn headers<const N: usize>(fields: [(HeaderName, &str); N]) -> HeaderMap {
    fields.into_iter().map(|(name, value)| (name, HeaderValue::from_str(value).unwrap())).collect()
}

pub fn parts() -> Vec<Part<'static>> {
    let files: &'static StaticFiles = Box::leak(Box::new(served()));
    let path = "/static/site-100.css";
    let ask = move |name, path: &'static str, headers: HeaderMap, expected: Option<StatusCode>| {
        Part::new(name, move || {
            let answer = files.respond(&Method::GET, path, None, &headers);
            assert_eq!(answer.as_ref().map(http::Response::status), expected);
            answer
        })
    };
    let browser = headers([(ACCEPT_ENCODING, "gzip, deflate, br, zstd")]);
    let first = files.respond(&Method::GET, path, None, &browser).unwrap();
    let mut again = browser.clone();
    again.insert(IF_NONE_MATCH, first.headers()[ETAG].clone());
    vec![
        ask("static, not theirs", "/orders/2041", browser.clone(), None),
        ask("static, hit", path, browser, Some(StatusCode::OK)),
        ask("static, 304", path, again, Some(StatusCode::NOT_MODIFIED)),
        ask("static, range", path, headers([(RANGE, "bytes=100-199")]), Some(StatusCode::PARTIAL_CONTENT)),
    ]
}
