//! The body of a static answer: parts in memory and parts of files, of exactly known length.
//!
//! Made by `respond`, polled by hyper. A file is read in the blocking pool, one chunk at a time and only when the
//! connection asks for it (`exchange::FileSlice`).

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::content::{Content, FileContent};
use crate::exchange::parking::Park;
use crate::exchange::{FileSlice, Portion};
use crate::semantics::range::ByteRange;

/// A response body of known length.
#[derive(Debug, Default)]
pub struct StaticBody {
    current: Option<Part>,
    /// Only multipart answers have more than one part; empty, it allocates nothing.
    rest: VecDeque<Part>,
    remaining: u64,
}

#[derive(Debug)]
enum Part {
    Memory(Bytes),
    File(FileSlice),
}

impl StaticBody {
    /// No bytes: HEAD and 304.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// All bytes of a variant.
    pub(super) fn whole(content: &Content) -> Self {
        let mut body = Self::empty();
        match content {
            Content::Memory(bytes) => body.push_bytes(bytes.clone()),
            Content::File(file) => body.push_file(file, 0, content.size()),
        }
        body
    }

    /// Appends bytes in memory.
    pub(super) fn push_bytes(&mut self, bytes: Bytes) {
        let length = bytes.len() as u64;
        self.push(Part::Memory(bytes), length);
    }

    /// Appends a part of a variant. The range lies inside it.
    pub(super) fn push_range(&mut self, content: &Content, range: ByteRange) {
        match content {
            Content::Memory(bytes) => {
                let end = usize::try_from(range.last).unwrap_or(usize::MAX).saturating_add(1).min(bytes.len());
                let start = usize::try_from(range.first).unwrap_or(usize::MAX).min(end);
                self.push_bytes(bytes.slice(start..end));
            }
            Content::File(file) => self.push_file(file, range.first, range.last + 1),
        }
    }

    fn push_file(&mut self, file: &Arc<FileContent>, offset: u64, end: u64) {
        let slice = FileSlice::new(file.source(), offset, end - offset).sendable();
        self.push(Part::File(slice), end - offset);
    }

    fn push(&mut self, part: Part, length: u64) {
        if length == 0 {
            return;
        }
        self.remaining += length;
        if self.current.is_none() {
            self.current = Some(part);
        } else {
            self.rest.push_back(part);
        }
    }

    fn advance(&mut self) {
        self.current = self.rest.pop_front();
    }
}

impl From<String> for StaticBody {
    fn from(text: String) -> Self {
        let mut body = Self::empty();
        body.push_bytes(text.into());
        body
    }
}

impl Park for StaticBody {
    fn poll_parked(&mut self, cx: &mut Context<'_>) {
        // What lies in memory is there for every client.
        if let Some(Part::File(slice)) = &mut self.current {
            slice.poll_parked(cx);
        }
    }
}

impl Body for StaticBody {
    type Data = Portion;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Portion>>>> {
        let portion = match &mut self.current {
            None => return Poll::Ready(None),
            Some(Part::Memory(bytes)) => {
                let bytes = std::mem::take(bytes);
                self.advance();
                bytes.into()
            }
            Some(Part::File(slice)) => match ready!(slice.poll_chunk(context)) {
                Some(Ok(portion)) => {
                    if slice.remaining() == 0 {
                        self.advance();
                    }
                    portion
                }
                failed => {
                    // What remains is not sent, and `remaining` keeps the end from looking like one.
                    self.current = None;
                    self.rest.clear();
                    return Poll::Ready(failed.map(|failed| failed.map(Frame::data)));
                }
            },
        };
        self.remaining = self.remaining.saturating_sub(portion.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(portion))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::portion::bytes_of;
    use crate::static_files::content::Keep;
    use http_body_util::BodyExt;

    fn content(bytes: &[u8], keep: Keep) -> (Content, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), bytes).unwrap();
        (Content::load(&dir.path().join("a"), keep).unwrap().content, dir)
    }

    #[allow(clippy::cast_possible_truncation, reason = "wraps on purpose")]
    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 31 % 251) as u8).collect()
    }

    #[tokio::test]
    async fn sends_everything_in_chunks_and_counts_down() {
        let bytes = pattern(600_000);
        for keep in [Keep::Memory, Keep::Descriptor, Keep::Path] {
            let (content, _dir) = content(&bytes, keep);
            let mut body = StaticBody::whole(&content);
            assert_eq!(body.size_hint().exact(), Some(600_000));
            let mut sent = Vec::new();
            while let Some(frame) = body.frame().await {
                sent.extend_from_slice(&frame.unwrap().into_data().unwrap().into_bytes().unwrap());
                assert_eq!(body.size_hint().exact(), Some((bytes.len() - sent.len()) as u64));
                assert_eq!(body.is_end_stream(), sent.len() == bytes.len());
            }
            assert_eq!(sent, bytes, "{keep:?}");
        }
    }

    #[tokio::test]
    async fn joins_parts() {
        let bytes = pattern(300_000);
        for keep in [Keep::Memory, Keep::Descriptor, Keep::Path] {
            let (content, _dir) = content(&bytes, keep);
            let mut body = StaticBody::empty();
            body.push_bytes(Bytes::from_static(b"<"));
            body.push_range(&content, ByteRange { first: 299_999, last: 299_999 });
            body.push_range(&content, ByteRange { first: 5, last: 270_000 });
            body.push_bytes(Bytes::from_static(b">"));
            let expected = [b"<", &bytes[299_999..], &bytes[5..=270_000], b">"].concat();
            assert_eq!(body.size_hint().exact(), Some(expected.len() as u64));
            assert_eq!(bytes_of(body).await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn a_file_cut_short_is_an_error_and_never_an_end() {
        let (content, dir) = content(&pattern(600_000), Keep::Descriptor);
        std::fs::File::options().write(true).open(dir.path().join("a")).unwrap().set_len(300_000).unwrap();
        let mut body = StaticBody::whole(&content);
        let mut sent = 0;
        while let Ok(frame) = body.frame().await.unwrap() {
            sent += frame.into_data().unwrap().len();
        }
        assert_eq!(sent, 300_000);
        assert!(!body.is_end_stream());
        assert!(body.frame().await.is_none());
    }

    #[test]
    fn an_empty_body_ends_at_once() {
        let (content, _dir) = content(b"", Keep::Memory);
        assert!(StaticBody::whole(&content).is_end_stream());
        assert!(StaticBody::empty().is_end_stream());
    }
}
