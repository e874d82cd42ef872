//! Spans to a collector: OTLP over HTTP, written as JSON.
//!
//! A batch that the collector does not take is lost; it is counted, and said once until one arrives again.
//! Knows no proxy, follows no redirect, and reads nothing of the answer but its status.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::{Ended, Kind, Value};
use crate::domain::time::Millis;
use crate::runtime::clock::Clock;
use crate::telemetry::Metrics;

/// Where spans go, below the endpoint.
const PATH: &str = "v1/traces";
/// Spans in one request.
const BATCH_MAX: usize = 512;
/// How long the first span of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// How long a collector may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why the exporter could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The TLS library refused its own defaults.
    #[error("the TLS client could not be set up")]
    Tls(#[from] rustls::Error),
    /// The endpoint is no address.
    #[error("`{0}` is no address of a collector")]
    Endpoint(String),
}

/// What the exporter works with.
pub struct Options {
    /// The collector, up to but without `/v1/traces`.
    pub endpoint: Uri,
    /// For the time it waits.
    pub clock: Arc<dyn Clock>,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

/// Sends spans.
pub struct Exporter {
    spans: mpsc::Receiver<Ended>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    is_failing: bool,
}

impl Exporter {
    /// Ready to send what comes out of `spans`; reaches for nothing yet.
    pub fn new(spans: mpsc::Receiver<Ended>, options: Options) -> Result<Self, Error> {
        let text = format!("{}/{PATH}", options.endpoint.to_string().trim_end_matches('/'));
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            spans,
            client: Client::builder(TokioExecutor::new()).build(connector),
            url: text.parse().map_err(|_| Error::Endpoint(text))?,
            clock: options.clock,
            metrics: options.metrics,
            is_failing: false,
        })
    }

    /// Sends until nobody makes spans any more.
    pub async fn run(mut self) {
        loop {
            let mut batch = Vec::with_capacity(BATCH_MAX);
            if self.spans.recv_many(&mut batch, BATCH_MAX).await == 0 {
                return;
            }
            let mut gathered = self.clock.sleep(GATHER);
            while batch.len() < BATCH_MAX {
                let room = BATCH_MAX - batch.len();
                tokio::select! {
                    biased;
                    more = self.spans.recv_many(&mut batch, room) => if more == 0 { break },
                    () = &mut gathered => break,
                }
            }
            let (spans, sent) = (batch.len() as u64, self.send(&batch).await);
            let outcome = if sent.is_ok() { "sent" } else { "dropped" };
            self.metrics.trace_spans.with_label_values(&[outcome]).inc_by(spans);
            self.say(sent);
        }
    }

    async fn send(&self, batch: &[Ended]) -> Result<(), String> {
        let body = Full::new(Bytes::from(encode(batch).to_string()));
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        request.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        tokio::select! {
            biased;
            answer = self.client.request(request) => match answer {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(format!("it answered {}", answer.status().as_u16())),
                Err(error) => Err(error.to_string()),
            },
            () = self.clock.sleep(TIMEOUT) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
        }
    }

    /// Says when it begins to fail, and when it is over.
    fn say(&mut self, sent: Result<(), String>) {
        match sent {
            Err(error) if !self.is_failing => {
                tracing::warn!(url = %self.url, error, "traces cannot be sent; they are thrown away until they can");
                self.is_failing = true;
            }
            Ok(()) if self.is_failing => {
                tracing::info!(url = %self.url, "traces are sent again");
                self.is_failing = false;
            }
            _ => {}
        }
    }
}

/// `ExportTraceServiceRequest`, in the JSON that OTLP defines for it.
fn encode(batch: &[Ended]) -> Json {
    let spans: Vec<Json> = batch.iter().map(span).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": [
            attribute("service.name", &Value::from("camino")),
            attribute("service.version", &Value::from(env!("CARGO_PKG_VERSION"))),
        ] },
        "scopeSpans": [{ "scope": { "name": "camino" }, "spans": spans }],
    }] })
}

fn span(span: &Ended) -> Json {
    let begun = span.begun;
    let attributes: Vec<Json> = span.attributes.iter().map(|(name, value)| attribute(name, value)).collect();
    let mut json = json!({
        "traceId": format!("{:032x}", begun.context.trace_id),
        "spanId": format!("{:016x}", begun.context.span_id),
        "name": span.name,
        "kind": match span.kind { Kind::Internal => 1, Kind::Server => 2, Kind::Client => 3 },
        "startTimeUnixNano": nanos(begun.started_at, Duration::ZERO),
        "endTimeUnixNano": nanos(begun.started_at, span.elapsed),
        "attributes": attributes,
        "status": {},
    });
    if let Some(parent) = begun.parent {
        json["parentSpanId"] = format!("{parent:016x}").into();
    }
    if let Some(failure) = span.failure {
        json["status"] = json!({ "code": 2, "message": failure });
    }
    json
}

/// 64-bit numbers are texts in this JSON.
fn nanos(at: Millis, later: Duration) -> String {
    (u128::from(at.0) * 1_000_000 + later.as_nanos()).to_string()
}

fn attribute(name: &str, value: &Value) -> Json {
    let value = match value {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
    };
    json!({ "key": name, "value": value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::trace::TraceContext;
    use crate::telemetry::trace::Begun;

    #[test]
    fn a_span_is_written_as_otlp_has_it() {
        let context = TraceContext { trace_id: 0xa, span_id: 0xb, is_sampled: true };
        let ended = Ended {
            begun: Begun { context, parent: Some(0xc), started_at: Millis(1_000) },
            name: "deliver",
            kind: Kind::Client,
            elapsed: Duration::from_micros(1_500),
            attributes: vec![("delivery.receiver", "mancha".into()), ("delivery.attempt", 2.into())],
            failure: Some("timeout"),
        };
        let json = encode(std::slice::from_ref(&ended));
        let resource = &json["resourceSpans"][0]["resource"]["attributes"][0];
        assert_eq!(*resource, json!({ "key": "service.name", "value": { "stringValue": "camino" } }));
        let wanted = json!({
            "traceId": "0000000000000000000000000000000a",
            "spanId": "000000000000000b",
            "parentSpanId": "000000000000000c",
            "name": "deliver",
            "kind": 3,
            "startTimeUnixNano": "1000000000",
            "endTimeUnixNano": "1001500000",
            "attributes": [
                { "key": "delivery.receiver", "value": { "stringValue": "mancha" } },
                { "key": "delivery.attempt", "value": { "intValue": "2" } },
            ],
            "status": { "code": 2, "message": "timeout" },
        });
        assert_eq!(json["resourceSpans"][0]["scopeSpans"][0]["spans"][0], wanted);
    }
}
