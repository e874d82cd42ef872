//! The listener: accepts connections within a bound, serves them, and drains.
//!
//! Beyond `connections_max` nothing is accepted, so new connections wait in the kernel's backlog
//! and cost no memory here. A stop closes the listener and idle connections, lets requests in flight
//! finish up to a bound, and tells how many were cut. An answer without an end (a stream) must
//! watch the soft token itself, or it is cut.
//!
//! Every wait for a client has a bound: for its TLS handshake, for its head, and for it to take what it is
//! sent. Bodies are bounded by who reads them (`http::body`).

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::Request;
use axum::http::request::Parts;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

pub use self::tls::{Error as TlsError, Tls};
use self::unread::Unread;
use crate::runtime::clock::Clock;

mod tls;
mod unread;

/// Largest head of a request, and the read buffer's size.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Pause after an accept that failed for want of something (file handles, memory).
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The bounds of the listener.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections served at once.
    pub connections_max: usize,
    /// Longest time for a handshake and for a request's head, and so for a connection to stay idle between
    /// requests.
    pub header_timeout: Duration,
    /// Longest time that a client may take nothing of what it is sent.
    pub unread_timeout: Duration,
    /// Longest time for requests in flight after a stop.
    pub drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            header_timeout: Duration::from_secs(10),
            unread_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(20),
        }
    }
}

/// How a stop went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut with a request in flight.
    pub remaining: usize,
}

/// The other end of the connection, in every request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Only a router that is called without a listener (a test) has no peer.
        let nobody = Self(SocketAddr::from(([0, 0, 0, 0], 0)));
        Ok(parts.extensions.get().copied().unwrap_or(nobody))
    }
}

/// A listener with the router it serves.
pub struct Server {
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    clock: Arc<dyn Clock>,
    tls: Option<Tls>,
}

impl Server {
    /// A server that starts to accept when it runs.
    pub fn new(listener: TcpListener, router: Router, bounds: Bounds, clock: Arc<dyn Clock>) -> Self {
        Self { listener, router, bounds, clock, tls: None }
    }

    /// Speaks TLS and nothing else, if there is a certificate.
    #[must_use]
    pub fn with_tls(mut self, tls: Option<Tls>) -> Self {
        self.tls = tls;
        self
    }

    /// The certificate, if it speaks TLS.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Serves until `stop`, then drains.
    pub async fn run(self, stop: CancellationToken) -> Drained {
        let Self { listener, router, bounds, clock, tls } = self;
        let slots = Arc::new(Semaphore::new(bounds.connections_max));
        let closing = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        while let Some(slot) = next_slot(&slots, &mut connections, &stop).await {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let (clock, tls) = (Arc::clone(&clock), tls.clone());
                    let guest = Guest { peer, router: router.clone(), bounds, clock, tls };
                    connections.spawn(held(slot, guest.serve(stream, closing.watcher(), stop.clone())));
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "can't accept connections, trying again");
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = clock.sleep(ACCEPT_PAUSE) => {}
                    }
                }
            }
        }
        drop(listener);
        let all_done = async {
            closing.shutdown().await;
            while let Some(ended) = connections.join_next().await {
                report(ended);
            }
        };
        tokio::select! {
            biased;
            () = all_done => {}
            () = clock.sleep(bounds.drain) => {}
        }
        while let Some(ended) = connections.try_join_next() {
            report(ended);
        }
        let remaining = connections.len();
        connections.shutdown().await;
        Drained { remaining }
    }
}

/// Waits for room for one more connection, and lets go of those that ended. `None` on stop.
async fn next_slot(
    slots: &Arc<Semaphore>,
    connections: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> Option<OwnedSemaphorePermit> {
    while let Some(ended) = connections.try_join_next() {
        report(ended);
    }
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        slot = Arc::clone(slots).acquire_owned() => slot.ok(),
    }
}

/// Keeps the slot until the connection ends. How it ends is the client's business: every error here
/// is a client that hung up, was too slow or spoke no HTTP.
async fn held<C: Future<Output = hyper::Result<()>>>(slot: OwnedSemaphorePermit, connection: C) {
    if let Err(error) = connection.await {
        tracing::trace!(%error, "connection ended badly");
    }
    drop(slot);
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a request's handler panicked, its connection is closed");
    }
}

/// What one connection needs.
struct Guest {
    peer: SocketAddr,
    router: Router,
    bounds: Bounds,
    clock: Arc<dyn Clock>,
    tls: Option<Tls>,
}

impl Guest {
    async fn serve(self, stream: TcpStream, watcher: Watcher, stop: CancellationToken) -> hyper::Result<()> {
        // Answers are small and written at once; waiting for more to send only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::trace!(%error, "connection keeps its delay");
        }
        let stream = Unread::new(stream, Arc::clone(&self.clock), self.bounds.unread_timeout);
        let Some(tls) = &self.tls else { return watcher.watch(self.connection(stream)).await };
        let handshake = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            handshake = tls.accept(stream) => handshake,
            () = self.clock.sleep(self.bounds.header_timeout) => return Ok(()),
        };
        match handshake {
            Ok(stream) => watcher.watch(self.connection(stream)).await,
            Err(error) => {
                tracing::trace!(%error, "a handshake ended badly");
                Ok(())
            }
        }
    }

    fn connection<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: I,
    ) -> http1::Connection<
        TokioIo<I>,
        impl hyper::service::HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send> + use<I>,
    > {
        let (peer, router) = (self.peer, self.router.clone());
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            router.clone().call(request)
        });
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.bounds.header_timeout)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
pub(super) mod fixture;
#[cfg(test)]
mod tests;
