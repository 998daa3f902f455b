//! The parsers of option values: numbers, sizes, times and words. Those of addresses are in `addresses`.
//!
//! The same functions run for a flag, an environment variable and a file key. Each gives the value, or the second half
//! of a sentence (`wants …, not …`) that `options::sentence` puts behind the name of where the value came from. None
//! of them looks at the machine.

use std::str::FromStr;
use std::time::Duration;

use super::settings::LogFormat;

/// Bytes in a kibibyte, mebibyte, gibibyte.
const KIB: u64 = 1 << 10;
/// Bytes in a mebibyte.
pub const MIB: u64 = 1 << 20;
/// Bytes in a gibibyte.
pub const GIB: u64 = 1 << 30;
/// No wait is longer than a year: a deadline further off cannot be added to the clock safely.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// The refusal of a value.
pub(super) fn wants(what: &str, value: &str) -> String {
    format!("wants {what}, not `{value}`")
}

/// A whole number between `least` and `most`, both included.
pub fn whole<N>(least: N, most: N) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static
where
    N: FromStr + PartialOrd + Copy + std::fmt::Display + Send + Sync + 'static,
{
    move |text| match text.trim().parse::<N>() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(wants(&format!("a whole number from {least} to {most}"), text)),
    }
}

fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => KIB,
        "m" | "mb" | "mib" => MIB,
        "g" | "gb" | "gib" => GIB,
        "t" | "tb" | "tib" => KIB * GIB,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// A size in bytes: `25m`, `1g`, `512k` or a plain number; units are binary (1k is 1024 bytes). At least 1 byte.
///
/// # Errors
/// Zero, no size at all, or more than 2⁶⁴ − 1 bytes.
pub fn size(text: &str) -> Result<u64, String> {
    let sizes = "a size of at least one byte, such as `25m`, `1g`, `512k` or a number of bytes";
    bytes(text).filter(|size| *size > 0).ok_or_else(|| wants(sizes, text))
}

/// A size in bytes as [`size`] reads it, or 0.
///
/// # Errors
/// No size at all, or more than 2⁶⁴ − 1 bytes.
pub fn size_or_zero(text: &str) -> Result<u64, String> {
    bytes(text).ok_or_else(|| wants("a size, such as `500`, `2k` or 0", text))
}

/// A size from 256 bytes to 1 MiB, for the parts of a request head.
///
/// # Errors
/// As [`size`], or outside these bounds.
pub fn head_size(text: &str) -> Result<u64, String> {
    let sizes = "a size from 256 to 1m, such as `8k` or a number of bytes";
    bytes(text).filter(|size| (256..=MIB).contains(size)).ok_or_else(|| wants(sizes, text))
}

/// A size in bytes of at least 1 MiB.
///
/// # Errors
/// As [`size`], or less than 1 MiB.
pub fn memory(text: &str) -> Result<u64, String> {
    let sizes = "a size of at least 1m, such as `64m`, `1g` or a number of bytes";
    bytes(text).filter(|size| *size >= MIB).ok_or_else(|| wants(sizes, text))
}

/// A size as [`size`] reads it, in the largest unit that divides it.
#[must_use]
pub fn show_size(size: u64) -> String {
    for (unit, name) in [(GIB, "g"), (MIB, "m"), (KIB, "k")] {
        if size != 0 && size.is_multiple_of(unit) {
            return format!("{}{name}", size / unit);
        }
    }
    size.to_string()
}

/// A size for people to read: exact if a unit divides it, else to a tenth of the largest unit below it.
#[must_use]
pub fn about_size(size: u64) -> String {
    for (unit, name) in [(GIB, "g"), (MIB, "m"), (KIB, "k")] {
        if size >= unit && !size.is_multiple_of(unit) {
            return format!("{}.{}{name}", size / unit, size % unit * 10 / unit);
        }
        if size >= unit {
            break;
        }
    }
    show_size(size)
}

/// A length of time: `30s`, `500ms`, `2m`, `1h`, `7d`, or seconds, which may have a fraction. At most 365 days.
///
/// # Errors
/// No such time, a negative one, or more than 365 days.
pub fn duration(text: &str) -> Result<Duration, String> {
    let parsed = || {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let millis = match unit.trim() {
            "ms" => 1_u32,
            "" | "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        let time = match number.parse::<u64>() {
            Ok(whole) => Duration::from_millis(whole.checked_mul(u64::from(millis))?),
            Err(_) => Duration::try_from_secs_f64(number.parse::<f64>().ok()? * f64::from(millis) / 1e3).ok()?,
        };
        (time <= LONGEST).then_some(time)
    };
    parsed().ok_or_else(|| wants("a time of at most 365d, such as `30s`, `500ms`, `2m` or a number of seconds", text))
}

/// Any text but none.
///
/// # Errors
/// Blank text.
pub fn target(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err(wants("an application such as `module:callable`", text)),
        target => Ok(target.to_owned()),
    }
}

/// A file, or a pattern of files.
///
/// # Errors
/// Nothing, or what is no pattern.
pub fn file_pattern(text: &str) -> Result<String, String> {
    match glob::Pattern::new(text) {
        Ok(_) if !text.trim().is_empty() => Ok(text.to_owned()),
        _ => Err(wants("a file or a pattern such as `content/**/*.md`", text)),
    }
}

/// A log level; gunicorn's `warning` and `critical` count as `warn` and `error`.
///
/// # Errors
/// Any other word.
pub fn level(text: &str) -> Result<tracing::Level, String> {
    use tracing::Level;
    match text.trim().to_ascii_lowercase().as_str() {
        "error" | "critical" => Ok(Level::ERROR),
        "warn" | "warning" => Ok(Level::WARN),
        "info" => Ok(Level::INFO),
        "debug" => Ok(Level::DEBUG),
        "trace" => Ok(Level::TRACE),
        _ => Err(wants("one of error, warn, info, debug, trace", text)),
    }
}

/// The form of log lines.
///
/// # Errors
/// Any word but `json` and `text`.
pub fn log_format(text: &str) -> Result<LogFormat, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err(wants("`json` or `text`", text)),
    }
}

/// Yes or no.
///
/// # Errors
/// Anything but true, false, yes, no, on, off, 1 and 0.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(wants("`true` or `false`", text)),
    }
}

/// Whether connections begin with a PROXY protocol header: yes or no, or gunicorn's words for it. Both versions are read.
///
/// # Errors
/// Any other word.
pub fn proxy_protocol(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "v1" | "v2" | "auto" => Ok(true),
        _ => boolean(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary() {
        for (text, expected) in [
            ("1", 1),
            ("25m", 25 * MIB),
            ("25 MiB", 25 * MIB),
            ("1G", GIB),
            ("512kb", 512 * KIB),
            ("1t", KIB * GIB),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "0m", "-1", "+1", "1.5g", "m", "1mm", "one", "18446744073709551616", "99999999999t"] {
            let refusal = size(text).unwrap_err();
            assert!(refusal.starts_with("wants a size") && refusal.ends_with(&format!("not `{text}`")), "{refusal}");
        }
        assert_eq!(memory("1m"), Ok(MIB));
        assert!(memory("1023k").is_err());
        assert_eq!(size_or_zero("0"), Ok(0));
        assert!(size_or_zero("none").is_err());
        assert_eq!(head_size("8k"), Ok(8 * KIB));
        assert!(head_size("255").is_err() && head_size("2m").is_err());
    }

    #[test]
    fn durations_have_units_or_are_seconds() {
        for (text, millis) in [
            ("0", 0),
            ("30", 30_000),
            ("30s", 30_000),
            ("0.25", 250),
            ("1.5m", 90_000),
            ("500ms", 500),
            ("7 ms", 7),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("365d", 31_536_000_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", ".", "-1", "+1", "1e3", "nan", "inf", "1..2", "1w", "s", "366d", "99999999999999999999d"] {
            assert!(duration(text).unwrap_err().starts_with("wants a time"), "{text}");
        }
    }

    #[test]
    fn whole_numbers_keep_their_bounds() {
        assert_eq!(whole(1_usize, 512)("512"), Ok(512));
        for text in ["0", "513", "-1", "1.0", "4x", ""] {
            let refusal = whole(1_usize, 512)(text).unwrap_err();
            assert_eq!(refusal, format!("wants a whole number from 1 to 512, not `{text}`"));
        }
    }

    #[test]
    fn words_are_the_known_ones_in_any_case() {
        use tracing::Level;
        for (text, expected) in [
            ("error", Level::ERROR),
            ("critical", Level::ERROR),
            ("warning", Level::WARN),
            ("WARN", Level::WARN),
            ("Info", Level::INFO),
            ("debug", Level::DEBUG),
            ("trace", Level::TRACE),
        ] {
            assert_eq!(level(text), Ok(expected), "{text}");
        }
        assert!(level("verbose").is_err() && level("3").is_err() && level("").is_err());
        assert_eq!((log_format("JSON"), log_format("text")), (Ok(LogFormat::Json), Ok(LogFormat::Text)));
        assert!(log_format("xml").is_err());
        for (text, expected) in
            [("true", true), ("YES", true), ("on", true), ("1", true), ("false", false), ("no", false), ("0", false)]
        {
            assert_eq!(boolean(text), Ok(expected), "{text}");
        }
        assert!(boolean("2").is_err() && boolean("maybe").is_err());
        assert_eq!(target(" app:app "), Ok("app:app".into()));
        assert!(target(" ").is_err());
    }

    #[test]
    fn a_size_is_told_in_round_numbers() {
        for (bytes, expected) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1k"),
            (1536, "1.5k"),
            (512 * MIB, "512m"),
            (24_684_096 * KIB, "23.5g"),
            (u64::MAX, "17179869183.9g"),
        ] {
            assert_eq!(about_size(bytes), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn a_shown_size_reads_back(bytes in 1_u64..) {
            proptest::prop_assert_eq!(size(&show_size(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in ".*") {
            let _ = (size(&text), duration(&text), boolean(&text), level(&text));
        }

        #[test]
        fn milliseconds_are_exact(millis in 0_u64..31_536_000_000) {
            proptest::prop_assert_eq!(duration(&format!("{millis}ms")), Ok(Duration::from_millis(millis)));
        }
    }
}
