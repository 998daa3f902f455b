//! THE MAP: every layer that a request passes, in order.
//!
//! `server` makes one [`Front`] per process, `net` asks for one stack per connection. Layers read top to bottom;
//! a response passes them bottom to top.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::{Request, Response};
use hyper::body::Incoming;
use tower::{Service, ServiceBuilder};

use crate::app::service::App;
use crate::exchange::{Client, RequestIds};
use crate::static_files::StaticFiles;
use crate::telemetry::access::AccessLog;
use crate::telemetry::metrics::Metrics;

pub mod accel;
pub mod guard;
pub mod identify;
pub mod observe;
pub mod panic_net;
pub mod probe;
pub mod route;
pub mod turns;

use identify::Trust;
use observe::{InFlight, Observed};
use probe::Health;
use route::FrontBody;
use turns::Turns;

/// What all connections share.
pub struct Front {
    pub app: App,
    pub static_files: StaticFiles,
    /// `--root-path`, `""` or `/prefix`.
    pub root_path: String,
    /// `--forwarded-allow-ips`.
    pub trust: Trust,
    /// `--health-path`.
    pub health: Option<Health>,
    pub in_flight: InFlight,
    /// The server is about to stop: answers close their connections.
    pub draining: AtomicBool,
    pub metrics: Arc<Metrics>,
    /// Where access records go, if they are wanted.
    pub access_log: Option<AccessLog>,
    pub request_ids: RequestIds,
}

/// The stack for one connection, whose stream shares `turns`. Every layer is always ready.
pub fn stack(
    front: &Arc<Front>,
    client: &Arc<Client>,
    turns: &Arc<Turns>,
) -> impl Service<Request<Incoming>, Response = Response<Observed<FrontBody>>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    ServiceBuilder::new()
        // takes the word of trusted proxies for who the client is, and nobody else's; first, as the record tells it
        .layer(identify::IdentifyLayer::new(front, client))
        // counts the request, in flight until its body has ended; writes its access record
        .layer(observe::ObserveLayer::new(front, client, turns))
        // a panic below answers 500 and ends nobody else's request
        .layer(panic_net::PanicNetLayer)
        // answers what the stream refused; refuses what no application should see: CONNECT, bad targets
        .layer(guard::GuardLayer::new(turns))
        // answers with the file that the application named instead of a body
        .layer(accel::AccelLayer::new(front))
        // the health path, static files, or the application
        .service(route::Route::new(front, client))
}
