//! One connection to a receiver, driven by the attempt that uses it.
//!
//! It has no task of its own: what it has to do is done while an attempt waits for its answer, so that
//! an exchange costs no hand-over between tasks. Idle, nobody reads from it; whether the receiver has
//! closed it is seen when it is taken again. Never used by two attempts at a time. Dropped in the middle
//! of an exchange, it closes.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use ::http::header::HOST;
use ::http::uri::PathAndQuery;
use ::http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Header lines of an answer.
const HEADERS_MAX: usize = 100;
/// Bytes of an answer that are buffered at once, its head included.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Plain or with TLS.
pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
type Driver = http1::Connection<Stream, Full<Bytes>>;

/// A request that failed; the request itself if nothing of it was sent.
pub(super) type Unanswered = TrySendError<Request<Full<Bytes>>>;

/// A connection.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it has ended.
    driver: Option<Box<Driver>>,
    host: HeaderValue,
}

impl Connection {
    /// Speaks HTTP/1.1 over `stream`, which leads to the host of `url`.
    pub(super) async fn open(stream: Stream, url: &Uri) -> Result<Self, hyper::Error> {
        let (sender, driver) = http1::Builder::new()
            .max_headers(HEADERS_MAX)
            .max_buf_size(BUFFER_BYTES_MAX)
            .handshake(stream)
            .await?;
        Ok(Self { sender, driver: Some(Box::new(driver)), host: host(url) })
    }

    /// Whether another request can be sent. Looks at what has come in since it was last used.
    pub(super) fn is_open(&mut self) -> bool {
        // Whoever sends next polls again with a waker of his own.
        self.advance(&mut Context::from_waker(Waker::noop()));
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Sends `request` and waits for the head of the answer.
    pub(super) async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Unanswered> {
        request.headers_mut().insert(HOST, self.host.clone());
        let answered = self.sender.try_send_request(request);
        self.drive(answered).await
    }

    /// The next part of the answer's body; `None` at its end, and where it breaks.
    pub(super) async fn next_data(&mut self, body: &mut Incoming) -> Option<Bytes> {
        loop {
            let frame = self.drive(body.frame()).await?.ok()?;
            // Trailers say nothing to us.
            if let Ok(data) = frame.into_data() {
                return Some(data);
            }
        }
    }

    /// What `step` comes to while the connection does its part.
    async fn drive<T>(&mut self, step: impl Future<Output = T>) -> T {
        let mut step = pin!(step);
        poll_fn(|context| {
            self.advance(context);
            step.as_mut().poll(context)
        })
        .await
    }

    fn advance(&mut self, context: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && let Poll::Ready(_) = Pin::new(driver).poll(context)
        {
            // Its error, if it has one, is told to whoever waits for the answer.
            self.driver = None;
        }
    }
}

/// A request to `url` as a server expects it, without its `Host`.
pub(super) fn request(url: &Uri, headers: HeaderMap, body: Bytes) -> Request<Full<Bytes>> {
    let path = url.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from(path);
    *request.headers_mut() = headers;
    request
}

/// The value of `Host`: the port only where it isn't the scheme's own (RFC 9110, section 7.2).
fn host(url: &Uri) -> HeaderValue {
    let name = url.host().unwrap_or_default();
    let usual = if url.scheme_str() == Some("https") { 443 } else { 80 };
    let text = match url.port_u16() {
        Some(port) if port != usual => format!("{name}:{port}"),
        _ => name.to_owned(),
    };
    // What a URI takes for a host fits a header.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_its_port_only_if_it_is_unusual() {
        for (url, expected) in [
            ("http://a.example/x", "a.example"),
            ("http://a.example:80/x", "a.example"),
            ("http://a.example:443/x", "a.example:443"),
            ("https://a.example:443", "a.example"),
            ("https://[2001:db8::1]:8443/", "[2001:db8::1]:8443"),
        ] {
            assert_eq!(host(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn a_request_names_path_and_query_only() {
        for (url, expected) in [
            ("http://a.example", "/"),
            ("http://a.example/", "/"),
            ("http://a.example?x=1", "/?x=1"),
            ("https://a.example:8443/hooks/in?x=1&y", "/hooks/in?x=1&y"),
        ] {
            let request = request(&url.parse().unwrap(), HeaderMap::new(), Bytes::new());
            assert_eq!(request.uri().to_string(), expected, "{url}");
        }
    }
}
