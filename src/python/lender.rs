//! Bytes of the application that the front reads where they are, and their way back.
//!
//! `bytes` never change, so a reference to one is enough to read it without the GIL; but only a thread that holds the GIL
//! may let go of that reference. So what the front is done with is left here, and released by the threads that run the
//! application as they come by, or by the one that has the pool once it is much.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::exchange::Permit;

/// Bytes that may be left until a request comes.
const MUCH: usize = 4 * 1024 * 1024;

/// Lends, and takes back. Clones are of one lender.
#[derive(Clone)]
pub struct Lender {
    returned: Arc<Returned>,
}

struct Returned {
    objects: Mutex<Vec<PyBackedBytes>>,
    /// The bytes of those.
    bytes: AtomicUsize,
    /// Asks the thread that has the pool to release them.
    call: Box<dyn Fn() + Send + Sync>,
}

/// What is lent: what [`Bytes`] own.
struct Loan {
    /// There until it is dropped.
    object: Option<PyBackedBytes>,
    _permit: Option<Permit>,
    returned: Arc<Returned>,
}

impl fmt::Debug for Lender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lender").field("returned", &self.returned.bytes).finish_non_exhaustive()
    }
}

impl Lender {
    /// A lender that asks the thread that has the pool, by `call`, for a [`Lender::release`] when no other thread sees to it.
    /// It is called on any thread and must not block.
    #[must_use]
    pub fn new(call: impl Fn() + Send + Sync + 'static) -> Self {
        let returned = Returned { objects: Mutex::default(), bytes: AtomicUsize::new(0), call: Box::new(call) };
        Self { returned: Arc::new(returned) }
    }

    /// The bytes of `object`, where they are. They hold `permit` until they are dropped, on whichever thread.
    #[must_use]
    pub fn lend(&self, object: &Bound<'_, PyBytes>, permit: Option<Permit>) -> Bytes {
        let object = Some(PyBackedBytes::from(object.clone()));
        Bytes::from_owner(Loan { object, _permit: permit, returned: Arc::clone(&self.returned) })
    }

    /// Lets go of what has come back, which costs nothing where that is nothing.
    pub fn release(&self, _attached: Python<'_>) {
        if self.returned.bytes.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut objects = self.returned.objects.lock();
        self.returned.bytes.store(0, Ordering::Relaxed);
        let released = std::mem::take(&mut *objects);
        drop(objects);
        // Frees memory, which takes a while.
        drop(released);
    }
}

impl AsRef<[u8]> for Loan {
    fn as_ref(&self) -> &[u8] {
        self.object.as_deref().unwrap_or_default()
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        let len = object.len();
        let mut objects = self.returned.objects.lock();
        objects.push(object);
        let before = self.returned.bytes.fetch_add(len, Ordering::Relaxed);
        drop(objects);
        if before < MUCH && before + len >= MUCH {
            (self.returned.call)();
        }
    }
}
