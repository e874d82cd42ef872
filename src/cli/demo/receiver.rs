//! A receiver of the demo: it checks both signatures, tells what it got, and answers.
//!
//! Accepts nothing that is not signed both ways: the answer is then 401, and the delivery dies of it,
//! as it would at a real app.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::domain::event;
use crate::domain::id::AppSlug;
use crate::domain::secret::Secret;
use crate::domain::signature::{ProofHeaders, Verdict, verify};
use crate::runtime::clock::Clock;

/// Longest body taken, in bytes.
const BODY_BYTES_MAX: usize = 8 << 20;
/// How old a signature may be.
const TOLERANCE: Duration = Duration::from_mins(5);

/// One request that a receiver got, and what it answered.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Heard {
    /// Who got it.
    pub(super) receiver: AppSlug,
    /// The event.
    pub(super) event_id: String,
    /// Its type.
    pub(super) event_type: String,
    /// Who sent it.
    pub(super) source: String,
    /// `X-Camino-Delivery-Id`.
    pub(super) delivery_id: String,
    /// `X-Camino-Attempt`.
    pub(super) attempt: String,
    /// What was answered.
    pub(super) status: u16,
    /// Whether both signatures hold.
    pub(super) verified: bool,
    /// When, on the demo's clock.
    #[serde(skip)]
    pub(super) at: Duration,
}

/// One receiver.
pub(super) struct Receiver {
    /// The app that it plays.
    pub(super) slug: AppSlug,
    /// What its deliveries are signed with.
    pub(super) secret: Secret,
    /// Requests that it still answers with 503 before it accepts.
    pub(super) failures: AtomicU32,
    /// For the signatures' window.
    pub(super) clock: Arc<dyn Clock>,
    /// Told of each request.
    pub(super) heard: mpsc::Sender<Heard>,
}

impl Receiver {
    /// Listens on a free port as a task of `tasks`, and says where.
    pub(super) async fn open(self, tasks: &mut JoinSet<()>) -> Result<Uri, anyhow::Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/api/ecosystem/webhooks", listener.local_addr()?).parse()?;
        tasks.spawn(accept(listener, Arc::new(self)));
        Ok(url)
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let at = self.clock.monotonic();
        let (head, body) = request.into_parts();
        let status = match Limited::new(body, BODY_BYTES_MAX).collect().await {
            Ok(body) => self.take(&head.headers, &body.to_bytes(), at).await,
            Err(_) => StatusCode::BAD_REQUEST,
        };
        let mut response = Response::new(Full::default());
        *response.status_mut() = status;
        Ok(response)
    }

    async fn take(&self, headers: &HeaderMap, body: &[u8], at: Duration) -> StatusCode {
        let verified = self.is_signed(headers, body);
        let failing = || {
            let left = |left: u32| left.checked_sub(1);
            self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok()
        };
        let status = if !verified {
            StatusCode::UNAUTHORIZED
        } else if failing() {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::OK
        };
        let own = |name: &str| text(headers, name).unwrap_or_default().to_owned();
        let envelope = event::parse(body).ok();
        let heard = Heard {
            receiver: self.slug.clone(),
            event_id: envelope.map(|envelope| envelope.event_id.to_string()).unwrap_or_default(),
            event_type: own("x-camino-event-type"),
            source: own("x-camino-source"),
            delivery_id: own("x-camino-delivery-id"),
            attempt: own("x-camino-attempt"),
            status: status.as_u16(),
            verified,
            at,
        };
        // Nobody listens only when the demo is over.
        let _ = self.heard.send(heard).await;
        status
    }

    /// Whether the proof of each scheme holds by itself.
    fn is_signed(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let ecosystem = ProofHeaders {
            signature: text(headers, "x-webhook-signature"),
            timestamp: text(headers, "x-webhook-timestamp"),
            ..ProofHeaders::default()
        };
        let standard = ProofHeaders {
            webhook_id: text(headers, "webhook-id"),
            webhook_timestamp: text(headers, "webhook-timestamp"),
            webhook_signature: text(headers, "webhook-signature"),
            ..ProofHeaders::default()
        };
        let secrets = std::slice::from_ref(&self.secret);
        [ecosystem, standard].into_iter().all(|proof| {
            let verdict = verify(proof, body, secrets, self.clock.now(), TOLERANCE);
            matches!(verdict, Verdict::Valid { .. })
        })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

async fn accept(listener: TcpListener, receiver: Arc<Receiver>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(stream, Arc::clone(&receiver)));
    }
}

async fn serve(stream: TcpStream, receiver: Arc<Receiver>) -> io::Result<()> {
    let service = service_fn(move |request| {
        let receiver = Arc::clone(&receiver);
        async move { receiver.answer(request).await }
    });
    // A connection that ends early is the broker's to notice.
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sample;
    use crate::domain::id::EventType;
    use crate::domain::signature::Scheme;
    use crate::runtime::clock::SystemClock;

    const SECRET: &str = "correct horse battery staple";

    fn receiver(failures: u32) -> (Receiver, mpsc::Receiver<Heard>) {
        let (heard, told) = mpsc::channel(8);
        let receiver = Receiver {
            slug: AppSlug::new("mancha").unwrap(),
            secret: Secret::new(SECRET).unwrap(),
            failures: failures.into(),
            clock: Arc::new(SystemClock::new()),
            heard,
        };
        (receiver, told)
    }

    fn signed(receiver: &Receiver, schemes: &[Scheme]) -> (HeaderMap, Vec<u8>) {
        let now = receiver.clock.now();
        let event_type = EventType::new("sale.completed").unwrap();
        let body = sample::envelope("evt_1", &event_type, &receiver.slug, "org", now, &1.into());
        let mut headers = HeaderMap::new();
        for scheme in schemes {
            headers.extend(sample::signed_headers(*scheme, &receiver.secret, "evt_1", now, &body).unwrap());
        }
        (headers, body)
    }

    #[tokio::test]
    async fn it_fails_as_often_as_told_and_then_accepts() {
        let (receiver, mut told) = receiver(2);
        let (headers, body) = signed(&receiver, &[Scheme::Ecosystem, Scheme::Standard]);
        for status in [503, 503, 200, 200] {
            assert_eq!(receiver.take(&headers, &body, Duration::ZERO).await, status);
            let heard = told.recv().await.unwrap();
            assert_eq!((heard.status, heard.verified, heard.event_id.as_str()), (status, true, "evt_1"));
        }
    }

    #[tokio::test]
    async fn one_signature_of_two_is_not_enough() {
        let (receiver, mut told) = receiver(0);
        for schemes in [&[][..], &[Scheme::Ecosystem], &[Scheme::Standard]] {
            let (headers, body) = signed(&receiver, schemes);
            assert_eq!(receiver.take(&headers, &body, Duration::ZERO).await, 401, "{schemes:?}");
            assert!(!told.recv().await.unwrap().verified);
        }
        let (headers, mut body) = signed(&receiver, &[Scheme::Ecosystem, Scheme::Standard]);
        body.push(b' ');
        assert_eq!(receiver.take(&headers, &body, Duration::ZERO).await, 401);
    }
}
