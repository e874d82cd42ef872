//! The spans in which a receiver's backlog was parked, so that parked time ages no delivery.

use std::time::Duration;

use super::time::Millis;

/// Most closed spans remembered; beyond it the two nearest are joined, which only makes deliveries
/// look younger.
pub const SPANS_MAX: usize = 64;

/// When one receiver was parked.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Parked {
    spans: Vec<(Millis, Millis)>,
    since: Option<Millis>,
}

impl Parked {
    /// Parked from `now` on. False if it was already.
    pub fn begin(&mut self, now: Millis) -> bool {
        let begins = self.since.is_none();
        self.since.get_or_insert(now);
        begins
    }

    /// Parked until `now`. False if it was not parked.
    pub fn end(&mut self, now: Millis) -> bool {
        let Some(since) = self.since.take() else { return false };
        self.spans.push((since, now.max(since)));
        if self.spans.len() > SPANS_MAX {
            self.join_nearest();
        }
        true
    }

    /// Since when it is parked, if it is.
    pub fn since(&self) -> Option<Millis> {
        self.since
    }

    /// The age at `now` of what was accepted at `accepted`, parked time left out.
    pub fn age(&self, accepted: Millis, now: Millis) -> Duration {
        let open = self.since.map(|since| (since, now));
        let parked: u64 = self
            .spans
            .iter()
            .copied()
            .chain(open)
            .map(|(from, to)| to.min(now).0.saturating_sub(from.max(accepted).0))
            .sum();
        now.since(accepted).saturating_sub(Duration::from_millis(parked))
    }

    /// The same spans by another clock.
    #[must_use]
    pub fn by(&self, clock: impl Fn(Millis) -> Millis) -> Self {
        let spans = self.spans.iter().map(|(from, to)| (clock(*from), clock(*to))).collect();
        Self { spans, since: self.since.map(clock) }
    }

    fn join_nearest(&mut self) {
        let gap = |at: usize| self.spans[at + 1].0.0.saturating_sub(self.spans[at].1.0);
        if let Some(at) = (0..self.spans.len() - 1).min_by_key(|at| gap(*at)) {
            let (_, to) = self.spans.remove(at + 1);
            self.spans[at].1 = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parked_time_does_not_age() {
        let mut parked = Parked::default();
        assert!(parked.begin(Millis(1000)));
        assert!(!parked.begin(Millis(1500)));
        assert!(parked.end(Millis(3000)));
        assert!(!parked.end(Millis(3000)));
        assert_eq!(parked.age(Millis(0), Millis(4000)), Duration::from_secs(2));
        assert_eq!(parked.age(Millis(2000), Millis(4000)), Duration::from_secs(1));
        parked.begin(Millis(5000));
        assert_eq!(parked.age(Millis(5000), Millis(9000)), Duration::ZERO);
    }

    #[test]
    fn the_memory_of_spans_is_bounded() {
        let mut parked = Parked::default();
        for n in 0..1000 {
            parked.begin(Millis(n * 10));
            parked.end(Millis(n * 10 + 5));
        }
        assert_eq!(parked.spans.len(), SPANS_MAX);
        assert!(parked.age(Millis(0), Millis(10_000)) <= Duration::from_millis(5000));
    }
}
