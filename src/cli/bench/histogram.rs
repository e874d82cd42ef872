//! Durations counted in buckets less than one per cent wide, so that millions of them take a few
//! kilobytes and those of several processes can be added up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Each power of two is cut into this many buckets, as a power of two itself.
const CUT_BITS: u32 = 7;
const CUT: u64 = 1 << CUT_BITS;

/// Counted durations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Wire", into = "Wire")]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_ns: u64,
}

/// Only the buckets that hold something.
#[derive(Serialize, Deserialize)]
struct Wire {
    buckets: Vec<(usize, u64)>,
    max_ns: u64,
}

impl Histogram {
    /// Counts one.
    pub(super) fn record(&mut self, nanos: u64) {
        self.add(bucket(nanos), 1);
        self.max_ns = self.max_ns.max(nanos);
    }

    /// Counts all that `other` has counted.
    pub(super) fn merge(&mut self, other: &Self) {
        for (index, count) in other.filled() {
            self.add(index, count);
        }
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// What `share` of them, in ten-thousandths, do not exceed; `None` when nothing was counted.
    pub(super) fn quantile(&self, share: u64) -> Option<Duration> {
        let rank = self.total.saturating_mul(share).div_ceil(10_000).max(1);
        let mut seen = 0;
        for (index, count) in self.filled() {
            seen += count;
            if seen >= rank {
                return Some(Duration::from_nanos(ceiling(index).min(self.max_ns)));
            }
        }
        None
    }

    /// The longest.
    pub(super) fn max(&self) -> Option<Duration> {
        (self.total > 0).then(|| Duration::from_nanos(self.max_ns))
    }

    fn add(&mut self, index: usize, count: u64) {
        if self.counts.len() <= index {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] += count;
        self.total += count;
    }

    fn filled(&self) -> impl Iterator<Item = (usize, u64)> {
        self.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0)
    }
}

impl From<Wire> for Histogram {
    fn from(wire: Wire) -> Self {
        let mut read = Self { max_ns: wire.max_ns, ..Self::default() };
        let known = bucket(u64::MAX);
        wire.buckets
            .into_iter()
            .filter(|(index, _)| *index <= known)
            .for_each(|(at, count)| read.add(at, count));
        read
    }
}

impl From<Histogram> for Wire {
    fn from(histogram: Histogram) -> Self {
        Self { buckets: histogram.filled().collect(), max_ns: histogram.max_ns }
    }
}

/// The bucket of `nanos`: exact below `CUT`, then `CUT` buckets for each power of two.
fn bucket(nanos: u64) -> usize {
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(CUT_BITS + 1);
    let index = u64::from(shift) * CUT + (nanos >> shift);
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// The longest duration of the bucket `index`.
fn ceiling(index: usize) -> u64 {
    let index = index as u64;
    let shift = (index / CUT).saturating_sub(1);
    let step = index - shift * CUT;
    let above = u128::from(step + 1) << shift;
    u64::try_from(above - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_are_ranks() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.quantile(5_000), histogram.max()), (None, None));
        (1..=100).for_each(|nanos| histogram.record(nanos));
        for (share, nanos) in [(0, 1), (5_000, 50), (9_900, 99), (9_990, 100), (10_000, 100)] {
            assert_eq!(histogram.quantile(share), Some(Duration::from_nanos(nanos)), "{share}");
        }
        assert_eq!(histogram.max(), Some(Duration::from_nanos(100)));
    }

    proptest! {
        #[test]
        fn a_bucket_is_less_than_a_hundredth_wide(nanos in any::<u64>()) {
            let top = ceiling(bucket(nanos));
            prop_assert!(top >= nanos && top - nanos <= nanos / 100);
            prop_assert_eq!(bucket(top), bucket(nanos));
        }

        #[test]
        fn apart_and_sent_over_it_is_the_same_as_together(
            left in prop::collection::vec(any::<u64>(), 0..50),
            right in prop::collection::vec(any::<u64>(), 0..50),
        ) {
            let of = |values: &[u64]| {
                let mut histogram = Histogram::default();
                for nanos in values {
                    histogram.record(*nanos);
                }
                histogram
            };
            let mut sum = of(&left);
            let sent = serde_json::to_string(&of(&right)).unwrap();
            sum.merge(&serde_json::from_str(&sent).unwrap());
            prop_assert_eq!(sum, of(&[left, right].concat()));
        }
    }
}
