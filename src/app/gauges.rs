//! The gauges that are measured, not counted, refreshed every second.

use std::sync::Arc;
use std::time::Duration;

use crate::runtime::clock::Clock;
use crate::store::outbox::Outbox;
use crate::telemetry::metrics::Metrics;

const EVERY: Duration = Duration::from_secs(1);

/// Refreshes the gauges until the task is dropped.
pub(super) async fn run(outbox: Arc<Outbox>, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) {
    loop {
        refresh(&outbox, &metrics, clock.as_ref());
        clock.sleep(EVERY).await;
    }
}

fn refresh(outbox: &Outbox, metrics: &Metrics, clock: &dyn Clock) {
    for (lane, receiver) in (0..).zip(outbox.lanes()) {
        let counts = outbox.counts(lane);
        let depth = |state: &str, count: u64| {
            metrics.queue_depth.with_label_values(&[receiver.as_str(), state]).set(gauge(count));
        };
        depth("pending", counts.open.saturating_sub(counts.waiting + counts.claimed));
        depth("retrying", counts.waiting);
        depth("in_flight", counts.claimed);
        metrics.dead_letters.with_label_values(&[receiver.as_str()]).set(gauge(counts.dead));
        let oldest = counts.oldest_seq.and_then(|seq| outbox.cached(seq));
        let age = oldest.map_or(0, |event| clock.now().since(event.accepted_at).as_secs());
        metrics.queue_oldest_seconds.with_label_values(&[receiver.as_str()]).set(gauge(age));
    }
    if let Ok((stats, held)) = outbox.stats() {
        metrics.store_bytes.with_label_values(&["outbox"]).set(gauge(stats.disk_bytes));
        metrics.store_bytes.with_label_values(&["outbox_live"]).set(gauge(stats.live_bytes));
        metrics.store_bytes.with_label_values(&["payloads"]).set(gauge(held));
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
