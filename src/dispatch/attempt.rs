//! One attempt as a task: load the event, send it, report.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::Parts;
use crate::deliver::{Attempt, Endpoint, Report};
use crate::domain::id::{AppSlug, CorrelationId, DeliveryId, EventId, EventType};
use crate::domain::outcome::{Outcome, Reason};
use crate::domain::scheduler::LaneId;
use crate::domain::time::Millis;
use crate::runtime::task::TaskKind;
use crate::store::outbox::record::{AttemptNote, StoredEvent};
use crate::telemetry::event;

/// What to send.
pub(super) struct Order {
    pub(super) lane: LaneId,
    pub(super) seq: u64,
    pub(super) attempt: u16,
    pub(super) probe: bool,
    pub(super) receiver: Option<AppSlug>,
    pub(super) endpoint: Option<Arc<Endpoint>>,
}

/// An attempt that has ended.
pub(super) struct Landed {
    pub(super) lane: LaneId,
    pub(super) seq: u64,
    pub(super) attempt: u16,
    pub(super) outcome: Outcome,
    pub(super) accepted_at: Millis,
    pub(super) delivery_id: Option<DeliveryId>,
    pub(super) event_id: Option<EventId>,
    pub(super) note: AttemptNote,
}

/// Starts the task. It always reports, unless it panics: then its lease ends it.
pub(super) fn start(parts: &Parts, report_to: mpsc::Sender<Landed>, order: Order) {
    let (sink, outbox, clock) =
        (Arc::clone(&parts.sink), Arc::clone(&parts.outbox), Arc::clone(&parts.clock));
    let metrics = Arc::clone(&parts.metrics);
    parts.tasks.spawn(TaskKind::Attempt, async move {
        let started_at = clock.now();
        let event = if let Some(event) = outbox.cached(order.seq) {
            Ok(Some(event))
        } else {
            let seq = order.seq;
            let read = tokio::task::spawn_blocking(move || outbox.load(seq)).await;
            read.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
        };
        let landed = match (event, &order.receiver, &order.endpoint) {
            (Ok(Some(event)), Some(receiver), Some(endpoint)) => {
                let attempt = attempt(&event, receiver, endpoint, order.attempt);
                let delivery_id = attempt.delivery_id;
                let report = sink.send(attempt).await;
                event::AttemptFinished {
                    receiver,
                    delivery_id,
                    attempt: order.attempt.into(),
                    status: report.status,
                    failure: report.outcome.reason().map(Reason::as_str),
                    elapsed: report.duration,
                }
                .emit(&metrics);
                landed(&order, started_at, &event, delivery_id, report)
            }
            (event, ..) => unsent(&order, started_at, event.err().map(|error| error.to_string())),
        };
        // The dispatcher outlives its attempts; if it is gone, the delivery is simply still open.
        let _ = report_to.send(landed).await;
    });
}

fn attempt(event: &StoredEvent, receiver: &AppSlug, endpoint: &Arc<Endpoint>, number: u16) -> Attempt {
    let delivery_id = event.delivery_id(receiver);
    let first_id = DeliveryId::derive(&event.source, &event.event_id, receiver, 0);
    let as_new = event.replay.is_some_and(|replay| replay.as_new);
    Attempt {
        delivery_id,
        event_id: event.event_id.clone(),
        event_type: event.event_type.clone(),
        source: event.source.clone(),
        receiver: receiver.clone(),
        correlation_id: event.correlation.clone(),
        attempt: number.into(),
        body: event.body.clone(),
        webhook_id: if as_new { delivery_id.to_string() } else { event.event_id.to_string() },
        idempotency_key: if as_new { delivery_id } else { first_id }.to_string(),
        replay_of: event.replay.map(|replay| replay.of),
        traceparent: event.traceparent.clone(),
        endpoint: Arc::clone(endpoint),
    }
}

fn landed(
    order: &Order,
    started_at: Millis,
    event: &StoredEvent,
    delivery_id: DeliveryId,
    report: Report,
) -> Landed {
    Landed {
        lane: order.lane,
        seq: order.seq,
        attempt: order.attempt,
        accepted_at: event.accepted_at,
        delivery_id: Some(delivery_id),
        event_id: Some(event.event_id.clone()),
        note: AttemptNote {
            started_at,
            duration_ms: whole_ms(report.duration),
            probe: order.probe,
            status: report.status,
            reason: report.outcome.reason(),
            error: report.error,
            excerpt: report.excerpt.filter(|_| report.outcome != Outcome::Delivered),
        },
        outcome: report.outcome,
    }
}

/// An attempt that could not be made: the event could not be read, or its endpoint just went away.
fn unsent(order: &Order, started_at: Millis, error: Option<String>) -> Landed {
    let error = error.unwrap_or_else(|| "the endpoint or the event is not there any more".to_owned());
    tracing::error!(seq = order.seq, lane = order.lane, error, "an attempt could not be made");
    let reason = Reason::Connect;
    Landed {
        lane: order.lane,
        seq: order.seq,
        attempt: order.attempt,
        outcome: Outcome::Retry { reason, retry_after: None },
        accepted_at: started_at,
        delivery_id: None,
        event_id: None,
        note: AttemptNote {
            started_at,
            duration_ms: 0,
            probe: order.probe,
            status: None,
            reason: Some(reason),
            error: Some(error),
            excerpt: None,
        },
    }
}

fn whole_ms(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}

/// A signed event that stands in no registry, for a person who wants to see what an endpoint answers.
pub(super) fn test_event(
    app: &AppSlug,
    endpoint: Arc<Endpoint>,
    now: Millis,
    entropy: [u8; 16],
) -> Option<Attempt> {
    let source = AppSlug::new("camino").ok()?;
    let event_id = EventId::new(&uuid::Builder::from_random_bytes(entropy).into_uuid().to_string()).ok()?;
    let body = serde_json::json!({
        "eventId": event_id,
        "eventType": "camino.endpoint_test",
        "timestamp": now.rfc3339(),
        "source": source,
        "organizationId": "camino",
        "data": { "note": "a test of this endpoint; nothing happened" },
    });
    let delivery_id = DeliveryId::derive(&source, &event_id, app, 0);
    Some(Attempt {
        delivery_id,
        event_type: EventType::new("camino.endpoint_test").ok()?,
        receiver: app.clone(),
        correlation_id: CorrelationId::derive(&source, &event_id),
        attempt: 1,
        body: body.to_string().into(),
        webhook_id: event_id.to_string(),
        idempotency_key: delivery_id.to_string(),
        replay_of: None,
        traceparent: None,
        source,
        event_id,
        endpoint,
    })
}
