//! The outbox's index in memory: what is open, for whom, and where its bytes lie.
//!
//! A pure structure: `apply` of every commit in order rebuilds it, and a checkpoint is its short form.
//! Its size does not follow the backlog: open deliveries are bits in compressed bitmaps
//! (S. Chambi et al., "Better bitmap performance with Roaring bitmaps", 2016); only those that were
//! tried and wait, or are claimed, cost an entry each, and a receiver may have
//! [`TRIED_MAX`] of them before it gets no fresh ones.

mod kept;
mod lane;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use roaring::RoaringTreemap;

use super::record::{Change, Checkpoint, CommitRecord, Move, PackEntry, PackSize};
use crate::domain::delivery::Progress;
use crate::domain::id::AppSlug;
use crate::domain::parked::Parked;
use crate::domain::scheduler::{Claimed, LaneId};
use crate::domain::time::Millis;
pub use kept::Kept;
use lane::{Lane, from_bytes, to_bytes};

/// Most tried-and-waiting deliveries of one receiver before it is given no fresh ones.
pub const TRIED_MAX: usize = 16_384;

/// The index.
#[derive(Debug, Default)]
pub struct Index {
    names: Vec<AppSlug>,
    by_name: HashMap<AppSlug, LaneId>,
    lanes: Vec<Lane>,
    packs: BTreeMap<u64, Pack>,
    /// Packs that nothing needs any more: (commit, first seq).
    spent: BTreeSet<(u64, u64)>,
    quarantined: RoaringTreemap,
    next_seq: u64,
    /// How many were cancelled since the process began.
    cancelled: u64,
    /// Bytes of `packs`.
    held_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Pack {
    commit: u64,
    last_seq: u64,
    size: PackSize,
    holds: u32,
}

/// What a claim brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// In the order to send: due retries first, then fresh ones in commit order.
    pub deliveries: Vec<Claimed>,
    /// When the earliest waiting one is due.
    pub next_due: Option<Millis>,
    /// Whether more could be claimed at once.
    pub more: bool,
}

/// One receiver's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneCounts {
    /// Not yet terminal.
    pub open: u64,
    /// Of those, waiting for a retry.
    pub waiting: u64,
    /// Of those, claimed by the scheduler.
    pub claimed: u64,
    /// Dead and kept.
    pub dead: u64,
    /// The oldest open one.
    pub oldest_seq: Option<u64>,
}

impl Index {
    /// The next event's sequence number.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The number of `receiver`, if it has had a delivery.
    pub fn lane(&self, receiver: &AppSlug) -> Option<LaneId> {
        self.by_name.get(receiver).copied()
    }

    /// The receivers by number.
    pub fn names(&self) -> &[AppSlug] {
        &self.names
    }

    /// Takes a commit in. Moves of deliveries that are not open are ignored: they came twice or too late.
    pub fn apply(&mut self, commit: u64, record: &CommitRecord) {
        for (lane, name) in &record.names {
            self.add_name(*lane, name.clone());
        }
        if let (Some(first), Some(last), Some(size)) =
            (record.heads.first(), record.heads.last(), record.pack)
        {
            let holds: usize =
                record.heads.iter().map(|head| head.lanes.len() + usize::from(head.quarantined)).sum();
            let holds = u32::try_from(holds).unwrap_or(u32::MAX);
            self.add_pack(first.seq, Pack { commit, last_seq: last.seq, size, holds });
            if holds == 0 {
                self.spent.insert((commit, first.seq));
            }
            for head in &record.heads {
                for lane in &head.lanes {
                    self.lane_mut(*lane).open.insert(head.seq);
                }
                if head.quarantined {
                    self.quarantined.insert(head.seq);
                }
            }
            self.next_seq = last.seq + 1;
        }
        for step in &record.moves {
            self.step(step);
        }
        for (lane, parked) in &record.parked {
            self.lane_mut(*lane).parked = parked.clone();
        }
    }

    /// Whether `step` would still change something: the fence against results that come twice or late.
    pub fn accepts(&self, step: &Move) -> bool {
        if step.change == Change::Released {
            return self.quarantined.contains(step.seq);
        }
        let Some(lane) = self.lanes.get(usize::from(step.lane)) else { return false };
        match step.change {
            Change::Dismissed => lane.dead.contains(step.seq),
            Change::Cancelled => lane.open.contains(step.seq),
            Change::Delivered | Change::Retry { .. } | Change::Park | Change::Dead(_) => {
                let known = lane.progress(step.seq).attempts;
                // The count ends there; a delivery must not.
                let is_newer = step.progress.attempts > known || known == u16::MAX;
                lane.open.contains(step.seq) && is_newer
            }
            Change::Released => false,
        }
    }

    fn step(&mut self, step: &Move) {
        if !self.accepts(step) {
            return;
        }
        let seq = step.seq;
        if step.change == Change::Released {
            self.quarantined.remove(seq);
            return self.release_hold(seq);
        }
        let lane = self.lane_mut(step.lane);
        lane.claimed.remove(&seq);
        lane.forget_tried(seq);
        match step.change {
            Change::Retry { due } => lane.try_later(seq, due, step.progress),
            Change::Park => lane.try_later(seq, Millis(0), step.progress),
            Change::Dead(_) => {
                lane.open.remove(seq);
                lane.dead.insert(seq);
            }
            Change::Delivered | Change::Cancelled => {
                lane.open.remove(seq);
                self.cancelled += u64::from(step.change == Change::Cancelled);
                self.release_hold(seq);
            }
            Change::Dismissed | Change::Released => {
                lane.dead.remove(seq);
                self.release_hold(seq);
            }
        }
    }

    fn release_hold(&mut self, seq: u64) {
        let Some((first, pack)) = self.packs.range_mut(..=seq).next_back() else { return };
        if seq > pack.last_seq {
            return;
        }
        pack.holds = pack.holds.saturating_sub(1);
        if pack.holds == 0 {
            self.spent.insert((pack.commit, *first));
        }
    }

    /// Claims up to `limit` deliveries for `lane` that may go at `now`.
    pub fn claim(&mut self, lane: LaneId, limit: usize, now: Millis) -> Claims {
        let Some(lane) = self.lanes.get_mut(usize::from(lane)) else { return Claims::default() };
        let mut deliveries = Vec::with_capacity(limit);
        while deliveries.len() < limit
            && let Some((due, seq)) = lane.due.first().copied()
            && due <= now
        {
            let progress = lane.forget_tried(seq).unwrap_or_default();
            // At once, because after a restart the cursor stands before it and would find it fresh.
            lane.claimed.insert(seq, progress);
            deliveries.push(Claimed { seq, progress });
        }
        if deliveries.len() < limit && lane.tried.len() < TRIED_MAX {
            let mut fresh = lane.open.iter();
            fresh.advance_to(lane.cursor);
            for seq in fresh {
                lane.cursor = seq + 1;
                if !lane.tried.contains_key(&seq) && !lane.claimed.contains_key(&seq) {
                    lane.claimed.insert(seq, Progress::default());
                    deliveries.push(Claimed { seq, progress: Progress::default() });
                    if deliveries.len() == limit {
                        break;
                    }
                }
            }
        }
        let next_due = lane.due.first().map(|(due, _)| *due);
        let fresh_left =
            lane.tried.len() < TRIED_MAX && lane.open.max().is_some_and(|last| last >= lane.cursor);
        Claims { deliveries, next_due, more: fresh_left || next_due.is_some_and(|due| due <= now) }
    }

    /// Takes claimed deliveries back, to be claimed again first.
    pub fn release(&mut self, lane: LaneId, deliveries: &[Claimed]) {
        let Some(lane) = self.lanes.get_mut(usize::from(lane)) else { return };
        for claimed in deliveries {
            if lane.claimed.remove(&claimed.seq).is_some() && lane.open.contains(claimed.seq) {
                lane.try_later(claimed.seq, Millis(0), claimed.progress);
            }
        }
    }

    /// Where the body of `seq` lies: the pack's commit, its first event and its size. `None` once nothing needs
    /// the pack: it may be gone from the disk already.
    pub fn locate(&self, seq: u64) -> Option<(u64, u64, PackSize)> {
        let (first, pack) = self.packs.range(..=seq).next_back()?;
        (seq <= pack.last_seq && pack.holds > 0).then_some((pack.commit, *first, pack.size))
    }

    /// Packs that nothing needs and that the journal has (commit <= `journalled`), taken out of the
    /// index: up to `limit` of (commit, chunks).
    pub fn take_spent(&mut self, journalled: u64, limit: usize) -> Vec<(u64, u32)> {
        let mut taken = Vec::new();
        while taken.len() < limit
            && let Some((commit, first)) = self.spent.first().copied()
            && commit <= journalled
        {
            self.spent.pop_first();
            if let Some(pack) = self.packs.remove(&first) {
                self.held_bytes = self.held_bytes.saturating_sub(pack.size.bytes.into());
                taken.push((commit, pack.size.chunks));
            }
        }
        taken
    }

    /// Whether [`take_spent`](Self::take_spent) would find something.
    pub fn has_spent(&self, journalled: u64) -> bool {
        self.spent.first().is_some_and(|(commit, _)| *commit <= journalled)
    }

    /// One receiver's counts.
    pub fn counts(&self, lane: LaneId) -> LaneCounts {
        let Some(lane) = self.lanes.get(usize::from(lane)) else { return LaneCounts::default() };
        LaneCounts {
            open: lane.open.len(),
            waiting: lane.tried.len() as u64,
            claimed: lane.claimed.len() as u64,
            dead: lane.dead.len(),
            oldest_seq: lane.open.min(),
        }
    }

    /// Bytes in packs that are still there.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// Events in quarantine.
    pub fn quarantined(&self) -> u64 {
        self.quarantined.len()
    }

    /// Whether this delivery is not yet terminal.
    pub fn is_open(&self, lane: LaneId, seq: u64) -> bool {
        self.lanes.get(usize::from(lane)).is_some_and(|lane| lane.open.contains(seq))
    }

    /// Progress and due time of an open delivery that was tried.
    pub fn waiting(&self, lane: LaneId, seq: u64) -> Option<(Millis, Progress)> {
        self.lanes.get(usize::from(lane))?.tried.get(&seq).copied()
    }

    /// The open deliveries of `lane` that were tried or given back.
    pub fn tried(&self, lane: LaneId) -> Vec<u64> {
        let lane = self.lanes.get(usize::from(lane));
        lane.map_or_else(Vec::new, |lane| lane.tried.keys().copied().collect())
    }

    /// Cancelled deliveries since the process began.
    pub fn cancelled(&self) -> u64 {
        self.cancelled
    }

    /// When the receiver was parked.
    pub fn parked(&self, lane: LaneId) -> Parked {
        self.lanes.get(usize::from(lane)).map(|lane| lane.parked.clone()).unwrap_or_default()
    }

    /// The short form of everything above. What is claimed counts as tried and due at once.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            next_seq: self.next_seq,
            names: self.names.clone(),
            packs: self
                .packs
                .iter()
                .map(|(first_seq, pack)| PackEntry {
                    first_seq: *first_seq,
                    last_seq: pack.last_seq,
                    commit: pack.commit,
                    size: pack.size,
                    holds: pack.holds,
                })
                .collect(),
            lanes: self.lanes.iter().map(Lane::state).collect(),
            quarantined: to_bytes(&self.quarantined),
        }
    }

    /// The index that `checkpoint` describes; `None` if its bitmaps are damaged.
    pub fn restore(checkpoint: Checkpoint) -> Option<Self> {
        let mut index = Self { next_seq: checkpoint.next_seq, ..Self::default() };
        for (lane, name) in (0..).zip(checkpoint.names) {
            index.add_name(lane, name);
        }
        for entry in checkpoint.packs {
            let pack =
                Pack { commit: entry.commit, last_seq: entry.last_seq, size: entry.size, holds: entry.holds };
            index.add_pack(entry.first_seq, pack);
            if entry.holds == 0 {
                index.spent.insert((entry.commit, entry.first_seq));
            }
        }
        for (at, state) in checkpoint.lanes.into_iter().enumerate() {
            let lane = index.lanes.get_mut(at)?;
            lane.open = from_bytes(&state.open)?;
            lane.dead = from_bytes(&state.dead)?;
            lane.parked = state.parked;
            for (seq, due, progress) in state.tried {
                lane.try_later(seq, due, progress);
            }
        }
        index.quarantined = from_bytes(&checkpoint.quarantined)?;
        Some(index)
    }

    fn add_pack(&mut self, first_seq: u64, pack: Pack) {
        self.held_bytes += u64::from(pack.size.bytes);
        self.packs.insert(first_seq, pack);
    }

    fn add_name(&mut self, lane: LaneId, name: AppSlug) {
        if self.names.len() == usize::from(lane) {
            self.by_name.insert(name.clone(), lane);
            self.names.push(name);
            self.lanes.push(Lane::default());
        }
    }

    fn lane_mut(&mut self, lane: LaneId) -> &mut Lane {
        let at = usize::from(lane);
        if self.lanes.len() <= at {
            self.lanes.resize_with(at + 1, Lane::default);
        }
        &mut self.lanes[at]
    }
}

#[cfg(test)]
mod tests;
