//! Who runs and who rests: the pool's threads as the front sees them.
//!
//! Under the GIL a second thread helps only while the first is blocked, and harms while it computes. So a
//! resting thread is woken when nobody runs, or when jobs wait and the running threads' CPU clocks say that
//! they are blocked; a thread that finds itself competing rests again. Threads rest and wake last-in-first-out,
//! so that the warm one runs. Knows nothing of Python: the pool tells it when a thread has the GIL.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::pace::{Pace, wakes};
use super::seat::{Late, Running, Seat};
use super::watch::{Found, Watch};
use crate::exchange::ticket::Stage;
use crate::exchange::{Crew, Job, Source};
use crate::semantics::fault::Fault;
use crate::sys::thread::ThreadClock;

/// A step aside that took longer than this let somebody else run.
const SOMEBODY_RAN: Duration = Duration::from_micros(40);
/// Computing threads get company all the same when jobs wait and none was taken for this long: one long request must
/// not hold all others.
const STUCK: Duration = Duration::from_millis(10);
/// The pause after a thread could not be started, while there are others.
const HIRE_AGAIN: Duration = Duration::from_secs(1);
/// Clocks read at a step aside; more would cost more than they tell.
const CLOCKS_READ: usize = 8;

/// Why a resting thread was woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    Work,
    Stop,
}

/// What only a thread of Python that waits for it can do for the crew: the main thread, or in a program `monopod-server`.
#[derive(Debug)]
pub enum Order {
    /// Start a thread for this seat.
    Start(usize),
    /// Tell where the thread of this seat stands in this job, and raise an exception there.
    Interrupt(usize, Late),
    /// Tell where the thread of this seat stands in this job.
    TellSlow(usize, Late),
    /// Let go of what the front is done with.
    Release,
}

/// Takes orders to that thread; never blocks.
pub type GiveOrder = dyn Fn(Order) + Send + Sync;

/// The pool's threads. Shared by the pool, which runs them, and the front, which wakes them.
pub struct Seats {
    all: Vec<Seat>,
    /// Threads at most, those that are away not counted (`--threads`).
    threads: usize,
    source: Arc<dyn Source>,
    give_order: Box<GiveOrder>,
    watch: Watch,
    state: Mutex<State>,
    /// `state.running.len()`, readable without the lock.
    running: AtomicUsize,
    pace: Pace,
    stopping: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Seats that nobody has.
    free: Vec<usize>,
    /// Until when none is given to a thread to come, as the last could not be started.
    no_hire: Option<Instant>,
    /// Seats that rest, the warmest last.
    resting: Vec<usize>,
    /// Seats that run, blocked ones included, with their clocks at the last look.
    running: Vec<(usize, Duration)>,
    /// Seats whose thread another one stands in for.
    away: Vec<usize>,
    /// Woken seats that do not hold the GIL yet. While there is one, waking more helps nobody.
    attaching: usize,
    /// CPU time of the looking thread at the last look.
    looker: Duration,
}

impl State {
    /// A seat for a thread to come, if there may be one more.
    fn hire(&mut self, threads: usize) -> Option<usize> {
        let may = self.resting.len() + self.running.len() < threads;
        // Without any thread it is worth every try.
        let waits = self.no_hire.is_some_and(|until| !self.running.is_empty() && Instant::now() < until);
        (may && !waits).then(|| self.free.pop()).flatten()
    }
}

impl Seats {
    /// Seats for `threads` threads that take their jobs from `source`, and for those that stand in for them, which
    /// `watch` allows. `give_order` takes what it is given to the thread that has the pool.
    #[must_use]
    pub fn new(threads: usize, source: Arc<dyn Source>, watch: Watch, give_order: Box<GiveOrder>) -> Self {
        let seats = threads + watch.stand_ins();
        Self {
            all: (0..seats).map(|_| Seat::default()).collect(),
            threads,
            source,
            give_order,
            watch,
            state: Mutex::new(State { free: (0..seats).rev().collect(), ..State::default() }),
            running: AtomicUsize::new(0),
            pace: Pace::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Threads at most, those that are away not counted.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Threads that run a job, or are about to; and those of them that others stand in for.
    #[must_use]
    pub fn busy(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.running.len() + state.away.len(), state.away.len())
    }

    /// Who has been running one job for too long.
    #[must_use]
    pub fn overdue(&self) -> &Watch {
        &self.watch
    }

    /// A seat for a thread that the caller starts; it counts as running from here on.
    pub fn hire(&self) -> Option<usize> {
        let mut state = self.state.lock();
        let seat = state.hire(self.threads)?;
        state.attaching += 1;
        state.running.push((seat, Duration::ZERO));
        self.running.store(state.running.len(), Ordering::SeqCst);
        Some(seat)
    }

    /// The hired thread could not be started.
    pub fn not_hired(&self, seat: usize) {
        let mut state = self.state.lock();
        state.attaching = state.attaching.saturating_sub(1);
        state.running.retain(|(other, _)| *other != seat);
        state.free.push(seat);
        state.no_hire = Some(Instant::now() + HIRE_AGAIN);
        self.running.store(state.running.len(), Ordering::SeqCst);
    }

    /// The calling thread, which holds the GIL, takes `seat`; `ident` is Python's number for it.
    pub fn sit(&self, seat: usize, ident: u64) {
        self.all[seat].take(ident);
        self.attached();
    }

    /// The thread of `seat` begins with `job`.
    pub fn begin(&self, seat: usize, job: &Job) {
        self.all[seat].begin(job);
    }

    /// It is done with its job; `last_look` is called where an exception was raised in the thread and may not have come
    /// yet. False: others have taken its place in the meantime, so it should end.
    pub fn end(&self, seat: usize, last_look: impl FnOnce()) -> bool {
        let end = |running: &Running| {
            self.watch.is_back(running);
            (running.interrupted, running.away)
        };
        let Some((interrupted, away)) = self.all[seat].end(end) else { return true };
        if interrupted {
            last_look();
        }
        if away.is_none() {
            return true;
        }
        let mut state = self.state.lock();
        state.away.retain(|other| *other != seat);
        if state.resting.len() + state.running.len() >= self.threads {
            state.free.push(seat);
            return false;
        }
        state.running.push((seat, self.clock(seat)));
        self.running.store(state.running.len(), Ordering::SeqCst);
        true
    }

    /// Each job in a thread's hands, with Python's number for the thread and the number of its seat.
    pub fn held<T>(&self, look: impl Fn(&Running, u64, usize) -> T) -> impl Iterator<Item = T> {
        self.all.iter().enumerate().filter_map(move |(number, seat)| {
            let running = seat.running();
            Some(look(running.as_ref()?, seat.ident()?, number))
        })
    }

    /// Answers each job in a thread's hands whose client waits for the beginning of an answer, on the application's behalf.
    pub fn answer(&self, fault: &Fault) {
        for seat in &self.all {
            if let Some(running) = &*seat.running()
                && running.ticket.stage() == Stage::Awaited
                && running.ticket.decide()
            {
                running.ticket.put(Err(*fault));
            }
        }
    }

    /// One of the seats; the number comes with an [`Order`].
    #[must_use]
    pub fn seat(&self, seat: usize) -> &Seat {
        &self.all[seat]
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
            if self.stopping.load(Ordering::SeqCst) {
                return Wake::Stop;
            }
            state.resting.push(seat);
        }
        self.all[seat].park();
        if self.stopping.load(Ordering::SeqCst) && self.source.is_empty() { Wake::Stop } else { Wake::Work }
    }

    /// The woken thread holds the GIL now.
    pub fn attached(&self) {
        let mut state = self.state.lock();
        state.attaching = state.attaching.saturating_sub(1);
    }

    /// Between two jobs while others run: `yielding` lets go of the GIL for a moment and takes it again. True:
    /// somebody else computed meanwhile, so this thread should rest rather than compete for the GIL.
    pub fn should_rest(&self, seat: usize, yielding: impl FnOnce()) -> bool {
        if cfg!(Py_GIL_DISABLED) || self.running.load(Ordering::Relaxed) < 2 || !self.pace.may_step_aside() {
            return false;
        }
        let others: Vec<(usize, Duration)> = {
            let state = self.state.lock();
            let others = state.running.iter().rev().filter(|(other, _)| *other != seat);
            others.take(CLOCKS_READ).map(|(other, _)| (*other, self.clock(*other))).collect()
        };
        let start = Instant::now();
        yielding();
        let computed =
            start.elapsed() > SOMEBODY_RAN && others.iter().any(|(other, before)| self.clock(*other) > *before);
        self.pace.stepped_aside(computed);
        computed
    }

    /// Wakes every resting thread to leave once no job is left.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        let mut state = self.state.lock();
        for seat in std::mem::take(&mut state.resting) {
            state.running.push((seat, Duration::ZERO));
            self.all[seat].wake();
        }
        self.running.store(state.running.len(), Ordering::SeqCst);
    }

    /// The front has left much that only a thread with the GIL can release.
    pub fn call_for_release(&self) {
        (self.give_order)(Order::Release);
    }

    /// CPU time of a seat's thread. One alone is never compared, so it is not read.
    fn clock(&self, seat: usize) -> Duration {
        if self.threads == 1 { Duration::ZERO } else { self.all[seat].clock() }
    }

    /// Another thread may stand in for this one. Called with the lock of its job held, so it cannot come back meanwhile.
    fn go_away(&self, seat: usize) {
        let mut state = self.state.lock();
        state.running.retain(|(other, _)| *other != seat);
        state.away.push(seat);
        self.running.store(state.running.len(), Ordering::SeqCst);
    }

    /// Nobody runs: wakes one, and lets it show for a while whether it computes.
    fn wake_first(&self) {
        let mut state = self.state.lock();
        if state.running.is_empty() {
            self.pace.looked();
            self.wake_some(&mut state, 1);
        }
    }

    /// Wakes resting threads, and has more started where none rests.
    fn wake_some(&self, state: &mut State, count: usize) {
        for _ in 0..count {
            let seat = if let Some(seat) = state.resting.pop() {
                self.all[seat].wake();
                seat
            } else {
                let Some(seat) = state.hire(self.threads) else { break };
                (self.give_order)(Order::Start(seat));
                seat
            };
            state.attaching += 1;
            state.running.push((seat, self.clock(seat)));
        }
        self.running.store(state.running.len(), Ordering::SeqCst);
    }

    fn look_at(&self, state: &mut State, elapsed: Duration) {
        let none_left = state.resting.is_empty() && state.running.len() >= self.threads;
        if none_left || state.attaching > 0 || self.source.is_empty() {
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
            self.pace.relieved();
        }
        self.wake_some(state, count);
    }
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
        if self.threads > 1 {
            self.look();
        }
    }

    fn look(&self) {
        let Some(elapsed) = self.pace.may_look() else { return };
        if self.running.load(Ordering::SeqCst) == 0 {
            self.wake_first();
            return;
        }
        self.look_at(&mut self.state.lock(), elapsed);
    }

    fn watch(&self) -> bool {
        let now = Instant::now();
        let (seats, waits): (Vec<usize>, bool) = {
            let state = self.state.lock();
            let running = state.running.iter().map(|(seat, _)| *seat);
            (running.chain(state.away.iter().copied()).collect(), !self.source.is_empty())
        };
        for &seat in &seats {
            let mut running = self.all[seat].running();
            let Some(running) = &mut *running else { continue };
            let was_away = running.away;
            match self.watch.look(running, now, waits) {
                Some(Found::Slow) => (self.give_order)(Order::TellSlow(seat, running.late())),
                Some(Found::Overdue) => (self.give_order)(Order::Interrupt(seat, running.late())),
                None => {}
            }
            if was_away.is_none() && running.away.is_some() {
                self.go_away(seat);
            }
        }
        self.watch.looked(self.threads);
        !seats.is_empty()
    }
}

/// Lets the system run somebody else, if anybody is ready to.
pub fn step_aside() {
    std::thread::yield_now();
}

#[cfg(test)]
mod tests {
    use super::super::watch::Patience;
    use super::*;
    use crate::exchange::{Client, Job, Replies, RequestHead, RequestId, Spooled, Ticket};
    use std::sync::atomic::AtomicUsize;

    struct Waiting(AtomicUsize);

    impl Source for Waiting {
        fn take(&self) -> Option<Box<Job>> {
            None
        }
        fn is_empty(&self) -> bool {
            self.0.load(Ordering::SeqCst) == 0
        }
        fn stuck_for(&self) -> Duration {
            Duration::ZERO
        }
    }

    fn seats(threads: usize, source: &Arc<Waiting>, give_order: impl Fn(Order) + Send + Sync + 'static) -> Seats {
        let watch = Watch::new(Patience { slow: None, timeout: Some(Duration::ZERO) }, 1, 1, Replies::default());
        Seats::new(threads, Arc::clone(source) as Arc<dyn Source>, watch, Box::new(give_order))
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
        let seats = Arc::new(seats(3, &source, |order| panic!("nobody is missing: {order:?}")));
        let woken = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (seats, woken, source) = (Arc::clone(&seats), Arc::clone(&woken), Arc::clone(&source));
                let seat = seats.hire().unwrap();
                std::thread::spawn(move || {
                    seats.sit(seat, 0);
                    while seats.rest(seat, false) == Wake::Work {
                        seats.attached();
                        if source.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
                            woken.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                })
            })
            .collect();
        assert_eq!(seats.hire(), None, "three at most");
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

    #[test]
    fn a_thread_is_started_when_one_is_needed_and_not_before() {
        let source = Arc::new(Waiting(AtomicUsize::new(0)));
        let orders = Arc::new(Mutex::new(Vec::new()));
        let given = Arc::clone(&orders);
        let seats = seats(2, &source, move |order| given.lock().push(order));
        seats.look();
        assert!(orders.lock().is_empty());
        source.0.store(1, Ordering::SeqCst);
        seats.job_arrived();
        seats.job_arrived();
        assert!(matches!(orders.lock()[..], [Order::Start(0)]), "one is on its way already");
        seats.not_hired(0);
        seats.job_arrived();
        assert!(matches!(orders.lock()[..], [_, Order::Start(0)]), "a failed start is tried again");
        assert_eq!(seats.hire(), None, "but not all the time while there is a thread");
    }

    #[test]
    fn somebody_stands_in_for_a_stuck_thread_until_it_comes_back() {
        let source = Arc::new(Waiting(AtomicUsize::new(0)));
        let orders = Arc::new(Mutex::new(Vec::new()));
        let given = Arc::clone(&orders);
        let seats = seats(1, &source, move |order| given.lock().push(order));
        let replies = Replies::default();
        let (reply, _waiting) = replies.handle();
        let (parts, ()) = http::Request::get("/slow").body(()).unwrap().into_parts();
        let head = RequestHead { parts, client: Arc::new(Client::unix()), id: RequestId::default() };
        let job = Job { head, body: Spooled::Empty, reply, queued: Instant::now() };
        let seat = seats.hire().unwrap();
        seats.sit(seat, 7);
        seats.begin(seat, &job);
        assert_eq!(seats.hire(), None);
        assert!(seats.watch(), "a thread runs");
        let ticket = Arc::clone(job.reply.ticket());
        assert!(
            matches!(&orders.lock()[..], [Order::Interrupt(s, late)] if *s == seat && Arc::ptr_eq(&late.ticket, &ticket))
        );
        assert!(job.reply.is_abandoned() && seats.overdue().stuck() == 1);
        let mut told = 0;
        seats.seat(seat).interrupt(&Arc::new(Ticket::default()), |_| panic!("another job"));
        seats.seat(seat).interrupt(&ticket, |ident| told = ident);
        assert_eq!(told, 7);
        let stand_in = seats.hire().unwrap();
        assert_ne!(stand_in, seat);
        let mut taken_back = false;
        assert!(!seats.end(seat, || taken_back = true), "its place is taken");
        assert!(taken_back && seats.overdue().stuck() == 0);
        seats.seat(seat).interrupt(&ticket, |_| panic!("the job is over"));
        assert_eq!(seats.hire(), None);
    }
}
