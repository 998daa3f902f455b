//! The container's limits while the server runs: Kubernetes can change them in place (KEP-1287).
//!
//! Looked at every ten seconds, off the IO thread; freed memory goes back to the system on the way. The budget of buffers follows at once, unless somebody set it; what
//! was built at the start (threads, queue, static files) stays, and the log says what a restart would choose.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::Host;
use crate::exchange::Budget;
use crate::sys::cgroup::{self, CgroupLimits};
use crate::sys::memory;

const EVERY: Duration = Duration::from_secs(10);

/// What was found at the start, and what follows it.
pub struct Follow {
    pub host: Host,
    /// The budget of buffers; `None`: somebody set it.
    pub budget: Option<Budget>,
    /// The threads there are; `None`: somebody set their number.
    pub threads: Option<usize>,
}

impl Follow {
    /// Follows the limits for as long as the runtime runs.
    pub async fn forever(mut self) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first is at once.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            if let Ok(limits) = spawn_blocking(look).await {
                self.look(self.host.resized(limits.cpus, limits.memory));
            }
        }
    }

    fn look(&mut self, now: Host) {
        let Some(change) = self.host.change_to(&now) else { return };
        let mut told = vec![change];
        if let Some(budget) = &self.budget {
            budget.set_limit(now.buffer_memory());
            told.push(format!("buffers are {} now", now.shown_buffer_memory()));
        }
        if let Some(threads) = self.threads.filter(|threads| *threads != now.threads()) {
            told.push(format!("threads stay {threads}, a restart would have {}", now.threads()));
        }
        tracing::info!("{}", told.join("; "));
        self.host = now;
    }
}

/// Blocking.
fn look() -> CgroupLimits {
    memory::give_back();
    cgroup::limits()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_budget_follows_unless_somebody_set_it() {
        let host = Host {
            cpus: Some(1.0),
            memory_limit: Some(256 * MIB),
            machine_memory: Some(8192 * MIB),
            descriptors: 1024,
            in_container: true,
            stdout_is_terminal: false,
            variables: Vec::new(),
            cwd: "/".into(),
        };
        let budget = Budget::new(host.buffer_memory());
        let mut held = budget.permit();
        let mut follow = Follow { host: host.clone(), budget: Some(budget.clone()), threads: Some(4) };
        follow.look(host.resized(Some(2.0), Some(512 * MIB)));
        assert_eq!(budget.limit(), 128 * MIB);
        assert!(held.grow(100 << 20));
        follow.look(host.resized(Some(2.0), Some(64 * MIB)));
        assert_eq!((budget.limit(), budget.used()), (16 * MIB, 100 * MIB), "what is held is held");
        assert!(!held.grow(1));
        held.shrink(90 << 20);
        assert!(held.grow(1));
        let fixed = Budget::new(7);
        Follow { host: host.clone(), budget: None, threads: None }.look(host.resized(None, None));
        assert_eq!(fixed.limit(), 7);
    }
}
