//! What the index keeps for a person: dead deliveries, quarantined events, and deliveries that wait and
//! wait, oldest first.

use super::Index;
use crate::domain::delivery::Progress;
use crate::domain::scheduler::LaneId;

/// What is kept until a person, or its retention, lets go of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A dead delivery.
    Dead {
        /// The event.
        seq: u64,
        /// Its receiver.
        lane: LaneId,
    },
    /// A delivery that is not over and that nobody works on: its endpoint is parked, or it waits for a retry.
    Waiting {
        /// The event.
        seq: u64,
        /// Its receiver.
        lane: LaneId,
        /// What it has been through.
        progress: Progress,
    },
    /// An event in quarantine.
    Quarantined {
        /// The event.
        seq: u64,
    },
}

impl Kept {
    /// The event.
    pub fn seq(self) -> u64 {
        match self {
            Self::Dead { seq, .. } | Self::Waiting { seq, .. } | Self::Quarantined { seq } => seq,
        }
    }
}

impl Index {
    /// The oldest of what is kept for a person, at most `limit`, by sequence number.
    pub fn oldest_kept(&self, limit: usize) -> Vec<Kept> {
        let dead = (0..)
            .zip(&self.lanes)
            .flat_map(|(lane, state)| state.dead.iter().take(limit).map(move |seq| Kept::Dead { seq, lane }));
        let waiting = (0..).zip(&self.lanes).flat_map(|(lane, state)| {
            let idle = state.open.iter().filter(|seq| !state.claimed.contains_key(seq)).take(limit);
            idle.map(move |seq| Kept::Waiting { seq, lane, progress: state.progress(seq) })
        });
        let held = self.quarantined.iter().take(limit).map(|seq| Kept::Quarantined { seq });
        let mut oldest: Vec<Kept> = dead.chain(waiting).chain(held).collect();
        oldest.sort_by_key(|kept| kept.seq());
        oldest.truncate(limit);
        oldest
    }
}
