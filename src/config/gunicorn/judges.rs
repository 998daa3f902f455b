//! gunicorn's options whose value says what becomes of them: a function each.
//!
//! A refusal is the second half of a sentence, behind the flag. Called through the table. Pure.

use super::super::values::wants;
use super::table::{ASGI, HTTP_2, Meaning};

pub(super) fn worker_class(value: &str) -> Result<Meaning, String> {
    match value {
        "sync" | "gthread" | "gunicorn.workers.sync.SyncWorker" | "gunicorn.workers.gthread.ThreadWorker" => {
            Ok(Meaning::Nothing("--threads says how many requests run at once"))
        }
        _ if ["asgi", "uvicorn", "aiohttp", "hypercorn"].iter().any(|name| value.contains(name)) => {
            Err(format!("{}: {ASGI}", wants("`sync` or `gthread`", value)))
        }
        _ => Err(format!(
            "{}: the application runs on threads, so leave it out and set --threads to the requests that may \
             run at once",
            wants("`sync` or `gthread`", value)
        )),
    }
}

/// Whether a file is one of the standard streams.
fn is_stream(file: &str) -> bool {
    let streams = ["-", "/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/fd/2", "/proc/self/fd/1", "/proc/self/fd/2"];
    streams.contains(&file) || file.starts_with("/proc/1/fd/")
}

fn no_file(file: &str) -> String {
    format!(
        "{}: logs go to standard output, so redirect that (`> FILE`) or let the container runtime keep it",
        wants("`-`", file)
    )
}

pub(super) fn access_logfile(file: &str) -> Result<Meaning, String> {
    match file {
        "/dev/null" => Ok(Meaning::Ours("--access-log=false")),
        file if is_stream(file) => Ok(Meaning::Ours("--access-log=true")),
        file => Err(no_file(file)),
    }
}

pub(super) fn error_logfile(file: &str) -> Result<Meaning, String> {
    if is_stream(file) {
        Ok(Meaning::Nothing("every line of the log goes to standard output"))
    } else {
        Err(no_file(file))
    }
}

pub(super) fn protocol(name: &str) -> Result<Meaning, String> {
    match name {
        "http" => Ok(Meaning::Anyway),
        name => Err(format!("{}: let the proxy speak HTTP to it, as nginx does by proxy_pass", wants("`http`", name))),
    }
}

pub(super) fn http_protocols(names: &str) -> Result<Meaning, String> {
    match names {
        "h1" => Ok(Meaning::Anyway),
        names => Err(format!("{}: {HTTP_2}, so speak HTTP/2 in front", wants("`h1`", names))),
    }
}

pub(super) fn http2_cleartext(mode: &str) -> Result<Meaning, String> {
    match mode {
        "off" => Ok(Meaning::Anyway),
        mode => Err(format!("{}: {HTTP_2}", wants("`off`", mode))),
    }
}

pub(super) fn header_map(mode: &str) -> Result<Meaning, String> {
    match mode {
        "drop" => Ok(Meaning::Anyway),
        mode => Err(format!(
            "{}: headers with _ in their names are always dropped, as X_Forwarded_For would pass for X-Forwarded-For",
            wants("`drop`", mode)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_judged() {
        for (judge, good, bad) in [
            (
                worker_class as fn(&str) -> _,
                &["sync", "gthread"][..],
                &["gevent", "eventlet", "tornado", "asgi", ""][..],
            ),
            (access_logfile, &["-", "/dev/stdout", "/dev/null", "/proc/1/fd/1"], &["/var/log/access.log", "-x", ""]),
            (error_logfile, &["-", "/dev/stderr"], &["/dev/null", "error.log"]),
            (protocol, &["http"], &["uwsgi", "fastcgi"]),
            (http_protocols, &["h1"], &["h2,h1", "h2"]),
            (http2_cleartext, &["off"], &["on", "prior-knowledge"]),
            (header_map, &["drop"], &["refuse", "dangerous"]),
        ] {
            for value in good {
                assert!(judge(value).is_ok(), "{value}");
            }
            for value in bad {
                let refusal: String = judge(value).unwrap_err();
                assert!(refusal.starts_with("wants `") && refusal.contains(&format!(", not `{value}`: ")), "{refusal}");
            }
        }
        assert!(worker_class("uvicorn.workers.UvicornWorker").unwrap_err().contains("ASGI"));
        assert_eq!(access_logfile("-"), Ok(Meaning::Ours("--access-log=true")));
    }
}
