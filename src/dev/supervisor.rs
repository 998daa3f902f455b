//! The supervisor's life: starts the process that runs the application, replaces it at a change, and answers where there is
//! none.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::answer::{Answers, Current, Named};
use super::child::{self, Child, CommandLine, News};
use super::interest::Stage;
use super::link::{Message, Ready};
use super::terminal::{Terminal, shown};
use super::watch::Told;
use super::{browser, greeting, secrets};
use crate::config::settings::Settings;
use crate::net::listen::Listener;
use crate::python::failure::Failure;
use crate::sys::signals::is_ignored;

/// How long requests in the old process may take to end.
const FINISH: Duration = Duration::from_millis(1800);
/// The same when somebody wants the terminal back.
const LEAVE: Duration = Duration::from_millis(400);

/// What the supervisor works with.
pub struct Supervisor {
    pub settings: Settings,
    pub line: CommandLine,
    /// Where the command was given.
    pub dir: PathBuf,
    /// Where the project is.
    pub root: Arc<PathBuf>,
    pub listeners: Vec<Listener>,
    /// Those of the admin port.
    pub admin: Vec<Listener>,
    pub watch: Sender<Told>,
    pub changes: mpsc::Receiver<PathBuf>,
    pub terminal: Terminal,
    pub browser: Option<String>,
}

/// The signals that end it.
struct Signals {
    terminate: Signal,
    // Who starts it without a terminal (`nohup`, `&` in a script) may have these ignored, which is to stay so.
    interrupt: Option<Signal>,
    hangup: Option<Signal>,
    quit: Signal,
}

impl Signals {
    fn take() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: unless_ignored(SignalKind::interrupt())?,
            hangup: unless_ignored(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            () = comes(&mut self.interrupt) => {}
            () = comes(&mut self.hangup) => {}
            _ = self.quit.recv() => {}
        }
    }
}

fn unless_ignored(kind: SignalKind) -> io::Result<Option<Signal>> {
    if is_ignored(kind.as_raw_value())? { Ok(None) } else { signal(kind).map(Some) }
}

async fn comes(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// What is so at the moment.
struct Now {
    /// The process, unless it has ended.
    child: Option<Child>,
    /// Answers in its place.
    answers: Option<Answers>,
    failure: watch::Sender<Current>,
    failures: u64,
    was_ready: bool,
    /// Old processes that finish what runs.
    leaving: JoinSet<()>,
    /// Those of them to which a request may still come.
    lingering: JoinSet<()>,
    /// What the process said meanwhile of how it stands: told when the next request cannot come to an old one any more.
    held: Option<News>,
}

impl Now {
    /// When the process was started.
    fn began(&self) -> SystemTime {
        self.child.as_ref().map_or_else(SystemTime::now, |child| SystemTime::now() - child.began.elapsed())
    }
}

impl Supervisor {
    /// Runs until a signal ends it. Call within the runtime.
    ///
    /// # Errors
    /// What the system says when there is no process to be had.
    pub async fn run(mut self) -> io::Result<()> {
        let mut signals = Signals::take()?;
        greeting::greet(&self.terminal, &self.listeners, true);
        let mut now = Now {
            child: Some(self.start()?),
            answers: None,
            failure: watch::Sender::new(None),
            failures: 0,
            was_ready: false,
            leaving: JoinSet::new(),
            lingering: JoinSet::new(),
            held: None,
        };
        loop {
            tokio::select! {
                () = signals.any() => break,
                news = news(&mut now.child), if now.held.is_none() => match news? {
                    news if now.lingering.is_empty() || !is_told(&news) => self.hear(&mut now, news)?,
                    news => now.held = Some(news),
                },
                Some(_) = now.lingering.join_next() => if now.lingering.is_empty() && let Some(news) = now.held.take() {
                    self.hear(&mut now, news)?;
                },
                Some(changed) = self.changes.recv() => self.replace(&mut now, &changed).await?,
                Some(_) = now.leaving.join_next() => self.terminal.restore(),
            }
        }
        let leave = async {
            if let Some(child) = now.child.take() {
                child.finish(LEAVE, ()).await;
            }
        };
        tokio::select! {
            () = leave => {}
            // Whoever insists.
            () = signals.any() => {}
        }
        self.terminal.restore();
        Ok(())
    }

    fn start(&self) -> io::Result<Child> {
        drop(self.watch.send(Told::Stage(Stage::Starting)));
        let numbers = |listeners: &[Listener]| -> Vec<i32> {
            listeners.iter().map(|listener| listener.as_fd().as_raw_fd()).collect()
        };
        Child::start(&self.line, &self.dir, &numbers(&self.listeners), &numbers(&self.admin))
    }

    /// Replaces the process by one that reads what there is now. Until it answers, requests wait in the backlog.
    async fn replace(&self, now: &mut Now, changed: &std::path::Path) -> io::Result<()> {
        self.terminal.note(&format!("{} changed: starting anew", changed.display()));
        if let Some(old) = now.child.take() {
            let (lingering, over) = oneshot::channel::<()>();
            now.leaving.spawn(old.finish(FINISH, lingering));
            now.lingering.spawn(async { drop(over.await) });
        }
        // It was said of the old one.
        now.held = None;
        if let Some(answers) = now.answers.take() {
            answers.close().await;
        }
        now.child = Some(self.start()?);
        Ok(())
    }

    fn hear(&self, now: &mut Now, news: News) -> io::Result<()> {
        match news {
            News::Said(Message::Hello | Message::Leaving) => {}
            News::Said(Message::Files(files, read)) => drop(self.watch.send(Told::Files(files, now.began(), read))),
            News::Said(Message::SearchPath(dirs)) => drop(self.watch.send(Told::SearchPath(dirs, now.began()))),
            News::Said(Message::Templates(dirs)) => drop(self.watch.send(Told::Templates(dirs))),
            News::Said(Message::Ready(ready)) => self.ready(now, &ready),
            News::Said(Message::Failed(failure)) => self.fail(now, failure)?,
            News::Ended(status) => {
                now.child = None;
                self.terminal.restore();
                // Whoever has told why needs no other reason.
                if now.failure.borrow().is_none() || now.answers.is_none() {
                    let sentence = format!("The process of the application {}.", child::shown(status));
                    self.terminal.note(&sentence);
                    self.fail(now, Failure { sentence, ..Failure::default() })?;
                }
            }
        }
        Ok(())
    }

    fn ready(&self, now: &mut Now, ready: &Ready) {
        drop(self.watch.send(Told::Stage(Stage::Up)));
        now.failure.send_replace(None);
        let took = now.child.as_ref().map(|child| child.began.elapsed()).unwrap_or_default();
        if now.was_ready {
            return self.terminal.note(&format!("ready after {}", shown(took)));
        }
        now.was_ready = true;
        greeting::introduce(&self.terminal, ready, Some(took), self.settings.serve.threads);
        let address = self.listeners.iter().find_map(Listener::address);
        if let Some(address) = address.filter(|_| self.settings.dev.as_ref().is_some_and(|dev| dev.open))
            && !browser::open(&browser::url_of(address), self.browser.as_deref())
        {
            self.terminal.note("--open found no browser: set BROWSER to the command of one");
        }
    }

    /// Answers with the failure until something changes.
    fn fail(&self, now: &mut Now, failure: Failure) -> io::Result<()> {
        drop(self.watch.send(Told::Stage(Stage::Down)));
        let places = failure.exceptions.iter().flat_map(|raised| &raised.frames);
        let files: Vec<PathBuf> =
            places.map(|frame| PathBuf::from(&frame.file)).filter(|file| file.is_absolute()).collect();
        let read = SystemTime::now();
        drop(self.watch.send(Told::Files(files, read, read)));
        now.failures += 1;
        // The process has done so too, with the variables as they are by now; this is for what is said here.
        let failure = secrets::without(failure, &self.settings.serve.variables, std::env::vars_os());
        // Also another one than that of a supervisor before this.
        let id = format!("{:x}-{}", std::process::id(), now.failures);
        now.failure.send_replace(Some(Arc::new(Named { id, failure })));
        if now.answers.is_none() {
            now.answers =
                Some(Answers::open(self.listeners.iter().chain(&self.admin), &now.failure.subscribe(), &self.root)?);
        }
        self.terminal.note("waiting for a change; requests are answered with the failure");
        Ok(())
    }
}

/// Whether it is told how it stands: whoever reads that asks, and must not meet an old process.
fn is_told(news: &News) -> bool {
    matches!(news, News::Said(Message::Ready(_) | Message::Failed(_)) | News::Ended(_))
}

/// What the process has to say; nothing without one.
async fn news(child: &mut Option<Child>) -> io::Result<News> {
    match child {
        Some(child) => child.news().await,
        None => std::future::pending().await,
    }
}
