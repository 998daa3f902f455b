//! One log line in the making: text for people, or JSON for collectors (`--log-format`).
//!
//! Every value is escaped here, whoever brings it: no control character, and nothing else that some viewer takes for the
//! end of a line, gets through. Fields in [`BELOW`] have lines of their own: in text they follow, indented, below theirs.

use std::fmt::{self, Display, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::Level;

use super::log::OF_APPLICATION;
use crate::config::settings::LogFormat;

/// Fields of several lines.
const BELOW: [&str; 2] = ["exception", "stack"];
/// Where the time stands, and what else is of less weight, on a terminal.
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// How lines look.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    pub format: LogFormat,
    /// For a terminal.
    pub color: bool,
    /// For who works on the application (`monopod dev`): what it says comes as it said it.
    pub brief: bool,
}

/// A line, appended to `out` as it comes; [`Line::end`] ends it.
#[derive(Debug)]
pub struct Line<'a> {
    out: &'a mut String,
    form: Form,
    below: String,
}

impl<'a> Line<'a> {
    /// Begins with nothing.
    pub fn bare(out: &'a mut String, form: Form) -> Self {
        Self { out, form, below: String::new() }
    }

    /// Begins with the time, the level, and in text the target.
    pub fn begin(out: &'a mut String, form: Form, level: Level, target: &str) -> Self {
        match form.format {
            LogFormat::Json => {
                out.push_str("{\"timestamp\":\"");
                push_time(out, SystemTime::now());
                let _ = write!(out, "\",\"level\":\"{level}\"");
            }
            LogFormat::Text if form.brief && target == OF_APPLICATION => {}
            LogFormat::Text => {
                let (dim, plain) = form.dim();
                out.push_str(dim);
                push_time(out, SystemTime::now());
                out.push_str(plain);
                let color = match level {
                    _ if !form.color => "",
                    Level::ERROR => "\x1b[31m",
                    Level::WARN => "\x1b[33m",
                    Level::INFO => "\x1b[32m",
                    _ => "\x1b[34m",
                };
                let _ = write!(out, " {color}{level:>5}{plain} {dim}{target}:{plain}");
            }
        }
        Self { out, form, below: String::new() }
    }

    /// What happened.
    pub fn message(&mut self, message: &dyn Display) {
        match self.form.format {
            LogFormat::Json => {
                self.key("message");
                self.json(message);
            }
            LogFormat::Text => {
                if !self.out.is_empty() {
                    self.out.push(' ');
                }
                let _ = write!(Printable(self.out), "{message}");
            }
        }
    }

    /// A field that is text.
    pub fn text(&mut self, key: &str, value: &str) {
        if BELOW.contains(&key) && self.form.format == LogFormat::Text {
            for line in value.lines() {
                self.below.push_str("\n    ");
                let _ = Printable(&mut self.below).write_str(line);
            }
            return;
        }
        self.key(key);
        match self.form.format {
            LogFormat::Json => self.json(&value),
            LogFormat::Text => self.quoted(value),
        }
    }

    /// A field that is a header's value: UTF-8 as it is, other bytes as latin-1.
    pub fn header(&mut self, key: &str, value: &[u8]) {
        match str::from_utf8(value) {
            Ok(value) => self.text(key, value),
            Err(_) => self.text(key, &value.iter().map(|byte| char::from(*byte)).collect::<String>()),
        }
    }

    /// A field whose text may stand without quotes where it is one word.
    pub fn word(&mut self, key: &str, value: &dyn Display) {
        self.key(key);
        match self.form.format {
            LogFormat::Json => self.json(value),
            LogFormat::Text => {
                let text = value.to_string();
                let is_word = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\');
                if !text.is_empty() && text.chars().all(is_word) {
                    self.out.push_str(&text);
                } else {
                    self.quoted(&text);
                }
            }
        }
    }

    /// A field that is a number, true or false.
    pub fn number(&mut self, key: &str, value: impl Display) {
        self.key(key);
        let _ = write!(self.out, "{value}");
    }

    /// Ends the line, in JSON with the target.
    pub fn end(mut self, target: &str) {
        match self.form.format {
            LogFormat::Json => {
                self.text("target", target);
                self.out.push('}');
            }
            LogFormat::Text => self.out.push_str(&self.below),
        }
        self.out.push('\n');
    }

    /// Ends without an end of line.
    pub fn cut(self) {
        self.out.push_str(&self.below);
    }

    fn key(&mut self, key: &str) {
        let (dim, plain) = self.form.dim();
        let _ = match self.form.format {
            LogFormat::Json => write!(self.out, ",\"{key}\":"),
            LogFormat::Text => write!(self.out, " {dim}{key}={plain}"),
        };
    }

    fn quoted(&mut self, text: &str) {
        // `Debug` writes out what is not printable, spaces of other scripts and bidirectional marks too.
        let _ = write!(self.out, "{text:?}");
    }

    fn json(&mut self, value: &dyn Display) {
        self.out.push('"');
        let _ = write!(Json(self.out), "{value}");
        self.out.push('"');
    }
}

impl Form {
    /// Text without colour.
    pub const PLAIN: Self = Self { format: LogFormat::Text, color: false, brief: false };

    fn dim(self) -> (&'static str, &'static str) {
        if self.color && self.format == LogFormat::Text { (DIM, PLAIN) } else { ("", "") }
    }
}

/// Text inside of a JSON string (RFC 8259 §7), and what some readers take for the end of a line escaped as well.
#[derive(Debug)]
pub struct Json<'a>(pub &'a mut String);

impl Write for Json<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let out = &mut *self.0;
        let mut plain = 0;
        for (at, c) in text.char_indices() {
            if !steers(c) && c != '"' && c != '\\' {
                continue;
            }
            out.push_str(&text[plain..at]);
            plain = at + c.len_utf8();
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                _ => write!(out, "\\u{:04x}", u32::from(c))?,
            }
        }
        out.push_str(&text[plain..]);
        Ok(())
    }
}

/// Text outside of quotes, where a tab is layout.
struct Printable<'a>(&'a mut String);

impl Write for Printable<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(|c| steers(c) && c != '\t') {
            self.0.push_str(&rest[..at]);
            let mut behind = rest[at..].chars();
            self.0.extend(behind.next().into_iter().flat_map(char::escape_default));
            rest = behind.as_str();
        }
        self.0.push_str(rest);
        Ok(())
    }
}

fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// `2026-11-21T14:30:00.123456Z` (RFC 3339).
fn push_time(out: &mut String, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let micros = since.subsec_micros();
    let _ = write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z");
}

/// Year, month and day, so many days after the epoch: counted in years that begin in March, in cycles of 400.
fn date(days: u64) -> (u64, u64, u64) {
    const CYCLE: u64 = 146_097;
    let days = days + 719_468;
    let day = days % CYCLE;
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (of_month, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    (days / CYCLE * 400 + year + u64::from(month <= 2), month, of_month)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const EVIL: &str = "a\"b\\c\nFORGED\r\t\0\u{1b}[31m\u{7f}\u{85}\u{9b}\u{2028}\u{2029}\u{e9}\u{1f600}";

    fn line(format: LogFormat, color: bool, fill: impl Fn(&mut Line<'_>)) -> String {
        let mut out = String::new();
        let mut line = Line::begin(&mut out, Form { format, color, brief: false }, Level::WARN, "monopod::test");
        fill(&mut line);
        line.end("monopod::test");
        assert!(out.ends_with('\n'));
        out.pop();
        out
    }

    fn evil(line: &mut Line<'_>) {
        line.message(&EVIL);
        line.text("path", EVIL);
        line.word("error", &EVIL);
        line.number("status", 200);
        line.number("complete", true);
        line.text("exception", EVIL);
    }

    #[test]
    fn json_is_one_line_that_reads_back_as_it_was() {
        let line = line(LogFormat::Json, true, evil);
        assert!(!line.chars().any(steers), "{line:?}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        for key in ["message", "path", "error", "exception"] {
            assert_eq!(read[key], EVIL, "{key}");
        }
        assert_eq!((&read["level"], &read["target"]), (&"WARN".into(), &"monopod::test".into()));
        assert_eq!((&read["status"], &read["complete"]), (&200.into(), &true.into()));
    }

    #[test]
    fn text_ends_no_line_but_below_it() {
        let text = line(LogFormat::Text, false, evil);
        let (first, below) = text.split_once('\n').unwrap();
        assert!(!first.replace('\t', "").chars().any(steers), "{first:?}");
        assert!(first.contains("  WARN monopod::test: a\"b\\c\\nFORGED"), "{first}");
        assert!(first.contains(r#" path="a\"b\\c\nFORGED\r\t\0\u{1b}[31m"#), "{first}");
        assert!(first.ends_with(" status=200 complete=true"), "{first}");
        assert!(below.lines().all(|line| line.starts_with("    ") && !line.replace('\t', "").contains(steers)));
        assert_eq!(below.lines().count(), 2);
    }

    #[test]
    fn words_need_no_quotes() {
        let text = line(LogFormat::Text, false, |line| {
            line.word("peer", &"10.0.0.1:80");
            line.word("error", &"not found");
            line.word("none", &"");
            line.text("name", "x");
        });
        assert!(text.ends_with(r#"monopod::test: peer=10.0.0.1:80 error="not found" none="" name="x""#), "{text}");
    }

    #[test]
    fn only_text_for_a_terminal_has_colors() {
        let fill = |line: &mut Line<'_>| line.text("a", "b");
        assert!(line(LogFormat::Text, true, fill).contains("\x1b[33m WARN\x1b[0m"));
        assert!(!line(LogFormat::Text, false, fill).contains('\x1b'));
        assert!(!line(LogFormat::Json, true, fill).contains('\x1b'));
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000001Z"),
            (951_782_399, "2000-02-28T23:59:59.000001Z"),
            (951_782_400, "2000-02-29T00:00:00.000001Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000001Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000001Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000001Z"),
        ] {
            let mut out = String::new();
            push_time(&mut out, UNIX_EPOCH + Duration::new(seconds, 1_000));
            assert_eq!(out, expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_reads_back(text in ".*") {
            let line = line(LogFormat::Json, false, |line| line.text("text", &text));
            let read: serde_json::Value = serde_json::from_str(&line).unwrap();
            proptest::prop_assert_eq!(&read["text"], &text);
        }

        #[test]
        fn days_and_dates_agree_with_another_calendar(days in 0_u64..80_000) {
            let time = UNIX_EPOCH + Duration::from_secs(days * 86_400);
            let mut out = String::new();
            push_time(&mut out, time);
            let http = httpdate::fmt_http_date(time);
            let agree = http.contains(&format!(" {} ", &out[..4])) && http.contains(&format!(", {} ", &out[8..10]));
            proptest::prop_assert!(agree, "{out} {http}");
        }
    }
}
