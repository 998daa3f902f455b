//! How many descriptors this process may have open (`RLIMIT_NOFILE`).
//!
//! A soft limit of 1024 is there for programs that call select(2), which corrupts memory at a larger descriptor; who
//! polls otherwise is meant to raise it to the hard limit (systemd.exec(5), "LimitNOFILE="). Called by `cli`, once.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Not raised beyond this, the kernel's own default for the hard limit (fs.nr_open): some runtimes give containers
/// 2³⁰, and children that close every descriptor they might have inherited would be busy for minutes.
const MOST: u64 = 1 << 20;

/// Raises the soft limit to the hard one where that is more; what the limit is now. It is never lowered. Where that is
/// forbidden (a sandbox), the limit stays what it was.
#[must_use]
pub fn raise_limit() -> u64 {
    let had = getrlimit(Resource::Nofile);
    let soft = had.current.unwrap_or(u64::MAX);
    let raised = raised(had);
    if raised > soft && setrlimit(Resource::Nofile, Rlimit { current: Some(raised), ..had }).is_ok() {
        return raised;
    }
    soft
}

/// The soft limit as it is.
#[must_use]
pub fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The soft limit to have.
fn raised(Rlimit { current, maximum }: Rlimit) -> u64 {
    let soft = current.unwrap_or(u64::MAX);
    soft.max(maximum.unwrap_or(u64::MAX).min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_rises_to_the_hard_one_up_to_a_million() {
        const HUGE: u64 = 1 << 30;
        for (current, maximum, expected) in [
            (Some(1024), Some(4096), 4096),
            (Some(1024), Some(1024), 1024),
            (Some(64), Some(64), 64),
            (Some(1024), Some(HUGE), MOST),
            (Some(1024), None, MOST),
            (Some(HUGE), Some(HUGE), HUGE),
            (None, None, u64::MAX),
        ] {
            assert_eq!(raised(Rlimit { current, maximum }), expected, "{current:?} {maximum:?}");
        }
    }

    #[test]
    fn this_process_has_a_limit() {
        let limit = raise_limit();
        assert!(limit > 0);
        assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), limit);
    }
}
