//! The environ of a request (PEP 3333), built with the GIL held.

use std::net::Ipv4Addr;
use std::sync::Arc;

use http::Request;
use monopod::exchange::{Client, RequestHead, RequestId};
use monopod::wsgi::environ::EnvironFactory;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::{Part, guard};

/// The head as hyper would give it; it begins with GET and has one line a header.
fn head(message: &[u8]) -> RequestHead {
    let text = std::str::from_utf8(message).unwrap();
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let target = lines.next().unwrap().split(' ').nth(1).unwrap();
    let request = lines.fold(Request::get(target), |request, line| {
        let (name, value) = line.split_once(": ").unwrap();
        request.header(name, value)
    });
    let client = Client::tcp((Ipv4Addr::new(203, 0, 113, 7), 5).into(), (Ipv4Addr::new(10, 0, 0, 9), 8000).into());
    let parts = request.body(()).unwrap().into_parts().0;
    RequestHead { parts, client: Arc::new(client), id: RequestId::default() }
}

pub fn parts(py: Python<'_>) -> Vec<Part<'_>> {
    let build = |name, message: &[u8]| {
        // As many entries as the pool's has, which no request changes.
        let template = PyDict::new(py);
        for key in ["wsgi.errors", "wsgi.file_wrapper", "wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once"] {
            template.set_item(key, true).unwrap();
        }
        template.set_item("wsgi.version", (1, 0)).unwrap();
        template.set_item("wsgi.url_scheme", "http").unwrap();
        template.set_item("wsgi.input_terminated", true).unwrap();
        let factory = EnvironFactory::new(py, &template, "", Arc::default()).unwrap();
        let head = head(message);
        let input = py.None().into_bound(py);
        Part::new(name, move || factory.build(py, &head, 0, &input, &input).unwrap())
    };
    vec![
        build("environ, one header", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        build("environ, browser's head", guard::BROWSER),
    ]
}
