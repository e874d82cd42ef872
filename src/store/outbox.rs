//! The truth of what must still be delivered: accepted events, their deliveries and dedupe records,
//! in one atomic durable commit each time. Written once over any [`Log`].
//!
//! One committer thread takes everything that waits, writes one batch, waits for one sync and then
//! answers all. A settled delivery rides on the next commit without holding anyone; losing it in a
//! crash repeats a delivery and never loses one. What a crash leaves is read back by [`Outbox::open`]:
//! the last checkpoint, the commits after it, and the dedupe records.
//!
//! Never calls a receiver, and never forgets an event whose journal row is not durable.

mod arrival;
mod commit;
pub mod copying;
pub mod dedupe;
mod draft;
pub mod index;
mod kept;
pub mod open;
mod pack;
mod queue;
mod reading;
pub mod record;
mod room;
mod tail;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::sync::Notify;

use crate::domain::id::{AppSlug, EventId};
use crate::domain::parked::Parked;
use crate::domain::scheduler::{Claimed, LaneId};
use crate::domain::time::Millis;
use crate::runtime::clock::Clock;
use crate::store::log::{self, Log, SpaceBound};
use arrival::Request;
use dedupe::{Dedupe, DedupeRecord};
use index::{Claims, Index};
use queue::Queue;
use record::{Move, StoredEvent};
use room::Room;
pub use tail::Tail;

/// The outbox's folder in the store's.
pub const FOLDER: &str = "outbox";

/// Why the outbox did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine below failed; nothing more is written or acknowledged.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// What is stored cannot be read back.
    #[error("the outbox is damaged: {0}; restore a backup, or move the directory away to start anew")]
    Damaged(String),
    /// It cannot be stored in this shape.
    #[error("a record could not be encoded: {0}")]
    Encode(String),
    /// Less than `[store] free_bytes_min` is free on the disk.
    #[error(
        "only {free_bytes} bytes are free on the store's disk, fewer than store.free_bytes_min = {min_bytes}"
    )]
    DiskFull {
        /// Free now.
        free_bytes: u64,
        /// What must stay free.
        min_bytes: u64,
    },
    /// A compaction would leave too little.
    #[error("{free_bytes} bytes are free on the store's disk, and compacting it takes {needed_bytes}")]
    NoRoomToCompact {
        /// Free now.
        free_bytes: u64,
        /// What must be free.
        needed_bytes: u64,
    },
    /// The committer's thread did not start.
    #[error("cannot start the store's committer: {0}")]
    Thread(std::io::Error),
    /// Too many events wait for a commit.
    #[error("too many events wait to be stored")]
    Busy,
    /// An earlier commit failed; the process must be restarted.
    #[error("the store has failed and takes nothing more until a restart")]
    Failed,
    /// The outbox is closing.
    #[error("the store is closing")]
    Closed,
}

/// What became of one appended event.
#[derive(Clone, Debug, PartialEq)]
pub enum Appended {
    /// It is durable.
    New(Arc<StoredEvent>),
    /// (source, eventId) was accepted before, with this body.
    Duplicate(DedupeRecord),
    /// (source, eventId) was accepted before, with another body.
    Mismatch,
}

/// Settings.
#[derive(Clone, Debug)]
pub struct Options {
    /// What must stay free on the disk.
    pub free_bytes_min: u64,
    /// How long a dedupe record is kept.
    pub dedupe_keep: Duration,
    /// Bytes of recent events kept in memory for their delivery.
    pub cache_bytes: u64,
    /// Least bytes of commit records between two checkpoints; more after a large one.
    pub checkpoint_bytes_min: usize,
    /// How large the log may grow before it is rewritten.
    pub space: SpaceBound,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            free_bytes_min: 256 << 20,
            dedupe_keep: Duration::from_hours(73),
            cache_bytes: 32 << 20,
            checkpoint_bytes_min: 4 << 20,
            space: SpaceBound::default(),
        }
    }
}

/// What a commit cost, for the metrics.
#[derive(Clone, Copy, Debug)]
pub struct CommitCost {
    /// From the start of the write until it was durable.
    pub took: Duration,
    /// New events in it.
    pub events: usize,
    /// Bytes of rows written.
    pub bytes: usize,
}

/// The outbox.
pub struct Outbox {
    shared: Arc<Shared>,
    committer: Mutex<Option<std::thread::JoinHandle<()>>>,
}

#[derive(Clone)]
struct EventWeight;

impl quick_cache::Weighter<u64, Arc<StoredEvent>> for EventWeight {
    fn weight(&self, _: &u64, event: &Arc<StoredEvent>) -> u64 {
        event.body.len() as u64 + 512
    }
}

struct Shared {
    log: Box<dyn Log>,
    clock: Arc<dyn Clock>,
    options: Options,
    free_bytes: Box<dyn Fn() -> Option<u64> + Send + Sync>,
    queue: Queue,
    index: Mutex<Index>,
    dedupe: Dedupe,
    cache: Cache<u64, Arc<StoredEvent>, EventWeight>,
    tail: Tail,
    journalled: AtomicU64,
    /// What copies under way need.
    holds: Mutex<copying::Holds>,
    failed: AtomicBool,
    /// Moves cannot be written for want of room, so nothing is claimed.
    is_stalled: AtomicBool,
    /// When the disk was looked at, and what was free, while it was far more than enough.
    free_seen: Mutex<Option<(Duration, u64)>>,
    /// Lanes with deliveries that nobody has claimed.
    available: Mutex<std::collections::BTreeSet<LaneId>>,
    available_changed: Notify,
    failure: Notify,
    on_commit: Box<dyn Fn(CommitCost) + Send + Sync>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Outbox {
    /// Appends events in one commit and resolves when they are durable. Each gets its `seq` and its own
    /// answer; those that are repeats change nothing. Without events it resolves with a commit that has
    /// what was settled before.
    ///
    /// An error means that none of them is acknowledged. After [`Error::Log`] the outcome on disk is
    /// unknown: the sender must post again, and dedupe sorts it out.
    pub async fn append(&self, events: Vec<StoredEvent>) -> Result<Vec<Appended>, Error> {
        self.submit(events, None).await
    }

    /// Appends a further generation of an event in one commit with the move that it stands for: a dead
    /// delivery or a quarantined event let go of. `None` if that was let go of already; then nothing is
    /// appended, so that nothing is released or retried twice.
    pub async fn append_instead(
        &self,
        event: StoredEvent,
        of: Move,
    ) -> Result<Option<Arc<StoredEvent>>, Error> {
        match self.submit(vec![event], Some(of)).await?.pop() {
            Some(Appended::New(event)) => Ok(Some(event)),
            _ => Ok(None),
        }
    }

    async fn submit(
        &self,
        events: Vec<StoredEvent>,
        instead_of: Option<Move>,
    ) -> Result<Vec<Appended>, Error> {
        let has_failed = || self.shared.failed.load(Ordering::Acquire);
        if has_failed() {
            return Err(Error::Failed);
        }
        let (request, answer) = Request::new(events, instead_of)?;
        // A failure closes the queue too.
        self.shared.queue.push(request).map_err(|error| if has_failed() { Error::Failed } else { error })?;
        answer.await.unwrap_or(Err(Error::Failed))
    }

    /// What was accepted under (source, eventId), if it is remembered. May read the disk.
    pub fn lookup(&self, source: &AppSlug, event: &EventId) -> Result<Option<DedupeRecord>, Error> {
        self.shared.dedupe.find(self.shared.log.as_ref(), &dedupe::key(source, event))
    }

    /// What memory alone says of (source, eventId): `Some` answer, or `None` if only
    /// [`lookup`](Self::lookup), which may read the disk, can tell.
    pub fn glance(&self, source: &AppSlug, event: &EventId) -> Option<Option<DedupeRecord>> {
        self.shared.dedupe.glance(&dedupe::key(source, event))
    }

    /// Records what became of deliveries, with the next commit, without waiting for it.
    pub fn settle(&self, moves: impl IntoIterator<Item = Move>) {
        self.shared.queue.push_moves(moves);
    }

    /// Records when a receiver was parked.
    pub fn park(&self, lane: LaneId, parked: Parked) {
        self.shared.queue.push_parked(lane, parked);
    }

    /// Claims up to `limit` deliveries of a receiver that may go at `now`. None while the disk has no room
    /// to settle them; [`available`](Self::available) tells when it has.
    pub fn claim(&self, lane: LaneId, limit: usize, now: Millis) -> Claims {
        if self.shared.is_stalled.load(Ordering::Acquire) {
            return Claims::default();
        }
        lock(&self.shared.index).claim(lane, limit, now)
    }

    /// Takes claimed deliveries back untried.
    pub fn release(&self, lane: LaneId, deliveries: &[Claimed]) {
        lock(&self.shared.index).release(lane, deliveries);
        self.shared.announce([lane]);
    }

    /// The receivers that got deliveries since the last call; waits until there are some.
    pub async fn available(&self) -> Vec<LaneId> {
        loop {
            let notified = self.shared.available_changed.notified();
            let lanes = std::mem::take(&mut *lock(&self.shared.available));
            if !lanes.is_empty() {
                return lanes.into_iter().collect();
            }
            notified.await;
        }
    }

    /// The journal has everything up to and including `commit` on its disk.
    pub fn journalled(&self, commit: u64) {
        let before = self.shared.journalled.swap(commit, Ordering::AcqRel);
        if before < commit && lock(&self.shared.index).has_spent(commit) {
            self.shared.queue.nudge();
        }
    }

    /// Rewrites the store without what was removed, if the engine's bound says that it pays and the disk has
    /// room for the copy.
    pub fn compact_if_due(&self) -> Result<bool, Error> {
        self.shared.compact_if_due()
    }

    /// How many dedupe records there are, where, and what they take.
    pub fn dedupe_counts(&self) -> dedupe::Counts {
        self.shared.dedupe.counts()
    }

    /// Why ingest must not be acknowledged now, if so.
    pub fn refusal(&self) -> Option<Error> {
        if self.shared.failed.load(Ordering::Acquire) {
            return Some(Error::Failed);
        }
        match self.shared.room() {
            Room::Enough => None,
            Room::Little(full) | Room::None(full) => Some(full.into()),
        }
    }

    /// Resolves when a commit has failed: the process must stop.
    pub async fn failure(&self) {
        loop {
            let notified = self.shared.failure.notified();
            if self.shared.failed.load(Ordering::Acquire) {
                return;
            }
            notified.await;
        }
    }

    /// Commits what waits and stops the committer. The log stays readable, for the journal to catch up; then
    /// [`close_log`](Self::close_log). Safe to call twice.
    pub fn close(&self) {
        self.shared.queue.close();
        let committer = lock(&self.committer).take();
        if let Some(thread) = committer {
            // A panic was said by the panic hook, and its sentinel has failed the outbox for everybody.
            let _ = thread.join();
        }
        self.shared.tail.close();
    }

    /// Gives the engine's files back, after [`close`](Self::close); nothing can be read any more. An engine that
    /// has failed is left as it is: its sync is not tried again.
    pub fn close_log(&self) -> Result<(), Error> {
        self.close();
        if self.shared.failed.load(Ordering::Acquire) { Ok(()) } else { Ok(self.shared.log.close()?) }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn read_event(&self, seq: u64) -> Result<Option<Arc<StoredEvent>>, Error> {
        let Some((commit, first, size)) = lock(&self.index).locate(seq) else { return Ok(None) };
        let at = usize::try_from(seq - first).map_err(|_| Error::Damaged("a pack is too long".to_owned()))?;
        let event = Arc::new(pack::read_one(self.log.as_ref(), commit, size, at)?);
        self.cache.insert(seq, Arc::clone(&event));
        Ok(Some(event))
    }

    fn announce(&self, lanes: impl IntoIterator<Item = LaneId>) {
        let mut available = lock(&self.available);
        let before = available.len();
        available.extend(lanes);
        if available.len() > before {
            drop(available);
            self.available_changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
