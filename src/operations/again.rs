//! Sending an event again: one delivery by a person, one of a replay, or an event out of quarantine.
//!
//! A terminal delivery never reopens: this appends a new one of the same event, and lets go of the old
//! dead one (or of the quarantined event) in the same commit. The outbox judges whether there is still
//! something to let go of: the journal lags, and would let two people send the same thing twice.

use std::sync::Arc;

use super::{Operations, journal};
use crate::domain::catalog::{Catalog, Lookup};
use crate::domain::delivery::Progress;
use crate::domain::id::{AppSlug, CorrelationId, EventId, EventType};
use crate::domain::routing::Decided;
use crate::http::problem::{Code, Problem, refused};
use crate::outbox::admission::{route, route_one};
use crate::store::control::key::Principal;
use crate::store::journal::{Again, Candidate, DeliveryRow, EventRow, ShownState};
use crate::store::outbox::Appended;
use crate::store::outbox::record::{Admission, Change, FURTHER, Move, Proof, Replay, StoredEvent};

/// Whether a delivery that stands so may be made again: what is not over is tried again by itself.
pub fn is_over(state: ShownState) -> bool {
    !matches!(state, ShownState::Pending | ShownState::Parked)
}

/// Makes the delivery `id` again; the event as appended, and who gets it.
pub async fn retry(
    ops: &Operations,
    caller: &Principal,
    id: &str,
) -> Result<(Arc<StoredEvent>, AppSlug), Problem> {
    let old: DeliveryRow = journal::delivery_of(ops, id).await?;
    if !is_over(old.state) {
        let detail =
            "this delivery is not over: it is tried again by itself, or once its endpoint is resumed";
        return Err(Problem::new(Code::StateConflict, detail));
    }
    let event = journal::named(ops, &old.event_id, Some(&old.source)).await?;
    let receiver = AppSlug::new(&old.receiver).map_err(|_| unreadable())?;
    let (source, event_type) = names(&event)?;
    let directory = ops.parts.intake.directory.current();
    let decided = route_one(&event_type, &source, &receiver, &directory);
    if !decided.decision.delivers() {
        let why = decided.detail.unwrap_or_default();
        let detail = format!("{receiver} would not get it now: {} ({why})", decided.decision.as_str());
        return Err(Problem::new(Code::StateConflict, detail));
    }
    let entry = ops.entry(caller, "deliveries.retry", id);
    ops.on_control(move |control| control.record(&entry)).await?;
    let replay = Some(Replay { of: old.delivery_id, as_new: false });
    let dismissed = (old.state == ShownState::Dead).then(|| {
        let progress = Progress { attempts: old.attempts, charged: old.attempts };
        let (seq, lane, at) = (old.seq, old.lane, ops.parts.clock.now());
        Move { seq, lane, at, progress, change: Change::Dismissed, note: None }
    });
    let stored = append(ops, &event, vec![decided], replay, dismissed).await?;
    let already = || Problem::new(Code::StateConflict, "this dead letter was retried or dismissed already");
    Ok((stored.ok_or_else(already)?, receiver))
}

/// Makes one delivery of a replay. False if there is nothing to make any more: the receiver takes no part now,
/// the event's body is past its retention, somebody was faster, or the journal's row makes no sense: one event
/// must not hold up all that come behind it.
pub(super) async fn replay(ops: &Operations, candidate: &Candidate, as_new: bool) -> Result<bool, Problem> {
    let Candidate { event, receiver, again, .. } = candidate;
    let Ok((source, event_type)) = names(event) else {
        tracing::error!(seq = event.seq, "a replay leaves out an event whose row makes no sense");
        return Ok(false);
    };
    let directory = ops.parts.intake.directory.current();
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
            let (at, progress) = (ops.parts.clock.now(), Progress { attempts, charged: attempts });
            let step = Move { seq, lane, at, progress, change: Change::Dismissed, note: None };
            (Some(Replay { of, as_new }), Some(step))
        }
    };
    match append(ops, event, vec![decided], replay, dismissed).await {
        Ok(stored) => Ok(stored.is_some()),
        Err(problem) if problem.code() == Code::StateConflict => Ok(false),
        Err(problem) => Err(problem),
    }
}

/// Releases `event` from quarantine: routed by the registry as it is now, or to `receivers`.
pub async fn release(
    ops: &Operations,
    caller: &Principal,
    event: &EventRow,
    receivers: Option<&[AppSlug]>,
) -> Result<Arc<StoredEvent>, Problem> {
    if event.status != "quarantined" {
        let detail = format!("the event is {}, not in quarantine", event.status);
        return Err(Problem::new(Code::StateConflict, detail));
    }
    let decisions = decisions(ops, event, receivers)?;
    let entry = ops.entry(caller, "quarantine.release", &event.event_id);
    ops.on_control(move |control| control.record(&entry)).await?;
    let stored = release_as(ops, event, decisions).await?;
    let already = || Problem::new(Code::StateConflict, "the event was released or dismissed already");
    stored.ok_or_else(already)
}

/// Releases every quarantined event whose type the registry knows by now. Returns how many, and how many
/// could not be; one of those holds up no other.
pub async fn release_learned(ops: &Operations) -> Result<(usize, usize), Problem> {
    let (mut cursor, mut count, mut failed) = (None::<String>, 0, 0);
    loop {
        let from = cursor.take();
        let page = journal::read(ops, move |reader| reader.quarantine(from.as_deref(), 100)).await?;
        for event in page.items {
            if let Ok(decisions) = decisions(ops, &event, None) {
                match release_as(ops, &event, decisions).await {
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
    ops: &Operations,
    event: &EventRow,
    receivers: Option<&[AppSlug]>,
) -> Result<Vec<Decided>, Problem> {
    let (source, event_type) = names(event)?;
    let directory = ops.parts.intake.directory.current();
    if let Some(receivers) = receivers {
        return Ok(receivers.iter().map(|to| route_one(&event_type, &source, to, &directory)).collect());
    }
    let catalog: Arc<Catalog> = ops.parts.intake.catalog.current();
    match catalog.lookup(event_type.as_str()) {
        Lookup::Known(known) => Ok(route(known, &source, &directory)),
        Lookup::Incomplete(_) | Lookup::Unknown { .. } => {
            let detail = "the registry cannot route this type yet; teach it the type, or name `receivers`";
            Err(Problem::new(Code::StateConflict, detail))
        }
    }
}

async fn release_as(
    ops: &Operations,
    event: &EventRow,
    decisions: Vec<Decided>,
) -> Result<Option<Arc<StoredEvent>>, Problem> {
    let (seq, at, progress) = (event.seq, ops.parts.clock.now(), Progress::default());
    let released = Move { seq, lane: 0, at, progress, change: Change::Released, note: None };
    append(ops, event, decisions, None, Some(released)).await
}

/// Appends further deliveries of `event`, durably, together with what they stand for. `None` if that was
/// let go of already, and nothing was appended.
async fn append(
    ops: &Operations,
    event: &EventRow,
    decisions: Vec<Decided>,
    replay: Option<Replay>,
    instead_of: Option<Move>,
) -> Result<Option<Arc<StoredEvent>>, Problem> {
    let seq = event.seq;
    let body = journal::read(ops, move |reader| reader.body(seq)).await?;
    let gone = || Problem::new(Code::StateConflict, "the event's body is past its retention");
    let (source, event_type) = names(event)?;
    let further = StoredEvent {
        seq: 0,
        accepted_at: ops.parts.clock.now(),
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
    let store = &ops.parts.intake.store;
    let appended = match instead_of {
        Some(step) => store.append_instead(further, step).await,
        None => store.append(vec![further]).await.map(|mut appended| match appended.pop() {
            Some(Appended::New(stored)) => Some(stored),
            _ => None,
        }),
    };
    appended.map_err(|error| refused(&error))
}

fn names(event: &EventRow) -> Result<(AppSlug, EventType), Problem> {
    let source = AppSlug::new(&event.source).map_err(|_| unreadable())?;
    Ok((source, EventType::new(&event.event_type).map_err(|_| unreadable())?))
}

fn unreadable() -> Problem {
    Problem::new(Code::Internal, "the journal's row of this event makes no sense")
}
