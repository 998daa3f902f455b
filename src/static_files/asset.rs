//! An asset: one URL's representations, each with its headers built ahead.
//!
//! Made by `scan`, kept by `catalog`, read by `respond`. A hit clones a header map and a handle on the bytes, no more.

use std::borrow::Cow;

use http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
    InvalidHeaderValue, LAST_MODIFIED, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

use super::content::{Content, Loaded};
use crate::semantics::accept_encoding::{AcceptEncoding, Coding};
use crate::semantics::etag::EntityTag;
use crate::semantics::header_rules::HeaderChanges;
use crate::semantics::preconditions::LastModified;

/// The codings a sibling file may have, and how its name then ends.
pub const SIBLINGS: [(Coding, &str); 3] = [(Coding::Br, ".br"), (Coding::Zstd, ".zst"), (Coding::Gzip, ".gz")];

/// All that is served under one URL path.
#[derive(Debug)]
pub struct Asset {
    identity: Variant,
    encoded: Box<[Variant]>,
    /// The headers that answer OPTIONS, where a rule opens the asset to another origin.
    preflight: Option<Box<HeaderMap>>,
}

/// One representation: of an asset, or a file that the application named.
#[derive(Debug)]
pub struct Variant {
    pub coding: Coding,
    pub content: Content,
    pub etag: EntityTag,
    pub last_modified: Option<LastModified>,
    /// The date, where no other representation of the URL has the same (RFC 9110 §8.8.1).
    pub strong_date: Option<LastModified>,
    pub content_type: HeaderValue,
    /// What stands between the parts of several ranges; nobody can foresee it inside the content.
    pub boundary: u128,
    /// The headers of a 200, `Content-Length` among them.
    pub headers: HeaderMap,
    /// The headers of a 304.
    pub not_modified: HeaderMap,
}

/// What the variants of an asset have in common.
#[derive(Debug)]
pub struct Traits<'a> {
    pub content_type: Cow<'a, str>,
    /// Scripts of every origin may read it (Access-Control-Allow-Origin).
    pub all_origins: bool,
    pub cache_control: &'a HeaderValue,
    pub last_modified: Option<LastModified>,
}

impl Asset {
    /// Builds an asset and its headers.
    pub fn new(
        traits: &Traits<'_>,
        identity: Loaded,
        encoded: Vec<(Coding, Loaded)>,
    ) -> Result<Self, InvalidHeaderValue> {
        let varies = !encoded.is_empty();
        let variant = |(coding, loaded)| Variant::new(traits, varies, coding, loaded);
        Ok(Self {
            identity: variant((Coding::Identity, identity))?,
            encoded: encoded.into_iter().map(variant).collect::<Result<_, _>>()?,
            preflight: None,
        })
    }

    /// The asset with its headers changed by the operator's rules.
    pub fn with(mut self, changes: &HeaderChanges) -> Self {
        if changes.is_empty() {
            return self;
        }
        for variant in self.encoded.iter_mut().chain([&mut self.identity]) {
            changes.apply(&mut variant.headers);
            changes.apply_to_not_modified(&mut variant.not_modified);
            if let Some(content_type) = changes.value(&CONTENT_TYPE) {
                variant.content_type = content_type.clone();
            }
        }
        self.preflight = changes.preflight().map(Box::new);
        self
    }

    /// The headers of a 204 to OPTIONS; None: it is not answered.
    pub fn preflight(&self) -> Option<&HeaderMap> {
        self.preflight.as_deref()
    }

    /// The variant this client wants most.
    pub fn choose(&self, headers: &HeaderMap) -> &Variant {
        if self.encoded.is_empty() {
            return &self.identity;
        }
        let chosen = AcceptEncoding::from_headers(headers).choose(|coding| self.has(coding));
        self.encoded.iter().find(|variant| variant.coding == chosen).unwrap_or(&self.identity)
    }

    /// What each variant is made of.
    pub fn contents(&mut self) -> impl Iterator<Item = &mut Content> {
        self.encoded.iter_mut().chain([&mut self.identity]).map(|variant| &mut variant.content)
    }

    /// Bytes of all variants.
    pub fn size(&self) -> u64 {
        self.encoded.iter().chain([&self.identity]).map(|variant| variant.content.size()).sum()
    }

    fn has(&self, coding: Coding) -> bool {
        self.encoded.iter().any(|variant| variant.coding == coding)
    }
}

impl Variant {
    fn new(traits: &Traits<'_>, varies: bool, coding: Coding, loaded: Loaded) -> Result<Self, InvalidHeaderValue> {
        let digest = digest(&loaded, coding);
        let etag = EntityTag::from_digest(digest)?;
        let content_type = HeaderValue::try_from(&*traits.content_type)?;

        // RFC 9110 §15.4.5: of what describes the representation, a 304 repeats only this; the rest is in the cache.
        let mut not_modified = HeaderMap::with_capacity(4);
        not_modified.insert(ETAG, etag.value().clone());
        not_modified.insert(CACHE_CONTROL, traits.cache_control.clone());
        if varies {
            // RFC 9110 §12.5.5: on the identity variant too, or a cache hands it to everybody.
            not_modified.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        if traits.all_origins {
            not_modified.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }

        let mut headers = HeaderMap::with_capacity(12);
        headers.insert(CONTENT_TYPE, content_type.clone());
        headers.insert(CONTENT_LENGTH, HeaderValue::from(loaded.content.size()));
        if coding != Coding::Identity {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.token()));
        }
        if let Some(date) = traits.last_modified.and_then(LastModified::value) {
            headers.insert(LAST_MODIFIED, date);
        }
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.extend(not_modified.clone());
        // A clone has no room to spare, a third of what an asset takes: there may be tens of thousands.
        let (headers, not_modified) = (headers.clone(), not_modified.clone());
        Ok(Self {
            coding,
            content: loaded.content,
            etag,
            last_modified: traits.last_modified,
            // The variants share their date: by it, a resumed download could join two codings.
            strong_date: traits.last_modified.filter(|_| !varies),
            content_type,
            boundary: digest,
            headers,
            not_modified,
        })
    }
}

/// RFC 9110 §8.8.3.3: the tag differs by coding. The bytes nearly always do; mixing in the coding makes it always.
fn digest(loaded: &Loaded, coding: Coding) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(loaded.digest.as_bytes()).update(coding.token().as_bytes());
    let mut half = [0; 16];
    hasher.finalize_xof().fill(&mut half);
    u128::from_be_bytes(half)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::media_types::{content_type, is_font};
    use bytes::Bytes;
    use std::time::{Duration, SystemTime};

    fn loaded(bytes: &'static str) -> Loaded {
        Loaded {
            content: Content::Memory(Bytes::from_static(bytes.as_bytes())),
            digest: blake3::hash(bytes.as_bytes()),
        }
    }

    fn asset(name: &str, encoded: Vec<(Coding, Loaded)>) -> Asset {
        let cache_control = HeaderValue::from_static("public, max-age=60");
        let last_modified = LastModified::new(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777));
        let traits = Traits {
            content_type: content_type(name),
            all_origins: is_font(name),
            cache_control: &cache_control,
            last_modified,
        };
        Asset::new(&traits, loaded("body{}"), encoded).unwrap()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn headers_of_a_lone_file() {
        let asset = asset("a.css", vec![]);
        let variant = asset.choose(&HeaderMap::new());
        assert_eq!(
            names(&variant.headers),
            [
                "accept-ranges",
                "cache-control",
                "content-length",
                "content-type",
                "etag",
                "last-modified",
                "x-content-type-options"
            ]
        );
        assert_eq!(variant.headers["content-length"], "6");
        assert_eq!(variant.headers["content-type"], "text/css; charset=utf-8");
        assert_eq!(names(&variant.not_modified), ["cache-control", "etag"]);
        assert!(variant.strong_date.is_some());
    }

    #[test]
    fn variants_have_their_own_tag_even_for_equal_bytes() {
        let asset = asset("a.css", vec![(Coding::Br, loaded("body{}")), (Coding::Gzip, loaded("gz"))]);
        let accept = |value: &'static str| {
            HeaderMap::from_iter([(http::header::ACCEPT_ENCODING, HeaderValue::from_static(value))])
        };
        let (identity, br, gzip) =
            (asset.choose(&HeaderMap::new()), asset.choose(&accept("br")), asset.choose(&accept("gzip")));
        assert_ne!(identity.etag, br.etag);
        assert_ne!(gzip.etag, br.etag);
        assert_eq!(br.headers["content-encoding"], "br");
        assert!(!identity.headers.contains_key(CONTENT_ENCODING));
        for variant in [identity, br, gzip] {
            assert_eq!(variant.headers["vary"], "Accept-Encoding");
            assert_eq!(variant.not_modified["vary"], "Accept-Encoding");
            assert!(variant.strong_date.is_none());
        }
    }

    #[test]
    fn fonts_are_for_every_origin() {
        assert_eq!(asset("a.woff2", vec![]).choose(&HeaderMap::new()).headers["access-control-allow-origin"], "*");
    }
}
