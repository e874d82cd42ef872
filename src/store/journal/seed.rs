//! A journal that starts anew: what the outbox still holds goes in first.
//!
//! Of deliveries that are over, only their end is known then; the commits that are still there fill in
//! what they know. A crash in the middle starts over with the same result.

use std::collections::HashMap;

use roaring::RoaringTreemap;
use rusqlite::params;

use super::batch::{Batch, Row};
use super::slot::{Slot, Slots, State};
use super::writer::Writer;
use super::{Error, sql_error};
use crate::domain::delivery::Progress;
use crate::domain::id::AppSlug;
use crate::domain::scheduler::LaneId;
use crate::domain::time::Millis;
use crate::store::outbox::Outbox;
use crate::store::outbox::record::{Checkpoint, LaneState, StoredEvent};

/// Events put in by one transaction.
const SEED_EVENTS: usize = 512;

/// One receiver's deliveries by event.
struct Lane {
    open: RoaringTreemap,
    dead: RoaringTreemap,
    tried: HashMap<u64, (Millis, Progress)>,
}

impl Lane {
    fn read(state: LaneState) -> Self {
        let tried = state.tried.into_iter().map(|(seq, due, progress)| (seq, (due, progress))).collect();
        Self { open: bitmap(&state.open), dead: bitmap(&state.dead), tried }
    }

    /// The delivery of `seq`: its slot, and its row if it has one.
    fn delivery(&self, seq: u64) -> (Slot, Option<Row<'static>>) {
        let row = |state, (due, progress): (Option<Millis>, Progress)| {
            let (due, attempts) = (due.map(|due| due.0), progress.attempts);
            (
                Slot::Row(state),
                Some(Row { state, reason: None, attempts, due, note: None, delivered_at: None }),
            )
        };
        if self.dead.contains(seq) {
            return row(State::Dead, (None, Progress::default()));
        }
        if !self.open.contains(seq) {
            return (Slot::Settled, None);
        }
        match self.tried.get(&seq) {
            Some((due, progress)) if progress.attempts > 0 => row(State::Pending, (Some(*due), *progress)),
            _ => (Slot::Waiting, None),
        }
    }
}

/// An outbox that is open has read its own bitmaps; one that can't be read again is as good as empty.
fn bitmap(bytes: &[u8]) -> RoaringTreemap {
    RoaringTreemap::deserialize_from(bytes).unwrap_or_default()
}

impl Writer {
    /// Brings the names of all receivers in.
    pub(super) fn seed_names(&mut self, outbox: &Outbox) -> Result<(), Error> {
        let failed = |error: rusqlite::Error| sql_error(&self.path, &error);
        let tx = self.db.transaction().map_err(failed)?;
        for (lane, slug) in outbox.lanes().iter().enumerate() {
            let lane = i64::try_from(lane).unwrap_or(i64::MAX);
            let sql = "INSERT INTO receivers (lane, slug) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            tx.execute(sql, params![lane, slug.as_str()]).map_err(failed)?;
        }
        tx.commit().map_err(failed)
    }

    /// Puts everything in that the outbox still holds.
    pub(super) fn seed(&mut self, outbox: &Outbox) -> Result<(), Error> {
        let Checkpoint { names, packs, lanes, quarantined, .. } = outbox.checkpoint();
        let lanes: Vec<Lane> = lanes.into_iter().map(Lane::read).collect();
        let numbers: HashMap<AppSlug, LaneId> = names.into_iter().zip(0..).collect();
        let quarantined = bitmap(&quarantined);
        // A pack that nothing needs may be gone already.
        let needed = |seq: u64| {
            let in_lane = |lane: &Lane| lane.open.contains(seq) || lane.dead.contains(seq);
            quarantined.contains(seq) || lanes.iter().any(in_lane)
        };
        let mut seqs = packs
            .iter()
            .map(|pack| pack.first_seq..=pack.last_seq)
            .filter(|seqs| seqs.clone().any(needed))
            .flatten()
            .peekable();
        while seqs.peek().is_some() {
            let slice: Vec<u64> = seqs.by_ref().take(SEED_EVENTS).collect();
            self.transact(0, |batch| {
                for seq in slice {
                    if let Some(event) = outbox.load(seq)? {
                        let held = quarantined.contains(seq);
                        add(batch, &event, &numbers, &lanes, held).map_err(Failure::Sql)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// Why a transaction was given up.
pub(super) enum Failure {
    Sql(rusqlite::Error),
    Outbox(crate::store::outbox::Error),
}

impl From<crate::store::outbox::Error> for Failure {
    fn from(error: crate::store::outbox::Error) -> Self {
        Self::Outbox(error)
    }
}

fn add(
    batch: &mut Batch<'_>,
    event: &std::sync::Arc<StoredEvent>,
    numbers: &HashMap<AppSlug, LaneId>,
    lanes: &[Lane],
    held: bool,
) -> rusqlite::Result<()> {
    let mut slots = Slots::new();
    let mut rows = Vec::new();
    for lane in event.receivers().filter_map(|receiver| numbers.get(receiver).copied()) {
        let known = lanes.get(usize::from(lane)).map(|state| state.delivery(event.seq));
        let (slot, row) = known.unwrap_or((Slot::Waiting, None));
        slots.push((lane, slot));
        rows.extend(row.map(|row| (lane, row)));
    }
    if batch.add(event, slots, held)? {
        for (lane, row) in rows {
            batch.row(event.seq, lane, &row)?;
        }
    }
    Ok(())
}
