//! What others ask the outbox: events, counts, commits. Changes nothing.

use std::sync::Arc;

use super::index::LaneCounts;
use super::record::{self, StoredEvent};
use super::{Error, Outbox, Tail, lock, tail};
use crate::domain::id::AppSlug;
use crate::domain::parked::Parked;
use crate::domain::scheduler::LaneId;
use crate::store::log;

impl Outbox {
    /// The event `seq`, from memory or from the log. `None` if nothing needs it any more. May read the disk.
    pub fn load(&self, seq: u64) -> Result<Option<Arc<StoredEvent>>, Error> {
        if let Some(event) = self.shared.cache.get(&seq) {
            return Ok(Some(event));
        }
        self.shared.read_event(seq)
    }

    /// The event `seq` if it is in memory.
    pub fn cached(&self, seq: u64) -> Option<Arc<StoredEvent>> {
        self.shared.cache.get(&seq)
    }

    /// The receiver's number, if it has had a delivery.
    pub fn lane(&self, receiver: &AppSlug) -> Option<LaneId> {
        lock(&self.shared.index).lane(receiver)
    }

    /// All receivers that have had a delivery, by number.
    pub fn lanes(&self) -> Vec<AppSlug> {
        lock(&self.shared.index).names().to_vec()
    }

    /// One receiver's counts.
    pub fn counts(&self, lane: LaneId) -> LaneCounts {
        lock(&self.shared.index).counts(lane)
    }

    /// When the receiver was parked.
    pub fn parked(&self, lane: LaneId) -> Parked {
        lock(&self.shared.index).parked(lane)
    }

    /// The open deliveries of `lane` that were tried, at most [`TRIED_MAX`](super::index::TRIED_MAX) and what is in hand.
    pub fn tried(&self, lane: LaneId) -> Vec<u64> {
        lock(&self.shared.index).tried(lane)
    }

    /// Cancelled deliveries since the process began.
    pub fn cancelled(&self) -> u64 {
        lock(&self.shared.index).cancelled()
    }

    /// Whether the delivery of `seq` to `lane` is not yet terminal.
    pub fn is_open(&self, lane: LaneId, seq: u64) -> bool {
        lock(&self.shared.index).is_open(lane, seq)
    }

    /// Events in quarantine.
    pub fn quarantined(&self) -> u64 {
        lock(&self.shared.index).quarantined()
    }

    /// The sequence number that the next event will get.
    pub fn next_seq(&self) -> u64 {
        lock(&self.shared.index).next_seq()
    }

    /// All that is still held, for a journal that starts anew.
    pub fn checkpoint(&self) -> record::Checkpoint {
        lock(&self.shared.index).checkpoint()
    }

    /// The commits in order, for the journal.
    pub fn tail(&self) -> &Tail {
        &self.shared.tail
    }

    /// Commits after `after`, up to about `bytes_max` of bodies, from memory or from the log; empty when
    /// the journal has caught up. May read the disk.
    pub fn commits_after(&self, after: u64, bytes_max: usize) -> Result<Vec<Arc<record::Commit>>, Error> {
        match self.shared.tail.recent(after, bytes_max) {
            Some(commits) => Ok(commits),
            None => tail::read(self.shared.log.as_ref(), after, bytes_max),
        }
    }

    /// What the engine says of its size, and the bytes of packs still needed.
    pub fn stats(&self) -> Result<(log::Stats, u64), Error> {
        let held = lock(&self.shared.index).held_bytes();
        Ok((self.shared.log.stats()?, held))
    }
}
