//! `monopod healthcheck`: asks a running server whether it is ready, for images that have no curl.
//!
//! Called by `run()` in a process of its own, with the settings that the server has by the same environment and file. No
//! Python, no runtime; never waits for long.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::config::StartError;
use crate::config::settings::{Bind, Edge, Settings};

/// For all of it; below Docker's default for a check, 30 s, and above what a busy machine takes.
const PATIENCE: Duration = Duration::from_secs(5);
/// More is no answer of ours, in bytes.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// What the server says.
#[derive(Debug, PartialEq, Eq)]
pub enum Health {
    /// It takes requests.
    Ready,
    /// It does not, and this is why.
    NotReady(String),
}

/// Asks the admin port, or `--health-path` where there is none.
///
/// # Errors
/// [`StartError::Config`] where there is neither.
pub fn healthcheck(settings: &Settings) -> Result<Health, StartError> {
    let (bind, path, edge) = endpoint(settings)?;
    Ok(match ask(bind, path, edge) {
        Ok(answer) => judge(&answer),
        Err(error) => Health::NotReady(format!("{bind} does not answer ({error})")),
    })
}

/// Where to ask, for what, and how clients come there; the admin port is for no proxy.
fn endpoint(settings: &Settings) -> Result<(&Bind, &str, Option<&Edge>), StartError> {
    let serve = &settings.serve;
    let known = |bind: &&Bind| !matches!(bind, Bind::Tcp(_, 0) | Bind::Fd(_));
    if let Some(bind) = serve.admin_bind.0.as_ref().filter(known) {
        return Ok((bind, "/-/ready", None));
    }
    match (&serve.health_path, serve.bind.iter().find(known)) {
        (Some(path), Some(bind)) => Ok((bind, path, Some(&settings.edge))),
        _ => Err(StartError::config(
            "there is no address to ask at: give the server --admin-bind or --health-path with a fixed port, and this \
             command the same options (variables such as MONOPOD_ADMIN_BIND reach both)",
        )),
    }
}

fn ask(bind: &Bind, path: &str, edge: Option<&Edge>) -> io::Result<Vec<u8>> {
    // The server expects a PROXY header from those whom it trusts, and from nobody else.
    let edge = edge.filter(|edge| edge.proxy_protocol);
    match bind {
        Bind::Tcp(host, port) => {
            let stream = connect(host, *port)?;
            let us = stream.local_addr()?.ip();
            talk(stream, path, edge.is_some_and(|edge| edge.forwarded_allow_ips.has_peer(us)))
        }
        Bind::Unix(socket) => {
            let stream = UnixStream::connect(socket)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            talk(stream, path, edge.is_some())
        }
        Bind::Fd(number) => Err(io::Error::other(format!("fd://{number} is the server's alone"))),
    }
}

fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    // Who listens everywhere is asked at home.
    let host = match host {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    };
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn talk(mut stream: impl Read + Write, path: &str, proxied: bool) -> io::Result<Vec<u8>> {
    let until = Instant::now() + PATIENCE;
    // The PROXY protocol's word for a check of the proxy's own.
    let proxy = if proxied { "PROXY UNKNOWN\r\n" } else { "" };
    stream.write_all(
        format!("{proxy}GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: monopod-healthcheck\r\nConnection: close\r\n\r\n")
            .as_bytes(),
    )?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part)? {
            0 => return Ok(answer),
            read => answer.extend_from_slice(&part[..read]),
        }
        if answer.len() as u64 > LONGEST_ANSWER || Instant::now() > until {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

/// By the status; the body says why not, in a word.
fn judge(answer: &[u8]) -> Health {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let line = head.lines().next().unwrap_or_default();
    let why = body.lines().next().unwrap_or_default();
    let word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    match line.split(' ').nth(1) {
        Some("200") if line.starts_with("HTTP/1.") => Health::Ready,
        Some("503") if word(why) => Health::NotReady(why.to_owned()),
        _ => Health::NotReady(format!("{:?} is no answer of monopod's", line.chars().take(80).collect::<String>())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_decides_and_the_body_says_why() {
        let not = |why: &str| Health::NotReady(why.to_owned());
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nready\n", Health::Ready),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\ndraining\n", not("draining")),
            (
                "HTTP/1.1 503 Service Unavailable\r\n\r\n<html>\x1b[31m",
                not(r#""HTTP/1.1 503 Service Unavailable" is no answer of monopod's"#),
            ),
            ("HTTP/1.1 404 Not Found\r\n\r\n", not(r#""HTTP/1.1 404 Not Found" is no answer of monopod's"#)),
            ("SSH-2.0 200 x\r\n", not(r#""SSH-2.0 200 x" is no answer of monopod's"#)),
            ("", not(r#""" is no answer of monopod's"#)),
        ] {
            assert_eq!(judge(answer.as_bytes()), expected, "{answer}");
        }
    }
}
