//! How often the crew's threads are looked at, and how many are woken for what is seen.
//!
//! Called by `crew`, from the front and from the pool's threads, without a lock. Knows clocks only, no thread.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The least time between two looks at the clocks, and between two steps aside.
const LOOK_EVERY: Duration = Duration::from_micros(150);
/// Threads count as blocked when they used less than this share of the time they could have had.
const BLOCKED_BELOW: f64 = 0.25;
/// The time between two steps aside doubles so often while they are in vain.
const DOUBLINGS: u32 = 4;
/// How long a thread that was woken for stuck jobs runs before it thinks of stepping aside.
const RELIEF: Duration = Duration::from_millis(5);

/// When what was done last.
pub struct Pace {
    epoch: Instant,
    /// These in nanoseconds since `epoch`.
    looked: AtomicU64,
    stepped: AtomicU64,
    relieved: AtomicU64,
    /// Steps aside, one after the other, that let nobody compute.
    in_vain: AtomicU32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            looked: AtomicU64::new(0),
            stepped: AtomicU64::new(0),
            relieved: AtomicU64::new(0),
            in_vain: AtomicU32::new(0),
        }
    }
}

impl Pace {
    /// Whether it is time for a look at the clocks, whoever asks; with the time since the last one.
    pub fn may_look(&self) -> Option<Duration> {
        self.due(&self.looked, LOOK_EVERY)
    }

    /// The clocks were looked at, or need not be for a while.
    pub fn looked(&self) {
        self.looked.store(self.now(), Ordering::Relaxed);
    }

    /// Whether it is time for a thread to step aside: the less often, the more often it was in vain.
    pub fn may_step_aside(&self) -> bool {
        self.due(&self.stepped, self.between_steps()).is_some()
            && Duration::from_nanos(self.now().saturating_sub(self.relieved.load(Ordering::Relaxed))) >= RELIEF
    }

    fn between_steps(&self) -> Duration {
        LOOK_EVERY * (1 << self.in_vain.load(Ordering::Relaxed))
    }

    /// A thread stepped aside, and somebody `computed` meanwhile or nobody did.
    pub fn stepped_aside(&self, computed: bool) {
        // Threads that step aside at the same moment may lose a count, which decides nothing.
        let in_vain = if computed { 0 } else { (self.in_vain.load(Ordering::Relaxed) + 1).min(DOUBLINGS) };
        self.in_vain.store(in_vain, Ordering::Relaxed);
    }

    /// A thread was woken for stuck jobs.
    pub fn relieved(&self) {
        self.relieved.store(self.now(), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn due(&self, last: &AtomicU64, every: Duration) -> Option<Duration> {
        let now = self.now();
        let before = last.load(Ordering::Relaxed);
        let elapsed = Duration::from_nanos(now.saturating_sub(before));
        let is_due =
            elapsed >= every && last.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        is_due.then_some(elapsed)
    }
}

/// How many threads to wake when jobs wait: none while the running ones compute, more and more while they are
/// blocked.
#[must_use]
pub fn wakes(used: Duration, available: Duration, running: usize) -> usize {
    if available < LOOK_EVERY / 2 || used.as_secs_f64() > available.as_secs_f64() * BLOCKED_BELOW {
        return 0;
    }
    1 + running / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_aside_in_vain_become_rare_until_somebody_computes() {
        let pace = Pace::default();
        assert_eq!(pace.between_steps(), LOOK_EVERY);
        pace.stepped_aside(false);
        assert_eq!(pace.between_steps(), 2 * LOOK_EVERY);
        for _ in 0..100 {
            pace.stepped_aside(false);
        }
        assert!(pace.between_steps() < RELIEF, "rare, but not never");
        pace.stepped_aside(true);
        assert_eq!(pace.between_steps(), LOOK_EVERY);
    }
}
