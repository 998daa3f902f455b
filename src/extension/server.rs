//! `monopod.Server`: a server in somebody's program, as Python sees it.
//!
//! Holds the application and the settings; each start makes a [`Running`] of them. Methods may be called from any thread.
//! No lock is held while the GIL is let go of, or two threads would wait for each other.

use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDelta, PyDict, PyFloat, PyInt, PyList, PySet, PyString, PyTuple};
use pyo3::{PyTraverseError, intern};
use toml::{Table, Value};

use crate::keywords::{self, Misused};
use crate::{Address, Ended, Refusal, Resolved, Running, STOP, guest, keeps_a_server, no_application};

/// What requests may take while a developer waits for the reloader.
const AT_RELOAD: Duration = Duration::from_millis(200);
/// And while an exception is on its way out of a `with` block.
const AT_EXCEPTION: Duration = Duration::from_secs(1);
/// As long as a drain can be told to take.
const LONGEST: Duration = Duration::from_hours(365 * 24);
/// How often whoever waits for a start looks for signals of Python.
const LOOK: Duration = Duration::from_millis(50);

/// See `_monopod.pyi`.
#[pyclass(frozen, subclass, weakref, module = "monopod")]
pub struct Server {
    app: Py<PyAny>,
    resolved: Resolved,
    live: bool,
    state: Mutex<State>,
    /// A start has ended.
    started: Condvar,
}

#[derive(Default)]
struct State {
    /// The thread that starts it.
    starter: Option<ThreadId>,
    /// What was asked for meanwhile, by a signal's handler or another thread.
    early: Option<(&'static str, Option<Duration>)>,
    running: Option<Arc<Running>>,
}

/// Ends a start, whatever came of it.
struct Starting<'a>(&'a Server);

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.0.state.lock().starter = None;
        self.0.started.notify_all();
    }
}

/// The names of all options that [`Server`] takes.
#[pyfunction]
pub fn options() -> Vec<String> {
    keywords::names()
}

/// How many threads a server has here by default.
#[pyfunction]
pub fn default_threads() -> PyResult<usize> {
    let resolved = keywords::resolve(&Table::new(), &|_| None, &guest());
    resolved.map(|resolved| resolved.settings.serve.threads).map_err(|error| PyValueError::new_err(error.to_string()))
}

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (app, *, bind = None, live = false, **options))]
    #[pyo3(text_signature = "(app, *, bind='127.0.0.1:0', live=False, **options)")]
    fn new(
        app: Bound<'_, PyAny>,
        bind: Option<Bound<'_, PyAny>>,
        live: bool,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        if let Some(why) = no_application(&app) {
            return Err(PyTypeError::new_err(format!("{} {why}", app.repr()?)));
        }
        let mut given = Table::new();
        let bind = bind.unwrap_or_else(|| intern!(app.py(), "127.0.0.1:0").clone().into_any());
        given.insert("bind".into(), value(&bind, "bind")?);
        for (name, option) in options.into_iter().flatten() {
            let name: String = name.extract()?;
            // As if it was not said.
            if !option.is_none() {
                given.insert(name.clone(), value(&option, &name)?);
            }
        }
        let env = |name: &str| std::env::var_os(name);
        let resolved = keywords::resolve(&given, &env, &guest()).map_err(|misused| match misused {
            Misused::Kind(_) => PyTypeError::new_err(misused.to_string()),
            Misused::Value(_) => PyValueError::new_err(misused.to_string()),
        })?;
        Running::check(&resolved).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self { app: app.unbind(), resolved, live, state: Mutex::default(), started: Condvar::new() })
    }

    /// Binds the address and starts the threads; the server accepts when this returns. Returns the server itself.
    fn start(this: PyRef<'_, Self>) -> PyResult<PyRef<'_, Self>> {
        {
            let mut state = this.state.lock();
            if state.starter.is_some() || state.running.as_ref().is_some_and(|running| running.is_running()) {
                return Err(PyRuntimeError::new_err("the server is running already"));
            }
            state.starter = Some(thread::current().id());
            state.early = None;
        }
        let starting = Starting(&this);
        let running = Running::start(this.py(), &this.resolved, &this.app, this.live);
        let running = Arc::new(running.map_err(raised)?);
        let mut state = this.state.lock();
        state.running = Some(Arc::clone(&running));
        state.starter = None;
        let early = state.early.take();
        drop(state);
        drop(starting);
        if let Some((name, within)) = early {
            running.ask(name, within);
        }
        Ok(this)
    }

    /// Stops accepting, lets requests in flight finish, for `timeout` seconds at most (without one, `graceful_timeout`), and
    /// ends the threads. True if each was answered, or nothing was running.
    #[pyo3(signature = (timeout = None))]
    fn stop(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let within = match timeout {
            Some(seconds) if seconds.is_nan() || seconds < 0.0 => {
                return Err(PyValueError::new_err("timeout wants seconds, zero or more"));
            }
            Some(seconds) => Some(Duration::try_from_secs_f64(seconds).map_or(LONGEST, |within| within.min(LONGEST))),
            None => None,
        };
        self.ask(STOP, within);
        self.wait(py)
    }

    /// Waits until the server has ended. True if every request was answered.
    fn wait(&self, py: Python<'_>) -> PyResult<bool> {
        if !self.wait_for_start(py)? {
            return Ok(false);
        }
        let Some(running) = self.running() else { return Ok(true) };
        Ok(matches!(running.wait(py)?, Some(Ended::Drained)))
    }

    /// What `monopod.serve` does at a signal, and a reloader before it ends the process.
    fn _signal(&self, name: &str) {
        let (name, within) = match name {
            "SIGTERM" => ("SIGTERM", None),
            "reload" => ("reload", Some(AT_RELOAD)),
            _ => ("SIGINT", None),
        };
        self.ask(name, within);
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyResult<PyRef<'_, Self>> {
        Self::start(this)
    }

    #[pyo3(signature = (*exc_info))]
    fn __exit__(&self, py: Python<'_>, exc_info: &Bound<'_, PyTuple>) -> PyResult<()> {
        let is_raised = exc_info.get_item(0).is_ok_and(|class| !class.is_none());
        let within = is_raised.then(|| AT_EXCEPTION.min(self.resolved.settings.life.graceful_timeout));
        self.stop(py, within.map(|within| within.as_secs_f64())).map(drop)
    }

    #[getter]
    fn is_running(&self) -> bool {
        self.running().is_some_and(|running| running.is_running())
    }

    #[getter]
    fn url(&self) -> PyResult<String> {
        self.first(|running| url(&running.addresses))
    }

    #[getter]
    fn admin_url(&self) -> PyResult<Option<String>> {
        self.first(|running| {
            Some(if running.admin_addresses.is_empty() { None } else { url(&running.admin_addresses) })
        })
    }

    #[getter]
    fn address<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.first(|running| running.addresses.first().cloned())? {
            Address::Tcp(address) => Ok((address.ip().to_string(), address.port()).into_pyobject(py)?.into_any()),
            Address::Unix(path) => Ok(path.to_string_lossy().into_pyobject(py)?.into_any()),
        }
    }

    #[getter]
    fn port(&self) -> PyResult<u16> {
        let port = |address: &Address| match address {
            Address::Tcp(address) => Some(address.port()),
            Address::Unix(_) => None,
        };
        match self.first(|running| Some(running.addresses.iter().find_map(port)))? {
            Some(port) => Ok(port),
            None => Err(PyRuntimeError::new_err("a Unix socket has no port")),
        }
    }

    fn __repr__(&self) -> String {
        match (self.running(), self.url()) {
            (Some(running), Ok(url)) if running.is_running() => format!("<monopod.Server {url}>"),
            _ => "<monopod.Server, not running>".to_owned(),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.app)
    }
}

impl Server {
    fn running(&self) -> Option<Arc<Running>> {
        self.state.lock().running.clone()
    }

    /// Waits until no start is under way. False: that cannot be waited for here, on a thread that the start waits for.
    fn wait_for_start(&self, py: Python<'_>) -> PyResult<bool> {
        loop {
            let starter = self.state.lock().starter;
            match starter {
                None => return Ok(true),
                Some(starter) if starter == thread::current().id() || keeps_a_server() => return Ok(false),
                Some(_) => {}
            }
            py.detach(|| {
                let mut state = self.state.lock();
                if state.starter.is_some() {
                    self.started.wait_for(&mut state, LOOK);
                }
            });
            py.check_signals()?;
        }
    }

    fn ask(&self, name: &'static str, within: Option<Duration>) {
        let mut state = self.state.lock();
        if state.starter.is_some() {
            state.early = Some((name, within));
        } else if let Some(running) = &state.running
            && running.is_running()
        {
            running.ask(name, within);
        }
    }

    /// What is so since the last start.
    fn first<T>(&self, look: impl FnOnce(&Running) -> Option<T>) -> PyResult<T> {
        let running = self.running();
        let found = running.and_then(|running| look(&running));
        found.ok_or_else(|| PyRuntimeError::new_err("the server has not been started"))
    }
}

/// Where a client of the same machine finds it.
fn url(addresses: &[Address]) -> Option<String> {
    Some(match addresses.first()? {
        Address::Tcp(address) => {
            let mut address = *address;
            if address.ip().is_unspecified() {
                address.set_ip(if address.is_ipv4() {
                    [127, 0, 0, 1].into()
                } else {
                    std::net::Ipv6Addr::LOCALHOST.into()
                });
            }
            format!("http://{address}")
        }
        Address::Unix(path) => format!("unix:{}", path.display()),
    })
}

fn raised(refusal: Refusal) -> PyErr {
    match refusal {
        Refusal::Python(error) => error,
        Refusal::Start(error) => PyRuntimeError::new_err(error.to_string()),
        // By its number Python knows the class, such as PermissionError.
        Refusal::Bind(unbound) => match unbound.source.raw_os_error() {
            Some(number) => PyOSError::new_err((number, unbound.to_string())),
            None => PyOSError::new_err(unbound.to_string()),
        },
    }
}

/// A Python value as the configuration file would have it: text, a number, or several of them in a list or a dict.
fn value(given: &Bound<'_, PyAny>, name: &str) -> PyResult<Value> {
    if let Ok(pairs) = given.cast::<PyDict>() {
        let mut table = Table::new();
        for (key, item) in pairs {
            table.insert(key.str()?.extract()?, single(&item, name)?);
        }
        Ok(Value::Table(table))
    } else if given.is_instance_of::<PyList>() || given.is_instance_of::<PyTuple>() || given.is_instance_of::<PySet>() {
        let items = given.try_iter()?.map(|item| single(&item?, name));
        items.collect::<PyResult<Vec<Value>>>().map(Value::Array)
    } else {
        single(given, name)
    }
}

fn single(given: &Bound<'_, PyAny>, name: &str) -> PyResult<Value> {
    if given.is_instance_of::<PyBool>() {
        Ok(Value::Boolean(given.extract()?))
    } else if given.is_instance_of::<PyInt>() {
        given.extract().map(Value::Integer).map_err(|_| PyValueError::new_err(format!("{name} is too large a number.")))
    } else if given.is_instance_of::<PyFloat>() {
        Ok(Value::Float(given.extract()?))
    } else if given.is_instance_of::<PyString>() {
        Ok(Value::String(given.extract()?))
    } else if given.is_instance_of::<PyDelta>() {
        Ok(Value::Float(given.call_method0("total_seconds")?.extract()?))
    } else if !given.is_instance_of::<PyBytes>() && given.hasattr("__fspath__")? {
        Ok(Value::String(given.call_method0("__fspath__")?.extract()?))
    } else {
        let kind = given.get_type().name()?;
        Err(PyTypeError::new_err(format!("{name} wants text, a number, a boolean, a list or a dict, not {kind}.")))
    }
}
