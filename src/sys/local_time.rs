//! The time as clocks on the wall show it, which only the system knows (`TZ`, /etc/localtime).

use std::fmt;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A second on the calendar. `Display` is the form of access logs: `21/Nov/2026:15:30:00 +0100`.
#[derive(Clone, Copy, Debug)]
pub struct LocalTime(libc::tm);

impl LocalTime {
    /// So many seconds after the epoch.
    #[must_use]
    pub fn at(seconds: i64) -> Self {
        // SAFETY: all fields are integers but for the zone's name, a pointer that may be null.
        let mut time: libc::tm = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are live; unlike localtime(3) this reads no environment once the zone is known, which the
        // interpreter has seen to.
        unsafe { libc::localtime_r(&raw const seconds, &raw mut time) };
        Self(time)
    }
}

impl LocalTime {
    /// Hours, minutes and seconds.
    #[must_use]
    pub fn clock(&self) -> String {
        let Self(time) = self;
        format!("{:02}:{:02}:{:02}", time.tm_hour, time.tm_min, time.tm_sec)
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(time) = self;
        let month = usize::try_from(time.tm_mon).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"Jan");
        let (sign, east) = (if time.tm_gmtoff < 0 { '-' } else { '+' }, time.tm_gmtoff.unsigned_abs() / 60);
        write!(f, "{:02}/{month}/{:04}", time.tm_mday, time.tm_year + 1900)?;
        write!(f, ":{:02}:{:02}:{:02}", time.tm_hour, time.tm_min, time.tm_sec)?;
        write!(f, " {sign}{:02}{:02}", east / 60, east % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_a_date_and_a_zone() {
        let text = LocalTime::at(1_709_210_096).to_string();
        let (time, zone) = text.split_once(' ').unwrap();
        assert_eq!(zone.len(), 5);
        let day = &time[..2];
        // 12:34:56 UTC on the last of February: the same day almost everywhere.
        assert!(["28", "29", "01"].contains(&day) && time.ends_with(":56"), "{text}");
        assert!(!text.ends_with(" +0000") || text == "29/Feb/2024:12:34:56 +0000", "{text}");
    }
}
