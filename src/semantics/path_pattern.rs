//! Patterns of URL paths as Netlify and Cloudflare Pages write them: `/assets/*`, `/docs/:page.html`.
//!
//! Called by `header_rules`. A pattern is compared with a decoded path, in time bounded by the product of their lengths,
//! whatever the two are: every position of the pattern that can be reached is followed at once, and nothing is tried
//! twice. Pure.

use super::path::{PathError, decode};

/// Longest pattern in bytes.
const LONGEST: usize = 2000;

/// The name by which Cloudflare refers to what `*` stands for.
const SPLAT: &str = "splat";

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    /// What stands before the first wildcard: all of it, where there is none.
    prefix: Box<str>,
    /// From the first wildcard to the last.
    middle: Box<[Element]>,
    /// What stands after the last wildcard.
    suffix: Box<str>,
    /// The names of its wildcards.
    names: Box<[Box<str>]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    Byte(u8),
    /// `*`: any characters, `/` among them, or none.
    Splat,
    /// `:name`: one character or more that is no `/`.
    Placeholder,
}

/// Why a text is no pattern. `Display` says what to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// It does not begin with `/`.
    Relative,
    /// It begins with `//` or a scheme.
    Host,
    /// It has a query or a fragment.
    MoreThanAPath,
    /// It has a space.
    Space,
    /// It has another control character.
    Control,
    /// It has a bad percent escape.
    Escape(PathError),
    /// It is too long.
    TooLong,
}

impl std::fmt::Display for PatternError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Relative => f.write_str("a path begins with `/`"),
            Self::Host => f.write_str("rules for one host are not supported: write the path alone, such as `/assets/*`"),
            Self::MoreThanAPath => f.write_str(
                "paths are compared without query or fragment: remove it; in the name of a file write %3F for `?` and %23 \
                 for `#`",
            ),
            Self::Space => {
                f.write_str("a path has no space (in the name of a file write %20), and comments have lines of their own")
            }
            Self::Control => f.write_str("the path has a control character: remove it"),
            Self::Escape(PathError::BadEscape) => {
                f.write_str("`%` begins an escape of two hex digits: write %25 for the sign itself")
            }
            Self::Escape(PathError::ForbiddenEscape) => {
                f.write_str("no file has an escaped separator or control character in its path: write it plainly")
            }
            Self::Escape(PathError::NotUtf8) => f.write_str("the escapes of the path are not UTF-8: correct them"),
            Self::TooLong => write!(f, "the path has more than {LONGEST} bytes: shorten it with `*`"),
        }
    }
}

impl PathPattern {
    /// Reads a pattern. `*` may stand anywhere and more than once; a placeholder is `:`, a letter, and letters, digits and
    /// underscores; other colons are themselves. Percent escapes are decoded, and `%2A` and `%3A` are the plain characters.
    ///
    /// # Errors
    /// What cannot be a pattern, or could never match a path.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > LONGEST {
            return Err(PatternError::TooLong);
        }
        if text.starts_with("//") {
            return Err(PatternError::Host);
        }
        if !text.starts_with('/') {
            return Err(if text.contains("://") { PatternError::Host } else { PatternError::Relative });
        }
        for c in text.chars() {
            match c {
                '?' | '#' => return Err(PatternError::MoreThanAPath),
                c if c.is_whitespace() => return Err(PatternError::Space),
                c if c.is_control() => return Err(PatternError::Control),
                _ => {}
            }
        }

        let (mut elements, mut names, mut rest) = (Vec::new(), Vec::new(), text);
        while !rest.is_empty() {
            let (literal, wildcard, behind) = next_wildcard(rest);
            let literal = decode(literal).map_err(PatternError::Escape)?;
            elements.extend(literal.bytes().map(Element::Byte));
            match wildcard {
                Some(SPLAT) if elements.last() == Some(&Element::Splat) => {}
                Some(SPLAT) => {
                    elements.push(Element::Splat);
                    names.push(SPLAT.into());
                }
                Some(name) => {
                    elements.push(Element::Placeholder);
                    names.push(name.into());
                }
                None => {}
            }
            rest = behind;
        }
        Ok(Self::new(&elements, names.into()))
    }

    fn new(elements: &[Element], names: Box<[Box<str>]>) -> Self {
        let is_wildcard = |element: &Element| !matches!(element, Element::Byte(_));
        let first = elements.iter().position(is_wildcard).unwrap_or(elements.len());
        let last = elements.iter().rposition(is_wildcard).map_or(first, |last| last + 1);
        let text = |elements: &[Element]| {
            let byte = |element: &Element| if let Element::Byte(byte) = element { Some(*byte) } else { None };
            let bytes: Vec<u8> = elements.iter().filter_map(byte).collect();
            // Wildcards are ASCII, so they do not part a character.
            String::from_utf8_lossy(&bytes).into()
        };
        Self {
            prefix: text(&elements[..first]),
            middle: elements[first..last].into(),
            suffix: text(&elements[last..]),
            names,
        }
    }

    /// Whether the pattern stands for this decoded path, all of it.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix(&*self.prefix) else { return false };
        if self.middle.is_empty() {
            return rest.is_empty();
        }
        rest.strip_suffix(&*self.suffix).is_some_and(|rest| covers(&self.middle, rest.as_bytes()))
    }

    /// A wildcard of this pattern that `text` refers to, as Cloudflare's header values may: `:splat`, `:page`.
    #[must_use]
    pub fn referred_to<'a>(&'a self, text: &str) -> Option<&'a str> {
        self.names.iter().map(|name| &**name).find(|name| {
            text.split(':').skip(1).any(|word| {
                word.strip_prefix(*name)
                    .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
            })
        })
    }
}

/// What stands before the next wildcard, its name, and what stands behind it.
fn next_wildcard(text: &str) -> (&str, Option<&str>, &str) {
    for (at, c) in text.char_indices() {
        let behind = &text[at + c.len_utf8()..];
        if c == '*' {
            return (&text[..at], Some(SPLAT), behind);
        }
        if c == ':' && behind.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let end = behind.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(behind.len());
            return (&text[..at], Some(&behind[..end]), &behind[end..]);
        }
    }
    (text, None, "")
}

/// Whether the elements stand for the text.
fn covers(elements: &[Element], text: &[u8]) -> bool {
    // `reached[n]`: the first n elements stand for what has been read.
    let mut reached = vec![false; elements.len() + 1];
    let mut next = reached.clone();
    reached[0] = true;
    skip_splats(elements, &mut reached);
    for byte in text {
        next[0] = false;
        for (n, element) in elements.iter().enumerate() {
            next[n + 1] = match element {
                Element::Byte(wanted) => reached[n] && wanted == byte,
                Element::Splat => reached[n + 1],
                Element::Placeholder => *byte != b'/' && (reached[n] || reached[n + 1]),
            };
        }
        skip_splats(elements, &mut next);
        std::mem::swap(&mut reached, &mut next);
        if !reached.contains(&true) {
            return false;
        }
    }
    reached[elements.len()]
}

/// A splat may stand for nothing.
fn skip_splats(elements: &[Element], reached: &mut [bool]) {
    for (n, element) in elements.iter().enumerate() {
        reached[n + 1] |= reached[n] && *element == Element::Splat;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap()
    }

    #[test]
    fn patterns_and_paths() {
        for (text, hits, misses) in [
            ("/", &["/"][..], &["", "/a", "//"][..]),
            ("/a.css", &["/a.css"], &["/a.cs", "/a.css/", "/A.css", "/b/a.css", "/axcss"]),
            ("/*", &["/", "/a", "/a/b.c"], &["", "a"]),
            ("/assets/*", &["/assets/", "/assets/a", "/assets/a/b"], &["/assets", "/assetsx/a", "/b/assets/a"]),
            ("/*.css", &["/a.css", "/a/b.css", "/.css", "/a.css/b.css"], &["/a.css/", "/a.cs"]),
            ("/a*a", &["/aa", "/aba", "/aaa"], &["/a", "/ab"]),
            ("/*/b/*", &["/a/b/", "/a/c/b/d", "//b/"], &["/b/c", "/a/b"]),
            ("/**", &["/", "/a/b"], &[""]),
            ("/:page", &["/a", "/a.b:c"], &["/", "/a/", "/a/b"]),
            (
                "/docs/:page.html",
                &["/docs/a.html", "/docs/.html.html"],
                &["/docs/.html", "/docs/a/b.html", "/docs/a.htm"],
            ),
            ("/:a-:b/c", &["/x-y/c", "/x-y-z/c"], &["/-y/c", "/x-/c", "/x/y-z/c"]),
            ("/:a:b", &["/xy", "/xyz"], &["/x", "/x/y"]),
            ("/:a_1*", &["/a", "/a/b"], &["/", "//"]),
            ("/:a/*.js", &["/a/b.js", "/a/b/c.js"], &["/a.js", "//b.js"]),
            ("/a:1/:/b:", &["/a:1/:/b:"], &["/ax/y/bz"]),
            ("/a%20b/caf%C3%A9", &["/a b/café"], &["/a%20b/caf%C3%A9"]),
            ("/café/:x", &["/café/ü"], &["/cafe/u"]),
            ("/%2A%3Aname", &["/*:name"], &["/x:name", "/*x"]),
            ("/100%25", &["/100%"], &["/100%25"]),
        ] {
            let pattern = pattern(text);
            for path in hits {
                assert!(pattern.matches(path), "{text} {path}");
            }
            for path in misses {
                assert!(!pattern.matches(path), "{text} {path}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern() {
        let long = format!("/{}", "a".repeat(LONGEST));
        for (text, expected) in [
            ("", PatternError::Relative),
            ("assets/*", PatternError::Relative),
            ("*", PatternError::Relative),
            ("https://example.com/*", PatternError::Host),
            ("//example.com/a", PatternError::Host),
            ("/a?b=*", PatternError::MoreThanAPath),
            ("/a#b", PatternError::MoreThanAPath),
            ("/a b", PatternError::Space),
            ("/a # comment", PatternError::Space),
            ("/a\u{a0}b", PatternError::Space),
            ("/a\0", PatternError::Control),
            ("/100%", PatternError::Escape(PathError::BadEscape)),
            ("/%4*", PatternError::Escape(PathError::BadEscape)),
            ("/a%2Fb", PatternError::Escape(PathError::ForbiddenEscape)),
            ("/%C3*%A9", PatternError::Escape(PathError::NotUtf8)),
            (&long, PatternError::TooLong),
        ] {
            assert_eq!(PathPattern::parse(text), Err(expected), "{text}");
            assert!(expected.to_string().len() > 10);
        }
    }

    #[test]
    fn references_to_wildcards() {
        let pattern = pattern("/:page/*");
        assert_eq!(pattern.referred_to("see :page!"), Some("page"));
        assert_eq!(pattern.referred_to("/x/:splat"), Some("splat"));
        for text in ["page", ":pages", ":page_1", "https://example.com", "a: page", ":"] {
            assert_eq!(pattern.referred_to(text), None, "{text}");
        }
        assert_eq!(super::PathPattern::parse("/a").unwrap().referred_to(":splat"), None);
    }

    /// Backtracking over these takes longer than the sun will shine.
    #[test]
    fn no_pattern_takes_long() {
        let path = format!("/{}", "a".repeat(2000));
        for (text, expected) in [("*a".repeat(500), false), (":x".repeat(500), false), ("*a:y".repeat(300), false)] {
            assert_eq!(pattern(&format!("/{text}b*c")).matches(&path), expected);
            assert!(pattern(&format!("/{text}*")).matches(&path));
        }
    }

    /// The plain definition, which backtracks.
    fn slowly(elements: &[Element], text: &[u8]) -> bool {
        let ends = |most: usize| (0..=most).map(|end| &text[end..]);
        match elements {
            [] => text.is_empty(),
            [Element::Byte(byte), rest @ ..] => text.first() == Some(byte) && slowly(rest, &text[1..]),
            [Element::Splat, rest @ ..] => ends(text.len()).any(|text| slowly(rest, text)),
            [Element::Placeholder, rest @ ..] => {
                let most = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
                ends(most).skip(1).any(|text| slowly(rest, text))
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}", path in "\\PC{0,40}") {
            for text in [text.clone(), format!("/{text}")] {
                if let Ok(pattern) = PathPattern::parse(&text) {
                    let _ = (pattern.matches(&path), pattern.referred_to(&path));
                }
            }
        }

        #[test]
        fn matches_what_the_definition_says(text in "(/|a|b|\\*|:x){0,8}", path in "[/ab]{0,10}") {
            let (text, path) = (format!("/{text}"), format!("/{path}"));
            prop_assume!(!text.starts_with("//"));
            let pattern = pattern(&text);
            let elements: Vec<_> = pattern.prefix.bytes().map(Element::Byte).chain(pattern.middle.iter().copied())
                .chain(pattern.suffix.bytes().map(Element::Byte)).collect();
            prop_assert_eq!(pattern.matches(&path), slowly(&elements, path.as_bytes()));
        }

        #[test]
        fn a_path_written_as_a_pattern_is_itself_alone(path in "/[^/\\\\\\x00-\\x1f\\x7f]{1,20}", other in "/[^/]{0,20}") {
            let written = percent_encoding::utf8_percent_encode(&path[1..], percent_encoding::NON_ALPHANUMERIC);
            let pattern = pattern(&format!("/{written}"));
            prop_assert!(pattern.matches(&path));
            prop_assert_eq!(pattern.matches(&other), path == other);
        }
    }
}
