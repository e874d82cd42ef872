//! The sink over HTTP: sign, send, read a bounded part of the answer, say what it means.
//!
//! Never follows a redirect, never uses a proxy, never connects to an address that wasn't vetted, and
//! reads no more of an answer than it keeps a bound for. Whatever a receiver does, an attempt ends within
//! its endpoint's timeout. The status decides; a body that breaks, stalls or never ends changes nothing.
//!
//! Bounds: as many idle connections per receiver as attempts may be in flight to it (fewer, and a busy
//! receiver would be dialled anew all the time), not used again 4 s after their last use (servers commonly
//! close theirs after 5 s, and a request that meets a closing connection is a failed attempt for nothing)
//! and closed within 8; 100 header lines and 64 KiB of head per answer (looked at between reads, so up to
//! twice that is held); 64 KiB of body read, 2 KiB kept.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{LOCATION, RETRY_AFTER};
use ::http::{HeaderMap, HeaderName, Request, Response, Uri};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body as _;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use ipnet::IpNet;
use tower_service::Service as _;

use self::connection::Connection;
use self::connector::GuardedConnector;
pub use self::connector::{Resolve, SystemResolver};
use self::pool::{IDLE_TIMEOUT, Key, Pool};
use super::{Address, Attempt, EXCERPT_BYTES_MAX, Report, Sink, Target};
use crate::domain::outcome::{Answer, Failure, Outcome, classify};
use crate::runtime::clock::Clock;

mod connection;
mod connector;
mod failure;
mod headers;
mod pool;

/// Bytes of an answer's body that are read; a longer one costs its connection.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Why the client couldn't be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The TLS library refused its own defaults.
    #[error("the TLS client could not be set up")]
    Tls(#[from] rustls::Error),
}

/// What holds for every receiver.
#[derive(Clone, Debug)]
pub struct Options {
    /// Networks that deliveries may go to although they aren't public.
    pub allowed_networks: Vec<IpNet>,
    /// The longest that a receiver may ask to be left alone.
    pub retry_after_max: Duration,
    /// Idle connections kept per receiver.
    pub idle_per_receiver_max: usize,
}

/// Sends deliveries over HTTP/1.1, with TLS where the URL says so.
pub struct HttpSink {
    connector: HttpsConnector<GuardedConnector>,
    pool: Pool,
    allowed: Arc<[IpNet]>,
    clock: Arc<dyn Clock>,
    retry_after_max: Duration,
}

impl HttpSink {
    /// A sink that asks the system's resolver and trusts the public certificate authorities.
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Self::with_resolver(options, clock, Arc::new(SystemResolver))
    }

    /// A sink that asks `resolver`.
    pub fn with_resolver(
        options: Options,
        clock: Arc<dyn Clock>,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, Error> {
        let allowed: Arc<[IpNet]> = options.allowed_networks.into();
        let guarded = GuardedConnector { resolver, allowed: Arc::clone(&allowed), clock: Arc::clone(&clock) };
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
            .https_or_http()
            .enable_http1()
            .wrap_connector(guarded);
        let pool = Pool::new(options.idle_per_receiver_max);
        Ok(Self { connector, pool, allowed, clock, retry_after_max: options.retry_after_max })
    }

    /// Closes connections that nobody has used for a while; never ends.
    pub async fn close_idle(&self) {
        loop {
            self.clock.sleep(IDLE_TIMEOUT).await;
            self.pool.sweep(self.clock.monotonic());
        }
    }

    async fn attempt(&self, attempt: Attempt) -> Report {
        let started = self.clock.monotonic();
        let mut deadline = Deadline::new(self.clock.sleep(attempt.endpoint.timeout));
        let Target::Http(address) = &attempt.endpoint.target else {
            return Report::unsent("this receiver has no address", Duration::ZERO);
        };
        let secrets = address.secrets.of(&attempt.source);
        let mut secret_index = secrets.working();
        let mut exchange = self.exchange(&attempt, address, secret_index, &mut deadline).await;
        if exchange.is_denied()
            && let Some(other) = secrets.other_than(secret_index)
        {
            // In the middle of a rotation the receiver may know only the other one.
            exchange = self.exchange(&attempt, address, other, &mut deadline).await;
            secret_index = other;
            if matches!(exchange.answered, Ok(200..=299)) {
                secrets.remember(other);
            }
        }
        let outcome =
            classify(exchange.answer(), &attempt.endpoint.retry_on, self.clock.now(), self.retry_after_max);
        Report {
            outcome,
            status: exchange.answered.ok(),
            excerpt: exchange.excerpt,
            error: exchange.error.or_else(|| default_error(outcome)),
            duration: self.clock.monotonic().saturating_sub(started),
            secret_index,
        }
    }

    async fn exchange(
        &self,
        attempt: &Attempt,
        address: &Address,
        secret_index: u8,
        deadline: &mut Deadline,
    ) -> Exchange {
        let secrets = address.secrets.of(&attempt.source);
        let headers = match headers::headers(attempt, secrets, secret_index, self.clock.now()) {
            Ok(headers) => headers,
            Err(error) => return Exchange::failed(Failure::Connect, error.to_string()),
        };
        // TLS looks at the name of the server before our own connector does.
        let url = &address.url;
        if let Err(error) = connector::host(url, &self.allowed) {
            return Exchange::failed(error.failure(), error.to_string());
        }
        let request = connection::request(url, headers, attempt.body.clone());
        let key = Key::of(url);
        match deadline.race(self.answer(&key, url, request)).await {
            None => Exchange::failed(Failure::Timeout, timed_out(attempt.endpoint.timeout)),
            Some(Err(error)) => {
                let (failure, text) = failure::read(&error);
                Exchange::failed(failure, text)
            }
            Some(Ok((mut connection, response))) => {
                let exchange = Exchange::read(response, &mut connection, deadline).await;
                if connection.is_open() {
                    self.pool.put(key, connection, self.clock.monotonic());
                }
                exchange
            }
        }
    }

    /// The head of the answer to `request`, and the connection that the rest of it comes on.
    async fn answer(
        &self,
        key: &Key,
        url: &Uri,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Connection, Response<Incoming>), failure::Error> {
        while let Some(mut connection) = self.pool.take(key, self.clock.monotonic()) {
            if !connection.is_open() {
                continue;
            }
            match connection.send(request).await {
                Ok(response) => return Ok((connection, response)),
                // It closed just now and has taken nothing of the request.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(failure::Error::Exchange(error.into_error())),
                },
            }
        }
        let stream = self.connector.clone().call(url.clone()).await.map_err(failure::Error::Connect)?;
        let mut connection = Connection::open(stream, url).await.map_err(failure::Error::Exchange)?;
        let response = connection.send(request).await;
        Ok((connection, response.map_err(|error| failure::Error::Exchange(error.into_error()))?))
    }
}

impl Sink for HttpSink {
    fn send(&self, attempt: Attempt) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        Box::pin(self.attempt(attempt))
    }
}

/// One request and what came back.
struct Exchange {
    /// The status, or why there is none.
    answered: Result<u16, Failure>,
    retry_after: Option<String>,
    excerpt: Option<String>,
    error: Option<String>,
}

impl Exchange {
    fn failed(failure: Failure, error: String) -> Self {
        Self { answered: Err(failure), retry_after: None, excerpt: None, error: Some(error) }
    }

    async fn read(
        response: Response<Incoming>,
        connection: &mut Connection,
        deadline: &mut Deadline,
    ) -> Self {
        let status = response.status();
        let error = status.is_redirection().then(|| match text(response.headers(), &LOCATION) {
            Some(location) => format!("redirects are not followed; it points to {location}"),
            None => "redirects are not followed".to_owned(),
        });
        Self {
            answered: Ok(status.as_u16()),
            retry_after: text(response.headers(), &RETRY_AFTER),
            excerpt: excerpt(response.into_body(), connection, deadline).await,
            error,
        }
    }

    fn answer(&self) -> Answer<'_> {
        match self.answered {
            Ok(status) => Answer::Status { status, retry_after: self.retry_after.as_deref() },
            Err(failure) => Answer::Failure(failure),
        }
    }

    /// Whether the receiver may have refused the signature.
    fn is_denied(&self) -> bool {
        matches!(self.answered, Ok(401 | 403))
    }
}

/// Reads the body up to its bound, to free the connection for the next attempt, and keeps the beginning.
async fn excerpt(mut body: Incoming, connection: &mut Connection, deadline: &mut Deadline) -> Option<String> {
    let mut kept = Vec::new();
    let mut read_bytes = 0;
    while read_bytes < BODY_BYTES_MAX && !body.is_end_stream() {
        let Some(Some(data)) = deadline.race(connection.next_data(&mut body)).await else { break };
        read_bytes += data.len();
        let room = EXCERPT_BYTES_MAX - kept.len();
        kept.extend_from_slice(&data[..data.len().min(room)]);
    }
    if kept.is_empty() {
        return None;
    }
    let mut text = String::from_utf8_lossy(&kept).into_owned();
    // What isn't UTF-8 grows when it is replaced.
    text.truncate(text.floor_char_boundary(EXCERPT_BYTES_MAX));
    Some(text)
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value[..value.len().min(EXCERPT_BYTES_MAX)].to_owned())
}

fn timed_out(timeout: Duration) -> String {
    format!("no answer within {} ms", timeout.as_millis())
}

/// An answer that speaks for itself needs no words; "gone" has a consequence that does.
fn default_error(outcome: Outcome) -> Option<String> {
    (outcome == Outcome::Gone).then(|| "the receiver says that this address is gone for good".to_owned())
}

/// One wait that several steps share.
struct Deadline {
    /// `None` once it has passed: a finished future must not be polled again.
    wait: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Deadline {
    fn new(wait: Pin<Box<dyn Future<Output = ()> + Send>>) -> Self {
        Self { wait: Some(wait) }
    }

    /// What `step` comes to, unless the deadline passes first or has passed.
    async fn race<T>(&mut self, step: impl Future<Output = T>) -> Option<T> {
        let wait = self.wait.as_mut()?;
        let done = tokio::select! {
            biased;
            done = step => Some(done),
            () = wait => None,
        };
        if done.is_none() {
            self.wait = None;
        }
        done
    }
}
