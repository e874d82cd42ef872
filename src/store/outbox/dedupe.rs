//! Dedupe records: which (source, eventId) was accepted, with which body and which answer.
//!
//! They outlive the payloads. New ones are *fresh*: in memory, and on disk with their commit. When there
//! are [`Sizes::fresh_max`] of them or the oldest is an hour old, they are sealed into a *run*: sorted
//! rows that are written once and die whole when their youngest record is past the retention. A young
//! run has a filter of its own in memory. Older ones share the *directory*: leaves on disk, one row
//! each, that name for a record's first 40 bits the row which has it, and one filter block for each leaf
//! in memory. A *pass* rewrites the directory with the runs that came since, a step now and then,
//! as fast as records come.
//!
//! So a new event costs the read of one leaf where the leaf's block says "maybe", and hardly anything
//! else; never a read for each run. All memory is counted and held under [`Sizes::memory_bytes_max`]: young
//! runs have 16 bits a record, the leaves' blocks the rest, at most 12. With `N` records in the window and `b`
//! bits for each, a block says "maybe" for `(1 - exp(-k / b)) ^ k` of the new events, `k = b ln 2` or 1:
//!
//! | events/s | `N` in 72 h | `b` | reads for a new event |
//! |---|---|---|---|
//! | 130 | 34 M | 10 | 0.04 |
//! | 260 | 68 M | 4.9 | 0.13 |
//! | 520 | 135 M | 2.4 | 0.37 |
//! | 1,000 | 260 M | 1.1 | 0.63 |
//! | 5,000 | 1,300 M | 0 | 1.1 |
//!
//! `docs/adr/0006-dedupe-directory.md` has the rest of the sum. Never holds a lock over a read of the disk, and never
//! takes a sender's clock for the truth.
//!
//! A crash loses no record: what a seal or an expiry left half done is removed at the next start, and
//! a pass goes on from where it was, since each of its steps is one atomic batch.

mod directory;
mod filter;
mod fresh;
mod leaf;
mod opening;
mod pass;
mod row;
mod run;
mod seal;
mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Error;
use crate::domain::id::{AppSlug, CorrelationId, EventId, EventType};
use crate::domain::routing::QuarantineReason;
use crate::domain::scheduler::LaneId;
use crate::domain::time::Millis;
use crate::store::log::{Batch, Log, RowId, Space};
use pass::Pass;
use state::{Clue, Leaf, State};

/// Steps of a pass with one commit at most.
const STEPS_PER_COMMIT: u32 = 4;

/// The name of an event in the records: a digest of source and eventId.
pub type Key = [u8; 16];

/// What is remembered of an accepted event: enough to repeat its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DedupeRecord {
    /// Digest of (source, eventId). First, so that an encoded record begins with it.
    pub key: Key,
    /// Digest of the body.
    pub body: [u8; 16],
    /// When it was accepted.
    pub accepted_at: Millis,
    /// The correlation id of the first answer, unless it is the derived one.
    pub correlation: Option<CorrelationId>,
    /// The receivers of the first answer.
    pub lanes: Vec<LaneId>,
    /// Why it was quarantined, if it was, with the name suggested then.
    pub quarantined: Option<(QuarantineReason, Option<EventType>)>,
}

/// The key of (source, eventId).
pub fn key(source: &AppSlug, event: &EventId) -> Key {
    digest(&[source.as_str().as_bytes(), b"\0", event.as_str().as_bytes()])
}

/// The digest by which two bodies are compared.
pub fn body_digest(body: &[u8]) -> [u8; 16] {
    digest(&[body])
}

fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hash.finalize()[..16]);
    short
}

/// The bounds of the records.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Most memory for all of it but the rows that a pass has in hand, which take up to 2 MiB.
    pub memory_bytes_max: usize,
    /// Fresh records at which a run is sealed.
    pub fresh_max: usize,
    /// Bytes of fresh records at which a run is sealed.
    pub fresh_bytes_max: usize,
    /// Age of the oldest fresh record at which a run is sealed.
    pub fresh_age_max: Duration,
    /// Least records outside the directory at which a pass begins.
    pub uncovered_min: u64,
    /// Most records that come for each leaf that a pass writes: more make passes rarer and leave less
    /// memory to the leaves. Where memory is short there are fewer.
    pub records_per_leaf: u64,
    /// Records of the directory that one step of a pass rewrites, about.
    pub step_records: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            memory_bytes_max: 62 << 20,
            fresh_max: 65_536,
            fresh_bytes_max: 4 << 20,
            fresh_age_max: Duration::from_hours(1),
            uncovered_min: 2_000_000,
            records_per_leaf: 12,
            step_records: 16 * state::LEAF_ENTRIES,
        }
    }
}

/// What there is, for those who watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records in memory.
    pub fresh: usize,
    /// Runs on disk.
    pub runs: usize,
    /// Records in runs.
    pub records: u64,
    /// Of these, the ones in runs outside the directory.
    pub uncovered: u64,
    /// Leaves of the directory.
    pub leaves: usize,
    /// Memory, but for the work of a pass.
    pub memory_bytes: usize,
    /// Memory for the work of a pass.
    pub work_bytes: usize,
}

/// A value to remove, all of its rows in one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doomed {
    /// Where it is.
    pub space: Space,
    /// The commit or run that wrote it.
    pub commit: u64,
    /// Its rows.
    pub chunks: u32,
}

/// All dedupe records.
#[derive(Debug)]
pub struct Dedupe {
    state: Mutex<State>,
    upkeep: Mutex<Upkeep>,
}

/// What only the committer needs.
#[derive(Debug)]
struct Upkeep {
    pass: Option<Pass>,
    /// Records that have come or gone and for which the pass has not yet written its share.
    credit: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Dedupe {
    /// Reads the records back.
    pub fn open(log: &dyn Log) -> Result<Self, Error> {
        Self::open_with(log, Sizes::default())
    }

    /// [`open`](Self::open) with other bounds.
    pub fn open_with(log: &dyn Log, sizes: Sizes) -> Result<Self, Error> {
        let (state, pass) = opening::open(log, sizes)?;
        Ok(Self { state: Mutex::new(state), upkeep: Mutex::new(Upkeep { pass, credit: 0 }) })
    }

    /// Takes the records of a durable commit in.
    pub fn remember(&self, commit: u64, chunks: u32, records: &[DedupeRecord]) {
        lock(&self.state).remember(commit, chunks, records);
    }

    /// What memory alone says: `None` if the disk must be asked.
    pub fn glance(&self, key: &Key) -> Option<Option<DedupeRecord>> {
        match lock(&self.state).clue(key) {
            Clue::Known(record) => Some(Some(record)),
            Clue::Maybe { rows, leaves, .. } => (rows.is_empty() && leaves.is_empty()).then_some(None),
        }
    }

    /// The record of `key`. May read the disk: a leaf, and the row it names.
    pub fn find(&self, log: &dyn Log, key: &Key) -> Result<Option<DedupeRecord>, Error> {
        let clue = lock(&self.state).clue(key);
        let next_run = match &clue {
            Clue::Maybe { rows, leaves, next_run } if !rows.is_empty() || !leaves.is_empty() => *next_run,
            _ => return self.follow(log, key, clue),
        };
        let found = self.follow(log, key, clue)?;
        if found.is_none() {
            lock(&self.state).note_absent(*key, next_run);
        }
        Ok(found)
    }

    /// [`find`](Self::find) for the committer, who is the only one to add records: what a caller has
    /// looked for a moment ago without success is looked for in memory only, and in runs sealed since.
    pub fn find_again(&self, log: &dyn Log, key: &Key) -> Result<Option<DedupeRecord>, Error> {
        let news = lock(&self.state).news(key);
        self.follow(log, key, news)
    }

    fn follow(&self, log: &dyn Log, key: &Key, mut clue: Clue) -> Result<Option<DedupeRecord>, Error> {
        let mut missed = None;
        loop {
            let (rows, leaves) = match clue {
                Clue::Known(record) => return Ok(Some(record)),
                Clue::Maybe { rows, leaves, .. } => (rows, leaves),
            };
            for row in rows {
                if let Some(record) = row::find_on_disk(log, row, key)? {
                    return Ok(Some(record));
                }
            }
            match self.find_in_leaves(log, key, leaves)? {
                Found::Record(record) => return Ok(Some(record)),
                Found::Nothing => return Ok(None),
                // A pass has replaced it since memory was asked, or it is gone for good.
                Found::Replaced(leaf) if missed == Some(leaf) => return Err(pass::damaged(leaf)),
                Found::Replaced(leaf) => missed = Some(leaf),
            }
            clue = lock(&self.state).clue(key);
        }
    }

    fn find_in_leaves(&self, log: &dyn Log, key: &Key, leaves: Vec<Leaf>) -> Result<Found, Error> {
        let prefix = row::prefix(key);
        let mut numbers = Vec::new();
        for leaf in leaves {
            let bytes = match leaf {
                Leaf::InMemory(bytes) => bytes,
                Leaf::OnDisk(number) => match log.read(RowId::first(Space::DedupeIndex, number))? {
                    Some(bytes) => bytes.into(),
                    None => return Ok(Found::Replaced(number)),
                },
            };
            let (_, entries) = leaf::read(&bytes)
                .ok_or_else(|| Error::Damaged("a dedupe leaf cannot be read".to_owned()))?;
            numbers.extend(entries.iter().filter(|(other, _)| *other == prefix).map(|(_, number)| *number));
        }
        // The newest first: an id may have come again after its first record had expired.
        numbers.sort_unstable();
        for number in numbers.into_iter().rev() {
            let place = lock(&self.state).runs.locate(number);
            if let Some(row) = place
                && let Some(record) = row::find_on_disk(log, row, key)?
            {
                return Ok(Found::Record(record));
            }
        }
        Ok(Found::Nothing)
    }

    /// Adds to `batch` what the housekeeping of one commit writes: rows of a run being sealed, steps of
    /// a pass. The removals that follow from it come back, for commits after this one. Reads the disk.
    ///
    /// For the committer, which calls it only when the batch before is durable.
    pub fn housekeeping(
        &self,
        log: &dyn Log,
        now: Millis,
        keep: Duration,
        batch: &mut Batch,
    ) -> Result<Vec<Doomed>, Error> {
        let mut upkeep = lock(&self.upkeep);
        let mut removals = Vec::new();
        {
            let mut state = lock(&self.state);
            state.under_way.clear();
            // Before the expiry: of a run that the directory covers the index must be gone durably, or
            // a start would take the directory for a live one with leaves missing.
            if state.is_directory_dead(upkeep.pass.as_ref()) {
                upkeep.pass = None;
                let doomed = |commit| Doomed { space: Space::DedupeIndex, commit, chunks: 1 };
                removals.extend(state.directory.clear().into_iter().map(doomed));
            }
            state.expire(now, keep, batch, &mut removals);
            state.seal(now, batch, &mut removals);
            upkeep.credit += std::mem::take(&mut state.moved);
            if upkeep.pass.is_none() {
                upkeep.pass = state.due_pass();
                upkeep.credit = 0;
            }
        }
        for _ in 0..STEPS_PER_COMMIT {
            if upkeep.pass.is_none() || !upkeep.advance(&self.state, log, batch)? {
                break;
            }
        }
        Ok(removals)
    }

    /// What there is.
    pub fn counts(&self) -> Counts {
        let state = lock(&self.state);
        Counts {
            fresh: state.fresh.len(),
            runs: state.runs.len(),
            records: state.runs.records(),
            uncovered: state.runs.uncovered_records(),
            leaves: state.directory.leaves(),
            memory_bytes: state.memory_bytes(),
            work_bytes: state.work_bytes(),
        }
    }
}

/// What the leaves said.
enum Found {
    Record(DedupeRecord),
    Nothing,
    /// This one is not on the disk.
    Replaced(u64),
}

impl Upkeep {
    /// A step of the pass, if it is due. The lock is not held while it reads.
    fn advance(&mut self, state: &Mutex<State>, log: &dyn Log, batch: &mut Batch) -> Result<bool, Error> {
        let Some(mut pass) = self.pass.take_if(|_| self.credit > 0) else { return Ok(false) };
        let (slice, records_per_leaf) = {
            let state = lock(state);
            (state.slice(&pass), state.records_per_leaf())
        };
        let drafts = pass.step(log, &slice)?;
        let mut state = lock(state);
        let written = state.replace(&mut pass, &slice, drafts, batch);
        self.credit = self.credit.saturating_sub(written * records_per_leaf);
        if pass.is_done() {
            state.finish(&pass);
        } else {
            self.pass = Some(pass);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
