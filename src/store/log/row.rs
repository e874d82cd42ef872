//! Rows, their keys, and the batch that is written as one.
//!
//! A row is small on purpose: sled moves a leaf that outgrows a quarter of its segment into a file
//! it never syncs, so a longer value is cut into chunks of [`ROW_BYTES_MAX`]. Nothing here makes a
//! longer row.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

/// Longest row, in bytes. Seventeen of them, with keys, stay below a quarter of sled's segment.
pub const ROW_BYTES_MAX: usize = 6_000;

/// A row's key as the engines store it.
pub(super) type Key = [u8; 13];

/// What a batch does to the engine: a value to put, or `None` to remove.
pub(super) type Change<'a> = BTreeMap<Key, Option<&'a [u8]>>;

/// Key spaces; each is written at its right edge only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// Facts about the store itself.
    Meta = 0,
    /// Packs of accepted events.
    Events = 1,
    /// Packs of moves of the delivery state machine.
    Moves = 2,
    /// Dedupe records of the commits not yet sealed into a run.
    DedupeFresh = 3,
    /// What tells where a record lies: each run's list of rows, and the directory's leaves, sorted by digest.
    DedupeIndex = 4,
    /// The runs: records as they came, written once.
    DedupeData = 5,
}

impl Space {
    /// Every space, in key order.
    pub const ALL: [Self; 6] =
        [Self::Meta, Self::Events, Self::Moves, Self::DedupeFresh, Self::DedupeIndex, Self::DedupeData];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

/// The name of a row. Its order is the order on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId {
    /// The key space.
    pub space: Space,
    /// The number of the commit that wrote the value.
    pub commit: u64,
    /// The place of the row among the value's chunks.
    pub chunk: u32,
}

impl RowId {
    /// The first row a value of `space` and `commit` has.
    pub const fn first(space: Space, commit: u64) -> Self {
        Self { space, commit, chunk: 0 }
    }

    /// The last row any value of `space` may have.
    pub const fn last(space: Space) -> Self {
        Self { space, commit: u64::MAX, chunk: u32::MAX }
    }

    pub(super) fn key(self) -> Key {
        let mut key = [0; 13];
        key[0] = self.space as u8;
        key[1..9].copy_from_slice(&self.commit.to_be_bytes());
        key[9..].copy_from_slice(&self.chunk.to_be_bytes());
        key
    }

    pub(super) fn from_key(key: &Key) -> Option<Self> {
        let space = Space::from_byte(key[0])?;
        let commit = u64::from_be_bytes(key[1..9].try_into().ok()?);
        let chunk = u32::from_be_bytes(key[9..].try_into().ok()?);
        Some(Self { space, commit, chunk })
    }
}

/// Rows to remove and values to put, written all or none.
///
/// Removes come before puts, so that a batch may replace a value by a shorter one. A row that is there is
/// never put again without its removal: the store would count it twice.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    puts: Vec<(RowId, Bytes)>,
    removes: Vec<RowId>,
}

impl Batch {
    /// A batch that does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `value`, cut into chunks of [`ROW_BYTES_MAX`]; an empty value is one empty row. Returns
    /// the number of chunks, which [`Batch::remove_value`] asks for.
    pub fn put_value(&mut self, space: Space, commit: u64, value: &[u8]) -> u32 {
        self.put_owned(space, commit, value.to_vec())
    }

    /// The same without a copy.
    pub fn put_owned(&mut self, space: Space, commit: u64, value: Vec<u8>) -> u32 {
        let value = Bytes::from(value);
        let chunks = chunk_count(value.len());
        for chunk in 0..chunks {
            let start = chunk as usize * ROW_BYTES_MAX;
            let end = value.len().min(start + ROW_BYTES_MAX);
            self.puts.push((RowId { space, commit, chunk }, value.slice(start..end)));
        }
        chunks
    }

    /// Puts one row of at most [`ROW_BYTES_MAX`] bytes as it is.
    pub fn put_row(&mut self, row: RowId, bytes: Vec<u8>) {
        debug_assert!(bytes.len() <= ROW_BYTES_MAX, "a row of {} bytes", bytes.len());
        self.puts.push((row, bytes.into()));
    }

    /// Removes the first `chunks` rows of a value; rows that aren't there don't matter.
    pub fn remove_value(&mut self, space: Space, commit: u64, chunks: u32) {
        self.removes.extend((0..chunks).map(|chunk| RowId { space, commit, chunk }));
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.removes.is_empty()
    }

    /// Bytes of keys and values to put.
    pub fn put_bytes(&self) -> u64 {
        self.puts.iter().map(|(_, value)| row_bytes(value.len())).sum()
    }

    pub(super) fn change(&self) -> Change<'_> {
        let removes = self.removes.iter().map(|row| (row.key(), None));
        let puts = self.puts.iter().map(|(row, value)| (row.key(), Some(value.as_ref())));
        removes.chain(puts).collect()
    }

    /// The keys to remove, those among them that are put again in its place too.
    pub(super) fn removed(&self) -> BTreeSet<Key> {
        self.removes.iter().map(|row| row.key()).collect()
    }
}

/// The number of rows a value of `bytes` takes.
pub fn chunk_count(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(ROW_BYTES_MAX).max(1)).unwrap_or(u32::MAX)
}

/// What a row with a value of `value_bytes` counts for in the store's live bytes.
pub(super) fn row_bytes(value_bytes: usize) -> u64 {
    (size_of::<Key>() + value_bytes) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_rows_do() {
        let mut rows = Vec::new();
        for space in Space::ALL {
            for commit in [0, 1, 255, 256, u64::MAX] {
                for chunk in [0, 1, 255, 256, u32::MAX] {
                    rows.push(RowId { space, commit, chunk });
                }
            }
        }
        assert!(rows.is_sorted());
        assert!(rows.iter().map(|row| row.key()).is_sorted());
        assert!(rows.iter().all(|row| RowId::from_key(&row.key()) == Some(*row)));
    }

    #[test]
    fn a_key_outside_every_space_is_no_row() {
        assert_eq!(RowId::from_key(&[6; 13]), None);
        assert_eq!(RowId::from_key(&[0xff; 13]), None);
    }

    #[test]
    fn a_value_is_cut_at_the_row_limit() {
        for (bytes, chunks) in [(0, 1), (1, 1), (6_000, 1), (6_001, 2), (12_000, 2), (12_001, 3)] {
            let mut batch = Batch::new();
            assert_eq!(batch.put_value(Space::Events, 7, &vec![1; bytes]), chunks, "{bytes} bytes");
            assert_eq!(batch.puts.iter().map(|(_, row)| row.len()).sum::<usize>(), bytes);
            assert!(batch.puts.iter().all(|(_, row)| row.len() <= ROW_BYTES_MAX));
        }
    }

    #[test]
    fn a_put_outlives_a_remove_of_the_same_batch() {
        let mut batch = Batch::new();
        batch.put_value(Space::Meta, 0, b"new");
        batch.remove_value(Space::Meta, 0, 2);
        let change = batch.change();
        assert_eq!(change[&RowId::first(Space::Meta, 0).key()], Some(b"new".as_slice()));
        assert_eq!(change[&RowId { space: Space::Meta, commit: 0, chunk: 1 }.key()], None);
    }
}
