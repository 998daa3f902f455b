//! Entity tags (RFC 9110 §8.8.3): our own strong one or the application's, and whether a client's list names it.
//!
//! Called by `preconditions` and by `static_files`, which makes the tags. Pure; comparing allocates nothing.

use http::HeaderValue;
use http::header::InvalidHeaderValue;

/// An entity tag, kept as the field value it is sent as, quotes included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTag(HeaderValue);

/// The mark of a weak tag, in this case alone (RFC 9110 §8.8.3).
const WEAK: &[u8] = b"W/";

/// How two tags are compared (RFC 9110 §8.8.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Both must be strong: `If-Match`, `If-Range`.
    Strong,
    /// `W/` does not matter: `If-None-Match`.
    Weak,
}

impl EntityTag {
    /// A strong tag from 128 bits of a content digest, written as 32 hex digits.
    ///
    /// # Errors
    /// None in practice; hex digits are always a valid field value.
    pub fn from_digest(digest: u128) -> Result<Self, InvalidHeaderValue> {
        HeaderValue::try_from(format!("\"{digest:032x}\"")).map(Self)
    }

    /// The tag of a response's `ETag`, as it stands there. None: that is no tag, and nothing could be compared with it.
    #[must_use]
    pub fn parse(value: &HeaderValue) -> Option<Self> {
        let mut tags = Tags(value.as_bytes());
        let tag = tags.next()?;
        let whole = 2 + tag.opaque.len() + if tag.weak { 2 } else { 0 };
        (whole == value.len()).then(|| Self(value.clone()))
    }

    /// The tag as sent in `ETag`.
    #[must_use]
    pub fn value(&self) -> &HeaderValue {
        &self.0
    }

    /// The characters between the quotes.
    #[must_use]
    pub fn opaque(&self) -> &[u8] {
        let tag = self.0.as_bytes();
        let quoted = tag.strip_prefix(WEAK).unwrap_or(tag);
        quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default()
    }

    /// Whether one of the lists in `values` (`*`, or tags separated by commas) names this tag. What cannot be read ends
    /// its list: nothing after it matches.
    pub fn is_named_by<'a>(&self, values: impl IntoIterator<Item = &'a HeaderValue>, comparison: Comparison) -> bool {
        values.into_iter().any(|value| {
            let value = value.as_bytes().trim_ascii();
            value == b"*" || Tags(value).any(|tag| self.equals(tag, comparison))
        })
    }

    /// Whether `value` is exactly this tag by strong comparison, as `If-Range` asks.
    #[must_use]
    pub fn is_strongly(&self, value: &HeaderValue) -> bool {
        !self.is_weak() && value.as_bytes().trim_ascii() == self.0.as_bytes()
    }

    fn is_weak(&self) -> bool {
        self.0.as_bytes().starts_with(WEAK)
    }

    fn equals(&self, tag: Tag<'_>, comparison: Comparison) -> bool {
        (comparison == Comparison::Weak || !(tag.weak || self.is_weak())) && tag.opaque == self.opaque()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

/// Reads a list of tags. A comma may stand inside the quotes, so the list cannot simply be split at commas.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        // RFC 9110 §5.6.1.2: empty list elements are skipped.
        let start = self.0.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
        let rest = &self.0[start..];
        let (weak, quoted) = rest.strip_prefix(WEAK).map_or((false, rest), |quoted| (true, quoted));
        self.0 = b"";
        let body = quoted.strip_prefix(b"\"")?;
        let end = body.iter().position(|byte| *byte == b'"')?;
        let (opaque, after) = (&body[..end], body[end + 1..].trim_ascii_start());
        if !opaque.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)) {
            return None;
        }
        if !after.is_empty() && !after.starts_with(b",") {
            return None;
        }
        self.0 = after;
        Some(Tag { weak, opaque })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tag(digest: u128) -> EntityTag {
        EntityTag::from_digest(digest).unwrap()
    }

    fn named(list: &str, comparison: Comparison) -> bool {
        tag(0xa).is_named_by([&HeaderValue::from_str(list).unwrap()], comparison)
    }

    const OURS: &str = "\"0000000000000000000000000000000a\"";

    #[test]
    fn is_32_hex_digits_in_quotes() {
        assert_eq!(tag(0xa).value(), OURS);
        assert_eq!(tag(0xa).opaque(), b"0000000000000000000000000000000a");
    }

    #[test]
    fn lists() {
        for (list, weak, strong) in [
            (OURS.to_owned(), true, true),
            (format!("W/{OURS}"), true, false),
            (format!("\"x\", {OURS}"), true, true),
            (format!("\"x\",W/{OURS} , \"y\""), true, false),
            (format!(",, ,{OURS},"), true, true),
            (format!("\"a,b\", {OURS}"), true, true),
            ("*".to_owned(), true, true),
            (" * ".to_owned(), true, true),
            (format!("\"{OURS}\""), false, false),
            (format!("w/{OURS}"), false, false),
            (format!("\"x\" {OURS}"), false, false),
            (format!("unquoted, {OURS}"), false, false),
            (OURS.trim_end_matches('"').to_owned(), false, false),
            ("0000000000000000000000000000000a".to_owned(), false, false),
            (format!("\"x y\", {OURS}"), false, false),
            ("\"\"".to_owned(), false, false),
            (String::new(), false, false),
        ] {
            assert_eq!(named(&list, Comparison::Weak), weak, "weak {list}");
            assert_eq!(named(&list, Comparison::Strong), strong, "strong {list}");
        }
    }

    #[test]
    fn the_tag_of_an_application_is_taken_as_it_is() {
        let parse = |value: &str| EntityTag::parse(&HeaderValue::from_str(value).unwrap());
        for value in ["\"a\"", "W/\"a\"", "\"\"", "\"1724.5-20-99\"", "\"a,b\""] {
            assert_eq!(parse(value).unwrap().value(), value);
        }
        for value in ["", "a", "\"a", "w/\"a\"", "\"a\", \"b\"", "\"a\",", " \"a\"", "\"a b\"", "*", "W/"] {
            assert!(parse(value).is_none(), "{value}");
        }
        let list = |value: &'static str| [HeaderValue::from_static(value)];
        let weak = parse("W/\"a\"").unwrap();
        assert_eq!(weak.opaque(), b"a");
        assert!(
            weak.is_named_by(&list("\"a\""), Comparison::Weak) && weak.is_named_by(&list("W/\"a\""), Comparison::Weak)
        );
        assert!(!weak.is_named_by(&list("\"a\", W/\"a\""), Comparison::Strong));
        assert!(!weak.is_strongly(&list("W/\"a\"")[0]) && !weak.is_strongly(&list("\"a\"")[0]));
    }

    #[test]
    fn if_range_takes_one_strong_tag() {
        let strongly = |value: &str| tag(0xa).is_strongly(&HeaderValue::from_str(value).unwrap());
        assert!(strongly(OURS));
        assert!(!strongly(&format!("W/{OURS}")));
        assert!(!strongly(&format!("{OURS}, \"x\"")));
        assert!(!strongly("*"));
    }

    proptest! {
        #[test]
        fn never_panics_and_never_matches_by_accident(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let named = tag(0xa).is_named_by([&value], Comparison::Weak);
                prop_assert!(!named || value.as_bytes().trim_ascii() == b"*");
            }
        }

        #[test]
        fn finds_its_own_tag_anywhere_in_a_list(digests in prop::collection::vec(any::<u128>(), 1..8), at in any::<prop::sample::Index>()) {
            let list = digests.iter().map(|digest| format!("\"{digest:032x}\"")).collect::<Vec<_>>().join(", ");
            let value = HeaderValue::from_str(&list).unwrap();
            prop_assert!(tag(*at.get(&digests)).is_named_by([&value], Comparison::Strong));
        }
    }
}
