//! The last minutes in samples, for the lines of the overview.
//!
//! Bounded, in memory: a restart begins anew. Each sample costs a walk over the metrics, nothing else.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::runtime::clock::Clock;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::totals::Totals;

const EVERY: Duration = Duration::from_secs(5);
/// Ten minutes.
const SAMPLES_MAX: usize = 120;

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// When, on the monotonic clock.
    pub at: Duration,
    /// What they said.
    pub totals: Totals,
}

/// The last samples, oldest first.
#[derive(Debug, Default)]
pub struct Samples {
    kept: Mutex<VecDeque<Arc<Sample>>>,
}

impl Samples {
    /// Takes samples until the task is dropped.
    pub async fn run(self: Arc<Self>, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) {
        loop {
            self.add(Sample { at: clock.monotonic(), totals: metrics.totals() });
            clock.sleep(EVERY).await;
        }
    }

    fn add(&self, sample: Sample) {
        let mut kept = self.kept();
        if kept.len() == SAMPLES_MAX {
            kept.pop_front();
        }
        kept.push_back(Arc::new(sample));
    }

    /// All of them, oldest first.
    pub fn all(&self) -> Vec<Arc<Sample>> {
        self.kept().iter().cloned().collect()
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Arc<Sample>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a counter grew by a second, between each two samples.
pub(super) fn rates(samples: &[Arc<Sample>], counter: impl Fn(&Totals) -> u64) -> Vec<f64> {
    let pairs = samples.windows(2);
    pairs.map(|pair| rate(&pair[0], &pair[1], &counter)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(before: &Sample, after: &Sample, counter: impl Fn(&Totals) -> u64) -> f64 {
    let grown = counter(&after.totals).saturating_sub(counter(&before.totals));
    let seconds = after.at.saturating_sub(before.at).as_secs_f64();
    if seconds > 0.0 { grown as f64 / seconds } else { 0.0 }
}

/// Within how many seconds `share` of what came between the two were done; none if nothing came.
pub(super) fn quantile(before: &[(f64, u64)], after: &[(f64, u64)], share: f64) -> Option<f64> {
    let earlier = |at: usize| before.get(at).map_or(0, |(_, count)| *count);
    let grown: Vec<(f64, u64)> = after
        .iter()
        .enumerate()
        .map(|(at, (most, count))| (*most, count.saturating_sub(earlier(at))))
        .collect();
    let total = grown.last().map_or(0, |(_, count)| *count);
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    let reaches = |count: u64| count as f64 >= share * total as f64;
    let found = grown.iter().find(|(_, count)| total > 0 && reaches(*count))?;
    Some(found.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: u64, accepted: u64) -> Sample {
        Sample { at: Duration::from_secs(at), totals: Totals { accepted, ..Totals::default() } }
    }

    #[test]
    fn a_rate_is_what_was_added_a_second() {
        let samples: Vec<_> =
            [sample(0, 10), sample(5, 20), sample(10, 20), sample(10, 30)].map(Arc::new).into();
        assert_eq!(rates(&samples, |totals| totals.accepted), [2.0, 0.0, 0.0]);
        assert!(rates(&samples[..1], |totals| totals.accepted).is_empty());
    }

    #[test]
    fn the_ring_is_bounded() {
        let samples = Samples::default();
        for at in 0..2 * SAMPLES_MAX as u64 {
            samples.add(sample(at, at));
        }
        let all = samples.all();
        assert_eq!((all.len(), all[0].totals.accepted), (SAMPLES_MAX, SAMPLES_MAX as u64));
    }

    #[test]
    fn a_quantile_is_of_what_came_between() {
        let before = [(0.1, 5), (1.0, 5), (f64::INFINITY, 5)];
        let after = [(0.1, 14), (1.0, 15), (f64::INFINITY, 15)];
        assert_eq!(quantile(&before, &after, 0.5), Some(0.1));
        assert_eq!(quantile(&before, &after, 0.95), Some(1.0));
        assert_eq!(quantile(&before, &before, 0.5), None);
        assert_eq!(quantile(&[], &after, 0.5), Some(0.1));
    }
}
