//! Compaction: the live rows are copied into a new generation while appends go on, then the format
//! file is switched over. Written once, for every engine.
//!
//! The copy runs in slices without the writer's lock. Meanwhile the writer notes the keys it
//! touches; these are brought over in passes, the last few under the lock. Until the format file is
//! replaced the old generation holds, from then on the new one: a crash at any point leaves exactly
//! one that counts, and the next opening removes the other.

use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, TryLockError};

use super::engine::Room;
use super::format::{self, Format};
use super::generation::Generation;
use super::generational::{Generational, Writer};
use super::row::{Change, Key, RowId, Space};
use super::tally::Tally;
use super::{Compacted, Error, Log, Progress, Stage, Stats};

/// What is copied between two looks at the progress; each slice is synced.
const SLICE: Room = Room { rows: 512, bytes: 1 << 20 };
/// At most so many rows are brought over while appends wait.
const SWITCH_ROWS_MAX: usize = 128;
/// After so many passes the writer outruns the copy, and has to wait for the rest.
const PASSES_MAX: u32 = 32;
/// Touched rows kept in mind while the first round is under way.
const TOUCHED_ROWS_MAX: usize = 1 << 13;

/// How large the store may grow before it is worth compacting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceBound {
    /// Below this a store is never compacted.
    pub disk_bytes_min: u64,
    /// Above so many times its live bytes a store is compacted.
    pub live_factor: u64,
}

impl Default for SpaceBound {
    fn default() -> Self {
        Self { disk_bytes_min: 64 * 1024 * 1024, live_factor: 6 }
    }
}

/// Whether the store takes more space than `bound` allows.
pub fn should_compact(stats: &Stats, bound: &SpaceBound) -> bool {
    let disk_bytes = stats.disk_bytes.saturating_sub(stats.front_bytes);
    disk_bytes > bound.disk_bytes_min.max(stats.live_bytes.saturating_mul(bound.live_factor))
}

/// Hears how far it is, and may break it off.
pub(super) type Report<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

pub(super) fn compact(log: &Generational, progress: Report<'_>) -> Result<Compacted, Error> {
    let _one = match log.compacting.try_lock() {
        Ok(one) => one,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return Err(Error::Compacting { path: log.dir.clone() }),
    };
    let before = log.stats()?;
    let source = {
        let (mut writer, generation) = log.writer()?;
        writer.touched = Some(BTreeSet::new());
        generation
    };
    let copied = copy_and_switch(log, &source, progress);
    log.lock_writer().touched = None;
    // Its last user deletes the old generation, or this line does.
    drop(source);
    let switched = copied?;
    Ok(Compacted { switched, before, after: log.stats()? })
}

fn copy_and_switch(log: &Generational, source: &Generation, progress: Report<'_>) -> Result<bool, Error> {
    let mut target = Generation::create(&log.dir, source.number + 1, log.make, source.lock())?;
    let mut copy = Copy::new(log, &mut target, |writer| &mut writer.touched, &mut *progress);
    if copy.all()?.is_break() || copy.touched()?.is_break() {
        return Ok(false);
    }
    let rows = copy.rows;
    switch(log, source, target)?;
    // Too late to give up.
    let _ = progress(Progress { stage: Stage::Switched, rows });
    Ok(true)
}

/// Where the writer notes what a copy lacks; `None` in it if that was too much.
type Notes = fn(&mut Writer) -> &mut Option<BTreeSet<Key>>;

/// Where rows are copied to.
pub(super) trait Target {
    /// Takes rows as they are now, or that they are gone.
    fn take(&mut self, change: Change<'_>) -> Result<(), Error>;
}

impl Target for Generation {
    fn take(&mut self, change: Change<'_>) -> Result<(), Error> {
        self.commit(change, Tally::default())
    }
}

/// Rows on their way from the generation that holds, whichever it is, to somewhere else.
pub(super) struct Copy<'a> {
    log: &'a Generational,
    target: &'a mut dyn Target,
    notes: Notes,
    progress: Report<'a>,
    pub(super) rows: u64,
}

impl<'a> Copy<'a> {
    /// None yet.
    pub(super) fn new(
        log: &'a Generational,
        target: &'a mut dyn Target,
        notes: Notes,
        progress: Report<'a>,
    ) -> Self {
        Self { log, target, notes, progress, rows: 0 }
    }

    /// Copies every row, in key order.
    pub(super) fn all(&mut self) -> Result<ControlFlow<()>, Error> {
        let last = RowId::last(Space::DedupeData).key();
        let mut start = Bound::Included(Key::default());
        loop {
            let rows = self.log.current()?.scan(start.as_ref(), &last, SLICE)?;
            let Some((end, _)) = rows.last() else { return Ok(ControlFlow::Continue(())) };
            let end = *end;
            start = Bound::Excluded(end);
            let change: Change<'_> = rows.iter().map(|(key, value)| (*key, Some(value.as_slice()))).collect();
            self.target.take(change)?;
            self.rows += rows.len() as u64;
            if self.report(Stage::Copying)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            // What lies ahead is read as it will be then.
            let mut touched = self.take_touched(TOUCHED_ROWS_MAX)?.unwrap_or_default();
            touched.retain(|key| *key <= end);
            self.bring(touched)?;
        }
    }

    /// Brings over what was touched meanwhile, until little enough is left for the switch.
    pub(super) fn touched(&mut self) -> Result<ControlFlow<()>, Error> {
        for _ in 0..PASSES_MAX {
            if self.report(Stage::CatchingUp)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let Some(touched) = self.take_touched(SWITCH_ROWS_MAX)? else { break };
            self.bring(touched)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// What was touched since the last look, if it is more than `rows_max`.
    fn take_touched(&self, rows_max: usize) -> Result<Option<BTreeSet<Key>>, Error> {
        let (mut writer, _) = self.log.writer()?;
        match (self.notes)(&mut writer) {
            Some(touched) if touched.len() > rows_max => Ok(Some(std::mem::take(touched))),
            _ => Ok(None),
        }
    }

    fn bring(&mut self, touched: BTreeSet<Key>) -> Result<(), Error> {
        self.rows += touched.len() as u64;
        // Between two reads the generation that holds is let go, also while the target's disk hangs.
        let (log, target) = (self.log, &mut self.target);
        bring_over(|keys| read(&*log.current()?, keys), touched, |change| target.take(change))
    }

    pub(super) fn report(&mut self, stage: Stage) -> Result<ControlFlow<()>, Error> {
        self.log.current()?;
        Ok((self.progress)(Progress { stage, rows: self.rows }))
    }
}

type Values = Vec<Option<Vec<u8>>>;

fn read(source: &Generation, keys: &[Key]) -> Result<Values, Error> {
    keys.iter().map(|key| source.read(key)).collect()
}

/// Has `take` what `read` finds under `keys`, put or removed.
fn bring_over(
    read: impl Fn(&[Key]) -> Result<Values, Error>,
    keys: BTreeSet<Key>,
    mut take: impl FnMut(Change<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let keys: Vec<Key> = keys.into_iter().collect();
    for keys in keys.chunks(SWITCH_ROWS_MAX) {
        let values = read(keys)?;
        let change = keys.iter().zip(&values).map(|(key, value)| (*key, value.as_deref())).collect();
        take(change)?;
    }
    Ok(())
}

/// Brings over the rest and makes `target` the generation that holds. Appends wait meanwhile.
fn switch(log: &Generational, source: &Generation, target: Generation) -> Result<(), Error> {
    let (mut writer, _) = log.writer()?;
    let rest = writer.touched.take().unwrap_or_default();
    let tally = writer.tally;
    bring_over(|keys| read(source, keys), rest, |change| target.commit(change, tally))?;
    target.commit(Change::new(), tally)?;
    let format = Format::new(log.make.kind, target.number);
    format.stage(&log.dir).map_err(|error| failed(log, &error))?;
    // From here on a failure leaves it open which of the two holds: keep both, write to neither.
    target.hold();
    publish(log, &mut writer)?;
    source.retire();
    drop(log.replace(&mut writer, Some(Arc::new(target))));
    Ok(())
}

fn publish(log: &Generational, writer: &mut Writer) -> Result<(), Error> {
    format::publish(&log.dir).map_err(|error| {
        let error = failed(log, &error);
        writer.broken = Some(error.to_string());
        error
    })
}

fn failed(log: &Generational, error: &std::io::Error) -> Error {
    Error::Failed { path: format::path(&log.dir), detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_compacted_above_both_bounds_only() {
        let bound = SpaceBound { disk_bytes_min: 100, live_factor: 6 };
        for (disk_bytes, front_bytes, live_bytes, wanted) in [
            (0, 0, 0, false),
            (100, 0, 0, false),
            (101, 0, 0, true),
            (101, 1, 0, false),
            (101, 0, 17, false),
            (600, 0, 100, false),
            (601, 0, 100, true),
            (601, 1, 100, false),
            (9, 10, 0, false),
        ] {
            let stats = Stats { disk_bytes, front_bytes, live_bytes, ..Stats::default() };
            assert_eq!(should_compact(&stats, &bound), wanted, "{stats:?}");
        }
    }
}
