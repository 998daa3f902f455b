//! The words of a line as Python's `shlex.split` reads them, which gunicorn uses for `GUNICORN_CMD_ARGS`; and words written
//! so that they can be pasted.
//!
//! No variables, globs or comments: a `$` stays what it is. Pure.

/// Splits `text` at blanks outside of quotes. `\` takes the next character as it is, in double quotes only `"` and `\`.
///
/// # Errors
/// A quote that is not closed, or a `\` at the end: the second half of a sentence.
pub fn shell_words(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        match char {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(rest.next().ok_or("ends with a `\\` and nothing behind it")?),
            '\'' => read_quoted(&mut rest, '\'', word.get_or_insert_default())?,
            '"' => read_quoted(&mut rest, '"', word.get_or_insert_default())?,
            char => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    Ok(words)
}

/// The word as a shell takes it for one.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn read_quoted(rest: &mut std::str::Chars<'_>, quote: char, word: &mut String) -> Result<(), &'static str> {
    loop {
        match rest.next().ok_or("has a quote that is not closed")? {
            char if char == quote => return Ok(()),
            '\\' if quote == '"' => match rest.next().ok_or("has a quote that is not closed")? {
                char @ ('"' | '\\') => word.push(char),
                char => word.extend(['\\', char]),
            },
            char => word.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `shlex.split` of Python 3.11 gives for the same texts.
    #[test]
    fn words_are_those_of_pythons_shlex() {
        for (text, expected) in [
            ("", &[][..]),
            ("  --bind\t:80 \n-w 4 ", &["--bind", ":80", "-w", "4"]),
            ("-e 'A=b c' -e \"B=d e\"", &["-e", "A=b c", "-e", "B=d e"]),
            (r#"a\ b "c\"d\\e\f" 'g\h'"#, &["a b", r#"c"d\e\f"#, r"g\h"]),
            (r#"x''y"" '' """#, &["xy", "", ""]),
            ("#a b#c", &["#a", "b#c"]),
            ("--access-logformat='%(h)s \"%(r)s\"'", &["--access-logformat=%(h)s \"%(r)s\""]),
        ] {
            assert_eq!(shell_words(text).unwrap(), expected, "{text}");
        }
        for text in ["'a", "\"a", "a\\", "\"a\\"] {
            assert!(shell_words(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_quoted_is_one_word(word in ".*") {
            proptest::prop_assert_eq!(shell_words(&quoted(&word)).unwrap(), vec![word]);
        }
    }
}
