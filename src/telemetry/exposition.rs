//! The metrics as others read them: the one definition of each family, and the text of a scrape (OpenMetrics 1.0).
//!
//! Called by `server` for a scrape, off the IO thread; `reference` makes the documentation of it. Keeps nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType::{self, Counter, Gauge, Histogram, Info};
use prometheus_client::registry::{Registry, Unit};

use super::metrics::{self, BOUNDS, Metrics};
use crate::sys::cgroup::CgroupLimits;
use crate::sys::usage::Usage;

/// `Content-Type` of a scrape.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The parts of a server's life, in order.
pub const PHASES: [&str; 4] = ["booting", "ready", "draining", "stopped"];

/// What is not counted but known elsewhere, read for one scrape.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    /// One of [`PHASES`].
    pub phase: &'static str,
    /// Why readiness and liveness probes fail, if they do.
    pub not_ready: Option<&'static str>,
    pub not_live: Option<&'static str>,
    pub in_flight: u64,
    pub queue_depth: u64,
    pub queue_capacity: u64,
    pub threads_busy: u64,
    pub threads_max: u64,
    pub threads_streaming: u64,
    pub threads_stuck: u64,
    pub connections_max: u64,
    pub buffer_bytes: u64,
    pub buffer_limit_bytes: u64,
    pub spooled_bytes: u64,
    pub log_lines_dropped: u64,
    /// What the container may use, and uses, where that is known.
    pub memory_used: Option<u64>,
    /// The running interpreter's version, such as 3.13.1.
    pub python: Arc<str>,
    pub usage: Usage,
    /// What the container may use.
    pub limits: CgroupLimits,
}

/// A family of samples: which, what it is, its name without unit and suffix, its unit, its labels, its meaning.
pub(super) struct Family(
    pub(super) Metric,
    pub(super) MetricType,
    pub(super) &'static str,
    pub(super) Option<Unit>,
    pub(super) &'static [&'static str],
    pub(super) &'static str,
);

/// A word for each family; [`Scrape`] knows where each has its values.
pub(super) enum Metric {
    Requests,
    Durations,
    InFlight,
    QueueDepth,
    QueueCapacity,
    ThreadsBusy,
    ThreadsMax,
    ThreadsStreaming,
    ThreadsStuck,
    Connections,
    ConnectionsMax,
    Accepted,
    RequestBytes,
    ResponseBytes,
    Faults,
    DroppedHeaders,
    Buffer,
    BufferLimit,
    Spooled,
    StaticHits,
    LogLinesDropped,
    Ready,
    Life,
    Build,
    CpuLimit,
    MemoryLimit,
    MemoryUsed,
    Cpu,
    Resident,
    OpenFds,
    MaxFds,
    StartTime,
}

use Metric as M;
const BYTES: Option<Unit> = Some(Unit::Bytes);
const SECONDS: Option<Unit> = Some(Unit::Seconds);

/// Every family, in the order of a scrape.
pub(super) static FAMILIES: [Family; 32] = [
    Family(
        M::Requests,
        Counter,
        "monopod_requests",
        None,
        &["method", "status"],
        "Requests that have ended, whoever answered them",
    ),
    Family(M::Durations, Histogram, "monopod_request_duration", SECONDS, &["phase"], "How long requests took"),
    Family(M::InFlight, Gauge, "monopod_requests_in_flight", None, &[], "Requests that have come and not ended"),
    Family(M::QueueDepth, Gauge, "monopod_queue_depth", None, &[], "Requests that wait for a thread"),
    Family(M::QueueCapacity, Gauge, "monopod_queue_capacity", None, &[], "Requests that may wait (`--queue-size`)"),
    Family(M::ThreadsBusy, Gauge, "monopod_threads_busy", None, &[], "Threads that run the application"),
    Family(M::ThreadsMax, Gauge, "monopod_threads_max", None, &[], "Threads there may be (`--threads`)"),
    Family(
        M::ThreadsStreaming,
        Gauge,
        "monopod_threads_streaming",
        None,
        &[],
        "Further threads, for responses that last (`--stream-threads`)",
    ),
    Family(
        M::ThreadsStuck,
        Gauge,
        "monopod_threads_stuck",
        None,
        &[],
        "Threads that do not come back from a request (`--timeout`)",
    ),
    Family(M::Connections, Gauge, "monopod_connections", None, &[], "Connections of clients that are open"),
    Family(
        M::ConnectionsMax,
        Gauge,
        "monopod_connections_max",
        None,
        &[],
        "Connections that may be open (`--max-connections`)",
    ),
    Family(M::Accepted, Counter, "monopod_connections_accepted", None, &[], "Connections of clients so far"),
    Family(M::RequestBytes, Counter, "monopod_request", BYTES, &[], "Bytes of request bodies for the application"),
    Family(M::ResponseBytes, Counter, "monopod_response", BYTES, &[], "Bytes of response bodies"),
    Family(M::Faults, Counter, "monopod_faults", None, &["reason"], "Requests and connections refused or failed"),
    Family(
        M::DroppedHeaders,
        Counter,
        "monopod_dropped_headers",
        None,
        &["kind"],
        "Request headers kept from the application",
    ),
    Family(M::Buffer, Gauge, "monopod_buffer", BYTES, &[], "Bytes of bodies held in memory"),
    Family(M::BufferLimit, Gauge, "monopod_buffer_limit", BYTES, &[], "Bytes that may be held (`--buffer-memory`)"),
    Family(M::Spooled, Counter, "monopod_spooled", BYTES, &[], "Bytes of bodies written to temporary files"),
    Family(M::StaticHits, Counter, "monopod_static_hits", None, &[], "Requests answered from a static file"),
    Family(
        M::LogLinesDropped,
        Counter,
        "monopod_log_lines_dropped",
        None,
        &[],
        "Log lines lost because nobody took them from standard output",
    ),
    Family(M::Ready, Gauge, "monopod_ready", None, &[], "Whether the readiness probe succeeds: 1, else 0"),
    Family(M::Life, Gauge, "monopod_life", None, &["phase"], "Which phase the server is in: 1, the others 0"),
    Family(M::Build, Info, "monopod_build", None, &["version", "python"], "This server, and the Python it runs"),
    Family(M::CpuLimit, Gauge, "monopod_cpu_limit", None, &[], "CPUs the process may use, possibly a fraction"),
    Family(
        M::MemoryLimit,
        Gauge,
        "monopod_memory_limit",
        BYTES,
        &[],
        "Bytes of memory the container may use, where that is limited",
    ),
    Family(
        M::MemoryUsed,
        Gauge,
        "monopod_memory_used",
        BYTES,
        &[],
        "Memory that counts against the limit, without file pages that can be dropped",
    ),
    Family(M::Cpu, Counter, "process_cpu", SECONDS, &[], "User and system time of the process"),
    Family(M::Resident, Gauge, "process_resident_memory", BYTES, &[], "Resident memory of the process"),
    Family(M::OpenFds, Gauge, "process_open_fds", None, &[], "Open file descriptors"),
    Family(M::MaxFds, Gauge, "process_max_fds", None, &[], "File descriptors that may be open, where there is a limit"),
    Family(M::StartTime, Gauge, "process_start_time", SECONDS, &[], "When the process started, since the Unix epoch"),
];

impl Family {
    /// The name of its samples; a histogram's have suffixes of their own.
    pub(super) fn sample_name(&self) -> String {
        let Self(_, kind, name, unit, ..) = self;
        let unit = unit.as_ref().map(|unit| format!("_{}", unit.as_str())).unwrap_or_default();
        let suffix = match kind {
            Counter => "_total",
            Info => "_info",
            _ => "",
        };
        format!("{name}{unit}{suffix}")
    }
}

/// The name of the samples of the family that the text calls so.
pub(super) fn sample_name(family: &str) -> Option<String> {
    let names = FAMILIES.iter().map(Family::sample_name);
    names.into_iter().find(|name| name.strip_suffix("_total").or(name.strip_suffix("_info")).unwrap_or(name) == family)
}

/// The text of one scrape.
#[must_use]
pub fn scrape(metrics: &Arc<Metrics>, levels: Levels) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape { metrics: Arc::clone(metrics), levels }));
    let mut text = String::with_capacity(16 * 1024);
    if encode(&mut text, &registry).is_err() {
        // Writing to a String does not fail.
        tracing::error!(reason = "internal", "the metrics cannot be written");
    }
    text
}

#[derive(Debug)]
struct Scrape {
    metrics: Arc<Metrics>,
    levels: Levels,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        FAMILIES.iter().try_for_each(|family| self.family(family, &mut Out { family, encoder: &mut encoder }))
    }
}

impl Scrape {
    fn family(&self, Family(metric, ..): &Family, out: &mut Out) -> fmt::Result {
        let (counts, levels, usage) = (&self.metrics, &self.levels, &self.levels.usage);
        match metric {
            M::Requests => {
                let mut samples = out.samples()?;
                counts.requests().try_for_each(|(method, status, count)| {
                    counter(&mut samples.encode_family(&([("method", method)], [("status", status)]))?, &count)
                })
            }
            M::Durations => {
                let mut samples = out.samples()?;
                let phases = [("queue", &counts.queue), ("app", &counts.app), ("total", &counts.total)];
                phases.into_iter().try_for_each(|(phase, durations)| {
                    histogram(&mut samples.encode_family(&[("phase", phase)])?, durations)
                })
            }
            M::Build => {
                let python: &str = &levels.python;
                out.samples()?.encode_info(&[("version", env!("CARGO_PKG_VERSION")), ("python", python)])
            }
            M::Life => {
                let mut samples = out.samples()?;
                PHASES.into_iter().try_for_each(|phase| {
                    let is = u64::from(phase == levels.phase);
                    samples.encode_family(&[("phase", phase)])?.encode_gauge(&is)
                })
            }
            M::Ready => out.gauge(Some(u64::from(levels.not_ready.is_none()))),
            M::CpuLimit => out.gauge(levels.limits.cpus),
            M::MemoryLimit => out.gauge(levels.limits.memory),
            M::Faults => out.counters("reason", counts.faults()),
            M::DroppedHeaders => out.counters("kind", counts.dropped_headers()),
            M::Accepted => out.counter(counts.connections().1),
            M::RequestBytes => out.counter(counts.request_bytes.get()),
            M::ResponseBytes => out.counter(counts.response_bytes.get()),
            M::Spooled => out.counter(levels.spooled_bytes),
            M::StaticHits => out.counter(counts.static_hits.get()),
            M::LogLinesDropped => out.counter(levels.log_lines_dropped),
            M::Cpu => usage.cpu.map_or(Ok(()), |time| counter(&mut out.samples()?, &time.as_secs_f64())),
            M::InFlight => out.gauge(Some(levels.in_flight)),
            M::QueueDepth => out.gauge(Some(levels.queue_depth)),
            M::QueueCapacity => out.gauge(Some(levels.queue_capacity)),
            M::ThreadsBusy => out.gauge(Some(levels.threads_busy)),
            M::ThreadsMax => out.gauge(Some(levels.threads_max)),
            M::ThreadsStreaming => out.gauge(Some(levels.threads_streaming)),
            M::ThreadsStuck => out.gauge(Some(levels.threads_stuck)),
            M::Connections => out.gauge(Some(counts.connections().0)),
            M::ConnectionsMax => out.gauge(Some(levels.connections_max)),
            M::Buffer => out.gauge(Some(levels.buffer_bytes)),
            M::BufferLimit => out.gauge(Some(levels.buffer_limit_bytes)),
            M::MemoryUsed => out.gauge(levels.memory_used),
            M::Resident => out.gauge(usage.resident),
            M::OpenFds => out.gauge(usage.open_fds),
            M::MaxFds => out.gauge(usage.max_fds),
            M::StartTime => out.gauge(usage.started.map(|time| time.as_secs_f64())),
        }
    }
}

/// Where one family goes.
struct Out<'a, 'b> {
    family: &'static Family,
    encoder: &'a mut DescriptorEncoder<'b>,
}

impl Out<'_, '_> {
    /// Writes what the family is; its samples follow.
    fn samples(&mut self) -> Result<MetricEncoder<'_>, fmt::Error> {
        let Family(_, kind, name, unit, _, meaning) = self.family;
        self.encoder.encode_descriptor(name, &format!("{meaning}."), unit.as_ref(), *kind)
    }

    fn counter(&mut self, value: u64) -> fmt::Result {
        counter(&mut self.samples()?, &value)
    }

    fn counters(&mut self, label: &str, values: impl Iterator<Item = (&'static str, u64)>) -> fmt::Result {
        let mut samples = self.samples()?;
        for (word, value) in values {
            counter(&mut samples.encode_family(&[(label, word)])?, &value)?;
        }
        Ok(())
    }

    /// What is not known is left out.
    fn gauge(&mut self, value: Option<impl EncodeGaugeValue>) -> fmt::Result {
        value.map_or(Ok(()), |value| self.samples()?.encode_gauge(&value))
    }
}

fn counter(samples: &mut MetricEncoder, value: &impl EncodeCounterValue) -> fmt::Result {
    samples.encode_counter::<NoLabelSet, _, f64>(value, None)
}

fn histogram(samples: &mut MetricEncoder, durations: &metrics::Histogram) -> fmt::Result {
    let counts = durations.buckets();
    let buckets: Vec<(f64, u64)> = bounds().chain([f64::INFINITY]).zip(counts).collect();
    samples.encode_histogram::<NoLabelSet>(durations.sum(), counts.iter().sum(), &buckets, None)
}

/// Upper bounds in seconds.
pub(super) fn bounds() -> impl Iterator<Item = f64> {
    BOUNDS.iter().map(|micros| Duration::from_micros(*micros).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_name(text: &str) -> bool {
        text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && !text.contains("__")
            && !text.ends_with('_')
    }

    /// What OpenMetrics asks of names and labels: <https://prometheus.io/docs/specs/om/open_metrics_spec/>.
    #[test]
    fn names_and_labels_follow_openmetrics() {
        let mut seen = Vec::new();
        for family in &FAMILIES {
            let Family(_, kind, name, unit, labels, meaning) = family;
            assert!(is_name(name) && (name.starts_with("monopod_") || name.starts_with("process_")), "{name}");
            for suffix in ["_total", "_created", "_count", "_sum", "_bucket", "_info", "_bytes", "_seconds"] {
                assert!(!name.ends_with(suffix), "{name}: suffixes and units are added");
            }
            for label in *labels {
                assert!(is_name(label) && !matches!(*label, "le" | "quantile"), "{name}: {label}");
            }
            assert!(matches!((kind, unit), (Info, None) | (Counter | Gauge | Histogram, _)), "{name}");
            assert!(meaning.starts_with(char::is_uppercase) && !meaning.ends_with('.'), "{name}: {meaning}");
            let family_name = family.sample_name();
            let family_name = family_name.trim_end_matches("_total").trim_end_matches("_info").to_owned();
            assert!(!seen.contains(&family_name), "two families {family_name}");
            seen.push(family_name);
        }
    }

    #[test]
    fn a_scrape_tells_every_family_once_and_ends() {
        let metrics = Arc::new(Metrics::default());
        metrics.request((&http::Method::GET).into(), 200, Duration::from_millis(3), 7);
        metrics.fault("queue-full");
        let usage =
            Usage { max_fds: None, open_fds: Some(9), started: Some(Duration::from_secs(5)), ..Usage::default() };
        let levels = Levels { queue_depth: 4, python: "3.13.1".into(), usage, ..Levels::default() };
        let text = scrape(&metrics, levels);
        for line in [
            "# TYPE monopod_requests counter",
            "monopod_requests_total{method=\"GET\",status=\"200\"} 1",
            "# UNIT monopod_request_duration_seconds seconds",
            "monopod_request_duration_seconds_bucket{le=\"0.0025\",phase=\"total\"} 0",
            "monopod_request_duration_seconds_bucket{le=\"0.005\",phase=\"total\"} 1",
            "monopod_request_duration_seconds_bucket{le=\"+Inf\",phase=\"total\"} 1",
            "monopod_request_duration_seconds_count{phase=\"app\"} 0",
            "monopod_response_bytes_total 7",
            "monopod_faults_total{reason=\"queue-full\"} 1",
            "monopod_faults_total{reason=\"queue-timeout\"} 0",
            "monopod_queue_depth 4",
            concat!("monopod_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\",python=\"3.13.1\"} 1"),
            "process_open_fds 9",
            "process_start_time_seconds 5.0",
        ] {
            assert_eq!(text.lines().filter(|known| *known == line).count(), 1, "{line} in {text}");
        }
        assert!(!text.contains("process_max_fds"), "{text}");
        assert!(text.ends_with("\n# EOF\n"), "{text}");
    }
}
