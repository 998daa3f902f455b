//! The corpus in `tests/requests` against the real server: whole, cut in two at every interesting byte, and what must
//! be refused also between good requests and behind one that the application still runs.
//!
//! A connection for each case; the application remembers by the client's port what reached it, so that a request
//! that must not run is noticed even where it is never answered. Format of the cases: `tests/requests/README.md`.
//! Attacks that no single request shows are in `attacks.rs`.

#[path = "../requests/case.rs"]
mod case;
#[path = "../requests/escape.rs"]
mod escape;

use std::collections::BTreeSet;
use std::fmt::{self, Debug, Display};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::server::Server;
use case::{Case, Outcome, Request};

pub const APP: &str = "requests_app:app";
/// A thread for each request that is held, and one for what is asked meanwhile.
const THREADS: [&str; 2] = ["--threads", "6"];
/// Connections at a time.
const WORKERS: usize = 4;
/// How long any answer may take.
pub const TIMEOUT: Duration = Duration::from_secs(5);
/// Cuts of one case, beside those between CR and LF.
const CUTS: usize = 40;
/// Longer cases are cut between CR and LF alone.
const CUT_BELOW: usize = 2048;
const BEFORE: &[u8] = b"GET /before HTTP/1.1\r\nHost: a\r\n\r\n";
/// The application runs this one until it is told to go on.
const HELD: &[u8] = b"GET /before?held HTTP/1.1\r\nHost: a\r\n\r\n";
const AFTER: &[u8] = b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n";
/// Classes of attack that the corpus and `attacks.rs` must name.
const CLASSES: [&str; 18] = [
    "CVE-2015-0219",
    "CVE-2016-5385",
    "CVE-2018-1000164",
    "CVE-2019-16785",
    "CVE-2019-16786",
    "CVE-2019-16789",
    "CVE-2019-16792",
    "CVE-2021-32714",
    "CVE-2021-32715",
    "CVE-2022-23634",
    "CVE-2022-24761",
    "CVE-2022-24790",
    "CVE-2023-40175",
    "CVE-2024-1135",
    "CVE-2024-45614",
    "CVE-2024-49768",
    "CVE-2024-49769",
    "CVE-2024-6827",
];

/// How a case is sent.
#[derive(Clone, Copy)]
enum Way {
    Whole,
    /// In two pieces, which the server reads one by one.
    Cut(usize),
    /// A good request before it and one after it, all in one piece.
    Between,
    /// The same in three pieces.
    BetweenApart,
    /// As `Between`, while the application runs the request before it.
    Behind,
    /// The same in three pieces: it comes when the application runs that request already.
    BehindApart,
}

impl Way {
    fn pieces(self, case: &[u8]) -> Vec<Vec<u8>> {
        match self {
            Self::Whole => vec![case.to_vec()],
            Self::Cut(at) => vec![case[..at].to_vec(), case[at..].to_vec()],
            Self::Between => vec![[BEFORE, case, AFTER].concat()],
            Self::BetweenApart => vec![BEFORE.to_vec(), case.to_vec(), AFTER.to_vec()],
            Self::Behind => vec![[HELD, case, AFTER].concat()],
            Self::BehindApart => vec![HELD.to_vec(), case.to_vec(), AFTER.to_vec()],
        }
    }

    fn holds(self) -> bool {
        matches!(self, Self::Behind | Self::BehindApart)
    }

    /// Good requests that come before the case's own.
    fn before(self) -> usize {
        usize::from(!matches!(self, Self::Whole | Self::Cut(_)))
    }
}

impl Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Cut(at) => write!(f, ", cut at {at}"),
            Self::Between => f.write_str(", between good requests"),
            Self::BetweenApart => f.write_str(", between good requests, apart"),
            Self::Behind => f.write_str(", behind a request that runs"),
            Self::BehindApart => f.write_str(", behind a request that runs, apart"),
        }
    }
}

#[test]
fn valid() {
    check("valid", |_| vec![Way::Whole]);
}

#[test]
fn invalid() {
    check("invalid", |_| vec![Way::Whole]);
}

#[test]
fn valid_in_two_pieces() {
    check("valid", cuts);
}

#[test]
fn invalid_in_two_pieces() {
    check("invalid", cuts);
}

#[test]
fn invalid_between_good_requests() {
    check("invalid", |case| amid(case, [Way::Between, Way::BetweenApart]));
}

#[test]
fn invalid_behind_a_request_that_runs() {
    check("invalid", |case| amid(case, [Way::Behind, Way::BehindApart]));
}

/// docs/decisions/002: nobody need be answered once a client has ended its sending half.
fn amid(case: &Case, ways: [Way; 2]) -> Vec<Way> {
    if case.eof { Vec::new() } else { ways.to_vec() }
}

#[test]
fn every_class_has_a_case() {
    let (valid, invalid) = (cases("valid"), cases("invalid"));
    assert!(valid.len() >= 60 && invalid.len() >= 110, "{} valid, {} invalid", valid.len(), invalid.len());
    let refs: BTreeSet<_> = valid.iter().chain(&invalid).flat_map(|case| &case.refs).map(String::as_str).collect();
    // Those that no single request shows are functions of `attacks.rs`.
    let missing: Vec<_> = CLASSES.iter().filter(|class| !refs.contains(*class)).collect();
    assert_eq!(missing, [&"CVE-2022-23634", &"CVE-2024-49769"]);
}

fn cases(directory: &str) -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/requests").join(directory);
    case::read_all(&directory).unwrap()
}

/// Where a case is cut in two: between CR and LF always, elsewhere evenly.
fn cuts(case: &Case) -> Vec<Way> {
    let stride = case.sent.len().div_ceil(CUTS).max(1);
    let cut = |at: &usize| case.sent[at - 1] == b'\r' || (case.sent.len() < CUT_BELOW && at.is_multiple_of(stride));
    (1..case.sent.len()).filter(cut).map(Way::Cut).collect()
}

/// Runs all cases of a directory against one server, and tells all that failed.
fn check(directory: &str, ways: fn(&Case) -> Vec<Way>) {
    let cases = cases(directory);
    let server = Server::serving(APP, &THREADS);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut failures = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut control = Client::connect(&server);
            let failed = ways(case).into_iter().find_map(|way| run(case, way, &server, &mut control).err());
            failures.extend(failed.map(|failure| format!("{directory}/{}{failure}", case.name)));
        }
        failures
    };
    let mut failures: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    // What ran after its connection had been looked at.
    let late = Client::connect(&server).ask("/-seen").unwrap();
    if late != serde_json::json!({}) {
        failures.push(format!("ran late: {late}"));
    }
    failures.sort();
    assert!(failures.is_empty(), "{} of {} cases failed:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

/// One case on a connection of its own.
fn run(case: &Case, way: Way, server: &Server, control: &mut Client) -> Result<(), String> {
    let mut client = Client::connect(server);
    let outcome = send(case, way, &mut client, control).and_then(|()| {
        let answers = match &case.outcome {
            Outcome::Answered(requests) => answered(requests, case.closed, &mut client),
            Outcome::Refused { before, status } => refused(before + way.before(), *status, case.eof, &mut client),
        };
        let seen = control.ask(&format!("/-seen?{}", client.port))?;
        let expected: Vec<String> = match &case.outcome {
            Outcome::Answered(requests) => {
                let kept = (!case.closed).then(|| "GET /kept".to_owned());
                requests.iter().map(|request| format!("{} {}", request.method, request.path)).chain(kept).collect()
            }
            Outcome::Refused { before, .. } => vec!["GET /before".to_owned(); before + way.before()],
        };
        answers.and(same("seen by the application", &seen, &Value::from(expected)))
    });
    outcome.map_err(|failure| format!("{way}: {failure}"))
}

/// Sends a case piece by piece; one that is sent behind a request which runs must wait for it.
fn send(case: &Case, way: Way, client: &mut Client, control: &mut Client) -> Result<(), String> {
    for (number, piece) in way.pieces(&case.sent).iter().enumerate() {
        if number > 0 {
            // The loop that answers this has come by the piece before.
            control.ask("/-pid")?;
        }
        client.send(piece);
        if way.holds() && number == 0 {
            same("held", &control.ask(&format!("/-held?{}", client.port))?, &true)?;
        }
    }
    if case.eof {
        client.end_sending();
    }
    if way.holds() {
        control.ask("/-pid")?;
        let seen = control.ask(&format!("/-go?{}", client.port))?;
        same("seen by the application meanwhile", &seen, &Value::from(vec!["GET /before"]))?;
    }
    Ok(())
}

fn answered(requests: &[Request], closed: bool, client: &mut Client) -> Result<(), String> {
    for request in requests {
        let answer = client.answer(request.method == "HEAD")?.ok_or("closed, expected an answer")?;
        same("status", &answer.status, &request.status)?;
        if answer.head.contains("Injected") {
            return Err(format!("a header was injected: {}", answer.head));
        }
        if request.status != 200 && String::from_utf8_lossy(&answer.body).contains("Injected") {
            return Err(format!("a header was told to the client: {}", answer.head));
        }
        if request.method != "HEAD" && request.status == 200 {
            request.compare(&serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?)?;
        }
    }
    if closed {
        return client.answer(false)?.map_or(Ok(()), |answer| Err(format!("expected the end: {}", answer.head)));
    }
    client.ask("/kept").map(drop)
}

fn refused(before: usize, status: u16, eof: bool, client: &mut Client) -> Result<(), String> {
    let mut statuses = Vec::new();
    let mut last = String::new();
    let mut page = Vec::new();
    while let Some(answer) = client.answer(false).map_err(|error| format!("{error} after {statuses:?}"))? {
        statuses.push(answer.status);
        last = answer.head.to_ascii_lowercase();
        page = answer.body;
    }
    let mut expected = vec![200; before];
    // docs/decisions/002: a client that ended its sending half need not be answered.
    if eof && statuses == expected {
        return Ok(());
    }
    expected.push(status);
    same("answers", &statuses, &expected)?;
    if page.is_empty() {
        return Err("hyper answered by itself, and no access record tells of it".to_owned());
    }
    if last.contains("connection: close") { Ok(()) } else { Err(format!("no Connection: close: {last}")) }
}

impl Request {
    /// Compares with what the application says.
    fn compare(&self, said: &Value) -> Result<(), String> {
        let environ = &said["environ"];
        same("method", &environ["REQUEST_METHOD"], &self.method)?;
        same("path", &environ["PATH_INFO"], &self.path)?;
        same("query", &environ["QUERY_STRING"], &self.query)?;
        same("body", &said["body"], &self.body)?;
        if let Some(target) = &self.target {
            same("RAW_URI", &environ["RAW_URI"], target)?;
        }
        for (key, value) in &self.environ {
            same(key, &environ[key], value)?;
        }
        let present: Vec<_> = self.absent.iter().filter(|key| environ.get(key).is_some()).collect();
        if present.is_empty() { Ok(()) } else { Err(format!("in environ: {present:?}")) }
    }
}

fn same<C, E>(what: &str, came: &C, expected: &E) -> Result<(), String>
where
    C: PartialEq<E> + Debug,
    E: Debug,
{
    if came == expected { Ok(()) } else { Err(format!("{what}: expected {expected:.300?}, came {came:.300?}")) }
}

/// A client whose failures are values: one bad case must not hide the others.
pub struct Client {
    pub stream: TcpStream,
    port: u16,
    buffer: Vec<u8>,
}

pub struct Answer {
    pub status: u16,
    head: String,
    body: Vec<u8>,
}

impl Client {
    pub fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address()).expect("the server accepts");
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(TIMEOUT)).unwrap();
        stream.set_nodelay(true).unwrap();
        let port = stream.local_addr().unwrap().port();
        Self { stream, port, buffer: Vec::new() }
    }

    /// Sends as much as the server takes: it may have refused already.
    pub fn send(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes));
    }

    pub fn end_sending(&mut self) {
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// What the application says of a path, on a connection that is kept.
    pub fn ask(&mut self, path: &str) -> Result<Value, String> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let answer = self.answer(false)?.ok_or("closed, expected to be kept")?;
        same("status", &answer.status, &200)?;
        serde_json::from_slice(&answer.body).map_err(|error| error.to_string())
    }

    /// The next answer, interim ones aside; none when the server has closed and nothing is left over.
    pub fn answer(&mut self, to_head: bool) -> Result<Option<Answer>, String> {
        loop {
            let mut want = 1;
            let end = loop {
                if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                    break at + 4;
                }
                if !self.fill(want)? {
                    let rest = String::from_utf8_lossy(&self.buffer);
                    return if rest.is_empty() { Ok(None) } else { Err(format!("ends with {rest:?}")) };
                }
                want = self.buffer.len() + 1;
            };
            let head = String::from_utf8_lossy(&self.buffer.drain(..end).collect::<Vec<_>>()).into_owned();
            let versionless = head.strip_prefix("HTTP/1.1 ").or_else(|| head.strip_prefix("HTTP/1.0 "));
            let status = versionless.and_then(|rest| rest.get(..3)?.parse().ok());
            let status: u16 = status.ok_or(format!("no status line: {head:?}"))?;
            if (100..200).contains(&status) {
                continue;
            }
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            let length: usize = if to_head { 0 } else { length.ok_or(format!("no Content-Length: {head:?}"))? };
            if !self.fill(length)? {
                return Err(format!("the body of {status} is cut"));
            }
            return Ok(Some(Answer { status, head, body: self.buffer.drain(..length).collect() }));
        }
    }

    /// Reads until `length` bytes are there; false when the server closed before.
    pub fn fill(&mut self, length: usize) -> Result<bool, String> {
        while self.buffer.len() < length {
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                    return Ok(false);
                }
                Err(_) => return Err(format!("neither an answer nor the end within {TIMEOUT:?}")),
            }
        }
        Ok(true)
    }
}
