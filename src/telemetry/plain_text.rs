//! A scrape for who does not read OpenMetrics: the older text format of Prometheus, version 0.0.4.
//!
//! Made from the OpenMetrics text, of which it is a dialect: there the `_total` and `_info` of the samples are part of
//! the family's name, info is a gauge, and there are neither units nor an end.

use super::exposition::sample_name;

/// `Content-Type` of what [`from_openmetrics`] gives.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The same families and samples in the older format.
#[must_use]
pub fn from_openmetrics(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for line in text.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            plain.push_str(line);
            plain.push('\n');
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        let (Some(kind @ ("HELP" | "TYPE")), Some(name), Some(rest)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let rest = if (kind, rest) == ("TYPE", "info") { "gauge" } else { rest };
        let name = sample_name(name).unwrap_or_else(|| name.to_owned());
        for part in ["# ", kind, " ", &name, " ", rest, "\n"] {
            plain.push_str(part);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_are_those_of_the_samples() {
        let text = "\
# HELP monopod_requests Requests that have ended.
# TYPE monopod_requests counter
monopod_requests_total{method=\"GET\",status=\"200\"} 1
# HELP monopod_request_duration_seconds How long.
# TYPE monopod_request_duration_seconds histogram
# UNIT monopod_request_duration_seconds seconds
monopod_request_duration_seconds_count{phase=\"app\"} 0
# HELP monopod_build This server.
# TYPE monopod_build info
monopod_build_info{version=\"0.1.0\"} 1
# EOF
";
        let plain = "\
# HELP monopod_requests_total Requests that have ended.
# TYPE monopod_requests_total counter
monopod_requests_total{method=\"GET\",status=\"200\"} 1
# HELP monopod_request_duration_seconds How long.
# TYPE monopod_request_duration_seconds histogram
monopod_request_duration_seconds_count{phase=\"app\"} 0
# HELP monopod_build_info This server.
# TYPE monopod_build_info gauge
monopod_build_info{version=\"0.1.0\"} 1
";
        assert_eq!(from_openmetrics(text), plain);
    }
}
