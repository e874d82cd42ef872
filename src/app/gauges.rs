//! The gauges that are measured, not counted, refreshed every second.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::stores::JOURNAL_FILE;
use crate::runtime::clock::Clock;
use crate::store::folder::free_bytes;
use crate::store::journal::Reader;
use crate::store::outbox::Outbox;
use crate::telemetry::event;
use crate::telemetry::metrics::Metrics;

const EVERY: Duration = Duration::from_secs(1);

/// What is measured, and where it goes.
pub(super) struct Measured {
    pub(super) outbox: Arc<Outbox>,
    pub(super) journal: Arc<Reader>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) store: PathBuf,
    pub(super) free_bytes_min: u64,
}

impl Measured {
    /// Refreshes the gauges until the task is dropped.
    pub(super) async fn run(self) {
        let measured = Arc::new(self);
        loop {
            let now = Arc::clone(&measured);
            // Sizes are asked of the disk, and the engine answers between two commits.
            if let Err(error) = tokio::task::spawn_blocking(move || now.refresh()).await {
                event::GaugesStale { reason: &error.to_string() }.emit();
            }
            measured.clock.sleep(EVERY).await;
        }
    }

    /// Measures everything now.
    pub(super) fn refresh(&self) {
        for (lane, receiver) in (0..).zip(self.outbox.lanes()) {
            let counts = self.outbox.counts(lane);
            let depth = |state: &str, count: u64| {
                self.metrics.queue_depth.with_label_values(&[receiver.as_str(), state]).set(gauge(count));
            };
            depth("pending", counts.open.saturating_sub(counts.waiting + counts.claimed));
            depth("retrying", counts.waiting);
            depth("in_flight", counts.claimed);
            // Shown before the breaker first moves, too.
            self.metrics.breaker_state.with_label_values(&[receiver.as_str()]);
            self.metrics.dead_letters.with_label_values(&[receiver.as_str()]).set(gauge(counts.dead));
            let oldest = counts.oldest_seq.and_then(|seq| self.outbox.load(seq).ok().flatten());
            let age = oldest.map_or(0, |event| self.clock.now().since(event.accepted_at).as_secs());
            self.metrics.queue_oldest_seconds.with_label_values(&[receiver.as_str()]).set(gauge(age));
        }
        let bytes =
            |kind: &str, bytes: u64| self.metrics.store_bytes.with_label_values(&[kind]).set(gauge(bytes));
        if let Ok((stats, held)) = self.outbox.stats() {
            bytes("outbox", stats.disk_bytes);
            bytes("outbox_live", stats.live_bytes);
            bytes("payloads", held);
        }
        for (kind, file) in [("journal", JOURNAL_FILE), ("control", "control.db"), ("hub", crate::hub::FILE)]
        {
            let files = [file.to_owned(), format!("{file}-wal")].map(|file| self.store.join(file));
            bytes(kind, files.iter().flat_map(std::fs::metadata).map(|file| file.len()).sum());
        }
        if let Some(free) = free_bytes(&self.store) {
            self.metrics.store_free_bytes.set(gauge(free));
        }
        self.metrics.store_free_bytes_min.set(gauge(self.free_bytes_min));
        self.metrics.journal_lag_events.set(gauge(self.journal.lag(&self.outbox)));
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
