//! Dedupe records: which (source, eventId) was accepted, with which body and which answer.
//!
//! They outlive the payloads. New ones are kept in memory and written with their commit; when there
//! are [`FRESH_MAX`] of them or the oldest is an hour old, they are sealed into a *run*: sorted rows
//! on disk, of which memory holds one key per row and a Bloom filter (B. Bloom, 1970). A run dies whole
//! when its youngest record is past the retention. All filters together are held under
//! [`FILTER_BYTES_MAX`] by folding the largest in half; a fuller filter only costs more reads.
//!
//! A crash while a run is being sealed, or while one expires, leaves rows without an index: they are
//! removed at the next start. The fresh records of the seal, still there, are sealed again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Error;
use crate::domain::id::{AppSlug, CorrelationId, EventId, EventType};
use crate::domain::routing::QuarantineReason;
use crate::domain::scheduler::LaneId;
use crate::domain::time::Millis;
use crate::store::log::{Batch, Log, ROW_BYTES_MAX, RowId, Space, chunk_count, replay_values};

/// Most records in memory before a run is sealed.
pub const FRESH_MAX: usize = 65_536;
/// Age of the oldest fresh record at which a run is sealed.
pub const FRESH_AGE_MAX: std::time::Duration = std::time::Duration::from_hours(1);
/// Most bytes of all filters together.
pub const FILTER_BYTES_MAX: usize = 32 << 20;
/// Rows of a run written with one commit, so that no ack waits long for a seal.
const SEAL_ROWS_PER_COMMIT: usize = 16;
const FILTER_HASHES: u32 = 6;

/// The name of an event in the records: a digest of source and eventId.
pub type Key = [u8; 16];

/// What is remembered of an accepted event: enough to repeat its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DedupeRecord {
    /// Digest of (source, eventId).
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

/// All dedupe records.
#[derive(Debug, Default)]
pub struct Dedupe {
    fresh: HashMap<Key, DedupeRecord>,
    fresh_since: Option<Millis>,
    /// Commits that hold the fresh records, with their chunks.
    fresh_rows: Vec<(u64, u32)>,
    sealing: Option<Sealing>,
    runs: VecDeque<Run>,
    next_run: u64,
}

#[derive(Debug)]
struct Sealing {
    records: HashMap<Key, DedupeRecord>,
    fresh_rows: Vec<(u64, u32)>,
    run: Run,
    rows: VecDeque<Vec<u8>>,
    written: u32,
    indexed: bool,
}

/// One sealed run, as its index row has it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Run {
    number: u64,
    youngest: Millis,
    rows: u32,
    /// The first key of each row.
    firsts: Vec<Key>,
    filter: Filter,
    /// Rows of the index itself.
    #[serde(skip)]
    index_chunks: u32,
}

/// A Bloom filter whose size is a power of two, so that it can be folded.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Filter {
    words: Vec<u64>,
}

impl Dedupe {
    /// Reads the records back: run indexes, then what is fresh.
    pub fn open(log: &dyn Log) -> Result<Self, Error> {
        let mut dedupe = Self::default();
        let mut damaged = false;
        replay_values(log, Space::DedupeIndex, 0, &mut |number, value| {
            match postcard::from_bytes::<Run>(value) {
                Ok(run) => dedupe.runs.push_back(Run { index_chunks: chunk_count(value.len()), ..run }),
                Err(_) => damaged = true,
            }
            dedupe.next_run = number + 1;
            ControlFlow::Continue(())
        })?;
        replay_values(log, Space::DedupeFresh, 0, &mut |commit, value| {
            match postcard::from_bytes::<Vec<DedupeRecord>>(value) {
                Ok(records) => dedupe.remember(commit, chunk_count(value.len()), records),
                Err(_) => damaged = true,
            }
            ControlFlow::Continue(())
        })?;
        if damaged {
            return Err(Error::Damaged("a dedupe record cannot be read".to_owned()));
        }
        dedupe.bound_filters();
        dedupe.drop_orphans(log)?;
        Ok(dedupe)
    }

    /// Rows of runs whose index is gone: before the oldest run, where a crash met an expiry, and after
    /// the newest, where it met a seal.
    fn drop_orphans(&mut self, log: &dyn Log) -> Result<(), Error> {
        let mut rows = BTreeMap::new();
        let oldest = self.runs.front().map_or(self.next_run, |run| run.number);
        for (from, until) in [(0, oldest), (self.next_run, u64::MAX)] {
            log.replay(Space::DedupeData, from, &mut |row, _| {
                if row.commit >= until {
                    return ControlFlow::Break(());
                }
                rows.insert(row.commit, row.chunk + 1);
                ControlFlow::Continue(())
            })?;
        }
        if rows.is_empty() {
            return Ok(());
        }
        let mut orphans = Batch::new();
        for (run, chunks) in rows {
            orphans.remove_value(Space::DedupeData, run, chunks);
        }
        Ok(log.append(&orphans)?)
    }

    /// Takes a commit's records in.
    pub fn remember(&mut self, commit: u64, chunks: u32, records: Vec<DedupeRecord>) {
        for record in records {
            let since = self.fresh_since.get_or_insert(record.accepted_at);
            *since = (*since).min(record.accepted_at);
            self.fresh.insert(record.key, record);
        }
        self.fresh_rows.push((commit, chunks));
    }

    /// What memory knows of `key` without a read.
    pub fn in_memory(&self, key: &Key) -> Option<&DedupeRecord> {
        self.fresh.get(key).or_else(|| self.sealing.as_ref()?.records.get(key))
    }

    /// The rows that may hold `key`, newest first. Usually none.
    pub fn candidates(&self, key: &Key) -> Vec<RowId> {
        self.runs.iter().rev().filter_map(|run| run.candidate(key)).collect()
    }

    /// Adds to `batch` what the housekeeping of one commit writes: a slice of a run being sealed, or
    /// the start of a seal. The removals that follow from it come back, for commits after this one.
    pub fn housekeeping(&mut self, now: Millis, keep: std::time::Duration, batch: &mut Batch) -> Vec<Doomed> {
        let mut removals = self.expire(now, keep);
        let ripe = self.fresh.len() >= FRESH_MAX
            || self.fresh_since.is_some_and(|since| now.since(since) >= FRESH_AGE_MAX);
        if self.sealing.is_none() && ripe && !self.fresh.is_empty() {
            self.begin_seal();
        }
        if let Some(sealing) = self.sealing.take_if(|sealing| sealing.indexed) {
            // Its index is durable since the last commit, so it can answer for itself now.
            let fresh = sealing.fresh_rows.into_iter();
            removals.extend(fresh.map(|(commit, chunks)| Doomed {
                space: Space::DedupeFresh,
                commit,
                chunks,
            }));
            self.runs.push_back(sealing.run);
            self.bound_filters();
        }
        if let Some(sealing) = &mut self.sealing {
            sealing.write(batch);
        }
        removals
    }

    fn begin_seal(&mut self) {
        let records = std::mem::take(&mut self.fresh);
        self.fresh_since = None;
        let (rows, firsts) = pack_rows(&records);
        let run = Run {
            number: self.next_run,
            youngest: records.values().map(|record| record.accepted_at).max().unwrap_or_default(),
            rows: u32::try_from(rows.len()).unwrap_or(u32::MAX),
            firsts,
            filter: Filter::of(records.keys()),
            index_chunks: 0,
        };
        self.next_run += 1;
        let fresh_rows = std::mem::take(&mut self.fresh_rows);
        self.sealing =
            Some(Sealing { records, fresh_rows, run, rows: rows.into(), written: 0, indexed: false });
    }

    fn expire(&mut self, now: Millis, keep: std::time::Duration) -> Vec<Doomed> {
        let mut removals = Vec::new();
        while self.runs.front().is_some_and(|run| now.since(run.youngest) > keep) {
            let Some(run) = self.runs.pop_front() else { break };
            // The index goes first: rows without an index are harmless, an index without rows is not.
            removals.push(Doomed { space: Space::DedupeIndex, commit: run.number, chunks: run.index_chunks });
            removals.push(Doomed { space: Space::DedupeData, commit: run.number, chunks: run.rows });
        }
        removals
    }

    fn bound_filters(&mut self) {
        loop {
            let bytes: usize = self.runs.iter().map(|run| run.filter.words.len() * 8).sum();
            let largest = self.runs.iter_mut().max_by_key(|run| run.filter.words.len());
            match largest {
                Some(run) if bytes > FILTER_BYTES_MAX && run.filter.words.len() > 1 => run.filter.fold(),
                _ => return,
            }
        }
    }

    /// Records in memory and in runs.
    pub fn counts(&self) -> (usize, usize) {
        (self.fresh.len(), self.runs.len())
    }
}

/// The record of `key` in a run's row, if it is there.
pub fn find_in_row(row: &[u8], key: &Key) -> Option<DedupeRecord> {
    let records: Vec<DedupeRecord> = postcard::from_bytes(row).ok()?;
    records.into_iter().find(|record| record.key == *key)
}

/// Sorted records in rows of at most [`ROW_BYTES_MAX`], with the first key of each.
fn pack_rows(records: &HashMap<Key, DedupeRecord>) -> (Vec<Vec<u8>>, Vec<Key>) {
    let mut sorted: Vec<&DedupeRecord> = records.values().collect();
    sorted.sort_unstable_by_key(|record| record.key);
    let (mut rows, mut firsts) = (Vec::new(), Vec::new());
    let mut open: Vec<&DedupeRecord> = Vec::new();
    let mut open_bytes = 0;
    for record in sorted {
        let bytes = postcard::to_stdvec(record).map_or(0, |bytes| bytes.len());
        // Eight bytes are room for the list's length.
        if open_bytes + bytes + 8 > ROW_BYTES_MAX && !open.is_empty() {
            rows.push(postcard::to_stdvec(&open).unwrap_or_default());
            open.clear();
            open_bytes = 0;
        }
        if open.is_empty() {
            firsts.push(record.key);
        }
        open.push(record);
        open_bytes += bytes;
    }
    if !open.is_empty() {
        rows.push(postcard::to_stdvec(&open).unwrap_or_default());
    }
    (rows, firsts)
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

impl Sealing {
    /// Adds the next slice to `batch`; after the last one, the index.
    fn write(&mut self, batch: &mut Batch) {
        for _ in 0..SEAL_ROWS_PER_COMMIT {
            let Some(row) = self.rows.pop_front() else { break };
            batch.put_row(
                RowId { space: Space::DedupeData, commit: self.run.number, chunk: self.written },
                row,
            );
            self.written += 1;
        }
        if self.rows.is_empty()
            && let Ok(index) = postcard::to_stdvec(&self.run)
        {
            self.run.index_chunks = chunk_count(index.len());
            batch.put_value(Space::DedupeIndex, self.run.number, &index);
            self.indexed = true;
        }
    }
}

impl Run {
    fn candidate(&self, key: &Key) -> Option<RowId> {
        if !self.filter.may_hold(key) {
            return None;
        }
        let after = self.firsts.partition_point(|first| first <= key);
        let chunk = u32::try_from(after.checked_sub(1)?).ok()?;
        Some(RowId { space: Space::DedupeData, commit: self.number, chunk })
    }
}

impl Filter {
    /// A filter at 16 bits a key.
    fn of<'a>(keys: impl ExactSizeIterator<Item = &'a Key>) -> Self {
        let words = (keys.len() / 4).next_power_of_two().max(1);
        let mut filter = Self { words: vec![0; words] };
        for key in keys {
            for bit in filter.bits(key) {
                filter.words[bit / 64] |= 1 << (bit % 64);
            }
        }
        filter
    }

    fn may_hold(&self, key: &Key) -> bool {
        !self.words.is_empty() && self.bits(key).all(|bit| self.words[bit / 64] & (1 << (bit % 64)) != 0)
    }

    /// The key's bits (double hashing: A. Kirsch, M. Mitzenmacher, 2006); keys are digests already.
    fn bits(&self, key: &Key) -> impl Iterator<Item = usize> + use<> {
        let half = |at: usize| u64::from_le_bytes(std::array::from_fn(|n| key[at + n]));
        let (first, second) = (half(0), half(8) | 1);
        let mask = self.words.len() as u64 * 64 - 1;
        (0..u64::from(FILTER_HASHES)).map(move |n| {
            usize::try_from(first.wrapping_add(second.wrapping_mul(n)) & mask).unwrap_or_default()
        })
    }

    /// Halves the filter: it answers "maybe" more often, and never "no" wrongly.
    fn fold(&mut self) {
        let half = self.words.len() / 2;
        let (low, high) = self.words.split_at_mut(half);
        for (into, from) in low.iter_mut().zip(high) {
            *into |= *from;
        }
        self.words.truncate(half);
        self.words.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests;
