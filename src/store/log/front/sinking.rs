//! Bringing a frozen table down into the engine, beside the commits.
//!
//! It goes in slices, each durable by itself; then its segment is freed, durably too. A crash in between leaves the segment to be read
//! again, and what went down already goes down once more. What was removed again before its slice came is spared: the engine
//! never gets it. The thread has an owner that joins it. It never goes on after a failure, and then the engine is left as it is: an
//! engine that goes would write and sync once more.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;

use bytes::Bytes;

use super::Bounds;
use super::layers::{Layers, Slot, Table};
use super::segment::Segment;
use crate::store::folder;
use crate::store::log::engine::{Engine, Fault, guarded};
use crate::store::log::row::{Change, Key};

/// Rows and bytes that go down at once.
const SLICE_ROWS: usize = 1024;
const SLICE_BYTES: usize = 512 << 10;
/// Removals forgotten at once: reads and commits wait meanwhile.
const FORGET_ROWS: usize = 1024;
/// So much of the room for commits may be taken before they wait for a table that has not begun to go down; then they go as it goes.
const UNPACED_PERCENT: u64 = 60;
/// A segment that was full grows by this factor,
const GROWTH: u64 = 4;
/// if it stays below this part of what is free on the disk.
const FREE_PART: u64 = 32;

/// What the commits, the reads and the sinking have in common.
pub(super) struct Shared {
    pub inner: Box<dyn Engine>,
    pub segments: [Segment; 2],
    pub bounds: Bounds,
    /// Where the segments are.
    pub path: PathBuf,
    layers: RwLock<Layers>,
    work: Mutex<Work>,
    changed: Condvar,
}

/// A table on its way down, and the segment that holds it until then.
#[derive(Clone)]
pub(super) struct Frozen {
    pub table: Arc<Table>,
    pub segment: usize,
    /// Whether it was frozen for want of room in the segment.
    pub was_full: bool,
}

#[derive(Default)]
struct Work {
    frozen: Option<Frozen>,
    /// Most rows die soon, so a table waits before it goes down.
    is_due: bool,
    /// How much of it is down, of a hundred.
    down_percent: u64,
    is_stopped: bool,
    failure: Option<Fault>,
}

impl Work {
    /// Whether the thread has to leave things as they are.
    fn is_over(&self) -> bool {
        self.is_stopped || self.failure.is_some()
    }
}

impl Shared {
    pub fn new(
        inner: Box<dyn Engine>,
        segments: [Segment; 2],
        bounds: Bounds,
        path: PathBuf,
        layers: Layers,
    ) -> Self {
        let (layers, work, changed) = (RwLock::new(layers), Mutex::default(), Condvar::new());
        Self { inner, segments, bounds, path, layers, work, changed }
    }

    /// Tables that are whole between any two calls, so a poisoned lock guards good data.
    pub fn layers(&self) -> RwLockReadGuard<'_, Layers> {
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn layers_mut(&self) -> RwLockWriteGuard<'_, Layers> {
        self.layers.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing is written any more.
    pub fn failure(&self) -> Option<Fault> {
        self.work().failure.clone()
    }

    /// From now on nothing is written, and the engine is never dropped. The process ends soon.
    pub fn fail(self: &Arc<Self>, fault: &Fault) {
        let mut work = self.work();
        if work.failure.is_none() {
            std::mem::forget(Arc::clone(self));
            work.failure = Some(fault.clone());
        }
        drop(work);
        self.changed.notify_all();
    }

    /// Hands a table over. It goes down when [`hurry`](Self::hurry) says so.
    pub fn hand_over(&self, frozen: Frozen) {
        let mut work = self.work();
        work.frozen = Some(frozen);
        (work.is_due, work.down_percent) = (false, 0);
    }

    /// If a table waits to go down, it is time.
    pub fn hurry(&self) {
        let mut work = self.work();
        if work.frozen.is_some() && !work.is_due {
            work.is_due = true;
            drop(work);
            self.changed.notify_all();
        }
    }

    /// Lets commits wait a little for what goes down, one by one, before so much room is taken that one has to wait for all of it.
    pub fn keep_pace(&self, used_percent: u64) {
        if used_percent < UNPACED_PERCENT {
            return;
        }
        let wanted = (used_percent - UNPACED_PERCENT) * 100 / (100 - UNPACED_PERCENT);
        let waits = |work: &mut Work| work.frozen.is_some() && work.down_percent < wanted && !work.is_over();
        drop(self.changed.wait_while(self.work(), waits));
    }

    /// Waits until nothing is frozen.
    pub fn await_down(&self) -> Result<(), Fault> {
        self.hurry();
        let waits = |work: &mut Work| work.frozen.is_some() && work.failure.is_none();
        let work = self.changed.wait_while(self.work(), waits).unwrap_or_else(PoisonError::into_inner);
        work.failure.clone().map_or(Ok(()), Err)
    }

    /// The table that is due, when there is one; `None` when it is time to stop.
    fn next(&self) -> Option<Frozen> {
        let waits = |work: &mut Work| !work.is_over() && (work.frozen.is_none() || !work.is_due);
        let work = self.changed.wait_while(self.work(), waits).unwrap_or_else(PoisonError::into_inner);
        work.frozen.clone().filter(|_| !work.is_over())
    }

    /// Brings a table down. `None` if it was stopped before the end.
    fn bring_down(&self, frozen: &Frozen) -> Result<Option<()>, Fault> {
        let mut spared = Vec::new();
        let (mut rows, mut down) = (frozen.table.rows().peekable(), 0);
        while rows.peek().is_some() {
            if self.work().is_over() {
                return Ok(None);
            }
            let slice = slice(&mut rows);
            down += slice.len();
            let change = self.without_dead(slice, &mut spared);
            if !change.is_empty() {
                self.inner.pour(&change)?;
            }
            self.work().down_percent = (down * 99 / frozen.table.len().max(1)) as u64;
            self.changed.notify_all();
        }
        if self.work().is_over() {
            return Ok(None);
        }
        self.make_ready(frozen)?;
        self.layers_mut().thaw();
        for spared in spared.chunks(FORGET_ROWS) {
            self.layers_mut().forget(spared);
        }
        self.work().frozen = None;
        self.changed.notify_all();
        Ok(Some(()))
    }

    /// What of `slice` the engine has to be told.
    fn without_dead<'a>(&self, slice: Vec<(&Key, &'a Slot)>, spared: &mut Vec<Key>) -> Change<'a> {
        let layers = self.layers();
        let mut change = Change::new();
        for (key, slot) in slice {
            if matches!(slot, Slot::Fresh(_)) && layers.is_removed(key) {
                spared.push(*key);
            } else {
                change.insert(*key, slot.value().map(|value| &value[..]));
            }
        }
        change
    }

    /// Frees the segment, and makes it as long as it is to be.
    fn make_ready(&self, frozen: &Frozen) -> io::Result<()> {
        let (segment, max) = (&self.segments[frozen.segment], self.bounds.segment_bytes_max);
        segment.free()?;
        let bytes = segment.bytes();
        let longer = bytes.saturating_mul(GROWTH).min(max);
        if bytes > max {
            segment.shorten(max)
        } else if frozen.was_full && longer > bytes && self.has_room(longer) {
            segment.lengthen(longer)
        } else {
            Ok(())
        }
    }

    fn has_room(&self, bytes: u64) -> bool {
        folder::free_bytes(&self.path).is_none_or(|free_bytes| bytes <= free_bytes / FREE_PART)
    }

    /// What [`start`] started ends after the slice that it is at.
    pub fn stop(&self) {
        self.work().is_stopped = true;
        self.changed.notify_all();
    }
}

/// The next rows of a table, as many as go down at once.
fn slice<'a>(rows: &mut impl Iterator<Item = (&'a Key, &'a Slot)>) -> Vec<(&'a Key, &'a Slot)> {
    let (mut slice, mut bytes) = (Vec::new(), 0);
    for (key, slot) in rows {
        bytes += slot.value().map_or(0, Bytes::len);
        slice.push((key, slot));
        if slice.len() >= SLICE_ROWS || bytes >= SLICE_BYTES {
            break;
        }
    }
    slice
}

/// Starts the thread that brings tables down, one after the other. Its owner stops and joins it.
pub(super) fn start(shared: &Arc<Shared>) -> Result<JoinHandle<()>, Fault> {
    let shared = Arc::clone(shared);
    let sink = move || {
        while let Some(frozen) = shared.next() {
            match guarded(|| shared.bring_down(&frozen)) {
                Ok(Some(())) => {}
                Ok(None) => return,
                Err(fault) => return shared.fail(&fault),
            }
        }
    };
    Ok(std::thread::Builder::new().name("outbox-sink".to_owned()).spawn(sink)?)
}
