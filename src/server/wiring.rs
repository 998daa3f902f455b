//! The parts that both sides of a server share, and the pool that is made of them.
//!
//! Called by whoever begins a server's life: the command ([`super::serve`]) and a program ([`super::held`]). Nothing here
//! is of the process: everything is made anew for each server.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Instant;

use pyo3::prelude::*;

use super::admin::{Admin, Sources};
use super::drain::Ended;
use super::front::Wiring;
use super::limits::Follow;
use super::phase::Life;
use super::threads::Threads;
use crate::app::queue::Queue;
use crate::config::Resolved;
use crate::config::settings::Settings;
use crate::exchange::spool::TempDir;
use crate::exchange::{Budget, Crew, Replies, Source, Spool};
use crate::python::crew::{Order, Seats};
use crate::python::lender::Lender;
use crate::python::pool;
use crate::python::ready_hook::ReadyHook;
use crate::python::watch::{Patience, Watch};
use crate::stack::observe::InFlight;
use crate::telemetry::access::AccessLog;
use crate::telemetry::log::DroppedLines;
use crate::telemetry::metrics::Metrics;
use crate::wsgi::call::Application;
use crate::wsgi::reply::Resources;

/// Where bodies wait, and a word on it where it is not a disk.
fn spool(settings: &Settings) -> Spool {
    let dir = &settings.buffers.temp_dir;
    let (spool, found) = Spool::new(Budget::new(settings.buffers.memory), dir);
    let shown = dir.display();
    match found {
        TempDir::Disk => {}
        TempDir::Memory => {
            tracing::info!("temporary files in {shown} lie in memory (tmpfs), so they count against --buffer-memory");
        }
        TempDir::Unusable(error) => tracing::warn!(
            %error,
            reason = "no-temp-dir",
            "no temporary files can be made in {shown}, so bodies stay in memory, up to --buffer-memory: mount a writable directory there or set --temp-dir"
        ),
    }
    spool
}

/// The parts that both sides share, before either runs.
#[must_use]
pub fn wire(
    resolved: &Resolved,
    python: Arc<str>,
    log: (DroppedLines, Option<AccessLog>),
    tell: &mpsc::Sender<Told>,
) -> (Wiring, Shared) {
    let (dropped_lines, access_log) = log;
    let settings = &resolved.settings;
    let spool = spool(settings);
    let metrics = Arc::new(Metrics::default());
    let limits = &settings.limits;
    let queue = Arc::new(Queue::new(limits.queue_size, limits.queue_timeout, Arc::clone(&metrics)));
    let (replies, tell) = (Replies::new(Arc::clone(&metrics)), tell.clone());
    let threads = settings.serve.threads;
    let patience = Patience { slow: settings.logs.slow_request, timeout: limits.timeout };
    // As many stuck threads as there are threads may have a stand-in; past that the pool shrinks.
    let watch = Watch::new(patience, settings.serve.stream_threads, threads, replies.clone());
    let give_order = Box::new(move |order| drop(tell.send(Told::Order(order))));
    let source = Arc::clone(&queue) as Arc<dyn Source>;
    let seats = Arc::new(Seats::new(threads, source, watch, give_order));
    let crew = Arc::clone(&seats);
    let lender = Lender::new(move || crew.call_for_release());
    let resources = Resources { spool, lender, metrics: Arc::clone(&metrics) };
    let shared = Shared { queue: Arc::clone(&queue), seats: Arc::clone(&seats), replies, resources };
    let pool = Arc::clone(&seats);
    let is_stuck = Box::new(move || pool.overdue().is_stuck(pool.threads()));
    let hook = settings.life.ready_hook.as_deref().map(|name| Arc::new(ReadyHook::new(name)));
    let (life, in_flight) = (Arc::new(Life::new(Arc::clone(&queue), is_stuck, hook)), InFlight::default());
    let threads = Arc::new(Threads::new(Arc::clone(&seats)));
    let admin = Admin::new(Sources {
        life: Arc::clone(&life),
        metrics: Arc::clone(&metrics),
        in_flight: in_flight.clone(),
        queue: Arc::clone(&queue),
        seats: Arc::clone(&seats),
        budget: shared.resources.spool.budget.clone(),
        dropped_lines,
        python,
        threads: Arc::clone(&threads),
        connections_max: limits.max_connections,
        began: Instant::now(),
    });
    let follow = Follow {
        host: resolved.host.clone(),
        budget: (!resolved.is_named("buffer-memory")).then(|| shared.resources.spool.budget.clone()),
        threads: (!resolved.is_named("threads")).then_some(settings.serve.threads),
    };
    let wiring = Wiring {
        settings: settings.clone(),
        queue,
        crew: seats as Arc<dyn Crew>,
        replies: shared.replies.clone(),
        spool: shared.resources.spool.clone(),
        in_flight,
        metrics,
        life,
        threads,
        follow,
        admin,
        access_log,
        link: None,
        admin_listeners: Vec::new(),
        socket_files: Vec::new(),
        admin_files: Vec::new(),
    };
    (wiring, shared)
}

/// What the thread that waits for a server's end is told meanwhile.
pub enum Told {
    Order(Order),
    /// Records wait for a program's `logging`.
    Records,
    Ended(Ended),
}

/// The Python side's share of the wiring.
pub struct Shared {
    pub seats: Arc<Seats>,
    queue: Arc<Queue>,
    replies: Replies,
    resources: Resources,
}

impl Shared {
    /// `callable` as the pool's threads call it, with `errors` for `wsgi.errors`.
    ///
    /// # Errors
    /// Only what allocating Python objects raises.
    pub fn application(
        &self,
        py: Python<'_>,
        settings: &Settings,
        callable: &Py<PyAny>,
        errors: &Bound<'_, PyAny>,
    ) -> PyResult<Application> {
        let (root_path, threads) = (&settings.serve.root_path, settings.serve.threads);
        let may_name_files = !settings.static_files.accel.is_empty();
        Application::new(py, callable.bind(py), root_path, threads, self.resources.clone(), may_name_files, errors)
    }

    /// Starts the pool.
    ///
    /// # Errors
    /// What `threading.Thread` raises.
    pub fn start_pool(self, py: Python<'_>, application: Application, manner: pool::Manner) -> PyResult<pool::Pool> {
        let run: Arc<pool::Run> = Arc::new(move |py, job| application.run(py, job));
        let lender = self.resources.lender;
        pool::start(py, self.seats, self.queue as Arc<dyn Source>, self.replies, run, lender, manner)
    }
}

/// The interpreter's version.
#[must_use]
pub fn python_version(py: Python<'_>) -> Arc<str> {
    let python = py.version_info();
    format!("{}.{}.{}{}", python.major, python.minor, python.patch, python.suffix.unwrap_or_default()).into()
}
