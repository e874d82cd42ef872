//! Which events have arrived at which endpoint, a bit for each, and how long they took.

use super::body::Label;
use super::histogram::Histogram;
use super::protocol::Tally;

/// An event's number beyond this is no number: it would take a gigabyte to note it.
const NUMBER_MAX: u64 = 1 << 33;

/// All arrivals since a run began.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// A row of bits for each endpoint, by the event's number.
    seen: Vec<Vec<u64>>,
    tally: Tally,
    latency: Histogram,
}

impl Ledger {
    /// Nothing has arrived yet at `endpoints`.
    pub(super) fn new(endpoints: usize) -> Self {
        Self { seen: vec![Vec::new(); endpoints], ..Self::default() }
    }

    /// A request was answered with an error on purpose.
    pub(super) fn failed(&mut self) {
        self.tally.failed += 1;
    }

    /// A request came that is no event of this run.
    pub(super) fn strange(&mut self) {
        self.tally.strange += 1;
    }

    /// An event arrived at an endpoint.
    pub(super) fn arrived(&mut self, endpoint: usize, label: Label, now_ns: u64) {
        let Some(row) = self.seen.get_mut(endpoint).filter(|_| label.number < NUMBER_MAX) else {
            return self.strange();
        };
        let (Ok(word), bit) = (usize::try_from(label.number / 64), 1 << (label.number % 64)) else {
            return self.strange();
        };
        if row.len() <= word {
            row.resize(word + 1, 0);
        }
        if row[word] & bit != 0 {
            self.tally.repeated += 1;
            return;
        }
        row[word] |= bit;
        if self.tally.arrived == 0 {
            self.tally.first_ns = now_ns;
        }
        self.tally.arrived += 1;
        self.tally.last_ns = now_ns;
        self.latency.record(now_ns.saturating_sub(label.sent_ns));
    }

    /// The counts.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// How long they took.
    pub(super) fn latency(&self) -> &Histogram {
        &self.latency
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_first_arrival_counts_and_the_others_are_repeats() {
        let mut ledger = Ledger::new(2);
        for (endpoint, number, now_ns) in [(0, 5, 30), (1, 5, 40), (0, 500, 50), (1, 5, 60)] {
            ledger.arrived(endpoint, Label { number, sent_ns: 20 }, now_ns);
        }
        ledger.arrived(2, Label { number: 1, sent_ns: 1 }, 70);
        ledger.arrived(0, Label { number: u64::MAX, sent_ns: 1 }, 70);
        ledger.failed();
        let wanted = Tally { arrived: 3, repeated: 1, failed: 1, strange: 2, first_ns: 30, last_ns: 50 };
        assert_eq!(ledger.tally(), wanted);
        assert_eq!(ledger.latency().max(), Some(Duration::from_nanos(30)));
    }
}
