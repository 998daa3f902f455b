//! Log records for a program that has a log of its own, where the server is a value in it (`monopod.Server`).
//!
//! What `tracing` and the access log say becomes a [`Record`] instead of a line on standard output. `server` makes the
//! [`Dispatch`] that each thread of such a server has for its own, so that two servers in one process do not mix; who
//! takes the records is handed in.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::line::{Form, Line};
use super::log::Shown;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub level: Level,
    /// [`super::access::ACCESS`], or the module that says so.
    pub target: &'static str,
    /// The message with its fields, one line.
    pub message: String,
    pub fields: Vec<(&'static str, Value)>,
    /// A traceback or a stack, of several lines.
    pub below: Option<String>,
}

/// What a field says.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Number(f64),
    Integer(i64),
    Truth(bool),
}

/// Takes records; never blocks the IO thread.
pub type Take = dyn Fn(Record) + Send + Sync;

/// Whether somebody wants access records, as it was when that was last looked at: most programs do not, and each record
/// would cost the GIL.
pub struct Wanted {
    is_so: AtomicBool,
    began: Instant,
    /// When one was let through for somebody to look, in milliseconds.
    asked: AtomicU64,
}

impl Wanted {
    /// How old what was found may be.
    const FRESH: Duration = Duration::from_secs(1);

    #[must_use]
    pub fn new(is_so: bool) -> Self {
        Self { is_so: AtomicBool::new(is_so), began: Instant::now(), asked: AtomicU64::new(0) }
    }

    /// Whether a record is to be made. One a second is, whatever was found, and whoever takes it looks anew.
    #[must_use]
    pub fn is_so(&self) -> bool {
        if self.is_so.load(Ordering::Relaxed) {
            return true;
        }
        let now = self.began.elapsed();
        if now < Duration::from_millis(self.asked.load(Ordering::Relaxed)) + Self::FRESH {
            return false;
        }
        self.asked.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        true
    }

    /// What somebody who looked has found.
    pub fn found(&self, is_so: bool) {
        self.is_so.store(is_so, Ordering::Relaxed);
    }
}

/// Hands the calling thread's events to `take`.
#[must_use]
pub fn dispatch(take: Arc<Take>) -> Dispatch {
    let filter = Targets::new().with_default(LevelFilter::WARN).with_target("monopod", Level::INFO);
    Dispatch::new(tracing_subscriber::registry().with(Events(take).with_filter(filter)))
}

struct Events(Arc<Take>);

impl<S: Subscriber> Layer<S> for Events {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut text = String::new();
        let mut line = Line::bare(&mut text, Form::PLAIN);
        let (mut fields, mut below) = (Vec::new(), None);
        event.record(&mut Fields { line: &mut line, named: &mut fields, below: &mut below });
        line.cut();
        let message = text.trim_start().to_owned();
        (self.0)(Record { level: *metadata.level(), target: metadata.target(), message, fields, below });
    }
}

struct Fields<'a, 'b> {
    line: &'a mut Line<'b>,
    named: &'a mut Vec<(&'static str, Value)>,
    below: &'a mut Option<String>,
}

impl Visit for Fields<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            return self.line.message(&Shown(value));
        }
        self.line.word(field.name(), &Shown(value));
        self.named.push((field.name(), Value::Text(format!("{value:?}"))));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.line.message(&value),
            "exception" | "stack" => *self.below = Some(value.trim_end().to_owned()),
            name => {
                self.line.text(name, value);
                self.named.push((name, Value::Text(value.to_owned())));
            }
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.line.number(field.name(), value);
        self.named.push((field.name(), Value::Number(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.line.number(field.name(), value);
        self.named.push((field.name(), Value::Integer(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record_i64(field, i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.line.number(field.name(), value);
        self.named.push((field.name(), Value::Truth(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    #[test]
    fn each_thread_has_its_servers_records() {
        let taken: [Arc<Mutex<Vec<Record>>>; 2] = std::array::from_fn(|_| Arc::default());
        let logs = taken.clone().map(|taken| dispatch(Arc::new(move |record| taken.lock().push(record))));
        for (number, log) in logs.iter().enumerate() {
            tracing::dispatcher::with_default(log, || {
                tracing::error!(number, path = "/a b", exception = "Traceback:\n  x\n", late = true, "raised");
                tracing::debug!("not for the program");
            });
        }
        for (number, taken) in (0_i64..).zip(&taken) {
            let expected = Record {
                level: Level::ERROR,
                target: module_path!(),
                message: format!("raised number={number} path=\"/a b\" late=true"),
                fields: vec![
                    ("number", Value::Integer(number)),
                    ("path", Value::Text("/a b".into())),
                    ("late", Value::Truth(true)),
                ],
                below: Some("Traceback:\n  x".into()),
            };
            assert_eq!(*taken.lock(), [expected]);
        }
    }
}
