//! The terminal: colours for what the supervisor says, and its settings, which a debugger that was cut off leaves changed.

use std::ffi::OsString;
use std::io::{IsTerminal, stdin, stdout};
use std::time::Duration;

use rustix::process::getpgrp;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

use crate::config::colour::wants_colour;
use crate::telemetry::console;

/// Where the supervisor talks to.
pub struct Terminal {
    settings: Option<Termios>,
    color: bool,
}

impl Terminal {
    /// As it is now.
    #[must_use]
    pub fn found(env: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let settings = stdin().is_terminal().then(|| tcgetattr(stdin()).ok()).flatten();
        Self { settings, color: wants_colour(env, stdout().is_terminal()) }
    }

    /// Puts its settings back, where it is ours to set.
    pub fn restore(&self) {
        // In the background this would stop the process (SIGTTOU).
        let is_ours = || tcgetpgrp(stdin()).is_ok_and(|group| group == getpgrp());
        if let Some(settings) = self.settings.as_ref().filter(|_| is_ours()) {
            let _ = tcsetattr(stdin(), OptionalActions::Now, settings);
        }
    }

    /// Says something. It goes on without an audience.
    pub fn say(&self, text: &str) {
        drop(console::print(text));
    }

    /// Says something, of lesser weight.
    pub fn note(&self, text: &str) {
        self.say(&self.painted("2", text));
    }

    /// `text` in the colours of this code (ECMA-48, SGR).
    #[must_use]
    pub fn painted(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A time as people tell it.
#[must_use]
pub fn shown(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
