//! One event, one delivery, and what belongs to it.
//!
//! Every look-up goes by an index.

use rusqlite::{OptionalExtension as _, params};

use super::Error;
use super::batch::event_key;
use super::filter::WhyParked;
use super::reader::{Reader, STORED, Snapshot, Stored, at, delivery_id, reason_name};
use super::rows::{AttemptRow, DecisionRow, DeliveryRow, EventRow, Explained};
use super::scan::events_named;
use super::slot::{First, Slot};
use crate::domain::id::{AppSlug, DeliveryId, EventId};
use crate::domain::scheduler::LaneId;
use crate::domain::time::Millis;

/// What a name stands for: an eventId is unique per source only.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<T> {
    /// Nothing.
    None,
    /// This.
    One(T),
    /// An event of each of these sources.
    Ambiguous(Vec<String>),
}

/// Names that events kept here have, or had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The apps that they went to or came from.
    pub apps: Vec<String>,
    /// Whether one was of the type that was asked for.
    pub has_type: bool,
}

impl Reader {
    /// The names of apps that were seen here, and whether `event_type` was.
    pub fn seen(&self, event_type: &str) -> Result<Seen, Error> {
        self.read(|snapshot| {
            let mut apps: Vec<String> = snapshot.receivers().values().map(ToString::to_string).collect();
            let sql = "SELECT text FROM sources JOIN names USING (id)";
            let mut statement = snapshot.tx.prepare_cached(sql)?;
            for source in statement.query_map((), |row| row.get(0))? {
                apps.push(source?);
            }
            Ok(Seen { apps, has_type: snapshot.number(event_type)?.is_some() })
        })
    }

    /// The event called `id`, by `source` if several have one.
    pub fn event(
        &self,
        id: &EventId,
        source: Option<&AppSlug>,
        parked: WhyParked<'_>,
    ) -> Result<Found<EventRow>, Error> {
        self.read(|snapshot| {
            let mut rows = Vec::new();
            for seq in events_named(snapshot, id, source)? {
                if let Some(stored) = snapshot.stored(seq)?
                    && rows.iter().all(|(key, _)| *key != stored.key)
                {
                    rows.push((stored.key, snapshot.event(&stored, parked)?));
                }
            }
            Ok(match rows.len() {
                0 | 1 => rows.pop().map_or(Found::None, |(_, row)| Found::One(row)),
                _ => Found::Ambiguous(rows.into_iter().map(|(_, row)| row.source).collect()),
            })
        })
    }

    /// All deliveries of the event `seq`, later generations included, oldest first.
    pub fn event_deliveries(&self, seq: u64, parked: WhyParked<'_>) -> Result<Vec<DeliveryRow>, Error> {
        self.read(|snapshot| {
            let mut deliveries = Vec::new();
            for event in generations(snapshot, seq)? {
                for slot in &event.slots {
                    deliveries.push(snapshot.delivery(&event, *slot, parked)?);
                }
            }
            Ok(deliveries)
        })
    }

    /// Why receivers do or do not get the event `seq`. `None` if there is no such event.
    pub fn explain(&self, seq: u64) -> Result<Option<Explained>, Error> {
        self.read(|snapshot| {
            let mut decisions: Vec<DecisionRow> = Vec::new();
            let mut event_id = None;
            for event in generations(snapshot, seq)? {
                for decision in route(snapshot, event.route)? {
                    match decisions.iter_mut().find(|known| known.receiver == decision.receiver) {
                        Some(known) => *known = decision,
                        None => decisions.push(decision),
                    }
                }
                event_id = Some(event.event_id);
            }
            Ok(event_id.map(|event_id| Explained { event_id, decisions }))
        })
    }

    /// One delivery.
    pub fn delivery(&self, id: DeliveryId, parked: WhyParked<'_>) -> Result<Option<DeliveryRow>, Error> {
        self.read(|snapshot| {
            let found = find(snapshot, id)?;
            found.map(|(event, slot)| snapshot.delivery(&event, slot, parked)).transpose()
        })
    }

    /// The attempts of a delivery, oldest first. `None` if there is no such delivery.
    pub fn attempts(&self, id: DeliveryId) -> Result<Option<Vec<AttemptRow>>, Error> {
        self.read(|snapshot| match find(snapshot, id)? {
            None => Ok(None),
            Some((event, (lane, Slot::Row(_)))) => attempts(snapshot, event.seq, lane).map(Some),
            Some((event, (_, Slot::Delivered(first)))) => Ok(Some(vec![first_attempt(&event, first)])),
            Some((_, (_, Slot::Waiting | Slot::Settled))) => Ok(Some(Vec::new())),
        })
    }

    /// The received bytes of the event `seq`, of whatever generation.
    pub fn body(&self, seq: u64) -> Result<Option<Vec<u8>>, Error> {
        self.read(|snapshot| body(snapshot, seq))
    }
}

/// The received bytes of the event `seq`, which lie with its first routing.
pub(super) fn body(snapshot: &Snapshot<'_>, seq: u64) -> rusqlite::Result<Option<Vec<u8>>> {
    for event in generations(snapshot, seq)? {
        let mut statement = snapshot.tx.prepare_cached("SELECT body FROM bodies WHERE seq = ?1")?;
        let body = statement.query_row([event.seq.cast_signed()], |row| row.get(0)).optional()?;
        if body.is_some() {
            return Ok(body);
        }
    }
    Ok(None)
}

/// The event `seq` and all its other generations, oldest first.
pub(super) fn generations(snapshot: &Snapshot<'_>, seq: u64) -> rusqlite::Result<Vec<Stored>> {
    let Some(event) = snapshot.stored(seq)? else { return Ok(Vec::new()) };
    let sql = format!(
        "SELECT {STORED} FROM events WHERE key = ?1 AND event_id = ?2 AND source = ?3 ORDER BY generation, seq"
    );
    let mut statement = snapshot.tx.prepare_cached(&sql)?;
    statement.query_map(params![event.key, event.event_id, event.source], Stored::read)?.collect()
}

fn find(snapshot: &Snapshot<'_>, id: DeliveryId) -> rusqlite::Result<Option<(Stored, (LaneId, Slot))>> {
    let sql = format!("SELECT {STORED} FROM events WHERE key = ?1");
    let mut statement = snapshot.tx.prepare_cached(&sql)?;
    let mut rows = statement.query([event_key(id.event_prefix())])?;
    while let Some(row) = rows.next()? {
        let event = Stored::read(row)?;
        let source = snapshot.name(event.source)?;
        let is_it = |lane: LaneId| {
            snapshot.receivers().get(&lane).is_some_and(|receiver| {
                delivery_id(&source, &event.event_id, receiver.as_str(), event.generation) == Some(id)
            })
        };
        if let Some(slot) = event.slots.iter().copied().find(|(lane, _)| is_it(*lane)) {
            return Ok(Some((event, slot)));
        }
    }
    Ok(None)
}

pub(super) fn route(snapshot: &Snapshot<'_>, number: i64) -> rusqlite::Result<Vec<DecisionRow>> {
    let text: String = snapshot
        .tx
        .prepare_cached("SELECT text FROM routes WHERE id = ?1")?
        .query_row([number], |row| row.get(0))?;
    // A struct reads from an array as well, by the order of its fields.
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn attempts(snapshot: &Snapshot<'_>, seq: u64, lane: LaneId) -> rusqlite::Result<Vec<AttemptRow>> {
    let sql = "SELECT number, started_at, duration_ms, status, reason, error, excerpt, probe FROM attempts
        WHERE seq = ?1 AND lane = ?2 ORDER BY number";
    let mut statement = snapshot.tx.prepare_cached(sql)?;
    let rows = statement.query_map(params![seq.cast_signed(), lane], |row| {
        Ok(AttemptRow {
            number: row.get(0)?,
            started_at: at(row.get(1)?),
            duration_ms: row.get(2)?,
            status: row.get(3)?,
            reason: row.get::<_, Option<i64>>(4)?.and_then(reason_name),
            error: row.get(5)?,
            excerpt: row.get(6)?,
            probe: row.get(7)?,
        })
    })?;
    rows.collect()
}

/// The only attempt of a delivery that arrived at once.
fn first_attempt(event: &Stored, first: First) -> AttemptRow {
    let ended = event.accepted_at.0 + first.after_ms;
    AttemptRow {
        number: 1,
        started_at: Millis(ended.saturating_sub(u64::from(first.took_ms))),
        duration_ms: first.took_ms,
        status: first.status,
        reason: None,
        error: None,
        excerpt: None,
        probe: first.probe,
    }
}
