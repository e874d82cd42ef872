//! Every metric of the broker in one struct; a field's doc comment is the metric's help text.
//!
//! Labels only from bounded sets: apps and types of the registry, and words of an enum. Never an id,
//! a URL, or a name that a caller made up.

use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use super::event::IngestResult;

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Answers and commits: from half a millisecond to a few seconds.
const FAST_SECONDS: &[f64] = &[0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
/// One attempt over a network, up to the longest timeout that makes sense.
const ATTEMPT_SECONDS: &[f64] =
    &[0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0];
/// From accepted to delivered: at once, or after a receiver's bad day.
const LAG_SECONDS: &[f64] =
    &[0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 3600.0, 14400.0, 86400.0];
/// Events in one commit, up to the committer's cap.
const COMMIT_EVENTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// How one kind of metric is made and registered.
trait Metric: prometheus::core::Collector + Clone + 'static {
    fn make(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> prometheus::Result<Self>;
}

impl Metric for IntCounterVec {
    fn make(name: &str, help: &str, labels: &[&str], _: &[f64]) -> prometheus::Result<Self> {
        Self::new(Opts::new(name, help), labels)
    }
}

impl Metric for IntGaugeVec {
    fn make(name: &str, help: &str, labels: &[&str], _: &[f64]) -> prometheus::Result<Self> {
        Self::new(Opts::new(name, help), labels)
    }
}

impl Metric for IntGauge {
    fn make(name: &str, help: &str, _: &[&str], _: &[f64]) -> prometheus::Result<Self> {
        Self::new(name, help)
    }
}

impl Metric for Histogram {
    fn make(name: &str, help: &str, _: &[&str], buckets: &[f64]) -> prometheus::Result<Self> {
        Self::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))
    }
}

impl Metric for HistogramVec {
    fn make(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> prometheus::Result<Self> {
        Self::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)
    }
}

macro_rules! metrics {
    ($(#[doc = $help:literal] $field:ident: $kind:ty = $name:literal $labels:expr, $buckets:expr;)+) => {
        /// All metrics, with the registry that renders them. Cheap to share behind an `Arc`.
        #[derive(Clone, Debug)]
        pub struct Metrics {
            registry: Registry,
            $(#[doc = $help] pub $field: $kind,)+
        }

        impl Metrics {
            /// Name, labels and help text of every metric but `process_*`, for the documentation.
            pub const CATALOG: &[(&str, &[&str], &str)] = &[$(($name, &$labels, $help.trim_ascii())),+];

            /// Fresh metrics, all zero, in a registry of their own.
            pub fn new() -> prometheus::Result<Self> {
                let registry = Registry::new();
                registry.register(Box::new(ProcessCollector::for_self()))?;
                $(
                    let $field = <$kind as Metric>::make($name, $help.trim_ascii(), &$labels, $buckets)?;
                    registry.register(Box::new($field.clone()))?;
                )+
                let metrics = Self { registry, $($field,)+ };
                metrics.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
                metrics.begin_at_zero();
                Ok(metrics)
            }
        }
    };
}

metrics! {
    /// Always 1; the label tells which build answers.
    build_info: IntGaugeVec = "camino_build_info" ["version"], &[];
    /// Requests to the ingest endpoints, by how they were answered.
    ingest_requests: IntCounterVec = "camino_ingest_requests_total" ["result"], &[];
    /// Time from an ingest request's last header to its answer.
    ingest_seconds: Histogram = "camino_ingest_seconds" [], FAST_SECONDS;
    /// Events accepted for the first time, by type; `unregistered` for types the registry doesn't know.
    events_accepted: IntCounterVec = "camino_events_accepted_total" ["event_type"], &[];
    /// Time of one durable commit of the outbox, its sync included.
    outbox_commit_seconds: Histogram = "camino_outbox_commit_seconds" [], FAST_SECONDS;
    /// Events in one durable commit of the outbox.
    outbox_commit_events: Histogram = "camino_outbox_commit_events" [], COMMIT_EVENTS;
    /// Deliveries that came to their end, by receiver and outcome.
    deliveries: IntCounterVec = "camino_deliveries_total" ["receiver", "outcome"], &[];
    /// Time of one attempt to deliver.
    delivery_attempt_seconds: HistogramVec = "camino_delivery_attempt_seconds" ["receiver"], ATTEMPT_SECONDS;
    /// Time from an event's acceptance to its delivery.
    delivery_lag_seconds: HistogramVec = "camino_delivery_lag_seconds" ["receiver"], LAG_SECONDS;
    /// Deliveries that wait, by receiver and state.
    queue_depth: IntGaugeVec = "camino_queue_depth" ["receiver", "state"], &[];
    /// Age of the oldest delivery that waits.
    queue_oldest_seconds: IntGaugeVec = "camino_queue_oldest_seconds" ["receiver"], &[];
    /// State of the receiver's breaker: 0 closed, 1 half-open, 2 open.
    breaker_state: IntGaugeVec = "camino_breaker_state" ["receiver"], &[];
    /// Whether the receiver's endpoint may be sent to: 0 yes, 1 paused, 2 disabled or without an address.
    endpoint_blocked: IntGaugeVec = "camino_endpoint_blocked" ["receiver"], &[];
    /// Dead letters that nobody has dealt with yet.
    dead_letters: IntGaugeVec = "camino_dead_letters" ["receiver"], &[];
    /// Size of the data files, by kind.
    store_bytes: IntGaugeVec = "camino_store_bytes" ["kind"], &[];
    /// Free space on the disk of the store, for the process's user.
    store_free_bytes: IntGauge = "camino_store_free_bytes" [], &[];
    /// Free space below which events are refused.
    store_free_bytes_min: IntGauge = "camino_store_free_bytes_min" [], &[];
    /// Events in the outbox that the journal doesn't hold yet.
    journal_lag_events: IntGauge = "camino_journal_lag_events" [], &[];
    /// Events that came to the hub: taken in, refused for good, or failed and to come again.
    hub_events: IntCounterVec = "camino_hub_events_total" ["outcome"], &[];
    /// Events that the hub emitted: relayed, or held back by the loop guard.
    hub_emissions: IntCounterVec = "camino_hub_emissions_total" ["outcome"], &[];
    /// Events that differ from what the registry declares, by source and type.
    drift: IntCounterVec = "camino_drift_total" ["source", "event_type"], &[];
    /// Spans of traces: sent, or dropped because the collector was slow or away.
    trace_spans: IntCounterVec = "camino_trace_spans_total" ["outcome"], &[];
}

impl Metrics {
    /// Shows the counters whose labels are known beforehand: a rate sees the first step only if 0 was there.
    fn begin_at_zero(&self) {
        for result in IngestResult::ALL {
            self.ingest_requests.with_label_values(&[result.as_str()]);
        }
        for outcome in ["taken", "refused", "failed"] {
            self.hub_events.with_label_values(&[outcome]);
        }
        for outcome in ["relayed", "held_back"] {
            self.hub_emissions.with_label_values(&[outcome]);
        }
        for outcome in ["sent", "dropped"] {
            self.trace_spans.with_label_values(&[outcome]);
        }
    }

    /// All metrics in Prometheus' text format. One that has no sample yet is there with its help text,
    /// so that who looks for it sees that nothing happened rather than that it doesn't exist.
    pub fn render(&self) -> String {
        let families = self.registry.gather();
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&families, &mut text) {
            tracing::error!(%error, "metrics can't be rendered");
        }
        for (name, _, help) in Self::CATALOG {
            if families.iter().all(|family| family.name() != *name) {
                text.extend(["# HELP ", name, " ", help, "\n"]);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_and_labels_are_the_documented_ones() {
        let catalog: Vec<String> = Metrics::CATALOG
            .iter()
            .map(|(name, labels, _)| match labels {
                [] => (*name).to_owned(),
                labels => format!("{name}{{{}}}", labels.join(",")),
            })
            .collect();
        assert_eq!(
            catalog,
            [
                "camino_build_info{version}",
                "camino_ingest_requests_total{result}",
                "camino_ingest_seconds",
                "camino_events_accepted_total{event_type}",
                "camino_outbox_commit_seconds",
                "camino_outbox_commit_events",
                "camino_deliveries_total{receiver,outcome}",
                "camino_delivery_attempt_seconds{receiver}",
                "camino_delivery_lag_seconds{receiver}",
                "camino_queue_depth{receiver,state}",
                "camino_queue_oldest_seconds{receiver}",
                "camino_breaker_state{receiver}",
                "camino_endpoint_blocked{receiver}",
                "camino_dead_letters{receiver}",
                "camino_store_bytes{kind}",
                "camino_store_free_bytes",
                "camino_store_free_bytes_min",
                "camino_journal_lag_events",
                "camino_hub_events_total{outcome}",
                "camino_hub_emissions_total{outcome}",
                "camino_drift_total{source,event_type}",
                "camino_trace_spans_total{outcome}",
            ]
        );
        assert!(Metrics::CATALOG.iter().all(|(_, _, help)| help.ends_with('.')));
    }

    #[test]
    fn the_page_carries_build_process_and_help() {
        let metrics = Metrics::new().unwrap();
        metrics.journal_lag_events.set(7);
        let page = metrics.render();
        for line in [
            concat!("camino_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "camino_journal_lag_events 7",
            "# HELP camino_journal_lag_events Events in the outbox that the journal doesn't hold yet.",
            "# TYPE camino_ingest_seconds histogram",
            "# HELP camino_drift_total Events that differ from what the registry declares, by source and type.",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is missing in\n{page}");
        }
        assert!(!cfg!(target_os = "linux") || page.contains("process_resident_memory_bytes"));
    }
}
