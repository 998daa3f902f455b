//! The response headers by which an application speaks to its server, as to nginx: `X-Accel-…`, and `X-Sendfile`.
//!
//! `start_response` shows every header to [`Accel`]; what it takes is for the server, and no client sees it.

use super::start_response::latin_1;
use crate::exchange::FileName;

/// What an application says to the server with one response.
#[derive(Debug, Default)]
pub struct Accel {
    /// The file to answer with.
    pub file: Option<FileName>,
    /// The client is to be waited for: nothing is kept for it beyond a little (`X-Accel-Buffering: no`).
    pub unbuffered: bool,
}

impl Accel {
    /// Takes the header if it is one for the server: `name` in lower case. Files only where they may be named
    /// (`--accel`); elsewhere these headers go on, to whoever in front understands them.
    pub fn take(&mut self, name: &str, value: &str, may_name_files: bool) -> bool {
        match name {
            "x-accel-buffering" => {
                self.unbuffered = value.trim().eq_ignore_ascii_case("no");
                // A proxy in front should not buffer either.
                return false;
            }
            _ if !may_name_files => return false,
            // As in nginx, the first of two counts; and it knows no X-Sendfile.
            "x-accel-redirect" => {
                if !matches!(self.file, Some(FileName::Uri(_))) {
                    self.file = Some(FileName::Uri(text(value)));
                }
            }
            "x-sendfile" => {
                self.file.get_or_insert_with(|| FileName::Path(text(value)));
            }
            other => return other.starts_with("x-accel-"),
        }
        true
    }
}

/// The text of a value that never leaves this server: UTF-8 in the guise of latin-1, as PEP 3333 ("Unicode Issues") wants
/// it, or plain text, of which frameworks make file names.
fn text(value: &str) -> String {
    latin_1(value).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(headers: &[(&str, &str)], may_name_files: bool) -> (Accel, usize) {
        let mut accel = Accel::default();
        let taken = headers.iter().filter(|(name, value)| accel.take(name, value, may_name_files)).count();
        (accel, taken)
    }

    #[test]
    fn files_are_named_only_where_they_may_be() {
        let all = [("x-accel-redirect", "/p/a"), ("x-sendfile", "/srv/b"), ("x-accel-expires", "60"), ("x-other", "1")];
        let (accel, taken) = heard(&all, false);
        assert_eq!((accel.file, taken), (None, 0));
        let (accel, taken) = heard(&all, true);
        assert_eq!((accel.file, taken), (Some(FileName::Uri("/p/a".into())), 3));
        let (accel, _) = heard(&[("x-sendfile", "b"), ("x-accel-redirect", "/a"), ("x-accel-redirect", "/c")], true);
        assert_eq!(accel.file, Some(FileName::Uri("/a".into())));
    }

    #[test]
    fn names_are_utf_8_however_they_were_put_into_a_header() {
        for (value, expected) in
            [("a b%20", "a b%20"), ("caf\u{c3}\u{a9}", "café"), ("caf\u{e9}", "café"), ("\u{6587}", "文"), ("", "")]
        {
            assert_eq!(text(value), expected);
        }
    }

    #[test]
    fn buffering_is_switched_off_by_no_alone() {
        for (value, unbuffered) in [("no", true), (" No ", true), ("yes", false), ("off", false), ("", false)] {
            let (accel, taken) = heard(&[("x-accel-buffering", value)], false);
            assert_eq!((accel.unbuffered, taken), (unbuffered, 0), "{value}");
        }
    }
}
