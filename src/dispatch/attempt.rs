//! One attempt as a task: load the event, send it, report.
//!
//! It always reports, unless it panics: then its lease ends it. What keeps the broker itself from sending
//! is not the receiver's doing, and is reported as such. A crash leaves the delivery open.

use std::sync::Arc;
use std::time::Duration;

use super::{Example, Parts};
use crate::deliver::{Attempt, Endpoint, Report, Sink, Target, Turn};
use crate::domain::id::{AppSlug, CorrelationId, DeliveryId, EventId, EventType};
use crate::domain::outcome::{Outcome, Reason};
use crate::domain::scheduler::LaneId;
use crate::domain::time::Millis;
use crate::runtime::clock::Clock;
use crate::store::log;
use crate::store::outbox::record::{AttemptNote, StoredEvent};
use crate::store::outbox::{Error, Outbox};
use crate::telemetry::event;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::trace::{Begun, Ended, Kind, Tracer};

/// What every attempt needs.
pub(super) struct Kit {
    sink: Arc<dyn Sink>,
    outbox: Arc<Outbox>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    tracer: Tracer,
}

impl Kit {
    pub(super) fn of(parts: &Parts) -> Self {
        Self {
            sink: Arc::clone(&parts.sink),
            outbox: Arc::clone(&parts.outbox),
            clock: Arc::clone(&parts.clock),
            metrics: Arc::clone(&parts.metrics),
            tracer: parts.tracer.clone(),
        }
    }
}

/// What to send.
pub(super) struct Order {
    pub(super) lane: LaneId,
    pub(super) seq: u64,
    pub(super) attempt: u16,
    pub(super) probe: bool,
    pub(super) endpoint: Option<Arc<Endpoint>>,
    pub(super) turn: Option<Turn>,
}

/// What was sent, and where to.
pub(super) struct Sent {
    pub(super) delivery_id: DeliveryId,
    pub(super) event_id: EventId,
    pub(super) receiver: Arc<Endpoint>,
}

/// An attempt that has ended.
pub(super) struct Landed {
    pub(super) lane: LaneId,
    pub(super) seq: u64,
    pub(super) attempt: u16,
    pub(super) outcome: Outcome,
    pub(super) accepted_at: Millis,
    /// `None` if it could not be sent.
    pub(super) sent: Option<Sent>,
    pub(super) note: Box<AttemptNote>,
    /// What the store said if it is damaged: the process must stop.
    pub(super) damage: Option<String>,
}

/// Makes the attempt.
pub(super) async fn run(kit: Arc<Kit>, mut order: Order) -> Landed {
    let started_at = kit.clock.now();
    let turn = order.turn.take();
    match (load(&kit, order.seq).await, &order.endpoint) {
        (Ok(Some(event)), Some(endpoint)) => {
            let span = kit.tracer.begin(event.traceparent.as_deref(), started_at);
            let attempt = Attempt { turn, ..attempt(&event, endpoint, order.attempt, span) };
            let delivery_id = attempt.delivery_id;
            let report = kit.sink.send(attempt).await;
            event::AttemptFinished {
                receiver: &endpoint.app,
                delivery_id,
                attempt: order.attempt.into(),
                status: report.status,
                failure: report.outcome.reason().map(Reason::as_str),
                elapsed: report.duration,
            }
            .emit(&kit.metrics);
            kit.tracer
                .end(span, |begun| traced(begun, &event, endpoint, (delivery_id, order.attempt), &report));
            let event_id = event.event_id.clone();
            let sent = Sent { delivery_id, event_id, receiver: Arc::clone(endpoint) };
            landed(&order, started_at, event.accepted_at, sent, report)
        }
        (event, _) => unsent(&order, started_at, event.err()),
    }
}

/// The event, from memory or from the disk.
pub(super) async fn load(kit: &Kit, seq: u64) -> Result<Option<Arc<StoredEvent>>, Error> {
    if let Some(event) = kit.outbox.cached(seq) {
        return Ok(Some(event));
    }
    let outbox = Arc::clone(&kit.outbox);
    let read = tokio::task::spawn_blocking(move || outbox.load(seq)).await;
    // A panic in there is one here; a runtime that stops before it began is a store that closes.
    read.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(Error::Closed),
    })
}

fn attempt(event: &StoredEvent, endpoint: &Arc<Endpoint>, number: u16, span: Option<Begun>) -> Attempt {
    let receiver = &endpoint.app;
    let delivery_id = event.delivery_id(receiver);
    let as_new = event.replay.is_some_and(|replay| replay.as_new);
    let key = if as_new || event.generation == 0 {
        delivery_id
    } else {
        DeliveryId::derive(&event.source, &event.event_id, receiver, 0)
    };
    Attempt {
        seq: event.seq,
        delivery_id,
        event_id: event.event_id.clone(),
        event_type: event.event_type.clone(),
        source: event.source.clone(),
        receiver: receiver.clone(),
        correlation_id: event.correlation.clone(),
        attempt: number.into(),
        tenant: event.tenant.clone(),
        body: event.body.clone(),
        webhook_id: if as_new { delivery_id.to_string() } else { event.event_id.to_string() },
        idempotency_key: key.to_string(),
        replay_of: event.replay.map(|replay| replay.of),
        // The receiver's own spans hang below this attempt, if there is one for it.
        traceparent: span.map(|span| span.context.to_string()).or_else(|| event.traceparent.clone()),
        endpoint: Arc::clone(endpoint),
        turn: None,
    }
}

/// The attempt's span.
fn traced(
    begun: Begun,
    event: &StoredEvent,
    endpoint: &Endpoint,
    (delivery_id, number): (DeliveryId, u16),
    report: &Report,
) -> Ended {
    let mut attributes = vec![
        ("delivery.receiver", endpoint.app.as_str().into()),
        ("delivery.id", delivery_id.to_string().into()),
        ("delivery.attempt", u64::from(number).into()),
        ("event.id", event.event_id.as_str().into()),
        ("event.type", event.event_type.as_str().into()),
        ("event.source", event.source.as_str().into()),
    ];
    attributes.extend(report.status.map(|status| ("delivery.status", u64::from(status).into())));
    Ended {
        begun,
        name: "deliver",
        kind: if matches!(endpoint.target, Target::Http(_)) { Kind::Client } else { Kind::Internal },
        elapsed: report.duration,
        attributes,
        failure: report.outcome.reason().map(Reason::as_str),
    }
}

fn landed(order: &Order, started_at: Millis, accepted_at: Millis, sent: Sent, report: Report) -> Landed {
    Landed {
        lane: order.lane,
        seq: order.seq,
        attempt: order.attempt,
        accepted_at,
        sent: Some(sent),
        note: Box::new(AttemptNote {
            started_at,
            duration_ms: whole_ms(report.duration),
            probe: order.probe,
            status: report.status,
            reason: report.outcome.reason(),
            error: report.error,
            excerpt: report.excerpt.filter(|_| report.outcome != Outcome::Delivered),
        }),
        outcome: report.outcome,
        damage: None,
    }
}

/// An attempt that could not be made: the event could not be read, or its endpoint just went away.
fn unsent(order: &Order, started_at: Millis, failed: Option<Error>) -> Landed {
    let damaged = matches!(failed, Some(Error::Damaged(_) | Error::Log(log::Error::Damaged { .. })));
    let error = failed.map_or_else(
        || "the endpoint or the event is not there any more".to_owned(),
        |error| error.to_string(),
    );
    tracing::error!(seq = order.seq, lane = order.lane, error, "an attempt could not be made");
    Landed {
        lane: order.lane,
        seq: order.seq,
        attempt: order.attempt,
        outcome: Outcome::Unsent,
        accepted_at: started_at,
        sent: None,
        damage: damaged.then(|| error.clone()),
        note: Box::new(AttemptNote {
            started_at,
            duration_ms: 0,
            probe: order.probe,
            status: None,
            reason: Outcome::Unsent.reason(),
            error: Some(error),
            excerpt: None,
        }),
    }
}

fn whole_ms(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}

/// A signed event for a person who wants to see what an endpoint answers: one that stands in no registry, or one
/// that looks like `example`.
pub(super) fn test_event(
    app: &AppSlug,
    endpoint: Arc<Endpoint>,
    example: Option<Example>,
    (now, entropy): (Millis, [u8; 16]),
) -> Option<Attempt> {
    let source = AppSlug::hub();
    let event_id = EventId::new(&uuid::Builder::from_random_bytes(entropy).into_uuid().to_string()).ok()?;
    let (event_type, data) = match example {
        Some(Example { event_type, data }) => (event_type, data),
        None => (
            EventType::new("camino.endpoint_test").ok()?,
            serde_json::json!({ "note": "a test of this endpoint; nothing happened" }),
        ),
    };
    let body = serde_json::json!({
        "eventId": event_id,
        "eventType": event_type.as_str(),
        "timestamp": now.rfc3339(),
        "source": source,
        "organizationId": "camino",
        "data": data,
        "test": true,
    });
    let delivery_id = DeliveryId::derive(&source, &event_id, app, 0);
    Some(Attempt {
        seq: 0,
        delivery_id,
        event_type,
        receiver: app.clone(),
        correlation_id: CorrelationId::derive(&source, &event_id),
        attempt: 1,
        tenant: None,
        body: body.to_string().into(),
        webhook_id: event_id.to_string(),
        idempotency_key: delivery_id.to_string(),
        replay_of: None,
        traceparent: None,
        source,
        event_id,
        endpoint,
        turn: None,
    })
}
