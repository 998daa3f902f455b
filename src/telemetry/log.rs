//! Log lines on standard output: one line a record, text or JSON (`--log-format`, `--log-level`).
//!
//! A thread of its own writes them. When standard output is blocked, lines are dropped, never a request.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::Level;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::settings::{LogFormat, Logs};

/// The target of access records.
pub const ACCESS: &str = "monopod::access";

/// Writes what is still queued: when the last clone is dropped, or when asked.
#[derive(Clone)]
#[must_use]
pub struct Flush {
    guard: Arc<Mutex<Option<WorkerGuard>>>,
    dropped: ErrorCounter,
}

impl Flush {
    /// Writes what is queued, for a second at most, and ends the log: nothing after this is written.
    pub fn now(&self) {
        drop(self.guard.lock().take());
    }

    /// Counts the lines dropped because standard output was blocked.
    #[must_use]
    pub fn dropped(&self) -> ErrorCounter {
        self.dropped.clone()
    }
}

/// Starts logging. A second call in one process (tests) changes nothing.
pub fn start(logs: &Logs) -> Flush {
    let (writer, guard) = NonBlocking::new(io::stdout());
    let dropped = writer.error_counter();
    // Access records have their own switch; the level is about everything else.
    let access = if logs.access { LevelFilter::INFO } else { LevelFilter::OFF };
    let filter =
        Targets::new().with_default(others(logs.level)).with_target("monopod", logs.level).with_target(ACCESS, access);
    let layer = match logs.format {
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_current_span(false).with_writer(writer).boxed(),
        LogFormat::Text => fmt::layer().with_ansi(false).with_writer(writer).boxed(),
    };
    drop(tracing_subscriber::registry().with(layer.with_filter(filter)).try_init());
    Flush { guard: Arc::new(Mutex::new(Some(guard))), dropped }
}

/// The level for the libraries below: their info is not the operator's.
fn others(level: Level) -> LevelFilter {
    if level > Level::WARN { LevelFilter::WARN } else { LevelFilter::from_level(level) }
}
