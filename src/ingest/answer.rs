//! The answers' bodies, and the line that says how a request was answered.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Shared;
use crate::domain::id::CorrelationId;
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
            let mut response = (status, Json(receipt(&given))).into_response();
            if let Ok(id) = HeaderValue::from_str(given.correlation.as_str()) {
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

/// What a sender is told of an event.
pub(super) fn receipt(given: &Receipt) -> Value {
    let deliveries: Vec<Value> = given
        .deliveries
        .iter()
        .map(|(id, receiver)| json!({ "deliveryId": id.to_string(), "receiver": receiver }))
        .collect();
    let mut json = json!({
        "eventId": given.event_id,
        "status": given.status.as_str(),
        "correlationId": given.correlation,
        "deliveries": deliveries,
    });
    if let Some((reason, did_you_mean)) = &given.quarantine {
        json["reason"] = reason.as_str().into();
        json["didYouMean"] = did_you_mean.as_ref().map(ToString::to_string).into();
    }
    json
}

/// `GET /api/ecosystem/webhooks`.
pub(super) async fn what_it_is() -> Json<Value> {
    Json(json!({
        "name": "Camino",
        "what": "the ecosystem's webhook broker: POST a signed event here once, and every receiver gets it",
        "version": env!("CARGO_PKG_VERSION"),
        "signature": "X-Webhook-Signature: sha256=<hex HMAC-SHA256 of the raw body>, X-Webhook-Timestamp: <Unix seconds>",
        "also": "Standard Webhooks v1 (webhook-id, webhook-timestamp, webhook-signature)",
        "registry": "/v1/registry/events",
    }))
}
