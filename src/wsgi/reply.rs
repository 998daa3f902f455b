//! One response being made: from the application's status, headers and chunks to a [`Reply`].
//!
//! The first non-empty chunk commits status and headers (PEP 3333, "The start_response() Callable"). A body that
//! is known to be complete then leaves in one piece with the batch; any other goes through the response pipe,
//! head first. Content-Length is held to: more is cut and logged, less closes the connection. Where the application
//! names a file instead, or no body is due, nothing of its body is taken and its iteration ends.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use http::{StatusCode, header};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::head::{Head, is_bodiless};
use crate::exchange::replies::{ReplyBody, ReplyHandle};
use crate::exchange::response::{Writer, pipe, shallow_pipe};
use crate::exchange::{Asked, FileSlice, NamedFile, Permit, Spool};
use crate::python::lender::Lender;
use crate::semantics::fault::Fault;
use crate::telemetry::metrics::Metrics;

/// A complete body of at most so many bytes is not counted against the budget: a connection costs as much.
const UNCOUNTED: usize = 16 * 1024;
/// And one of at most so many leaves in one piece. A larger one may have to wait for a slow client elsewhere than in
/// memory, so it goes through the pipe.
const IN_ONE_PIECE: usize = 64 * 1024;
/// Bytes that are worth lending: fewer are copied sooner than a reference to them has come back.
const WORTH_LENDING: usize = 16 * 1024;

/// A complete body is too large to wait in memory, or memory is short.
struct NotInOnePiece;

/// Whether more of the application's body is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Continue,
    /// The response is complete as far as the client will see, or the client has left.
    Enough,
}

/// What all responses are made with; clones are of the same.
#[derive(Clone, Debug)]
pub struct Resources {
    pub spool: Spool,
    pub lender: Lender,
    pub metrics: Arc<Metrics>,
}

/// A response in the making.
#[derive(Debug)]
pub struct Response {
    handle: Option<ReplyHandle>,
    resources: Arc<Resources>,
    head_request: bool,
    /// The request, where the application may name a file for an answer to it (`--accel`).
    asked: Option<Box<Asked>>,
    /// `start_response` was called.
    attempted: bool,
    head: Option<Head>,
    writer: Option<Writer>,
    declared: Option<u64>,
    sent: u64,
    /// What there is of a body is not for the client.
    bodiless: bool,
    /// That there was too much has been said.
    has_warned: Cell<bool>,
}

impl Response {
    /// Answers `handle`; `head_request` when the method was HEAD.
    #[must_use]
    pub fn new(handle: ReplyHandle, resources: Arc<Resources>, head_request: bool) -> Self {
        Self {
            handle: Some(handle),
            resources,
            head_request,
            asked: None,
            attempted: false,
            head: None,
            writer: None,
            declared: None,
            sent: 0,
            bodiless: false,
            has_warned: Cell::new(false),
        }
    }

    /// The application may name a file for an answer to what was `asked`.
    pub fn let_name_files(&mut self, asked: Box<Asked>) {
        self.asked = Some(asked);
    }

    /// The application may name a file.
    #[must_use]
    pub fn may_name_files(&self) -> bool {
        self.asked.is_some()
    }

    /// `start_response` was called, and successfully.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.head.is_some() || self.is_committed()
    }

    /// `start_response` is being called; whether it was called before, even if that call raised (PEP 3333).
    pub fn attempt(&mut self) -> bool {
        std::mem::replace(&mut self.attempted, true)
    }

    /// Bytes that Content-Length has room for; `None`: any number.
    #[must_use]
    pub fn room(&self) -> Option<u64> {
        let declared = self.head.as_ref().map_or(self.declared, |head| head.declared);
        declared.map(|declared| declared.saturating_sub(self.sent))
    }

    /// Status and headers are on their way and cannot change any more.
    #[must_use]
    pub fn is_committed(&self) -> bool {
        self.handle.is_none()
    }

    /// Sets or, before the commit, replaces status and headers.
    pub fn start(&mut self, head: Head) {
        self.head = Some(head);
    }

    /// One more chunk; commits if it is the first that is not empty.
    pub fn write(&mut self, py: Python<'_>, chunk: &Bound<'_, PyBytes>) -> Flow {
        let len = chunk.as_bytes().len();
        if len == 0 {
            // An iterator that only says that it is alive must not outlive its client.
            return if self.is_gone() { Flow::Enough } else { Flow::Continue };
        }
        if self.is_committed() {
            return self.push(py, chunk);
        }
        let Some(head) = &self.head else { return Flow::Continue };
        if self.is_bodiless(head) {
            self.commit_bodiless();
            return Flow::Enough;
        }
        self.declared = head.declared;
        // All of it, in one chunk: nothing to stream.
        let is_whole = head.declared.is_some_and(|declared| declared <= len as u64);
        if is_whole && let Ok(permit) = self.permit(len) {
            let body = self.whole(chunk);
            self.sent = body.len() as u64;
            self.commit(ReplyBody::Full(body, permit));
            return Flow::Continue;
        }
        if !is_whole && self.handle.as_ref().is_some_and(|handle| !handle.may_stream()) {
            self.fail(Fault::streams_full());
            return Flow::Enough;
        }
        self.open_pipe();
        self.push(py, chunk)
    }

    /// All chunks there will be, at once: a list or tuple.
    pub fn complete(&mut self, py: Python<'_>, chunks: &[&Bound<'_, PyBytes>]) {
        let total: usize = chunks.iter().map(|chunk| chunk.as_bytes().len()).sum();
        if let Some(head) = &mut self.head {
            if head.is_bodiless() || (self.head_request && total == 0) {
                self.commit_bodiless();
            } else {
                let declared = head.declare(total as u64);
                if self.head_request {
                    self.commit_bodiless();
                } else if total > 0
                    && declared <= total as u64
                    && let Ok(permit) = self.permit(total)
                {
                    self.declared = Some(declared);
                    let body = match chunks {
                        [only] => self.whole(only),
                        many => {
                            let mut all = Vec::with_capacity(total);
                            for chunk in many {
                                all.extend_from_slice(chunk.as_bytes());
                            }
                            all.truncate(self.fit(total));
                            Bytes::from(all)
                        }
                    };
                    self.sent = body.len() as u64;
                    self.commit(ReplyBody::Full(body, permit));
                } else if total > 0 {
                    // Large, but all there: no stream, whatever becomes of those.
                    self.declared = Some(declared);
                    self.open_pipe();
                }
            }
        }
        if !self.is_committed() || self.writer.is_some() {
            for chunk in chunks {
                if self.write(py, chunk) == Flow::Enough {
                    break;
                }
            }
        }
        self.finish();
    }

    /// The body is the rest of a real file. One shorter than Content-Length aborts the response where the file ends.
    pub fn file(&mut self, slice: FileSlice) {
        let Some(head) = &mut self.head else { return };
        let declared = head.declare(slice.remaining());
        if self.head_request || head.is_bodiless() {
            self.commit_bodiless();
        } else {
            self.commit(ReplyBody::File(slice.with_len(declared)));
        }
    }

    /// The application has given all it has. A response that is shorter than its Content-Length is aborted, so that
    /// no client takes it, or the next response on the connection, for the rest.
    pub fn finish(&mut self) {
        if let Some(head) = &self.head {
            if self.is_bodiless(head) {
                self.commit_bodiless();
            } else if head.declared.unwrap_or(0) == 0 {
                self.commit(ReplyBody::Full(Bytes::new(), None));
            } else {
                self.declared = head.declared;
                self.open_pipe();
            }
        }
        let Some(writer) = self.writer.take() else { return };
        match self.declared {
            Some(declared) if self.sent < declared => {
                self.resources.metrics.fault("app-short-body");
                tracing::warn!(
                    reason = "app-short-body",
                    declared,
                    sent = self.sent,
                    "the application sent less than its Content-Length; the connection is closed"
                );
            }
            _ => writer.finish(),
        }
    }

    /// The application failed: a fault page before the commit, an aborted connection after it.
    pub fn fail(&mut self, fault: Fault) {
        if self.is_committed() || self.is_gone() {
            // Otherwise the front counts it, as it answers with it.
            self.resources.metrics.fault(fault.reason);
        }
        self.head = None;
        self.writer = None;
        if let Some(handle) = self.handle.take() {
            handle.send(Err(fault));
        }
    }

    fn push(&mut self, py: Python<'_>, chunk: &Bound<'_, PyBytes>) -> Flow {
        let Some(writer) = &self.writer else {
            if !self.bodiless {
                // A complete answer is out already: anything more is more than Content-Length.
                self.warn_cut();
            }
            return Flow::Enough;
        };
        let fitting = &chunk.as_bytes()[..self.fit(chunk.as_bytes().len())];
        // An application that sends without an end comes by nowhere else.
        self.resources.lender.release(py);
        let lent = if fitting.len() < WORTH_LENDING {
            Ok(false)
        } else {
            writer.lend(fitting.len(), || self.lend(chunk, fitting.len()))
        };
        let pushed = match lent.and_then(|lent| Ok(lent || writer.try_push(fitting)?)) {
            Ok(true) => Ok(()),
            // The GIL is not held while a disk, or a client, is waited for.
            Ok(false) => py.detach(|| writer.push(fitting)),
            Err(gone) => Err(gone),
        };
        self.sent += fitting.len() as u64;
        if pushed.is_err() || fitting.len() < chunk.as_bytes().len() { Flow::Enough } else { Flow::Continue }
    }

    /// The first `len` bytes of `chunk` where they are, if the budget allows.
    fn lend(&self, chunk: &Bound<'_, PyBytes>, len: usize) -> Option<Bytes> {
        // Letting go of an object of a class of the application's may run its code.
        if !chunk.is_exact_instance_of::<PyBytes>() {
            return None;
        }
        let mut permit = self.resources.spool.budget.permit();
        permit.grow(chunk.as_bytes().len()).then(|| self.resources.lender.lend(chunk, Some(permit)).slice(..len))
    }

    /// A complete body, for which there is a permit.
    fn whole(&self, chunk: &Bound<'_, PyBytes>) -> Bytes {
        let bytes = chunk.as_bytes();
        let len = self.fit(bytes.len());
        if len < WORTH_LENDING || len < bytes.len() || !chunk.is_exact_instance_of::<PyBytes>() {
            Bytes::copy_from_slice(&bytes[..len])
        } else {
            self.resources.lender.lend(chunk, None)
        }
    }

    /// The client has left, and nobody will read what else there is.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        match (&self.handle, &self.writer) {
            (Some(handle), _) => handle.is_abandoned(),
            // A reader that has all of Content-Length is done, not gone.
            (None, Some(writer)) => self.room() != Some(0) && writer.is_gone(),
            (None, None) => false,
        }
    }

    /// The budget that a complete body of `len` bytes holds while it waits for its client in memory, if it holds any.
    fn permit(&self, len: usize) -> Result<Option<Permit>, NotInOnePiece> {
        if len <= UNCOUNTED {
            return Ok(None);
        }
        let mut permit = self.resources.spool.budget.permit();
        if len <= IN_ONE_PIECE && permit.grow(len) { Ok(Some(permit)) } else { Err(NotInOnePiece) }
    }

    /// How many of `len` bytes Content-Length has room for.
    fn fit(&self, len: usize) -> usize {
        let Some(declared) = self.declared else { return len };
        let room = usize::try_from(declared.saturating_sub(self.sent)).unwrap_or(usize::MAX);
        if len > room {
            self.warn_cut();
        }
        len.min(room)
    }

    fn warn_cut(&self) {
        if self.has_warned.replace(true) {
            return;
        }
        self.resources.metrics.fault("app-long-body");
        tracing::warn!(
            reason = "app-long-body",
            declared = self.declared,
            "the application sent more than its Content-Length; the rest is cut"
        );
    }

    fn is_bodiless(&self, head: &Head) -> bool {
        self.head_request || head.is_bodiless()
    }

    fn commit_bodiless(&mut self) {
        self.bodiless = true;
        let mut body = ReplyBody::Full(Bytes::new(), None);
        if let Some(head) = &mut self.head {
            if head.status == StatusCode::NO_CONTENT {
                // RFC 9110 §8.6: no Content-Length with 204.
                head.headers.remove(header::CONTENT_LENGTH);
            }
            if !is_bodiless(head.status)
                && let (Some(name), Some(asked)) = (head.accel.file.take(), self.asked.take())
            {
                body = ReplyBody::Named(Box::new(NamedFile { name, asked: *asked }));
            }
        }
        self.commit(body);
    }

    fn open_pipe(&mut self) {
        let unbuffered = self.head.as_ref().is_some_and(|head| head.accel.unbuffered);
        let (writer, reader) =
            if unbuffered { shallow_pipe(&self.resources.spool) } else { pipe(&self.resources.spool) };
        let len = self.declared;
        self.writer = Some(writer);
        let (Some(handle), Some(head)) = (self.handle.take(), self.head.take()) else { return };
        let reader = Box::new(reader.of(handle.ticket()));
        handle.ticket().streams();
        handle.send_now(Ok(head.reply(ReplyBody::Pipe { reader, len })));
    }

    fn commit(&mut self, body: ReplyBody) {
        let (Some(handle), Some(head)) = (self.handle.take(), self.head.take()) else { return };
        handle.send(Ok(head.reply(body)));
    }
}
