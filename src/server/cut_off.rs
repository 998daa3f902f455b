//! What becomes of requests that are not done when `--graceful-timeout` is over.
//!
//! Where each stands is told, with the Python stack. Whoever waits for the beginning of an answer gets 503, which says
//! that it may be asked for again; answers that have begun, and bodies that are still coming, are cut off, so that nobody
//! takes them for complete. Called by `drain`, on the IO thread, which needs no GIL for any of it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::threads::Threads;
use crate::app::queue::Queue;
use crate::net::permits::Permits;
use crate::semantics::fault::Fault;
use crate::semantics::path::in_ascii;
use crate::stack::Front;

/// How long the GIL is waited for, for the stacks.
const ASKING: Duration = Duration::from_secs(1);
/// How long the last answers may take to leave, and the ends of what was cut off to be recorded.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Who has to do with requests that are not done.
pub struct Remains {
    pub front: Arc<Front>,
    pub queue: Arc<Queue>,
    pub threads: Arc<Threads>,
    pub permits: Arc<Permits>,
}

impl Remains {
    /// Ends them; `done` is when the last connection has ended. Under a supervisor (`monopod dev`), where each change of a file
    /// ends open streams, without their stacks.
    pub async fn cut_off(&self, mut done: Pin<&mut impl Future<Output = ()>>, is_supervised: bool) {
        let reason = Fault::drain_timeout().reason;
        let in_flight = self.front.in_flight.count();
        tracing::warn!(in_flight, reason, "--graceful-timeout is over, and requests are cut off");
        let held = if is_supervised { Vec::new() } else { self.threads.held(ASKING).await };
        for (held, stack) in held {
            tracing::warn!(
                reason,
                method = held.method.as_str(),
                path = in_ascii(&held.path).as_ref(),
                seconds = held.seconds(),
                thread = held.thread,
                stack = stack.as_deref().unwrap_or("unknown: native code holds the GIL"),
                "cut off in the application"
            );
        }
        self.queue.refuse_all(Fault::drain_timeout());
        self.threads.answer(&Fault::drain_timeout());
        if timeout(LAST_WORDS, &mut done).await.is_ok() {
            return;
        }
        self.front.metrics.faults_of("drain-timeout", self.front.in_flight.count() as u64);
        self.permits.cut_off(reason);
        drop(timeout(LAST_WORDS, done).await);
    }
}
