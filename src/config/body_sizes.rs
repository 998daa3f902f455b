//! How large a request body may be: `--max-body-size`, one size for all paths and others below prefixes.
//!
//! Prefixes are compared with PATH_INFO, the decoded path below `--root-path`, as the application is going to route by
//! that: no way of escaping a path gets it another limit. Pure.

use super::addresses::is_plain_path;
use super::values::{MIB, show_size, size, wants};

/// Bytes, where nothing is said of a path.
pub const DEFAULT: u64 = 100 * MIB;

/// One value of the option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodySize {
    /// Where it holds: empty for all paths, or `/prefix` without a trailing slash.
    prefix: String,
    /// Bytes at most; at least 1.
    size: u64,
}

/// The sizes by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodySizes {
    all: u64,
    /// The longest prefix first; no two are the same.
    below: Vec<BodySize>,
}

/// `SIZE` for all paths, or `/PREFIX=SIZE` for those at and below one.
///
/// # Errors
/// No size, or a prefix that is `/` alone, relative, or has empty, dotted or escaped segments.
pub fn body_size(text: &str) -> Result<BodySize, String> {
    let given = text.trim();
    if !given.starts_with('/') {
        return Ok(BodySize { prefix: String::new(), size: size(text)? });
    }
    let parsed = given.rsplit_once('=').filter(|(prefix, _)| is_plain_path(prefix));
    let Some((prefix, size_of)) = parsed else {
        return Err(wants("a size, or /PREFIX=SIZE with a plain URL path below `/`, such as `/upload=1g`", text));
    };
    Ok(BodySize { prefix: prefix.trim_end_matches('/').to_owned(), size: size(size_of)? })
}

impl BodySizes {
    /// Of several values for all paths, or for one prefix, the last counts.
    #[must_use]
    pub fn new(given: &[BodySize]) -> Self {
        let mut sizes = Self { all: DEFAULT, below: Vec::new() };
        for BodySize { prefix, size } in given {
            if prefix.is_empty() {
                sizes.all = *size;
            } else if let Some(known) = sizes.below.iter_mut().find(|known| known.prefix == *prefix) {
                known.size = *size;
            } else {
                sizes.below.push(BodySize { prefix: prefix.clone(), size: *size });
            }
        }
        sizes.below.sort_by_key(|below| std::cmp::Reverse(below.prefix.len()));
        sizes
    }

    /// Bytes at most for a request to `path_info`: what the longest prefix says that ends where a segment does.
    #[must_use]
    pub fn at(&self, path_info: &[u8]) -> u64 {
        let covers = |below: &&BodySize| {
            path_info
                .strip_prefix(below.prefix.as_bytes())
                .is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
        };
        self.below.iter().find(covers).map_or(self.all, |below| below.size)
    }

    /// As the option takes them, the one for all paths first.
    #[must_use]
    pub fn shown(&self) -> Vec<String> {
        let below = self.below.iter().map(|below| format!("{}={}", below.prefix, show_size(below.size)));
        std::iter::once(show_size(self.all)).chain(below).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(list: &[&str]) -> BodySizes {
        BodySizes::new(&list.iter().map(|text| body_size(text).unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn the_longest_prefix_counts_at_segments() {
        let sizes = sizes(&["1m", "/up=10", "/up/big/=30", "/up/big=20", "/caf\u{e9}=5"]);
        for (path, expected) in [
            ("", MIB),
            ("/", MIB),
            ("*", MIB),
            ("/up", 10),
            ("/up/", 10),
            ("/up/x", 10),
            ("/upper", MIB),
            ("/Up", MIB),
            ("/x/up", MIB),
            ("//up", MIB),
            ("/up/bigger", 10),
            ("/up/big", 20),
            ("/up/big/x", 20),
            ("/caf\u{e9}/x", 5),
        ] {
            assert_eq!(sizes.at(path.as_bytes()), expected, "{path}");
        }
        assert_eq!(sizes.at(b"/up\xff"), MIB);
        assert_eq!(sizes.shown()[..2], ["1m", "/up/big=20"]);
    }

    #[test]
    fn of_the_same_the_last_counts_and_the_rest_has_the_default() {
        assert_eq!(sizes(&["1", "2"]).at(b"/"), 2);
        assert_eq!(sizes(&["/a=1", "/a/=2"]).shown(), ["100m", "/a=2"]);
        assert_eq!(BodySizes::new(&[]).shown(), ["100m"]);
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["/=1m", "/", "/a", "//a=1m", "/a/../b=1", "/a%2fb=1", "/a b=1", "/a?b=1", "=1m"] {
            let refusal = body_size(text).unwrap_err();
            assert!(refusal.starts_with("wants a size") && refusal.ends_with(&format!("not `{text}`")), "{refusal}");
        }
        for text in ["/a=", "/a=0", "/a=x", "a=1", "0", ""] {
            assert!(body_size(text).unwrap_err().starts_with("wants a size of at least one byte"), "{text}");
        }
        assert_eq!(body_size(" /a=b=1k ").unwrap(), BodySize { prefix: "/a=b".into(), size: 1024 });
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_reads_back(text in "(/[a-c]{1,2}){0,3}=?[0-9]{1,3}[km]?") {
            if let Ok(given) = body_size(&text) {
                let sizes = BodySizes::new(&[given]);
                let again: Vec<BodySize> = sizes.shown().iter().map(|text| body_size(text).unwrap()).collect();
                proptest::prop_assert_eq!(BodySizes::new(&again), sizes);
            }
        }
    }
}
