//! `semantics::accept_encoding` against a table of weights. Data: which of br, zstd and gzip are there (the low three
//! bits of the first byte), then the values of the header's lines.

use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderValue};
use monopod::semantics::accept_encoding::{AcceptEncoding, Coding};

/// The choice is there, is wanted, and nothing that is there is wanted more.
pub fn accept_encoding(data: &[u8]) {
    let Some((mask, lines)) = data.split_first() else { return };
    let lines: Vec<HeaderValue> =
        lines.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let headers: HeaderMap = lines.iter().map(|line| (ACCEPT_ENCODING, line.clone())).collect();
    let accepted = AcceptEncoding::from_headers(&headers);
    let rank = reference(&lines);
    for coding in Coding::ALL {
        assert_eq!(accepted.accepts(coding), rank(coding) != REFUSED, "{coding:?} in {lines:?}");
    }
    let there =
        || Coding::ALL.into_iter().filter(|coding| *coding == Coding::Identity || mask & (1 << *coding as u8) != 0);
    let chosen = accepted.choose(|coding| there().any(|known| known == coding));
    assert!(there().any(|coding| coding == chosen), "{chosen:?} is not there; {lines:?}");
    assert!(chosen == Coding::Identity || rank(chosen) != REFUSED, "{chosen:?} is refused; {lines:?}");
    for other in there().filter(|other| rank(*other) != REFUSED) {
        let (is_heavier, is_as_heavy) = (rank(other) > rank(chosen), rank(other) == rank(chosen));
        assert!(!is_heavier, "{other:?} is wanted more than {chosen:?}; {lines:?}");
        assert!(!is_as_heavy || chosen <= other, "{other:?} comes before {chosen:?}; {lines:?}");
    }
}

/// Of a coding that is not acceptable.
const REFUSED: i32 = -1;

/// RFC 9110 §12.5.3: thousandths by coding. 0 is left for an identity of which nothing is said: acceptable, but nobody's
/// wish.
fn reference(lines: &[HeaderValue]) -> impl Fn(Coding) -> i32 {
    let text = lines.iter().map(|line| String::from_utf8_lossy(line.as_bytes()).to_ascii_lowercase());
    let list = text.collect::<Vec<_>>().join(",");
    let mut said: Vec<(String, i32)> = Vec::new();
    for element in list.split(',') {
        let parts: Vec<&str> = element.split(';').map(|part| part.trim_matches([' ', '\t'])).collect();
        match parts[..] {
            [coding] => said.push((coding.to_owned(), 1000)),
            [coding, weight] => said.extend(qvalue(weight).map(|weight| (coding.to_owned(), weight))),
            // `codings [ weight ]` and no more.
            _ => {}
        }
    }
    move |coding| {
        // Of one that is named twice, the last word counts.
        let of =
            |names: &[&str]| said.iter().rfind(|(name, _)| names.contains(&name.as_str())).map(|(_, weight)| *weight);
        let named = if coding == Coding::Gzip { of(&["gzip", "x-gzip"]) } else { of(&[coding.token()]) };
        match named.or_else(|| of(&["*"])) {
            Some(0) => REFUSED,
            Some(weight) => weight,
            None if coding == Coding::Identity => 0,
            None => REFUSED,
        }
    }
}

/// RFC 9110 §12.4.2: `q=` and 0 or 1 with up to three decimals, which behind 1 are zeros.
fn qvalue(text: &str) -> Option<i32> {
    let value = text.strip_prefix("q=")?;
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    let thousandths = format!("{decimals:0<3}");
    match whole {
        _ if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) => None,
        "0" => thousandths.parse().ok(),
        "1" if thousandths == "000" => Some(1000),
        _ => None,
    }
}
