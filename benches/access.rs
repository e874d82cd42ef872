//! What an answer about a feature costs, from a memory of so many organizations.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop there")]

#[path = "material/tempo.rs"]
mod tempo;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use camino_broker::app::subscribers::{access, subscribers};
use camino_broker::deliver::internal::{Host as _, Verdict};
use camino_broker::deliver::{Attempt, Endpoint, Target};
use camino_broker::domain::id::{AppSlug, CorrelationId, DeliveryId, EventId, EventType};
use camino_broker::domain::time::Millis;
use camino_broker::hub::Hub;
use camino_broker::telemetry::metrics::Metrics;
use criterion::{BenchmarkId, Throughput};
use serde_json::json;

const ORGANIZATIONS: [usize; 3] = [1, 100, 10_000];
/// 2026-04-16.
const NOW: Millis = Millis(1_776_340_000_000);

/// Events that are taken in at a time.
const BATCH: usize = 500;

/// An organization's subscription begins.
fn activated(n: usize, endpoint: &Arc<Endpoint>) -> Attempt {
    let (source, event_id) =
        (AppSlug::new("colectiva").unwrap(), EventId::new(&format!("event-{n}")).unwrap());
    let event_type = EventType::new("subscription.activated").unwrap();
    let body = json!({
        "eventId": event_id, "eventType": event_type, "timestamp": NOW.rfc3339(), "source": source,
        "organizationId": format!("org_{n}"),
        "data": { "app": "cosmos-pet", "planId": "pro", "nextBillingDate": "2099-01-01" },
    });
    Attempt {
        seq: n as u64 + 1,
        delivery_id: DeliveryId::derive(&source, &event_id, &AppSlug::hub(), 0),
        receiver: AppSlug::hub(),
        correlation_id: CorrelationId::derive(&source, &event_id),
        attempt: 1,
        tenant: None,
        body: Bytes::from(body.to_string()),
        webhook_id: String::new(),
        idempotency_key: String::new(),
        replay_of: None,
        traceparent: None,
        endpoint: Arc::clone(endpoint),
        turn: None,
        source,
        event_id,
        event_type,
    }
}

fn main() {
    let endpoint = Arc::new(Endpoint {
        app: AppSlug::hub(),
        target: Target::Internal,
        timeout: Duration::from_secs(15),
        retry_on: Vec::new(),
    });
    let mut criterion = tempo::criterion();
    let mut group = criterion.benchmark_group("access");
    for count in ORGANIZATIONS {
        let (dir, access) = (tempfile::tempdir().unwrap(), access().unwrap());
        let hub = Hub::open(dir.path(), subscribers(&access), Arc::new(Metrics::new().unwrap())).unwrap();
        let begun: Vec<Attempt> = (0..count).map(|n| activated(n, &endpoint)).collect();
        for batch in begun.chunks(BATCH) {
            assert!(hub.handle(batch).unwrap().iter().all(|verdict| *verdict == Verdict::Taken));
        }
        let names: Vec<String> = (0..count).map(|n| format!("org_{n}")).collect();
        for name in &names {
            assert!(access.answer("cosmos-pet", name, "appointments.create", NOW).allowed);
        }
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("answer", count), |bencher| {
            let mut asked = names.iter().cycle();
            bencher.iter(|| {
                let name = asked.next().unwrap();
                let answer = access.answer("cosmos-pet", black_box(name), "appointments.create", NOW);
                black_box((answer.etag(), serde_json::to_vec(&answer).unwrap()))
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
