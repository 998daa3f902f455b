//! `X-Request-Start`: when a proxy in front took the request, so that the time it waited there counts too.
//!
//! No RFC; the forms are those of nginx (`t=${msec}`, seconds with a fraction), Heroku (milliseconds) and New Relic's
//! agents (`t=` and microseconds). Whether the sender may be believed is for the caller to know.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName};

use super::header_lines::lines;

static NAME: HeaderName = HeaderName::from_static("x-request-start");
/// A request that is said to be older than this has a wrong clock in its past.
const OLDEST: Duration = Duration::from_mins(10);

/// How long ago the request reached the first proxy that says so; zero when none does, or when it cannot be so.
#[must_use]
pub fn age(headers: &HeaderMap) -> Duration {
    let Some(value) = lines(headers, &NAME).next() else { return Duration::ZERO };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    value.to_str().ok().and_then(|value| at(value, now)).map_or(Duration::ZERO, |at| now.saturating_sub(at))
}

/// The time that `value` names, since the epoch, in the unit that puts it next to `now`.
fn at(value: &str, now: Duration) -> Option<Duration> {
    let number = value.trim();
    let number = number.strip_prefix("t=").unwrap_or(number);
    let digits = |text: &str| !text.is_empty() && text.len() < 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let number: f64 = number.parse().ok()?;
    [1.0, 1e3, 1e6, 1e9]
        .iter()
        .filter_map(|unit| Duration::try_from_secs_f64(number / unit).ok())
        .find(|at| now.abs_diff(*at) <= OLDEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_form_is_read_and_nothing_else() {
        let now = Duration::from_millis(1_700_000_002_500);
        for value in ["t=1700000002.000", "1700000002", "t=1700000002000", "1700000002000.0", "t=1700000002000000"] {
            let ago = now.abs_diff(at(value, now).unwrap());
            assert!(ago.abs_diff(Duration::from_millis(500)) < Duration::from_millis(1), "{value}: {ago:?}");
        }
        for value in
            ["", "t=", "now", "-1", "1e9", "t=17000", "1700009999", "170000000200000000000000", "0x6553f100", "inf"]
        {
            assert_eq!(at(value, now), None, "{value}");
        }
    }

    #[test]
    fn a_clock_ahead_of_ours_is_no_time_at_all() {
        let ahead = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_mins(2);
        let mut headers = HeaderMap::new();
        assert_eq!(age(&headers), Duration::ZERO);
        headers.insert(NAME.clone(), format!("t={}", ahead.as_millis()).parse().unwrap());
        assert_eq!(age(&headers), Duration::ZERO);
    }
}
