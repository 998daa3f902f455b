//! Reads a whole request body into the spool before any Python thread is taken.
//!
//! The application is never called for a body that did not complete, so an aborted upload cannot look like
//! a short one.

use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use tokio::time::{Instant, timeout_at};

use super::spool::{Spool, Spooled};
use crate::semantics::fault::Fault;
use crate::telemetry::metrics::Counter;

/// What a request body may cost.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes at most (`--max-body-size`, of the request's path).
    pub size: u64,
    /// How long it may stand still (`--body-timeout`); `None`: for ever.
    pub stall: Option<Duration>,
    /// Bytes a second on average, once the first `stall` is over (`--min-rate`); 0: any rate.
    pub rate: u64,
}

/// A body of which so much time has passed before all of it came is slow.
const SLOW: Duration = Duration::from_millis(20);

/// Reads `body` to its end, and counts its bytes in `received`. `slow` is called once, if it takes a while.
///
/// # Errors
/// `body-too-large` (413) past the limit, `body-timeout` (408) when it stalls or trickles, `body-aborted` (400) when
/// the client stopped or broke its framing, `spool-failed` (507) when the temp file filled up,
/// `buffers-full` (503) when there is neither disk nor memory for it.
pub async fn collect<B>(
    body: B,
    limits: &BodyLimits,
    spool: &Spool,
    received: &Counter,
    slow: impl FnOnce(),
) -> Result<Spooled, Fault>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut body = body;
    // RFC 9110 §10.1.1: refuse by the announced length before a byte (or a 100-continue) is exchanged.
    if body.size_hint().lower() > limits.size {
        return Err(Fault::body_too_large());
    }
    let mut pace = Pace::default();
    let mut slow = Some(slow);
    let mut writer = spool.writer();
    while let Some(frame) = pace.wait(limits, poll_fn(|cx| Pin::new(&mut body).poll_frame(cx))).await? {
        let frame = frame.map_err(|error| {
            tracing::debug!(error = %error.into(), "request body did not complete");
            Fault::body_aborted()
        })?;
        // Trailers (RFC 9110 §6.5) have no place in WSGI and are discarded.
        let Ok(chunk) = frame.into_data() else { continue };
        pace.received += chunk.len() as u64;
        received.add(chunk.len() as u64);
        if pace.received > limits.size {
            return Err(Fault::body_too_large());
        }
        if pace.is_slow
            && let Some(slow) = slow.take()
        {
            slow();
        }
        writer.push(chunk).await.map_err(|error| spool_failed(&error))?;
    }
    writer.finish().await.map_err(|error| spool_failed(&error))
}

/// How fast a body comes. Knows the time only from its first wait on: a body that is there at once costs no clock.
#[derive(Default)]
struct Pace {
    received: u64,
    started: Option<Instant>,
    is_slow: bool,
}

impl Pace {
    /// Awaits `frame` for as long as the limits allow.
    async fn wait<F: Future>(&mut self, limits: &BodyLimits, frame: F) -> Result<F::Output, Fault> {
        let mut frame = pin!(frame);
        if let Poll::Ready(frame) = poll_fn(|cx| Poll::Ready(frame.as_mut().poll(cx))).await {
            return Ok(frame);
        }
        let now = Instant::now();
        let started = *self.started.get_or_insert(now);
        self.is_slow = now - started >= SLOW;
        let Some(stall) = limits.stall else { return Ok(frame.await) };
        let mut deadline = now + stall;
        // What came so far is due for this long: the grace, and a second for each `rate` bytes.
        if let Some(due) = self.received.saturating_mul(1000).checked_div(limits.rate) {
            let due = Duration::from_millis(due);
            deadline = (started + stall).checked_add(due).map_or(deadline, |due| deadline.min(due));
        }
        timeout_at(deadline, frame).await.map_err(|_| Fault::body_timeout())
    }
}

fn spool_failed(error: &std::io::Error) -> Fault {
    if error.kind() == std::io::ErrorKind::OutOfMemory {
        tracing::warn!(
            reason = "buffers-full",
            "a request body is refused: --buffer-memory is spent and --temp-dir takes nothing"
        );
        return Fault::buffers_full();
    }
    tracing::error!(%error, reason = "spool-failed", "cannot keep a request body: check --temp-dir for space and write permission");
    Fault::spool_failed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::budget::Budget;
    use http_body_util::{Full, StreamBody};
    use std::cell::Cell;

    fn limits(size: u64) -> BodyLimits {
        BodyLimits { size, stall: Some(Duration::from_secs(30)), rate: 500 }
    }

    /// Reads a body of which `size` bytes come `every`; how long it took until it was complete or refused.
    async fn trickle(size: usize, every: Duration, chunks: usize) -> (Duration, Option<&'static str>) {
        let body = Trickle::new(size, every, chunks);
        let started = Instant::now();
        let collected = collect(body, &limits(1 << 20), &spool(), &Counter::default(), || ()).await;
        (started.elapsed(), collected.err().map(|fault| fault.reason))
    }

    struct Trickle {
        receive: tokio::sync::mpsc::Receiver<()>,
        size: usize,
    }

    impl Trickle {
        fn new(size: usize, every: Duration, chunks: usize) -> Self {
            let (send, receive) = tokio::sync::mpsc::channel::<()>(1);
            tokio::spawn(async move {
                for _ in 0..chunks {
                    if !every.is_zero() {
                        tokio::time::sleep(every).await;
                    }
                    if send.send(()).await.is_err() {
                        return;
                    }
                }
            });
            Self { receive, size }
        }
    }

    impl Body for Trickle {
        type Data = Bytes;
        type Error = std::io::Error;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
            let size = self.size;
            self.receive.poll_recv(cx).map(|more| more.map(|()| Ok(http_body::Frame::data(vec![0; size].into()))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_or_trickles_is_timed_out_and_a_steady_one_is_not() {
        let seconds = Duration::from_secs;
        assert_eq!(trickle(600, seconds(1), 120).await, (seconds(120), None), "600 bytes a second");
        assert_eq!(trickle(1000, seconds(29), 1).await, (seconds(29), None));
        let (took, reason) = trickle(1000, seconds(31), 1).await;
        assert_eq!((took.as_secs(), reason), (30, Some("body-timeout")), "stands still");
        let (took, reason) = trickle(1, seconds(1), 1000).await;
        assert_eq!((took.as_secs(), reason), (30, Some("body-timeout")), "a byte a second, after the grace");
        let (took, reason) = trickle(250, seconds(1), 1000).await;
        assert_eq!(reason, Some("body-timeout"));
        assert!((58..=61).contains(&took.as_secs()), "half the rate lasts as long again: {took:?}");
    }

    fn spool() -> Spool {
        Spool { budget: Budget::new(1 << 20), temp_dir: std::env::temp_dir().into(), in_memory: false }
    }

    #[tokio::test]
    async fn the_limit_is_exact_for_announced_and_chunked_bodies() {
        let announced = |n: usize| Full::new(Bytes::from(vec![7; n]));
        assert_eq!(collect(announced(10), &limits(10), &spool(), &Counter::default(), || ()).await.unwrap().len(), 10);
        assert_eq!(
            collect(announced(11), &limits(10), &spool(), &Counter::default(), || ()).await.unwrap_err().status,
            413
        );

        let chunked = |n: usize| {
            let frame = || Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(b"x")));
            let frames: Vec<_> = std::iter::repeat_with(frame).take(n).collect();
            StreamBody::new(futures_stream(frames))
        };
        assert_eq!(collect(chunked(10), &limits(10), &spool(), &Counter::default(), || ()).await.unwrap().len(), 10);
        assert_eq!(
            collect(chunked(11), &limits(10), &spool(), &Counter::default(), || ()).await.unwrap_err().status,
            413
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_is_told_of_once_and_one_that_is_there_never() {
        for (every, expected) in [(Duration::from_secs(1), 1), (Duration::ZERO, 0)] {
            let told = Cell::new(0);
            let (body, limits) = (Trickle::new(600, every, 50), limits(1 << 20));
            let body = collect(body, &limits, &spool(), &Counter::default(), || told.set(told.get() + 1)).await;
            assert_eq!((body.unwrap().len(), told.get()), (30_000, expected), "{every:?}");
        }
    }

    #[tokio::test]
    async fn an_aborted_body_is_a_fault_and_never_a_short_body() {
        let frames = vec![
            Ok(http_body::Frame::data(Bytes::from_static(b"half"))),
            Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)),
        ];
        let fault = collect(StreamBody::new(futures_stream(frames)), &limits(10), &spool(), &Counter::default(), || ())
            .await
            .unwrap_err();
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
