//! The events in the order of their acceptance, from any place on, none left out.
//!
//! Reads up to the first event that the journal has not taken in, as the same snapshot says it, and never
//! past it: places are given without a gap and taken in by their order, so that nothing ever comes to stand
//! below that bound. What retention has taken away in between is counted. Never waits for more.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension as _, params};
use serde::Serialize;

use super::Error;
use super::filter::{Filter, WhyParked};
use super::lookup::body;
use super::reader::{Reader, STORED, Snapshot, Stored};
use super::replay::first_since;
use super::rows::{DeliveryRow, EventRow};
use super::scan::Wanted;
use crate::domain::id::DeliveryId;
use crate::domain::scheduler::LaneId;
use crate::domain::time::Millis;

/// Most events looked at for one page.
const LOOKED_MAX: usize = 5_000;
/// Bytes of bodies after which a page takes no further event in.
const BODIES_BYTES_MAX: usize = 1 << 20;

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At the oldest event that is kept, or at the first one of the filter's `since`.
    Oldest,
    /// After all that there is.
    End,
    /// At the `next` of an earlier page.
    At(String),
}

/// What is wanted of each event.
#[derive(Clone, Copy, Debug, Default)]
pub struct OnwardAsked {
    /// Also what was made again: retries, replays, releases.
    pub again: bool,
    /// The bytes as they were received.
    pub body: bool,
}

/// One event with the deliveries that were made of it there.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OnwardRow {
    /// The event; for what was made again, its times are those of the repeat.
    #[serde(flatten)]
    pub event: EventRow,
    /// The deliveries made here; with a receiver in the filter, its own only.
    pub made: Vec<DeliveryRow>,
    /// The `webhook-id` that these deliveries carry.
    pub webhook_id: String,
    /// The delivery that it repeats.
    pub replay_of: Option<DeliveryId>,
    /// The cursor of what comes after it.
    pub after: String,
    /// The bytes that were received, as text. `None` unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_text: Option<String>,
}

/// One page, oldest first.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Onward {
    /// What was found. May be empty though there is `more`: one page looks at so many events.
    pub items: Vec<OnwardRow>,
    /// The cursor of what comes after; always there, also at the end.
    pub next: String,
    /// Whether there is more now.
    pub more: bool,
    /// Places since the cursor whose events are past their retention.
    pub past_retention: u64,
}

/// A place between two events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    /// The first event that was not shown.
    below: u64,
    /// When the one before it was accepted: a store that was made anew has another one there.
    after: Option<Millis>,
}

impl Mark {
    /// The place in front of the event `below`.
    fn at(snapshot: &Snapshot<'_>, below: u64) -> rusqlite::Result<Self> {
        Ok(Self { below, after: accepted_before(snapshot, below)? })
    }

    fn text(self) -> String {
        match self.after {
            Some(at) => format!("{:x}~{:x}", self.below, at.0),
            None => format!("{:x}~", self.below),
        }
    }

    fn read(text: &str) -> Result<Self, Error> {
        let (below, after) = text.split_once('~').ok_or(Error::Cursor)?;
        let number = |text: &str| u64::from_str_radix(text, 16).ok().filter(|n| i64::try_from(*n).is_ok());
        let below = number(below).ok_or(Error::Cursor)?;
        let after = match after {
            "" => None,
            text => Some(Millis(number(text).ok_or(Error::Cursor)?)),
        };
        Ok(Self { below, after })
    }
}

impl Reader {
    /// The events from `begin` on that `filter` lets through, a page of them. Of `filter` count the receiver,
    /// source, type, organization, since and q. `accepted` is the first place that the outbox has not given
    /// yet: a cursor beyond it is of another store.
    pub fn onward(
        &self,
        filter: &Filter,
        begin: &Begin,
        (limit, asked): (usize, OnwardAsked),
        accepted: u64,
        parked: WhyParked<'_>,
    ) -> Result<Onward, Error> {
        let mark = match begin {
            Begin::At(text) => Some(Mark::read(text)?),
            Begin::Oldest | Begin::End => None,
        };
        if mark.is_some_and(|mark| mark.below > accepted) {
            return Err(Error::Cursor);
        }
        let page = self.read(|snapshot| {
            let bound = bound(snapshot)?;
            if *begin == Begin::End {
                return Ok(Some(end(Mark::at(snapshot, bound)?)));
            }
            if let Some(mark) = mark {
                let found = accepted_before(snapshot, mark.below)?;
                if matches!((found, mark.after), (Some(found), Some(kept)) if found != kept) {
                    return Ok(None);
                }
                // The journal is made anew and has not come so far yet.
                if mark.below >= bound {
                    return Ok(Some(end(mark)));
                }
            }
            let from = match mark {
                Some(mark) => mark.below,
                None => first_since(snapshot, filter.since, 0, bound)?,
            };
            let walk = Walk { snapshot, filter, asked, limit: limit.clamp(1, super::PAGE_ITEMS_MAX), parked };
            walk.page(from, bound, mark.is_some()).map(Some)
        })?;
        page.ok_or(Error::Cursor)
    }
}

struct Walk<'a, 'tx> {
    snapshot: &'a Snapshot<'tx>,
    filter: &'a Filter,
    asked: OnwardAsked,
    limit: usize,
    parked: WhyParked<'a>,
}

impl Walk<'_, '_> {
    fn page(&self, from: u64, bound: u64, counts_gone: bool) -> rusqlite::Result<Onward> {
        let snapshot = self.snapshot;
        let wanted = Wanted::by(snapshot, self.filter)?;
        let lanes: BTreeSet<LaneId> = match &self.filter.receiver {
            Some(receiver) => snapshot.lane(receiver).into_iter().collect(),
            None => snapshot.receivers().keys().copied().collect(),
        };
        let sql = format!("SELECT {STORED} FROM events WHERE seq >= ?1 AND seq < ?2 ORDER BY seq");
        let mut statement = snapshot.tx.prepare_cached(&sql)?;
        let mut rows = statement.query(params![from.cast_signed(), bound.cast_signed()])?;
        let (mut items, mut bytes, mut looked, mut more) = (Vec::new(), 0, 0, false);
        let mut mark = Mark::at(snapshot, from)?;
        while let Some(row) = rows.next()? {
            if items.len() == self.limit || bytes >= BODIES_BYTES_MAX || looked == LOOKED_MAX {
                more = true;
                break;
            }
            let event = Stored::read(row)?;
            looked += 1;
            mark = Mark { below: event.seq + 1, after: Some(event.accepted_at) };
            let is_wanted = match &wanted {
                Some(wanted) => self.wants(wanted, &event, &lanes)?,
                None => false,
            };
            if is_wanted {
                let item = self.item(&event, &lanes, mark)?;
                bytes += item.body_text.as_ref().map_or(0, String::len);
                items.push(item);
            }
        }
        if !more && mark.below < bound {
            // The last ones are gone already.
            mark = Mark::at(snapshot, bound)?;
        }
        let gone = (mark.below - from).saturating_sub(looked as u64);
        let past_retention = if counts_gone { gone } else { 0 };
        Ok(Onward { items, next: mark.text(), more, past_retention })
    }

    fn wants(&self, wanted: &Wanted<'_>, event: &Stored, lanes: &BTreeSet<LaneId>) -> rusqlite::Result<bool> {
        let is_of = |lane: &LaneId| lanes.contains(lane);
        Ok((self.asked.again || event.generation == 0)
            && (self.filter.receiver.is_none() || event.slots.iter().any(|(lane, _)| is_of(lane)))
            && wanted.lets(event)
            && wanted.finds(self.snapshot, event)?)
    }

    fn item(&self, event: &Stored, lanes: &BTreeSet<LaneId>, mark: Mark) -> rusqlite::Result<OnwardRow> {
        let snapshot = self.snapshot;
        let slots = event.slots.iter().filter(|(lane, _)| lanes.contains(lane));
        let made: Vec<DeliveryRow> = slots
            .map(|slot| snapshot.delivery(event, *slot, self.parked))
            .collect::<rusqlite::Result<_>>()?;
        let sql = "SELECT as_new FROM events WHERE seq = ?1";
        let is_new = |snapshot: &Snapshot<'_>| -> rusqlite::Result<Option<bool>> {
            let mut statement = snapshot.tx.prepare_cached(sql)?;
            statement.query_row([event.seq.cast_signed()], |row| row.get(0))
        };
        // A repeat as new goes to one receiver, under its delivery's id.
        let new_id = match made.first() {
            Some(delivery) if event.generation > 0 && is_new(snapshot)? == Some(true) => {
                Some(delivery.delivery_id.to_string())
            }
            _ => None,
        };
        let bytes = if self.asked.body { body(snapshot, event.seq)? } else { None };
        let body_text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(OnwardRow {
            event: snapshot.event(event, self.parked)?,
            webhook_id: new_id.unwrap_or_else(|| event.event_id.clone()),
            replay_of: made.first().and_then(|delivery| delivery.replay_of),
            made,
            after: mark.text(),
            body_text,
        })
    }
}

fn end(mark: Mark) -> Onward {
    Onward { items: Vec::new(), next: mark.text(), more: false, past_retention: 0 }
}

/// The first place that is not in the journal.
fn bound(snapshot: &Snapshot<'_>) -> rusqlite::Result<u64> {
    let mut statement = snapshot.tx.prepare_cached("SELECT next_seq FROM progress")?;
    statement.query_row((), |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
}

/// When the event before the place `below` was accepted, if it is still there.
fn accepted_before(snapshot: &Snapshot<'_>, below: u64) -> rusqlite::Result<Option<Millis>> {
    let Some(seq) = below.checked_sub(1) else { return Ok(None) };
    let mut statement = snapshot.tx.prepare_cached("SELECT accepted_at FROM events WHERE seq = ?1")?;
    let found = statement.query_row([seq.cast_signed()], |row| row.get::<_, i64>(0)).optional()?;
    Ok(found.map(|at| Millis(at.cast_unsigned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_its_text_and_nothing_else_is_one() {
        for mark in
            [Mark { below: 0, after: None }, Mark { below: 0x1f, after: Some(Millis(1_776_340_800_000)) }]
        {
            assert_eq!(Mark::read(&mark.text()).unwrap(), mark);
        }
        for text in ["", "~", "5", "5.1", "x~", "1~x", "1~1~1", "ffffffffffffffff~"] {
            assert!(Mark::read(text).is_err(), "{text}");
        }
    }
}
