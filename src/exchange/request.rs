//! Reads a whole request body into the spool before any Python thread is taken.
//!
//! The application is never called for a body that did not complete, so an aborted upload cannot look like
//! a short one.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use http_body::Body;

use super::spool::{Spool, Spooled};
use crate::semantics::fault::Fault;

/// Reads `body` to its end, at most `limit` bytes (`--max-body-size`).
///
/// # Errors
/// `body-too-large` (413) past the limit, `body-aborted` (400) when the client stopped or broke its
/// framing, `spool-failed` (507) when the temp file could not take it.
pub async fn collect<B>(body: B, limit: u64, spool: &Spool) -> Result<Spooled, Fault>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut body = body;
    // RFC 9110 §10.1.1: refuse by the announced length before a byte (or a 100-continue) is exchanged.
    if body.size_hint().lower() > limit {
        return Err(Fault::body_too_large());
    }
    let mut received: u64 = 0;
    let mut writer = spool.writer();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| {
            tracing::debug!(error = %error.into(), "request body did not complete");
            Fault::body_aborted()
        })?;
        // Trailers (RFC 9110 §6.5) have no place in WSGI and are discarded.
        let Ok(chunk) = frame.into_data() else { continue };
        received += chunk.len() as u64;
        if received > limit {
            return Err(Fault::body_too_large());
        }
        writer.push(chunk).await.map_err(|error| spool_failed(&error))?;
    }
    writer.finish().await.map_err(|error| spool_failed(&error))
}

fn spool_failed(error: &std::io::Error) -> Fault {
    tracing::error!(%error, reason = "spool-failed", "cannot keep a request body: check --temp-dir for space and write permission");
    Fault::spool_failed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::budget::Budget;
    use http_body_util::{Full, StreamBody};

    fn spool() -> Spool {
        Spool { budget: Budget::new(1 << 20), temp_dir: std::env::temp_dir().into() }
    }

    #[tokio::test]
    async fn the_limit_is_exact_for_announced_and_chunked_bodies() {
        let announced = |n: usize| Full::new(Bytes::from(vec![7; n]));
        assert_eq!(collect(announced(10), 10, &spool()).await.unwrap().len(), 10);
        assert_eq!(collect(announced(11), 10, &spool()).await.unwrap_err().status, 413);

        let chunked = |n: usize| {
            let frame = || Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(b"x")));
            let frames: Vec<_> = std::iter::repeat_with(frame).take(n).collect();
            StreamBody::new(futures_stream(frames))
        };
        assert_eq!(collect(chunked(10), 10, &spool()).await.unwrap().len(), 10);
        assert_eq!(collect(chunked(11), 10, &spool()).await.unwrap_err().status, 413);
    }

    #[tokio::test]
    async fn an_aborted_body_is_a_fault_and_never_a_short_body() {
        let frames = vec![
            Ok(http_body::Frame::data(Bytes::from_static(b"half"))),
            Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)),
        ];
        let fault = collect(StreamBody::new(futures_stream(frames)), 10, &spool()).await.unwrap_err();
        assert_eq!(fault.reason, "body-aborted");
    }

    /// A ready-made stream of `items`.
    fn futures_stream<T: Unpin>(items: Vec<T>) -> impl futures_core::Stream<Item = T> + Unpin {
        struct Items<T>(std::vec::IntoIter<T>);
        impl<T: Unpin> futures_core::Stream for Items<T> {
            type Item = T;
            fn poll_next(mut self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Option<T>> {
                std::task::Poll::Ready(self.0.next())
            }
        }
        Items(items.into_iter())
    }
}
