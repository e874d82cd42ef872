//! The journal's reading side: a few read-only connections, each query in one snapshot.
//!
//! Its calls block: asynchronous callers put them on a blocking thread. It waits for no writer and the
//! writer waits for no reader.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction};

use super::batch::decoded;
use super::filter::{ShownState, WhyParked};
use super::rows::{DeliveryRow, EventRow, StateCounts};
use super::slot::{Slot, Slots, State};
use super::{Error, Reached, schema, sql_error};
use crate::domain::id::{AppSlug, CorrelationId, DeliveryId, EventId};
use crate::domain::outcome::Reason;
use crate::domain::scheduler::LaneId;
use crate::domain::time::Millis;
use crate::store::outbox::Outbox;

/// Connections.
const CONNECTIONS: usize = 3;

/// Reads the journal. Shared between threads.
pub struct Reader {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
    reached: Reached,
}

/// A connection on loan.
struct Loan<'a> {
    reader: &'a Reader,
    db: Option<Connection>,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.reader.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(self.db.take());
        self.reader.returned.notify_one();
    }
}

impl Reader {
    pub(super) fn open(path: &Path, reached: Reached) -> Result<Self, Error> {
        let idle = (0..CONNECTIONS).map(|_| schema::open_reader(path)).collect::<Result<_, _>>()?;
        Ok(Self { path: path.to_path_buf(), idle: Mutex::new(idle), returned: Condvar::new(), reached })
    }

    /// Events that `outbox` has accepted and the journal does not show yet.
    pub fn lag(&self, outbox: &Outbox) -> u64 {
        outbox.next_seq().saturating_sub(self.reached.get())
    }

    /// The first event that the journal does not show yet.
    pub fn reached(&self) -> u64 {
        self.reached.get()
    }

    /// Runs a query in a snapshot of its own.
    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&Snapshot<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let mut loan = Loan { reader: self, db: None };
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut idle =
            self.returned.wait_while(idle, |idle| idle.is_empty()).unwrap_or_else(PoisonError::into_inner);
        loan.db = idle.pop();
        drop(idle);
        let failed = |error: rusqlite::Error| sql_error(&self.path, &error);
        let Some(db) = &mut loan.db else { return Err(failed(rusqlite::Error::InvalidQuery)) };
        let tx = db.transaction().map_err(failed)?;
        let snapshot = Snapshot::of(tx).map_err(failed)?;
        query(&snapshot).map_err(failed)
    }
}

/// One query's view of the journal.
pub(super) struct Snapshot<'a> {
    pub(super) tx: Transaction<'a>,
    receivers: HashMap<LaneId, AppSlug>,
}

/// An event as stored.
pub(super) struct Stored {
    pub(super) seq: u64,
    pub(super) key: i64,
    pub(super) generation: u32,
    pub(super) held: i64,
    pub(super) accepted_at: Millis,
    pub(super) source: i64,
    pub(super) event_type: i64,
    pub(super) slots: Slots,
    pub(super) event_id: String,
    pub(super) organization: String,
    pub(super) correlation: Option<String>,
    pub(super) route: i64,
    replay_of: Option<[u8; 16]>,
}

/// The columns of [`Stored`].
pub(super) const STORED: &str = "seq, key, generation, held, accepted_at, source, type, results, event_id,
    organization, correlation, route, replay_of";

impl Stored {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get::<_, i64>(0)?.cast_unsigned(),
            key: row.get(1)?,
            generation: row.get(2)?,
            held: row.get(3)?,
            accepted_at: Millis(row.get::<_, i64>(4)?.cast_unsigned()),
            source: row.get(5)?,
            event_type: row.get(6)?,
            slots: decoded(row.get_ref(7)?.as_blob()?)?,
            event_id: row.get(8)?,
            organization: row.get(9)?,
            correlation: row.get(10)?,
            route: row.get(11)?,
            replay_of: row.get(12)?,
        })
    }
}

impl<'a> Snapshot<'a> {
    fn of(tx: Transaction<'a>) -> rusqlite::Result<Self> {
        let mut receivers = HashMap::new();
        let mut statement = tx.prepare_cached("SELECT lane, slug FROM receivers")?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            if let Ok(slug) = AppSlug::new(row.get_ref(1)?.as_str()?) {
                receivers.insert(row.get(0)?, slug);
            }
        }
        drop(rows);
        drop(statement);
        Ok(Self { tx, receivers })
    }

    /// All receivers.
    pub(super) fn receivers(&self) -> &HashMap<LaneId, AppSlug> {
        &self.receivers
    }

    pub(super) fn lane(&self, receiver: &AppSlug) -> Option<LaneId> {
        self.receivers.iter().find(|(_, slug)| *slug == receiver).map(|(lane, _)| *lane)
    }

    /// The number of a source or type; `None` if no event ever had it.
    pub(super) fn number(&self, name: &str) -> rusqlite::Result<Option<i64>> {
        let mut statement = self.tx.prepare_cached("SELECT id FROM names WHERE text = ?1")?;
        statement.query_row([name], |row| row.get(0)).optional()
    }

    pub(super) fn name(&self, number: i64) -> rusqlite::Result<String> {
        self.tx.prepare_cached("SELECT text FROM names WHERE id = ?1")?.query_row([number], |row| row.get(0))
    }

    pub(super) fn stored(&self, seq: u64) -> rusqlite::Result<Option<Stored>> {
        let sql = format!("SELECT {STORED} FROM events WHERE seq = ?1");
        self.tx.prepare_cached(&sql)?.query_row([seq.cast_signed()], Stored::read).optional()
    }

    /// Why a receiver is parked.
    pub(super) fn parked(&self, lane: LaneId, why: WhyParked<'_>) -> Option<&'static str> {
        self.receivers.get(&lane).and_then(why)
    }

    /// One delivery of `event`.
    pub(super) fn delivery(
        &self,
        event: &Stored,
        (lane, slot): (LaneId, Slot),
        parked: WhyParked<'_>,
    ) -> rusqlite::Result<DeliveryRow> {
        let why = self.parked(lane, parked);
        let source = self.name(event.source)?;
        let receiver = self.receivers.get(&lane).map_or("", AppSlug::as_str).to_owned();
        let mut row = DeliveryRow {
            delivery_id: delivery_id(&source, &event.event_id, &receiver, event.generation)
                .unwrap_or_else(|| DeliveryId::from_bytes([0; 16])),
            event_id: event.event_id.clone(),
            event_type: self.name(event.event_type)?,
            source,
            receiver,
            state: ShownState::of(slot.state(), why.is_some()),
            reason: None,
            attempts: 0,
            next_attempt_at: None,
            last_status: None,
            last_error: None,
            accepted_at: event.accepted_at,
            delivered_at: None,
            replay_of: event.replay_of.map(DeliveryId::from_bytes),
            seq: event.seq,
            lane,
            generation: event.generation,
            organization: event.organization.clone(),
            dismissed: slot == Slot::Row(State::Dismissed),
        };
        match slot {
            Slot::Waiting | Slot::Settled => {}
            Slot::Delivered(first) => {
                row.attempts = 1;
                row.last_status = first.status;
                row.delivered_at = Some(Millis(event.accepted_at.0 + first.after_ms));
            }
            Slot::Row(_) => self.fill(&mut row)?,
        }
        if row.state == ShownState::Parked && row.reason.is_none() {
            row.reason = why.map(str::to_owned);
        }
        Ok(row)
    }

    fn fill(&self, delivery: &mut DeliveryRow) -> rusqlite::Result<()> {
        let sql = "SELECT reason, attempts, next_attempt_at, last_status, last_error, delivered_at
            FROM deliveries WHERE seq = ?1 AND lane = ?2";
        let mut statement = self.tx.prepare_cached(sql)?;
        let mut rows = statement.query([delivery.seq.cast_signed(), i64::from(delivery.lane)])?;
        if let Some(row) = rows.next()? {
            delivery.reason = row.get::<_, Option<i64>>(0)?.and_then(reason_name);
            delivery.attempts = row.get(1)?;
            delivery.next_attempt_at = row.get::<_, Option<i64>>(2)?.map(at);
            delivery.last_status = row.get(3)?;
            delivery.last_error = row.get(4)?;
            delivery.delivered_at = row.get::<_, Option<i64>>(5)?.map(at);
        }
        Ok(())
    }

    /// The event as people read it.
    pub(super) fn event(&self, stored: &Stored, parked: WhyParked<'_>) -> rusqlite::Result<EventRow> {
        let source = self.name(stored.source)?;
        let mut deliveries = StateCounts::default();
        for (lane, slot) in &stored.slots {
            deliveries.add(ShownState::of(slot.state(), self.parked(*lane, parked).is_some()), 1);
        }
        let sql = "SELECT tenant, timestamp, proof, held_reason, did_you_mean FROM events WHERE seq = ?1";
        self.tx.prepare_cached(sql)?.query_row([stored.seq.cast_signed()], |row| {
            Ok(EventRow {
                event_id: stored.event_id.clone(),
                event_type: self.name(stored.event_type)?,
                correlation_id: correlation(stored, &source),
                source,
                organization_id: stored.organization.clone(),
                tenant_id: row.get(0)?,
                accepted_at: stored.accepted_at,
                timestamp: at(row.get(1)?),
                proof: row.get(2)?,
                status: match stored.held {
                    0 => "routed",
                    1 => "quarantined",
                    _ => "released",
                },
                reason: row.get(3)?,
                did_you_mean: row.get(4)?,
                deliveries,
                seq: stored.seq,
                receivers: stored
                    .slots
                    .iter()
                    .filter_map(|(lane, _)| self.receivers.get(lane).cloned())
                    .collect(),
            })
        })
    }
}

/// The event's correlation id: the one it brought, or the one made of its name.
pub(super) fn correlation(stored: &Stored, source: &str) -> String {
    let derived = || {
        let names = AppSlug::new(source).ok().zip(EventId::new(&stored.event_id).ok());
        names.map_or_else(String::new, |(source, event)| {
            CorrelationId::derive(&source, &event).as_str().to_owned()
        })
    };
    stored.correlation.clone().unwrap_or_else(derived)
}

pub(super) fn delivery_id(source: &str, event: &str, receiver: &str, generation: u32) -> Option<DeliveryId> {
    let (source, receiver) = (AppSlug::new(source).ok()?, AppSlug::new(receiver).ok()?);
    Some(DeliveryId::derive(&source, &EventId::new(event).ok()?, &receiver, generation))
}

/// An instant from the tables.
pub(super) fn at(stored: i64) -> Millis {
    Millis(stored.cast_unsigned())
}

/// A reason's name by its number in the tables.
pub(super) fn reason_name(code: i64) -> Option<String> {
    let at = usize::try_from(code).ok()?;
    Reason::ALL.get(at).map(|reason| reason.as_str().to_owned())
}
