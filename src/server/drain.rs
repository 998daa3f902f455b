//! Stopping: who asks for it ([`Stops`]), and the time that requests in flight are given.
//!
//! SIGTERM, SIGINT and SIGQUIT begin the drain, SIGTERM after a delay; the second of any ends the process at once. Before
//! the application is ready there is nothing to drain, so the first one ends it. However Python hangs, the process is gone
//! a few seconds after `--graceful-timeout`: the IO thread, which needs no GIL, sees to that. docs/signals.md.

use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::Receiver;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::cut_off::Remains;
use crate::net::permits::Permits;
use crate::sys::process::exit_now;
use crate::sys::signals::undo_handlers;
use crate::telemetry::log::Flush;

/// How the front's life ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// Every request in flight was answered.
    Drained,
    /// `--graceful-timeout` was over first.
    CutOff,
    /// A second signal came first.
    Now,
    /// The front could not go on.
    Failed(String),
}

/// The process makes room for one that has the same sockets.
pub const RELOAD: &str = "reload";
/// The name of the orchestrator's signal; that of a terminal is in a hurry.
pub const SIGTERM: &str = "SIGTERM";

/// What stops the server.
pub enum Stops {
    /// The signals of a process that is the server's own; SIGINT is the supervisor's where there is one, as a terminal
    /// sends it to both.
    Signals { terminate: Signal, interrupt: Signal, quit: Signal, is_supervised: bool },
    /// Whoever holds the server in a program.
    Holder { asks: Receiver<Ask>, within: Option<Duration>, is_gone: bool },
}

/// What the holder of a server asks for.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// As the log calls it; the name of a signal stands for that.
    pub name: &'static str,
    /// How long requests in flight may take; `None`: `--graceful-timeout`.
    pub within: Option<Duration>,
}

impl Stops {
    /// Takes the signals over from here on, also from who has set handlers while Python started (`ddtrace-run` does): those
    /// would run when the main thread comes back to Python, and end the process before its exit hooks.
    ///
    /// # Errors
    /// What `sigaction(2)` says.
    pub fn take_signals(is_supervised: bool) -> io::Result<Self> {
        for signal in undo_handlers()? {
            tracing::info!(
                signal,
                "the handler that was set for this signal is not used; exit hooks (atexit) will run"
            );
        }
        Ok(Self::Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            is_supervised,
        })
    }

    /// What comes by `asks`; at last that nobody holds the server any more.
    #[must_use]
    pub fn of_holder(asks: Receiver<Ask>) -> Self {
        Self::Holder { asks, within: None, is_gone: false }
    }

    /// The name of the next.
    pub async fn next(&mut self) -> &'static str {
        match self {
            Self::Signals { terminate, interrupt, quit, is_supervised } => loop {
                return tokio::select! {
                    _ = terminate.recv() => SIGTERM,
                    _ = interrupt.recv() => if *is_supervised { continue } else { "SIGINT" },
                    _ = quit.recv() => "SIGQUIT",
                };
            },
            // Nobody is there to insist.
            Self::Holder { is_gone: true, .. } => std::future::pending().await,
            Self::Holder { asks, within, is_gone } => {
                let ask = asks.recv().await;
                *is_gone = ask.is_none();
                *within = ask.and_then(|ask| ask.within);
                ask.map_or("dropped", |ask| ask.name)
            }
        }
    }

    /// Another process has the listeners as well.
    #[must_use]
    pub fn is_supervised(&self) -> bool {
        matches!(self, Self::Signals { is_supervised: true, .. })
    }

    /// How long requests in flight may take by the last word, if it said so.
    #[must_use]
    pub fn within(&self) -> Option<Duration> {
        match self {
            Self::Signals { .. } => None,
            Self::Holder { within, .. } => *within,
        }
    }
}

/// Tells whoever sends a signal by which other servers re-read something that nothing is re-read here; without a handler
/// it would be the end.
///
/// # Errors
/// What `sigaction(2)` says.
pub fn live_through_others() -> io::Result<()> {
    for (kind, name) in [(SignalKind::hangup(), "SIGHUP"), (SignalKind::user_defined2(), "SIGUSR2")] {
        let mut others = signal(kind)?;
        tokio::spawn(async move {
            while others.recv().await.is_some() {
                tracing::info!(signal = name, "there is nothing to re-read: restart the server to change its settings");
            }
        });
    }
    Ok(())
}

/// The time that Python may take after `--graceful-timeout` for threads and `atexit` hooks. With the default of 25 s
/// the process is gone within Kubernetes' 30 s (`terminationGracePeriodSeconds`).
const FINISH: Duration = Duration::from_secs(4);

/// How long a connection that was busy a moment ago may still bring a request, and a new one its first: one that is on its
/// way while the connection is closed gets no answer, and its client cannot know what became of it (RFC 9112 §9.3.1).
const LINGER: Duration = Duration::from_secs(1);

/// The same where another process has the listeners: for a request that comes with its connection, and no longer, as the
/// next one is to be answered there.
const LINGER_SUPERVISED: Duration = Duration::from_millis(150);

/// Waits after a `signal` that leaves the time until connections have had their last answer, which tells them to close; for
/// a moment at most, and not for those that have been idle for longer. The listeners are closed by then. True: a second
/// signal came.
pub async fn linger(signal: Option<&str>, permits: &Permits, deadline: Instant, stops: &mut Stops) -> bool {
    let time = match signal {
        Some(_) if stops.is_supervised() => LINGER_SUPERVISED,
        Some(SIGTERM | RELOAD) => LINGER,
        _ => return false,
    };
    permits.dismiss(time);
    tokio::select! {
        () = permits.all_back() => false,
        () = sleep_until(deadline.min(Instant::now() + time)) => false,
        name = stops.next() => {
            tracing::warn!(signal = name, reason = "second-signal", "stopping at once");
            true
        }
    }
}

/// Goes on as before for `delay`, for the sake of balancers that have not heard yet; until `deadline` at most, and as long
/// as somebody accepts. True: a second signal came.
pub async fn delay(delay: Duration, deadline: Instant, stops: &mut Stops, accepting: &mut Accepting) -> bool {
    if delay.is_zero() {
        return false;
    }
    tracing::info!(seconds = delay.as_secs_f64(), "requests are accepted for --drain-delay");
    let until = deadline.min(Instant::now() + delay);
    loop {
        tokio::select! {
            () = sleep_until(until) => return false,
            name = stops.next() => {
                tracing::warn!(signal = name, reason = "second-signal", "stopping at once");
                return true;
            }
            Some(failed) = accepting.join_next() => {
                tracing::error!(reason = "listener-failed", "{}", why(failed));
                if accepting.is_empty() {
                    return false;
                }
            }
        }
    }
}

/// The loops that accept, one for each listener. They end when they are told to, or fail.
pub type Accepting = JoinSet<io::Result<()>>;

/// What such a loop has failed of.
#[must_use]
pub fn why(failed: Result<io::Result<()>, JoinError>) -> String {
    let error = match failed {
        Ok(Ok(())) => "it ended".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    format!("no connections can be accepted any more ({error})")
}

/// Lets connections finish what is in flight until `deadline`; idle ones close at once, and `idle_gone` is called. The
/// listeners are closed by then.
pub async fn drain(remains: &Remains, deadline: Instant, stops: &mut Stops, idle_gone: impl FnOnce()) -> Ended {
    let in_flight = || remains.front.in_flight.count();
    tracing::info!(in_flight = in_flight(), "draining");
    let mut done = pin!(remains.permits.drain(idle_gone));
    let is_supervised = stops.is_supervised();
    let in_time = async {
        if timeout_at(deadline, done.as_mut()).await.is_ok() {
            return Ended::Drained;
        }
        remains.cut_off(done, is_supervised).await;
        Ended::CutOff
    };
    tokio::select! {
        ended = in_time => ended,
        name = stops.next() => {
            tracing::warn!(signal = name, in_flight = in_flight(), reason = "second-signal", "stopping at once");
            Ended::Now
        }
    }
}

/// Waits while Python ends its threads and runs its hooks, and ends the process if that takes too long or somebody
/// insists; then without `socket_files`, those of the admin port.
pub async fn outlast(
    ended: &Ended,
    deadline: Instant,
    stops: &mut Stops,
    socket_files: &[PathBuf],
    flush: &Flush,
) -> ! {
    if !matches!(ended, Ended::Now) {
        tokio::select! {
            () = sleep_until(deadline + FINISH) => {
                tracing::warn!(reason = "exit-timeout", "threads or atexit hooks did not end in time and are cut off");
            }
            name = stops.next() => {
                tracing::warn!(signal = name, reason = "second-signal", "stopping at once");
            }
        }
    }
    leave(socket_files, flush)
}

/// Ends the process, well, and removes its sockets.
pub fn leave(socket_files: &[PathBuf], flush: &Flush) -> ! {
    for path in socket_files {
        drop(std::fs::remove_file(path));
    }
    flush.now();
    exit_now(0)
}
