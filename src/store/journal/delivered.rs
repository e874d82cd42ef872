//! What one receiver was given, in the order of acceptance: what its state can be made of again.

use rusqlite::{OptionalExtension as _, params};

use super::Error;
use super::reader::{Reader, STORED, Snapshot, Stored, correlation};
use super::slot::State;
use crate::domain::id::{AppSlug, CorrelationId, EventId, EventType};

/// An event that a receiver was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Its place in the order of acceptance: that of the routing by which it was delivered.
    pub seq: u64,
    /// Who sent it.
    pub source: AppSlug,
    /// Its name there.
    pub event_id: EventId,
    /// Its type.
    pub event_type: EventType,
    /// What it belongs to.
    pub correlation: CorrelationId,
    /// `X-Tenant-Id` as it was sent.
    pub tenant: Option<String>,
    /// The received bytes.
    pub body: Vec<u8>,
    /// Whether the delivery is known to have arrived. One that is not may have, if the process died.
    pub is_settled: bool,
}

impl Reader {
    /// The first `limit` events from `from_seq` on that were delivered to `receiver`, or still wait for it.
    pub fn delivered(
        &self,
        receiver: &AppSlug,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<Delivered>, Error> {
        self.read(|snapshot| {
            let Some(lane) = snapshot.lane(receiver) else { return Ok(Vec::new()) };
            let sql = format!("SELECT {STORED} FROM events WHERE seq >= ?1 ORDER BY seq");
            let mut statement = snapshot.tx.prepare_cached(&sql)?;
            let mut rows = statement.query([from_seq.cast_signed()])?;
            let mut found = Vec::new();
            while found.len() < limit
                && let Some(row) = rows.next()?
            {
                let stored = Stored::read(row)?;
                let slot = stored.slots.iter().find(|(to, _)| *to == lane);
                match slot.map(|(_, slot)| slot.state()) {
                    Some(State::Delivered) => found.extend(delivered(snapshot, &stored, true)?),
                    Some(State::Pending) => found.extend(delivered(snapshot, &stored, false)?),
                    _ => {}
                }
            }
            Ok(found)
        })
    }

    /// How many events were delivered to `receiver`, further deliveries of one event counted by themselves.
    pub fn delivered_count(&self, receiver: &AppSlug) -> Result<u64, Error> {
        self.read(|snapshot| {
            let Some(lane) = snapshot.lane(receiver) else { return Ok(0) };
            let sql = "SELECT n FROM tallies WHERE lane = ?1 AND state = ?2";
            let row = params![i64::from(lane), State::Delivered.code()];
            let count: Option<i64> =
                snapshot.tx.prepare_cached(sql)?.query_row(row, |row| row.get(0)).optional()?;
            Ok(count.unwrap_or(0).cast_unsigned())
        })
    }
}

/// The event with its body, which lies with its first routing.
fn delivered(
    snapshot: &Snapshot<'_>,
    stored: &Stored,
    is_settled: bool,
) -> rusqlite::Result<Option<Delivered>> {
    let sql = "SELECT bodies.body FROM events JOIN bodies USING (seq)
        WHERE key = ?1 AND event_id = ?2 AND source = ?3 ORDER BY seq LIMIT 1";
    let key = params![stored.key, stored.event_id, stored.source];
    let body: Option<Vec<u8>> =
        snapshot.tx.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?;
    let sql = "SELECT tenant FROM events WHERE seq = ?1";
    let tenant = snapshot.tx.prepare_cached(sql)?.query_row([stored.seq.cast_signed()], |row| row.get(0))?;
    let source = snapshot.name(stored.source)?;
    let named = AppSlug::new(&source).ok().zip(EventId::new(&stored.event_id).ok());
    let typed = EventType::new(&snapshot.name(stored.event_type)?).ok();
    let correlation = CorrelationId::new(&correlation(stored, &source)).ok();
    let (Some(body), Some((source, event_id)), Some(event_type), Some(correlation)) =
        (body, named, typed, correlation)
    else {
        return Ok(None);
    };
    Ok(Some(Delivered {
        seq: stored.seq,
        source,
        event_id,
        event_type,
        correlation,
        tenant,
        body,
        is_settled,
    }))
}
