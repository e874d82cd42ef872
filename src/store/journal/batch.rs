//! One transaction of the journal: commits of the outbox become rows.
//!
//! What is applied twice changes nothing. Events of the batch stay in memory until its end, so that an
//! event that is accepted and delivered within one batch is written once.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::SEGMENT_EVENTS;
use super::intern::Interned;
use super::slot::{self, First, Slot, Slots, State};
use crate::domain::outcome::Reason;
use crate::domain::scheduler::LaneId;
use crate::store::outbox::record::{AttemptNote, Change, Commit, Move, StoredEvent};

/// The lane of the tallies that count events.
pub(super) const ALL_EVENTS: i64 = -1;
/// The tally of events in all, generation 0 only.
pub(super) const TALLY_EVENTS: i64 = 0;
/// The tally of events in quarantine.
pub(super) const TALLY_HELD: i64 = 1;

/// Longest part of a receiver's answer that stands in for a transport error, in characters.
const LAST_ERROR_CHARS: usize = 200;

/// An event that the batch touches.
pub(super) struct Touched {
    accepted_at: u64,
    pub(super) held: i64,
    pub(super) slots: Slots,
    changed: bool,
    /// Present if the batch brought it.
    new: Option<Arc<StoredEvent>>,
}

/// The transaction.
pub(super) struct Batch<'a> {
    pub(super) tx: &'a Transaction<'a>,
    pub(super) interned: &'a mut Interned,
    next_seq: u64,
    touched: BTreeMap<u64, Touched>,
    /// By (lane, segment): deliveries, and of those never tried.
    segments: BTreeMap<(LaneId, u64), (i64, i64)>,
    tallies: BTreeMap<(i64, i64), i64>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(tx: &'a Transaction<'a>, interned: &'a mut Interned, next_seq: u64) -> Self {
        let (touched, segments, tallies) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { tx, interned, next_seq, touched, segments, tallies }
    }

    /// Takes one commit in.
    pub(super) fn apply(&mut self, commit: &Commit) -> rusqlite::Result<()> {
        for (lane, slug) in &commit.record.names {
            self.tx
                .prepare_cached("INSERT OR REPLACE INTO receivers (lane, slug) VALUES (?1, ?2)")?
                .execute(params![lane, slug.as_str()])?;
        }
        for head in &commit.record.heads {
            // Without its body an event was over before this journal began.
            if let Ok(at) = commit.events.binary_search_by_key(&head.seq, |event| event.seq) {
                let event = &commit.events[at];
                let slots = head.lanes.iter().map(|lane| (*lane, Slot::Waiting)).collect();
                self.add(event, slots, head.quarantined)?;
            }
            // Also past those that are gone.
            self.next_seq = self.next_seq.max(head.seq + 1);
        }
        for step in &commit.record.moves {
            self.step(step)?;
        }
        Ok(())
    }

    /// Adds an event with its deliveries, unless it is there already.
    pub(super) fn add(
        &mut self,
        event: &Arc<StoredEvent>,
        slots: Slots,
        held: bool,
    ) -> rusqlite::Result<bool> {
        // Only a rebuild meets events again, so only below `next_seq` the file is asked.
        if event.seq < self.next_seq && self.touch(event.seq)?.is_some() {
            return Ok(false);
        }
        self.next_seq = self.next_seq.max(event.seq + 1);
        for (lane, slot) in &slots {
            self.count_in_segment(*lane, event.seq, 1, i64::from(*slot == Slot::Waiting));
            self.tally(i64::from(*lane), slot.state().code(), 1);
        }
        self.tally(ALL_EVENTS, TALLY_EVENTS, i64::from(event.generation == 0));
        self.tally(ALL_EVENTS, TALLY_HELD, i64::from(held));
        let (accepted_at, new) = (event.accepted_at.0, Some(Arc::clone(event)));
        let touched = Touched { accepted_at, held: i64::from(held), slots, changed: true, new };
        self.touched.insert(event.seq, touched);
        Ok(true)
    }

    pub(super) fn row(&self, seq: u64, lane: LaneId, row: &Row<'_>) -> rusqlite::Result<()> {
        let Row { state, reason, attempts, due, note, delivered_at } = *row;
        let error = note.and_then(|note| {
            let excerpt = || note.excerpt.as_ref().map(|text| text.chars().take(LAST_ERROR_CHARS).collect());
            note.error.clone().or_else(excerpt).filter(|_| state != State::Delivered)
        });
        let sql = "INSERT OR REPLACE INTO deliveries (seq, lane, state, reason, attempts, next_attempt_at,
            last_status, last_error, delivered_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        self.tx.prepare_cached(sql)?.execute(params![
            seq.cast_signed(),
            lane,
            state.code(),
            reason.and_then(reason_code),
            attempts,
            due.map(u64::cast_signed),
            note.and_then(|note| note.status),
            error,
            delivered_at.map(u64::cast_signed),
        ])?;
        Ok(())
    }

    fn step(&mut self, step: &Move) -> rusqlite::Result<()> {
        let Some(touched) = self.touch(step.seq)? else { return Ok(()) };
        if step.change == Change::Released {
            if touched.held == 1 {
                (touched.held, touched.changed) = (2, true);
                self.tally(ALL_EVENTS, TALLY_HELD, -1);
            }
            return Ok(());
        }
        let accepted_at = touched.accepted_at;
        let Some(at) = touched.slots.iter().position(|(lane, _)| *lane == step.lane) else { return Ok(()) };
        let before = touched.slots[at].1;
        let after = match step.change {
            Change::Cancelled => self.close(step, State::Cancelled)?,
            Change::Dismissed => self.close(step, State::Dismissed)?,
            _ => self.attempted(step, before, accepted_at)?,
        };
        let Some(after) = after.filter(|after| *after != before) else { return Ok(()) };
        if let Some(touched) = self.touched.get_mut(&step.seq) {
            (touched.slots[at].1, touched.changed) = (after, true);
        }
        if before == Slot::Waiting {
            self.count_in_segment(step.lane, step.seq, 0, -1);
        }
        self.tally(i64::from(step.lane), before.state().code(), -1);
        self.tally(i64::from(step.lane), after.state().code(), 1);
        Ok(())
    }

    /// A delivery after an attempt; `None` if a later attempt is known already.
    fn attempted(&self, step: &Move, before: Slot, accepted_at: u64) -> rusqlite::Result<Option<Slot>> {
        let note = step.note.as_deref();
        let attempts = step.progress.attempts;
        let fresh = matches!(before, Slot::Waiting | Slot::Settled);
        if step.change == Change::Delivered && fresh && attempts == 1 {
            return Ok(Some(Slot::Delivered(First {
                after_ms: step.at.0.saturating_sub(accepted_at),
                took_ms: note.map_or(0, |note| note.duration_ms),
                status: note.and_then(|note| note.status),
                probe: note.is_some_and(|note| note.probe),
            })));
        }
        let known = match before {
            Slot::Waiting | Slot::Settled => 0,
            Slot::Delivered(_) => return Ok(None),
            Slot::Row(_) => self.attempts_of(step.seq, step.lane)?,
        };
        if let Some(note) = note {
            self.attempt(step, note)?;
        }
        // The same attempt once more may know more than a rebuild did.
        if attempts < known {
            return Ok(None);
        }
        let noted = note.and_then(|note| note.reason);
        let (state, reason, due) = match step.change {
            Change::Retry { due } => (State::Pending, noted, Some(due.0)),
            Change::Dead(reason) => (State::Dead, Some(reason), None),
            Change::Park => (State::Pending, noted.or(Some(Reason::Gone)), None),
            _ => (State::Delivered, None, None),
        };
        let delivered_at = (state == State::Delivered).then_some(step.at.0);
        self.row(step.seq, step.lane, &Row { state, reason, attempts, due, note, delivered_at })?;
        Ok(Some(Slot::Row(state)))
    }

    /// A delivery that a person ended; what is known of its attempts stays.
    fn close(&self, step: &Move, state: State) -> rusqlite::Result<Option<Slot>> {
        let sql = "INSERT INTO deliveries (seq, lane, state, attempts) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT DO UPDATE SET state = excluded.state, next_attempt_at = NULL";
        self.tx.prepare_cached(sql)?.execute(params![
            step.seq.cast_signed(),
            step.lane,
            state.code(),
            step.progress.attempts
        ])?;
        Ok(Some(Slot::Row(state)))
    }

    fn attempts_of(&self, seq: u64, lane: LaneId) -> rusqlite::Result<u16> {
        let sql = "SELECT attempts FROM deliveries WHERE seq = ?1 AND lane = ?2";
        let mut statement = self.tx.prepare_cached(sql)?;
        let found = statement.query_row(params![seq.cast_signed(), lane], |row| row.get(0)).optional()?;
        Ok(found.unwrap_or(0))
    }

    fn attempt(&self, step: &Move, note: &AttemptNote) -> rusqlite::Result<()> {
        let sql = "INSERT OR IGNORE INTO attempts (seq, lane, number, started_at, duration_ms, probe, status,
            reason, error, excerpt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        self.tx.prepare_cached(sql)?.execute(params![
            step.seq.cast_signed(),
            step.lane,
            step.progress.attempts,
            note.started_at.0.cast_signed(),
            note.duration_ms,
            note.probe,
            note.status,
            note.reason.and_then(reason_code),
            note.error,
            note.excerpt,
        ])?;
        Ok(())
    }

    fn touch(&mut self, seq: u64) -> rusqlite::Result<Option<&mut Touched>> {
        if !self.touched.contains_key(&seq) {
            let sql = "SELECT accepted_at, held, results FROM events WHERE seq = ?1";
            let mut statement = self.tx.prepare_cached(sql)?;
            let found = statement
                .query_row([seq.cast_signed()], |row| {
                    let slots = decoded(row.get_ref(2)?.as_blob()?)?;
                    let accepted_at = row.get::<_, i64>(0)?.cast_unsigned();
                    Ok(Touched { accepted_at, held: row.get(1)?, slots, changed: false, new: None })
                })
                .optional()?;
            let Some(found) = found else { return Ok(None) };
            self.touched.insert(seq, found);
        }
        Ok(self.touched.get_mut(&seq))
    }

    fn count_in_segment(&mut self, lane: LaneId, seq: u64, deliveries: i64, waiting: i64) {
        let count = self.segments.entry((lane, seq / SEGMENT_EVENTS)).or_default();
        *count = (count.0 + deliveries, count.1 + waiting);
    }

    fn tally(&mut self, lane: i64, state: i64, by: i64) {
        *self.tallies.entry((lane, state)).or_default() += by;
    }

    /// Writes what the batch gathered. Returns the next sequence number.
    pub(super) fn finish(mut self, position: u64) -> rusqlite::Result<u64> {
        for (seq, touched) in std::mem::take(&mut self.touched) {
            match &touched.new {
                Some(event) => self.insert(event, &touched)?,
                None if touched.changed => self.update(seq, &touched)?,
                None => {}
            }
        }
        add_to_segments(self.tx, &self.segments)?;
        add_to_tallies(self.tx, &self.tallies)?;
        let sql = "UPDATE progress SET position = max(position, ?1), next_seq = max(next_seq, ?2)";
        self.tx.prepare_cached(sql)?.execute([position.cast_signed(), self.next_seq.cast_signed()])?;
        Ok(self.next_seq)
    }
}

/// A delivery's row.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) state: State,
    pub(super) reason: Option<Reason>,
    pub(super) attempts: u16,
    pub(super) due: Option<u64>,
    pub(super) note: Option<&'a AttemptNote>,
    pub(super) delivered_at: Option<u64>,
}

/// Adds to the summaries by segment; those that come to nothing go.
pub(super) fn add_to_segments(
    tx: &Transaction<'_>,
    segments: &BTreeMap<(LaneId, u64), (i64, i64)>,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO segments (lane, segment, deliveries, waiting) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT DO UPDATE SET deliveries = deliveries + excluded.deliveries,
            waiting = waiting + excluded.waiting";
    for ((lane, segment), (deliveries, waiting)) in segments {
        let segment = segment.cast_signed();
        tx.prepare_cached(sql)?.execute(params![lane, segment, deliveries, waiting])?;
        if *deliveries < 0 {
            tx.prepare_cached("DELETE FROM segments WHERE lane = ?1 AND segment = ?2 AND deliveries <= 0")?
                .execute(params![lane, segment])?;
        }
    }
    Ok(())
}

/// Adds to the counts.
pub(super) fn add_to_tallies(
    tx: &Transaction<'_>,
    tallies: &BTreeMap<(i64, i64), i64>,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO tallies (lane, state, n) VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET n = n + excluded.n";
    for ((lane, state), by) in tallies.iter().filter(|(_, by)| **by != 0) {
        tx.prepare_cached(sql)?.execute([lane, state, by])?;
    }
    Ok(())
}

/// The results of an event, read back.
pub(super) fn decoded(blob: &[u8]) -> rusqlite::Result<Slots> {
    slot::decode(blob).ok_or_else(|| {
        let what = "an event's results cannot be read".into();
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, what)
    })
}

/// What events are looked up by: the first 8 bytes of their deliveries' ids.
pub(super) fn event_key(prefix: [u8; 10]) -> i64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&prefix[..8]);
    i64::from_be_bytes(bytes)
}

/// A reason's number in the tables: its place in the list of all.
pub(super) fn reason_code(reason: Reason) -> Option<i64> {
    Reason::ALL.iter().position(|known| *known == reason).and_then(|at| i64::try_from(at).ok())
}
