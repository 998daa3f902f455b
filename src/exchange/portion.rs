//! A piece of a body on its way to the socket, which may be a part of bytes that the application lent, or a window on a
//! file.
//!
//! What a window shows is not in memory: who wants the bytes takes them by [`Portion::into_bytes`]; `net`, to which hyper
//! gives them without a look, has the kernel send them.
//!
//! hyper holds it until the socket has taken it. Where that takes a while, it shall not be a few bytes that keep all of
//! what was lent in memory, so what is left after a short write is copied. A write that takes everything copies nothing.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use crate::sys::window;

/// Bytes, and how many more they keep in memory.
#[derive(Clone, Debug, Default)]
pub struct Portion {
    bytes: Bytes,
    /// The size of what they are a part of, where that was lent. Zero: they are nobody else's.
    lent: usize,
}

impl Portion {
    /// All of what was lent.
    #[must_use]
    pub fn lent(bytes: Bytes) -> Self {
        Self { lent: bytes.len(), bytes }
    }

    /// `len` bytes of `file` from `offset`, which the client gets as they are by then. None: there is no window left.
    #[must_use]
    pub fn window(file: &Arc<File>, offset: u64, len: usize) -> Option<Self> {
        Some(window::open(file, offset, len)?.into())
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// No byte at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes, those of a window read from its file: blocking.
    ///
    /// # Errors
    /// `UnexpectedEof`, as the file has become shorter; what `pread(2)` says.
    pub fn into_bytes(self) -> io::Result<Bytes> {
        let Some(stretch) = window::locate(&self.bytes) else { return Ok(self.bytes) };
        let mut bytes = vec![0; self.bytes.len()];
        let mut filled = 0;
        while filled < bytes.len() {
            filled += stretch.after(filled).copy(&mut bytes[filled..])?;
        }
        Ok(bytes.into())
    }

    /// Somebody else's memory.
    #[must_use]
    pub fn is_lent(&self) -> bool {
        self.lent > 0
    }

    /// Keeps the first `at` bytes, at most all; the rest is returned.
    #[must_use]
    pub fn split_off(&mut self, at: usize) -> Self {
        Self { bytes: self.bytes.split_off(at), lent: self.lent }
    }
}

impl From<Bytes> for Portion {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, lent: 0 }
    }
}

impl Buf for Portion {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        if self.bytes.len() <= self.lent / 2 {
            // Nothing is copied of nothing; what was lent goes back either way.
            self.bytes = Bytes::copy_from_slice(&self.bytes);
            self.lent = 0;
        }
    }
}

/// All bytes of `body`, as a client gets them.
///
/// # Errors
/// The body's own, and as [`Portion::into_bytes`].
#[cfg(test)]
pub async fn bytes_of<B: http_body::Body<Data = Portion, Error = io::Error> + Unpin>(body: B) -> io::Result<Bytes> {
    use http_body_util::BodyExt;
    let mut body = body;
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(portion) = frame?.into_data() {
            all.extend_from_slice(&portion.into_bytes()?);
        }
    }
    Ok(all.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// What was lent, and a weak word on whether it still is.
    fn lend(len: usize) -> (Portion, std::sync::Weak<Vec<u8>>) {
        #[derive(Debug)]
        struct Owner(Arc<Vec<u8>>);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        let owner = Arc::new((0..=250).cycle().take(len).collect::<Vec<u8>>());
        let weak = Arc::downgrade(&owner);
        (Portion::lent(Bytes::from_owner(Owner(owner))), weak)
    }

    #[test]
    fn what_is_left_of_a_small_part_is_copied() {
        let (mut first, owner) = lend(1000);
        let rest = first.split_off(100);
        let expected = first.chunk()[1..].to_vec();
        drop(rest);
        first.advance(1);
        assert_eq!((first.chunk(), first.remaining()), (&expected[..], 99));
        assert!(owner.upgrade().is_none(), "it keeps the lender's bytes no longer");
    }

    #[test]
    fn most_of_what_was_lent_is_not() {
        let (mut all, owner) = lend(1000);
        all.advance(400);
        assert!(owner.upgrade().is_some());
        assert_eq!(all.remaining(), 600);
        all.advance(600);
        assert!(owner.upgrade().is_none() && !all.has_remaining());
    }

    #[test]
    fn bytes_of_its_own_stay_where_they_are() {
        let mut own = Portion::from(Bytes::from_static(b"0123456789"));
        let at = own.chunk().as_ptr();
        own.advance(9);
        assert_eq!(own.chunk().as_ptr(), at.wrapping_add(9));
    }
}
