//! A connection from its socket to its stack: whether its peer is believed, a PROXY header where one is due, then HTTP.

use std::sync::Arc;

use crate::config::settings::Settings;
use crate::exchange::Client;
use crate::net::accept::Serve;
use crate::net::conn;
use crate::net::guard::HeadLimits;
use crate::net::permits::Permit;
use crate::net::proxy_protocol::{self, Source};
use crate::net::socket::Socket;
use crate::net::stream::{Stream, Timeouts};
use crate::stack::turns::Turns;
use crate::stack::{self, Front};
use crate::telemetry::metrics::Connected;

/// Gives each connection its stack and its task.
#[derive(Clone)]
pub struct Connections {
    pub front: Arc<Front>,
    pub edge: Edge,
}

/// What the settings say to a connection.
#[derive(Clone, Copy)]
pub struct Edge {
    head: HeadLimits,
    timeouts: Timeouts,
    options: conn::Options,
    /// `--proxy-protocol`.
    proxy_protocol: bool,
}

impl Edge {
    /// What `settings` say.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let limits = &settings.limits;
        let head = HeadLimits {
            request_line: limits.max_request_line,
            header: limits.max_header_size,
            headers: limits.max_header_size * 4,
            count: limits.max_headers,
        };
        Self {
            head,
            timeouts: Timeouts {
                header: limits.header_timeout,
                keep_alive: limits.keep_alive,
                write: limits.write_timeout,
            },
            options: conn::Options {
                keep_alive: limits.keep_alive.is_some(),
                head: head.request_line + head.headers + head.header,
                headers: head.count,
            },
            proxy_protocol: settings.edge.proxy_protocol,
        }
    }
}

impl Serve for Connections {
    fn serve<S>(&self, stream: S, client: Client, permit: Permit)
    where
        S: Socket,
    {
        let trust = &self.front.trust;
        let client = Client { is_trusted: trust.has_peer(client.peer), ..client };
        let connected = self.front.metrics.connect();
        match (self.edge.proxy_protocol, client.is_trusted) {
            (true, true) => drop(tokio::spawn(self.behind_proxy(stream, client, connected, permit))),
            (true, false) => {
                trust.warn_of(client.peer, "a PROXY protocol header");
                self.begin(stream, client, connected, permit);
            }
            (false, _) => self.begin(stream, client, connected, permit),
        }
    }
}

impl Connections {
    /// Serves HTTP from here on.
    fn begin<S>(&self, stream: S, client: Client, connected: Connected, permit: Permit)
    where
        S: Socket,
    {
        let turns = Arc::new(Turns::default());
        let stack = stack::stack(&self.front, &Arc::new(client), &turns);
        let stream = Stream::new(stream, self.edge.head, self.edge.timeouts, Arc::clone(&turns))
            .within(self.front.app.spool.budget.clone())
            .sending(self.front.static_files.arena())
            .counted(connected);
        tokio::spawn(conn::serve(stream, self.edge.options, stack, permit, turns));
    }

    /// Reads the PROXY header first. A drain does not wait for it: who has not sent one has sent no request.
    fn behind_proxy<S>(
        &self,
        mut stream: S,
        proxy: Client,
        connected: Connected,
        permit: Permit,
    ) -> impl Future<Output = ()> + Send + 'static
    where
        S: Socket,
    {
        let (front, edge) = (Arc::clone(&self.front), self.edge);
        async move {
            let client = match proxy_protocol::read(&mut stream).await {
                Ok(Source::Proxy) => proxy,
                // The headers are the client's, and whether the client may speak for others cannot be told.
                Ok(Source::Hidden) => Client { is_trusted: false, ..proxy },
                Ok(Source::Client { client, server }) => {
                    let client = Client::tcp(client, server);
                    Client { is_trusted: front.trust.has_peer(client.peer), ..client }
                }
                Err(error) => {
                    front.metrics.fault("no-proxy-header");
                    return front.trust.warn_without_header(proxy.peer, &error);
                }
            };
            if !permit.is_draining() {
                Self { front, edge }.begin(stream, client, connected, permit);
            }
        }
    }
}
