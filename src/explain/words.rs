//! Words of a shell: splitting a line into them, and writing them so that they can be pasted.
//!
//! What POSIX says of quoting, and no expansion: a `$` stays what it is. Used for `GUNICORN_CMD_ARGS` and the report.

/// The words of a line, as `shlex.split` finds them; an open quote ends with the line.
#[must_use]
pub fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(characters.next()),
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The word as a shell takes it.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// How many letters must be changed, left out or put in to make one of the other, counted to 3.
#[must_use]
pub fn distance(left: &str, right: &str) -> usize {
    if left.len().abs_diff(right.len()) > 2 {
        return 3;
    }
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0).min(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_as_a_shell_does() {
        for (line, expected) in [
            ("a  b", &["a", "b"][..]),
            (r#"-b "a b" 'c d'e "" "#, &["-b", "a b", "c de", ""]),
            (r#"a\ b "c\"d" 'e\f'"#, &["a b", "c\"d", r"e\f"]),
            ("'open", &["open"]),
            ("", &[]),
        ] {
            assert_eq!(split(line), expected, "{line}");
        }
    }

    #[test]
    fn near_words_are_near() {
        assert_eq!(distance("worker", "workers"), 1);
        assert_eq!(distance("workers", "workers"), 0);
        assert_eq!(distance("time_out", "timeout"), 1);
        assert_eq!(distance("helper", "timeout"), 3);
    }

    proptest::proptest! {
        #[test]
        fn what_is_quoted_is_one_word(word in ".*") {
            proptest::prop_assert_eq!(split(&quoted(&word)), vec![word]);
        }
    }
}
