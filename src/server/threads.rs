//! What the Python threads do, for `/-/threads` and SIGUSR1, and for what is cut off.
//!
//! Asking needs the GIL, which whatever hangs may hold: so a thread of its own asks, and who waits does not wait for
//! long. Then the requests are told without stacks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::python::crew::Seats;
use crate::python::stacks::{self, Held};
use crate::semantics::fault::Fault;

/// How long the GIL is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who asks.
pub struct Threads {
    seats: Arc<Seats>,
    /// Somebody asks already.
    asking: Arc<AtomicBool>,
}

impl Threads {
    #[must_use]
    pub fn new(seats: Arc<Seats>) -> Self {
        Self { seats, asking: Arc::default() }
    }

    /// The stacks, or what can be told without them.
    pub async fn tell(&self) -> String {
        if let Some(asked) = self.ask(stacks::all)
            && let Ok(Ok(stacks)) = timeout(PATIENCE, asked).await
        {
            return stacks.unwrap_or_else(|error| format!("Python cannot tell: {error}\n"));
        }
        let mut lines =
            vec!["Python does not answer: native code holds the GIL, or somebody else is asking.".to_owned()];
        lines
            .extend(stacks::held(&self.seats).iter().map(|held| format!("Thread {}: {}", held.thread, held.request())));
        lines.join("\n") + "\n"
    }

    /// Writes them to the log whenever SIGUSR1 comes, for ever.
    ///
    /// # Errors
    /// What `sigaction(2)` says.
    pub fn tell_at_signal(self: Arc<Self>) -> std::io::Result<()> {
        let mut asked = signal(SignalKind::user_defined1())?;
        tokio::spawn(async move {
            while asked.recv().await.is_some() {
                let stack = self.tell().await;
                tracing::warn!(signal = "SIGUSR1", stack = stack.trim_end(), "where the Python threads stand");
            }
        });
        Ok(())
    }

    /// The requests that threads are in, the oldest first, each with its stack if that is to be had within `patience`.
    pub async fn held(&self, patience: Duration) -> Vec<(Held, Option<String>)> {
        let held = stacks::held(&self.seats);
        let idents: Vec<u64> = held.iter().map(|held| held.ident).collect();
        let asked = (!held.is_empty()).then(|| self.ask(move |py, _| stacks::of(py, &idents))).flatten();
        let stacks = match asked {
            Some(asked) => timeout(patience, asked).await.ok().and_then(Result::ok).and_then(PyResult::ok),
            None => None,
        };
        let stacks = stacks.unwrap_or_else(|| vec![None; held.len()]);
        held.into_iter().zip(stacks).collect()
    }

    /// Answers by `fault` whoever waits for the beginning of an answer.
    pub fn answer(&self, fault: &Fault) {
        self.seats.answer(fault);
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(Python<'_>, &Seats) -> T + Send + 'static,
    ) -> Option<oneshot::Receiver<T>> {
        if self.asking.swap(true, Ordering::Relaxed) {
            return None;
        }
        let (tell, asked) = oneshot::channel();
        let (seats, asking) = (Arc::clone(&self.seats), Arc::clone(&self.asking));
        let asks = thread::Builder::new().name("monopod-stacks".into()).spawn(move || {
            let answer = Python::attach(|py| question(py, &seats));
            asking.store(false, Ordering::Relaxed);
            drop(tell.send(answer));
        });
        if asks.is_err() {
            self.asking.store(false, Ordering::Relaxed);
        }
        asks.ok().map(|_| asked)
    }
}
