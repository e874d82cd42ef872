//! A copy of the outbox while it works, and what a log holds without an outbox over it.
//!
//! A journal that was copied first may be behind the copy of the outbox, never ahead of it, and finds there all
//! that it lacks: from the [`Hold`] on, nothing is removed that the journal did not have before. A hold has an end, so that
//! a copy that hangs never fills the disk. Never holds a lock while the copy's disk is written. A crash forgets the
//! hold, and with it the copy.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::dedupe::{self, Dedupe};
use super::open::read_back;
use super::{Error, Outbox, Shared, lock};
use crate::domain::scheduler::LaneId;
use crate::store::log::{self, Log, Progress, RowsWriter, Space, read_rows};

/// However long a copy takes, removals do not wait longer.
const HOLD_LASTS: Duration = Duration::from_secs(6 * 3600);
/// Of the room there is at its beginning, above what must stay free, a hold leaves this part.
const ROOM_LEFT_PART: u64 = 8;

/// While it lives, the outbox keeps what the journal lacked when it was taken. If it takes too long or the disk becomes
/// short, the outbox lets go all the same, and the copy is worth nothing.
pub struct Hold {
    shared: Arc<Shared>,
    number: u64,
}

/// The holds that the outbox keeps.
#[derive(Debug, Default)]
pub(super) struct Holds {
    next: u64,
    kept: BTreeMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    /// Where the journal was.
    at: u64,
    /// When it ends, on the monotonic clock.
    until: Duration,
    /// The disk's free bytes at which it ends.
    free_bytes_min: u64,
}

impl Holds {
    /// Lets go of those that must not last.
    fn give_up(&mut self, now: Duration, free_bytes: Option<u64>) {
        self.kept.retain(|_, held| {
            let is_late = now >= held.until;
            let keeps = !is_late && free_bytes.is_none_or(|free_bytes| free_bytes >= held.free_bytes_min);
            if !keeps {
                let why = if is_late { "it takes too long" } else { "the disk becomes short" };
                tracing::warn!(why, "a copy of the outbox is given up, so that what is over can be removed");
            }
            keeps
        });
    }
}

impl Hold {
    /// Whether the outbox still keeps what the journal lacked.
    pub fn is_kept(&self) -> bool {
        self.watch()()
    }

    /// As [`is_kept`](Self::is_kept), for whoever does not own the hold.
    pub fn watch(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let (shared, number) = (Arc::clone(&self.shared), self.number);
        move || {
            shared.bound_holds();
            lock(&shared.holds).kept.contains_key(&number)
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        lock(&self.shared.holds).kept.remove(&self.number);
        self.shared.queue.nudge();
    }
}

impl Outbox {
    /// Keeps, from now on, whatever the journal does not have yet.
    pub fn hold(&self) -> Hold {
        let shared = Arc::clone(&self.shared);
        let min_bytes = shared.options.free_bytes_min;
        // At the minimum nothing is taken in, so nothing grows either.
        let free_bytes_min = (shared.free_bytes)().map_or(0, |free_bytes| {
            min_bytes.saturating_add(free_bytes.saturating_sub(min_bytes) / ROOM_LEFT_PART).min(free_bytes)
        });
        let until = shared.clock.monotonic().saturating_add(HOLD_LASTS);
        let mut holds = lock(&shared.holds);
        let (at, number) = (shared.journalled.load(Ordering::Acquire), holds.next);
        holds.next += 1;
        holds.kept.insert(number, Held { at, until, free_bytes_min });
        drop(holds);
        Hold { shared, number }
    }

    /// Copies the rows of the outbox, as they are at one instant after this call, to `to`. `None` if `progress` broke
    /// it off. However long a write of it takes, appends go on.
    pub fn copy_to(
        &self,
        to: &mut RowsWriter,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Option<log::Stats>, Error> {
        Ok(self.shared.log.copy_to(to, progress)?)
    }
}

impl Shared {
    /// The last commit that nobody needs for the journal's sake.
    pub(super) fn forgettable(&self) -> u64 {
        self.bound_holds();
        // In this order: a hold that is taken in between began no earlier than what was read before it.
        let journalled = self.journalled.load(Ordering::Acquire);
        let oldest = lock(&self.holds).kept.values().map(|held| held.at).min();
        oldest.map_or(journalled, |held| held.min(journalled))
    }

    fn bound_holds(&self) {
        if lock(&self.holds).kept.is_empty() {
            return;
        }
        let (now, free_bytes) = (self.clock.monotonic(), self.free_bytes_lately());
        lock(&self.holds).give_up(now, free_bytes);
    }
}

/// What a log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// The last commit.
    pub head: u64,
    /// The sequence number that the next event will get.
    pub next_seq: u64,
    /// Receivers that have had a delivery.
    pub receivers: usize,
    /// Deliveries that are not over.
    pub open: u64,
    /// Dead letters.
    pub dead: u64,
    /// Events in quarantine.
    pub quarantined: u64,
    /// The dedupe records.
    pub dedupe: dedupe::Counts,
}

/// Reads everything back as an opening does, and changes nothing.
pub fn inspect(log: &dyn Log) -> Result<Inspected, Error> {
    let found = read_back(log)?;
    let dedupe = Dedupe::open(log)?.counts();
    let index = found.index;
    let lanes = (0..LaneId::MAX).take(index.names().len());
    let (open, dead) = lanes.fold((0, 0), |(open, dead), lane| {
        let counts = index.counts(lane);
        (open + counts.open, dead + counts.dead)
    });
    Ok(Inspected {
        head: found.last_record,
        next_seq: index.next_seq(),
        receivers: index.names().len(),
        open,
        dead,
        quarantined: index.quarantined(),
        dedupe,
    })
}

/// Reads a copy of the outbox, the file of rows `path`, to its end, without bringing it into memory. Returns what the
/// file says that the outbox held, and the last commit in it.
pub fn read_copy(path: &Path) -> Result<(log::Stats, u64), log::Error> {
    // Of the records of commits the last one is never removed.
    let mut head = 0;
    let stats = read_rows(path, &mut |row, value| {
        if row.space == Space::Moves && value.is_some() {
            head = head.max(row.commit);
        }
    })?;
    Ok((stats, head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_ends_when_its_time_is_over_or_the_disk_is_short() {
        let end = Duration::from_secs(9);
        for (now_s, free_bytes, is_kept) in [
            (8, Some(100), true),
            (8, Some(99), false),
            (8, None, true),
            (9, Some(100), false),
            (9, None, false),
        ] {
            let held = Held { at: 1, until: end, free_bytes_min: 100 };
            let mut holds = Holds { next: 1, kept: BTreeMap::from([(0, held)]) };
            holds.give_up(Duration::from_secs(now_s), free_bytes);
            assert_eq!(holds.kept.contains_key(&0), is_kept, "{now_s} {free_bytes:?}");
        }
    }
}
