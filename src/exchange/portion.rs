//! A piece of a body on its way to the socket, which may be a part of bytes that the application lent.
//!
//! hyper holds it until the socket has taken it. Where that takes a while, it shall not be a few bytes that keep all of
//! what was lent in memory, so what is left after a short write is copied. A write that takes everything copies nothing.

use std::ops::Deref;

use bytes::{Buf, Bytes};

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

impl Deref for Portion {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
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

    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        self.bytes.copy_to_bytes(len)
    }
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
        let expected = first[1..].to_vec();
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
        let at = own.as_ptr();
        own.advance(9);
        assert_eq!(own.as_ptr(), at.wrapping_add(9));
    }
}
