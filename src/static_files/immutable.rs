//! Which files never change under their name, so that a browser need not ask again: those that carry a hash of their
//! content, as the patterns of Django, webpack, Rollup, Vite, esbuild, Parcel and sprockets have it.
//!
//! Called by `manifest`, which knows more. A hash overlooked costs a revalidation; a word taken for a hash costs a year of
//! stale files. In doubt, a name is a word.

/// Extensions that stand after the hash beside the last one: `main.3f2a…c1.js.map`.
const INNER_EXTENSIONS: [&str; 6] = ["js", "mjs", "cjs", "css", "min", "chunk"];

/// Whether a file name carries a content hash.
#[must_use]
pub fn is_hashed(name: &str) -> bool {
    let Some((mut stem, _)) = name.rsplit_once('.') else {
        return false;
    };
    loop {
        if ends_in_hash(stem) {
            return true;
        }
        match stem.rsplit_once('.') {
            Some((shorter, inner)) if INNER_EXTENSIONS.contains(&inner) => stem = shorter,
            _ => return false,
        }
    }
}

/// `name.HASH` or `name-HASH`, where `name` has one character at least.
fn ends_in_hash(stem: &str) -> bool {
    let after = |separator| stem.rsplit_once(separator).filter(|(name, _)| !name.is_empty()).map(|(_, token)| token);
    // Vite's and Rollup's eight characters may have a dash among them.
    let last_eight = stem.len().checked_sub(8).and_then(|at| {
        let (name, token) = stem.split_at_checked(at)?;
        (name.len() > 1 && name.ends_with(['-', '.'])).then_some(token)
    });
    [after('.'), after('-'), last_eight].into_iter().flatten().any(|token| is_hex_hash(token) || is_base64_hash(token))
}

/// 8 to 64 lower-case hex digits, neither a number (a date) nor a word, nor a word and a year (`cafe2024`).
fn is_hex_hash(token: &str) -> bool {
    let hex = token.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let digits = token.bytes().filter(u8::is_ascii_digit).count();
    (8..=64).contains(&token.len()) && hex && digits > 0 && digits < token.len() && !is_word_and_year(token)
}

fn is_word_and_year(token: &str) -> bool {
    let is_year = |text: &str| text.len() == 4 && (text.starts_with("19") || text.starts_with("20"));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let word = token.trim_end_matches(|c: char| c.is_ascii_digit());
    let year = &token[word.len()..];
    is_year(year) && is_digits(year) && word.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// 8 to 32 characters of the URL-safe base64 (or esbuild's base32) alphabet with a digit and a capital, that do not
/// read as words and numbers. Hashes without a digit look like words and are let go.
fn is_base64_hash(token: &str) -> bool {
    let alphabet = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    (8..=32).contains(&token.len())
        && alphabet
        && token.bytes().any(|byte| byte.is_ascii_digit())
        && token.bytes().any(|byte| byte.is_ascii_uppercase())
        && !reads_as_words(token.as_bytes())
}

/// Whether the token is made of words (`data`, `Tables`, `IMG`), numbers, and single letters only where names have
/// them: before a capitalised word (`iPhone`) and after a number (`6s`).
fn reads_as_words(token: &[u8]) -> bool {
    let run = |from: usize, is: fn(&u8) -> bool| token[from..].iter().take_while(|byte| is(byte)).count();
    let mut at = 0;
    let mut after_number = false;
    while at < token.len() {
        let (upper, digits) = (run(at, u8::is_ascii_uppercase), run(at, u8::is_ascii_digit));
        let lower = run(at + upper, u8::is_ascii_lowercase);
        let follows = token.get(at + upper + lower);
        let is_last = follows.is_none_or(|byte| matches!(byte, b'-' | b'_'));
        let length = match (upper, lower) {
            _ if digits > 0 => digits,
            (0, 0) => 1,
            (1, 0) | (0, 1) if after_number && is_last => 1,
            (0, 1) if follows.is_some_and(u8::is_ascii_uppercase) => 1,
            (_, 1) | (1, 0) => return false,
            _ => upper + lower,
        };
        after_number = digits > 0;
        at += length;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashed_names() {
        for name in [
            // Django
            "base.27e20196a850.css",
            "jquery.min.abcdef123456.js",
            "logo.0123456789ab.svg",
            // webpack, Parcel, Angular, Create React App
            "main.8d2e3fa1.js",
            "main.8d2e3fa1.chunk.js",
            "main.073c9b0a.css.map",
            "runtime.2b3f0e6c9e4a1c7d5f60.js.map",
            "app.5d41402abc4b2a76b9719d911017c592.js",
            // sprockets, propshaft, Phoenix
            "application-5d41402abc4b2a76b9719d911017c592.css",
            "application-4889e940.js",
            "app-908e25f4bf641868d8683022a5b62f54d1e1b3d4c5f6a7b8c9d0e1f2a3b4c5d6.js",
            // Vite, Rollup
            "shared-B7PI925R.js",
            "bar-gkvgaI9m.js",
            "foo-5UjPuW-k.css",
            "baz-B2H3sXNv.js",
            "index-BxY1kQ9_.js",
            "index-BxY1kQ9_.js.map",
            "index-a1B2c3D4.js",
            // SvelteKit, Astro
            "start.B3kd_9Xz.js",
            "index.DnT8b0qU.css",
            // esbuild
            "chunk-5J2KXQ7A.js",
        ] {
            assert!(is_hashed(name), "{name}");
        }
    }

    #[test]
    fn words_numbers_and_versions_are_not_hashes() {
        for name in [
            "app.js",
            "jquery-3.7.1.min.js",
            "jquery-ui-1.13.2.custom.min.js",
            "bootstrap-datepicker.js",
            "bootstrap.bundle.min.js",
            "report-20240101.pdf",
            "backup.202401011200.json",
            "photo-446655440000.jpg",
            "photo-holiday2023.jpg",
            "menu-cafe2024.pdf",
            "chapter-section12.html",
            "icon-facebook2.svg",
            "lib-version20.js",
            "jquery-dataTables.js",
            "jquery-dataTables2.js",
            "my-someApp2.js",
            "product-iPhone15.jpg",
            "product-iPhone6s.jpg",
            "trip-IMG_2024.jpg",
            "trip-DSC_0042.jpg",
            "scan-INVOICE2.pdf",
            "font-Roboto500.woff2",
            "Inter-ExtraBold800.woff2",
            "NotoSans-Regular.ttf",
            "readme.markdown.txt",
            "deadbeef.js",
            "-4889e940.js",
            ".4889e940.js",
            "defaced-decade.css",
            "data.a1b2c3d.js",
            "4889e940",
            "app-ABCDEFGH.js",
            "app-DiwrgTda.js",
            "",
            ".",
            "é-aé345678.js",
        ] {
            assert!(!is_hashed(name), "{name}");
        }
    }
}
