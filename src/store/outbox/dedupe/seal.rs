//! A seal: fresh records become a run, a few rows with each commit.
//!
//! Until the run's index row is durable the records are answered from here, and their commits keep
//! them: a crash in between leaves rows without an index, which the next start removes.

use super::super::Error;
use super::filter::Filter;
use super::fresh::Fresh;
use super::row::{self, Packed};
use super::run::{Description, Run, Search};
use super::{DedupeRecord, Doomed, Key};
use crate::store::log::{Batch, RowId, Space};

/// The kind of an index row that describes a run.
pub(super) const RUN: u8 = 0;

#[derive(Debug)]
pub(super) struct Seal {
    about: Description,
    packed: Packed,
    filter: Filter,
    commits: Vec<(u64, u32)>,
    written: usize,
    /// The number of its index row, once that is written.
    index: Option<u64>,
}

impl Seal {
    pub fn begin(fresh: Fresh, number: u64, first_row: u64, bits_per_key: usize) -> Self {
        let sorted = fresh.sorted();
        let hashes: Vec<u64> =
            sorted.iter().filter_map(|record| row::key_of(record)).map(row::hash).collect();
        let records = u32::try_from(sorted.len()).unwrap_or(u32::MAX);
        let packed = row::pack(sorted.into_iter());
        let rows = u32::try_from(packed.rows.len()).unwrap_or(u32::MAX);
        let youngest = fresh.span.map(|(_, youngest)| youngest).unwrap_or_default();
        Self {
            about: Description { number, youngest, first_row, rows, records },
            packed,
            filter: Filter::of(hashes.into_iter(), bits_per_key),
            commits: fresh.commits,
            written: 0,
            index: None,
        }
    }

    /// The record of `key`, from memory.
    pub fn get(&self, key: &Key) -> Option<DedupeRecord> {
        if !self.filter.may_hold(row::hash(key)) {
            return None;
        }
        let read = |chunk: u32| -> Result<_, Error> { Ok(self.packed.rows.get(chunk as usize).cloned()) };
        let mut places = row::places(&self.packed.firsts, row::prefix(key));
        places.find_map(|at| row::find(key, u32::try_from(at).ok()?, read).ok()?)
    }

    /// Adds up to `rows` rows to `batch`; after the last one the index row, with the next number.
    pub fn write(&mut self, rows: usize, next_index: &mut u64, batch: &mut Batch) {
        let until = self.packed.rows.len().min(self.written + rows);
        for at in self.written..until {
            let chunk = u32::try_from(at).unwrap_or(u32::MAX);
            batch.put_row(self.about.row(chunk), self.packed.rows[at].clone());
        }
        self.written = until;
        if self.written == self.packed.rows.len()
            && let Ok(index) = postcard::to_extend(&self.about, vec![RUN])
        {
            batch.put_row(RowId::first(Space::DedupeIndex, *next_index), index);
            self.index = Some(*next_index);
            *next_index += 1;
        }
    }

    pub fn is_written(&self) -> bool {
        self.index.is_some()
    }

    /// The run, once all of it is durable, and the commits that nobody needs any more.
    pub fn finish(self) -> (Run, impl Iterator<Item = Doomed>) {
        let firsts = self.packed.firsts.into_boxed_slice();
        let search = Some(Box::new(Search { firsts, filter: self.filter }));
        let run = Run { about: self.about, index: self.index.unwrap_or_default(), search };
        let doomed = |(commit, chunks)| Doomed { space: Space::DedupeFresh, commit, chunks };
        (run, self.commits.into_iter().map(doomed))
    }

    pub fn filter_bytes(&self) -> usize {
        self.filter.bytes()
    }

    /// Without the filter.
    pub fn memory_bytes(&self) -> usize {
        let rows: usize = self.packed.rows.iter().map(Vec::capacity).sum();
        let places = self.packed.rows.capacity() * (size_of::<Vec<u8>>() + 8);
        rows + places + self.commits.capacity() * size_of::<(u64, u32)>()
    }
}
