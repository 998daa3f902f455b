//! `semantics::range` against ranges resolved one number at a time. Data: the size, a line feed, the field's value.

use http::HeaderValue;
use monopod::semantics::range::{ByteRange, MAX_RANGES, Selection, select};

/// A selection names bytes that are there and were asked for, each once.
pub fn range(data: &[u8]) {
    let (size, value) = match data.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (&b"10"[..], data),
    };
    let size = decimal(size).unwrap_or(size.len() as u128).try_into().unwrap_or(u64::MAX);
    let Ok(value) = HeaderValue::from_bytes(value) else { return };
    let selection = select(&value, size);
    match (&selection, reference(value.as_bytes(), size)) {
        (Selection::Whole, Asked::Nothing) | (Selection::Unsatisfiable, Asked::PastTheEnd) => {}
        (Selection::Parts(parts), Asked::For(asked)) => compare(parts, &asked, size),
        (_, asked) => panic!("{selection:?}, reference {asked:?}; {value:?} of {size}"),
    }
}

/// Ranges of a representation, last byte included, in the order asked for.
#[derive(Debug)]
enum Asked {
    Nothing,
    PastTheEnd,
    For(Vec<(u64, u64)>),
}

/// RFC 9110 §14.1 and §14.2, with numbers of any length.
fn reference(value: &[u8], size: u64) -> Asked {
    let text: String = value.iter().map(|byte| char::from(*byte)).collect();
    let text = text.trim_matches([' ', '\t']);
    let Some(at) = text.find('=') else { return Asked::Nothing };
    if !text[..at].eq_ignore_ascii_case("bytes") || size == 0 {
        return Asked::Nothing;
    }
    let specs: Vec<&str> =
        text[at + 1..].split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty()).collect();
    let mut asked = Vec::new();
    for spec in &specs {
        let Some((first, last)) = spec.split_once('-') else { return Asked::Nothing };
        let size = u128::from(size);
        let (first, last) = match (decimal(first.as_bytes()), decimal(last.as_bytes())) {
            (None, Some(length)) if first.is_empty() => (size.saturating_sub(length), size),
            (Some(first), None) if last.is_empty() => (first, size),
            (Some(first_number), Some(last_number)) if in_order(first, last) => (first_number, last_number),
            _ => return Asked::Nothing,
        };
        if first < size {
            asked.push((first.try_into().unwrap(), last.min(size - 1).try_into().unwrap()));
        }
    }
    match (specs.len(), asked.len()) {
        (0, _) => Asked::Nothing,
        (count, _) if count > MAX_RANGES => Asked::Nothing,
        (_, 0) => Asked::PastTheEnd,
        _ => Asked::For(asked),
    }
}

/// Digits alone; one that is too long is larger than any size.
fn decimal(digits: &[u8]) -> Option<u128> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| {
        digits.iter().fold(0, |number: u128, digit| number.saturating_mul(10).saturating_add(u128::from(digit - b'0')))
    })
}

/// As numbers: the one with more digits is larger.
fn in_order(first: &str, last: &str) -> bool {
    let width = first.len().max(last.len());
    format!("{first:0>width$}") <= format!("{last:0>width$}")
}

fn compare(parts: &[ByteRange], asked: &[(u64, u64)], size: u64) {
    let pairs: Vec<(u64, u64)> = parts.iter().map(|part| (part.first, part.last)).collect();
    assert!((1..=MAX_RANGES).contains(&pairs.len()), "{parts:?}");
    assert!(pairs.iter().all(|(first, last)| first <= last && *last < size), "{parts:?} of {size}");
    let overlap = |(first, last): (u64, u64), (other, end): (u64, u64)| first <= end && other <= last;
    let are_disjoint = |list: &[(u64, u64)]| {
        list.iter().enumerate().all(|(at, one)| list[..at].iter().all(|two| !overlap(*one, *two)))
    };
    assert!(are_disjoint(&pairs), "{parts:?} overlap");
    if are_disjoint(asked) {
        assert_eq!(pairs, asked, "the client's order");
    }
    // The same bytes: asked or not changes only where some range begins or ends.
    let is_in = |list: &[(u64, u64)], at: u64| list.iter().any(|(first, last)| (*first..=*last).contains(&at));
    for (first, last) in asked.iter().chain(&pairs) {
        for at in [first.saturating_sub(1), *first, *last, last.saturating_add(1)] {
            assert_eq!(is_in(&pairs, at), is_in(asked, at), "byte {at}: {parts:?}, asked for {asked:?}");
        }
    }
    let total: u128 = parts.iter().map(|part| u128::from(part.len())).sum();
    assert!(total <= u128::from(size), "{parts:?} are more than {size}");
    // Written out they mean themselves.
    let written: Vec<String> = pairs.iter().map(|(first, last)| format!("{first}-{last}")).collect();
    let again = select(&HeaderValue::from_str(&format!("bytes={}", written.join(","))).unwrap(), size);
    assert_eq!(again, Selection::Parts(parts.to_vec()));
    for (part, range) in parts.iter().zip(written) {
        assert_eq!(part.content_range(size), format!("bytes {range}/{size}"));
    }
}
