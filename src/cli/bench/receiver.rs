//! The worker that receives: a listener for each endpoint, with the path `/r/<n>`, that notes what arrived.
//!
//! One thread and no checks of signatures, so that it is cheap beside what it measures.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::body::{self, HEAD_BYTES};
use super::ledger::Ledger;
use super::lines::Inbox;
use super::port;
use super::protocol::{FromReceiver, Manner, ToReceiver};
use super::stopwatch::now_ns;
use crate::cli::output;
use crate::runtime::entropy::OsEntropy;

/// The path of an endpoint, before its number.
pub(super) const PATH: &str = "/r/";
/// Strewn over the hundred, so that failures don't come in a row.
const STRIDE: u64 = 61;

/// Receives as stdin tells, until it closes.
pub(super) fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut told = Inbox::new(io::stdin().as_fd().try_clone_to_owned()?)?;
        let nobody = TcpSocket::new_v4()?;
        nobody.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let shared = Arc::new(Shared::default());
        let mut doors = Doors::default();
        output::json(&FromReceiver::Ready { refusing: nobody.local_addr()? })?;
        while let Some(told) = told.next::<ToReceiver>().await? {
            let answer = match told {
                ToReceiver::Tally => FromReceiver::Tally(shared.state().ledger.tally()),
                ToReceiver::Latency => FromReceiver::Latency(shared.state().ledger.latency().clone()),
                ToReceiver::Behave(manner) => {
                    doors.close().await;
                    *shared.state() = State { manner, ledger: Ledger::new(manner.endpoints) };
                    FromReceiver::Listening(doors.open_new(manner.endpoints, &shared)?)
                }
                ToReceiver::Close => {
                    doors.close().await;
                    FromReceiver::Done
                }
                ToReceiver::Open => {
                    doors.open_again(&shared).await?;
                    FromReceiver::Done
                }
            };
            output::json(&answer)?;
        }
        Ok(())
    })
}

/// The listeners, and where they are even while they are closed.
#[derive(Default)]
struct Doors {
    addresses: Vec<SocketAddr>,
    accepting: JoinSet<()>,
}

impl Doors {
    fn open_new(&mut self, count: usize, shared: &Arc<Shared>) -> io::Result<Vec<SocketAddr>> {
        self.addresses.clear();
        for _ in 0..count {
            let listener = port::listen(&OsEntropy)?;
            listener.set_nonblocking(true)?;
            self.addresses.push(listener.local_addr()?);
            self.accepting.spawn(accept(TcpListener::from_std(listener)?, Arc::clone(shared)));
        }
        Ok(self.addresses.clone())
    }

    async fn open_again(&mut self, shared: &Arc<Shared>) -> io::Result<()> {
        for address in &self.addresses {
            self.accepting.spawn(accept(TcpListener::bind(address).await?, Arc::clone(shared)));
        }
        Ok(())
    }

    /// Hangs up on everybody.
    async fn close(&mut self) {
        self.accepting.shutdown().await;
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    requests: AtomicU64,
}

#[derive(Default)]
struct State {
    manner: Manner,
    ledger: Ledger,
}

impl Shared {
    /// Whole between any two requests, so a poisoned lock still guards good data.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request; `None` means that it never gets an answer.
    fn take(&self, endpoint: Option<usize>, head: &[u8]) -> Option<StatusCode> {
        let mut state = self.state();
        let Manner { endpoints, hanging, fail_percent } = state.manner;
        let (Some(endpoint), Some(label)) = (endpoint, body::label(head)) else {
            state.ledger.strange();
            return Some(StatusCode::BAD_REQUEST);
        };
        if endpoint < endpoints && endpoint >= endpoints.saturating_sub(hanging) {
            return None;
        }
        if fail_percent > 0 {
            let request = self.requests.fetch_add(1, Ordering::Relaxed);
            if request.wrapping_mul(STRIDE) % 100 < fail_percent {
                state.ledger.failed();
                return Some(StatusCode::SERVICE_UNAVAILABLE);
            }
        }
        state.ledger.arrived(endpoint, label, now_ns());
        Some(StatusCode::OK)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
    let mut server = http1::Builder::new();
    server.auto_date_header(false);
    // A connection that ends early is the other side's to notice.
    server.serve_connection(TokioIo::new(stream), service).await.map_err(io::Error::other)
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (parts, mut body) = request.into_parts();
    let mut head = [0; HEAD_BYTES];
    let mut filled = 0;
    while let Some(Ok(frame)) = body.frame().await {
        let Some(bytes) = frame.data_ref() else { continue };
        let taken = bytes.len().min(HEAD_BYTES - filled);
        head[filled..filled + taken].copy_from_slice(&bytes[..taken]);
        filled += taken;
    }
    let endpoint = parts.uri.path().strip_prefix(PATH).and_then(|number| number.parse().ok());
    let Some(status) = shared.take(endpoint, &head[..filled]) else {
        return std::future::pending().await;
    };
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::body::{Label, Template};

    fn shared(manner: Manner) -> Shared {
        let shared = Shared::default();
        *shared.state() = State { manner, ledger: Ledger::new(manner.endpoints) };
        shared
    }

    #[test]
    fn the_last_ones_hang_and_the_others_fail_as_often_as_told() {
        let shared = shared(Manner { endpoints: 3, hanging: 1, fail_percent: 30 });
        let mut template = Template::new(0, 1);
        for number in 0..200 {
            let body = template.fill(Label { number, sent_ns: 1 }, "");
            assert!(shared.take(Some(0), body).is_some() && shared.take(Some(2), body).is_none());
        }
        let tally = shared.state().ledger.tally();
        assert_eq!((tally.arrived, tally.failed), (140, 60));
        assert_eq!(shared.take(Some(3), b"{}"), Some(StatusCode::BAD_REQUEST));
        assert_eq!(
            shared.take(None, template.fill(Label { number: 1, sent_ns: 1 }, "")),
            Some(StatusCode::BAD_REQUEST)
        );
        assert_eq!(shared.state().ledger.tally().strange, 2);
    }
}
