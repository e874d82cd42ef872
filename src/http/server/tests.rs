//! The listener over real sockets.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, oneshot};

use super::fixture::{InstantClock, StillClock, answer, exchange};
use super::*;
use crate::domain::id::CorrelationId;
use crate::http::body::read_capped;
use crate::http::correlation::{Correlation, correlate};
use crate::http::problem::{self, Code, Problem};
use crate::runtime::entropy::{Entropy, OsEntropy};
use crate::runtime::task::{TaskKind, Tasks};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    drained: oneshot::Receiver<Drained>,
}

async fn start(router: Router, bounds: Bounds, clock: Arc<dyn Clock>) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, drained) = oneshot::channel();
    let stop = CancellationToken::new();
    let server = Server::new(listener, router, bounds, clock).run(stop.clone());
    Tasks::new().spawn(TaskKind::Listener, async move {
        let _ = tell.send(server.await);
    });
    Running { address, stop, drained }
}

#[tokio::test]
async fn a_client_that_is_slow_with_its_head_is_cut_off() {
    let bounds = Bounds { header_timeout: Duration::from_millis(50), ..Bounds::default() };
    let server = start(Router::new().route("/", get("hello")), bounds, Arc::new(StillClock)).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nho").await.unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(!rest.contains("hello"), "{rest}");
}

#[tokio::test]
async fn a_client_sees_the_413_even_though_it_sends_the_whole_body_first() {
    async fn take(body: Body) -> Response {
        match read_capped(body, 1 << 20, &StillClock).await {
            Ok(bytes) => bytes.len().to_string().into_response(),
            Err(error) => Problem::from(error).into_response(),
        }
    }
    let router = Router::new().route("/", post(take));
    let server = start(router, Bounds::default(), Arc::new(StillClock)).await;
    for (bytes, status) in [(1 << 20, "200 OK"), (5 << 20, "413 Payload Too Large")] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {bytes}\r\n\r\n");
        let answer = exchange(&mut stream, &[head.into_bytes(), vec![b'x'; bytes]].concat()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(status.starts_with('2') || answer.contains("\"code\":\"body.too_large\""), "{answer}");
    }
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_their_turn() {
    async fn count(State(served): State<Arc<AtomicUsize>>) -> String {
        served.fetch_add(1, Ordering::SeqCst).to_string()
    }
    let served = Arc::new(AtomicUsize::new(0));
    let router = Router::new().route("/", get(count)).with_state(Arc::clone(&served));
    let bounds = Bounds { connections_max: 1, ..Bounds::default() };
    let server = start(router, bounds, Arc::new(StillClock)).await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    assert!(exchange(&mut first, GET).await.ends_with("\r\n\r\n0"));
    let mut second = TcpStream::connect(server.address).await.unwrap();
    second.write_all(GET).await.unwrap();
    assert!(exchange(&mut first, GET).await.ends_with("\r\n\r\n1"), "the second waits");
    drop(first);
    assert!(answer(&mut second).await.ends_with("\r\n\r\n2"));
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_loses_its_place() {
    const ANSWER_BYTES: usize = 64 << 20;
    let huge = get(|| async { vec![b'x'; ANSWER_BYTES] });
    let router = Router::new().route("/huge", huge).route("/", get("hello"));
    let bounds = Bounds { connections_max: 1, ..Bounds::default() };
    // Its waits are over at once: what doesn't fit into the kernel's buffers counts as not taken.
    let server = start(router, bounds, Arc::new(InstantClock)).await;
    let mut deaf = TcpStream::connect(server.address).await.unwrap();
    deaf.write_all(b"GET /huge HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut next = TcpStream::connect(server.address).await.unwrap();
    assert!(exchange(&mut next, GET).await.ends_with("hello"), "the place is free again");
    let mut got = Vec::new();
    let end = deaf.read_to_end(&mut got).await;
    assert!(end.is_err() || got.len() < ANSWER_BYTES, "the rest was never sent");
}

/// A router whose only request tells that it is in flight and waits to be released.
fn held_router() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (enter, wait) = (Arc::clone(&entered), Arc::clone(&release));
    let handler = move || async move {
        enter.notify_one();
        wait.notified().await;
        "done"
    };
    (Router::new().route("/", get(handler)), entered, release)
}

#[tokio::test]
async fn a_stop_lets_requests_in_flight_finish_and_takes_no_new_ones() {
    let (router, entered, release) = held_router();
    let server = start(router, Bounds::default(), Arc::new(StillClock)).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    busy.write_all(GET).await.unwrap();
    entered.notified().await;
    server.stop.cancel();
    let mut nothing = Vec::new();
    assert_eq!(idle.read_to_end(&mut nothing).await.unwrap(), 0, "an idle connection is closed at once");
    release.notify_one();
    assert!(answer(&mut busy).await.ends_with("done"));
    assert_eq!(server.drained.await, Ok(Drained { remaining: 0 }));
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_request_that_outlasts_the_drain_is_cut_and_told() {
    let (router, entered, _release) = held_router();
    let server = start(router, Bounds::default(), Arc::new(InstantClock)).await;
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    busy.write_all(GET).await.unwrap();
    entered.notified().await;
    server.stop.cancel();
    assert_eq!(server.drained.await, Ok(Drained { remaining: 1 }));
}

#[tokio::test]
async fn every_problem_carries_a_correlation_id_and_requests_know_their_peer() {
    async fn show(Peer(peer): Peer, Correlation(id): Correlation) -> String {
        format!("{} {id:?}", peer.ip())
    }
    async fn own() -> Problem {
        Problem::new(Code::StateConflict, "it is over").correlation(CorrelationId::new("own-1").unwrap())
    }
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
    let router = Router::new()
        .route("/", get(show))
        .route("/own", get(own))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(entropy, correlate));
    let server = start(router, Bounds::default(), Arc::new(StillClock)).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut ask = async |line: &str, id: &str| {
        let request = format!("{line} HTTP/1.1\r\nhost: x\r\nx-correlation-id: {id}\r\n\r\n");
        exchange(&mut stream, request.as_bytes()).await
    };
    let answer = ask("GET /", "mine-1").await;
    assert!(
        answer.contains("x-correlation-id: mine-1") && answer.ends_with("127.0.0.1 Some(mine-1)"),
        "{answer}"
    );
    let answer = ask("GET /", "not well formed").await;
    assert!(!answer.contains("x-correlation-id") && answer.ends_with("127.0.0.1 None"), "{answer}");
    let answer = ask("GET /nowhere", "mine-2").await;
    assert!(answer.contains("\"code\":\"resource.not_found\",\"correlationId\":\"mine-2\""), "{answer}");
    let answer = ask("GET /own", "mine-3").await;
    assert!(
        answer.contains("\"correlationId\":\"own-1\"") && answer.contains("x-correlation-id: own-1"),
        "{answer}"
    );
    let answer = ask("POST /", "é").await;
    assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("allow: GET,HEAD"), "{answer}");
    assert!(
        answer.contains("\"correlationId\":\"cid_") && answer.contains("x-correlation-id: cid_"),
        "{answer}"
    );
}
