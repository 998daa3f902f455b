//! What the supervisor and the process that runs the application tell each other, over a socket that both inherit.
//!
//! The supervisor makes it (`child`), the server takes its end at the start. Only the child speaks, one message a line;
//! what the supervisor has to say are signals. When the supervisor is gone, however it went, so is the child.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use crate::config::settings::Bind;
pub use crate::config::strays::DEV_LINK;
use crate::python::failure::Failure;
use crate::sys::fd;
use crate::sys::process::exit_now;

/// From the child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Signals are looked at from here on.
    Hello,
    /// The application consists of these files, besides those told before; it has read them by that time.
    Files(Vec<PathBuf>, SystemTime),
    /// A module was not found in these directories.
    SearchPath(Vec<PathBuf>),
    /// Its templates are in these directories.
    Templates(Vec<PathBuf>),
    /// Requests are answered.
    Ready(Ready),
    /// They will not be; the process ends.
    Failed(Failure),
    /// No further request comes in: connections without one are closed. Those in flight are being answered.
    Leaving,
}

/// What there is to say of an application that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// `module:callable`.
    pub app: String,
    /// Of Werkzeug's console.
    pub pin: Option<String>,
    /// Static files, as the ready line has them.
    pub mounts: String,
}

/// The child's end.
#[derive(Clone)]
pub struct Link {
    stream: Arc<UnixStream>,
    /// Lines are not to be mixed.
    writing: Arc<Mutex<()>>,
    listeners: Vec<i32>,
    admin: Vec<i32>,
    has_failed: Arc<AtomicBool>,
}

impl Link {
    /// What the environment says of it, if this process was started by a supervisor. To be called once.
    ///
    /// # Errors
    /// That the descriptors are not there.
    pub fn inherited(env: &dyn Fn(&str) -> Option<OsString>) -> io::Result<Option<Self>> {
        let Some(text) = env(DEV_LINK) else { return Ok(None) };
        let text = text.to_string_lossy();
        let (text, admin) = text.split_once(';').unwrap_or((&text, ""));
        let numbers = |text: &str| -> io::Result<Vec<i32>> {
            let words = text.split(',').filter(|word| !word.is_empty());
            words.map(|word| word.parse().map_err(|_| io::ErrorKind::InvalidInput.into())).collect()
        };
        let (numbers, admin) = (numbers(text)?, numbers(admin)?);
        let Some((own, listeners)) = numbers.split_first() else { return Err(io::ErrorKind::InvalidInput.into()) };
        // Whatever the application starts shall have none of them.
        for number in numbers.iter().chain(&admin) {
            fd::close_on_exec(*number)?;
        }
        let stream = Arc::new(UnixStream::from(OwnedFd::from(fd::duplicate(*own)?)));
        fd::close(*own)?;
        let (writing, has_failed) = (Arc::default(), Arc::default());
        Ok(Some(Self { stream, writing, listeners: listeners.to_vec(), admin, has_failed }))
    }

    /// The variable's value for a child that inherits these descriptors.
    #[must_use]
    pub fn variable(own: i32, listeners: &[i32], admin: &[i32]) -> String {
        let shown = |numbers: &[i32]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        format!("{};{}", shown(&[&[own], listeners].concat()), shown(admin))
    }

    /// Where the child listens: on what the supervisor has bound.
    #[must_use]
    pub fn binds(&self) -> Vec<Bind> {
        self.listeners.iter().copied().map(Bind::Fd).collect()
    }

    /// The same for the admin port.
    #[must_use]
    pub fn admin_binds(&self) -> Vec<Bind> {
        self.admin.iter().copied().map(Bind::Fd).collect()
    }

    /// All that was inherited, by number.
    #[must_use]
    pub fn inherited_numbers(&self) -> Vec<i32> {
        [&[self.stream.as_raw_fd()], self.listeners.as_slice(), &self.admin].concat()
    }

    /// Tells the supervisor that there will be no application, unless it was told already, with more.
    pub fn fail(&self, sentence: String) {
        if !self.has_failed.load(Ordering::Relaxed) {
            self.tell(&Message::Failed(Failure { sentence, ..Failure::default() }));
        }
    }

    /// Tells the supervisor. If it is gone there is nobody to tell.
    pub fn tell(&self, message: &Message) {
        self.has_failed.fetch_or(matches!(message, Message::Failed(_)), Ordering::Relaxed);
        if let Ok(mut line) = serde_json::to_vec(message) {
            line.push(b'\n');
            let _held = self.writing.lock();
            drop((&*self.stream).write_all(&line));
        }
    }

    /// Whether the supervisor goes within this time.
    #[must_use]
    pub fn is_gone_within(&self, time: Duration) -> bool {
        let mut gone = [PollFd::new(&*self.stream, PollFlags::IN)];
        let time = Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() };
        matches!(poll(&mut gone, Some(&time)), Ok(1..))
    }

    /// Ends this process when the supervisor is gone, whatever Python does.
    ///
    /// # Errors
    /// No descriptor or no thread is to be had.
    pub fn end_with_supervisor(&self) -> io::Result<()> {
        let stream = Arc::clone(&self.stream);
        let wait = move || {
            // Nothing is ever sent.
            while matches!((&*stream).read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::Interrupted) {}
            exit_now(0)
        };
        thread::Builder::new().name("monopod-dev".into()).spawn(wait).map(drop)
    }
}
