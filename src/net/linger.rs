//! The end of a connection whose client may still be sending.
//!
//! What it sends is taken in for a while, so that the answer is not lost to a reset (RFC 9112 §9.6). Called by `stream`.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

use super::timer::Timer;

/// How long at most.
const LINGER: Duration = Duration::from_secs(2);
/// And how much, in bytes.
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// What is left of time and bytes.
#[derive(Debug)]
pub struct Linger {
    until: Instant,
    bytes: usize,
}

impl Linger {
    /// From now on. The sending half is closed.
    pub fn begin() -> Self {
        Self { until: Instant::now() + LINGER, bytes: LINGER_BYTES }
    }

    /// Ready when the client has ended, or has had its time.
    pub fn poll(&mut self, from: &mut (impl AsyncRead + Unpin), timer: &mut Timer, cx: &mut Context<'_>) -> Poll<()> {
        let mut unread = [MaybeUninit::uninit(); 8192];
        while self.bytes > 0 {
            let mut buf = ReadBuf::uninit(&mut unread);
            match Pin::new(&mut *from).poll_read(cx, &mut buf) {
                Poll::Pending => {
                    ready!(timer.poll(cx, self.until));
                    break;
                }
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    self.bytes = self.bytes.saturating_sub(buf.filled().len());
                }
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(())
    }
}
