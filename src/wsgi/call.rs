//! Calls the application for one job: environ, call, iterate, close.
//!
//! Runs on a pool thread that holds the GIL. Every `PyErr` ends here: it is logged with its traceback and
//! becomes a fault, and the thread lives on, whatever the application raised (`SystemExit` too).

use std::sync::Arc;

use parking_lot::MutexGuard;
use pyo3::exceptions::PyConnectionAbortedError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use smallvec::SmallVec;

use super::environ::EnvironFactory;
use super::errors;
use super::file_wrapper::{FileWrapper, as_bytes};
use super::input::Input;
use super::reply::{Flow, Resources, Response};
use super::start_response::{StartResponse, not_bytes};
use crate::exchange::{Asked, Job, RequestHead};
use crate::python::embed;
use crate::python::interrupt::RequestTimeout;
use crate::python::traceback;
use crate::semantics::fault::Fault;
use crate::semantics::path::in_ascii;

/// A loaded WSGI application.
pub struct Application {
    callable: Py<PyAny>,
    environ: EnvironFactory,
    resources: Arc<Resources>,
    /// `--accel`: it may name files to answer with.
    may_name_files: bool,
}

impl Application {
    /// `callable` answers requests below `root_path`; `threads` is what `wsgi.multithread` must tell. Its
    /// responses are made with `resources`. It may name files to answer with (`--accel`) if `may_name_files`; what it
    /// writes to `wsgi.errors` goes to `errors`.
    ///
    /// # Errors
    /// Only what allocating Python objects raises.
    #[allow(clippy::too_many_arguments)] // each is of another room
    pub fn new(
        py: Python<'_>,
        callable: &Bound<'_, PyAny>,
        root_path: &str,
        threads: usize,
        resources: Resources,
        may_name_files: bool,
        errors: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let template = PyDict::new(py);
        template.set_item("wsgi.version", (1, 0))?;
        template.set_item("wsgi.url_scheme", "http")?;
        template.set_item("wsgi.errors", errors)?;
        template.set_item("wsgi.multithread", threads > 1)?;
        template.set_item("wsgi.multiprocess", false)?;
        template.set_item("wsgi.run_once", false)?;
        template.set_item("wsgi.input_terminated", true)?;
        template.set_item("wsgi.file_wrapper", py.get_type::<FileWrapper>())?;
        template.set_item("SERVER_SOFTWARE", concat!("monopod/", env!("CARGO_PKG_VERSION")))?;
        let environ = EnvironFactory::new(py, &template, root_path, Arc::clone(&resources.metrics))?;
        Ok(Self { callable: callable.clone().unbind(), environ, resources: Arc::new(resources), may_name_files })
    }

    /// Answers `job`, always.
    pub fn run(&self, py: Python<'_>, mut job: Box<Job>) {
        if job.reply.is_abandoned() {
            return;
        }
        // The head is large, and stays where it is.
        let Job { ref mut head, body, reply, .. } = *job;
        let _current = errors::current(head.id.clone());
        let ticket = Arc::clone(reply.ticket());
        let is_head = head.parts.method == http::Method::HEAD;
        // What earlier responses are done with.
        self.resources.lender.release(py);
        let response = Response::new(reply, Arc::clone(&self.resources), is_head);
        let start_response = match Bound::new(py, StartResponse::new(response, ticket)) {
            Ok(start_response) => start_response,
            Err(error) => return tell(py, &error, head),
        };
        let body_len = body.len();
        let outcome = Input::open(py, body).and_then(|input| {
            let client_disconnected = start_response.getattr(intern!(py, "client_disconnected"))?;
            let environ = self.environ.build(py, head, body_len, input.stream(), &client_disconnected)?;
            if self.may_name_files {
                let headers = std::mem::take(&mut head.parts.headers);
                let asked = Box::new(Asked { method: head.parts.method.clone(), headers });
                start_response.get().lock()?.let_name_files(asked);
            }
            let served = self.serve(py, environ, &start_response, head);
            input.close();
            served
        });
        if let Err(error) = outcome {
            match start_response.get().lock() {
                Ok(response) => failed(py, response, &error, head),
                // Held by a thread of the application's own, which will end it.
                Err(_) => tell(py, &error, head),
            }
        }
    }

    fn serve(
        &self,
        py: Python<'_>,
        environ: Bound<'_, PyDict>,
        start_response: &Bound<'_, StartResponse>,
        head: &RequestHead,
    ) -> PyResult<()> {
        let iterable = embed::call(self.callable.bind(py), [environ.as_any(), start_response.as_any()])?;
        // The application may have let go of it.
        drop(environ);
        let sent = send(py, &iterable, start_response.get());
        // PEP 3333: close() is called exactly once, whether or not the body was sent.
        // Lists and tuples have none, and asking costs as much as the rest of the call: before 3.13 by an exception.
        let closed = if is_list_or_tuple(&iterable) {
            Ok(())
        } else {
            match iterable.getattr_opt(intern!(py, "close")) {
                Ok(Some(close)) => embed::call(&close, []).map(drop),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            }
        };
        match (sent, closed) {
            (Ok(()), Err(error)) => {
                traceback::tell(py, &error, |exception| {
                    tracing::error!(
                        reason = "app-close-raised",
                        method = head.parts.method.as_str(),
                        path = in_ascii(head.parts.uri.path()).as_ref(),
                        request_id = %head.id,
                        exception,
                        "close() of a response raised"
                    );
                });
                self.resources.metrics.fault("app-close-raised");
                Ok(())
            }
            (sent, _) => sent,
        }
    }
}

/// The application raised `error`: answers, and says so.
fn failed(py: Python<'_>, mut response: MutexGuard<'_, Response>, error: &PyErr, head: &RequestHead) {
    if response.is_gone() && error.is_instance_of::<PyConnectionAbortedError>(py) {
        tracing::debug!(reason = "client-gone", request_id = %head.id, "the application stopped, as its client has left");
        return;
    }
    // One that was interrupted was told of then; this is where it happened to be by then.
    let fault = if error.is_instance_of::<RequestTimeout>(py) { Fault::app_timeout() } else { Fault::app_raised() };
    response.fail(fault);
    // The traceback is Python's to tell, during which another thread may want the response.
    drop(response);
    if fault == Fault::app_timeout() {
        traceback::tell(py, error, |exception| {
            tracing::warn!(
                reason = "app-timeout",
                method = head.parts.method.as_str(),
                path = in_ascii(head.parts.uri.path()).as_ref(),
                request_id = %head.id,
                exception,
                "the request was interrupted"
            );
        });
    } else {
        tell(py, error, head);
    }
}

fn tell(py: Python<'_>, error: &PyErr, head: &RequestHead) {
    traceback::tell(py, error, |exception| {
        tracing::error!(
            reason = "app-raised",
            method = head.parts.method.as_str(),
            path = in_ascii(head.parts.uri.path()).as_ref(),
            request_id = %head.id,
            exception,
            "the application raised"
        );
    });
}

/// Sends what the application returned.
fn send(py: Python<'_>, iterable: &Bound<'_, PyAny>, start_response: &StartResponse) -> PyResult<()> {
    if let Some(chunks) = all_chunks(iterable) {
        let all: SmallVec<[&Bound<'_, PyBytes>; 4]> = chunks.iter().filter_map(as_bytes).collect();
        if all.len() == chunks.len() {
            let mut response = start_response.lock()?;
            if !response.is_started() {
                return Err(not_started());
            }
            response.complete(py, &all);
            return Ok(());
        }
    }
    if let Ok(wrapper) = iterable.cast_exact::<FileWrapper>()
        && let Some(slice) = wrapper.get().file_slice(py)?
    {
        let mut response = start_response.lock()?;
        if !response.is_started() {
            return Err(not_started());
        }
        // write() may have sent a part already; only then is the file read here.
        if !response.is_committed() {
            response.file(slice);
            return Ok(());
        }
    }
    // PEP 3333, "Handling the Content-Length Header": one element is the whole body. Not asked where the length is known.
    let is_single = {
        let response = start_response.lock()?;
        response.is_started() && !response.is_committed() && response.room().is_none()
    } && iterable.getattr_opt(intern!(py, "__len__"))?.is_some()
        && iterable.len()? == 1;
    let iterator = iterable.try_iter()?;
    while let Some(chunk) = embed::next(&iterator) {
        let chunk = chunk?;
        let Some(bytes) = as_bytes(&chunk) else { return Err(not_bytes(&chunk)) };
        let mut response = start_response.lock()?;
        if is_single && !response.is_committed() {
            response.complete(py, &[bytes]);
            return Ok(());
        }
        // start_response may come as late as the first iteration, but not after a chunk that has bytes.
        if !bytes.as_bytes().is_empty() && !response.is_started() {
            return Err(not_started());
        }
        if response.write(py, bytes) == Flow::Enough {
            break;
        }
    }
    let mut response = start_response.lock()?;
    if !response.is_started() {
        return Err(not_started());
    }
    response.finish();
    Ok(())
}

/// A list of more parts is iterated: looking at all of them at once would cost memory by their number.
const MOST_AT_ONCE: usize = 4096;

/// Whether it is exactly that: classes made of them may have more.
fn is_list_or_tuple(iterable: &Bound<'_, PyAny>) -> bool {
    iterable.is_exact_instance_of::<PyList>() || iterable.is_exact_instance_of::<PyTuple>()
}

/// The items of an exact list or tuple: a body that is all there.
fn all_chunks<'py>(iterable: &Bound<'py, PyAny>) -> Option<SmallVec<[Bound<'py, PyAny>; 4]>> {
    if let Ok(list) = iterable.cast_exact::<PyList>() {
        return (list.len() <= MOST_AT_ONCE).then(|| list.iter().collect());
    }
    let tuple = iterable.cast_exact::<PyTuple>().ok().filter(|tuple| tuple.len() <= MOST_AT_ONCE)?;
    Some(tuple.iter().collect())
}

fn not_started() -> PyErr {
    pyo3::exceptions::PyRuntimeError::new_err("the application gave a body without calling start_response (PEP 3333)")
}
