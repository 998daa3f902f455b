//! Text of others as it may stand in a log line: nothing in it ends the line or steers a terminal.
//!
//! Called where the words of an application, or names of files, become part of a message. Values of their own fields
//! need it too: JSON escapes only what is below U+0020.

use std::borrow::Cow;

/// `text` with its control characters (C0 but for the tab, DEL, C1) and line separators written out, such as `\u{1b}`.
/// Without any, nothing is allocated.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if steers(c) {
            written.extend(c.escape_default());
        } else {
            written.push(c);
        }
    }
    Cow::Owned(written)
}

fn steers(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_written_out() {
        for (text, expected) in [
            ("", ""),
            ("a \"b\" \\ \t\u{fc}\u{20ac}", "a \"b\" \\ \t\u{fc}\u{20ac}"),
            ("a\nb\rc", "a\\nb\\rc"),
            ("\0\u{1b}[31m\u{7f}", "\\u{0}\\u{1b}[31m\\u{7f}"),
            ("\u{85}\u{9b}\u{2028}\u{2029}\u{a0}", "\\u{85}\\u{9b}\\u{2028}\\u{2029}\u{a0}"),
        ] {
            assert_eq!(printable(text), expected);
            assert_eq!(matches!(printable(text), Cow::Borrowed(_)), text == expected);
        }
    }
}
