//! The IO thread: one single-threaded tokio runtime for every socket, timer and reply.

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::admin::Admin;
use super::connections::{Connections, Edge};
use super::cut_off::Remains;
use super::develop;
use super::drain::{self, Accepting, Ended, Stops};
use super::limits::Follow;
use super::phase::{Life, Phase};
use super::threads::Threads;
use crate::app::backend::Backend;
use crate::app::queue::Queue;
use crate::app::service::App;
use crate::config::settings::Settings;
use crate::dev::link::{self, Link, Message};
use crate::exchange::request::BodyLimits;
use crate::exchange::{Crew, Replies, RequestIds, Spool};
use crate::net::accept::{self, Backlog};
use crate::net::listen::Listener;
use crate::net::permits::Permits;
use crate::stack::Front;
use crate::stack::identify::Trust;
use crate::stack::observe::InFlight;
use crate::stack::probe::Health;
use crate::static_files::StaticFiles;
use crate::sys::thread;
use crate::telemetry::access::AccessLog;
use crate::telemetry::log::Flush;
use crate::telemetry::metrics::Metrics;

/// What the front is made of before the application is known.
pub struct Wiring {
    pub settings: Settings,
    pub queue: Arc<Queue>,
    pub crew: Arc<dyn Crew>,
    pub replies: Replies,
    pub spool: Spool,
    pub in_flight: InFlight,
    pub metrics: Arc<Metrics>,
    pub life: Arc<Life>,
    pub threads: Arc<Threads>,
    pub follow: Follow,
    pub admin: Admin,
    pub access_log: Option<AccessLog>,
    /// To the supervisor of `monopod dev`, if one has started this process.
    pub link: Option<Link>,
    pub admin_listeners: Vec<Listener>,
    /// Unix sockets to remove if the start is broken off.
    pub socket_files: Vec<PathBuf>,
    /// Those of the admin port, which is open to the end.
    pub admin_files: Vec<PathBuf>,
}

/// What it still needs to serve.
pub struct Ready {
    pub listeners: Vec<Listener>,
    pub static_files: StaticFiles,
    /// The line that tells the operator, and the tests, that the server is ready.
    pub line: String,
    /// The same for the supervisor.
    pub word: Option<link::Ready>,
}

/// What the main thread and the IO thread tell each other.
pub struct Line {
    /// The signals are taken over, or why they are not.
    pub started: mpsc::Sender<io::Result<()>>,
    /// The application is there.
    pub ready: oneshot::Receiver<Ready>,
    /// The front's life is over.
    pub ended: Box<dyn FnOnce(Ended) + Send>,
    pub flush: Flush,
}

/// Runs the front of the command until it has drained, and then until Python has ended the process. Blocks the calling
/// thread.
pub fn run(wiring: Wiring, line: Line) {
    match runtime() {
        Ok(runtime) => runtime.block_on(live(wiring, line)),
        Err(error) => drop(line.started.send(Err(error))),
    }
}

/// Runs the front of a server in a program, whose application is there, until it has drained. Nothing of it is left then.
/// Blocks the calling thread.
///
/// # Errors
/// What the runtime says that cannot be.
pub fn run_for_holder(
    mut wiring: Wiring,
    ready: Ready,
    mut stops: Stops,
    is_up: impl FnOnce(),
    log: &tracing::Dispatch,
) -> io::Result<Ended> {
    let of_blocking = log.clone();
    let runtime = builder().on_thread_start(move || record_to(&of_blocking)).build()?;
    record_to(log);
    is_up();
    let life = Arc::clone(&wiring.life);
    let ended = runtime.block_on(async {
        wiring.admin.open(std::mem::take(&mut wiring.admin_listeners));
        serve(wiring, ready, &mut stops).await.map(|(ended, _)| ended)
    });
    life.enter(Phase::Stopped);
    // What it still does off this thread is of no use to anybody.
    runtime.shutdown_timeout(LAST_BLOCKING);
    ended
}

/// How long blocking work may take that has begun, such as opening a file, once everything else has ended.
const LAST_BLOCKING: Duration = Duration::from_secs(1);

thread_local! {
    /// Keeps the thread's events on their way.
    static LOG: RefCell<Option<tracing::dispatcher::DefaultGuard>> = const { RefCell::new(None) };
}

/// The calling thread's events go to `log` for as long as it runs.
fn record_to(log: &tracing::Dispatch) {
    LOG.set(Some(tracing::dispatcher::set_default(log)));
}

fn builder() -> runtime::Builder {
    let mut builder = runtime::Builder::new_current_thread();
    builder.enable_all().max_blocking_threads(16).thread_name("monopod-blocking");
    builder
}

fn runtime() -> io::Result<runtime::Runtime> {
    builder().build()
}

async fn live(mut wiring: Wiring, line: Line) {
    let Line { started, ready, ended: tell_ended, flush } = line;
    let mut stops = match Stops::take_signals(wiring.link.is_some()) {
        Ok(stops) => stops,
        Err(error) => return drop(started.send(Err(error))),
    };
    if let Err(error) = Arc::clone(&wiring.threads).tell_at_signal().and_then(|()| drain::live_through_others()) {
        return drop(started.send(Err(error)));
    }
    wiring.admin.open(std::mem::take(&mut wiring.admin_listeners));
    if let Some(link) = &wiring.link {
        link.tell(&Message::Hello);
    }
    drop(started.send(Ok(())));
    let ready = tokio::select! {
        ready = ready => ready,
        name = stops.next() => {
            tracing::info!(signal = name, "stopped while the application was being imported");
            drain::leave(&[wiring.socket_files, wiring.admin_files].concat(), &flush)
        }
    };
    // Without an application the main thread says why, and ends.
    let Ok(ready) = ready else { return };
    share_core(&ready.static_files);
    let limit = wiring.settings.life.graceful_timeout;
    let (phases, admin_files) = (Arc::clone(&wiring.life), std::mem::take(&mut wiring.admin_files));
    let (ended, signalled) = match serve(wiring, ready, &mut stops).await {
        Ok(ended) => ended,
        Err(error) => (Ended::Failed(error.to_string()), Instant::now()),
    };
    phases.enter(Phase::Stopped);
    tell_ended(ended.clone());
    drain::outlast(&ended, signalled + limit, &mut stops, &admin_files, &flush).await;
}

/// Serves until a signal comes and the drain that it begins has ended; how, and when the signal came.
async fn serve(wiring: Wiring, ready: Ready, stops: &mut Stops) -> io::Result<(Ended, Instant)> {
    let Ready { listeners, static_files, line, word } = ready;
    let limits = &wiring.settings.limits;
    let front = Arc::new(Front {
        app: App {
            backend: Backend::new(Arc::clone(&wiring.queue), wiring.crew, wiring.replies.clone()),
            replies: wiring.replies.clone(),
            spool: wiring.spool,
            body_limits: BodyLimits {
                size: limits.max_body_size.at(b""),
                stall: limits.body_timeout,
                rate: limits.min_rate,
            },
            metrics: Arc::clone(&wiring.metrics),
            body_sizes: limits.max_body_size.clone(),
            root_path: wiring.settings.serve.root_path.clone(),
        },
        static_files,
        root_path: wiring.settings.serve.root_path.clone(),
        trust: Trust::new(wiring.settings.edge.forwarded_allow_ips.clone()),
        health: wiring.settings.serve.health_path.clone().map(|path| {
            let life = Arc::clone(&wiring.life);
            Health { path, ready: Arc::new(move || life.ready()) }
        }),
        in_flight: wiring.in_flight,
        draining: AtomicBool::new(false),
        metrics: wiring.metrics,
        access_log: wiring.access_log,
        request_ids: RequestIds::default(),
    });
    let replies = wiring.replies;
    tokio::spawn(async move { replies.deliver().await });
    let tended = Arc::clone(&front);
    tokio::spawn(async move { tended.app.backend.tend().await });
    tokio::spawn(wiring.follow.forever());

    let permits = Permits::new(wiring.settings.limits.max_connections);
    let mut accepting = Accepting::new();
    let (stop, stopped) = watch::channel(Backlog::Taken);
    for listener in listeners {
        let serve = Connections { front: Arc::clone(&front), edge: Edge::new(&wiring.settings) };
        let mut stopped = stopped.clone();
        let stopped = async move {
            drop(stopped.changed().await);
            *stopped.borrow()
        };
        accepting.spawn(accept::accept(listener, Arc::clone(&permits), serve, stopped));
    }
    wiring.life.enter(Phase::Ready);
    tracing::info!("{line}");
    if let Some(word) = word {
        develop::tell_ready(word, wiring.link.as_ref(), wiring.settings.serve.threads);
    }

    let (name, failed) = tokio::select! {
        name = stops.next() => (Some(name), None),
        Some(failed) = accepting.join_next() => (None, Some(drain::why(failed))),
    };
    let signalled = Instant::now();
    wiring.life.enter(Phase::Draining);
    let life = &wiring.settings.life;
    let deadline = signalled + stops.within().unwrap_or(life.graceful_timeout);
    match (&name, &failed) {
        (Some(signal), _) => tracing::info!(signal, "stopping"),
        (None, why) => tracing::error!(reason = "listener-failed", "{}; stopping", why.as_deref().unwrap_or_default()),
    }
    front.draining.store(true, Ordering::Relaxed);
    let insisted =
        name == Some(drain::SIGTERM) && drain::delay(life.drain_delay, deadline, stops, &mut accepting).await;
    // A supervisor has the same listeners, and gives them to the next process.
    if name == Some(drain::RELOAD) || wiring.link.is_some() {
        stop.send_replace(Backlog::Left);
    }
    // Ends the accept loops and with them the listeners, so new connections are refused from here on.
    drop(stop);
    while accepting.join_next().await.is_some() {}
    if insisted || drain::linger(name, &permits, deadline, stops).await {
        return Ok((Ended::Now, signalled));
    }
    let remains = Remains { front, queue: wiring.queue, threads: wiring.threads, permits };
    let idle_gone = || wiring.link.iter().for_each(|link| link.tell(&Message::Leaving));
    let ended = drain::drain(&remains, deadline, stops, idle_gone).await;
    Ok((failed.map_or(ended, Ended::Failed), signalled))
}

/// Where there is one CPU for both, being woken must not preempt Python, which costs it a seventh of its time:
/// `SCHED_BATCH` for this thread. Unless there are static files, which must not wait for Python: then it shall, and the
/// pool's threads stand back.
fn share_core(static_files: &StaticFiles) {
    if !thread::is_core_shared() {
        return;
    }
    let set = if static_files.is_empty() { thread::set_batch_scheduling() } else { thread::take_short_slices() };
    if let Err(error) = set {
        tracing::debug!(%error, "scheduling for a shared core is refused here; going on without it");
    }
}
