//! A pass: the directory is rewritten from its beginning to its end, section by section, with the runs
//! that it did not cover and without what has expired.
//!
//! A step replaces whole sections in one atomic batch, so a crash leaves a directory of which the front
//! covers more runs than the rest: it answers rightly, and the next start goes on from there. Rows are
//! read without the lock.

use super::super::Error;
use super::leaf::{self, Entry, Stretch};
use super::row::{self, SPAN};
use super::run::{Description, Search};
use crate::store::log::{Log, RowId, Space};

/// Where the reading of an uncovered run stands.
#[derive(Debug)]
struct Cursor {
    about: Description,
    next: u32,
    /// The prefixes of the row before `next` that are still ahead, last one first.
    held: Vec<u64>,
}

#[derive(Debug)]
pub(super) struct Pass {
    /// It covers the runs before this one.
    pub until: u64,
    rows_until: u64,
    /// Prefixes before this one are done.
    pub at: u64,
    /// How many prefixes a step takes where no section is.
    stride: u64,
    cursors: Vec<Cursor>,
}

/// What one step replaces.
#[derive(Debug)]
pub(super) struct Slice {
    pub end: u64,
    /// Leaves to read and to remove.
    pub old: Vec<u64>,
    /// Rows before this one have expired.
    pub alive: u64,
}

impl Pass {
    pub fn new<'a>(
        (at, until, rows_until): (u64, u64, u64),
        runs: impl Iterator<Item = (&'a Description, &'a Search)>,
        step_records: u64,
    ) -> Self {
        let cursor = |(about, search): (&Description, &Search)| {
            let start = row::places(&search.firsts, at).start;
            Cursor { about: about.clone(), next: u32::try_from(start).unwrap_or(u32::MAX), held: Vec::new() }
        };
        let runs: Vec<_> = runs.filter(|(about, _)| about.number < until).collect();
        let records: u64 = runs.iter().map(|(about, _)| u64::from(about.records)).sum();
        // Division last would overflow: a section's share of all prefixes, at least one.
        let stride = (SPAN / records.max(1)).saturating_mul(step_records).clamp(1, SPAN);
        let cursors = runs.into_iter().map(cursor).collect();
        Self { until, rows_until, at, stride, cursors }
    }

    /// Where a step ends that no section bounds.
    pub fn stride_end(&self) -> u64 {
        self.at.saturating_add(self.stride).min(SPAN)
    }

    pub fn is_done(&self) -> bool {
        self.at >= SPAN
    }

    /// The sections that replace what `slice` says.
    pub fn step(&mut self, log: &dyn Log, slice: &Slice) -> Result<Vec<leaf::Draft>, Error> {
        let mut entries = Vec::new();
        for number in &slice.old {
            let row = log.read(RowId::first(Space::DedupeIndex, *number))?;
            let (_, held) = row.as_deref().and_then(leaf::read).ok_or_else(|| damaged(*number))?;
            entries.extend(held.into_iter().filter(|(_, row)| *row >= slice.alive));
        }
        for cursor in &mut self.cursors {
            cursor.take(log, self.at, slice, &mut entries)?;
        }
        entries.sort_unstable();
        let (covers, rows_until) = (self.until, self.rows_until);
        Ok(leaf::write(Stretch { start: self.at, end: slice.end, covers, rows_until }, &entries))
    }

    pub fn memory_bytes(&self) -> usize {
        let held: usize = self.cursors.iter().map(|cursor| cursor.held.capacity()).sum();
        held * size_of::<u64>() + self.cursors.capacity() * size_of::<Cursor>()
    }
}

impl Cursor {
    /// Moves the entries from `start` to the slice's end over.
    fn take(&mut self, log: &dyn Log, start: u64, slice: &Slice, into: &mut Vec<Entry>) -> Result<(), Error> {
        if self.about.first_row < slice.alive {
            self.held = Vec::new();
            self.next = self.about.rows;
        }
        loop {
            let number = (self.about.first_row + u64::from(self.next)).saturating_sub(1);
            while let Some(prefix) = self.held.pop_if(|prefix| *prefix < slice.end) {
                if prefix >= start {
                    into.push((prefix, number));
                }
            }
            if !self.held.is_empty() || self.next >= self.about.rows {
                return Ok(());
            }
            let Some(row) = log.read(self.about.row(self.next))? else {
                let Description { number, .. } = self.about;
                return Err(Error::Damaged(format!("row {} of dedupe run {number} is missing", self.next)));
            };
            self.held.extend(row::keys(&row).map(row::prefix));
            self.held.reverse();
            self.next += 1;
        }
    }
}

/// A leaf that should be there and isn't, or can't be read.
pub(super) fn damaged(leaf: u64) -> Error {
    Error::Damaged(format!("leaf {leaf} of the dedupe directory cannot be read"))
}
