//! What a replay is to make again, oldest first.
//!
//! The unit is an event and a receiver: whatever was retried or released before, the last delivery
//! speaks for all. A delivery made after the replay began counts as made by it, so that a replay that
//! goes on after a crash makes nothing twice. Never decides whether the receiver still takes part.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use rusqlite::params;

use super::filter::{Filter, ShownState};
use super::lookup::{generations, route};
use super::reader::{Reader, Snapshot, Stored, delivery_id};
use super::rows::{DecisionRow, EventRow};
use super::scan::{CLOCK_SLACK, Plan, Wanted, Whole, newest_at, whole_segment};
use super::slot::{Slot, State};
use super::{Error, SEGMENT_EVENTS};
use crate::domain::id::{AppSlug, DeliveryId};
use crate::domain::routing::Decision;
use crate::domain::scheduler::LaneId;
use crate::domain::time::Millis;

/// Most dead letters looked at with one snapshot, of one receiver.
const ROWS_MAX: usize = 1_024;
/// Most segments looked at with one snapshot.
const SEGMENTS_MAX: u32 = 64;

/// A delivery that a replay is to make.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The event, as first accepted.
    pub event: Arc<EventRow>,
    /// Who gets it.
    pub receiver: AppSlug,
    /// What stands there so far.
    pub again: Again,
    /// Its place in the walk, by which a replay knows how far it came.
    pub place: u64,
}

/// What stands where a replay is to make a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Nothing: the receiver took no part.
    First,
    /// A delivery that is over and holds nothing.
    Over {
        /// The delivery.
        of: DeliveryId,
    },
    /// A dead letter, which is let go of with the new delivery.
    Dead {
        /// The delivery.
        of: DeliveryId,
        /// The place of its generation in the outbox.
        seq: u64,
        /// Its receiver's number.
        lane: LaneId,
        /// Attempts made.
        attempts: u16,
    },
    /// What the replay is to make was made since it began.
    Made,
}

/// A part of what a replay is to make.
#[derive(Clone, Debug, Default)]
pub struct Stretch {
    /// By their places.
    pub items: Vec<Candidate>,
    /// Where the next part begins; the replay's bound at its end.
    pub next: u64,
}

impl Reader {
    /// What `filter` selects of the events from `from` on and below `below`, a part of it. Dead letters are
    /// found by their index, everything else by a walk over the events.
    ///
    /// Of `filter` count the receiver, source, type, organization, state, since and until. With a receiver and
    /// no state, events that it did not get for want of an endpoint are among them.
    pub fn to_replay(&self, filter: &Filter, from: u64, below: u64) -> Result<Stretch, Error> {
        self.read(|snapshot| {
            let end = Stretch { items: Vec::new(), next: below };
            let Some(wanted) = Wanted::by(snapshot, filter)? else { return Ok(end) };
            let mut walk = Walk { snapshot, filter, below, items: Vec::new(), routes: HashMap::new() };
            let low = first_since(snapshot, filter.since, from, below)?;
            let next = match filter.state {
                Some(ShownState::Dead) => walk.dead_letters(&wanted, low)?,
                _ => walk.segments(&wanted, low)?,
            };
            Ok(Stretch { items: walk.items, next })
        })
    }
}

struct Walk<'a, 'tx> {
    snapshot: &'a Snapshot<'tx>,
    filter: &'a Filter,
    below: u64,
    items: Vec<Candidate>,
    /// Decisions by the number of their route: few are shared by all events.
    routes: HashMap<i64, Vec<DecisionRow>>,
}

impl Walk<'_, '_> {
    /// Takes in the events of some segments from `low` on; where the next part begins.
    fn segments(&mut self, wanted: &Wanted<'_>, mut low: u64) -> rusqlite::Result<u64> {
        let (snapshot, below) = (self.snapshot, self.below);
        let plan = Plan { lanes: Vec::new(), whole: Whole::All, rows: &[], first_only: true };
        for _ in 0..SEGMENTS_MAX {
            let Some(first) = first_event(snapshot, low, below)? else {
                low = below;
                break;
            };
            let newest = newest_at(snapshot, first)?;
            if self.filter.until.is_some_and(|until| newest.is_some_and(|at| at > until.plus(CLOCK_SLACK))) {
                low = below;
                break;
            }
            let high = (first / SEGMENT_EVENTS * SEGMENT_EVENTS + SEGMENT_EVENTS - 1).min(below - 1);
            let flow = whole_segment(snapshot, wanted, &plan, first, high, &mut |event| {
                self.event(&generations(snapshot, event.seq)?, None)?;
                Ok(ControlFlow::Continue(()))
            })?;
            debug_assert!(flow.is_continue());
            low = high + 1;
            if !self.items.is_empty() {
                break;
            }
        }
        // Segments are walked from the newest down.
        self.items.reverse();
        Ok(low.min(below))
    }

    /// Takes in some dead letters from `low` on, those that were let go of among them: what this replay made of
    /// them counts. Where the next part begins.
    fn dead_letters(&mut self, wanted: &Wanted<'_>, low: u64) -> rusqlite::Result<u64> {
        let snapshot = self.snapshot;
        let sql = "SELECT seq FROM deliveries WHERE lane = ?1 AND state = ?2 AND seq >= ?3 AND seq < ?4
            ORDER BY seq LIMIT ?5";
        let mut statement = snapshot.tx.prepare_cached(sql)?;
        let is_wanted = |receiver: &AppSlug| self.filter.receiver.as_ref().is_none_or(|to| to == receiver);
        let lanes = snapshot.receivers().iter().filter(|(_, receiver)| is_wanted(receiver));
        let (mut seqs, mut next) = (BTreeSet::new(), self.below);
        for (lane, state) in lanes.flat_map(|(lane, _)| [(*lane, State::Dead), (*lane, State::Dismissed)]) {
            let values = params![
                lane,
                state.code(),
                low.cast_signed(),
                self.below.cast_signed(),
                ROWS_MAX.cast_signed()
            ];
            let found: Vec<i64> = statement.query_map(values, |row| row.get(0))?.collect::<Result<_, _>>()?;
            if let Some(last) = found.last().filter(|_| found.len() == ROWS_MAX) {
                next = next.min(last.cast_unsigned() + 1);
            }
            seqs.extend(found.into_iter().map(i64::cast_unsigned));
        }
        for seq in seqs.range(..next) {
            let generations = generations(snapshot, *seq)?;
            if generations.first().is_some_and(|first| wanted.lets(first)) {
                self.event(&generations, Some(*seq))?;
            }
        }
        Ok(next)
    }

    /// Takes in what is to be made of an event: all of it, or only what its generation at `spoken` speaks for.
    fn event(&mut self, generations: &[Stored], spoken: Option<u64>) -> rusqlite::Result<()> {
        let Some(event) = generations.first() else { return Ok(()) };
        let lanes: BTreeSet<LaneId> =
            generations.iter().flat_map(|one| one.slots.iter().map(|(lane, _)| *lane)).collect();
        let mut found = Vec::new();
        let mut is_sent = false;
        for lane in lanes {
            let Some(receiver) = self.snapshot.receivers().get(&lane) else { continue };
            if self.filter.receiver.as_ref().is_some_and(|wanted| wanted != receiver) {
                continue;
            }
            is_sent = true;
            if let Some(again) = self.again(generations, spoken, lane, receiver)? {
                found.push((receiver.clone(), again));
            }
        }
        if let (Some(receiver), None, false) = (&self.filter.receiver, self.filter.state, is_sent)
            && self.had_no_endpoint(generations, receiver)?
        {
            found.push((receiver.clone(), Again::First));
        }
        if !found.is_empty() {
            let row = Arc::new(self.snapshot.event(event, &|_| None)?);
            let place = spoken.unwrap_or(event.seq);
            let candidates = found.into_iter().map(|(receiver, again)| Candidate {
                event: Arc::clone(&row),
                receiver,
                again,
                place,
            });
            self.items.extend(candidates);
        }
        Ok(())
    }

    fn again(
        &self,
        generations: &[Stored],
        spoken: Option<u64>,
        lane: LaneId,
        receiver: &AppSlug,
    ) -> rusqlite::Result<Option<Again>> {
        let slot = |one: &Stored| one.slots.iter().find(|(of, _)| *of == lane).map(|(_, slot)| *slot);
        let is_made = generations.iter().any(|one| one.seq >= self.below && slot(one).is_some());
        let before = generations.iter().filter(|one| one.seq < self.below);
        let last = before.filter_map(|one| slot(one).map(|slot| (one, slot))).max_by_key(|(one, _)| one.seq);
        let Some((one, slot)) = last else {
            // A backfill; only what names a receiver and no state makes those.
            let is_ours = is_made && self.filter.receiver.is_some() && self.filter.state.is_none();
            return Ok(is_ours.then_some(Again::Made));
        };
        if spoken.is_some_and(|seq| seq != one.seq) {
            return Ok(None);
        }
        let state = slot.state();
        if self.filter.state.is_some_and(|wanted| ShownState::of(state, false) != wanted) {
            return Ok(None);
        }
        if is_made {
            return Ok(Some(Again::Made));
        }
        let source = self.snapshot.name(one.source)?;
        let Some(of) = delivery_id(&source, &one.event_id, receiver.as_str(), one.generation) else {
            return Ok(None);
        };
        Ok(match state {
            // It is tried by itself, or somebody has let go of it.
            State::Pending | State::Dismissed => None,
            State::Delivered | State::Cancelled => Some(Again::Over { of }),
            State::Dead => {
                let attempts = if matches!(slot, Slot::Row(_)) { self.attempts(one.seq, lane)? } else { 0 };
                Some(Again::Dead { of, seq: one.seq, lane, attempts })
            }
        })
    }

    fn attempts(&self, seq: u64, lane: LaneId) -> rusqlite::Result<u16> {
        let sql = "SELECT attempts FROM deliveries WHERE seq = ?1 AND lane = ?2";
        let values = params![seq.cast_signed(), lane];
        self.snapshot.tx.prepare_cached(sql)?.query_row(values, |row| row.get(0))
    }

    /// Whether the last decision for `receiver` was that it takes no part.
    fn had_no_endpoint(&mut self, generations: &[Stored], receiver: &AppSlug) -> rusqlite::Result<bool> {
        for one in generations.iter().rev() {
            if !self.routes.contains_key(&one.route) {
                self.routes.insert(one.route, route(self.snapshot, one.route)?);
            }
            let mut decisions = self.routes.get(&one.route).into_iter().flatten();
            if let Some(last) = decisions.rfind(|row| row.receiver == receiver.as_str()) {
                return Ok(last.decision == Decision::NoEndpoint.as_str());
            }
        }
        Ok(false)
    }
}

fn first_event(snapshot: &Snapshot<'_>, low: u64, below: u64) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT min(seq) FROM events WHERE seq >= ?1 AND seq < ?2";
    let values = params![low.cast_signed(), below.cast_signed()];
    let found: Option<i64> = snapshot.tx.prepare_cached(sql)?.query_row(values, |row| row.get(0))?;
    Ok(found.map(i64::cast_unsigned))
}

/// The first event from `low` on that may have been accepted at `since` or later. Acceptance follows the
/// order of events but for the slack, so the place can be searched for.
pub(super) fn first_since(
    snapshot: &Snapshot<'_>,
    since: Option<Millis>,
    mut low: u64,
    below: u64,
) -> rusqlite::Result<u64> {
    let Some(since) = since else { return Ok(low) };
    let mut high = below;
    while low < high {
        let middle = low + (high - low) / 2;
        let is_earlier = newest_at(snapshot, middle)?.is_none_or(|newest| newest.plus(CLOCK_SLACK) < since);
        if is_earlier {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
