//! RFC 9110 §13 on its own.

use std::time::{Duration, SystemTime};

use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method};
use monopod::semantics::etag::EntityTag;
use monopod::semantics::preconditions::{LastModified, Verdict, evaluate};

use crate::Part;

pub fn parts() -> Vec<Part<'static>> {
    let modified = LastModified::new(SystemTime::UNIX_EPOCH + Duration::from_hours(480_000)).unwrap();
    let part = |name, headers: HeaderMap, expected: Verdict| {
        let tag = EntityTag::from_digest(7).unwrap();
        Part::new(name, move || {
            let verdict = evaluate(&Method::GET, &headers, &tag, Some(modified));
            assert_eq!(verdict, expected);
            verdict
        })
    };
    let tag = EntityTag::from_digest(7).unwrap().value().to_str().unwrap().to_owned();
    let list = format!("\"one\", W/\"two\", {tag}");
    let with = |name, value: HeaderValue| HeaderMap::from_iter([(name, value)]);
    vec![
        part("preconditions, none", HeaderMap::new(), Verdict::Proceed),
        part("preconditions, a list of tags", with(IF_NONE_MATCH, list.parse().unwrap()), Verdict::NotModified),
        part("preconditions, a date", with(IF_MODIFIED_SINCE, modified.value().unwrap()), Verdict::NotModified),
    ]
}
