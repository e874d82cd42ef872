//! The order within one receiver: of deliveries that share a key, only the first goes, in the order of
//! their acceptance; its end lets the next one go.
//!
//! Knows what was claimed and what waits for a retry, at most [`HELD_MAX`] and the outbox's bound of those;
//! what has no key is none of its business. A crash forgets all of it: the keys of what was tried are
//! learned again before anything is claimed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Claimed;

/// Most deliveries that wait for an earlier one of their key. While there are as many, only what is due
/// again is claimed.
pub(super) const HELD_MAX: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Order {
    keys: HashMap<u64, u64>,
    /// What is not over, by key.
    open: HashMap<u64, BTreeSet<u64>>,
    /// Claimed, behind an earlier one of its key.
    held: BTreeMap<u64, Claimed>,
}

impl Order {
    /// Learns the keys of deliveries that are not over.
    pub(super) fn learn(&mut self, keys: &[(u64, u64)]) {
        for (seq, key) in keys {
            self.keys.insert(*seq, *key);
            self.open.entry(*key).or_default().insert(*seq);
        }
    }

    /// Takes a claimed delivery in; gives it back if it may go.
    pub(super) fn take(&mut self, claimed: Claimed) -> Option<Claimed> {
        if self.is_first(claimed.seq) {
            return Some(claimed);
        }
        self.held.insert(claimed.seq, claimed);
        None
    }

    fn is_first(&self, seq: u64) -> bool {
        let Some(key) = self.keys.get(&seq) else { return true };
        self.open.get(key).and_then(BTreeSet::first).is_none_or(|first| *first == seq)
    }

    /// A delivery is over: the next one of its key, if that was held.
    pub(super) fn over(&mut self, seq: u64) -> Option<Claimed> {
        self.held.remove(&seq);
        let key = self.forget(seq)?;
        let next = self.open.get(&key).and_then(BTreeSet::first)?;
        self.held.remove(next)
    }

    /// A delivery is somebody else's again.
    pub(super) fn forget(&mut self, seq: u64) -> Option<u64> {
        let key = self.keys.remove(&seq)?;
        if let Some(open) = self.open.get_mut(&key) {
            open.remove(&seq);
            if open.is_empty() {
                self.open.remove(&key);
            }
        }
        Some(key)
    }

    /// All that is held, which is somebody else's again.
    pub(super) fn give_back(&mut self) -> Vec<Claimed> {
        let held: Vec<Claimed> = std::mem::take(&mut self.held).into_values().collect();
        for claimed in &held {
            self.forget(claimed.seq);
        }
        held
    }

    /// How many are held.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// What is not over and not held.
    pub(super) fn not_held(&self) -> impl Iterator<Item = u64> {
        self.keys.keys().copied().filter(|seq| !self.held.contains_key(seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::Progress;

    fn claimed(seq: u64) -> Claimed {
        Claimed { seq, progress: Progress::default() }
    }

    #[test]
    fn one_of_a_key_goes_at_a_time_in_order() {
        let mut order = Order::default();
        order.learn(&[(1, 7), (2, 7), (3, 8), (4, 7)]);
        let goes: Vec<u64> = [1, 2, 3, 4, 5]
            .map(claimed)
            .into_iter()
            .filter_map(|one| order.take(one))
            .map(|one| one.seq)
            .collect();
        assert_eq!(goes, [1, 3, 5], "the first of each key, and what has none");
        assert_eq!(order.held(), 2);
        assert_eq!(order.over(3), None);
        assert_eq!(order.over(1).map(|one| one.seq), Some(2));
        assert_eq!(order.take(claimed(2)).map(|one| one.seq), Some(2), "a retry is still the first");
        assert_eq!(order.over(2).map(|one| one.seq), Some(4));
        assert_eq!(order.over(4), None);
        assert!(order.keys.is_empty() && order.open.is_empty() && order.held.is_empty());
    }

    #[test]
    fn what_waits_for_a_retry_holds_the_later_ones_back() {
        let mut order = Order::default();
        order.learn(&[(1, 7)]);
        order.learn(&[(2, 7)]);
        assert_eq!(order.take(claimed(2)), None);
        assert_eq!(order.not_held().collect::<Vec<_>>(), [1]);
        assert_eq!(order.over(1).map(|one| one.seq), Some(2), "cancelled while it waited");
    }

    #[test]
    fn what_is_given_back_is_forgotten() {
        let mut order = Order::default();
        order.learn(&[(1, 7), (2, 7), (3, 7)]);
        for seq in 1..=3 {
            order.take(claimed(seq));
        }
        assert_eq!(order.give_back().len(), 2);
        assert_eq!(order.over(1), None);
        assert!(order.keys.is_empty() && order.open.is_empty());
    }
}
