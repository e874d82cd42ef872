//! Events become rows: a new one is inserted with its body, a known one gets its results rewritten.
//!
//! Only [`Batch`] calls this, once an event and batch.

use rusqlite::{named_params, params};

use super::batch::{Batch, Touched, event_key};
use super::slot;
use crate::domain::id::{CorrelationId, DeliveryId, EventType};
use crate::store::outbox::record::{Admission, StoredEvent};

const INSERT_EVENT: &str =
    "INSERT INTO events (seq, key, generation, standing, held, accepted_at, source, type,
    results, event_id, organization, correlation, tenant, timestamp, proof, route, held_reason, did_you_mean,
    replay_of, as_new)
    VALUES (:seq, :key, :generation, :standing, :held, :accepted_at, :source, :type, :results, :event_id,
    :organization, :correlation, :tenant, :timestamp, :proof, :route, :held_reason, :did_you_mean,
    :replay_of, :as_new)";

impl Batch<'_> {
    pub(super) fn update(&self, seq: u64, touched: &Touched) -> rusqlite::Result<()> {
        let sql = "UPDATE events SET results = ?2, standing = ?3, held = ?4 WHERE seq = ?1";
        let standing = slot::standing(&touched.slots, touched.held == 1) as i64;
        let results = slot::encode(&touched.slots);
        self.tx.prepare_cached(sql)?.execute(params![seq.cast_signed(), results, standing, touched.held])?;
        Ok(())
    }

    pub(super) fn insert(&mut self, event: &StoredEvent, touched: &Touched) -> rusqlite::Result<()> {
        let key = event_key(DeliveryId::event_prefix_of(&event.source, &event.event_id));
        let source = self.interned.name(self.tx, event.source.as_str())?;
        let event_type = self.interned.name(self.tx, event.event_type.as_str())?;
        let route = self.interned.route(self.tx, &event.event_type, &event.decisions)?;
        self.tx.prepare_cached("INSERT OR IGNORE INTO sources (id) VALUES (?1)")?.execute([source])?;
        let (held_reason, did_you_mean) = match &event.admission {
            Admission::Routed => (None, None),
            Admission::Quarantined { reason, did_you_mean } => (Some(reason.as_str()), did_you_mean.as_ref()),
        };
        let derived = CorrelationId::derive(&event.source, &event.event_id);
        let needs_body = event.generation == 0 || !self.has_body(key)?;
        self.tx.prepare_cached(INSERT_EVENT)?.execute(named_params! {
            ":seq": event.seq.cast_signed(),
            ":key": key,
            ":generation": event.generation,
            ":standing": slot::standing(&touched.slots, touched.held == 1) as i64,
            ":held": touched.held,
            ":accepted_at": event.accepted_at.0.cast_signed(),
            ":source": source,
            ":type": event_type,
            ":results": slot::encode(&touched.slots),
            ":event_id": event.event_id.as_str(),
            ":organization": event.organization,
            ":correlation": (event.correlation != derived).then(|| event.correlation.as_str()),
            ":tenant": event.tenant,
            ":timestamp": event.timestamp.0.cast_signed(),
            ":proof": event.proof.as_str(),
            ":route": route,
            ":held_reason": held_reason,
            ":did_you_mean": did_you_mean.map(EventType::as_str),
            ":replay_of": event.replay.map(|replay| *replay.of.as_bytes()),
            ":as_new": event.replay.map(|replay| replay.as_new),
        })?;
        if needs_body {
            self.tx
                .prepare_cached("INSERT INTO bodies (seq, body) VALUES (?1, ?2)")?
                .execute(params![event.seq.cast_signed(), &event.body[..]])?;
        }
        if event.generation == 0 { self.drifted(event, source, event_type) } else { Ok(()) }
    }

    fn has_body(&self, key: i64) -> rusqlite::Result<bool> {
        let sql = "SELECT 1 FROM events JOIN bodies USING (seq) WHERE key = ?1";
        self.tx.prepare_cached(sql)?.exists([key])
    }

    fn drifted(&self, event: &StoredEvent, source: i64, event_type: i64) -> rusqlite::Result<()> {
        let sql = "INSERT INTO drift (source, type, field, n, first_seen, last_seen, problem, event_id)
            VALUES (?1, ?2, ?3, 1, ?4, ?4, ?5, ?6)
            ON CONFLICT DO UPDATE SET n = n + 1, last_seen = max(last_seen, excluded.last_seen),
                problem = excluded.problem, event_id = excluded.event_id";
        let at = event.accepted_at.0.cast_signed();
        for note in &event.drift {
            self.tx.prepare_cached(sql)?.execute(params![
                source,
                event_type,
                note.field,
                at,
                note.problem,
                event.event_id.as_str()
            ])?;
        }
        Ok(())
    }
}
