//! Permits of connections: no more are open at once than `--max-connections`; the next client waits in the backlog.
//!
//! Idle connections must not lock new clients out: where somebody waits and no permit is free, the connection that has
//! been idle between two requests for longest is asked to close. Connections are registered once in their lives, and
//! looked at only then: a request costs nothing here. For a drain, each is told to end after what it is at. Called by
//! `accept` and, for each connection, by `conn`.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::select;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::stack::turns::Turns;

/// How long to wait for a permit before looking for another connection to close.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Connections looked at in one go, so that a hundred thousand of them do not hold up the IO thread. Of more than
/// that, the one idle longest among these is closed.
const LOOK_AT: usize = 4096;
/// Connections remembered by one look, so that the next clients need none.
const REMEMBERED: usize = 32;
/// The pause between two lines that say the same.
const TELL_AGAIN: Duration = Duration::from_mins(1);

/// The permits of all client listeners together.
#[derive(Debug)]
pub struct Permits {
    most: usize,
    free: Arc<Semaphore>,
    open: Mutex<Open>,
    /// A connection of a drain has ended.
    ended: Notify,
}

/// The open connections.
#[derive(Debug, Default)]
struct Open {
    connections: BTreeMap<u64, Connection>,
    next: u64,
    /// Where the next look begins.
    from: u64,
    /// What the last look found, the one idle longest last. What changed since is passed over.
    idlest: Vec<(Instant, u64)>,
    told: Option<Instant>,
    is_draining: bool,
}

#[derive(Debug)]
struct Connection {
    turns: Arc<Turns>,
    /// Wakes the connection's task, once that has run.
    waker: Waker,
}

impl Connection {
    /// Since when it could be asked to close; a connection without a request yet is none of these, as `--header-timeout`
    /// bounds it.
    fn idle_since(&self) -> Option<Instant> {
        let turns = &self.turns;
        turns.idle_since().filter(|_| !turns.is_new() && !turns.is_asked_to_leave())
    }
}

/// One connection's permit; dropping it lets the next one in.
#[derive(Debug)]
pub struct Permit {
    permits: Arc<Permits>,
    registered: Option<u64>,
    _held: OwnedSemaphorePermit,
}

impl Permits {
    /// `most` connections (`--max-connections`); takes no memory by their number.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { most, free, open: Mutex::default(), ended: Notify::new() })
    }

    /// A permit, if one is free.
    #[must_use]
    pub fn try_take(self: &Arc<Self>) -> Option<Permit> {
        Some(self.permit(Arc::clone(&self.free).try_acquire_owned().ok()?))
    }

    /// The next permit that is free; from the moment that `somebody_waits` for it, room is made. Never `None`.
    pub async fn take(self: &Arc<Self>, somebody_waits: impl Future<Output = ()>) -> Option<Permit> {
        let mut freed = pin!(Arc::clone(&self.free).acquire_owned());
        let mut held = select! {
            biased;
            held = &mut freed => Some(held),
            () = somebody_waits => None,
        };
        while held.is_none() {
            self.make_room();
            held = timeout(LOOK_AGAIN, &mut freed).await.ok();
        }
        // The semaphore is never closed.
        Some(self.permit(held?.ok()?))
    }

    /// Ends all connections as they are, for `reason`.
    pub fn cut_off(&self, reason: &'static str) {
        for connection in self.open.lock().connections.values() {
            connection.turns.cut_off(reason);
            connection.waker.wake_by_ref();
        }
    }

    /// Asks the connections to close that have been idle between two requests for so long.
    pub fn dismiss(&self, idle: Duration) {
        for connection in self.open.lock().connections.values() {
            if connection.idle_since().is_some_and(|since| since.elapsed() >= idle) {
                connection.turns.ask_to_leave();
                connection.waker.wake_by_ref();
            }
        }
    }

    /// Ends the connections that are idle, calls `idle_gone` once they have ended, and has the others end after the requests
    /// that they are at, as those that are registered later; until none is left.
    pub async fn drain(&self, idle_gone: impl FnOnce()) {
        {
            let mut open = self.open.lock();
            open.is_draining = true;
            for connection in open.connections.values() {
                connection.turns.drain();
                connection.waker.wake_by_ref();
            }
        }
        while self.open.lock().connections.values().any(|connection| connection.turns.idle_since().is_some()) {
            self.ended.notified().await;
        }
        idle_gone();
        while !self.open.lock().connections.is_empty() {
            self.ended.notified().await;
        }
    }

    /// Waits until no permit is held; nobody else may wait for one by then.
    pub async fn all_back(&self) {
        let all = u32::try_from(self.most.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        drop(self.free.acquire_many(all).await);
    }

    fn permit(self: &Arc<Self>, held: OwnedSemaphorePermit) -> Permit {
        Permit { permits: Arc::clone(self), registered: None, _held: held }
    }

    /// Asks one connection to close, if one is idle.
    fn make_room(&self) {
        let mut open = self.open.lock();
        if open.told.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
            open.told = Some(Instant::now());
            tracing::warn!(
                connections = self.most,
                reason = "connections-full",
                "all connections are in use and clients wait: idle ones are closed to make room; raise \
                 --max-connections (and the nofile limit) or run more pods"
            );
        }
        if let Some(connection) = open.idlest() {
            connection.turns.ask_to_leave();
            connection.waker.wake_by_ref();
        }
    }
}

impl Open {
    /// The connection idle longest.
    fn idlest(&mut self) -> Option<&Connection> {
        let mut id = self.remembered();
        if id.is_none() {
            self.look();
            id = self.remembered();
        }
        self.connections.get(&id?)
    }

    /// The one idle longest of those that the last look found and that are idle still.
    fn remembered(&mut self) -> Option<u64> {
        while let Some((since, id)) = self.idlest.pop() {
            if self.connections.get(&id).and_then(Connection::idle_since) == Some(since) {
                return Some(id);
            }
        }
        None
    }

    fn look(&mut self) {
        let mut idle: Vec<(Instant, u64)> = Vec::new();
        let all = self.connections.range(self.from..).chain(self.connections.range(..self.from));
        let mut last = self.from;
        for (id, connection) in all.take(LOOK_AT) {
            last = *id;
            idle.extend(connection.idle_since().map(|since| (since, last)));
            if idle.len() == 2 * REMEMBERED {
                idle.sort_unstable();
                idle.truncate(REMEMBERED);
            }
        }
        idle.sort_unstable();
        idle.truncate(REMEMBERED);
        idle.reverse();
        self.from = last + 1;
        self.idlest = idle;
    }
}

impl Permit {
    /// From here on the connection of `turns` is waited for by a drain.
    pub fn register(&mut self, turns: Arc<Turns>) {
        let mut open = self.permits.open.lock();
        if open.is_draining {
            turns.drain();
        }
        let id = open.next;
        open.next += 1;
        open.connections.insert(id, Connection { turns, waker: Waker::noop().clone() });
        self.registered = Some(id);
    }

    /// Has the task that calls this woken when the connection is told something.
    pub async fn wake_here(&self) {
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let mut open = self.permits.open.lock();
        if let Some(connection) = self.registered.and_then(|id| open.connections.get_mut(&id)) {
            connection.waker = waker;
        }
    }

    /// Nobody who connects now is served any more.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.permits.open.lock().is_draining
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(id) = self.registered {
            let mut open = self.permits.open.lock();
            open.connections.remove(&id);
            if open.is_draining {
                self.permits.ended.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use tokio::sync::Notify;

    /// A permit for somebody who waits.
    async fn take(permits: &Arc<Permits>) -> Permit {
        match permits.try_take() {
            Some(permit) => permit,
            None => permits.take(ready(())).await.unwrap(),
        }
    }

    /// A connection that closes when it is asked to.
    async fn connect(permits: &Arc<Permits>, answered: u64) -> Arc<Turns> {
        let turns = Arc::new(Turns::default());
        let mut permit = take(permits).await;
        let (open, registered) = (Arc::clone(&turns), Arc::new(Notify::new()));
        let tell = Arc::clone(&registered);
        tokio::spawn(async move {
            permit.register(Arc::clone(&open));
            permit.wake_here().await;
            tell.notify_one();
            poll_fn(|_| if open.is_asked_to_leave() { Poll::Ready(()) } else { Poll::Pending }).await;
            drop(permit);
        });
        registered.notified().await;
        turns.come(answered);
        for _ in 0..answered {
            turns.end();
        }
        turns
    }

    fn open(permits: &Permits) -> usize {
        permits.open.lock().connections.len()
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_made_by_the_connection_idle_longest() {
        let permits = Permits::new(3);
        let first = connect(&permits, 2).await;
        let mut others = Vec::new();
        for _ in 0..2 {
            tokio::time::advance(Duration::from_millis(1)).await;
            others.push(connect(&permits, 1).await);
        }
        tokio::time::advance(Duration::from_millis(1)).await;
        // The oldest was used since.
        first.come(1);
        first.end();
        let started = Instant::now();
        drop(take(&permits).await);
        assert_eq!(started.elapsed(), Duration::ZERO, "at once");
        let asked: Vec<bool> = [&first, &others[0], &others[1]].map(|turns| turns.is_asked_to_leave()).into();
        assert_eq!(asked, [false, true, false]);
        assert_eq!(open(&permits), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn neither_new_nor_busy_nor_reading_connections_are_asked() {
        let permits = Permits::new(4);
        let new = connect(&permits, 0).await;
        let busy = connect(&permits, 1).await;
        busy.come(1);
        let reading = connect(&permits, 1).await;
        reading.set_reading(true);
        let blocked = connect(&permits, 1).await;
        blocked.set_blocked(true);
        assert!(timeout(Duration::from_secs(9), permits.take(ready(()))).await.is_err());
        for turns in [&new, &busy, &reading, &blocked] {
            assert!(!turns.is_asked_to_leave());
        }
        // The one that becomes idle goes.
        busy.end();
        drop(take(&permits).await);
        assert_eq!(open(&permits), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_so_nobody_is_asked() {
        let permits = Permits::new(1);
        let turns = connect(&permits, 1).await;
        assert!(timeout(Duration::from_secs(9), permits.take(pending())).await.is_err());
        assert!(!turns.is_asked_to_leave());
        assert_eq!(open(&permits), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_asked_and_has_another_request_stays() {
        let permits = Permits::new(1);
        let turns = Arc::new(Turns::default());
        let mut permit = take(&permits).await;
        permit.register(Arc::clone(&turns));
        turns.come(1);
        turns.end();
        permits.make_room();
        assert!(turns.is_asked_to_leave());
        turns.come(1);
        turns.end();
        assert!(!turns.is_asked_to_leave());
        permits.make_room();
        assert!(turns.is_asked_to_leave());
        drop(permit);
        assert_eq!(open(&permits), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn each_of_many_newcomers_costs_the_one_then_idle_longest() {
        const MOST: usize = 3 * REMEMBERED;
        let permits = Permits::new(MOST);
        let mut all = Vec::new();
        for _ in 0..MOST {
            tokio::time::advance(Duration::from_millis(1)).await;
            all.push(connect(&permits, 1).await);
        }
        for gone in 1..=MOST {
            // Held by one that is new and stays.
            connect(&permits, 0).await;
            let asked = all.iter().take_while(|turns| turns.is_asked_to_leave()).count();
            assert_eq!((asked, open(&permits)), (gone, MOST));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn looks_go_round() {
        let permits = Permits::new(usize::MAX);
        let waker = Waker::noop();
        let mut open = permits.open.lock();
        for id in 0..2 * LOOK_AT as u64 {
            let turns = Arc::new(Turns::default());
            turns.come(1);
            open.connections.insert(id, Connection { turns, waker: waker.clone() });
        }
        // The only idle one is where the second look comes by.
        let last = 2 * LOOK_AT as u64 - 1;
        open.connections[&last].turns.end();
        assert!(open.idlest().is_none());
        assert!(open.idlest().is_some_and(|connection| connection.idle_since().is_some()));
        assert!(open.idlest().is_none());
        assert!(open.idlest().is_some());
    }
}
