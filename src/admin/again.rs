//! Sending an event again: one delivery by a person, one of a replay, or an event out of quarantine.
//!
//! A terminal delivery never reopens: this appends a new one of the same event, and lets go of the old
//! dead one (or of the quarantined event) in the same commit. The outbox judges whether there is still
//! something to let go of: the journal lags, and would let two people send the same thing twice.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::journal::{self, SourceQuery};
use super::{Admin, blocking};
use crate::domain::catalog::{Catalog, Lookup};
use crate::domain::delivery::Progress;
use crate::domain::id::{AppSlug, CorrelationId, DeliveryId, EventId, EventType};
use crate::domain::routing::{Decided, Decision};
use crate::http::json::object_or_nothing;
use crate::http::problem::{Code, Problem, refused};
use crate::http::query::{Path, Query};
use crate::outbox::admission::{route, route_one};
use crate::store::control::key::Scope;
use crate::store::journal::{Again, Candidate, EventRow, ShownState};
use crate::store::outbox::Appended;
use crate::store::outbox::record::{Admission, Change, FURTHER, Move, Proof, Replay, StoredEvent};

/// `POST /v1/deliveries/{id}/retry`: 202 with the new delivery.
pub(super) async fn retry(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let caller = admin.allow(&headers, Scope::Operate)?;
    let old = journal::delivery_of(&admin, &id).await?;
    if matches!(old.state, ShownState::Pending | ShownState::Parked) {
        let detail =
            "this delivery is not over: it is tried again by itself, or once its endpoint is resumed";
        return Err(Problem::new(Code::StateConflict, detail));
    }
    let query = SourceQuery::of(&old.source);
    let event = journal::named(&admin, &old.event_id, query).await?;
    let receiver = AppSlug::new(&old.receiver).map_err(|_| unreadable())?;
    let (source, event_type) = names(&event)?;
    let directory = admin.parts.intake.directory.current();
    let decided = route_one(&event_type, &source, &receiver, &directory);
    if !decided.decision.delivers() {
        let why = decided.detail.unwrap_or_default();
        let detail = format!("{receiver} would not get it now: {} ({why})", decided.decision.as_str());
        return Err(Problem::new(Code::StateConflict, detail));
    }
    let entry = admin.entry(&caller, "deliveries.retry", &id);
    record(&admin, entry).await?;
    let replay = Some(Replay { of: old.delivery_id, as_new: false });
    let dismissed = (old.state == ShownState::Dead).then(|| {
        let progress = Progress { attempts: old.attempts, charged: old.attempts };
        let (seq, lane, at) = (old.seq, old.lane, admin.parts.clock.now());
        Move { seq, lane, at, progress, change: Change::Dismissed, note: None }
    });
    let stored = append(&admin, &event, vec![decided], replay, dismissed).await?;
    let already = || Problem::new(Code::StateConflict, "this dead letter was retried or dismissed already");
    let stored = stored.ok_or_else(already)?;
    Ok((StatusCode::ACCEPTED, Json(pending(&stored, &receiver))))
}

/// Makes one delivery of a replay. False if there is nothing to make any more: the receiver takes no part now,
/// the event's body is past its retention, somebody was faster, or the journal's row makes no sense: one event
/// must not hold up all that come behind it.
pub(super) async fn replay(admin: &Admin, candidate: &Candidate, as_new: bool) -> Result<bool, Problem> {
    let Candidate { event, receiver, again } = candidate;
    let Ok((source, event_type)) = names(event) else {
        tracing::error!(seq = event.seq, "a replay leaves out an event whose row makes no sense");
        return Ok(false);
    };
    let directory = admin.parts.intake.directory.current();
    let decided = route_one(&event_type, &source, receiver, &directory);
    if !decided.decision.delivers() {
        return Ok(false);
    }
    let (replay, dismissed) = match *again {
        Again::Made => return Ok(true),
        // The receiver never saw it: there is nothing that it repeats.
        Again::First => (None, None),
        Again::Over { of } => (Some(Replay { of, as_new }), None),
        Again::Dead { of, seq, lane, attempts } => {
            let (at, progress) = (admin.parts.clock.now(), Progress { attempts, charged: attempts });
            let step = Move { seq, lane, at, progress, change: Change::Dismissed, note: None };
            (Some(Replay { of, as_new }), Some(step))
        }
    };
    match append(admin, event, vec![decided], replay, dismissed).await {
        Ok(stored) => Ok(stored.is_some()),
        Err(problem) if problem.code() == Code::StateConflict => Ok(false),
        Err(problem) => Err(problem),
    }
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
    let event = journal::named(&admin, &id, query).await?;
    if event.status != "quarantined" {
        let detail = format!("the event is {}, not in quarantine", event.status);
        return Err(Problem::new(Code::StateConflict, detail));
    }
    let decisions = decisions(&admin, &event, wanted.receivers.as_deref())?;
    record(&admin, admin.entry(&caller, "quarantine.release", &id)).await?;
    let stored = release_as(&admin, &event, decisions).await?;
    let already = || Problem::new(Code::StateConflict, "the event was released or dismissed already");
    let stored = stored.ok_or_else(already)?;
    Ok((StatusCode::ACCEPTED, Json(released(&stored))))
}

/// Releases every quarantined event whose type the registry knows by now. Returns how many, and how many
/// could not be; one of those holds up no other.
pub async fn release_learned(admin: &Admin) -> Result<(usize, usize), Problem> {
    let (mut cursor, mut count, mut failed) = (None::<String>, 0, 0);
    loop {
        let from = cursor.take();
        let page = journal::read(admin, move |reader| reader.quarantine(from.as_deref(), 100)).await?;
        for event in page.items {
            if let Ok(decisions) = decisions(admin, &event, None) {
                match release_as(admin, &event, decisions).await {
                    Ok(released) => count += usize::from(released.is_some()),
                    Err(_) => failed += 1,
                }
            }
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok((count, failed)),
        }
    }
}

fn decisions(
    admin: &Admin,
    event: &EventRow,
    receivers: Option<&[AppSlug]>,
) -> Result<Vec<Decided>, Problem> {
    let (source, event_type) = names(event)?;
    let directory = admin.parts.intake.directory.current();
    if let Some(receivers) = receivers {
        return Ok(receivers.iter().map(|to| route_one(&event_type, &source, to, &directory)).collect());
    }
    let catalog: Arc<Catalog> = admin.parts.intake.catalog.current();
    match catalog.lookup(event_type.as_str()) {
        Lookup::Known(known) => Ok(route(known, &source, &directory)),
        Lookup::Incomplete(_) | Lookup::Unknown { .. } => {
            let detail = "the registry cannot route this type yet; teach it the type, or name `receivers`";
            Err(Problem::new(Code::StateConflict, detail))
        }
    }
}

async fn release_as(
    admin: &Admin,
    event: &EventRow,
    decisions: Vec<Decided>,
) -> Result<Option<Arc<StoredEvent>>, Problem> {
    let (seq, at, progress) = (event.seq, admin.parts.clock.now(), Progress::default());
    let released = Move { seq, lane: 0, at, progress, change: Change::Released, note: None };
    append(admin, event, decisions, None, Some(released)).await
}

/// Appends further deliveries of `event`, durably, together with what they stand for. `None` if that was
/// let go of already, and nothing was appended.
async fn append(
    admin: &Admin,
    event: &EventRow,
    decisions: Vec<Decided>,
    replay: Option<Replay>,
    instead_of: Option<Move>,
) -> Result<Option<Arc<StoredEvent>>, Problem> {
    let seq = event.seq;
    let body = journal::read(admin, move |reader| reader.body(seq)).await?;
    let gone = || Problem::new(Code::StateConflict, "the event's body is past its retention");
    let (source, event_type) = names(event)?;
    let further = StoredEvent {
        seq: 0,
        accepted_at: admin.parts.clock.now(),
        source,
        event_id: EventId::new(&event.event_id).map_err(|_| unreadable())?,
        event_type,
        organization: event.organization_id.clone(),
        timestamp: event.timestamp,
        correlation: CorrelationId::new(&event.correlation_id).map_err(|_| unreadable())?,
        tenant: event.tenant_id.clone(),
        traceparent: None,
        proof: Proof::Internal,
        admission: Admission::Routed,
        decisions,
        drift: Vec::new(),
        generation: FURTHER,
        replay,
        body: body.ok_or_else(gone)?.into(),
    };
    let store = &admin.parts.intake.store;
    let appended = match instead_of {
        Some(step) => store.append_instead(further, step).await,
        None => store.append(vec![further]).await.map(|mut appended| match appended.pop() {
            Some(Appended::New(stored)) => Some(stored),
            _ => None,
        }),
    };
    appended.map_err(|error| refused(&error))
}

async fn record(admin: &Admin, entry: crate::store::control::audit::Entry) -> Result<(), Problem> {
    let control = admin.parts.control.clone();
    blocking::run(move || control.record(&entry)).await.map_err(|error| blocking::control_problem(&error))
}

fn names(event: &EventRow) -> Result<(AppSlug, EventType), Problem> {
    let source = AppSlug::new(&event.source).map_err(|_| unreadable())?;
    Ok((source, EventType::new(&event.event_type).map_err(|_| unreadable())?))
}

fn unreadable() -> Problem {
    Problem::new(Code::Internal, "the journal's row of this event makes no sense")
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
