//! What is logged at which level, and what it counts.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::domain::id::{AppSlug, CorrelationId, DeliveryId, EventId, EventType};
use crate::telemetry::Metrics;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The lines that `emit` writes at `info` and above.
fn at_info(emit: impl FnOnce(&Metrics)) -> (String, String) {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .without_time()
        .with_writer(lines.clone())
        .finish();
    let metrics = Metrics::new().unwrap();
    tracing::subscriber::with_default(subscriber, || emit(&metrics));
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    (text, metrics.render())
}

fn names() -> (AppSlug, AppSlug, EventId, EventType) {
    (
        AppSlug::new("bloom").unwrap(),
        AppSlug::new("care").unwrap(),
        EventId::new("e-1").unwrap(),
        EventType::new("payment.completed").unwrap(),
    )
}

#[test]
fn the_path_of_a_delivered_event_is_quiet_at_info_and_counted() {
    let (source, receiver, event_id, event_type) = names();
    let delivery_id = DeliveryId::derive(&source, &event_id, &receiver, 0);
    let correlation_id = CorrelationId::derive(&source, &event_id);
    let elapsed = Duration::from_millis(3);
    let (log, page) = at_info(|metrics| {
        let accepted = EventAccepted {
            source: &source,
            event_id: &event_id,
            event_type: &event_type,
            registered: true,
            deliveries: 1,
            correlation_id: &correlation_id,
        };
        accepted.emit(metrics);
        EventAccepted { registered: false, ..accepted }.emit(metrics);
        CommitDone { events: 2, bytes: 100, elapsed }.emit(metrics);
        let result = IngestResult::Accepted;
        IngestAnswered { result, code: None, elapsed, correlation_id: Some(&correlation_id) }.emit(metrics);
        AttemptFinished {
            receiver: &receiver,
            delivery_id,
            attempt: 1,
            status: Some(200),
            failure: None,
            elapsed,
        }
        .emit(metrics);
        DeliveryTerminal {
            receiver: &receiver,
            delivery_id,
            event_id: &event_id,
            outcome: Terminal::Delivered,
            reason: None,
            attempts: 1,
            lag: elapsed,
        }
        .emit(metrics);
        DriftFound { source: &source, event_type: &event_type, field: "/amount" }.emit(metrics);
    });
    assert_eq!(log, "");
    for line in [
        "camino_events_accepted_total{event_type=\"payment.completed\"} 1",
        "camino_events_accepted_total{event_type=\"unregistered\"} 1",
        "camino_outbox_commit_events_sum 2",
        "camino_ingest_requests_total{result=\"accepted\"} 1",
        "camino_ingest_seconds_count 1",
        "camino_delivery_attempt_seconds_count{receiver=\"care\"} 1",
        "camino_deliveries_total{outcome=\"delivered\",receiver=\"care\"} 1",
        "camino_delivery_lag_seconds_count{receiver=\"care\"} 1",
        "camino_drift_total{event_type=\"payment.completed\",source=\"bloom\"} 1",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is missing in\n{page}");
    }
}

#[test]
fn what_a_person_should_see_is_one_line_each() {
    let (source, receiver, event_id, _) = names();
    let delivery_id = DeliveryId::derive(&source, &event_id, &receiver, 0);
    let (log, page) = at_info(|metrics| {
        BreakerChanged { receiver: &receiver, state: BreakerState::Open }.emit(metrics);
        EndpointDisabled { receiver: &receiver, reason: "gone" }.emit(metrics);
        DeliveryTerminal {
            receiver: &receiver,
            delivery_id,
            event_id: &event_id,
            outcome: Terminal::Dead,
            reason: Some("rejected"),
            attempts: 1,
            lag: Duration::from_secs(1),
        }
        .emit(metrics);
        RegistryRefused { reason: "events/payment.toml: no type" }.emit(metrics);
        DrainStarted { bound: Duration::from_secs(20) }.emit(metrics);
        DrainEnded { cut: &["attempt"], orphans: &[] }.emit(metrics);
    });
    assert_eq!(log.lines().count(), 6, "{log}");
    for part in [
        "WARN camino_broker::telemetry::event::delivery: breaker changed breaker.receiver=\"care\" \
         breaker.state=\"open\"",
        "endpoint.reason=\"gone\"",
        "delivery is dead",
        "registry refused",
        "drain.bound_ms=20000",
        "drain.cut=[\"attempt\"]",
    ] {
        assert!(log.contains(part), "{part} is missing in\n{log}");
    }
    assert!(page.contains("camino_breaker_state{receiver=\"care\"} 2"));
    assert!(page.contains("camino_deliveries_total{outcome=\"dead\",receiver=\"care\"} 1"));
    assert!(!page.contains("camino_delivery_lag_seconds_count"), "only what arrived has a lag");
}
