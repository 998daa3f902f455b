//! The line of a request for whoever works on the application: `12:30:01 GET /path 200 1.2 kB 3.4 ms (app 3.1)`.
//!
//! Made by `access` under `monopod dev`. On a terminal the status is coloured by its class, and what is no request of the
//! application, such as a static file, is dim.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::access::Entry;
use super::line::Json;
use crate::sys::local_time::LocalTime;

const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// Appends the line.
pub fn record(out: &mut String, color: bool, entry: &Entry<'_>) {
    let (dim, plain) = if color { (DIM, PLAIN) } else { ("", "") };
    let is_of_app = entry.app.is_some();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let clock = LocalTime::at(i64::try_from(now).unwrap_or_default()).clock();
    // One that failed is looked for, whoever answered it.
    let line = if is_of_app || entry.status >= 400 { plain } else { dim };
    let _ = write!(out, "{dim}{clock}{plain} {line}");
    let mark = if entry.query.is_empty() { "" } else { "?" };
    let _ = write!(Json(out), "{} {}{mark}{}", entry.method, entry.path, entry.query);
    let _ = write!(out, "{plain} {}{}{plain}", if color { paint(entry.status, line) } else { "" }, entry.status);
    let _ = write!(out, " {line}{} {}", size(entry.bytes), time(entry.total));
    if let Some(app) = entry.app {
        let _ = write!(out, " {dim}(app {}){plain}", time(app).trim_end_matches(" ms"));
    }
    if !entry.reason.is_empty() {
        let _ = write!(out, " {}", entry.reason);
    }
    if !entry.complete {
        out.push_str(" incomplete");
    }
    let _ = writeln!(out, "{plain}");
}

fn paint(status: u16, otherwise: &'static str) -> &'static str {
    match status {
        500.. => "\x1b[1;31m",
        400.. => "\x1b[33m",
        300.. => "\x1b[36m",
        200.. if otherwise == PLAIN => "\x1b[32m",
        _ => otherwise,
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    #[allow(clippy::cast_precision_loss, reason = "three digits of it are shown")]
    let mut size = bytes as f64 / 1000.0;
    let mut unit = 0;
    while size >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    if size < 9.95 { format!("{size:.1} {}", UNITS[unit]) } else { format!("{size:.0} {}", UNITS[unit]) }
}

fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 10.0 => format!("{seconds:.0} s"),
        seconds if seconds >= 1.0 => format!("{seconds:.1} s"),
        seconds if seconds >= 0.01 => format!("{:.0} ms", seconds * 1000.0),
        seconds => format!("{:.1} ms", seconds * 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Version;

    fn line(color: bool, status: u16, app: Option<Duration>, path: &str) -> String {
        let entry = Entry {
            remote_addr: "127.0.0.1",
            remote_port: "1",
            server_name: "localhost",
            server_port: "8000",
            https: false,
            method: "GET",
            path,
            query: "q=1",
            version: Version::HTTP_11,
            status,
            bytes: 1234,
            queue: None,
            app,
            total: Duration::from_micros(3400),
            complete: true,
            reason: "",
            request_id: "4e",
            trace: None,
            request_headers: &[],
            response_headers: &[],
        };
        let mut out = String::new();
        record(&mut out, color, &entry);
        out
    }

    #[test]
    fn a_request_is_one_line() {
        let told = line(false, 200, Some(Duration::from_micros(3100)), "/x");
        let (clock, rest) = told.split_once(' ').unwrap();
        assert_eq!((clock.len(), rest), (8, "GET /x?q=1 200 1.2 kB 3.4 ms (app 3.1)\n"));
        assert!(line(false, 404, None, "/\u{1b}[2J").contains("GET /\\u001b[2J?q=1 404"));
    }

    #[test]
    fn colours_are_for_terminals_and_end_with_the_line() {
        assert!(!line(false, 500, None, "/x").contains('\x1b'));
        for (status, app, code) in [
            (200, true, "\x1b[32m200"),
            (500, true, "\x1b[1;31m500"),
            (404, false, "\x1b[33m404"),
            (200, false, "\x1b[2m200"),
        ] {
            let told = line(true, status, app.then_some(Duration::ZERO), "/x");
            assert!(told.contains(code) && told.ends_with("\x1b[0m\n"), "{told:?}");
        }
    }

    #[test]
    fn sizes_and_times_have_the_digits_that_count() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (9_949, "9.9 kB"),
            (12_345, "12 kB"),
            (999_600, "1.0 MB"),
            (5_000_000_000, "5.0 GB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
        for (micros, expected) in
            [(40, "0.0 ms"), (3_440, "3.4 ms"), (12_600, "13 ms"), (1_500_000, "1.5 s"), (61_000_000, "61 s")]
        {
            assert_eq!(time(Duration::from_micros(micros)), expected);
        }
    }
}
