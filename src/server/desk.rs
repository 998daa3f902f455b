//! What reaches the own thread of a server in a program (`monopod-server`): orders, the front's end, records for `logging`.
//!
//! Orders go first, as a request waits for each of them, and nobody knows what a handler of the program costs. Held by
//! [`super::held`], which does what it is told.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvError, Sender, TryRecvError};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pyo3::Python;

use super::drain::Ended;
use super::wiring::Told;
use crate::python::crew::Order;
use crate::python::logging;
use crate::telemetry::access::ACCESS;
use crate::telemetry::records::{Record, Take, Wanted};

/// Records on their way to `logging`; more are dropped and counted, as a handler that is slow must not cost memory.
const MOST_RECORDS: usize = 10_000;

/// Where the thread is told what to do.
pub struct Desk {
    told: Mutex<Receiver<Told>>,
    records: Arc<Records>,
    wanted: Arc<Wanted>,
}

/// What it has to do for the server.
pub enum Task {
    Order(Order),
    End(Ended),
}

/// Those that wait.
#[derive(Default)]
struct Records {
    waiting: Mutex<VecDeque<Record>>,
    dropped: AtomicUsize,
}

impl Desk {
    /// The desk, and the ways for records: at once for threads that hold the GIL, and for all others by way of the desk.
    /// Of access records only those come that somebody has `wanted`.
    pub fn new(told: Receiver<Told>, tell: &Sender<Told>, wanted: Arc<Wanted>) -> (Self, Arc<Take>, Arc<Take>) {
        let records = Arc::new(Records::default());
        let direct: Arc<Take> = Arc::new(|record: Record| {
            let _is_wanted = Python::attach(|py| logging::emit(py, &record));
        });
        let (tell, waiting) = (tell.clone(), Arc::clone(&records));
        let queued: Arc<Take> = Arc::new(move |record: Record| {
            if waiting.put(record) {
                drop(tell.send(Told::Records));
            }
        });
        (Self { told: Mutex::new(told), records, wanted }, direct, queued)
    }

    /// Waits for the next task, and hands records over meanwhile.
    pub fn next(&self, py: Python<'_>) -> Task {
        loop {
            let told = self.told.lock().try_recv();
            let told = match told {
                Ok(told) => Ok(told),
                Err(TryRecvError::Disconnected) => Err(RecvError),
                Err(TryRecvError::Empty) if self.hand_over(py) => continue,
                Err(TryRecvError::Empty) => py.detach(|| self.told.lock().recv()),
            };
            match told {
                Ok(Told::Order(order)) => return Task::Order(order),
                Ok(Told::Records) => {}
                Ok(Told::Ended(ended)) => return Task::End(ended),
                Err(RecvError) => return Task::End(Ended::Failed("the IO thread ended".into())),
            }
        }
    }

    /// Hands over what is left, for so long: whoever waits for the end does not wait for a slow handler.
    pub fn clear(&self, py: Python<'_>, within: Duration) {
        let deadline = Instant::now() + within;
        while self.hand_over(py) {
            if Instant::now() >= deadline {
                let left = std::mem::take(&mut *self.records.waiting.lock());
                self.records.tell_dropped(left.len());
            }
        }
    }

    /// One record; false: there is none.
    fn hand_over(&self, py: Python<'_>) -> bool {
        let Some(record) = self.records.waiting.lock().pop_front() else { return false };
        let is_wanted = logging::emit(py, &record);
        if record.target == ACCESS {
            self.wanted.found(is_wanted);
        }
        self.records.tell_dropped(0);
        true
    }
}

impl Records {
    /// One more; true: nobody knows yet that there are any.
    fn put(&self, record: Record) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= MOST_RECORDS {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        waiting.push_back(record);
        waiting.len() == 1
    }

    fn tell_dropped(&self, more: usize) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed) + more;
        if dropped > 0 {
            tracing::warn!(
                dropped,
                reason = "log-blocked",
                "log records were dropped: the program's handlers are slow"
            );
        }
    }
}
