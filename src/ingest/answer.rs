//! The answers' bodies, and the line that says how a request was answered.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::Shared;
use crate::domain::id::{AppSlug, CorrelationId, DeliveryId, EventId};
use crate::http::correlation::CORRELATION_HEADER;
use crate::http::problem::{Code, Problem};
use crate::outbox::{Receipt, ReceiptStatus};
use crate::telemetry::event::{IngestAnswered, IngestResult};

/// The answer to one event.
pub(super) fn event(shared: &Shared, outcome: Result<Receipt, Problem>, elapsed: Duration) -> Response {
    match outcome {
        Ok(given) => {
            let (status, result) = match given.status {
                ReceiptStatus::Accepted => (StatusCode::ACCEPTED, IngestResult::Accepted),
                ReceiptStatus::Quarantined => (StatusCode::ACCEPTED, IngestResult::Quarantined),
                ReceiptStatus::Duplicate => (StatusCode::OK, IngestResult::Duplicate),
            };
            say(shared, result, None, elapsed, Some(&given.correlation));
            let id = HeaderValue::from_str(given.correlation.as_str());
            let mut response = (status, Json(Told(given))).into_response();
            if let Ok(id) = id {
                response.headers_mut().insert(CORRELATION_HEADER, id);
            }
            response
        }
        Err(problem) => refusal(shared, problem, elapsed),
    }
}

/// The answer to a batch.
pub(super) fn batch(shared: &Shared, outcome: Result<Response, Problem>, elapsed: Duration) -> Response {
    match outcome {
        Ok(response) => {
            say(shared, IngestResult::Batch, None, elapsed, None);
            response
        }
        Err(problem) => refusal(shared, problem, elapsed),
    }
}

fn refusal(shared: &Shared, problem: Problem, elapsed: Duration) -> Response {
    let code = problem.code();
    say(shared, result(code), Some(code.as_str()), elapsed, problem.correlation_id());
    problem.into_response()
}

fn say(
    shared: &Shared,
    result: IngestResult,
    code: Option<&'static str>,
    elapsed: Duration,
    correlation_id: Option<&CorrelationId>,
) {
    IngestAnswered { result, code, elapsed, correlation_id }.emit(&shared.metrics);
}

fn result(code: Code) -> IngestResult {
    match code {
        Code::SignatureInvalid | Code::OutOfWindow | Code::ProofsSlowed => IngestResult::Unproven,
        Code::SenderNotAllowed => IngestResult::Forbidden,
        Code::BodyMismatch => IngestResult::Mismatch,
        Code::QuotaExceeded => IngestResult::Limited,
        Code::DiskFull | Code::StoreFailing | Code::Overloaded | Code::Draining | Code::Internal => {
            IngestResult::Unavailable
        }
        Code::BodyUnreadable | Code::BodyTimeout => IngestResult::Gone,
        _ => IngestResult::Invalid,
    }
}

/// What a sender is told of an event, as JSON.
pub(super) struct Told(pub(super) Receipt);

impl Serialize for Told {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Receipt { event_id, status, correlation, deliveries, quarantine } = &self.0;
        let quarantine = quarantine.as_ref();
        let body = Body {
            event_id,
            status: status.as_str(),
            correlation_id: correlation,
            deliveries: deliveries
                .iter()
                .map(|(delivery_id, receiver)| ToldDelivery { delivery_id, receiver })
                .collect(),
            reason: quarantine.map(|(reason, _)| reason.as_str()),
            did_you_mean: quarantine.map(|(_, meant)| meant.as_ref().map(ToString::to_string).into()),
        };
        body.serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    event_id: &'a EventId,
    status: &'static str,
    correlation_id: &'a CorrelationId,
    deliveries: Vec<ToldDelivery<'a>>,
    /// This and the next only of an event in quarantine.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    did_you_mean: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToldDelivery<'a> {
    delivery_id: &'a DeliveryId,
    receiver: &'a AppSlug,
}

/// `GET /api/ecosystem/webhooks`.
pub(super) async fn what_it_is() -> Json<Value> {
    Json(description())
}

/// What the path is.
pub(super) fn description() -> Value {
    json!({
        "name": "Camino",
        "what": "the ecosystem's webhook broker: POST a signed event here once, and every receiver gets it",
        "version": env!("CARGO_PKG_VERSION"),
        "signature": "X-Webhook-Signature: sha256=<hex HMAC-SHA256 of the raw body>, X-Webhook-Timestamp: <Unix seconds>",
        "also": "Standard Webhooks v1 (webhook-id, webhook-timestamp, webhook-signature)",
        "registry": "/v1/registry/events",
    })
}
