//! 304 and 412.

use super::*;

fn site() -> Site {
    Site::new(&[("a.css", b"body{}"), ("a.css.br", b"br"), ("a.woff2", b"f")])
}

#[test]
fn not_modified_repeats_what_caches_need_and_nothing_else() {
    let files = site().open();
    let fresh = get(&files, "/static/a.css", &[("accept-encoding", "br")]);
    let etag = header(&fresh, "etag").to_owned();
    for condition in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
        let response = get(&files, "/static/a.css", &[("accept-encoding", "br"), ("if-none-match", &condition)]);
        assert_eq!(response.status(), 304, "{condition}");
        assert!(response.body().is_end_stream());
        let mut names: Vec<_> = response.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["cache-control", "etag", "vary"]);
        for name in names {
            assert_eq!(response.headers()[name], fresh.headers()[name]);
        }
    }
    assert_eq!(get(&files, "/static/a.css", &[("if-none-match", &etag)]).status(), 200, "the tag of another variant");
}

#[test]
fn by_date_for_get_and_head() {
    let files = site().open();
    for (field, value, expected) in [
        ("if-modified-since", LAST_MODIFIED, 304),
        ("if-modified-since", "Tue, 14 Nov 2023 22:13:19 GMT", 200),
        ("if-modified-since", "nonsense", 200),
        ("if-unmodified-since", LAST_MODIFIED, 200),
        ("if-unmodified-since", "Tue, 14 Nov 2023 22:13:19 GMT", 412),
        ("if-match", "\"x\"", 412),
        ("if-match", "*", 200),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let response = request(&files, &method, "/static/a.css", &[(field, value)]).unwrap();
            assert_eq!(response.status(), expected, "{method} {field}: {value}");
            if expected != 200 && method == Method::HEAD {
                assert!(response.body().is_end_stream());
            }
        }
    }
    let both = [("if-none-match", "\"x\""), ("if-modified-since", LAST_MODIFIED)];
    assert_eq!(get(&files, "/static/a.css", &both).status(), 200);
}

#[test]
fn preconditions_come_before_ranges() {
    let files = site().open();
    let etag = header(&get(&files, "/static/a.css", &[]), "etag").to_owned();
    assert_eq!(get(&files, "/static/a.css", &[("if-none-match", &etag), ("range", "bytes=0-0")]).status(), 304);
    assert_eq!(get(&files, "/static/a.css", &[("if-match", "\"x\""), ("range", "bytes=100-")]).status(), 412);
}
