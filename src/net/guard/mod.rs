//! Where each message on a connection ends, checked byte by byte before hyper sees it (RFC 9112 §11).
//!
//! hyper alone accepts bare LF, Content-Length beside Transfer-Encoding, repeated Transfer-Encoding and repeated
//! Host: each is a way to make two servers see different requests. Pure: bytes in, a verdict out; `net/stream` reads
//! the socket and acts on it.

mod chunked;
mod head;

use crate::semantics::fault::Fault;
use chunked::Chunked;
pub use head::HeadLimits;
use head::{Body, Head};

/// Follows the messages of one connection.
#[derive(Debug)]
pub struct Framer {
    limits: HeadLimits,
    state: State,
}

#[derive(Debug)]
enum State {
    /// In a head, of which the first bytes of the data have been checked.
    Head(Head),
    /// Bytes of a body with Content-Length still to come.
    Length(u64),
    Chunked(Chunked),
    /// Nothing that follows is looked at.
    Refused,
}

/// What [`Framer::check`] found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Bytes that may go on. The rest is the beginning of a head that is not complete, or is refused.
    pub pass: usize,
    /// Heads that ended within `pass`.
    pub heads: u64,
    /// Why the connection can go no further.
    pub refused: Option<Refused>,
}

/// Where a violation was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// In a head of which nothing has been passed on.
    Head(Fault),
    /// In the body of a request whose head went on.
    Body(Fault),
}

impl Framer {
    /// A framer at the beginning of a connection.
    #[must_use]
    pub fn new(limits: HeadLimits) -> Self {
        Self { limits, state: State::Head(Head::default()) }
    }

    /// Between two messages, or in a head: no body is being received.
    #[must_use]
    pub fn is_in_head(&self) -> bool {
        matches!(self.state, State::Head(_))
    }

    /// Checks `data`: what was not passed of the last call's data, followed by new bytes.
    pub fn check(&mut self, data: &[u8]) -> Verdict {
        let mut verdict = Verdict::default();
        while verdict.pass < data.len() {
            let rest = &data[verdict.pass..];
            match &mut self.state {
                State::Refused => break,
                State::Head(head) => match head.check(rest, &self.limits) {
                    Ok(None) => break,
                    Ok(Some((length, body))) => {
                        verdict.pass += length;
                        verdict.heads += 1;
                        self.state = match body {
                            Body::Length(0) => State::Head(Head::default()),
                            Body::Length(length) => State::Length(length),
                            Body::Chunked => State::Chunked(Chunked::default()),
                        };
                    }
                    Err(fault) => {
                        self.state = State::Refused;
                        verdict.refused = Some(Refused::Head(fault));
                    }
                },
                State::Length(left) => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    verdict.pass += length;
                    *left -= length as u64;
                    if *left == 0 {
                        self.state = State::Head(Head::default());
                    }
                }
                State::Chunked(chunked) => match chunked.check(rest, &self.limits) {
                    Ok((length, complete)) => {
                        verdict.pass += length;
                        if complete {
                            self.state = State::Head(Head::default());
                        }
                    }
                    Err(fault) => {
                        self.state = State::Refused;
                        verdict.refused = Some(Refused::Body(fault));
                    }
                },
            }
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: HeadLimits = HeadLimits { request_line: 8192, header: 16384, headers: 65536, count: 100 };

    /// Feeds `data` in pieces as a socket would, and sums up.
    fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (usize, u64, Option<Refused>) {
        let mut framer = Framer::new(LIMITS);
        let (mut held, mut passed, mut heads) = (Vec::new(), 0, 0);
        for piece in pieces {
            held.extend_from_slice(piece);
            let verdict = framer.check(&held);
            held.drain(..verdict.pass);
            passed += verdict.pass;
            heads += verdict.heads;
            if verdict.refused.is_some() {
                return (passed, heads, verdict.refused);
            }
        }
        (passed, heads, None)
    }

    const PIPELINED: &[u8] = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n\
        POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\
        POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nTrailer: x\r\n\r\n\
        GET /d HTTP/1.0\r\n\r\n";

    #[test]
    fn messages_end_where_they_end_however_they_are_cut() {
        assert_eq!(feed([PIPELINED]), (PIPELINED.len(), 4, None));
        assert_eq!(feed(PIPELINED.chunks(1)), (PIPELINED.len(), 4, None));
        for at in 0..PIPELINED.len() {
            let (first, second) = PIPELINED.split_at(at);
            assert_eq!(feed([first, second]), (PIPELINED.len(), 4, None), "cut at {at}");
        }
    }

    #[test]
    fn an_incomplete_head_is_held_back_whole() {
        let mut framer = Framer::new(LIMITS);
        let verdict = framer.check(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /next HT");
        assert_eq!(verdict, Verdict { pass: 27, heads: 1, refused: None });
        assert_eq!(framer.check(b"GET /next HTTP/1.1\r\n").pass, 0);
    }

    #[test]
    fn nothing_after_a_violation_passes() {
        let data = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\nHost: y\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\n\r\n";
        let (passed, heads, refused) = feed([data.as_slice()]);
        assert_eq!((passed, heads), (28, 1));
        assert!(matches!(refused, Some(Refused::Head(fault)) if fault.status == 400));
        let data = b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let (_, heads, refused) = feed([data.as_slice()]);
        assert_eq!(heads, 1);
        assert!(matches!(refused, Some(Refused::Body(fault)) if fault.reason == "bad-chunk"));
    }

    proptest! {
        #[test]
        fn how_bytes_arrive_changes_nothing(data in proptest::collection::vec(any::<u8>(), 0..200), cut in 1usize..20) {
            let ((_, heads, refused), (_, cut_heads, cut_refused)) = (feed([data.as_slice()]), feed(data.chunks(cut)));
            prop_assert_eq!((heads, refused), (cut_heads, cut_refused));
        }

        #[test]
        fn a_changed_byte_is_judged_the_same_however_it_arrives(at in 0..PIPELINED.len(), byte: u8, cut in 1usize..20) {
            let mut data = PIPELINED.to_vec();
            data[at] = byte;
            let ((_, heads, refused), (_, cut_heads, cut_refused)) = (feed([data.as_slice()]), feed(data.chunks(cut)));
            prop_assert_eq!((heads, refused), (cut_heads, cut_refused));
        }
    }
}
