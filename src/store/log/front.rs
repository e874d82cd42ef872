//! A log in front of an engine: a commit is one write and one sync of one file that is there already, and the
//! engine gets, beside the commits and in masses, what still lives by then.
//!
//! Two segments are written in turn ([`segment`]); what they hold lies over the engine's rows in memory ([`layers`]), at most two
//! tables of bounded size. When the one that takes commits is full, commits go to the other segment, and the first one's
//! table goes down ([`sinking`]); if the table before is not down yet, a commit waits for it. The reasons are in
//! `docs/adr/0014-log-in-front.md`.
//!
//! What it must never do: report a commit before its record is on the disk, use a segment again before the engine
//! durably has what was in it, or write anything after a write, a sync or a commit of the engine has failed. A crash within a
//! commit leaves all of it or none; a crash while a table goes down leaves its segment, which is read again.

mod layers;
mod merge;
mod opening;
mod record;
mod segment;
mod sinking;

use std::collections::BTreeSet;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;

use self::layers::{Layers, Look};
use self::merge::merge;
use self::opening::Found;
pub(super) use self::opening::read;
use self::record::Stamp;
use self::sinking::{Frozen, Shared};
use super::engine::{Engine, Fault, Room, Rows};
use super::row::{Change, Key};
use crate::runtime::entropy::{Entropy, OsEntropy};

/// What the buffer for a record may keep between two commits.
const RECORD_BYTES_KEPT: usize = 1 << 20;

/// When so much of the room for commits is taken, the frozen table goes down: the rest of the room is for the time that it takes.
const DUE_PERCENT: u64 = 50;

/// How large the log in front of an engine may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// What each of the two segments has at first. One that was full becomes larger,
    pub segment_bytes_min: u64,
    /// up to this. A record that is longer has a segment for itself.
    pub segment_bytes_max: u64,
    /// Most memory for each of the two tables, about, and for one commit.
    pub table_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { segment_bytes_min: 256 << 10, segment_bytes_max: 32 << 20, table_bytes_max: 8 << 20 }
    }
}

/// An engine with a log in front.
pub(super) struct Fronted {
    shared: Arc<Shared>,
    writer: Mutex<Writer>,
}

/// Where the next record goes. Only one thread at a time commits.
struct Writer {
    segment: usize,
    at: u64,
    /// Of the next record.
    stamp: Stamp,
    record: Vec<u8>,
    sinking: Option<JoinHandle<()>>,
}

impl Fronted {
    /// Puts an empty log in front of `inner`, whose folder is `path`; its files are durable.
    pub fn create(inner: Box<dyn Engine>, path: &Path, bounds: Bounds) -> Result<Self, Fault> {
        let segments = opening::create(path, bounds.segment_bytes_min)?;
        let stamp = Stamp { usage: 1, salt: OsEntropy.u64(), seq: 1 };
        let shared = Shared::new(inner, segments, bounds, path.to_path_buf(), Layers::default());
        Ok(Self::over(shared, Writer { segment: 0, at: 0, stamp, record: Vec::new(), sinking: None }))
    }

    /// Puts the log that was [`read`] back from the folder `path` in front of its engine.
    pub fn open(inner: Box<dyn Engine>, mut log: Found, path: &Path, bounds: Bounds) -> Result<Self, Fault> {
        let layers = log.layers(opening::edge(&*inner)?);
        let mut writer = Writer {
            segment: 0,
            at: 0,
            stamp: Stamp { usage: 1, salt: OsEntropy.u64(), seq: 1 },
            record: Vec::new(),
            sinking: None,
        };
        if let Some((segment, run)) = log.latest() {
            log.segments[segment].renew_last(&run)?;
            (writer.segment, writer.at) = (segment, run.end);
            writer.stamp = Stamp { seq: run.last_seq + 1, ..run.first };
        } else if let Some((segment, stamp)) = log.torn() {
            writer.segment = segment;
            writer.stamp = Stamp { salt: writer.stamp.salt, ..stamp };
        }
        let frozen = layers.frozen.clone();
        let shared = Shared::new(inner, log.segments, bounds, path.to_path_buf(), layers);
        if let Some(table) = frozen {
            shared.hand_over(Frozen { table, segment: 1 - writer.segment, was_full: true });
        }
        Ok(Self::over(shared, writer))
    }

    fn over(shared: Shared, writer: Writer) -> Self {
        Self { shared: Arc::new(shared), writer: Mutex::new(writer) }
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // Whoever panicked in it left the failure behind that stops the next one.
        self.writer.lock().unwrap_or_else(|poisoned| {
            self.shared.fail(&Fault::Failed("a thread panicked while it wrote".to_owned()));
            poisoned.into_inner()
        })
    }
}

impl Writer {
    fn commit(&mut self, shared: &Arc<Shared>, change: &Change<'_>) -> Result<(), Fault> {
        let too_long = |_| Fault::Failed("a commit of more than 4 GiB".to_owned());
        record::draft(&mut self.record, change).map_err(too_long)?;
        if shared.layers().edge.is_none() {
            let edge = opening::edge(&*shared.inner)?;
            shared.layers_mut().edge = Some(edge);
        }
        self.make_room(shared)?;
        record::seal(&mut self.record, self.stamp);
        let segment = &shared.segments[self.segment];
        segment.write(self.at, &self.record)?;
        self.at += self.record.len() as u64;
        self.stamp.seq += 1;
        self.record.shrink_to(RECORD_BYTES_KEPT);
        let rows: Vec<_> =
            change.iter().map(|(key, value)| (*key, value.map(Bytes::copy_from_slice))).collect();
        let mut layers = shared.layers_mut();
        for (key, value) in rows {
            layers.apply(key, value);
        }
        let table_bytes = layers.active.bytes();
        drop(layers);
        if self.used_percent(shared, table_bytes) > DUE_PERCENT { self.hurry(shared) } else { Ok(()) }
    }

    /// Goes on in the other segment if this one has no room for the record, or the table none for its rows.
    fn make_room(&mut self, shared: &Arc<Shared>) -> Result<(), Fault> {
        let record_bytes = self.record.len().next_multiple_of(record::BLOCK_BYTES) as u64;
        let is_full = self.at + record_bytes > shared.segments[self.segment].bytes();
        let table_bytes = shared.layers().active.bytes();
        let is_heavy = table_bytes > shared.bounds.table_bytes_max;
        if self.at == 0 || !(is_full || is_heavy) {
            let used_percent = self.used_percent(shared, table_bytes);
            if used_percent > DUE_PERCENT {
                self.hurry(shared)?;
            }
            shared.keep_pace(used_percent);
            return Ok(());
        }
        self.hurry(shared)?;
        shared.await_down()?;
        let frozen = shared.layers_mut().freeze();
        let table = frozen.ok_or_else(|| Fault::Failed("a table is still going down".to_owned()))?;
        shared.hand_over(Frozen { table, segment: self.segment, was_full: is_full });
        self.segment = 1 - self.segment;
        self.at = 0;
        self.stamp = Stamp { usage: self.stamp.usage + 1, salt: OsEntropy.u64(), ..self.stamp };
        // Much that lives here lives long: waiting spares little.
        if table_bytes > shared.bounds.table_bytes_max / 2 { self.hurry(shared) } else { Ok(()) }
    }

    /// How much of the room for commits is taken: in the segment or in the table, whichever is the fuller.
    fn used_percent(&self, shared: &Shared, table_bytes: usize) -> u64 {
        let of_segment = self.at * 100 / shared.segments[self.segment].bytes().max(1);
        of_segment.max((table_bytes * 100 / shared.bounds.table_bytes_max.max(1)) as u64)
    }

    fn hurry(&mut self, shared: &Arc<Shared>) -> Result<(), Fault> {
        if shared.layers().frozen.is_some() {
            if self.sinking.is_none() {
                self.sinking = Some(sinking::start(shared)?);
            }
            shared.hurry();
        }
        Ok(())
    }
}

impl Engine for Fronted {
    fn commit(&self, change: &Change<'_>) -> Result<(), Fault> {
        let mut writer = self.writer();
        if let Some(fault) = self.shared.failure() {
            return Err(fault);
        }
        writer.commit(&self.shared, change).inspect_err(|fault| self.shared.fail(fault))
    }

    fn pour(&self, change: &Change<'_>) -> Result<(), Fault> {
        debug_assert!(self.shared.layers().edge.is_none(), "what is poured comes before the first commit");
        self.shared.inner.pour(change)
    }

    fn read(&self, key: &Key) -> Result<Option<Vec<u8>>, Fault> {
        loop {
            let layers = self.shared.layers();
            match layers.look(key) {
                Look::Here(value) => return Ok(Some(value.to_vec())),
                Look::Nowhere => return Ok(None),
                Look::Below => {}
            }
            let freezes = layers.freezes;
            drop(layers);
            let value = self.shared.inner.read(key)?;
            if self.shared.layers().freezes == freezes {
                return Ok(value);
            }
        }
    }

    fn held(&self, keys: &BTreeSet<Key>) -> Result<Vec<(Key, usize)>, Fault> {
        loop {
            let layers = self.shared.layers();
            let freezes = layers.freezes;
            let (mut held, mut rest) = (Vec::new(), BTreeSet::new());
            for key in keys {
                match layers.look(key) {
                    Look::Here(value) => held.push((*key, value.len())),
                    Look::Nowhere => {}
                    Look::Below => drop(rest.insert(*key)),
                }
            }
            drop(layers);
            if rest.is_empty() {
                return Ok(held);
            }
            held.extend(self.shared.inner.held(&rest)?);
            if self.shared.layers().freezes == freezes {
                return Ok(held);
            }
        }
    }

    fn scan(&self, start: Bound<&Key>, last: &Key, room: Room) -> Result<Rows, Fault> {
        let mut start = start.cloned();
        loop {
            let layers = self.shared.layers();
            let (overlay, freezes) = (layers.overlay(start.as_ref(), last, room), layers.freezes);
            drop(layers);
            let until = overlay.until;
            let below = self.shared.inner.scan(start.as_ref(), &until, room)?;
            // Otherwise the engine may have rows that the tables did not have when they were looked at.
            if self.shared.layers().freezes != freezes {
                continue;
            }
            let merged = merge(overlay, below, &until, room);
            if !merged.rows.is_empty() || merged.until >= *last {
                return Ok(merged.rows);
            }
            start = Bound::Excluded(merged.until);
        }
    }

    fn waiting_bytes(&self) -> u64 {
        let layers = self.shared.layers();
        let frozen = layers.frozen.as_ref().map_or(0, |frozen| frozen.bytes());
        (layers.active.bytes() + frozen) as u64
    }

    fn edge(&self, first: &Key, last: &Key) -> Result<Option<Key>, Fault> {
        let rows = self.scan(Bound::Included(first), last, Room { rows: 1, bytes: 1 })?;
        Ok(rows.first().map(|_| *last))
    }

    fn fixed_bytes(&self) -> Result<u64, Fault> {
        let [a, b] = &self.shared.segments;
        Ok(a.disk_bytes()? + b.disk_bytes()?)
    }

    /// What is not down yet stays in the log: the next opening reads it.
    fn close(self: Box<Self>) -> Result<(), Fault> {
        let shared = Arc::clone(&self.shared);
        // Joins the thread, so that nobody else has the engine unless it failed.
        drop(self);
        let failure = shared.failure();
        match Arc::into_inner(shared) {
            Some(shared) => shared.inner.close(),
            None => Err(failure.unwrap_or_else(|| Fault::Failed("the engine is still in use".to_owned()))),
        }
    }
}

impl Drop for Fronted {
    fn drop(&mut self) {
        self.shared.stop();
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = writer.sinking.take() {
            // A panic of the engine was caught and is a failure.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests;
