//! Stopping: signals, and the time that requests in flight are given.
//!
//! SIGTERM and SIGINT begin the drain; the second of either ends the process at once. Before the application is
//! ready there is nothing to drain, so the first one ends it.

use std::io;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::phase::{Phase, Phases};
use crate::stack::observe::InFlight;
use crate::sys::process::exit_now;

/// How the front's life ended.
#[derive(Debug)]
pub enum Ended {
    /// Every request in flight was answered.
    Drained,
    /// `--graceful-timeout` was over first.
    CutOff,
    /// The front could not go on.
    Failed(String),
}

/// The signals that stop the server.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes both signals over from here on.
    ///
    /// # Errors
    /// What `sigaction(2)` says.
    pub fn take() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next signal's name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Lets connections finish what is in flight for at most `limit`; idle ones close at once. The listeners are closed
/// by then.
pub async fn drain(
    connections: GracefulShutdown,
    in_flight: &InFlight,
    limit: Duration,
    mut signals: Signals,
    phases: &Phases,
) -> Ended {
    phases.advance(Phase::Draining);
    tracing::info!(in_flight = in_flight.count(), "draining");
    let ended = tokio::select! {
        () = connections.shutdown() => Ended::Drained,
        () = tokio::time::sleep(limit) => {
            let in_flight = in_flight.count();
            tracing::warn!(in_flight, reason = "drain-timeout", "requests were cut off: --graceful-timeout is over");
            Ended::CutOff
        }
        name = signals.next() => {
            tracing::warn!(signal = name, in_flight = in_flight.count(), reason = "second-signal", "stopping at once");
            Ended::CutOff
        }
    };
    phases.advance(Phase::Stopped);
    // From here the Python side ends threads and runs atexit hooks; a further signal need not wait for them.
    tokio::spawn(async move {
        signals.next().await;
        exit_now(0);
    });
    ended
}
