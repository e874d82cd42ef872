//! `POST /v1/deliveries/{id}/retry` and `POST /v1/quarantine/{id}/release`: an event sent again.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use super::journal::SourceQuery;
use crate::domain::id::{AppSlug, DeliveryId};
use crate::domain::routing::{Decided, Decision};
use crate::http::json::object_or_nothing;
use crate::http::problem::Problem;
use crate::http::query::{Path, Query};
use crate::operations::{again, journal};
use crate::store::control::key::Scope;
use crate::store::outbox::record::StoredEvent;

/// `POST /v1/deliveries/{id}/retry`: 202 with the new delivery.
pub(super) async fn retry(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let caller = admin.allow(&headers, Scope::Operate)?;
    let (stored, receiver) = again::retry(&admin.operations, &caller, &id).await?;
    Ok((StatusCode::ACCEPTED, Json(pending(&stored, &receiver))))
}

/// Who is to get a released event, if not those of the registry.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Release {
    receivers: Option<Vec<AppSlug>>,
}

/// `POST /v1/quarantine/{id}/release {receivers?}`: routed by the registry as it is now, or to those named.
pub(super) async fn release(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<SourceQuery>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let caller = admin.allow(&headers, Scope::Operate)?;
    let wanted: Release = object_or_nothing(&body)?;
    let event = journal::named(&admin.operations, &id, query.source()).await?;
    let stored = again::release(&admin.operations, &caller, &event, wanted.receivers.as_deref()).await?;
    Ok((StatusCode::ACCEPTED, Json(released(&stored))))
}

/// A delivery that was just made, as lists show it.
fn pending(event: &StoredEvent, receiver: &AppSlug) -> Value {
    let parks = |decided: &Decided| decided.receiver == *receiver && decided.decision == Decision::Parked;
    let is_parked = event.decisions.iter().any(parks);
    json!({
        "deliveryId": event.delivery_id(receiver),
        "eventId": event.event_id,
        "eventType": event.event_type,
        "source": event.source,
        "receiver": receiver,
        "state": if is_parked { "parked" } else { "pending" },
        "reason": null,
        "attempts": 0,
        "nextAttemptAt": null,
        "lastStatus": null,
        "lastError": null,
        "acceptedAt": event.accepted_at.rfc3339(),
        "deliveredAt": null,
        "replayOf": event.replay.map(|replay| replay.of),
    })
}

fn released(event: &StoredEvent) -> Value {
    let deliveries: Vec<(DeliveryId, &AppSlug)> =
        event.receivers().map(|receiver| (event.delivery_id(receiver), receiver)).collect();
    let deliveries: Vec<Value> = deliveries
        .into_iter()
        .map(|(id, receiver)| json!({ "deliveryId": id, "receiver": receiver }))
        .collect();
    json!({ "eventId": event.event_id, "status": "released", "deliveries": deliveries })
}
