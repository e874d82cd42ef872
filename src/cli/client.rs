//! Requests to a broker, and to whoever events are forwarded to; each answer read within a bound.
//!
//! Follows no redirect and knows no proxy, as deliveries don't.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::failure::Failure;
use crate::runtime::clock::Clock;

/// Longest answer that is read, in bytes: a page of events, of which one may be as long as a body may be.
const ANSWER_BYTES_MAX: usize = 48 << 20;
/// Time for the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(30);

type Https = HttpsConnector<HttpConnector>;
type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// What the broker answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: u16,
    /// The body.
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// Asked in plain HTTP, whoever is there says something else.
    #[error("what is there does not answer in plain HTTP; it seems to speak TLS")]
    Tls,
    /// Asked over TLS, whoever is there says something else.
    #[error("what is there does not answer over TLS; it seems to speak plain HTTP")]
    Plain,
    /// Anything else, in words.
    #[error("{0}")]
    Failed(String),
}

impl NoAnswer {
    /// The cause at the bottom says what happened; those above only say that something did.
    fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut cause = error;
        while let Some(deeper) = beneath(cause) {
            cause = deeper;
        }
        let not_tls = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        match (cause.downcast_ref::<hyper::Error>(), cause.downcast_ref::<rustls::Error>()) {
            (Some(said), _) if said.is_parse() => Self::Tls,
            (_, Some(said)) if *said == not_tls => Self::Plain,
            _ => Self::Failed(cause.to_string()),
        }
    }

    /// What the person at the terminal can do.
    fn mend(&self) -> &'static str {
        match self {
            Self::Tls => "the URL should begin with https://",
            Self::Plain => "the URL should begin with http://",
            Self::Failed(_) => "is the broker running there? `--url` names another address",
        }
    }
}

/// What `error` comes from; an I/O error leaves out the one that it was made of.
fn beneath<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a (dyn std::error::Error + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(made_of) => Some(made_of),
        None => error.source(),
    }
}

/// Makes requests, over the same connections where it can.
pub(super) struct Client {
    inner: Pooled<Https, Full<Bytes>>,
    body_bytes_max: usize,
}

impl Client {
    /// One that reads answers of brokers.
    pub(super) fn new() -> Result<Self, Failure> {
        let refused = |error: rustls::Error| {
            Failure::new(format!("TLS cannot be set up: {error}"), "is this binary whole? build it again")
        };
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(refused)?
            .https_or_http()
            .enable_http1()
            .build();
        // Servers close what is idle after 5 s, and a request that meets that has failed for nothing.
        let mut builder = Pooled::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(4));
        Ok(Self { inner: builder.build(connector), body_bytes_max: ANSWER_BYTES_MAX })
    }

    /// The same, but of an answer's body only `bytes` are read, and what breaks it off after its head is
    /// no error.
    pub(super) fn curt(self, bytes: usize) -> Self {
        Self { body_bytes_max: bytes, ..self }
    }

    /// Makes one request.
    pub(super) async fn call(
        &self,
        method: Method,
        url: &Uri,
        headers: HeaderMap,
        body: Bytes,
        clock: &dyn Clock,
    ) -> Result<Answer, NoAnswer> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = url.clone();
        *request.headers_mut() = headers;
        tokio::select! {
            biased;
            answer = self.exchange(request) => answer.map_err(|error| NoAnswer::of(error.as_ref())),
            () = clock.sleep(TIMEOUT) => Err(NoAnswer::Failed(format!("no answer within {} s", TIMEOUT.as_secs()))),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, AnyError> {
        let response = self.inner.request(request).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), self.body_bytes_max).collect().await;
        let body = match body {
            Ok(body) => body.to_bytes(),
            // The status has said it all.
            Err(_) if self.body_bytes_max < ANSWER_BYTES_MAX => Bytes::new(),
            Err(error) => return Err(error),
        };
        Ok(Answer { status, body })
    }
}

/// Posts `body` to `url`.
pub(super) async fn post(
    url: &Uri,
    headers: HeaderMap,
    body: Bytes,
    clock: &dyn Clock,
) -> Result<Answer, Failure> {
    call(Method::POST, url, headers, body, clock).await
}

/// Makes one request to a broker.
pub(super) async fn call(
    method: Method,
    url: &Uri,
    headers: HeaderMap,
    body: Bytes,
    clock: &dyn Clock,
) -> Result<Answer, Failure> {
    let answer = Client::new()?.call(method, url, headers, body, clock).await;
    answer.map_err(|why| unreached(url, &why))
}

/// A broker that did not answer.
pub(super) fn unreached(url: impl std::fmt::Display, why: &NoAnswer) -> Failure {
    Failure::new(format!("cannot reach {url}: {why}"), why.mend())
}
