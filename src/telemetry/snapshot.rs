//! The metrics of one moment as one JSON object, for the status page and for scripts.
//!
//! Called by `server` for `/-/status.json`, off the IO thread. Counters count from the start of the process, so who wants
//! rates and percentiles takes the difference of two. Documented in docs/admin-port.md.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::exposition::{Levels, bounds};
use super::metrics::{Histogram, Metrics};

/// The object, on one line. `host` is the machine's name; `uptime` says when this is true.
#[must_use]
pub fn snapshot(metrics: &Metrics, levels: &Levels, host: Option<&str>, uptime: Duration) -> String {
    let (mut by_status, mut by_method, mut total) = (BTreeMap::new(), BTreeMap::new(), 0);
    for (method, status, count) in metrics.requests() {
        *by_status.entry(status.to_string()).or_insert(0) += count;
        *by_method.entry(method).or_insert(0) += count;
        total += count;
    }
    let faults: BTreeMap<_, _> = metrics.faults().filter(|(_, count)| *count > 0).collect();
    let (open, accepted) = metrics.connections();
    let usage = &levels.usage;
    let text = json!({
        "host": host,
        "version": env!("CARGO_PKG_VERSION"),
        "python": &*levels.python,
        "phase": levels.phase,
        "not_ready": levels.not_ready,
        "not_live": levels.not_live,
        "uptime_seconds": uptime.as_secs_f64(),
        "started_seconds": usage.started.map(|time| time.as_secs_f64()),
        "requests": { "total": total, "by_status": by_status, "by_method": by_method, "in_flight": levels.in_flight },
        "durations": {
            "bounds_seconds": bounds().collect::<Vec<f64>>(),
            "queue": durations(&metrics.queue),
            "app": durations(&metrics.app),
            "total": durations(&metrics.total),
        },
        "queue": { "depth": levels.queue_depth, "capacity": levels.queue_capacity },
        "threads": {
            "busy": levels.threads_busy,
            "max": levels.threads_max,
            "streaming": levels.threads_streaming,
            "stuck": levels.threads_stuck,
        },
        "connections": { "open": open, "max": levels.connections_max, "accepted": accepted },
        "bodies": {
            "request_bytes": metrics.request_bytes.get(),
            "response_bytes": metrics.response_bytes.get(),
            "spooled_bytes": levels.spooled_bytes,
            "buffer_bytes": levels.buffer_bytes,
            "buffer_limit_bytes": levels.buffer_limit_bytes,
        },
        "static_hits": metrics.static_hits.get(),
        "faults": faults,
        "dropped_headers": metrics.dropped_headers().collect::<BTreeMap<_, _>>(),
        "log_lines_dropped": levels.log_lines_dropped,
        "process": {
            "cpu_seconds": usage.cpu.map(|time| time.as_secs_f64()),
            "cpu_limit": levels.limits.cpus,
            "resident_bytes": usage.resident,
            "memory_limit_bytes": levels.limits.memory,
            "open_fds": usage.open_fds,
            "max_fds": usage.max_fds,
        },
    });
    format!("{text}\n")
}

/// How many fell into each bucket alone; the last has no bound.
fn durations(histogram: &Histogram) -> Value {
    json!({ "buckets": histogram.buckets(), "sum_seconds": histogram.sum() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    #[test]
    fn sums_by_status_and_by_method_and_leaves_out_faults_that_never_were() {
        let metrics = Metrics::default();
        for (method, status) in [(Method::GET, 200), (Method::POST, 200), (Method::GET, 404)] {
            metrics.request((&method).into(), status, Duration::from_millis(3), 10);
        }
        metrics.fault("queue-full");
        let levels = Levels { phase: "ready", not_ready: Some("queue-full"), ..Levels::default() };
        let text = snapshot(&metrics, &levels, Some("a\"pod"), Duration::from_millis(1500));
        let told: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(told["host"], "a\"pod");
        assert_eq!(told["uptime_seconds"], 1.5);
        assert_eq!(told["requests"]["by_status"], json!({ "200": 2, "404": 1 }));
        assert_eq!(told["requests"]["by_method"], json!({ "GET": 2, "POST": 1 }));
        assert_eq!((&told["requests"]["total"], &told["faults"]), (&json!(3), &json!({ "queue-full": 1 })));
        assert_eq!((&told["not_ready"], &told["not_live"]), (&json!("queue-full"), &Value::Null));
        let (bounds, buckets) = (&told["durations"]["bounds_seconds"], &told["durations"]["total"]["buckets"]);
        assert_eq!(bounds.as_array().unwrap().len() + 1, buckets.as_array().unwrap().len());
        assert_eq!(buckets[2], 3);
    }
}
