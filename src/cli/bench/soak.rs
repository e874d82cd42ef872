//! How a long run went over its time: the same numbers for each third of it, so that whatever gets
//! slower or larger shows.

use serde::Serialize;

use super::number::{float, per_second, ratio};

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
    /// What the outbox holds beside payloads.
    pub(super) records_bytes: Option<u64>,
}

impl Sample {
    /// The store for each event so far, but for `beside`.
    fn bytes_per_event(&self, beside: u64) -> f64 {
        ratio(float(self.store_bytes.saturating_sub(beside)), float(self.accepted))
    }
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
    /// The same for each event until then.
    pub(super) store_bytes_per_event: f64,
    /// The same without what the outbox holds beside payloads: dedupe records, and the records since its
    /// last checkpoint.
    pub(super) store_bytes_per_event_without_records: Option<f64>,
}

/// The first and the last of a long run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Soak {
    /// The broker's memory at the first look.
    pub(super) rss_first_bytes: u64,
    /// The same at the last one while events came in.
    pub(super) rss_last_bytes: u64,
    /// The store for each event in the end.
    pub(super) store_bytes_per_event: f64,
    /// The same without dedupe records.
    pub(super) store_bytes_per_event_without_dedupe: Option<f64>,
    /// The dedupe records in the end, counted in the store itself.
    pub(super) dedupe_bytes: Option<u64>,
}

impl Soak {
    /// Of what was seen, with the dedupe records and the whole store in the end; `None` of nothing.
    pub(super) fn of(samples: &[Sample], dedupe_bytes: Option<u64>, store_bytes: u64) -> Option<Self> {
        let (first, last) = (samples.first()?, samples.last()?);
        let end = Sample { store_bytes, ..*last };
        Some(Self {
            rss_first_bytes: first.rss_bytes,
            rss_last_bytes: last.rss_bytes,
            store_bytes_per_event: end.bytes_per_event(0),
            store_bytes_per_event_without_dedupe: dedupe_bytes.map(|bytes| end.bytes_per_event(bytes)),
            dedupe_bytes,
        })
    }
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
        store_bytes_per_event: to.bytes_per_event(0),
        store_bytes_per_event_without_records: to.records_bytes.map(|bytes| to.bytes_per_event(bytes)),
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
            store_bytes: second * 1_000,
            records_bytes: Some(second * 100),
        };
        let samples = [(0, 0), (1, 100), (2, 200), (3, 250), (4, 300), (5, 310), (6, 320)];
        let samples: Vec<_> =
            samples.into_iter().map(|(second, accepted)| sample(second, accepted)).collect();
        let thirds = thirds(&samples);
        let rates: Vec<_> = thirds.iter().map(|third| third.accepted_per_second).collect();
        assert_eq!(rates, [100.0, 50.0, 10.0]);
        assert_eq!(
            (thirds[1].delivered_per_second, thirds[1].rss_bytes, thirds[1].store_bytes),
            (100.0, 4, 4_000)
        );
        let close = |value: f64, wanted: f64| (value - wanted).abs() < 0.01;
        assert!(close(thirds[2].store_bytes_per_event, 6_000.0 / 320.0));
        assert!(close(thirds[2].store_bytes_per_event_without_records.unwrap(), 5_400.0 / 320.0));
        let soak = Soak::of(&samples, Some(640), 6_400).unwrap();
        assert_eq!((soak.rss_first_bytes, soak.rss_last_bytes), (0, 6));
        assert!(close(soak.store_bytes_per_event, 20.0));
        assert!(close(soak.store_bytes_per_event_without_dedupe.unwrap(), 18.0));
        assert_eq!(Soak::of(&[], None, 1), None);
        assert!(super::thirds(&samples[..3]).is_empty());
    }
}
