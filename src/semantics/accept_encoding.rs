//! `Accept-Encoding` (RFC 9110 §12.5.3): which of the codings at hand a client wants most.
//!
//! Called by `static_files` to choose a variant and by the compression of app responses. Pure; allocates nothing.

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

/// A content coding (RFC 9110 §8.4.1), in the order the server prefers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Coding {
    /// Brotli (RFC 7932).
    Br,
    /// Zstandard (RFC 8878).
    Zstd,
    /// gzip (RFC 1952).
    Gzip,
    /// The bytes as they are.
    Identity,
}

impl Coding {
    /// Every coding, the most preferred first.
    pub const ALL: [Self; 4] = [Self::Br, Self::Zstd, Self::Gzip, Self::Identity];

    /// The name sent in `Content-Encoding`.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Br => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }

    fn from_token(token: &[u8]) -> Option<Self> {
        // RFC 9110 §8.4.1.3: x-gzip is the same as gzip.
        if token.eq_ignore_ascii_case(b"x-gzip") {
            return Some(Self::Gzip);
        }
        Self::ALL.into_iter().find(|coding| token.eq_ignore_ascii_case(coding.token().as_bytes()))
    }
}

/// The weights of a request, in thousandths, as they apply to each coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptEncoding {
    /// In the order of [`Coding`]; None: not acceptable.
    weights: [Option<u16>; 4],
}

impl AcceptEncoding {
    /// Reads all `Accept-Encoding` fields of a request. A list element that cannot be read is skipped.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let mut named: [Option<u16>; 4] = [None; 4];
        let mut star = None;
        for value in headers.get_all(ACCEPT_ENCODING) {
            for element in value.as_bytes().split(|byte| *byte == b',') {
                let mut pieces = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
                let token = pieces.next().unwrap_or_default();
                // A weight is all that may follow.
                let (Some(weight), None) = (pieces.next().map_or(Some(1000), weight), pieces.next()) else {
                    continue;
                };
                if token == b"*" {
                    star = Some(weight);
                } else if let Some(coding) = Coding::from_token(token) {
                    named[coding as usize] = Some(weight);
                }
            }
        }
        // RFC 9110 §12.5.3: identity is acceptable unless a zero weight says otherwise. Unnamed it weighs nothing, so
        // that any named coding comes before it.
        let identity = named[Coding::Identity as usize].or(star).map_or(Some(0), acceptable);
        let mut weights = named.map(|weight| weight.or(star).and_then(acceptable));
        weights[Coding::Identity as usize] = identity;
        Self { weights }
    }

    /// Whether the client can take this coding.
    #[must_use]
    pub fn accepts(&self, coding: Coding) -> bool {
        self.weights[coding as usize].is_some()
    }

    /// The heaviest of the available codings; among equals the server's order. Identity where nothing is acceptable:
    /// RFC 9110 §12.5.3 lets a server send what was not asked for rather than 406, and a usable answer is worth more.
    pub fn choose(&self, mut available: impl FnMut(Coding) -> bool) -> Coding {
        let mut best = (Coding::Identity, None);
        for coding in Coding::ALL {
            let weight = self.weights[coding as usize];
            if weight > best.1 && (coding == Coding::Identity || available(coding)) {
                best = (coding, weight);
            }
        }
        best.0
    }
}

fn acceptable(weight: u16) -> Option<u16> {
    (weight > 0).then_some(weight)
}

/// RFC 9110 §12.4.2: `q=` with at most three decimals, in thousandths. None: not a weight.
pub(super) fn weight(parameter: &[u8]) -> Option<u16> {
    let value = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))?;
    let (whole, decimals) = value.split_first()?;
    let decimals = match decimals.split_first() {
        None => b"",
        Some((b'.', decimals)) if decimals.len() <= 3 => decimals,
        Some(_) => return None,
    };
    let mut thousandths = 0;
    for place in 0..3 {
        let digit = decimals.get(place).copied().unwrap_or(b'0');
        thousandths = thousandths * 10 + u16::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    match (whole, thousandths) {
        (b'0', weight) => Some(weight),
        (b'1', 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Coding::{Br, Gzip, Identity, Zstd};
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn accept(lines: &[&str]) -> AcceptEncoding {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap());
        }
        AcceptEncoding::from_headers(&headers)
    }

    #[test]
    fn choices() {
        for (lines, available, expected) in [
            (&[][..], &[Br, Zstd, Gzip][..], Identity),
            (&[""], &[Br, Zstd, Gzip], Identity),
            (&["gzip, deflate, br, zstd"], &[Br, Zstd, Gzip], Br),
            (&["gzip, deflate, br, zstd"], &[Zstd, Gzip], Zstd),
            (&["gzip, deflate, br, zstd"], &[Gzip], Gzip),
            (&["gzip, deflate, br, zstd"], &[], Identity),
            (&["gzip;q=1.0, br;q=0.9"], &[Br, Gzip], Gzip),
            (&["GZIP ; Q=0.5"], &[Br, Gzip], Gzip),
            (&["x-gzip"], &[Br, Gzip], Gzip),
            (&["gzip", "br"], &[Br, Gzip], Br),
            (&["*"], &[Zstd, Gzip], Zstd),
            (&["*;q=0.1"], &[Gzip], Gzip),
            (&["br;q=0, *"], &[Br, Gzip], Gzip),
            (&["*;q=0"], &[Br, Gzip], Identity),
            (&["*;q=0, gzip"], &[Br, Gzip], Gzip),
            (&["identity;q=0, gzip"], &[Br, Gzip], Gzip),
            (&["identity;q=0"], &[Br, Gzip], Identity),
            (&["identity;q=1, *;q=0"], &[Br, Gzip], Identity),
            (&["identity, gzip;q=0.5"], &[Gzip], Identity),
            (&["identity;q=0.5, gzip;q=0.5"], &[Gzip], Gzip),
            (&["gzip;q=0.001"], &[Gzip], Gzip),
            (&["gzip;q=0"], &[Gzip], Identity),
            (&["gzip;q=0.000"], &[Gzip], Identity),
            (&["gzip;q=2, zstd;q=-1, br;q=0.1234"], &[Br, Zstd, Gzip], Identity),
            (&["gzip;q=1.001, br;q=.5, zstd;level=9"], &[Br, Zstd, Gzip], Identity),
            (&["brotli, gzipped"], &[Br, Gzip], Identity),
            (&[",,;q=1, gzip,"], &[Gzip], Gzip),
            (&["gzip;q=1;q=0, br;q=0.1;x=y"], &[Br, Gzip], Identity),
        ] {
            assert_eq!(accept(lines).choose(|coding| available.contains(&coding)), expected, "{lines:?} {available:?}");
        }
    }

    #[test]
    fn accepts() {
        assert!(accept(&[]).accepts(Identity));
        assert!(!accept(&[]).accepts(Br));
        assert!(!accept(&["*;q=0"]).accepts(Identity));
        assert!(!accept(&["identity;q=0"]).accepts(Identity));
        assert!(accept(&["identity;q=0.1, *;q=0"]).accepts(Identity));
    }

    proptest! {
        #[test]
        fn never_panics_and_chooses_only_what_is_available(bytes in prop::collection::vec(any::<u8>(), 0..60), mask in 0_u8..8) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                headers.insert(ACCEPT_ENCODING, value);
            }
            let available = |coding: Coding| mask & (1 << coding as u8) != 0;
            let chosen = AcceptEncoding::from_headers(&headers).choose(available);
            prop_assert!(chosen == Identity || available(chosen));
        }

        #[test]
        fn the_heavier_of_two_wins(br in 1_u16..1000, gzip in 1_u16..1000) {
            let line = format!("gzip;q=0.{gzip:03}, br;q=0.{br:03}");
            let expected = if gzip > br { Gzip } else { Br };
            prop_assert_eq!(accept(&[&line]).choose(|_| true), expected);
        }
    }
}
