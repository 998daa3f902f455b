//! `net::guard` against the reference, and hyper behind it against both: which bytes are one request.

use std::fmt::Debug;

use http::{Method, Uri, Version};
use monopod::net::guard::{Framer, HeadLimits, Refused};

use super::choices::Choices;
use super::connection::{self, ANSWER, Bodies, Seen};
use super::framing::{self, Message, Reading};
use super::streams;

/// As they are by default.
pub const USUAL: HeadLimits = HeadLimits { request_line: 8192, header: 16384, headers: 65536, count: 100 };
/// Low enough to be met.
const TIGHT: HeadLimits = HeadLimits { request_line: 40, header: 32, headers: 100, count: 5 };

/// Longer streams are not fed byte by byte.
const SHORT: usize = 512;

/// Pipelined requests end where RFC 9112 says, for the guard and for hyper, however they arrive.
pub fn guard(data: &[u8]) {
    let stream = streams::stream(data);
    let mut choices = Choices::of(data);
    for limits in [USUAL, TIGHT] {
        let reading = framing::read(&stream, &limits);
        let refused = at_its_ends(&stream, limits, &reading);
        same_refusal(refused, &reading, &stream);
        let mut cuts = vec![vec![stream.as_slice()], choices.cut(&stream)];
        if stream.len() <= SHORT {
            cuts.push(stream.chunks(1).collect());
        }
        for pieces in cuts {
            let found = feed(&pieces, limits);
            let count = pieces.len();
            assert_eq!(found, (reading.messages.len(), refused), "in {count} pieces; {:?}", shown(&stream));
        }
        behind_hyper(&choices.cut(&stream), limits, &reading, &stream);
        without_their_bodies(&choices.cut(&stream), limits, &reading, &stream);
    }
}

/// Feeds a framer up to each end that the reference knows, and to a byte before it; then to the end. Why it refuses.
fn at_its_ends(stream: &[u8], limits: HeadLimits, reading: &Reading) -> Option<Refused> {
    let mut framer = Framer::new(limits);
    let (mut passed, mut before) = (0, 0);
    // Bytes up to `end`: how many of them went on, how many heads ended there, and why it refuses.
    let mut up_to = |framer: &mut Framer, end: usize| {
        assert!(before <= end, "the reference's ends are in order");
        before = end;
        let verdict = framer.check(&stream[passed..end]);
        passed += verdict.pass;
        (passed, verdict.heads, verdict.refused)
    };
    let mut begin = 0;
    for message in &reading.messages {
        let Message { head_end, end, .. } = *message;
        assert_eq!(up_to(&mut framer, head_end - 1), (begin, 0, None), "not a head yet; {:?}", shown(stream));
        assert_eq!(up_to(&mut framer, head_end), (head_end, 1, None), "a head at {head_end}; {:?}", shown(stream));
        let Some(end) = end else { break };
        if end > head_end {
            assert_eq!(up_to(&mut framer, end - 1), (end - 1, 0, None), "a body to {end}; {:?}", shown(stream));
            assert!(!framer.is_in_head(), "a body to {end}; {:?}", shown(stream));
            assert_eq!(up_to(&mut framer, end), (end, 0, None), "a body to {end}; {:?}", shown(stream));
        }
        assert!(framer.is_in_head(), "a message to {end}; {:?}", shown(stream));
        begin = end;
    }
    let (_, heads, refused) = up_to(&mut framer, stream.len());
    assert_eq!(heads, 0, "nothing more; {:?}", shown(stream));
    refused
}

fn feed(pieces: &[&[u8]], limits: HeadLimits) -> (usize, Option<Refused>) {
    let mut framer = Framer::new(limits);
    let (mut held, mut heads) = (Vec::new(), 0);
    for piece in pieces {
        held.extend_from_slice(piece);
        let verdict = framer.check(&held);
        held.drain(..verdict.pass);
        heads += usize::try_from(verdict.heads).unwrap();
        if verdict.refused.is_some() {
            return (heads, verdict.refused);
        }
    }
    (heads, None)
}

fn same_refusal(refused: Option<Refused>, reading: &Reading, stream: &[u8]) {
    let is_same = match (refused, &reading.refused) {
        (None, None) => true,
        (Some(Refused::Head(fault)), Some(expected)) => !expected.in_body && expected.reasons.contains(&fault.reason),
        (Some(Refused::Body(fault)), Some(expected)) => expected.in_body && expected.reasons.contains(&fault.reason),
        _ => false,
    };
    assert!(is_same, "guard {refused:?}, reference {:?}; {:?}", reading.refused, shown(stream));
}

/// The service sees the reference's messages and the stand-in, in order, and nothing else.
fn behind_hyper(pieces: &[&[u8]], limits: HeadLimits, reading: &Reading, stream: &[u8]) {
    let outcome = connection::serve(pieces, limits, Bodies::Read);
    let mut seen = outcome.seen.iter();
    let mut goes_on = Persists::Yes;
    for message in &reading.messages {
        let (method, target) = known_to_hyper(message);
        let found = seen.next();
        if found.is_none() && goes_on == Persists::Perhaps {
            return;
        }
        let parts = match (found, message.end) {
            (Some(Seen::Whole(parts, body)), Some(_)) => {
                assert_eq!(*body, message.body, "{:?}", shown(stream));
                parts
            }
            (Some(Seen::Broken(parts)), None) => parts,
            _ => panic!("seen {found:?}, reference: a message to {:?}; {:?}", message.end, shown(stream)),
        };
        let version = if message.is_http_11 { Version::HTTP_11 } else { Version::HTTP_10 };
        assert_eq!((&parts.method, &parts.uri, parts.version), (&method, &target, version), "{:?}", shown(stream));
        same_headers(parts, message, stream);
        goes_on = if message.end.is_some() { persists(message) } else { Persists::No };
        if goes_on == Persists::No {
            break;
        }
    }
    let refused = reading.refused.as_ref().filter(|refused| !refused.in_body && goes_on != Persists::No);
    match (seen.next(), refused) {
        (None, None) => {}
        (None, Some(_)) if goes_on == Persists::Perhaps => {}
        (Some(Seen::Refused(reason)), Some(refused)) if refused.reasons.contains(reason) => {}
        (found, _) => panic!("seen {found:?}, reference {refused:?}; {:?}", shown(stream)),
    }
    assert!(seen.next().is_none(), "something runs after a refusal; {:?}", shown(stream));
    answered_in_order(&outcome.written, outcome.seen.len(), stream);
}

/// Where the service leaves bodies, no byte of one begins a request: it sees the reference's heads in order, as far as the
/// connection goes on, perhaps the stand-in, and nothing else.
fn without_their_bodies(pieces: &[&[u8]], limits: HeadLimits, reading: &Reading, stream: &[u8]) {
    let outcome = connection::serve(pieces, limits, Bodies::Left);
    let mut heads = reading.messages.iter();
    let mut is_over = false;
    for found in &outcome.seen {
        assert!(!is_over, "seen {found:?} after a refusal; {:?}", shown(stream));
        match found {
            Seen::Whole(parts, _) | Seen::Broken(parts) => {
                let Some(message) = heads.next() else {
                    panic!("seen {found:?}, which is no head; {:?}", shown(stream))
                };
                assert_eq!((parts.method.clone(), parts.uri.clone()), known_to_hyper(message), "{:?}", shown(stream));
            }
            Seen::Refused(_) => is_over = true,
        }
    }
}

/// Method and target as the http crate has them: nothing passes that hyper would have to answer by itself.
fn known_to_hyper(message: &Message) -> (Method, Uri) {
    (Method::from_bytes(&message.method).unwrap(), Uri::try_from(message.target.as_slice()).unwrap())
}

fn same_headers(parts: &http::request::Parts, message: &Message, stream: &[u8]) {
    for name in parts.headers.keys() {
        let values: Vec<&[u8]> = parts.headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
        let expected: Vec<&[u8]> = message.values(name.as_str()).collect();
        assert_eq!(values, expected, "{name}; {:?}", shown(stream));
    }
    assert_eq!(parts.headers.len(), message.headers.len(), "{:?}", shown(stream));
}

/// Whether a connection goes on behind a message (RFC 9112 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Persists {
    Yes,
    No,
    /// The client said both.
    Perhaps,
}

fn persists(message: &Message) -> Persists {
    let options = || message.values("connection").flat_map(|value| value.split(|byte| *byte == b','));
    let says = |option: &[u8]| options().any(|text| text.trim_ascii().eq_ignore_ascii_case(option));
    match (says(b"close"), says(b"keep-alive"), message.is_http_11) {
        (true, true, _) => Persists::Perhaps,
        (true, false, _) | (false, false, false) => Persists::No,
        (false, _, true) | (false, true, false) => Persists::Yes,
    }
}

/// Every answer of the service is sent, once, and in its turn.
fn answered_in_order(written: &[u8], answers: usize, stream: &[u8]) {
    let name = format!("\r\n{ANSWER}: ");
    let mut numbers = Vec::new();
    let mut rest = written;
    while let Some(at) = rest.windows(name.len()).position(|window| window == name.as_bytes()) {
        rest = &rest[at + name.len()..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        numbers.push(String::from_utf8_lossy(&rest[..digits]).parse().unwrap_or(usize::MAX));
    }
    assert_eq!(numbers, (0..answers).collect::<Vec<_>>(), "{:?}", shown(stream));
}

/// A stream for people.
pub fn shown(stream: &[u8]) -> impl Debug {
    bytes::Bytes::copy_from_slice(stream)
}
