//! The process that runs the application: the command line once more, on the sockets that the supervisor has bound.
//!
//! It shares terminal, standard input and process group with the supervisor, so that debuggers have a keyboard.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::process;
use tokio::time::timeout;

use super::link::{DEV_LINK, Link, Message};
use crate::sys::heir::bequeath;

/// How long what it said last may be on its way.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// How it is started.
#[derive(Clone, Debug)]
pub struct CommandLine {
    pub program: OsString,
    /// The name it goes by, and its arguments.
    pub words: Vec<OsString>,
}

/// A process that runs, or has just ended.
pub struct Child {
    process: process::Child,
    said: Lines<BufReader<UnixStream>>,
    is_over: bool,
    takes_signals: bool,
    pub began: Instant,
}

/// What there is to know of it.
#[derive(Debug)]
pub enum News {
    Said(Message),
    Ended(ExitStatus),
}

impl Child {
    /// Starts it in `dir`, where the supervisor was started, with these listening sockets, and those of the admin port. Call within the runtime.
    ///
    /// # Errors
    /// No process is to be had.
    pub fn start(line: &CommandLine, dir: &Path, listeners: &[i32], admin: &[i32]) -> io::Result<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let own = theirs.as_raw_fd();
        let mut command = Command::new(&line.program);
        if let Some((name, arguments)) = line.words.split_first() {
            command.arg0(name).args(arguments);
        }
        command.current_dir(dir).env(DEV_LINK, Link::variable(own, listeners, admin));
        bequeath(&mut command, [&[own], listeners, admin].concat());
        let began = Instant::now();
        let process = process::Command::from(command).spawn()?;
        drop(theirs);
        let said = BufReader::new(UnixStream::from_std(ours)?).lines();
        Ok(Self { process, said, is_over: false, takes_signals: false, began })
    }

    /// The next news. Never ends once it has told the end.
    ///
    /// # Errors
    /// What `wait(2)` says.
    pub async fn news(&mut self) -> io::Result<News> {
        loop {
            let line = tokio::select! {
                biased;
                line = self.said.next_line(), if !self.is_over => line,
                status = self.process.wait() => match timeout(LAST_WORDS, self.said.next_line()).await {
                    Ok(line @ Ok(Some(_))) if !self.is_over => line,
                    _ => return status.map(News::Ended),
                },
            };
            match line {
                Ok(Some(line)) => {
                    // What cannot be read was not said by us.
                    let Ok(message) = serde_json::from_str(&line) else { continue };
                    self.takes_signals |= message == Message::Hello;
                    return Ok(News::Said(message));
                }
                Ok(None) | Err(_) => self.is_over = true,
            }
        }
    }

    /// Asks it to finish what runs and to end; ends it after `patience`. Drops `lingering` once no further request comes to
    /// it.
    pub async fn finish<L>(mut self, patience: Duration, lingering: L) {
        // Before it takes signals it runs nothing, and this one would leave a core file.
        if self.takes_signals {
            self.signal(Signal::QUIT);
            let mut lingering = Some(lingering);
            let ended = async {
                while let Ok(News::Said(said)) = self.news().await {
                    if said == Message::Leaving {
                        lingering = None;
                    }
                }
            };
            if timeout(patience, ended).await.is_ok() {
                return;
            }
        }
        self.signal(Signal::KILL);
        drop(self.process.wait().await);
    }

    fn signal(&self, signal: Signal) {
        // `None` once it was waited for: then the number may be another process's.
        let pid = self.process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            let _ = kill_process(pid, signal);
        }
    }
}

/// How it ended, as the second half of a sentence.
#[must_use]
pub fn shown(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit status {code}"),
        (None, Some(signal)) => {
            let name = match signal {
                libc::SIGSEGV => "SIGSEGV, a crash in C code",
                libc::SIGABRT => "SIGABRT",
                libc::SIGBUS => "SIGBUS",
                libc::SIGFPE => "SIGFPE",
                libc::SIGILL => "SIGILL",
                libc::SIGKILL => "SIGKILL, perhaps for want of memory",
                libc::SIGTERM => "SIGTERM",
                _ => return format!("was ended by signal {signal}"),
            };
            format!("was ended by signal {signal} ({name})")
        }
        (None, None) => "ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_in_words() {
        for (wait, expected) in [
            (0x0300, "ended with exit status 3"),
            (11, "was ended by signal 11 (SIGSEGV, a crash in C code)"),
            (10, "was ended by signal 10"),
        ] {
            assert_eq!(shown(ExitStatus::from_raw(wait)), expected);
        }
    }
}
