//! Media types by file name, with the parameters a browser needs.
//!
//! Called by `static_files`. `mime_guess` knows the long tail; the types the web is built of are frozen here, so that
//! an update of that table never changes how a script or a font is served.

use std::borrow::Cow;

/// What an unknown name is (RFC 9110 §8.3: the recipient may then look for itself; `nosniff` tells browsers not to).
const UNKNOWN: &str = "application/octet-stream";

/// The `Content-Type` of a file, by the last extension of its name.
#[must_use]
pub fn content_type(name: &str) -> Cow<'static, str> {
    with_charset(essence(name))
}

/// A media type with the charset that all static text is taken to be in, unless it names its own parameters.
#[must_use]
pub fn with_charset(essence: &str) -> Cow<'_, str> {
    let bare = is_text(essence) && !essence.contains(';');
    if bare { Cow::Owned(format!("{essence}; charset=utf-8")) } else { Cow::Borrowed(essence) }
}

/// Whether a file is a web font: browsers fetch those with CORS even from their own site's CDN.
#[must_use]
pub fn is_font(name: &str) -> bool {
    let essence = essence(name);
    essence.starts_with("font/") || essence == "application/vnd.ms-fontobject"
}

/// Whether the format is packed already, so that compressing it again gains nothing.
#[must_use]
pub fn is_compressed(name: &str) -> bool {
    let essence = essence(name);
    match essence.split_once('/') {
        Some(("image", kind)) => !matches!(kind, "svg+xml" | "bmp" | "x-icon" | "vnd.microsoft.icon" | "x-ms-bmp"),
        Some(("video", _)) => true,
        Some(("audio", kind)) => !kind.contains("wav"),
        Some(("font", kind)) => matches!(kind, "woff" | "woff2"),
        Some(("application", kind)) => {
            matches!(
                kind,
                "zip"
                    | "gzip"
                    | "x-7z-compressed"
                    | "x-bzip2"
                    | "x-xz"
                    | "zstd"
                    | "x-brotli"
                    | "x-rar-compressed"
                    | "vnd.rar"
                    | "epub+zip"
                    | "java-archive"
                    | "vnd.android.package-archive"
                    | "x-compressed"
            ) || kind.starts_with("vnd.openxmlformats")
                || kind.starts_with("vnd.oasis.opendocument")
        }
        _ => false,
    }
}

fn essence(name: &str) -> &'static str {
    let Some((_, extension)) = name.rsplit_once('.') else {
        return UNKNOWN;
    };
    let extension = extension.to_ascii_lowercase();
    frozen(&extension).or_else(|| mime_guess::from_ext(&extension).first_raw()).unwrap_or(UNKNOWN)
}

fn frozen(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "html" | "htm" => "text/html",
        "css" => "text/css",
        // RFC 9239: text/javascript, and nothing else.
        "js" | "mjs" | "cjs" => "text/javascript",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        // .ts and its like are source text here, as a debugger shows it, not MPEG streams.
        "txt" | "log" | "py" | "toml" | "yaml" | "yml" | "ts" | "mts" | "tsx" | "jsx" | "vue" | "scss" | "sass"
        | "less" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "ics" => "text/calendar",
        "vtt" => "text/vtt",
        "xml" => "application/xml",
        "rss" => "application/rss+xml",
        "atom" => "application/atom+xml",
        "xhtml" => "application/xhtml+xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "apng" => "image/apng",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "jxl" => "image/jxl",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "otf" => "font/otf",
        "eot" => "application/vnd.ms-fontobject",
        "mp4" | "m4v" => "video/mp4",
        "webm" => "video/webm",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "glb" => "model/gltf-binary",
        "gltf" => "model/gltf+json",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "gz" | "tgz" => "application/gzip",
        "zst" => "application/zstd",
        "br" => "application/x-brotli",
        "xz" => "application/x-xz",
        "bz2" => "application/x-bzip2",
        _ => return None,
    })
}

/// Formats that are text and that everybody now writes in UTF-8.
fn is_text(essence: &str) -> bool {
    essence.starts_with("text/")
        || essence.ends_with("+xml")
        || essence.ends_with("+json")
        || matches!(essence, "application/json" | "application/xml" | "application/javascript")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        for (name, expected) in [
            ("app.js", "text/javascript; charset=utf-8"),
            ("app.mjs", "text/javascript; charset=utf-8"),
            ("APP.JS", "text/javascript; charset=utf-8"),
            ("style.min.css", "text/css; charset=utf-8"),
            ("index.html", "text/html; charset=utf-8"),
            ("app.js.map", "application/json; charset=utf-8"),
            ("data.json", "application/json; charset=utf-8"),
            ("site.webmanifest", "application/manifest+json; charset=utf-8"),
            ("logo.svg", "image/svg+xml; charset=utf-8"),
            ("feed.xml", "application/xml; charset=utf-8"),
            ("robots.txt", "text/plain; charset=utf-8"),
            ("lib.wasm", "application/wasm"),
            ("font.woff2", "font/woff2"),
            ("photo.avif", "image/avif"),
            ("photo.webp", "image/webp"),
            ("favicon.ico", "image/x-icon"),
            ("backup.tar.gz", "application/gzip"),
            ("sheet.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            ("LICENSE", UNKNOWN),
            ("what.is-this", UNKNOWN),
            ("trailing.", UNKNOWN),
        ] {
            assert_eq!(content_type(name), expected, "{name}");
        }
    }

    #[test]
    fn every_type_is_a_valid_field_value() {
        for name in ["a.js", "a.svg", "a.xlsx", "a.unknown", "a.mpkg", "a.ts"] {
            assert!(http::HeaderValue::from_str(&content_type(name)).is_ok());
        }
    }

    #[test]
    fn fonts() {
        assert!(is_font("a.woff2") && is_font("a.ttf") && is_font("a.eot"));
        assert!(!is_font("a.css"));
    }

    #[test]
    fn packed_formats() {
        for name in ["a.png", "a.woff2", "a.mp4", "a.zip", "a.gz", "a.br", "a.zst", "a.docx", "a.mp3"] {
            assert!(is_compressed(name), "{name}");
        }
        for name in ["a.js", "a.svg", "a.ico", "a.wasm", "a.ttf", "a.wav", "a.pdf", "a", "a.bin"] {
            assert!(!is_compressed(name), "{name}");
        }
    }
}
