//! `--ready-hook`: the application's own word on whether it is ready, asked for every few seconds on a thread of its own.
//!
//! Probes get the last answer at once, without the GIL: a hook that hangs, or that cannot run because others hang, is not
//! ready. Each question has a fresh thread state, so that nothing of it (`threading.local`, Django's connections)
//! outlives it.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pyo3::prelude::*;

/// Between an answer and the next question.
const PAUSE: Duration = Duration::from_secs(5);
/// How long an answer may take, the wait for the GIL included.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of the hook.
#[derive(Debug)]
pub struct ReadyHook {
    name: String,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    verdict: Result<(), &'static str>,
    /// Since when it has been asked without an answer.
    asked: Option<Instant>,
}

impl ReadyHook {
    /// The hook that the operator calls `name`, which nobody has asked yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), known: Mutex::new(Known { verdict: Err("hook-pending"), asked: None }) }
    }

    /// What it is called: `module:callable`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it said last.
    ///
    /// # Errors
    /// `hook-pending` before its first answer, `hook-says-no`, `hook-raised`, `hook-stuck`.
    pub fn state(&self) -> Result<(), &'static str> {
        let known = self.known.lock();
        match known.asked {
            Some(asked) if asked.elapsed() > PATIENCE => Err("hook-stuck"),
            _ => known.verdict,
        }
    }

    /// Asks `callable` until the other end of `stop` is dropped.
    ///
    /// # Errors
    /// That no thread can be started.
    pub fn ask(self: Arc<Self>, callable: Py<PyAny>, stop: Receiver<()>) -> io::Result<()> {
        let asks = move || {
            loop {
                self.known.lock().asked = Some(Instant::now());
                let answer = Python::attach(|py| self.answer(py, &callable));
                self.learn(answer);
                if stop.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        thread::Builder::new().name("monopod-ready".into()).spawn(asks).map(drop)
    }

    /// Nothing (`None`) is a yes: a hook may just do what would raise.
    fn answer(&self, py: Python<'_>, callable: &Py<PyAny>) -> Result<(), &'static str> {
        let said = name_thread(py)
            .and_then(|()| callable.call0(py))
            .and_then(|said| Ok(said.is_none(py) || said.is_truthy(py)?));
        match said {
            Ok(true) => Ok(()),
            Ok(false) => Err("hook-says-no"),
            Err(error) => {
                // Once, not every few seconds.
                if self.known.lock().verdict != Err("hook-raised") {
                    error.display(py);
                }
                Err("hook-raised")
            }
        }
    }

    fn learn(&self, answer: Result<(), &'static str>) {
        let mut known = self.known.lock();
        let before = std::mem::replace(&mut known.verdict, answer);
        known.asked = None;
        drop(known);
        if before == answer {
            return;
        }
        match answer {
            Ok(()) => tracing::info!(hook = self.name, "--ready-hook says that the application is ready"),
            Err(reason) => tracing::warn!(hook = self.name, reason, "not ready: --ready-hook says so or fails"),
        }
    }
}

/// So that the application's log lines and `/-/threads` tell who asks.
fn name_thread(py: Python<'_>) -> PyResult<()> {
    py.import("threading")?.call_method0("current_thread")?.setattr("name", "monopod-ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_counts_until_one_takes_too_long() {
        let hook = ReadyHook::new("app:hook");
        assert_eq!(hook.state(), Err("hook-pending"));
        hook.learn(Ok(()));
        hook.known.lock().asked = Some(Instant::now());
        assert_eq!(hook.state(), Ok(()), "while it is asked again");
        hook.known.lock().asked = Instant::now().checked_sub(PATIENCE + Duration::from_secs(1));
        assert_eq!(hook.state(), Err("hook-stuck"));
        hook.learn(Err("hook-says-no"));
        assert_eq!(hook.state(), Err("hook-says-no"));
    }
}
