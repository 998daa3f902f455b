//! The phases of a server's life: Booting, Ready, Draining, Stopped. Only ever forward.

use tokio::sync::watch;

/// Where in its life the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Bound, importing the application; connections wait in the backlog.
    Booting,
    /// Serving.
    Ready,
    /// Finishing what is in flight.
    Draining,
    /// Nothing is in flight any more.
    Stopped,
}

/// The current phase; clones see the same one.
#[derive(Clone, Debug)]
pub struct Phases(watch::Sender<Phase>);

impl Default for Phases {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Booting))
    }
}

impl Phases {
    /// The phase now.
    #[must_use]
    pub fn now(&self) -> Phase {
        *self.0.borrow()
    }

    /// Goes on to `phase`; going back is ignored.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let forward = phase > *now;
            if forward {
                *now = phase;
            }
            forward
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_only_goes_forward() {
        let phases = Phases::default();
        phases.advance(Phase::Draining);
        phases.advance(Phase::Ready);
        assert_eq!(phases.now(), Phase::Draining);
    }
}
