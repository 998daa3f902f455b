//! docs/metrics.md, from the definitions of the families, their labels and the reasons.
//!
//! Called by a test that compares the page with what this gives.

use std::fmt::Write as _;

use prometheus_client::registry::Unit;

use super::exposition::{FAMILIES, Family, bounds};
use super::metrics::{CLIENT_GONE, METHODS};
use super::reasons::REASONS;

const INTRO: &str = "\
# Metrics

What monopod counts about itself. The [admin port](admin-port.md) answers `/metrics` with it, as text of
[OpenMetrics](https://prometheus.io/docs/specs/om/open_metrics_spec/) 1.0; to who prefers it (`Accept: text/plain`, as
VictoriaMetrics and browsers do), in Prometheus' older text format 0.0.4. Counters begin with 0 at the
start of the process; what the admin port answers is in none of them. Names, labels and reasons are part of the
interface: they change with an entry in the changelog. [examples/kubernetes](../examples/kubernetes) has a
Grafana dashboard and [alert rules](alerts.md) for them.

| name | type | unit | labels | meaning |
|---|---|---|---|---|
";

/// The page, in Markdown: every family, and the values of their labels.
#[must_use]
pub fn reference() -> String {
    let mut page = INTRO.to_owned();
    for family in &FAMILIES {
        let Family(_, kind, _, unit, labels, meaning) = family;
        let unit = unit.as_ref().map_or("–", Unit::as_str);
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
        let _ = writeln!(page, "| `{}` | {} | {unit} | {labels} | {meaning} |", family.sample_name(), kind.as_str());
    }
    let methods: Vec<String> = METHODS.iter().map(|method| format!("`{method}`")).collect();
    let bounds: Vec<String> = bounds().map(|bound| bound.to_string()).collect();
    let _ = write!(
        page,
        "
## Labels

`method` is one of {}.
The last stands for any other method, and for requests whose head was refused.

`status` is that of the answer. A request whose client left before there was one counts as {CLIENT_GONE}. What a client
leaves later keeps its status, and counts as a fault.

`phase` of a duration is a part of a request's time. `queue`: waiting for a thread, until one took it or its time was up. `app`: from
there to the head of the application's answer. `total`: from the complete head of the request, its body included, until
the last byte of the answer was handed to the connection or the client was gone; it counts every request, static files
too. The buckets reach to
{} seconds, and beyond.

`phase` of `monopod_life` is the server's: `booting` while the application is imported, `ready`, `draining` after the
signal, `stopped` while Python ends. A server that is `ready` may still refuse: then `monopod_ready` is 0.

`kind` of a dropped header: `underscore` for a name with `_`, which the application could not tell from the same name with
`-`; `proxy` for `Proxy` (CVE-2016-5385).

`reason` is also the `reason` of the request's access record:

| reason | meaning |
|---|---|
",
        methods.join(", "),
        bounds.join(", ")
    );
    for (word, meaning) in REASONS {
        let _ = writeln!(page, "| `{word}` | {meaning} |");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_different_kebab_words() {
        for (at, (word, meaning)) in REASONS.iter().enumerate() {
            assert!(word.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{word}");
            assert!(!meaning.ends_with('.') && !meaning.contains('|'), "{word}: {meaning}");
            assert!(REASONS[..at].iter().all(|(other, _)| other != word), "{word} twice");
        }
    }
}
