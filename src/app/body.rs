//! The response body of the application branch, as hyper polls it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::exchange::parking::Park;
use crate::exchange::replies::ReplyBody;
use crate::exchange::{NamedFile, Portion};

/// Complete bytes, a response pipe, a stretch of a file, or the name of one that another body must be made of.
#[derive(Debug)]
pub struct AppBody(ReplyBody);

impl From<ReplyBody> for AppBody {
    fn from(body: ReplyBody) -> Self {
        Self(body)
    }
}

impl From<String> for AppBody {
    fn from(text: String) -> Self {
        Self(ReplyBody::Full(Bytes::from(text), None))
    }
}

impl AppBody {
    /// The file that the application named instead of a body, once.
    pub fn take_named(&mut self) -> Option<Box<NamedFile>> {
        if !matches!(self.0, ReplyBody::Named(_)) {
            return None;
        }
        match std::mem::replace(&mut self.0, ReplyBody::Full(Bytes::new(), None)) {
            ReplyBody::Named(named) => Some(named),
            _ => None,
        }
    }
}

impl Park for AppBody {
    fn poll_parked(&mut self, cx: &mut Context<'_>) {
        match &mut self.0 {
            ReplyBody::Full(..) | ReplyBody::Named(_) => {}
            ReplyBody::Pipe { reader, .. } => reader.poll_parked(cx),
            ReplyBody::File(slice) => slice.poll_parked(cx),
        }
    }
}

impl Body for AppBody {
    type Data = Portion;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Portion>>>> {
        let chunk = match &mut self.0 {
            ReplyBody::Named(_) => None,
            ReplyBody::Full(bytes, _) if bytes.is_empty() => None,
            ReplyBody::Full(bytes, _) => Some(Ok(std::mem::take(bytes).into())),
            ReplyBody::Pipe { reader, len } => {
                let chunk = ready!(reader.poll_chunk(cx));
                if let (Some(len), Some(Ok(chunk))) = (len, &chunk) {
                    *len = len.saturating_sub(chunk.len() as u64);
                }
                chunk
            }
            ReplyBody::File(slice) => ready!(slice.poll_chunk(cx)),
        };
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            ReplyBody::Named(_) => true,
            ReplyBody::Full(bytes, _) => bytes.is_empty(),
            // The last byte was handed out, whether or not the application has ended its iterable yet.
            ReplyBody::Pipe { len: Some(len), .. } => *len == 0,
            ReplyBody::Pipe { len: None, reader } => reader.is_finished(),
            ReplyBody::File(slice) => slice.remaining() == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            ReplyBody::Named(_) => SizeHint::with_exact(0),
            ReplyBody::Full(bytes, _) => SizeHint::with_exact(bytes.len() as u64),
            ReplyBody::Pipe { len: Some(len), .. } => SizeHint::with_exact(*len),
            ReplyBody::Pipe { len: None, .. } => SizeHint::default(),
            ReplyBody::File(slice) => SizeHint::with_exact(slice.remaining()),
        }
    }
}
