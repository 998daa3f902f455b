//! The log: one record a line on standard output, text or JSON (`--log-format`, `--log-level`).
//!
//! `server` starts it, every room writes to it through `tracing`, `stack` its access records through [`AccessLog`]. No
//! line waits for whoever reads them ([`super::sink`]), and none cuts a line of the application ([`super::gate`]).

use std::cell::RefCell;
use std::fmt::{self, Debug};
use std::io::{self, IsTerminal};
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::access::AccessLog;
use super::gate::Gate;
use super::line::{Form, Line};
use super::sink::Sink;
use crate::config::colour::wants_colour;
use crate::config::settings::{LogFormat, Logs};

thread_local! {
    /// The line that the thread is making.
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}
/// The target of what the application writes to `wsgi.errors`, which people read as it is, without the request's id.
pub const OF_APPLICATION: &str = "monopod::wsgi.errors";
/// Room that a thread keeps for its next line.
const KEPT: usize = 16 << 10;

/// The log that was started. Writes what is still queued: when the last clone is dropped, or when asked.
#[derive(Clone)]
#[must_use]
pub struct Flush(Arc<Started>);

struct Started {
    sink: Arc<Sink>,
    form: Form,
    /// Those of standard output and standard error.
    gates: [Arc<Gate>; 2],
}

/// Counts the lines dropped because standard output was blocked. By default there are none.
#[derive(Clone, Default)]
pub struct DroppedLines(Option<Arc<Sink>>);

impl DroppedLines {
    /// So far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, |sink| sink.dropped())
    }
}

impl Flush {
    /// Writes what is queued, for a second at most, and ends the log: nothing after this is written.
    pub fn now(&self) {
        self.0.sink.close();
    }

    /// Counts the lines dropped because standard output was blocked.
    #[must_use]
    pub fn dropped(&self) -> DroppedLines {
        DroppedLines(Some(Arc::clone(&self.0.sink)))
    }

    /// Where access records go, if they are wanted.
    #[must_use]
    pub fn access(&self, logs: &Logs) -> Option<AccessLog> {
        logs.access.then(|| AccessLog::new(Arc::clone(&self.0.sink), self.0.form, logs))
    }

    /// The ways to standard output and standard error, for all who write there.
    #[must_use]
    pub fn gates(&self) -> &[Arc<Gate>; 2] {
        &self.0.gates
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.sink.close();
    }
}

/// Starts logging. In one process (tests) only the first call has the events of `tracing`.
///
/// # Errors
/// No descriptor or no thread is to be had.
pub fn start(logs: &Logs) -> io::Result<Flush> {
    let color = wants_colour(&|name| std::env::var_os(name), io::stdout().is_terminal());
    let form = Form { format: logs.format, color, brief: logs.brief };
    let gates = Gate::pair();
    let tell = Box::new(move |dropped: u64| {
        let (mut out, target) = (String::new(), module_path!());
        let mut line = Line::begin(&mut out, form, Level::WARN, target);
        line.message(&"log lines were dropped: nobody took them from standard output");
        line.number("dropped", dropped);
        line.text("reason", "log-blocked");
        line.end(target);
        out
    });
    let sink = Sink::start(1, Arc::clone(&gates[0]), tell)?;
    let filter = Targets::new().with_default(others(logs.level)).with_target("monopod", logs.level);
    // Whoever works on the application sees its processes come and go by other words.
    let filter = if logs.brief { filter.with_target("monopod::server", logs.level.min(Level::WARN)) } else { filter };
    let layer = Lines { sink: Arc::clone(&sink), form }.with_filter(filter);
    drop(tracing_subscriber::registry().with(layer).try_init());
    Ok(Flush(Arc::new(Started { sink, form, gates })))
}

/// The level for the libraries below: their info is not the operator's.
fn others(level: Level) -> LevelFilter {
    if level > Level::WARN { LevelFilter::WARN } else { LevelFilter::from_level(level) }
}

/// Gives `make` room for a line, and `sink` what it made.
pub(super) fn write(sink: &Sink, make: impl FnOnce(&mut String)) {
    LINE.with(|line| {
        // A value that logs while it is written has a line of its own.
        let Ok(mut line) = line.try_borrow_mut() else {
            let mut line = String::new();
            make(&mut line);
            return sink.put(&line);
        };
        line.clear();
        make(&mut line);
        sink.put(&line);
        line.shrink_to(KEPT);
    });
}

/// Turns events into lines.
struct Lines {
    sink: Arc<Sink>,
    form: Form,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        write(&self.sink, |out| {
            let mut line = Line::begin(out, self.form, *metadata.level(), metadata.target());
            let message_alone = self.form.format == LogFormat::Text && metadata.target() == OF_APPLICATION;
            event.record(&mut Fields { line: &mut line, message_alone });
            line.end(metadata.target());
        });
    }
}

struct Fields<'a, 'b> {
    line: &'a mut Line<'b>,
    message_alone: bool,
}

/// `Debug` of what `tracing` hands over, which is `Display` where that was meant.
pub(super) struct Shown<'a>(pub &'a dyn Debug);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Visit for Fields<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.line.message(&Shown(value)),
            _ if self.message_alone => {}
            name => self.line.word(name, &Shown(value)),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.line.message(&value),
            name => self.line.text(name, value),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no other numbers.
        if value.is_finite() {
            self.line.number(field.name(), value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.line.number(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.line.number(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.line.number(field.name(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsRawFd;

    fn logged(format: LogFormat, events: impl FnOnce()) -> String {
        let (mut reader, writer) = io::pipe().unwrap();
        let sink = Sink::start(writer.as_raw_fd(), Arc::default(), Box::new(|_| String::new())).unwrap();
        drop(writer);
        let lines = Lines { sink: Arc::clone(&sink), form: Form { format, color: false, brief: false } };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), events);
        sink.close();
        drop(sink);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    }

    fn events() {
        let error = io::Error::other("no \"such\" thing\n");
        tracing::warn!(%error, count = 3, share = 0.5, none = f64::NAN, done = true, name = "a b", "it has {} ways", 2);
        tracing::info!(target: "monopod::other", exception = "Traceback:\n  line\nError: x", "raised");
    }

    #[test]
    fn events_are_lines_of_text() {
        let text = logged(LogFormat::Text, events);
        let lines: Vec<&str> = text.lines().map(|line| line.split_once("Z ").map_or(line, |(_, line)| line)).collect();
        let first = r#" WARN monopod::telemetry::log::tests: it has 2 ways error="no \"such\" thing\n" count=3 share=0.5 done=true name="a b""#;
        assert_eq!(lines, [first, " INFO monopod::other: raised", "    Traceback:", "      line", "    Error: x"]);
    }

    #[test]
    fn events_are_json() {
        let text = logged(LogFormat::Json, events);
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["message"], "it has 2 ways");
        assert_eq!(lines[0]["error"], "no \"such\" thing\n");
        assert_eq!((&lines[0]["count"], &lines[0]["share"], lines[0].get("none")), (&3.into(), &0.5.into(), None));
        assert_eq!(lines[1]["exception"], "Traceback:\n  line\nError: x");
        assert!(lines[1]["timestamp"].as_str().unwrap().ends_with('Z'));
    }
}
