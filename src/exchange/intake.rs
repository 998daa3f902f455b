//! How many large request bodies are read at once.
//!
//! Many clients that upload at once would fill memory with bodies that nobody works on yet, each of which is out of the
//! processor's caches by the time its turn comes. So a few large bodies are read at a time, and none while the threads have
//! enough before them; the others stay where they are, in the kernel and at the client. Whoever has to wait for its client
//! makes room for the next, and none stands still for longer than [`PATIENCE`], so that what is to be refused is refused
//! soon.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// Bytes from which a body is large.
pub const LARGE: u64 = 128 * 1024;
/// Bytes of complete bodies in front of the threads that are enough.
const ENOUGH: usize = 2 * 1024 * 1024;
/// Large bodies that are read at once.
const AT_ONCE: usize = 4;
/// How long a client may keep one of these places without sending anything.
const GRACE: Duration = Duration::from_millis(5);
/// How long a body stands still at most.
const PATIENCE: Duration = Duration::from_millis(50);

/// What waits for threads, what is being read, and who waits for that to become less.
#[derive(Debug, Default)]
pub struct Intake {
    /// Bytes of complete bodies in memory whose requests wait for a thread.
    ready: AtomicUsize,
    /// Large bodies that have a place.
    reading: AtomicUsize,
    /// Bodies that stand still.
    standing: AtomicUsize,
    /// Tells the one that stands longest to go on.
    go: Notify,
}

impl Intake {
    /// A request with `bytes` of body begins to wait for a thread.
    pub fn add(&self, bytes: usize) {
        if bytes > 0 {
            self.ready.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// One with `bytes` of body does not wait any longer. Nobody is woken: see [`Intake::look`].
    pub fn remove(&self, bytes: usize) {
        if bytes > 0 {
            self.ready.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Lets a body go on if one stands still and there is room. For the front, which runs by then: a request has just been
    /// answered.
    pub fn look(&self) {
        if self.standing.load(Ordering::Relaxed) > 0 && self.has_room() {
            self.go.notify_one();
        }
    }

    fn has_room(&self) -> bool {
        self.ready.load(Ordering::Relaxed) < ENOUGH && self.reading.load(Ordering::Relaxed) < AT_ONCE
    }
}

/// A body's turn to be read.
#[derive(Debug)]
pub struct Turn<'a> {
    /// `None`: it is not large, its client is slow, or it has stood still for long enough.
    intake: Option<&'a Intake>,
    place: Option<Place<'a>>,
}

impl<'a> Turn<'a> {
    /// Of a body of at least `len` bytes.
    #[must_use]
    pub fn new(intake: &'a Intake, len: u64) -> Self {
        Self { intake: (len >= LARGE).then_some(intake), place: None }
    }

    /// Reads on by `frame`, when it is its turn.
    pub async fn read<F: Future>(&mut self, frame: F) -> F::Output {
        let Some(intake) = self.intake else { return frame.await };
        if self.place.is_none() {
            self.place = Place::find(intake).await;
        }
        let mut frame = pin!(frame);
        if self.place.is_some()
            && let Ok(frame) = timeout(GRACE, frame.as_mut()).await
        {
            return frame;
        }
        (self.intake, self.place) = (None, None);
        frame.await
    }
}

/// A large body's place among those that are read.
#[derive(Debug)]
struct Place<'a>(&'a Intake);

impl<'a> Place<'a> {
    /// At once, when there is room and nobody has been waiting for it. None: there was none for long enough.
    async fn find(intake: &'a Intake) -> Option<Self> {
        if intake.standing.load(Ordering::Relaxed) > 0 || !intake.has_room() {
            let _standing = Standing::new(&intake.standing);
            timeout(PATIENCE, intake.go.notified()).await.ok()?;
        }
        intake.reading.fetch_add(1, Ordering::Relaxed);
        // There may be room for another.
        intake.look();
        Some(Self(intake))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.reading.fetch_sub(1, Ordering::Relaxed);
        self.0.look();
    }
}

/// One more in a count, for as long as it lives.
struct Standing<'a>(&'a AtomicUsize);

impl<'a> Standing<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, poll_fn, ready};
    use std::pin::Pin;
    use std::task::Poll;
    use tokio::time::Instant;

    /// Whether the future is still at it after being polled once.
    async fn stands(future: Pin<&mut impl Future>) -> bool {
        let mut future = future;
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_body_stands_still_while_the_threads_have_enough() {
        let intake = Intake::default();
        let (mut first, mut second) = (Turn::new(&intake, LARGE), Turn::new(&intake, LARGE));
        assert!(!stands(pin!(first.read(ready(())))).await, "there is nothing yet");
        intake.add(ENOUGH);
        drop(first);
        let mut frame = pin!(second.read(ready(())));
        assert!(stands(frame.as_mut()).await);
        assert!(!stands(pin!(Turn::new(&intake, LARGE - 1).read(ready(())))).await, "a small one goes on");
        intake.look();
        assert!(stands(frame.as_mut()).await, "they still have enough");
        intake.remove(1);
        intake.look();
        assert!(!stands(frame.as_mut()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_are_read_at_once_and_each_makes_room_for_the_next() {
        let intake = Intake::default();
        let mut turns: Vec<_> = (0..AT_ONCE + 2).map(|_| Turn::new(&intake, LARGE)).collect();
        for turn in &mut turns[..AT_ONCE] {
            assert!(!stands(pin!(turn.read(ready(())))).await);
        }
        let (mut one_more, mut last) = (turns.pop().unwrap(), turns.pop().unwrap());
        let (mut one_more, mut last) = (pin!(one_more.read(ready(()))), pin!(last.read(ready(()))));
        assert!(stands(one_more.as_mut()).await && stands(last.as_mut()).await);
        drop(turns.pop());
        assert!(stands(last.as_mut()).await, "there is room for one, and it came second");
        assert!(!stands(one_more.as_mut()).await);
        // A client that sends nothing keeps no place, and gets none again.
        let slow = turns.last_mut().unwrap();
        assert!(timeout(GRACE + Duration::from_millis(1), slow.read(pending::<()>())).await.is_err());
        assert!(!stands(last.as_mut()).await);
        assert!(!stands(pin!(slow.read(ready(())))).await);
        drop(turns);
        assert_eq!(intake.standing.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn none_stands_for_long_nor_twice() {
        let intake = Intake::default();
        intake.add(ENOUGH);
        let mut turn = Turn::new(&intake, LARGE);
        let started = Instant::now();
        turn.read(ready(())).await;
        turn.read(ready(())).await;
        assert_eq!(started.elapsed().as_millis(), PATIENCE.as_millis());
        assert_eq!(intake.standing.load(Ordering::Relaxed), 0);
    }
}
