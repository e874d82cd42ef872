//! A receiver over real HTTP that records what it gets and answers by a script.
//!
//! Listens on a free port of 127.0.0.1 and goes away with its value, connections included. Waits end by
//! signal; a wait that nobody ends panics after [`PATIENCE`], so that a failing test says where it hung.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::domain::secret::Secret;
use crate::domain::signature::{ProofHeaders, Verdict, verify};
use crate::domain::time::Millis;

/// How long a wait may last before the test has failed: a busy disk has kept a sync waiting for half a minute.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// Largest request taken.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The sender's end of the connection; the same for two requests over one connection.
    pub peer: SocketAddr,
}

impl Received {
    /// The header as text, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What the ecosystem's check says, and what that of Standard Webhooks says, by `secrets` at `now`.
    pub fn verdicts(&self, secrets: &[Secret], now: Millis) -> (Verdict, Verdict) {
        let ecosystem = ProofHeaders {
            signature: self.header("x-webhook-signature"),
            timestamp: self.header("x-webhook-timestamp"),
            ..ProofHeaders::default()
        };
        let standard = ProofHeaders {
            webhook_id: self.header("webhook-id"),
            webhook_timestamp: self.header("webhook-timestamp"),
            webhook_signature: self.header("webhook-signature"),
            ..ProofHeaders::default()
        };
        let tolerance = Duration::from_mins(5);
        let of = |headers| verify(headers, &self.body, secrets, now, tolerance);
        (of(ecosystem), of(standard))
    }

    /// Whether both signatures hold by any of `secrets` at `now`.
    pub fn is_signed_by(&self, secrets: &[Secret], now: Millis) -> bool {
        let (ecosystem, standard) = self.verdicts(secrets, now);
        matches!((ecosystem, standard), (Verdict::Valid { .. }, Verdict::Valid { .. }))
    }
}

/// How to answer one request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A whole answer.
    Reply {
        /// The status.
        status: StatusCode,
        /// The headers.
        headers: HeaderMap,
        /// The body.
        body: Bytes,
    },
    /// The answer inside, but only after [`FakeReceiver::release`]; never, if that isn't called.
    Held(Box<Self>),
    /// The connection closed without a word.
    HangUp,
    /// A head with this status and a body without an end.
    Endless(StatusCode),
    /// A head with this status and the beginning of a body, then silence.
    Stalled(StatusCode, Bytes),
    /// An answer that depends on the request.
    Decided(fn(&Received) -> Self),
}

impl Answer {
    /// A status and nothing else. A number that is no status becomes 500.
    pub fn status(status: u16) -> Self {
        Self::Reply {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// A status with a `Location`.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).with_header("location", location)
    }

    /// Never answers, until released.
    pub fn hang() -> Self {
        Self::status(200).held()
    }

    /// Waits for a release first.
    #[must_use]
    pub fn held(self) -> Self {
        Self::Held(Box::new(self))
    }

    /// With one more header; for a whole answer only.
    ///
    /// # Panics
    ///
    /// When the two can't be a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let Self::Reply { headers, .. } = &mut self {
            match (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                (Ok(name), Ok(value)) => drop(headers.append(name, value)),
                _ => panic!("{name}: {value} is no header"),
            }
        }
        self
    }

    /// With a body; for a whole answer only.
    #[must_use]
    pub fn with_body(mut self, text: impl Into<Bytes>) -> Self {
        if let Self::Reply { body, .. } = &mut self {
            *body = text.into();
        }
        self
    }
}

/// The receiver. Answers 200 until told otherwise.
#[derive(Debug)]
pub struct FakeReceiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// How many of the recorded requests [`FakeReceiver::received`] has handed out.
    taken: Mutex<usize>,
    /// Dropped with the receiver, and the accept loop and its connections with it.
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    script: Mutex<VecDeque<Answer>>,
    otherwise: Mutex<Answer>,
    received: watch::Sender<Vec<Received>>,
    releases: Semaphore,
}

impl FakeReceiver {
    /// Listens.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            script: Mutex::default(),
            otherwise: Mutex::new(Answer::status(200)),
            received: watch::Sender::default(),
            releases: Semaphore::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, taken: Mutex::new(0), _tasks: tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of it.
    pub fn url(&self) -> String {
        format!("http://{}/api/ecosystem/webhooks", self.address)
    }

    /// Answers the next requests by these, one each, in the order the requests come.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.shared.script).extend(answers);
    }

    /// Answers `count` requests with `status`.
    pub fn fail(&self, count: usize, status: u16) {
        self.script(std::iter::repeat_n(Answer::status(status), count));
    }

    /// Answers by this whenever the script is at its end.
    pub fn otherwise(&self, answer: Answer) {
        *lock(&self.shared.otherwise) = answer;
    }

    /// Lets `count` held answers go, now or when they come to wait.
    pub fn release(&self, count: usize) {
        self.shared.releases.add_permits(count);
    }

    /// All requests so far, in the order they came.
    pub fn all(&self) -> Vec<Received> {
        self.shared.received.borrow().clone()
    }

    /// How many requests came so far.
    pub fn count(&self) -> usize {
        self.shared.received.borrow().len()
    }

    /// The next request that this hasn't handed out yet. For one waiter at a time.
    ///
    /// # Panics
    ///
    /// When none comes within [`PATIENCE`].
    pub async fn received(&self) -> Received {
        let index = {
            let mut taken = lock(&self.taken);
            *taken += 1;
            *taken - 1
        };
        self.wait_for(index + 1).await.swap_remove(index)
    }

    /// All requests, once there are at least `count`.
    ///
    /// # Panics
    ///
    /// When they don't come within [`PATIENCE`].
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        let mut received = self.shared.received.subscribe();
        let enough = received.wait_for(|all| all.len() >= count);
        match tokio::time::timeout(PATIENCE, enough).await {
            Ok(Ok(all)) => all.clone(),
            _ => panic!("{} of {count} requests came", self.count()),
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, peer)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(stream, peer, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    let service = service_fn(move |request| answer(request, peer, Arc::clone(&shared)));
    // An error here is a connection that ended early, which the other side's test is about.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    shared: Arc<Shared>,
) -> io::Result<Response<ScriptedBody>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(io::Error::other)?;
    let received = Received {
        method: head.method,
        target: head.uri.to_string(),
        headers: head.headers,
        body: body.to_bytes(),
        peer,
    };
    let scripted = lock(&shared.script).pop_front();
    let mut answer = scripted.unwrap_or_else(|| lock(&shared.otherwise).clone());
    shared.received.send_modify(|all| all.push(received.clone()));
    loop {
        answer = match answer {
            Answer::Held(inner) => {
                // The semaphore is never closed.
                if let Ok(permit) = shared.releases.acquire().await {
                    permit.forget();
                }
                *inner
            }
            Answer::Decided(decide) => decide(&received),
            Answer::HangUp => return Err(io::Error::other("hung up, as the script says")),
            Answer::Reply { status, headers, body } => {
                let mut response = Response::new(ScriptedBody::Whole(Full::new(body)));
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                return Ok(response);
            }
            Answer::Endless(status) => return Ok(head_of(status, ScriptedBody::Endless)),
            Answer::Stalled(status, begin) => {
                return Ok(head_of(status, ScriptedBody::Stalled(Some(begin))));
            }
        }
    }
}

fn head_of(status: StatusCode, body: ScriptedBody) -> Response<ScriptedBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

enum ScriptedBody {
    Whole(Full<Bytes>),
    Endless,
    /// What is sent before the silence.
    Stalled(Option<Bytes>),
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx),
            Self::Endless => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 4096]))))),
            Self::Stalled(begin) => {
                begin.take().map_or(Poll::Pending, |b| Poll::Ready(Some(Ok(Frame::data(b)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(body) if body.is_end_stream())
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Endless | Self::Stalled(_) => hyper::body::SizeHint::default(),
        }
    }
}
