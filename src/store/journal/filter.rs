//! What a list is asked for, and its pages.
//!
//! Pure: touches no file. A cursor is text that only the list that made it reads.

use serde::Serialize;

use super::Error;
use super::slot::State;
use crate::domain::id::{AppSlug, EventType};
use crate::domain::outcome::Reason;
use crate::domain::routing::QuarantineReason;
use crate::domain::scheduler::LaneId;
use crate::domain::time::Millis;

/// Why a receiver's deliveries wait as a whole (`paused`, `disabled`, `breaker_open`), if they do.
pub type WhyParked<'a> = &'a dyn Fn(&AppSlug) -> Option<&'static str>;

/// A delivery's state as people see it. `Parked` is a view: pending, while its receiver is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShownState {
    /// It waits to be tried.
    Pending,
    /// It arrived.
    Delivered,
    /// It waits until its receiver can be sent to.
    Parked,
    /// It failed for good.
    Dead,
    /// A person cancelled it.
    Cancelled,
}

impl ShownState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Delivered, Self::Parked, Self::Dead, Self::Cancelled];

    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Parked => "parked",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    pub(super) fn of(state: State, parked: bool) -> Self {
        match state {
            State::Pending if parked => Self::Parked,
            State::Pending => Self::Pending,
            State::Delivered => Self::Delivered,
            State::Dead | State::Dismissed => Self::Dead,
            State::Cancelled => Self::Cancelled,
        }
    }
}

/// Why a delivery waits or is dead, as lists show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownReason {
    /// What its last attempt came to.
    Attempt(Reason),
    /// It was not tried yet, and its receiver is parked: one of [`ShownReason::WAITS`].
    Waits(&'static str),
}

impl ShownReason {
    /// Why receivers are parked.
    pub const WAITS: [&'static str; 3] = ["paused", "disabled", "breaker_open"];

    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attempt(reason) => reason.as_str(),
            Self::Waits(word) => word,
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        let waits = || Self::WAITS.into_iter().find(|known| *known == word).map(Self::Waits);
        Reason::parse(word).map(Self::Attempt).or_else(waits)
    }

    /// Every word.
    pub fn words() -> impl Iterator<Item = &'static str> {
        Reason::ALL.iter().map(|reason| reason.as_str()).chain(Self::WAITS)
    }
}

/// What to list. Everything given must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Deliveries to this app; events that have one.
    pub receiver: Option<AppSlug>,
    /// From this app.
    pub source: Option<AppSlug>,
    /// Of this type.
    pub event_type: Option<EventType>,
    /// Of this organization.
    pub organization: Option<String>,
    /// In this state; events that have a delivery in it.
    pub state: Option<ShownState>,
    /// Waiting or dead for this reason. Deliveries only.
    pub reason: Option<ShownReason>,
    /// In quarantine, now or before, for this reason. Events only.
    pub held: Option<QuarantineReason>,
    /// Accepted then or later.
    pub since: Option<Millis>,
    /// Accepted then or earlier.
    pub until: Option<Millis>,
    /// Part of the event's id, its correlation id or its organization, capitals as written. If it is some
    /// event's whole id, only the events of that id are listed.
    pub q: Option<String>,
}

/// One page of a list, newest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page<T> {
    /// What was found. May be short, or empty, though there is a `next`: one page looks at so many events
    /// and no more.
    pub items: Vec<T>,
    /// The cursor of the next page; none at the end.
    pub next: Option<String>,
}

/// A place in a list: everything above it has been shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) seq: u64,
    /// The last receiver of `seq` that was shown.
    pub(super) lane: LaneId,
}

impl Place {
    /// Past all deliveries of `seq`.
    pub(super) fn after(seq: u64) -> Self {
        Self { seq, lane: LaneId::MAX }
    }

    pub(super) fn read(cursor: Option<&str>) -> Result<Option<Self>, Error> {
        let Some(text) = cursor else { return Ok(None) };
        let (seq, lane) = text.split_once('.').ok_or(Error::Cursor)?;
        let seq = u64::from_str_radix(seq, 16).map_err(|_| Error::Cursor)?;
        let lane = LaneId::from_str_radix(lane, 16).map_err(|_| Error::Cursor)?;
        Ok(Some(Self { seq, lane }))
    }

    pub(super) fn text(self) -> String {
        format!("{:x}.{:x}", self.seq, self.lane)
    }

    /// The highest event that may still have something to show.
    pub(super) fn seq_max(self) -> Option<u64> {
        if self.lane == LaneId::MAX { self.seq.checked_sub(1) } else { Some(self.seq) }
    }

    pub(super) fn has_shown(self, seq: u64, lane: LaneId) -> bool {
        seq > self.seq || (seq == self.seq && lane <= self.lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_its_text_and_nothing_else_is_one() {
        let place = Place { seq: u64::MAX, lane: 3 };
        assert_eq!(Place::read(Some(&place.text())).unwrap(), Some(place));
        assert_eq!(Place::read(None).unwrap(), None);
        for text in ["", ".", "5", "x.1", "1.x", "1.10000", "1.2.3"] {
            assert!(Place::read(Some(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn after_an_event_comes_the_one_below() {
        assert_eq!(Place::after(7).seq_max(), Some(6));
        assert_eq!(Place::after(0).seq_max(), None);
        assert_eq!(Place { seq: 7, lane: 2 }.seq_max(), Some(7));
        assert!(Place { seq: 7, lane: 2 }.has_shown(7, 2));
        assert!(!Place { seq: 7, lane: 2 }.has_shown(7, 3));
    }

    #[test]
    fn a_reason_survives_its_word() {
        for word in ShownReason::words() {
            assert_eq!(ShownReason::parse(word).map(ShownReason::as_str), Some(word));
        }
        assert_eq!(ShownReason::parse("because"), None);
    }

    #[test]
    fn a_state_survives_its_word() {
        for state in ShownState::ALL {
            assert_eq!(ShownState::parse(state.as_str()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
