//! What the hub costs for each event, in batches as they come at 1,000 events/s and as they come in a backlog.
//!
//! The time has the sync of the batch in it; the processor's time, which is what the broker pays, is printed
//! beside it.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop there")]
#![expect(clippy::print_stdout, reason = "it tells what it measured")]

#[path = "material/tempo.rs"]
mod tempo;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use camino_broker::app::subscribers::{access, subscribers};
use camino_broker::deliver::internal::{Host as _, Verdict};
use camino_broker::deliver::{Attempt, Endpoint, Target};
use camino_broker::domain::id::{AppSlug, CorrelationId, DeliveryId, EventId, EventType};
use camino_broker::hub::Hub;
use camino_broker::telemetry::metrics::Metrics;
use criterion::{BatchSize, BenchmarkId, Throughput};
use serde_json::{Value, json};

/// One at a time, 20 ms of 1,000 events/s, and the most there is.
const BATCHES: [usize; 3] = [1, 20, 128];
/// Events over which the processor's time is taken.
const COUNTED: usize = 20_000;
/// What the kernel counts time in, in `/proc`.
const TICK: Duration = Duration::from_millis(10);

struct Source {
    n: usize,
    endpoint: Arc<Endpoint>,
}

impl Source {
    /// The next events: orders, appointments and their like, of 5,000 customers.
    fn batch(&mut self, count: usize) -> Vec<Attempt> {
        (0..count).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> Attempt {
        self.n += 1;
        let (n, person) = (self.n, self.n * 7919 % 5_000);
        let (source, event_type, data): (_, _, Value) = match n % 4 {
            0 => (
                "cosmos-pet",
                "appointment.completed",
                json!({
                    "appointmentId": format!("apt_{n}"), "providerId": "vet_1", "clientId": format!("c_{person}"),
                    "amountCents": 65_000, "paymentMethod": "card", "completedAt": "2026-04-16T17:45:00.000Z",
                }),
            ),
            1 => (
                "caracol",
                "caracol.order.created",
                json!({
                    "orderId": format!("ord_{n}"), "tenantId": "vinos", "branchId": "roma", "total": 2380,
                    "customerId": format!("c_{person}"), "currency": "MXN", "status": "preparing",
                }),
            ),
            2 => (
                "caracol",
                "caracol.order.status_changed",
                json!({
                    "orderId": format!("ord_{}", n - 1), "previousStatus": "preparing", "newStatus": "ready",
                }),
            ),
            _ => (
                "caracol",
                "customer.created",
                json!({
                    "customerId": format!("c_{person}"), "name": format!("Ana Luna {person}"),
                    "email": format!("ana{person}@example.com"),
                }),
            ),
        };
        let (source, event_id) =
            (AppSlug::new(source).unwrap(), EventId::new(&format!("event-{n}")).unwrap());
        let body = json!({
            "eventId": event_id, "eventType": event_type, "timestamp": "2026-04-16T18:00:00.000Z", "source": source,
            "organizationId": format!("org_{}", n % 50), "data": data,
        });
        Attempt {
            seq: n as u64,
            delivery_id: DeliveryId::derive(&source, &event_id, &AppSlug::hub(), 0),
            event_type: EventType::new(event_type).unwrap(),
            receiver: AppSlug::hub(),
            correlation_id: CorrelationId::derive(&source, &event_id),
            attempt: 1,
            tenant: None,
            body: Bytes::from(body.to_string()),
            webhook_id: String::new(),
            idempotency_key: String::new(),
            replay_of: None,
            traceparent: None,
            endpoint: Arc::clone(&self.endpoint),
            turn: None,
            source,
            event_id,
        }
    }
}

/// The processor's time that this process has used.
fn used() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    TICK * (ticks(11) + ticks(12))
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let hub =
        Hub::open(dir.path(), subscribers(&access().unwrap()), Arc::new(Metrics::new().unwrap())).unwrap();
    let endpoint = Endpoint {
        app: AppSlug::hub(),
        target: Target::Internal,
        timeout: Duration::from_secs(15),
        retry_on: Vec::new(),
    };
    let mut source = Source { n: 0, endpoint: Arc::new(endpoint) };
    let mut criterion = tempo::criterion();
    let mut group = criterion.benchmark_group("hub");
    for count in BATCHES {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("take", count), |bencher| {
            let take = |batch: Vec<Attempt>| {
                assert!(hub.handle(&batch).unwrap().iter().all(|verdict| *verdict == Verdict::Taken));
            };
            bencher.iter_batched(|| source.batch(count), take, BatchSize::PerIteration);
        });
    }
    group.finish();
    for count in BATCHES {
        let batches: Vec<_> = (0..COUNTED / count).map(|_| source.batch(count)).collect();
        let before = used();
        for batch in &batches {
            hub.handle(batch).unwrap();
        }
        let each = used().saturating_sub(before) / u32::try_from(COUNTED / count * count).unwrap();
        println!("hub/processor/{count}: {} µs an event", each.as_micros());
    }
    criterion.final_summary();
}
