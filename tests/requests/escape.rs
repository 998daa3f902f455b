//! The written form of bytes in `tests/requests`: see README.md there.
//!
//! Called by the corpus tests (`tests/http/requests.rs`) and by whoever wants the cases as seeds. Pure.

/// The bytes that `text` stands for.
///
/// # Errors
/// What is no escape, and every byte that must be written as one.
pub fn decode(text: &str) -> Result<Vec<u8>, String> {
    run(&mut text.as_bytes(), false)
}

fn run(rest: &mut &[u8], repeated: bool) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some((&byte, after)) = rest.split_first() {
        *rest = after;
        match byte {
            // Line breaks of the file are for the reader.
            b'\n' => {}
            b'}' if repeated => return Ok(bytes),
            b'\\' => bytes.extend(escaped(rest)?),
            b' '..=b'~' => bytes.push(byte),
            _ => return Err(format!("byte {byte:#04x} must be written as an escape")),
        }
    }
    if repeated { Err("a repetition does not end with }".into()) } else { Ok(bytes) }
}

fn escaped(rest: &mut &[u8]) -> Result<Vec<u8>, String> {
    let (&kind, after) = rest.split_first().ok_or("a \\ ends the text")?;
    *rest = after;
    Ok(vec![match kind {
        b'r' => b'\r',
        b'n' => b'\n',
        b't' => b'\t',
        b'0' => 0,
        b'\\' | b'}' => kind,
        b'x' => {
            let (digits, after) = rest.split_at_checked(2).ok_or("\\x without two digits")?;
            *rest = after;
            let digits = str::from_utf8(digits).ok().filter(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()));
            digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or("\\x without two digits")?
        }
        b'{' => {
            let star = rest.iter().position(|byte| *byte == b'*').ok_or("\\{ without *")?;
            let count = str::from_utf8(&rest[..star]).ok().and_then(|count| count.parse().ok());
            *rest = &rest[star + 1..];
            return Ok(run(rest, true)?.repeat(count.ok_or("\\{ without a number")?));
        }
        _ => return Err(format!("\\{} is no escape", char::from(kind))),
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_forms() {
        assert_eq!(decode("a b\\r\n c\\n\\t\\0\\\\\\xfF}").unwrap(), b"a b\r c\n\t\0\\\xff}");
        assert_eq!(decode("\\{2*a\\{3*b\\}}\\r}!").unwrap(), b"ab}b}b}\rab}b}b}\r!");
        for bad in ["\\", "\\q", "\\x", "\\x1", "\\x+1", "\\{", "\\{a*b}", "\\{2*a", "\t", "a\r\n", "é"] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
    }
}
