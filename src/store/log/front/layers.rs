//! What lies over the engine's rows in memory: the table that takes commits, and the frozen one that goes down. Pure.
//!
//! A row that comes and goes while it is here leaves no trace: most do. That takes knowing that nothing below has a row
//! under its key, which is told by the edge alone: how far the keys below go in each space. A key beyond it is nowhere
//! below; of any other key it is assumed. Never changes a table that is frozen.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::record::Changed;
use crate::store::log::engine::Room;
use crate::store::log::row::{Key, RowId, Space};

/// What a row costs in memory besides its value, about.
const ROW_COST_BYTES: usize = 13 + 83;

/// A row in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// It is here, and nothing below is.
    Fresh(Bytes),
    /// It is here, in the place of what may be below.
    Put(Bytes),
    /// It is gone, and what may be below is too.
    Removed,
}

impl Slot {
    /// The row, or that there is none.
    pub fn value(&self) -> Option<&Bytes> {
        match self {
            Self::Fresh(value) | Self::Put(value) => Some(value),
            Self::Removed => None,
        }
    }
}

/// What the tables say of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look<'a> {
    /// This is its row.
    Here(&'a Bytes),
    /// It has none, wherever.
    Nowhere,
    /// What is below says.
    Below,
}

/// Rows over what is below, in key order.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<Key, Slot>,
    bytes: usize,
}

impl Table {
    /// What it takes in memory, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many rows it has, put or removed.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Its rows from `start` to `last`.
    pub fn range(&self, start: Bound<&Key>, last: &Key) -> impl Iterator<Item = (&Key, &Slot)> {
        let is_empty = match start {
            Bound::Included(start) => start > last,
            Bound::Excluded(start) => start >= last,
            Bound::Unbounded => false,
        };
        // An empty range would be a panic.
        let range = (!is_empty).then(|| self.rows.range::<Key, _>((start, Bound::Included(last))));
        range.into_iter().flatten()
    }

    /// All of its rows.
    pub fn rows(&self) -> impl Iterator<Item = (&Key, &Slot)> {
        self.rows.iter()
    }

    fn set(&mut self, key: Key, slot: Slot) {
        self.bytes += cost(&slot);
        if let Some(before) = self.rows.insert(key, slot) {
            self.bytes -= cost(&before);
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(before) = self.rows.remove(key) {
            self.bytes -= cost(&before);
        }
    }

    fn apply(&mut self, key: Key, value: Option<Bytes>, edge: Option<&Edge>) {
        let may_be_below = match self.rows.get(&key) {
            Some(slot) => !matches!(slot, Slot::Fresh(_)),
            None => !edge.is_some_and(|edge| edge.is_beyond(&key)),
        };
        match value {
            Some(value) if may_be_below => self.set(key, Slot::Put(value)),
            Some(value) => self.set(key, Slot::Fresh(value)),
            None if may_be_below => self.set(key, Slot::Removed),
            None => self.forget(&key),
        }
    }
}

fn cost(slot: &Slot) -> usize {
    ROW_COST_BYTES + slot.value().map_or(0, Bytes::len)
}

/// How far the keys below go, space by space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Edge([Option<Key>; Space::ALL.len()]);

impl Edge {
    /// There is a row below under `key`.
    pub fn raise(&mut self, key: &Key) {
        if let Some(edge) = self.0.get_mut(usize::from(key[0])) {
            *edge = (*edge).max(Some(*key));
        }
    }

    /// Whether nothing below has a row under `key`. If not, that is not known.
    fn is_beyond(&self, key: &Key) -> bool {
        self.0.get(usize::from(key[0])).is_some_and(|edge| Some(*key) > *edge)
    }
}

/// Rows put or removed, in key order, and the key up to which that is all.
pub(super) struct Overlay {
    pub rows: Changed,
    pub until: Key,
}

/// Both tables.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub active: Table,
    pub frozen: Option<Arc<Table>>,
    /// `None` while it is not known.
    pub edge: Option<Edge>,
    /// How often a table was frozen. While it stays, the engine gets nothing but what is frozen now.
    pub freezes: u64,
}

impl Layers {
    /// Takes a durable row in, or that it is gone.
    pub fn apply(&mut self, key: Key, value: Option<Bytes>) {
        self.active.apply(key, value, self.edge.as_ref());
    }

    /// The table that took commits so far goes down from now on. `None`, and nothing is changed, if another is on its way.
    pub fn freeze(&mut self) -> Option<Arc<Table>> {
        if self.frozen.is_some() {
            return None;
        }
        let frozen = Arc::new(std::mem::take(&mut self.active));
        if let Some(edge) = &mut self.edge {
            for space in Space::ALL {
                let last = RowId::last(space).key();
                let rows = frozen.rows.range(RowId::first(space, 0).key()..=last).rev();
                if let Some((key, _)) = rows.into_iter().find(|(_, slot)| slot.value().is_some()) {
                    edge.raise(key);
                }
            }
        }
        self.frozen = Some(Arc::clone(&frozen));
        self.freezes += 1;
        Some(frozen)
    }

    /// What was frozen is below.
    pub fn thaw(&mut self) {
        self.frozen = None;
    }

    /// Forgets removals of rows that never came down from the frozen table, and under which nothing is. Only after
    /// [`thaw`](Self::thaw): that table has the rows themselves.
    pub fn forget(&mut self, spared: &[Key]) {
        debug_assert!(self.frozen.is_none(), "the rows would be back");
        for key in spared {
            if self.is_removed(key) {
                self.active.forget(key);
            }
        }
    }

    /// Where the row under `key` is.
    pub fn look(&self, key: &Key) -> Look<'_> {
        let frozen = || self.frozen.as_ref().and_then(|frozen| frozen.rows.get(key));
        let is_beyond = || self.edge.as_ref().is_some_and(|edge| edge.is_beyond(key));
        match self.active.rows.get(key).or_else(frozen) {
            Some(slot) => slot.value().map_or(Look::Nowhere, Look::Here),
            None if is_beyond() => Look::Nowhere,
            None => Look::Below,
        }
    }

    /// Whether `key` was removed since the frozen table took it.
    pub fn is_removed(&self, key: &Key) -> bool {
        self.active.rows.get(key) == Some(&Slot::Removed)
    }

    /// Both tables as one, from `start` to `last`, as much as fits into `room`.
    pub fn overlay(&self, start: Bound<&Key>, last: &Key, room: Room) -> Overlay {
        let mut active = self.active.range(start, last).peekable();
        let frozen = self.frozen.iter().flat_map(|frozen| frozen.range(start, last));
        let mut frozen = frozen.peekable();
        let (mut rows, mut bytes) = (Vec::new(), 0);
        loop {
            let next = match (active.peek(), frozen.peek()) {
                (Some((above, _)), Some((below, _))) if above == below => {
                    frozen.next();
                    active.next()
                }
                (Some((above, _)), Some((below, _))) if below < above => frozen.next(),
                (Some(_), _) => active.next(),
                (None, _) => frozen.next(),
            };
            let Some((key, slot)) = next else { return Overlay { rows, until: *last } };
            bytes += slot.value().map_or(0, Bytes::len);
            rows.push((*key, slot.value().cloned()));
            if rows.len() >= room.rows || bytes >= room.bytes {
                return Overlay { rows, until: *key };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(commit: u64) -> Key {
        RowId::first(Space::Moves, commit).key()
    }

    fn slots(table: &Table) -> Vec<(u64, Slot)> {
        table.rows().map(|(key, slot)| (RowId::from_key(key).unwrap().commit, slot.clone())).collect()
    }

    /// Nothing, over rows up to `commit`.
    fn over(commit: u64) -> Layers {
        let mut edge = Edge::default();
        edge.raise(&key(commit));
        Layers { edge: Some(edge), ..Layers::default() }
    }

    const VALUE: Bytes = Bytes::from_static(b"value");

    #[test]
    fn what_comes_and_goes_beyond_the_edge_leaves_no_trace() {
        let mut layers = over(5);
        for commit in [4, 5, 6] {
            layers.apply(key(commit), Some(VALUE));
        }
        let [put, fresh] = [Slot::Put(VALUE), Slot::Fresh(VALUE)];
        assert_eq!(slots(&layers.active), [(4, put.clone()), (5, put), (6, fresh)]);
        for commit in [3, 4, 5, 6, 7] {
            layers.apply(key(commit), None);
        }
        let gone = |commit| (commit, Slot::Removed);
        assert_eq!(slots(&layers.active), [gone(3), gone(4), gone(5)]);
        layers.apply(key(4), Some(VALUE));
        assert_eq!(slots(&layers.active)[1], (4, Slot::Put(VALUE)), "put again is not fresh");
        assert_eq!(layers.active.bytes(), 3 * ROW_COST_BYTES + VALUE.len());
    }

    #[test]
    fn what_was_frozen_counts_as_below() {
        let mut layers = over(0);
        for commit in [1, 2, 3] {
            layers.apply(key(commit), Some(VALUE));
        }
        layers.freeze().unwrap();
        assert!(layers.freeze().is_none(), "one at a time");
        for commit in [1, 2, 4] {
            layers.apply(key(commit), None);
        }
        assert_eq!(slots(&layers.active), [(1, Slot::Removed), (2, Slot::Removed)]);
        let seen = [1, 3, 4].map(|commit| layers.look(&key(commit)));
        assert_eq!(seen, [Look::Nowhere, Look::Here(&VALUE), Look::Nowhere]);
        // The first was spared, and the second was not.
        layers.thaw();
        layers.forget(&[key(1)]);
        assert_eq!(slots(&layers.active), [(2, Slot::Removed)]);
        assert_eq!(layers.look(&key(3)), Look::Below);
    }

    #[test]
    fn a_row_that_is_put_again_is_not_forgotten_with_the_one_that_was_spared() {
        let mut layers = over(0);
        layers.apply(key(1), Some(VALUE));
        layers.freeze().unwrap();
        layers.apply(key(1), None);
        layers.apply(key(1), Some(Bytes::from_static(b"again")));
        layers.thaw();
        layers.forget(&[key(1)]);
        assert_eq!(layers.look(&key(1)), Look::Here(&Bytes::from_static(b"again")));
    }

    #[test]
    fn without_an_edge_nothing_is_fresh() {
        let mut layers = Layers::default();
        layers.apply(key(1), Some(VALUE));
        layers.apply(key(2), None);
        assert_eq!(slots(&layers.active), [(1, Slot::Put(VALUE)), (2, Slot::Removed)]);
        assert_eq!(layers.look(&key(3)), Look::Below);
    }

    #[test]
    fn the_tally_is_never_fresh() {
        let mut layers = over(0);
        layers.apply(crate::store::log::tally::KEY, Some(VALUE));
        assert!(layers.active.rows().all(|(_, slot)| *slot == Slot::Put(VALUE)));
    }

    #[test]
    fn an_overlay_says_how_far_it_goes() {
        let mut layers = Layers::default();
        for commit in [1, 3, 5] {
            layers.apply(key(commit), Some(VALUE));
        }
        layers.freeze().unwrap();
        layers.apply(key(3), None);
        layers.apply(key(4), Some(VALUE));
        let seen = |start: Bound<&Key>, rows, bytes| {
            let overlay = layers.overlay(start, &key(9), Room { rows, bytes });
            let rows = overlay.rows.iter().map(|(key, value)| (key[8], value.is_some())).collect::<Vec<_>>();
            (rows, overlay.until[8])
        };
        let all = vec![(1, true), (3, false), (4, true), (5, true)];
        assert_eq!(seen(Bound::Unbounded, 9, 99), (all.clone(), 9));
        assert_eq!(seen(Bound::Included(&key(1)), 2, 99), (all[..2].to_vec(), 3));
        assert_eq!(seen(Bound::Excluded(&key(1)), 9, 6), (all[1..].to_vec(), 5));
        assert_eq!(seen(Bound::Excluded(&key(9)), 9, 6), (Vec::new(), 9));
    }
}
