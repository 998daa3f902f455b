//! Answers in the application's place while it has none to give: every request gets the failure.
//!
//! `supervisor` opens it on the sockets that it keeps, and closes it before a new process comes. A page that waits for the
//! end of its failure is held until then, so it need not ask again and again.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Authority;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::page::Page;
use crate::exchange::Client;
use crate::net::accept::{self, Backlog, Serve};
use crate::net::listen::Listener;
use crate::net::permits::{Permit, Permits};
use crate::net::socket::Socket;
use crate::python::failure::Failure;
use crate::semantics::accept::wants_html;
use crate::sys::random;

/// Names the failure in answers, and in the question of a page that waits for its end.
const FAILURE: HeaderName = HeaderName::from_static("x-monopod-failure");
/// Connections at once.
const CONNECTIONS: usize = 256;
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How much of a request's body is taken before the answer, and how long that may take: a client that still sends would
/// not read it.
const MOST_BODY: usize = 8 << 20;
const BODY_WITHIN: Duration = Duration::from_secs(2);

/// What who asks by another name is told.
const ELSEWHERE: &str = "The application does not start; the terminal of `monopod dev` says why. Ask by localhost or by an address to \
                         read it here: another host name could be that of somebody else's web page.\n";

/// A failure that has a name.
#[derive(Debug)]
pub struct Named {
    pub id: String,
    pub failure: Failure,
}

/// What there is at the moment; `None`: an application.
pub type Current = Option<Arc<Named>>;

/// Answers, until it is closed.
pub struct Answers {
    loops: JoinSet<io::Result<()>>,
    stop: watch::Sender<()>,
}

impl Answers {
    /// Answers on `listeners` with what is `current`. Call within the runtime.
    ///
    /// # Errors
    /// No descriptor is to be had.
    pub fn open<'a>(
        listeners: impl IntoIterator<Item = &'a Listener>,
        current: &watch::Receiver<Current>,
        root: &Arc<PathBuf>,
    ) -> io::Result<Self> {
        let permits = Permits::new(CONNECTIONS);
        let (stop, stopped) = watch::channel(());
        let mut loops = JoinSet::new();
        for listener in listeners {
            let serve = Connections { current: current.clone(), root: Arc::clone(root) };
            let mut stopped = stopped.clone();
            let stopped = async move {
                drop(stopped.changed().await);
                Backlog::Left
            };
            loops.spawn(accept::accept(listener.share()?, Arc::clone(&permits), serve, stopped));
        }
        Ok(Self { loops, stop })
    }

    /// Accepts nobody any more; who has been accepted gets an answer.
    pub async fn close(mut self) {
        drop(self.stop);
        while self.loops.join_next().await.is_some() {}
    }
}

#[derive(Clone)]
struct Connections {
    current: watch::Receiver<Current>,
    root: Arc<PathBuf>,
}

impl Serve for Connections {
    fn serve<S>(&self, stream: S, _: Client, permit: Permit)
    where
        S: Socket,
    {
        let (current, root) = (self.current.clone(), Arc::clone(&self.root));
        let service = service_fn(move |request| answer(request, current.clone(), Arc::clone(&root)));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            let _permit = permit;
            drop(connection.await);
        });
    }
}

async fn answer(
    mut request: Request<Incoming>,
    mut current: watch::Receiver<Current>,
    root: Arc<PathBuf>,
) -> Result<Response<String>, Infallible> {
    drop(timeout(BODY_WITHIN, take_body(request.body_mut())).await);
    let waits_for = request.headers().get(FAILURE).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let has_waited = waits_for.is_some();
    if let Some(id) = waits_for {
        let is_over = |now: &Current| now.as_ref().is_none_or(|named| named.id != id);
        drop(current.wait_for(is_over).await);
    }
    let now = current.borrow().clone();
    Ok(match now {
        Some(named) => failed(&request, &named, &root),
        None if has_waited => plain(StatusCode::NO_CONTENT, String::new()),
        // On a connection from before the mend, as browsers keep one in reserve: a new one leads to the application.
        None => elsewhere(&request),
    })
}

fn failed(request: &Request<Incoming>, named: &Named, root: &PathBuf) -> Response<String> {
    let page = Page { failure: &named.failure, id: &named.id, root };
    let is_safe = names_this_machine(request);
    let nonce = (is_safe && wants_html(request.headers())).then(nonce).flatten();
    let mut response = if !is_safe {
        plain(StatusCode::INTERNAL_SERVER_ERROR, ELSEWHERE.to_owned())
    } else if let Some(nonce) = nonce {
        let mut response = plain(StatusCode::INTERNAL_SERVER_ERROR, page.html(request.method().as_str(), &nonce));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        let policy = format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
        );
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    } else {
        plain(StatusCode::INTERNAL_SERVER_ERROR, page.text())
    };
    if let Ok(id) = HeaderValue::from_str(&named.id) {
        response.headers_mut().insert(FAILURE, id);
    }
    if request.method() == Method::HEAD {
        response.body_mut().clear();
    }
    response
}

/// Whether the page was asked for by an address or by `localhost`. By another name it may be a web page of somebody else's that
/// asks, whose name leads here by now (DNS rebinding), and the failure shows source.
fn names_this_machine(request: &Request<Incoming>) -> bool {
    let given = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = given.and_then(|host| host.parse::<Authority>().ok());
    let authority = request.uri().authority().or(authority.as_ref());
    // Browsers send one.
    let Some(authority) = authority else { return !request.headers().contains_key(header::HOST) };
    let host = authority.host().trim_start_matches('[').trim_end_matches([']', '.']).to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost") || host.parse::<IpAddr>().is_ok()
}

/// Sends to the same address once more, with method and body (RFC 9110 §15.4.8), as this connection ends here.
fn elsewhere(request: &Request<Incoming>) -> Response<String> {
    let mut response = plain(StatusCode::TEMPORARY_REDIRECT, String::new());
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    // `//other` alone would lead to another host (RFC 3986 §4.2), and to browsers `/\other` as well.
    let leads_away = path.starts_with("//") || path.starts_with("/\\");
    let location = if leads_away { format!("/.{path}") } else { path.to_owned() };
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn plain(status: StatusCode, text: String) -> Response<String> {
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

async fn take_body(body: &mut Incoming) {
    let mut taken = 0;
    while taken < MOST_BODY
        && let Some(Ok(frame)) = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
    {
        taken += frame.data_ref().map_or(0, bytes::Bytes::len);
    }
}

/// Letters that nobody can guess.
fn nonce() -> Option<String> {
    let bytes = random::bytes::<16>().ok()?;
    Some(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
