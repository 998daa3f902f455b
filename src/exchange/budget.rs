//! One process-wide count of the bytes that buffered bodies hold in memory (`--buffer-memory`).
//!
//! Request spools and response pipes take from it before they keep a byte, and go to a temp file when it
//! is spent. Connections at work have it set aside what they hold themselves. Also counts what was written to temp files.
//! Only counters: nothing here blocks or allocates.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The shared counter. Clones count together.
#[derive(Clone, Debug)]
pub struct Budget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: AtomicU64,
    used: AtomicU64,
    /// Bytes that others hold, of which bodies give up a half at most.
    set_aside: AtomicU64,
    /// Bytes that went to temp files instead, ever.
    spooled: AtomicU64,
}

impl Budget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self {
            shared: Arc::new(Shared {
                limit: AtomicU64::new(limit),
                used: AtomicU64::new(0),
                set_aside: AtomicU64::new(0),
                spooled: AtomicU64::new(0),
            }),
        }
    }

    /// A permit that holds nothing yet.
    #[must_use]
    pub fn permit(&self) -> Permit {
        Permit { budget: self.clone(), held: 0 }
    }

    /// Has bodies do with `bytes` less while the guard lives, as somebody else holds those, down to half of the limit.
    #[must_use]
    pub fn set_aside(&self, bytes: u64) -> SetAside {
        self.shared.set_aside.fetch_add(bytes, Ordering::Relaxed);
        SetAside { budget: self.clone(), bytes }
    }

    /// Others hold more than bodies give up for them.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.shared.set_aside.load(Ordering::Relaxed) > self.limit() / 2
    }

    /// Bytes held now.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.shared.used.load(Ordering::Relaxed)
    }

    /// Bytes that may be held.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.shared.limit.load(Ordering::Relaxed)
    }

    /// From here on `limit` bytes may be held. What is held above it stays until it is given back.
    pub fn set_limit(&self, limit: u64) {
        self.shared.limit.store(limit, Ordering::Relaxed);
    }

    /// Bytes written to temp files so far.
    #[must_use]
    pub fn spooled(&self) -> u64 {
        self.shared.spooled.load(Ordering::Relaxed)
    }

    /// `bytes` were written to a temp file.
    pub(super) fn add_spooled(&self, bytes: u64) {
        self.shared.spooled.fetch_add(bytes, Ordering::Relaxed);
    }

    fn take(&self, bytes: u64) -> bool {
        let limit = self.limit();
        let limit = limit - self.shared.set_aside.load(Ordering::Relaxed).min(limit / 2);
        self.shared
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|sum| *sum <= limit)
            })
            .is_ok()
    }
}

/// Bytes taken from a [`Budget`]; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    budget: Budget,
    held: u64,
}

impl Permit {
    /// Takes `bytes` more. `false`: the budget is spent and nothing was taken.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let taken = self.budget.take(bytes);
        if taken {
            self.held += bytes;
        }
        taken
    }

    /// Gives `bytes` back, at most what is held.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = (bytes as u64).min(self.held);
        self.held -= bytes;
        self.budget.shared.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.held > 0 {
            self.budget.shared.used.fetch_sub(self.held, Ordering::Relaxed);
        }
    }
}

/// Bytes that bodies do without; given back when dropped.
#[derive(Debug)]
pub struct SetAside {
    budget: Budget,
    bytes: u64,
}

impl Drop for SetAside {
    fn drop(&mut self) {
        self.budget.shared.set_aside.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spent_budget_refuses_and_a_dropped_permit_gives_back() {
        let budget = Budget::new(10);
        let mut first = budget.permit();
        let mut second = budget.permit();
        assert!(first.grow(6));
        assert!(!second.grow(5), "6 + 5 is over 10");
        assert_eq!(budget.used(), 6, "a refused grow takes nothing");
        first.shrink(4);
        assert!(second.grow(5));
        drop(first);
        assert_eq!(budget.used(), 5);
        second.shrink(100);
        assert_eq!(budget.used(), 0, "never gives back more than it holds");
    }

    #[test]
    fn what_is_set_aside_is_none_of_the_bodies_down_to_a_half() {
        let budget = Budget::new(10);
        let mut bodies = budget.permit();
        let first = budget.set_aside(3);
        assert!(!bodies.grow(8) && bodies.grow(7) && !budget.is_crowded());
        let more = budget.set_aside(1000);
        bodies.shrink(7);
        assert!(budget.is_crowded() && !bodies.grow(6) && bodies.grow(5));
        drop(more);
        assert!(bodies.grow(2) && !bodies.grow(1));
        drop(first);
        assert!(bodies.grow(3));
    }
}
