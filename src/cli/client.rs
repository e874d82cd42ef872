//! One request to a broker: posted, its answer read within a bound.
//!
//! Follows no redirect and knows no proxy, as deliveries don't.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::failure::Failure;
use crate::runtime::clock::Clock;

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Time for the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What the broker answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: u16,
    /// The body.
    pub(super) body: Bytes,
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

/// Makes one request.
pub(super) async fn call(
    method: Method,
    url: &Uri,
    headers: HeaderMap,
    body: Bytes,
    clock: &dyn Clock,
) -> Result<Answer, Failure> {
    let failed = |why: &str| {
        let mend = "is the broker running there? `--url` names another address";
        Failure::new(format!("cannot reach {url}: {why}"), mend)
    };
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = url.clone();
    *request.headers_mut() = headers;
    tokio::select! {
        biased;
        answer = exchange(request) => answer.map_err(|error| failed(&innermost(error.as_ref()))),
        () = clock.sleep(TIMEOUT) => Err(failed(&format!("no answer within {} s", TIMEOUT.as_secs()))),
    }
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(request: Request<Full<Bytes>>) -> Result<Answer, AnyError> {
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
        .https_or_http()
        .enable_http1()
        .build();
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let response = client.request(request).await?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await?.to_bytes();
    Ok(Answer { status, body })
}

/// The cause at the bottom says what happened; those above only say that something did.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
