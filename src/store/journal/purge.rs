//! Retention: what is old goes, in slices, and its space is given back.
//!
//! Keeps the events of a receiver whose state is made of them. Never touches an event with a delivery that still waits or is kept for a person, whatever its age: the
//! outbox holds it too, and its dismissal makes it one that is over. Keeps the first routing of an event as
//! long as a later one is there, because the body lies with it. A crash loses a slice's work at most.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::batch::{ALL_EVENTS, TALLY_EVENTS, TALLY_HELD, add_to_segments, add_to_tallies, decoded};
use super::slot::{Slots, Standing};
use super::writer::{Retention, Writer};
use super::{Error, SEGMENT_EVENTS, sql_error};
use crate::domain::id::AppSlug;
use crate::domain::scheduler::LaneId;
use crate::domain::time::Millis;

/// Pages given back by one slice.
const VACUUM_PAGES: u32 = 2_048;

/// What one slice did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Events deleted, further deliveries of an event counted by themselves.
    pub events: usize,
    /// Whether there is more to do.
    pub more: bool,
}

struct Old {
    seq: u64,
    key: i64,
    generation: u32,
    standing: i64,
    held: i64,
    accepted_at: u64,
    slots: Slots,
}

impl Writer {
    /// One slice: looks at up to `limit` events from where the last slice stopped.
    pub fn purge(&mut self, now: Millis, retention: &Retention, limit: usize) -> Result<Purged, Error> {
        let failed = |error: rusqlite::Error| sql_error(&self.path, &error);
        let tx = self.db.transaction().map_err(failed)?;
        let old = read(&tx, self.purge_from, limit).map_err(failed)?;
        let youngest = now.minus(retention.keep_events).0;
        let mut due: Vec<Old> = old.into_iter().take_while(|event| event.accepted_at < youngest).collect();
        let next = due.last().map_or(0, |event| event.seq + 1);
        let looked = due.len();
        if let Some((receiver, keep)) = &retention.keep_for
            && let Some(lane) = lane(&tx, receiver).map_err(failed)?
        {
            let youngest = keep.map_or(0, |keep| now.minus(keep).0);
            due.retain(|event| {
                event.accepted_at < youngest || event.slots.iter().all(|(other, _)| *other != lane)
            });
        }
        let gone = delete(&tx, due).map_err(failed)?;
        let mut more = looked == limit;
        if !more {
            let horizon = now.minus(retention.keep_dead).0.cast_signed();
            tx.execute("DELETE FROM drift WHERE last_seen < ?1", [horizon]).map_err(failed)?;
        }
        tx.commit().map_err(failed)?;
        self.purge_from = if more { next } else { 0 };
        more |= give_back(&self.db).map_err(failed)?;
        Ok(Purged { events: gone, more })
    }
}

fn lane(tx: &Transaction<'_>, receiver: &AppSlug) -> rusqlite::Result<Option<LaneId>> {
    let sql = "SELECT lane FROM receivers WHERE slug = ?1";
    tx.prepare_cached(sql)?.query_row([receiver.as_str()], |row| row.get(0)).optional()
}

fn read(tx: &Transaction<'_>, from: u64, limit: usize) -> rusqlite::Result<Vec<Old>> {
    let sql = "SELECT seq, key, generation, standing, held, accepted_at, results FROM events
        WHERE seq >= ?1 ORDER BY seq LIMIT ?2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map([from.cast_signed(), limit], |row| {
        Ok(Old {
            seq: row.get::<_, i64>(0)?.cast_unsigned(),
            key: row.get(1)?,
            generation: row.get(2)?,
            standing: row.get(3)?,
            held: row.get(4)?,
            accepted_at: row.get::<_, i64>(5)?.cast_unsigned(),
            slots: decoded(row.get_ref(6)?.as_blob()?)?,
        })
    })?;
    rows.collect()
}

fn delete(tx: &Transaction<'_>, old: Vec<Old>) -> rusqlite::Result<usize> {
    let (mut segments, mut tallies) = (BTreeMap::new(), BTreeMap::new());
    let mut gone = 0;
    for event in old {
        let is_over = event.standing == Standing::Done as i64;
        if !is_over || (event.generation == 0 && has_later(tx, &event)?) {
            continue;
        }
        for table in ["events", "bodies", "deliveries", "attempts"] {
            tx.prepare_cached(&format!("DELETE FROM {table} WHERE seq = ?1"))?
                .execute([event.seq.cast_signed()])?;
        }
        gone += 1;
        let mut tally = |lane, state, by: i64| *tallies.entry((lane, state)).or_default() -= by;
        tally(ALL_EVENTS, TALLY_EVENTS, i64::from(event.generation == 0));
        tally(ALL_EVENTS, TALLY_HELD, i64::from(event.held == 1));
        for (lane, slot) in event.slots {
            tally(i64::from(lane), slot.state().code(), 1);
            let (deliveries, _): &mut (i64, i64) =
                segments.entry((lane, event.seq / SEGMENT_EVENTS)).or_default();
            *deliveries -= 1;
        }
    }
    add_to_segments(tx, &segments)?;
    add_to_tallies(tx, &tallies)?;
    Ok(gone)
}

fn has_later(tx: &Transaction<'_>, event: &Old) -> rusqlite::Result<bool> {
    tx.prepare_cached("SELECT 1 FROM events WHERE key = ?1 AND seq > ?2")?
        .exists(params![event.key, event.seq.cast_signed()])
}

/// Hands free pages back to the file system. True if some are left.
fn give_back(db: &Connection) -> rusqlite::Result<bool> {
    let free = || db.pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0));
    if free()? == 0 {
        return Ok(false);
    }
    // Each step of the statement frees a page.
    let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
    let mut rows = statement.query(())?;
    while rows.next()?.is_some() {}
    drop(rows);
    let left = free()? > 0;
    if !left {
        // The file itself gets shorter when the log is brought over.
        db.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()))?;
    }
    Ok(left)
}
