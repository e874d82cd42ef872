//! Runs: sealed records in sorted rows, and what memory holds of each.
//!
//! A run is written once and dies whole. A young run has its own filter and the first prefix of each
//! row; once the directory covers it, memory knows no more than its place. Rows of all runs are numbered
//! through, so that the directory can point at one with three bytes.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::filter::Filter;
use super::{Doomed, Key, row};
use crate::domain::time::Millis;
use crate::store::log::{Batch, RowId, Space};

/// Runs that expire with one commit at most.
const EXPIRED_PER_COMMIT: u32 = 64;

/// A run as its row in the index space has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Description {
    pub number: u64,
    /// When its youngest record was accepted.
    pub youngest: Millis,
    /// The number of its first row among the rows of all runs.
    pub first_row: u64,
    pub rows: u32,
    pub records: u32,
}

/// How to look into a run without the directory.
#[derive(Debug)]
pub(super) struct Search {
    pub firsts: Box<[u64]>,
    pub filter: Filter,
}

#[derive(Debug)]
pub(super) struct Run {
    pub about: Description,
    /// The number of its row in the index space.
    pub index: u64,
    /// Boxed, for most runs have none.
    pub search: Option<Box<Search>>,
}

/// All runs, oldest first.
#[derive(Debug, Default)]
pub(super) struct Runs {
    all: VecDeque<Run>,
    /// The number of the next run.
    pub next: u64,
    /// The number of its first row.
    pub next_row: u64,
    search_bytes: usize,
    filter_bytes: usize,
    uncovered: u64,
    records: u64,
}

impl Description {
    /// Its rows in the log.
    pub fn row(&self, chunk: u32) -> RowId {
        RowId { space: Space::DedupeData, commit: self.number, chunk }
    }

    fn end_row(&self) -> u64 {
        self.first_row + u64::from(self.rows)
    }
}

impl Search {
    fn bytes(&self) -> usize {
        self.firsts.len() * 8 + size_of::<Self>()
    }
}

impl Runs {
    pub fn push(&mut self, run: Run) {
        self.next = self.next.max(run.about.number + 1);
        self.next_row = self.next_row.max(run.about.end_row());
        self.records += u64::from(run.about.records);
        if let Some(search) = &run.search {
            self.search_bytes += search.bytes();
            self.filter_bytes += search.filter.bytes();
            self.uncovered += u64::from(run.about.records);
        }
        self.all.push_back(run);
    }

    /// Removes some of which the youngest record is past `keep`: the index row with `batch`, the others
    /// later, for rows without an index are harmless. Returns the records that went.
    pub fn expire(
        &mut self,
        now: Millis,
        keep: Duration,
        batch: &mut Batch,
        removals: &mut Vec<Doomed>,
    ) -> u64 {
        let mut gone = 0;
        for _ in 0..EXPIRED_PER_COMMIT {
            let Some(mut run) = self.all.pop_front_if(|run| now.since(run.about.youngest) > keep) else {
                break;
            };
            self.forget(&mut run);
            self.records -= u64::from(run.about.records);
            gone += u64::from(run.about.records);
            let Description { number, rows, .. } = run.about;
            batch.remove_value(Space::DedupeIndex, run.index, 1);
            removals.push(Doomed { space: Space::DedupeData, commit: number, chunks: rows });
        }
        gone
    }

    /// The directory covers all before `number`: they need no filter any more.
    pub fn cover(&mut self, number: u64) {
        let mut all = std::mem::take(&mut self.all);
        for run in all.iter_mut().filter(|run| run.about.number < number) {
            self.forget(run);
        }
        self.all = all;
    }

    fn forget(&mut self, run: &mut Run) {
        if let Some(search) = run.search.take() {
            self.search_bytes -= search.bytes();
            self.filter_bytes -= search.filter.bytes();
            self.uncovered -= u64::from(run.about.records);
        }
    }

    /// Rows that may hold `key` in the runs from `from` on, newest first.
    pub fn candidates(&self, key: &Key, from: u64) -> Vec<RowId> {
        let (prefix, hash) = (row::prefix(key), row::hash(key));
        let mut rows = Vec::new();
        for run in self.all.iter().rev().take_while(|run| run.about.number >= from) {
            if let Some(search) = &run.search
                && search.filter.may_hold(hash)
            {
                let places = row::places(&search.firsts, prefix);
                rows.extend(places.filter_map(|at| Some(run.about.row(u32::try_from(at).ok()?))));
            }
        }
        rows
    }

    /// The row with this number, unless its run has expired.
    pub fn locate(&self, row: u64) -> Option<RowId> {
        let after = self.all.partition_point(|run| run.about.first_row <= row);
        let run = self.all.get(after.checked_sub(1)?)?;
        (row < run.about.end_row())
            .then(|| run.about.row(u32::try_from(row - run.about.first_row).unwrap_or(u32::MAX)))
    }

    /// The first row that is still there.
    pub fn first_row(&self) -> u64 {
        self.all.front().map_or(self.next_row, |run| run.about.first_row)
    }

    /// The number of the oldest run.
    pub fn first(&self) -> u64 {
        self.all.front().map_or(self.next, |run| run.about.number)
    }

    /// The runs that no directory covers.
    pub fn uncovered(&self) -> impl Iterator<Item = (&Description, &Search)> {
        self.all.iter().filter_map(|run| Some((&run.about, run.search.as_deref()?)))
    }

    pub fn uncovered_records(&self) -> u64 {
        self.uncovered
    }

    pub fn records(&self) -> u64 {
        self.records
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn filter_bytes(&self) -> usize {
        self.filter_bytes
    }

    /// Without the filters.
    pub fn memory_bytes(&self) -> usize {
        self.search_bytes + self.all.capacity() * size_of::<Run>()
    }

    /// Halves the largest filter; `false` if none can be.
    pub fn fold_largest(&mut self) -> bool {
        let searches = self.all.iter_mut().filter_map(|run| run.search.as_deref_mut());
        let Some(search) = searches.max_by_key(|search| search.filter.bytes()) else { return false };
        let before = search.filter.bytes();
        let folded = search.filter.fold();
        self.filter_bytes -= before - search.filter.bytes();
        folded
    }
}
