//! The deliveries of one event in one small blob, in the order of its receivers.
//!
//! Pure: says what each delivery costs and is, touches no file. What is neither waiting untried nor
//! delivered at its first attempt has a row of its own, and is marked here with its state.

use serde::{Deserialize, Serialize};

use crate::domain::scheduler::LaneId;

/// Where a delivery stands, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum State {
    /// Not yet terminal.
    Pending,
    /// It arrived.
    Delivered,
    /// It failed for good and waits for a person.
    Dead,
    /// A person cancelled it.
    Cancelled,
    /// It failed for good, and a person has let go of it.
    Dismissed,
}

impl State {
    pub(super) const ALL: [Self; 5] =
        [Self::Pending, Self::Delivered, Self::Dead, Self::Cancelled, Self::Dismissed];

    /// The number in the tables.
    pub(super) fn code(self) -> i64 {
        match self {
            Self::Pending => 0,
            Self::Delivered => 1,
            Self::Dead => 2,
            Self::Cancelled => 3,
            Self::Dismissed => 4,
        }
    }
}

/// One delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Slot {
    /// Never tried.
    Waiting,
    /// It arrived at its first attempt.
    Delivered(First),
    /// It arrived, nobody knows any more when: from before a rebuild.
    Settled,
    /// It has a row.
    Row(State),
}

/// A first attempt that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct First {
    /// From the event's acceptance until it ended.
    pub(super) after_ms: u64,
    /// How long it took.
    pub(super) took_ms: u32,
    /// The receiver's status.
    pub(super) status: Option<u16>,
    /// Whether it probed an open breaker.
    pub(super) probe: bool,
}

impl Slot {
    pub(super) fn state(self) -> State {
        match self {
            Self::Waiting => State::Pending,
            Self::Delivered(_) | Self::Settled => State::Delivered,
            Self::Row(state) => state,
        }
    }
}

/// What the retention of an event goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing waits and nothing is dead.
    Done = 0,
    /// Something waits.
    Waiting = 1,
    /// Nothing waits, but something is dead, or the event is in quarantine.
    Kept = 2,
}

/// An event's deliveries.
pub(super) type Slots = Vec<(LaneId, Slot)>;

/// The standing of an event with these deliveries.
pub(super) fn standing(slots: &[(LaneId, Slot)], in_quarantine: bool) -> Standing {
    let any = |wanted| slots.iter().any(|(_, slot)| slot.state() == wanted);
    if any(State::Pending) {
        Standing::Waiting
    } else if in_quarantine || any(State::Dead) {
        Standing::Kept
    } else {
        Standing::Done
    }
}

/// The blob; `None` only if postcard refuses, which it doesn't for these shapes.
pub(super) fn encode(slots: &[(LaneId, Slot)]) -> Option<Vec<u8>> {
    postcard::to_stdvec(slots).ok()
}

/// Reads the blob.
pub(super) fn decode(blob: &[u8]) -> Option<Slots> {
    postcard::from_bytes(blob).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_that_arrived_at_once_costs_a_few_bytes() {
        let first = First { after_ms: 180, took_ms: 40, status: Some(200), probe: false };
        let slots: Slots = (0..5).map(|lane| (lane, Slot::Delivered(first))).collect();
        let blob = encode(&slots).unwrap();
        assert!(blob.len() <= 5 * 9 + 1, "{}", blob.len());
        assert_eq!(decode(&blob), Some(slots));
    }

    #[test]
    fn an_event_is_done_when_nothing_waits_and_nothing_is_dead() {
        let dead = (1, Slot::Row(State::Dead));
        for (slots, held, wanted) in [
            (vec![], false, Standing::Done),
            (vec![], true, Standing::Kept),
            (vec![(0, Slot::Settled), (1, Slot::Row(State::Dismissed))], false, Standing::Done),
            (vec![(0, Slot::Settled), dead], false, Standing::Kept),
            (vec![(0, Slot::Waiting), dead], false, Standing::Waiting),
            (vec![(0, Slot::Row(State::Pending))], false, Standing::Waiting),
        ] {
            assert_eq!(standing(&slots, held), wanted, "{slots:?}");
        }
    }

    #[test]
    fn a_state_has_its_own_number() {
        for (at, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(state.code(), i64::try_from(at).unwrap());
        }
    }
}
