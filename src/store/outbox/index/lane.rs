//! One receiver's deliveries in the index.

use std::collections::{BTreeSet, HashMap};

use roaring::RoaringTreemap;

use crate::domain::delivery::Progress;
use crate::domain::parked::Parked;
use crate::domain::time::Millis;
use crate::store::outbox::record::LaneState;

#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) open: RoaringTreemap,
    pub(super) dead: RoaringTreemap,
    /// Everything open below is tried or claimed.
    pub(super) cursor: u64,
    pub(super) due: BTreeSet<(Millis, u64)>,
    pub(super) tried: HashMap<u64, (Millis, Progress)>,
    pub(super) claimed: HashMap<u64, Progress>,
    pub(super) parked: Parked,
}

impl Lane {
    pub(super) fn try_later(&mut self, seq: u64, due: Millis, progress: Progress) {
        self.forget_tried(seq);
        self.due.insert((due, seq));
        self.tried.insert(seq, (due, progress));
    }

    pub(super) fn forget_tried(&mut self, seq: u64) -> Option<Progress> {
        let (due, progress) = self.tried.remove(&seq)?;
        self.due.remove(&(due, seq));
        Some(progress)
    }

    pub(super) fn progress(&self, seq: u64) -> Progress {
        let tried = self.tried.get(&seq).map(|(_, progress)| *progress);
        self.claimed.get(&seq).copied().or(tried).unwrap_or_default()
    }

    pub(super) fn state(&self) -> LaneState {
        let waiting = self.tried.iter().map(|(seq, (due, progress))| (*seq, *due, *progress));
        let claimed = self.claimed.iter().map(|(seq, progress)| (*seq, Millis(0), *progress));
        let mut tried: Vec<_> =
            waiting.chain(claimed.filter(|(.., progress)| progress.attempts > 0)).collect();
        tried.sort_unstable_by_key(|(seq, ..)| *seq);
        LaneState {
            open: to_bytes(&self.open),
            dead: to_bytes(&self.dead),
            tried,
            parked: self.parked.clone(),
        }
    }
}

pub(super) fn to_bytes(bitmap: &RoaringTreemap) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    // Writing to a Vec cannot fail.
    let _ = bitmap.serialize_into(&mut bytes);
    bytes
}

pub(super) fn from_bytes(bytes: &[u8]) -> Option<RoaringTreemap> {
    if bytes.is_empty() { Some(RoaringTreemap::new()) } else { RoaringTreemap::deserialize_from(bytes).ok() }
}
