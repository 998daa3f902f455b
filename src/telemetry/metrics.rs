//! What is counted: cells that the rooms add to as things happen.
//!
//! `server` makes one [`Metrics`] per process; `stack`, `net`, `app`, `exchange` and `wsgi` hold it and count. A cell is
//! one relaxed atomic, found by index: counting takes no lock, allocates nothing and compares no text, except for the
//! reason of a request that failed. What a room knows anyway (queue, threads, budget) is not kept twice but read when
//! somebody asks ([`super::exposition::Levels`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;

use super::reasons::REASONS;

/// Methods that have a label value of their own; any other is `OTHER`, so that no client makes up label values.
pub const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "OTHER"];
/// Why a request header did not reach the application.
pub const DROPPED: [&str; 2] = ["underscore", "proxy"];
/// The status of a request whose client left before there was one, as nginx counts it.
pub const CLIENT_GONE: u16 = 499;
/// Upper bounds of the buckets of all durations, in microseconds; above the last is `+Inf`. From what a fast view takes to
/// `--timeout`'s minute, two or three to a decade.
pub const BOUNDS: [u64; 15] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000, 60_000_000,
];
/// Statuses that can be counted: `http::StatusCode` has three digits.
const STATUSES: std::ops::Range<u16> = 100..1000;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// `more` more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Durations by [`BOUNDS`], and their sum.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BOUNDS.len() + 1],
    nanos: Counter,
}

impl Histogram {
    /// One that took so long.
    pub fn observe(&self, took: Duration) {
        // Not as_nanos() or as_micros(), which are 128 bits wide.
        let nanos = took.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(took.subsec_nanos()));
        let bucket = BOUNDS.iter().position(|bound| nanos <= bound * 1000).unwrap_or(BOUNDS.len());
        self.buckets[bucket].inc();
        self.nanos.add(nanos);
    }

    /// How many fell into each bucket alone, the last of which has no bound.
    #[must_use]
    pub fn buckets(&self) -> [u64; BOUNDS.len() + 1] {
        std::array::from_fn(|at| self.buckets[at].get())
    }

    /// The sum of all durations, in seconds.
    #[must_use]
    pub fn sum(&self) -> f64 {
        Duration::from_nanos(self.nanos.get()).as_secs_f64()
    }
}

/// A method as a label: an index into [`METHODS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodLabel(u8);

impl MethodLabel {
    /// A method without a label of its own, or of a request that never had one.
    pub const OTHER: Self = Self(9);
    /// HEAD, whose answers have no body.
    pub const HEAD: Self = Self(1);
}

impl From<&Method> for MethodLabel {
    fn from(method: &Method) -> Self {
        Self(match *method {
            Method::GET => 0,
            Method::HEAD => 1,
            Method::POST => 2,
            Method::PUT => 3,
            Method::DELETE => 4,
            Method::CONNECT => 5,
            Method::OPTIONS => 6,
            Method::TRACE => 7,
            Method::PATCH => 8,
            _ => return Self::OTHER,
        })
    }
}

/// A header that the application does not get: an index into [`DROPPED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DroppedHeader {
    /// `X_Y` would be the same environ key as `X-Y`.
    Underscore,
    /// `Proxy` (CVE-2016-5385).
    Proxy,
}

/// Everything that is counted in this process.
#[derive(Debug)]
pub struct Metrics {
    /// By method and status, [`STATUSES`] to a method.
    requests: Box<[Counter]>,
    /// From the queue to a thread, or to the end of the patience.
    pub queue: Histogram,
    /// From the thread to the head of the answer.
    pub app: Histogram,
    /// From the complete head of the request to the last byte of the answer handed to the connection.
    pub total: Histogram,
    /// Connections of clients so far, and those that have ended.
    opened: Counter,
    closed: Counter,
    /// Bytes of request bodies.
    pub request_bytes: Counter,
    /// Bytes of response bodies.
    pub response_bytes: Counter,
    /// By [`REASONS`]; the last is for a word that is missing there.
    faults: [Counter; REASONS.len() + 1],
    /// By [`DROPPED`].
    dropped_headers: [Counter; DROPPED.len()],
    /// Requests answered with a static file, or with its 304.
    pub static_hits: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let cells = METHODS.len() * STATUSES.len();
        Self {
            requests: std::iter::repeat_with(Counter::default).take(cells).collect(),
            queue: Histogram::default(),
            app: Histogram::default(),
            total: Histogram::default(),
            opened: Counter::default(),
            closed: Counter::default(),
            request_bytes: Counter::default(),
            response_bytes: Counter::default(),
            faults: std::array::from_fn(|_| Counter::default()),
            dropped_headers: std::array::from_fn(|_| Counter::default()),
            static_hits: Counter::default(),
        }
    }
}

impl Metrics {
    /// A request has ended.
    pub fn request(&self, method: MethodLabel, status: u16, took: Duration, bytes: u64) {
        let at = usize::from(method.0) * STATUSES.len() + usize::from(status.wrapping_sub(STATUSES.start));
        if let Some(cell) = self.requests.get(at) {
            cell.inc();
        }
        self.total.observe(took);
        self.response_bytes.add(bytes);
    }

    /// A request or connection was refused, failed, or lost its client, for one of [`REASONS`].
    pub fn fault(&self, reason: &str) {
        self.faults_of(reason, 1);
    }

    /// So many were.
    pub fn faults_of(&self, reason: &str, count: u64) {
        let known = REASONS.iter().position(|(word, _)| *word == reason);
        self.faults[known.unwrap_or(REASONS.len())].add(count);
    }

    /// A header was kept from the application.
    pub fn dropped_header(&self, kind: DroppedHeader) {
        self.dropped_headers[kind as usize].inc();
    }

    /// A client has connected; it is there until what this returns is dropped.
    #[must_use]
    pub fn connect(self: &Arc<Self>) -> Connected {
        self.opened.inc();
        Connected(Arc::clone(self))
    }

    /// Connections of clients: open now, and so far.
    #[must_use]
    pub fn connections(&self) -> (u64, u64) {
        // In this order, or one that ends in between would make a negative number.
        let closed = self.closed.get();
        let opened = self.opened.get();
        (opened.saturating_sub(closed), opened)
    }

    /// Requests by method and status, where there were any.
    pub fn requests(&self) -> impl Iterator<Item = (&'static str, u16, u64)> {
        let rows = METHODS.iter().zip(self.requests.chunks(STATUSES.len()));
        let cells =
            rows.flat_map(|(method, row)| STATUSES.zip(row).map(|(status, cell)| (*method, status, cell.get())));
        cells.filter(|(_, _, count)| *count > 0)
    }

    /// Faults by reason: all of [`REASONS`], and `other` only if there was any.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let words = REASONS.iter().map(|(word, _)| *word).chain(["other"]);
        words.zip(&self.faults).map(|(word, cell)| (word, cell.get())).filter(|cell| *cell != ("other", 0))
    }

    /// Headers kept from the application, by kind.
    pub fn dropped_headers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        DROPPED.into_iter().zip(&self.dropped_headers).map(|(kind, cell)| (kind, cell.get()))
    }
}

/// A client's connection, as long as it is open.
#[derive(Debug)]
pub struct Connected(Arc<Metrics>);

impl Connected {
    /// Where its troubles are counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.closed.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_have_their_own_label_and_inventions_share_one() {
        for (at, name) in METHODS.iter().enumerate() {
            let method = Method::from_bytes(name.as_bytes()).unwrap();
            assert_eq!(usize::from(MethodLabel::from(&method).0), at, "{name}");
        }
        assert_eq!(MethodLabel::from(&Method::from_bytes(b"BREW").unwrap()), MethodLabel::OTHER);
        assert_eq!(METHODS[usize::from(MethodLabel::HEAD.0)], "HEAD");
    }

    #[test]
    fn requests_are_counted_by_method_and_status() {
        let metrics = Metrics::default();
        for (method, status) in [(Method::GET, 200), (Method::GET, 200), (Method::PATCH, 999), (Method::POST, 100)] {
            metrics.request(MethodLabel::from(&method), status, Duration::from_millis(1), 5);
        }
        metrics.request(MethodLabel::OTHER, 400, Duration::ZERO, 0);
        let found: Vec<_> = metrics.requests().collect();
        assert_eq!(found, [("GET", 200, 2), ("POST", 100, 1), ("PATCH", 999, 1), ("OTHER", 400, 1)]);
        assert_eq!(metrics.response_bytes.get(), 20);
        assert_eq!(metrics.total.buckets().iter().sum::<u64>(), 5);
    }

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        let micros = Duration::from_micros;
        for took in [micros(0), micros(1000), micros(1001), micros(60_000_000), micros(60_000_001)] {
            histogram.observe(took);
        }
        let buckets = histogram.buckets();
        assert_eq!((buckets[0], buckets[1], buckets[14], buckets[15]), (2, 1, 1, 1));
        assert!((histogram.sum() - 120.002_002).abs() < 1e-9, "{}", histogram.sum());
        histogram.observe(Duration::MAX);
        assert_eq!(histogram.buckets()[15], 2);
    }

    #[test]
    fn faults_are_counted_by_word_and_an_unknown_one_is_not_lost() {
        let metrics = Metrics::default();
        metrics.fault("queue-full");
        assert!(metrics.faults().all(|(word, count)| count == u64::from(word == "queue-full")));
        assert_eq!(metrics.faults().count(), REASONS.len());
        metrics.fault("no-such-word");
        assert_eq!(metrics.faults().last(), Some(("other", 1)));
    }

    #[test]
    fn a_connection_is_open_until_it_is_dropped() {
        let metrics = Arc::new(Metrics::default());
        let (first, second) = (metrics.connect(), metrics.connect());
        assert_eq!(metrics.connections(), (2, 2));
        drop(first);
        assert_eq!(metrics.connections(), (1, 2));
        drop(second);
        assert_eq!(metrics.connections(), (0, 2));
    }
}
