//! What memory knows of the records: the fresh ones, the places of the others, and how much memory
//! that takes. Never reads the disk, so its lock is held for moments.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::directory::{Directory, Section};
use super::fresh::Fresh;
use super::leaf::Draft;
use super::pass::{Pass, Slice};
use super::row::{self, SPAN};
use super::run::Runs;
use super::seal::Seal;
use super::{DedupeRecord, Doomed, Key, Sizes};
use crate::domain::time::Millis;
use crate::store::log::{Batch, ROW_BYTES_MAX, RowId, Space};

/// Bits of a run's filter for each record, and of a leaf's block.
const RUN_BITS: usize = 16;
const LEAF_BITS_MAX: usize = 12;
/// Entries of a leaf, about.
pub(super) const LEAF_ENTRIES: u64 = 1_100;
/// Rows of a run written with one commit, so that no ack waits long for a seal; more if much came in.
const SEAL_ROWS_PER_COMMIT: usize = 16;
/// Runs without the directory, after which they are covered however few records they have.
const UNCOVERED_RUNS_MAX: usize = 128;
/// The share of memory for keys that a caller found absent on the disk and that the committer need
/// not look for again: one for so many bytes, and as many older ones.
const ABSENT_SHARE: usize = 8_192;

#[derive(Debug)]
pub(super) struct State {
    pub sizes: Sizes,
    pub fresh: Fresh,
    pub seal: Option<Seal>,
    pub runs: Runs,
    pub directory: Directory,
    /// The number of the next row in the index space.
    pub next_index: u64,
    /// Leaves of the commit under way, which may not be on the disk yet.
    pub under_way: HashMap<u64, Arc<[u8]>>,
    /// Records that came or went since the last look, and the bytes of those that came.
    pub moved: u64,
    arrived_bytes: usize,
    absent: [HashMap<Key, u64>; 2],
    pub pass_bytes: usize,
}

/// Where a record may be, as far as memory can tell.
#[derive(Debug)]
pub(super) enum Clue {
    Known(DedupeRecord),
    /// Nowhere, if both are empty.
    Maybe {
        /// Rows of young runs, newest first.
        rows: Vec<RowId>,
        leaves: Vec<Leaf>,
        /// Runs from this one on came after this clue.
        next_run: u64,
    },
}

/// A leaf to look into.
#[derive(Debug)]
pub(super) enum Leaf {
    OnDisk(u64),
    InMemory(Arc<[u8]>),
}

impl State {
    pub fn new(sizes: Sizes) -> Self {
        Self {
            sizes,
            fresh: Fresh::default(),
            seal: None,
            runs: Runs::default(),
            directory: Directory::default(),
            next_index: 0,
            under_way: HashMap::new(),
            moved: 0,
            arrived_bytes: 0,
            absent: Default::default(),
            pass_bytes: 0,
        }
    }

    pub fn remember(&mut self, commit: u64, chunks: u32, records: &[DedupeRecord]) {
        let before = self.fresh.encoded_bytes();
        self.fresh.remember(commit, chunks, records);
        self.arrived_bytes += self.fresh.encoded_bytes() - before;
        self.moved += records.len() as u64;
        self.bound();
    }

    pub fn in_memory(&self, key: &Key) -> Option<DedupeRecord> {
        self.fresh.get(key).or_else(|| self.seal.as_ref()?.get(key))
    }

    pub fn clue(&self, key: &Key) -> Clue {
        if let Some(record) = self.in_memory(key) {
            return Clue::Known(record);
        }
        let (covered, leaves) = self.directory.find(row::prefix(key));
        let leaf = |number| match self.under_way.get(&number) {
            Some(bytes) => Leaf::InMemory(Arc::clone(bytes)),
            None => Leaf::OnDisk(number),
        };
        let rows = self.runs.candidates(key, covered);
        let leaves = leaves.into_iter().map(leaf).collect();
        Clue::Maybe { rows, leaves, next_run: self.next_run() }
    }

    /// What can have changed about `key` since a caller found it absent; all, if none did lately.
    pub fn news(&self, key: &Key) -> Clue {
        let seen = self.absent.iter().find_map(|keys| keys.get(key));
        // Runs that came since and that the directory covers already have no filter of their own.
        let seen = seen.filter(|from| **from >= self.directory.covers_max);
        match (seen, self.in_memory(key)) {
            (_, Some(record)) => Clue::Known(record),
            (None, None) => self.clue(key),
            (Some(from), None) => {
                let rows = self.runs.candidates(key, *from);
                Clue::Maybe { rows, leaves: Vec::new(), next_run: self.next_run() }
            }
        }
    }

    /// The first run that can hold what is not yet accepted.
    fn next_run(&self) -> u64 {
        self.runs.next + u64::from(self.seal.is_some())
    }

    /// A caller read the disk and found nothing.
    pub fn note_absent(&mut self, key: Key, next_run: u64) {
        if self.absent[0].len() >= self.sizes.memory_bytes_max / ABSENT_SHARE {
            self.absent.swap(0, 1);
            self.absent[0].clear();
        }
        self.absent[0].insert(key, next_run);
    }

    /// Drops what has expired; the records of it count as moved.
    pub fn expire(&mut self, now: Millis, keep: Duration, batch: &mut Batch, removals: &mut Vec<Doomed>) {
        self.moved += self.runs.expire(now, keep, batch, removals);
    }

    /// Whether every run that the directory or `pass` covers has expired.
    pub fn is_directory_dead(&self, pass: Option<&Pass>) -> bool {
        let covers = pass.map_or(0, |pass| pass.until).max(self.directory.covers_max);
        self.directory.leaves() > 0 && self.runs.first() >= covers
    }

    /// Moves a seal on, or begins one.
    pub fn seal(&mut self, now: Millis, batch: &mut Batch, removals: &mut Vec<Doomed>) {
        let Sizes { fresh_max, fresh_bytes_max, fresh_age_max, .. } = self.sizes;
        if let Some(seal) = self.seal.take_if(|seal| seal.is_written()) {
            // Its index is durable since the last commit, so it can answer for itself now.
            let (run, done) = seal.finish();
            removals.extend(done);
            self.runs.push(run);
            self.bound();
        }
        let full = self.fresh.len() >= fresh_max || self.fresh.encoded_bytes() >= fresh_bytes_max;
        let old = self.fresh.span.is_some_and(|(oldest, _)| now.since(oldest) >= fresh_age_max);
        if self.seal.is_none() && (full || old) {
            let fresh = std::mem::take(&mut self.fresh);
            self.seal = Some(Seal::begin(fresh, self.runs.next, self.runs.next_row, self.run_bits()));
            self.bound();
        }
        let arrived = std::mem::take(&mut self.arrived_bytes);
        let rows = SEAL_ROWS_PER_COMMIT.max(arrived * 2 / ROW_BYTES_MAX);
        if let Some(seal) = &mut self.seal {
            seal.write(rows, &mut self.next_index, batch);
        }
    }

    /// Records that may be outside the directory before a pass begins; as many again may come while it
    /// is under way.
    pub fn uncovered_max(&self) -> u64 {
        // Twice as many with a full filter each take nine tenths of the room.
        let fitting = self.filter_room() as u64 * 9 / 10 * 8 / (2 * RUN_BITS as u64);
        let cheap = self.directory.leaves() as u64 * self.sizes.records_per_leaf;
        self.sizes.uncovered_min.max(cheap.min(fitting))
    }

    /// Records that must come before a pass writes one leaf more, so that it is done in time.
    pub fn records_per_leaf(&self) -> u64 {
        let leaves = (self.directory.leaves() as u64).max(1);
        (self.uncovered_max() / leaves).clamp(1, self.sizes.records_per_leaf)
    }

    /// A pass that is due now.
    pub fn due_pass(&self) -> Option<Pass> {
        let uncovered = self.runs.uncovered_records();
        let live = self.runs.records() - uncovered;
        let many = uncovered >= self.uncovered_max() || self.runs.uncovered().count() >= UNCOVERED_RUNS_MAX;
        let garbage = self.directory.entries() > 2 * live + self.sizes.uncovered_min;
        (many || garbage).then(|| self.pass(0, self.runs.next, self.runs.next_row))
    }

    pub fn pass(&self, at: u64, until: u64, rows_until: u64) -> Pass {
        Pass::new((at, until, rows_until), self.runs.uncovered(), self.sizes.step_records)
    }

    /// What the next step of `pass` replaces.
    pub fn slice(&self, pass: &Pass) -> Slice {
        let (mut end, mut old, mut records) = (pass.at, Vec::new(), 0);
        // Sections grow and shrink; a step may end a quarter short, so that they stay of a size.
        while records < self.sizes.step_records * 3 / 4
            && let Some(section) = self.directory.at(end)
        {
            end = section.end;
            records += u64::from(section.entries);
            old.extend(section.first_leaf..section.first_leaf + section.leaves());
        }
        if old.is_empty() {
            end = pass.stride_end();
        }
        Slice { end, old, alive: self.runs.first_row() }
    }

    /// Puts the sections that a step made in the place of those it replaces, in memory and in `batch`.
    /// Returns how many leaves that wrote.
    pub fn replace(&mut self, pass: &mut Pass, slice: &Slice, drafts: Vec<Draft>, batch: &mut Batch) -> u64 {
        let mut at = pass.at;
        while at < slice.end
            && let Some(section) = self.directory.remove(at)
        {
            at = section.end;
        }
        for number in &slice.old {
            self.under_way.remove(number);
            batch.remove_value(Space::DedupeIndex, *number, 1);
        }
        let words = self.leaf_words();
        let first = self.next_index;
        for draft in drafts {
            self.directory.insert(draft.start, Section::of(&draft, pass.until, self.next_index, words));
            for (_, _, row) in draft.leaves {
                self.under_way.insert(self.next_index, Arc::from(row.as_slice()));
                batch.put_row(RowId::first(Space::DedupeIndex, self.next_index), row);
                self.next_index += 1;
            }
        }
        pass.at = slice.end;
        self.pass_bytes = pass.memory_bytes();
        self.bound();
        self.next_index - first
    }

    /// The pass has reached the end.
    pub fn finish(&mut self, pass: &Pass) {
        debug_assert!(pass.at >= SPAN, "a pass ends at the end");
        self.runs.cover(self.directory.covered());
        self.pass_bytes = 0;
    }

    /// Words of filter for each leaf that is written now: what is left when young runs have theirs.
    pub fn leaf_words(&self) -> usize {
        let young =
            usize::try_from(2 * self.uncovered_max()).unwrap_or(usize::MAX).saturating_mul(RUN_BITS / 8);
        let room = self.filter_room().saturating_sub(young);
        let expected = usize::try_from(self.runs.records() / LEAF_ENTRIES).unwrap_or(usize::MAX);
        let leaves = expected.max(self.directory.leaves()).max(1) * 21 / 20;
        (room / 8 / leaves).min(usize::try_from(LEAF_ENTRIES).unwrap_or(0) * LEAF_BITS_MAX / 64)
    }

    /// Bits for each record of a run's filter, if as many runs are to come as may.
    pub fn run_bits(&self) -> usize {
        let young = usize::try_from(2 * self.uncovered_max()).unwrap_or(usize::MAX);
        (self.filter_room().saturating_mul(8) / young.max(1)).clamp(1, RUN_BITS)
    }

    /// What is left for filters.
    fn filter_room(&self) -> usize {
        self.sizes.memory_bytes_max.saturating_sub(self.other_bytes())
    }

    /// Keeps all filters within their room: leaves' first, for without one a look-up costs one read.
    pub fn bound(&mut self) {
        let room = self.filter_room();
        let sealing = self.seal.as_ref().map_or(0, Seal::filter_bytes);
        self.directory.drop_filters(room.saturating_sub(self.runs.filter_bytes() + sealing));
        while self.runs.filter_bytes() + sealing > room && self.runs.fold_largest() {}
    }

    /// What everything but filters takes; of the records not yet in runs at least their share.
    fn other_bytes(&self) -> usize {
        let sealing = self.seal.as_ref().map_or(0, Seal::memory_bytes);
        let fresh = (self.fresh.memory_bytes() + sealing).max(self.sizes.memory_bytes_max / 5);
        let absent: usize =
            self.absent.iter().map(|keys| keys.capacity() * size_of::<(Key, u64)>() * 8 / 7).sum();
        fresh + self.runs.memory_bytes() + self.directory.memory_bytes() + absent
    }

    /// What a pass takes for the rows it has in hand. It grows with the young runs, not with the records.
    pub fn work_bytes(&self) -> usize {
        let under_way: usize = self.under_way.values().map(|row| row.len() + 32).sum();
        under_way + self.pass_bytes
    }

    /// All but the work of a pass.
    pub fn memory_bytes(&self) -> usize {
        let sealing = self.seal.as_ref().map_or(0, Seal::filter_bytes);
        self.other_bytes() + self.runs.filter_bytes() + self.directory.filter_bytes() + sealing
    }
}
