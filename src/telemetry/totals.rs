//! The metrics read back, for the pages that draw them.
//!
//! Never counts anything itself.

use std::collections::BTreeMap;

use prometheus::core::Collector;
use prometheus::proto::{LabelPair, Metric, MetricFamily};

use super::metrics::Metrics;

/// What was counted since the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Events accepted.
    pub accepted: u64,
    /// Deliveries that arrived.
    pub delivered: u64,
    /// Deliveries that failed for good.
    pub dead: u64,
    /// Events that the journal doesn't show yet.
    pub journal_lag: u64,
    /// By receiver.
    pub receivers: BTreeMap<String, ReceiverTotals>,
}

/// What was counted of one receiver.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceiverTotals {
    /// Deliveries that arrived.
    pub delivered: u64,
    /// Deliveries that failed for good.
    pub dead: u64,
    /// Deliveries that wait now, in whatever way.
    pub waiting: u64,
    /// Age of the oldest of them, in seconds.
    pub oldest_s: u64,
    /// From acceptance to delivery: how many took at most so many seconds.
    pub lag: Vec<(f64, u64)>,
    /// One attempt: how many took at most so many seconds.
    pub attempts: Vec<(f64, u64)>,
}

impl Metrics {
    /// What stands in the counters now.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals {
            accepted: each(&self.events_accepted).iter().map(counted).sum(),
            journal_lag: u64::try_from(self.journal_lag_events.get()).unwrap_or(0),
            ..Totals::default()
        };
        for metric in each(&self.deliveries) {
            let (count, of) = (counted(&metric), receiver(&mut totals, &metric));
            match label(&metric, "outcome") {
                "delivered" => of.delivered += count,
                "dead" => of.dead += count,
                _ => {}
            }
        }
        for metric in each(&self.queue_depth) {
            receiver(&mut totals, &metric).waiting += gauged(&metric);
        }
        for metric in each(&self.queue_oldest_seconds) {
            receiver(&mut totals, &metric).oldest_s = gauged(&metric);
        }
        for metric in each(&self.delivery_lag_seconds) {
            receiver(&mut totals, &metric).lag = buckets(&metric);
        }
        for metric in each(&self.delivery_attempt_seconds) {
            receiver(&mut totals, &metric).attempts = buckets(&metric);
        }
        totals.delivered = totals.receivers.values().map(|of| of.delivered).sum();
        totals.dead = totals.receivers.values().map(|of| of.dead).sum();
        totals
    }
}

fn each(collector: &impl Collector) -> Vec<Metric> {
    collector.collect().iter().flat_map(MetricFamily::get_metric).cloned().collect()
}

fn label<'a>(metric: &'a Metric, name: &str) -> &'a str {
    metric.get_label().iter().find(|pair| pair.name() == name).map_or("", LabelPair::value)
}

fn receiver<'a>(totals: &'a mut Totals, metric: &Metric) -> &'a mut ReceiverTotals {
    totals.receivers.entry(label(metric, "receiver").to_owned()).or_default()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counters hold whole numbers, and `as` bounds what is not one"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

fn counted(metric: &Metric) -> u64 {
    whole(metric.get_counter().get_value())
}

fn gauged(metric: &Metric) -> u64 {
    whole(metric.get_gauge().get_value())
}

fn buckets(metric: &Metric) -> Vec<(f64, u64)> {
    let histogram = metric.get_histogram();
    let mut buckets: Vec<_> = histogram
        .get_bucket()
        .iter()
        .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
        .collect();
    buckets.push((f64::INFINITY, histogram.get_sample_count()));
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_read_back_by_receiver() {
        let metrics = Metrics::new().unwrap();
        metrics.events_accepted.with_label_values(&["a"]).inc_by(3);
        metrics.events_accepted.with_label_values(&["b"]).inc();
        metrics.deliveries.with_label_values(&["mancha", "delivered"]).inc_by(2);
        metrics.deliveries.with_label_values(&["baul", "dead"]).inc();
        metrics.queue_depth.with_label_values(&["baul", "pending"]).set(4);
        metrics.queue_depth.with_label_values(&["baul", "retrying"]).set(1);
        metrics.delivery_lag_seconds.with_label_values(&["mancha"]).observe(0.03);
        let totals = metrics.totals();
        assert_eq!((totals.accepted, totals.delivered, totals.dead), (4, 2, 1));
        assert_eq!((totals.receivers["baul"].waiting, totals.receivers["mancha"].waiting), (5, 0));
        let lag = &totals.receivers["mancha"].lag;
        assert_eq!(lag.iter().find(|(most, _)| *most >= 0.05), Some(&(0.05, 1)));
        assert_eq!(lag.last(), Some(&(f64::INFINITY, 1)));
    }
}
