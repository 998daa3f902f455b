//! What this process uses of the machine, as `/proc` tells it (proc(5)).
//!
//! Read for each scrape of the metrics. Never fails: what is missing or unreadable is `None`. Blocks for as long as
//! `/proc` takes, so not for the IO thread.

use std::path::Path;
use std::time::Duration;

/// A moment's use.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// User and system time of all threads.
    pub cpu: Option<Duration>,
    /// Resident bytes.
    pub resident: Option<u64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// How many there may be; `None`: unlimited, or unknown.
    pub max_fds: Option<u64>,
    /// When the process started, since the Unix epoch.
    pub started: Option<Duration>,
}

/// What is used now.
#[must_use]
pub fn usage() -> Usage {
    let stat = Stat::read(&read("/proc/self/stat").unwrap_or_default());
    Usage {
        cpu: stat.as_ref().map(|stat| ticks(stat.cpu)),
        resident: stat.as_ref().map(|stat| stat.resident_pages.saturating_mul(rustix::param::page_size() as u64)),
        open_fds: open_fds(),
        max_fds: read("/proc/self/limits").as_deref().and_then(soft_limit),
        started: stat.as_ref().and_then(|stat| Some(boot(&read("/proc/stat")?)? + ticks(stat.started))),
    }
}

/// What this machine calls itself; in Kubernetes the name of the pod.
#[must_use]
pub fn host_name() -> Option<String> {
    read("/proc/sys/kernel/hostname").map(|name| name.trim_end().to_owned())
}

/// The fields of `/proc/self/stat` that matter here.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// In clock ticks.
    cpu: u64,
    /// In clock ticks after boot.
    started: u64,
    resident_pages: u64,
}

impl Stat {
    fn read(line: &str) -> Option<Self> {
        // The second field is the command's name, in parentheses, which may have anything in it.
        let (_, rest) = line.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self { cpu: field(14)?.saturating_add(field(15)?), started: field(22)?, resident_pages: field(24)? })
    }
}

fn ticks(count: u64) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_millis(count.saturating_mul(1000) / per_second)
}

/// When the machine was booted (`btime`).
fn boot(stat: &str) -> Option<Duration> {
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

/// Linux 6.2 and later tell the number as the size of the directory; before that it is 0 and they must be counted.
fn open_fds() -> Option<u64> {
    let dir = Path::new("/proc/self/fd");
    match std::fs::metadata(dir).ok()?.len() {
        // The one that reads the directory does not count.
        0 => Some(std::fs::read_dir(dir).ok()?.count().saturating_sub(1) as u64),
        count => Some(count),
    }
}

/// The soft limit of open files in `/proc/self/limits`.
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn this_process_uses_something() {
        let usage = usage();
        let started = SystemTime::UNIX_EPOCH + usage.started.unwrap();
        let age = SystemTime::now().duration_since(started).unwrap();
        assert!(age < Duration::from_hours(1), "{age:?}");
        assert!(usage.resident.unwrap() > 1 << 20);
        assert!((3..100_000).contains(&usage.open_fds.unwrap()));
        assert!(usage.cpu.unwrap() < Duration::from_hours(1));
    }

    #[test]
    fn a_command_named_to_confuse_confuses_nobody() {
        let line = "7 (a) R 1 2 (b) ) S 1 2 3 4 5 6 7 8 9 10 14 15 16 17 18 19 20 21 1228558 23 360 25";
        assert_eq!(Stat::read(line), Some(Stat { cpu: 29, started: 1_228_558, resident_pages: 360 }));
        assert_eq!(Stat::read("7 (a) R 1"), None);
        assert_eq!(Stat::read(""), None);
    }

    #[test]
    fn boot_time_and_limit_are_found_in_their_tables() {
        assert_eq!(boot("cpu 1 2\nbtime 1700000000\nprocesses 9\n"), Some(Duration::from_secs(1_700_000_000)));
        assert_eq!(boot("cpu 1 2\n"), None);
        let table = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n";
        assert_eq!(soft_limit(table), Some(1024));
        assert_eq!(soft_limit("Max open files unlimited unlimited files"), None);
    }
}
