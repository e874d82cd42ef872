//! A sender to copy: makes an event once, signs it, and posts it until the broker has it.
//!
//! ```text
//! SIGNING_SECRET=... cargo run --example sender -- http://127.0.0.1:8080 [standard]
//! ```
//!
//! What must not be lost in a copy: the body is made once and posted as the same bytes under the same
//! `eventId` each time, so that a repeat is recognized; timestamp and signature are made anew for each
//! attempt; and only what may go away by itself is tried again. A real app keeps `body` in its own database
//! until the broker has answered 2xx: what is only in memory is lost with the process.
//!
//! Needs anyhow, base64, bytes, const-hex (as hex), hmac, http, http-body-util, hyper-rustls, hyper-util, jiff, serde_json,
//! sha2, tokio, uuid.

mod signing;

use std::env;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// The longest that an attempt may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest wait between two attempts.
const WAIT_MAX: Duration = Duration::from_mins(5);
/// Attempts before it is left to a person. A real app goes on for longer than its longest outage.
const ATTEMPTS_MAX: u32 = 10;

type Http = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// What came of one attempt.
enum Outcome {
    /// The broker has it.
    Accepted(Value),
    /// It may go away by itself; the broker may have said when to come again.
    Again(String, Option<Duration>),
    /// It will be refused the next time too.
    Refused(String),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let broker =
        env::args().nth(1).context("the broker's address is missing, such as http://127.0.0.1:8080")?;
    let secret = env::var("SIGNING_SECRET").context("SIGNING_SECRET is not set")?;
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
        .https_or_http()
        .enable_http1()
        .build();
    let http: Http = Client::builder(TokioExecutor::new()).build(connector);
    let url = format!("{}/v1/events", broker.trim_end_matches('/'));
    // The ecosystem's scheme, unless the other one is asked for.
    let is_standard = env::args().nth(2).as_deref() == Some("standard");
    let id = event_id();
    let body = event(&id);
    let mut wait = Duration::from_secs(1);
    for attempt in 1..=ATTEMPTS_MAX {
        match post(&http, signed(&url, &secret, &id, &body, is_standard)?).await? {
            Outcome::Accepted(answer) => {
                say(&format!("{} {}", answer["status"], answer["eventId"]));
                return Ok(());
            }
            Outcome::Refused(why) => bail!("refused: {why}"),
            Outcome::Again(why, asked) => {
                let pause = asked.unwrap_or(wait).min(WAIT_MAX);
                say(&format!("attempt {attempt}: {why}; again in {} s", pause.as_secs()));
                tokio::time::sleep(pause).await;
                wait = (2 * wait).min(WAIT_MAX);
            }
        }
    }
    bail!("not accepted after {ATTEMPTS_MAX} attempts")
}

/// A payment that was completed. Its id is made with it, and never again.
fn event(id: &str) -> Bytes {
    let event = json!({
        "eventId": id,
        "eventType": "payment.completed",
        "timestamp": now().to_string(),
        "source": "colectiva",
        "organizationId": "org_demo",
        "data": { "paymentId": "pay_1", "amount": 65000, "currency": "MXN" },
    });
    Bytes::from(event.to_string())
}

/// A request with these bytes, signed now.
fn signed(
    url: &str,
    secret: &str,
    id: &str,
    body: &Bytes,
    is_standard: bool,
) -> anyhow::Result<Request<Full<Bytes>>> {
    let now_s = now().as_second();
    let request = Request::post(url).header(CONTENT_TYPE, "application/json");
    let request = if is_standard {
        request
            .header("webhook-id", id)
            .header("webhook-timestamp", now_s)
            .header("webhook-signature", signing::standard(secret, id, now_s, body)?)
    } else {
        request
            .header("X-Webhook-Signature", signing::ecosystem(secret, body)?)
            .header("X-Webhook-Timestamp", now_s)
    };
    Ok(request.body(Full::new(body.clone()))?)
}

/// One attempt.
async fn post(http: &Http, request: Request<Full<Bytes>>) -> anyhow::Result<Outcome> {
    let exchange = async {
        let (head, answer) = http.request(request).await?.into_parts();
        anyhow::Ok(Response::from_parts(head, answer.collect().await?.to_bytes()))
    };
    let response = match tokio::time::timeout(TIMEOUT, exchange).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Ok(Outcome::Again(format!("{error:#}"), None)),
        Err(_) => return Ok(Outcome::Again("no answer".to_owned(), None)),
    };
    let answer: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let status = response.status();
    let why = format!("{status} {} {}", answer["code"], answer["detail"]);
    let asked = response.headers().get(RETRY_AFTER).and_then(|seconds| seconds.to_str().ok()?.parse().ok());
    Ok(match status {
        status if status.is_success() => Outcome::Accepted(answer),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            Outcome::Again(why, asked.map(Duration::from_secs))
        }
        status if status.is_server_error() => Outcome::Again(why, asked.map(Duration::from_secs)),
        _ => Outcome::Refused(why),
    })
}

#[expect(clippy::disallowed_methods, reason = "an app of its own, which has no port for the clock")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

#[expect(clippy::disallowed_methods, reason = "an app of its own, which has no port for randomness")]
fn event_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

#[expect(clippy::print_stdout, reason = "an example that tells what it does")]
fn say(line: &str) {
    println!("{line}");
}
