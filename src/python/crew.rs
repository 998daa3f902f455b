//! Who runs and who rests: the pool's threads as the front sees them.
//!
//! Under the GIL a second thread helps only while the first is blocked, and harms while it computes. So a
//! resting thread is woken when nobody runs, or when jobs wait and the running threads' CPU clocks say that
//! they are blocked; a thread that finds itself competing rests again. Threads rest and wake last-in-first-out,
//! so that the warm one runs. Knows nothing of Python: the pool tells it when a thread has the GIL.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::exchange::{Crew, Source};
use crate::sys::thread::ThreadClock;

/// The least time between two looks at the clocks, and between two steps aside.
const LOOK_EVERY: Duration = Duration::from_micros(150);
/// Threads count as blocked when they used less than this share of the time they could have had.
const BLOCKED_BELOW: f64 = 0.25;
/// A step aside that took longer than this let somebody else run.
const SOMEBODY_RAN: Duration = Duration::from_micros(40);
/// Computing threads get company all the same when jobs wait and none was taken for this long: one long request must
/// not hold all others.
const STUCK: Duration = Duration::from_millis(10);
/// How long a thread that was woken for that runs before it thinks of stepping aside.
const RELIEF: Duration = Duration::from_millis(5);
/// Clocks read at a step aside; more would cost more than they tell.
const CLOCKS_READ: usize = 8;

/// Why a resting thread was woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    Work,
    Stop,
}

/// The pool's threads. Shared by the pool, which runs them, and the front, which wakes them.
pub struct Seats {
    all: Vec<Seat>,
    source: Arc<dyn Source>,
    state: Mutex<State>,
    /// `state.running.len()`, readable without the lock.
    running: AtomicUsize,
    /// Nanoseconds since `epoch` of the last look and of the last step aside.
    looked: AtomicU64,
    stepped: AtomicU64,
    /// And of the last wake for [`STUCK`] jobs.
    relieved: AtomicU64,
    epoch: Instant,
    stopping: AtomicBool,
}

#[derive(Default)]
struct Seat {
    thread: OnceLock<Thread>,
    clock: OnceLock<ThreadClock>,
    woken: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Seats that rest, the warmest last.
    resting: Vec<usize>,
    /// Seats that run, blocked ones included, with their clocks at the last look.
    running: Vec<(usize, Duration)>,
    /// Woken seats that do not hold the GIL yet. While there is one, waking more helps nobody.
    attaching: usize,
    /// CPU time of the looking thread at the last look.
    looker: Duration,
}

impl Seats {
    /// Seats for `threads` threads that take their jobs from `source`.
    #[must_use]
    pub fn new(threads: usize, source: Arc<dyn Source>) -> Self {
        Self {
            all: (0..threads).map(|_| Seat::default()).collect(),
            source,
            state: Mutex::new(State::default()),
            running: AtomicUsize::new(0),
            looked: AtomicU64::new(0),
            stepped: AtomicU64::new(0),
            relieved: AtomicU64::new(0),
            epoch: Instant::now(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Number of threads there are seats for.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.all.len()
    }

    /// The calling thread takes `seat` for life and counts as running.
    pub fn sit(&self, seat: usize) {
        let place = &self.all[seat];
        drop(place.thread.set(std::thread::current()));
        if let Ok(clock) = ThreadClock::current() {
            place.clock.get_or_init(|| clock);
        }
        let mut state = self.state.lock();
        state.running.push((seat, self.clock(seat)));
        self.running.store(state.running.len(), Ordering::SeqCst);
    }

    /// Rests until there is work. Unless it `yields` to threads that run, it returns at once when a job waits
    /// already. Call without the GIL.
    pub fn rest(&self, seat: usize, yields: bool) -> Wake {
        {
            let mut state = self.state.lock();
            state.running.retain(|(other, _)| *other != seat);
            self.running.store(state.running.len(), Ordering::SeqCst);
            // The front queues first and then looks at `running`; this looks the other way round, so one of
            // the two sees the other.
            if !self.source.is_empty() && (!yields || state.running.is_empty()) {
                state.attaching += 1;
                state.running.push((seat, self.clock(seat)));
                self.running.store(state.running.len(), Ordering::SeqCst);
                return Wake::Work;
            }
            if self.stopping() {
                return Wake::Stop;
            }
            state.resting.push(seat);
        }
        while !self.all[seat].woken.swap(false, Ordering::Acquire) {
            std::thread::park();
        }
        if self.stopping() && self.source.is_empty() { Wake::Stop } else { Wake::Work }
    }

    /// The woken thread holds the GIL now.
    pub fn attached(&self) {
        let mut state = self.state.lock();
        state.attaching = state.attaching.saturating_sub(1);
    }

    /// Between two jobs while others run: `yielding` lets go of the GIL for a moment and takes it again. True:
    /// somebody else computed meanwhile, so this thread should rest rather than compete for the GIL.
    pub fn should_rest(&self, seat: usize, yielding: impl FnOnce()) -> bool {
        if cfg!(Py_GIL_DISABLED) || self.running.load(Ordering::Relaxed) < 2 || !self.due(&self.stepped) {
            return false;
        }
        let relieved = Duration::from_nanos(self.now().saturating_sub(self.relieved.load(Ordering::Relaxed)));
        if relieved < RELIEF {
            return false;
        }
        let others: Vec<(usize, Duration)> = {
            let state = self.state.lock();
            let others = state.running.iter().rev().filter(|(other, _)| *other != seat);
            others.take(CLOCKS_READ).map(|(other, _)| (*other, self.clock(*other))).collect()
        };
        let start = Instant::now();
        yielding();
        start.elapsed() > SOMEBODY_RAN && others.iter().any(|(other, before)| self.clock(*other) > *before)
    }

    /// Wakes every resting thread to leave once no job is left.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        let mut state = self.state.lock();
        for seat in std::mem::take(&mut state.resting) {
            state.running.push((seat, Duration::ZERO));
            self.wake(seat);
        }
        self.running.store(state.running.len(), Ordering::SeqCst);
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// CPU time of a seat's thread. One alone is never compared, so it is not read.
    fn clock(&self, seat: usize) -> Duration {
        if self.all.len() == 1 {
            return Duration::ZERO;
        }
        self.all[seat].clock.get().and_then(|clock| clock.read()).unwrap_or_default()
    }

    /// Nanoseconds since the crew was made.
    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// At most every [`LOOK_EVERY`], whoever asks.
    fn due(&self, last: &AtomicU64) -> bool {
        let now = self.now();
        let before = last.load(Ordering::Relaxed);
        let every = u64::try_from(LOOK_EVERY.as_nanos()).unwrap_or(u64::MAX);
        now.saturating_sub(before) >= every
            && last.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Nobody runs: wakes one, and lets it show for a while whether it computes.
    fn wake_first(&self) {
        let mut state = self.state.lock();
        if state.running.is_empty() {
            self.looked.store(self.now(), Ordering::Relaxed);
            self.wake_some(&mut state, 1);
        }
    }

    fn wake_some(&self, state: &mut State, count: usize) {
        for _ in 0..count {
            let Some(seat) = state.resting.pop() else { break };
            state.attaching += 1;
            state.running.push((seat, self.clock(seat)));
            self.wake(seat);
        }
        self.running.store(state.running.len(), Ordering::SeqCst);
    }

    fn wake(&self, seat: usize) {
        self.all[seat].woken.store(true, Ordering::Release);
        if let Some(thread) = self.all[seat].thread.get() {
            thread.unpark();
        }
    }

    fn look_at(&self, state: &mut State, elapsed: Duration) {
        if state.resting.is_empty() || state.attaching > 0 || self.source.is_empty() {
            return;
        }
        // The looking thread's own CPU time was not to be had by the others where there is one core.
        let looker = ThreadClock::current().ok().and_then(ThreadClock::read).unwrap_or_default();
        let available = elapsed.saturating_sub(looker.saturating_sub(state.looker));
        state.looker = looker;
        let mut used = Duration::ZERO;
        for (seat, before) in &mut state.running {
            let now = self.clock(*seat);
            used += now.saturating_sub(*before);
            *before = now;
        }
        let mut count = wakes(used, available, state.running.len());
        if count == 0 && self.source.stuck_for() >= STUCK {
            count = 1;
            self.relieved.store(self.now(), Ordering::Relaxed);
        }
        self.wake_some(state, count);
    }
}

/// How many threads to wake when jobs wait: none while the running ones compute, more and more while they are
/// blocked.
fn wakes(used: Duration, available: Duration, running: usize) -> usize {
    if available < LOOK_EVERY / 2 || used.as_secs_f64() > available.as_secs_f64() * BLOCKED_BELOW {
        return 0;
    }
    1 + running / 2
}

impl Crew for Seats {
    fn job_arrived(&self) {
        if cfg!(Py_GIL_DISABLED) {
            // Without a GIL threads do not compete for one: each job gets a thread at once.
            self.wake_some(&mut self.state.lock(), 1);
            return;
        }
        if self.running.load(Ordering::SeqCst) == 0 {
            self.wake_first();
            return;
        }
        if self.all.len() > 1 {
            self.look();
        }
    }

    fn look(&self) {
        let before = self.looked.load(Ordering::Relaxed);
        if !self.due(&self.looked) {
            return;
        }
        if self.running.load(Ordering::SeqCst) == 0 {
            self.wake_first();
            return;
        }
        let elapsed = self.looked.load(Ordering::Relaxed).saturating_sub(before);
        self.look_at(&mut self.state.lock(), Duration::from_nanos(elapsed));
    }
}

/// Lets the system run somebody else, if anybody is ready to.
pub fn step_aside() {
    std::thread::yield_now();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Job;
    use std::sync::atomic::AtomicUsize;

    struct Waiting(AtomicUsize);

    impl Source for Waiting {
        fn take(&self) -> Option<Job> {
            None
        }
        fn is_empty(&self) -> bool {
            self.0.load(Ordering::SeqCst) == 0
        }
        fn stuck_for(&self) -> Duration {
            Duration::ZERO
        }
    }

    #[test]
    fn computing_threads_get_no_company_and_blocked_ones_more_and_more() {
        let ms = Duration::from_millis;
        assert_eq!(wakes(ms(1), ms(1), 1), 0, "one computes");
        assert_eq!(wakes(ms(0), ms(1), 1), 1, "one is blocked");
        assert_eq!(wakes(Duration::from_micros(100), ms(1), 1), 1, "mostly blocked");
        assert_eq!(wakes(ms(0), ms(1), 8), 5);
        assert_eq!(wakes(ms(0), ms(0), 8), 0, "the looking thread had the core: nothing is known");
    }

    #[test]
    fn an_arrival_wakes_exactly_one_resting_thread_and_stop_wakes_all() {
        let source = Arc::new(Waiting(AtomicUsize::new(0)));
        let seats = Arc::new(Seats::new(3, Arc::clone(&source) as Arc<dyn Source>));
        let woken = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..3)
            .map(|seat| {
                let (seats, woken, source) = (Arc::clone(&seats), Arc::clone(&woken), Arc::clone(&source));
                std::thread::spawn(move || {
                    seats.sit(seat);
                    while seats.rest(seat, false) == Wake::Work {
                        seats.attached();
                        if source.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
                            woken.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                })
            })
            .collect();
        while seats.state.lock().resting.len() < 3 {
            std::thread::yield_now();
        }
        source.0.store(1, Ordering::SeqCst);
        seats.job_arrived();
        while woken.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        while seats.state.lock().resting.len() < 3 {
            std::thread::yield_now();
        }
        assert_eq!(woken.load(Ordering::SeqCst), 1);
        seats.stop();
        for thread in threads {
            thread.join().unwrap();
        }
    }
}
