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
use camino_broker::domain::time::Millis;
use camino_broker::hub::Hub;
use camino_broker::telemetry::metrics::Metrics;
use criterion::{BatchSize, BenchmarkId, Throughput};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

/// One at a time, the batches of 1,000 events/s, and the most there is.
const BATCHES: [usize; 4] = [1, 20, 50, 128];
/// Events over which the processor's time is taken.
const COUNTED: usize = 20_000;
/// What the kernel counts time in, in `/proc`.
const TICK: Duration = Duration::from_millis(10);
/// What sqlite writes at a time.
const PAGE_BYTES: usize = 4_096;

struct Source {
    n: usize,
    endpoint: Arc<Endpoint>,
}

impl Source {
    /// The next events of 5,000 customers in 200 organizations, under ids that say nothing of their order:
    /// half of them appointments, a third paid invoices, and a sixth subscriptions.
    fn batch(&mut self, count: usize) -> Vec<Attempt> {
        (0..count).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> Attempt {
        self.n += 1;
        let (n, person) = (self.n, self.n * 7919 % 5_000);
        let at = Millis(1_776_360_000_000 + n as u64).rfc3339();
        let (source, event_type, data): (_, _, Value) = match n % 6 {
            1 | 3 | 5 => (
                "cosmos-pet",
                "appointment.completed",
                json!({
                    "appointmentId": format!("apt_{n}"), "providerId": "vet_1", "clientId": format!("c_{person}"),
                    "amountCents": 65_000, "paymentMethod": "card", "completedAt": at,
                }),
            ),
            0 => (
                "colectiva",
                "subscription.activated",
                json!({ "app": "cosmos-pet", "planId": "pro", "nextBillingDate": "2099-01-01" }),
            ),
            _ => (
                "colectiva",
                "invoice.paid",
                json!({
                    "invoiceId": format!("inv_{n}"), "amount": 650, "currency": "MXN",
                    "customerId": format!("c_{person}"), "paidAt": at,
                }),
            ),
        };
        let source = AppSlug::new(source).unwrap();
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, &n.to_be_bytes());
        let event_id = EventId::new(&id.to_string()).unwrap();
        let body = json!({
            "eventId": event_id, "eventType": event_type, "timestamp": at, "source": source,
            "organizationId": format!("org_{}", n % 200), "data": data,
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

/// What this process has written.
fn written_bytes() -> usize {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let found = io.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok());
    found.unwrap_or(0)
}

fn hub(dir: &TempDir) -> Hub {
    Hub::open(dir.path(), subscribers(&access().unwrap()), Arc::new(Metrics::new().unwrap())).unwrap()
}

/// The processor's time of an event, and what is written for it, from an empty hub on.
fn count(count: usize, source: &mut Source) {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(&dir);
    let batches: Vec<_> = (0..COUNTED / count).map(|_| source.batch(count)).collect();
    let (before, written_before) = (used(), written_bytes());
    for batch in &batches {
        hub.handle(batch).unwrap();
    }
    let (events, written) = (COUNTED / count * count, written_bytes() - written_before);
    let each = used().saturating_sub(before) / u32::try_from(events).unwrap();
    let hundredths = written * 100 / PAGE_BYTES / events;
    let (pages, part) = (hundredths / 100, hundredths % 100);
    println!("hub/processor/{count}: {} µs and {pages}.{part:02} pages written an event", each.as_micros());
}

fn main() {
    let endpoint = Endpoint {
        app: AppSlug::hub(),
        target: Target::Internal,
        timeout: Duration::from_secs(15),
        retry_on: Vec::new(),
    };
    let mut source = Source { n: 0, endpoint: Arc::new(endpoint) };
    let (dir, mut criterion) = (tempfile::tempdir().unwrap(), tempo::criterion());
    let hub = hub(&dir);
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
    criterion.final_summary();

    for size in BATCHES {
        count(size, &mut source);
    }
}
