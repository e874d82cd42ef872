//! How a long run went over its time: the same numbers for each third of it, so that whatever gets
//! slower or larger shows.

use serde::Serialize;

use super::number::per_second;

/// A look at the run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    /// When, in nanoseconds since the epoch.
    pub(super) at_ns: u64,
    /// Events accepted so far.
    pub(super) accepted: u64,
    /// Deliveries arrived so far.
    pub(super) delivered: u64,
    /// The broker's memory.
    pub(super) rss_bytes: u64,
    /// The store on the disk.
    pub(super) store_bytes: u64,
}

/// One third of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Third {
    /// Events accepted a second.
    pub(super) accepted_per_second: f64,
    /// Deliveries arrived a second.
    pub(super) delivered_per_second: f64,
    /// The broker's memory at its end.
    pub(super) rss_bytes: u64,
    /// The store on the disk at its end.
    pub(super) store_bytes: u64,
}

/// The thirds of what lies between the first and the last of `samples`; none when there are too few.
pub(super) fn thirds(samples: &[Sample]) -> Vec<Third> {
    let Some(steps) = samples.len().checked_sub(1).filter(|steps| *steps >= 3) else { return Vec::new() };
    let edge = |third: usize| samples[third * steps / 3];
    let third = |(from, to): (Sample, Sample)| Third {
        accepted_per_second: per_second(to.accepted.saturating_sub(from.accepted), from.at_ns, to.at_ns),
        delivered_per_second: per_second(to.delivered.saturating_sub(from.delivered), from.at_ns, to.at_ns),
        rss_bytes: to.rss_bytes,
        store_bytes: to.store_bytes,
    };
    (0..3).map(|number| third((edge(number), edge(number + 1)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_third_has_its_own_rates_and_the_sizes_at_its_end() {
        let sample = |second: u64, accepted: u64| Sample {
            at_ns: second * 1_000_000_000,
            accepted,
            delivered: accepted * 2,
            rss_bytes: second,
            store_bytes: second * 10,
        };
        let samples = [(0, 0), (1, 100), (2, 200), (3, 250), (4, 300), (5, 310), (6, 320)];
        let samples: Vec<_> =
            samples.into_iter().map(|(second, accepted)| sample(second, accepted)).collect();
        let thirds = thirds(&samples);
        let rates: Vec<_> = thirds.iter().map(|third| third.accepted_per_second).collect();
        assert_eq!(rates, [100.0, 50.0, 10.0]);
        assert_eq!(
            (thirds[1].delivered_per_second, thirds[1].rss_bytes, thirds[1].store_bytes),
            (100.0, 4, 40)
        );
        assert!(super::thirds(&samples[..3]).is_empty());
    }
}
