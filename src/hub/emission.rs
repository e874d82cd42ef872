//! Events that the hub emits: stored as bytes with what caused them, until the relay has passed them on.
//!
//! The eventId derives from the cause, so neither a crash nor a second handling can double one. Hops are
//! counted by correlation id: when apps answer our events with events that make us emit again, it ends at
//! a cap.

use rusqlite::{Connection, Transaction, params};
use serde_json::{Value, json};

use super::subscriber::Trouble;
use super::work::{Work, derive};
use super::{Error, Hub};
use crate::domain::id::HUB;
use crate::domain::time::Millis;
use crate::telemetry::event;

/// Events of one correlation id that may make the hub emit. A cycle passes it in a moment; what people
/// cause in one request does not come near.
pub const HOPS_MAX: u32 = 64;

const WAITING: i64 = 0;
const RELAYED: i64 = 1;
const HELD_BACK: i64 = 2;

/// The columns that follow from events: all but the row's number and whether it is relayed yet.
pub(super) const DERIVED: &str =
    "event_id, event_type, organization, correlation, at_ms, body, state = 2 AS held_back";

/// An event that waits to be relayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emission {
    /// Its place in the order.
    pub n: i64,
    /// Its id.
    pub event_id: String,
    /// Its type.
    pub event_type: String,
    /// Its organization.
    pub organization: String,
    /// What it belongs to.
    pub correlation: String,
    /// When it happened, by its cause.
    pub at: Millis,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// Stores an emission of `work`. False if the loop guard holds it back.
pub(super) fn store(work: &mut Work<'_>, event_type: &str, data: &Value) -> Result<bool, Trouble> {
    let ordinal = work.emissions.to_string();
    let cause = work.cause;
    let event_id = derive(&[cause.source, cause.id, "emission", event_type, &ordinal]).to_string();
    work.emissions += 1;
    let hop = match work.hop {
        Some(hop) => hop,
        None => *work.hop.insert(count_hop(work.tx, cause.correlation)?),
    };
    let is_held_back = hop > HOPS_MAX;
    let body = json!({
        "eventId": event_id,
        "eventType": event_type,
        "timestamp": cause.at.rfc3339(),
        "source": HUB,
        "organizationId": work.organization,
        "data": data,
        "metadata": { "correlationId": cause.correlation },
    });
    let state = match (is_held_back, work.live) {
        (true, _) => HELD_BACK,
        (false, true) => WAITING,
        (false, false) => RELAYED,
    };
    let sql = "INSERT INTO emissions (event_id, event_type, organization, correlation, at_ms, body, state)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    work.tx.prepare_cached(sql)?.execute(params![
        event_id,
        event_type,
        work.organization,
        cause.correlation,
        cause.at.0.cast_signed(),
        body.to_string().into_bytes(),
        state,
    ])?;
    if is_held_back && work.live {
        let (correlation_id, hops_max) = (cause.correlation, HOPS_MAX);
        event::HubLoopStopped { event_type, correlation_id, hops_max }.emit(work.metrics);
    }
    Ok(!is_held_back)
}

fn count_hop(tx: &Transaction<'_>, correlation: &str) -> rusqlite::Result<u32> {
    let sql = "INSERT INTO hops (correlation, hops) VALUES (?1, 1)
        ON CONFLICT DO UPDATE SET hops = hops + 1 RETURNING hops";
    tx.prepare_cached(sql)?.query_row([correlation], |row| row.get(0))
}

/// Whether the hub emitted this event itself.
pub(super) fn is_own(tx: &Connection, event_id: &str) -> rusqlite::Result<bool> {
    tx.prepare_cached("SELECT 1 FROM emissions WHERE event_id = ?1")?.exists([event_id])
}

impl Hub {
    /// Up to `limit` emissions that wait, oldest first.
    pub fn waiting(&self, limit: usize) -> Result<Vec<Emission>, Error> {
        self.read(|file| waiting(file, limit))
    }

    /// Notes that these were passed on, durably.
    pub fn relayed(&self, emissions: &[Emission]) -> Result<(), Error> {
        self.check_failed()?;
        let mut file = self.lock();
        let done = (|| {
            let tx = file.transaction()?;
            for emission in emissions {
                let sql = "UPDATE emissions SET state = ?1 WHERE n = ?2";
                tx.prepare_cached(sql)?.execute([RELAYED, emission.n])?;
            }
            tx.commit()
        })();
        done.map_err(|error| self.judge(&error))
    }
}

fn waiting(file: &Connection, limit: usize) -> rusqlite::Result<Vec<Emission>> {
    let sql = "SELECT n, event_id, event_type, organization, correlation, at_ms, body FROM emissions
        WHERE state = 0 ORDER BY n LIMIT ?1";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = file.prepare_cached(sql)?;
    let rows = statement.query_map([limit], |row| {
        Ok(Emission {
            n: row.get(0)?,
            event_id: row.get(1)?,
            event_type: row.get(2)?,
            organization: row.get(3)?,
            correlation: row.get(4)?,
            at: Millis(row.get::<_, i64>(5)?.cast_unsigned()),
            body: row.get(6)?,
        })
    })?;
    rows.collect()
}

/// The ids of emissions that wait in `file`, for a rebuild: they wait in the new file too.
pub(super) fn waiting_ids(file: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = file.prepare("SELECT event_id FROM emissions WHERE state = 0")?;
    let rows = statement.query_map((), |row| row.get(0))?;
    rows.collect()
}

/// Lets an emission wait again.
pub(super) fn wait_again(file: &Connection, event_id: &str) -> rusqlite::Result<usize> {
    let sql = "UPDATE emissions SET state = 0 WHERE event_id = ?1 AND state = 1";
    file.prepare_cached(sql)?.execute([event_id])
}
