//! The lists, newest first, page by page.
//!
//! A page never repeats what an earlier one has shown. Filters that no index serves are judged event by
//! event within the bounds of `scan.rs`.

use std::ops::ControlFlow;

use rusqlite::params;

use super::Error;
use super::batch::ALL_EVENTS;
use super::filter::{Filter, Page, Place, ShownReason, ShownState, WhyParked};
use super::reader::{Reader, STORED, Snapshot, Stored, at};
use super::rows::{DeliveryRow, DriftRow, EventRow, ReceiverStats, Stats};
use super::scan::{Plan, SCAN_EVENTS_MAX, Wanted, Whole, walk};
use super::slot::{Slot, State};
use crate::domain::routing::QuarantineReason;
use crate::domain::scheduler::LaneId;
use crate::domain::time::Millis;

/// Most items of one page.
pub const PAGE_ITEMS_MAX: usize = 500;

impl Reader {
    /// Events, first routings only.
    pub fn events(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        limit: usize,
        parked: WhyParked<'_>,
    ) -> Result<Page<EventRow>, Error> {
        let place = Place::read(cursor)?;
        let Some(from) = place.map_or(Some(u64::MAX), |place| place.seq.checked_sub(1)) else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        self.read(|snapshot| {
            let lanes = lanes(snapshot, filter, parked);
            let of_lanes = filter.receiver.is_some() || filter.state.is_some();
            if of_lanes && lanes.is_empty() {
                return Ok(Page { items: Vec::new(), next: None });
            }
            let plan = if filter.state.is_some() {
                Plan { first_only: true, ..Plan::deliveries(filter, lanes) }
            } else if of_lanes {
                Plan { lanes, whole: Whole::OfLanes, rows: &[], first_only: true }
            } else {
                Plan { lanes: Vec::new(), whole: Whole::All, rows: &[], first_only: true }
            };
            let mut pager = Pager::new(limit);
            let gave_up = walk(snapshot, &plan, filter, from, &mut |event| {
                let is_of = |(lane, slot): &(LaneId, Slot)| {
                    plan.lanes.binary_search(lane).is_ok() && state_matches(*slot, &plan, filter)
                };
                let is_wanted = (!of_lanes || event.slots.iter().any(is_of))
                    && is_held_for(snapshot, &event, filter.held)?;
                if !is_wanted {
                    return Ok(ControlFlow::Continue(()));
                }
                pager.push(Place::after(event.seq), || snapshot.event(&event, parked))
            })?;
            Ok(pager.page(gave_up))
        })
    }

    /// Deliveries of all generations.
    pub fn deliveries(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        limit: usize,
        parked: WhyParked<'_>,
    ) -> Result<Page<DeliveryRow>, Error> {
        let place = Place::read(cursor)?;
        let mut filter = filter.clone();
        if matches!(filter.reason, Some(ShownReason::Waits(_))) {
            // Only what is parked is shown with such a reason.
            if *filter.state.get_or_insert(ShownState::Parked) != ShownState::Parked {
                return Ok(Page { items: Vec::new(), next: None });
            }
        }
        self.read(|snapshot| {
            let plan = Plan::deliveries(&filter, lanes(snapshot, &filter, parked));
            list(snapshot, &plan, &filter, (place, limit), parked)
        })
    }

    /// Dead deliveries that nobody has let go of.
    pub fn dead_letters(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        limit: usize,
        parked: WhyParked<'_>,
    ) -> Result<Page<DeliveryRow>, Error> {
        let place = Place::read(cursor)?;
        let filter = Filter { state: Some(ShownState::Dead), ..filter.clone() };
        self.read(|snapshot| {
            let lanes = lanes(snapshot, &filter, parked);
            let plan = Plan { lanes, whole: Whole::None, rows: &[State::Dead], first_only: false };
            list(snapshot, &plan, &filter, (place, limit), parked)
        })
    }

    /// Events in quarantine.
    pub fn quarantine(&self, cursor: Option<&str>, limit: usize) -> Result<Page<EventRow>, Error> {
        self.quarantined(&Filter::default(), cursor, limit)
    }

    /// Events in quarantine that `filter` lets through. They have no deliveries to filter by.
    pub fn quarantined(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<EventRow>, Error> {
        let place = Place::read(cursor)?;
        let Some(from) = place.map_or(Some(u64::MAX >> 1), |place| place.seq.checked_sub(1)) else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        self.read(|snapshot| {
            let mut pager = Pager::new(limit);
            let Some(wanted) = Wanted::by(snapshot, filter)? else { return Ok(pager.page(None)) };
            let sql = format!(
                "SELECT {STORED} FROM events WHERE held = 1 AND seq <= ?1 ORDER BY seq DESC LIMIT ?2"
            );
            let mut statement = snapshot.tx.prepare_cached(&sql)?;
            let mut rows = statement.query([from.cast_signed(), SCAN_EVENTS_MAX.cast_signed()])?;
            let mut looked = 0;
            while let Some(row) = rows.next()? {
                let event = Stored::read(row)?;
                looked += 1;
                let is_wanted = wanted.lets(&event)
                    && wanted.finds(snapshot, &event)?
                    && is_held_for(snapshot, &event, filter.held)?;
                let place = Place::after(event.seq);
                if is_wanted && pager.push(place, || snapshot.event(&event, &|_| None))?.is_break() {
                    break;
                }
                if looked == SCAN_EVENTS_MAX {
                    return Ok(pager.page(Some(event.seq)));
                }
            }
            Ok(pager.page(None))
        })
    }

    /// Departures from the registry, by source, type and field. Of `filter` count the source, the type, and
    /// since and until as the last and the first time that one was seen.
    pub fn drift(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<DriftRow>, Error> {
        let mut parts = cursor.unwrap_or("0.0.").splitn(3, '.');
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
        let place = (number(parts.next()), number(parts.next()), parts.next());
        let (Some(source), Some(event_type), Some(field)) = place else { return Err(Error::Cursor) };
        self.read(|snapshot| {
            let (mut items, mut last) = (Vec::new(), None);
            let Some(wanted) = Wanted::by(snapshot, filter)? else { return Ok(Page { items, next: None }) };
            let sql = "SELECT source, type, field, n, first_seen, last_seen, problem, event_id FROM drift
                WHERE (source, type, field) > (?1, ?2, ?3)
                    AND (?5 IS NULL OR source = ?5) AND (?6 IS NULL OR type = ?6)
                    AND (?7 IS NULL OR last_seen >= ?7) AND (?8 IS NULL OR first_seen <= ?8)
                ORDER BY source, type, field LIMIT ?4";
            let time = |at: Option<Millis>| at.map(|at| at.0.cast_signed());
            let rows = i64::try_from(bounded(limit) + 1).unwrap_or(i64::MAX);
            let mut statement = snapshot.tx.prepare_cached(sql)?;
            let (since, until) = (time(filter.since), time(filter.until));
            let values =
                params![source, event_type, field, rows, wanted.source, wanted.event_type, since, until];
            let mut rows = statement.query(values)?;
            while let Some(row) = rows.next()? {
                if items.len() == bounded(limit) {
                    return Ok(Page { items, next: last });
                }
                let (source, event_type): (i64, i64) = (row.get(0)?, row.get(1)?);
                let item = DriftRow {
                    source: snapshot.name(source)?,
                    event_type: snapshot.name(event_type)?,
                    field: row.get(2)?,
                    count: row.get::<_, i64>(3)?.cast_unsigned(),
                    first_seen: at(row.get(4)?),
                    last_seen: at(row.get(5)?),
                    problem: row.get(6)?,
                    event_id: row.get(7)?,
                };
                last = Some(format!("{source}.{event_type}.{}", item.field));
                items.push(item);
            }
            Ok(Page { items, next: None })
        })
    }

    /// The journal in numbers. Costs the same whatever is in it.
    pub fn stats(&self, parked: WhyParked<'_>) -> Result<Stats, Error> {
        self.read(|snapshot| {
            let mut stats = Stats::default();
            let mut by_lane = std::collections::BTreeMap::new();
            let mut statement = snapshot.tx.prepare_cached("SELECT lane, state, n FROM tallies")?;
            let mut rows = statement.query(())?;
            while let Some(row) = rows.next()? {
                let (lane, code, n): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let n = u64::try_from(n).unwrap_or(0);
                match (LaneId::try_from(lane), State::ALL.into_iter().find(|state| state.code() == code)) {
                    // Let go of: no longer on anybody's list.
                    (Ok(_), Some(State::Dismissed) | None) => {}
                    (Ok(lane), Some(state)) => {
                        let shown = ShownState::of(state, snapshot.parked(lane, parked).is_some());
                        stats.deliveries.add(shown, n);
                        let counts: &mut super::rows::StateCounts = by_lane.entry(lane).or_default();
                        counts.add(shown, n);
                    }
                    (Err(_), _) if lane == ALL_EVENTS && code == super::batch::TALLY_EVENTS => {
                        stats.events = n;
                    }
                    (Err(_), _) => stats.quarantined = n,
                }
            }
            for (lane, slug) in snapshot.receivers() {
                let deliveries = by_lane.get(lane).copied().unwrap_or_default();
                stats.receivers.push(ReceiverStats { receiver: slug.as_str().to_owned(), deliveries });
            }
            stats.receivers.sort_by(|a, b| a.receiver.cmp(&b.receiver));
            Ok(stats)
        })
    }
}

/// The receivers that `filter` leaves.
fn lanes(snapshot: &Snapshot<'_>, filter: &Filter, parked: WhyParked<'_>) -> Vec<LaneId> {
    let mut lanes: Vec<LaneId> = match &filter.receiver {
        Some(receiver) => snapshot.lane(receiver).into_iter().collect(),
        None => snapshot.receivers().keys().copied().collect(),
    };
    lanes.retain(|lane| match filter.state {
        Some(ShownState::Pending) => snapshot.parked(*lane, parked).is_none(),
        Some(ShownState::Parked) => snapshot.parked(*lane, parked).is_some_and(|why| match filter.reason {
            Some(ShownReason::Waits(word)) => word == why,
            _ => true,
        }),
        _ => true,
    });
    lanes.sort_unstable();
    lanes
}

fn list(
    snapshot: &Snapshot<'_>,
    plan: &Plan,
    filter: &Filter,
    (place, limit): (Option<Place>, usize),
    parked: WhyParked<'_>,
) -> rusqlite::Result<Page<DeliveryRow>> {
    let mut pager = Pager::new(limit);
    let Some(from) = place.map_or(Some(u64::MAX), Place::seq_max) else { return Ok(pager.page(None)) };
    if plan.lanes.is_empty() {
        return Ok(pager.page(None));
    }
    let reason = filter.reason.map(ShownReason::as_str);
    let gave_up = walk(snapshot, plan, filter, from, &mut |event| {
        let mut slots = event.slots.clone();
        slots.sort_unstable_by_key(|(lane, _)| *lane);
        for (lane, slot) in slots {
            let shown = place.is_some_and(|place| place.has_shown(event.seq, lane));
            if shown || plan.lanes.binary_search(&lane).is_err() || !state_matches(slot, plan, filter) {
                continue;
            }
            let row = snapshot.delivery(&event, (lane, slot), parked)?;
            let is_wanted = reason.is_none_or(|reason| row.reason.as_deref() == Some(reason));
            if is_wanted && pager.push(Place { seq: event.seq, lane }, || Ok(row))?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(pager.page(gave_up))
}

/// Whether a delivery in this slot is listed; which lanes count as parked is settled before.
fn state_matches(slot: Slot, plan: &Plan, filter: &Filter) -> bool {
    if plan.whole == Whole::None && !plan.rows.contains(&slot.state()) {
        return false;
    }
    match filter.state {
        None => true,
        Some(ShownState::Parked) => slot.state() == State::Pending,
        Some(state) => ShownState::of(slot.state(), false) == state,
    }
}

/// Whether the event is or was in quarantine for `reason`.
fn is_held_for(
    snapshot: &Snapshot<'_>,
    event: &Stored,
    reason: Option<QuarantineReason>,
) -> rusqlite::Result<bool> {
    let Some(reason) = reason else { return Ok(true) };
    if event.held == 0 {
        return Ok(false);
    }
    let sql = "SELECT held_reason IS ?2 FROM events WHERE seq = ?1";
    let values = params![event.seq.cast_signed(), reason.as_str()];
    snapshot.tx.prepare_cached(sql)?.query_row(values, |row| row.get(0))
}

fn bounded(limit: usize) -> usize {
    limit.clamp(1, PAGE_ITEMS_MAX)
}

/// Gathers one page, and one item more to know whether there is a next one.
struct Pager<T> {
    limit: usize,
    items: Vec<T>,
    last: Option<Place>,
    more: bool,
}

impl<T> Pager<T> {
    fn new(limit: usize) -> Self {
        Self { limit: bounded(limit), items: Vec::new(), last: None, more: false }
    }

    fn push(
        &mut self,
        place: Place,
        item: impl FnOnce() -> rusqlite::Result<T>,
    ) -> rusqlite::Result<ControlFlow<()>> {
        if self.items.len() == self.limit {
            self.more = true;
            return Ok(ControlFlow::Break(()));
        }
        self.items.push(item()?);
        self.last = Some(place);
        Ok(ControlFlow::Continue(()))
    }

    fn page(self, gave_up: Option<u64>) -> Page<T> {
        let full = self.last.filter(|_| self.more);
        let next = full.or_else(|| gave_up.map(Place::after));
        Page { items: self.items, next: next.map(Place::text) }
    }
}
