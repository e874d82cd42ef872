//! The committer: the one thread that writes the outbox.
//!
//! Takes what waits, writes it as one batch, waits until the engine says that it is durable, brings the
//! index up to date and answers. Without room on the disk it writes removals only, and ends all the same when
//! it is told to. However it ends, nobody is left waiting. A crash before the engine's word loses only what nobody was told of;
//! after it, everything is found again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::arrival::{Answered, Request};
use super::dedupe::Doomed;
use super::draft::{Draft, encode};
use super::queue::Work;
use super::record::{Commit, CommitRecord};
use super::room::Room;
use super::{CommitCost, Error, Shared, lock};
use crate::domain::scheduler::LaneId;
use crate::store::log::{Batch, Space, chunk_count};

/// Rows removed with one commit, so that no ack waits long for a purge.
const REMOVALS_PER_COMMIT: u32 = 512;
/// Until so long after the last commit began accepts wait for as many as that one answered: whoever posts one after the other posts
/// again once it is answered, and a commit costs about the same for one as for ten.
const GATHER_MAX: Duration = Duration::from_millis(1);
/// Packs released with one commit.
const PACKS_PER_COMMIT: usize = 128;

/// The committer's own bookkeeping.
pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) next_commit: u64,
    /// When the last commit began, by the monotonic clock, and how many requests it took.
    pub(super) last: (Duration, usize),
    /// Commit records on disk: (commit, rows).
    pub(super) record_rows: VecDeque<(u64, u32)>,
    /// The last checkpoint: (commit, rows).
    pub(super) checkpoint: Option<(u64, u32)>,
    pub(super) checkpoint_bytes: usize,
    pub(super) bytes_since_checkpoint: usize,
    pub(super) removals: VecDeque<Doomed>,
    /// Whether ingest is refused for want of room.
    pub(super) is_full: bool,
    /// Whether only removals are written for want of room.
    pub(super) is_stalled: bool,
}

/// Fails the outbox for everybody when the committer ends otherwise than by closing: a panic too.
struct Sentinel {
    shared: Arc<Shared>,
    orderly: bool,
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        if !self.orderly {
            self.shared.fail();
        }
    }
}

impl Committer {
    /// Commits until the queue closes or the engine fails.
    pub(super) fn run(mut self) {
        let mut sentinel = Sentinel { shared: Arc::clone(&self.shared), orderly: false };
        while let Some(work) = self.take() {
            self.last = (self.shared.clock.monotonic(), work.requests.len());
            if let Err(error) = self.commit(work) {
                tracing::error!(error = %error, "the store has failed; nothing more is acknowledged");
                return;
            }
            if self.is_stalled && self.shared.queue.is_closed() {
                tracing::warn!("the disk is full to the end; what was settled last is delivered once more");
                self.shared.refuse_all(|| Error::Closed);
                break;
            }
            if self.has_leftovers() {
                self.shared.queue.nudge();
            }
        }
        sentinel.orderly = true;
    }

    fn take(&self) -> Option<Work> {
        if self.is_stalled {
            return self.shared.queue.take_stalled();
        }
        let (began, requests) = self.last;
        let patience = || GATHER_MAX.saturating_sub(self.shared.clock.monotonic().saturating_sub(began));
        self.shared.queue.take(requests, patience)
    }

    /// Whether another commit would find work though nobody brings any: each takes a bounded slice.
    fn has_leftovers(&self) -> bool {
        let journalled = self.shared.forgettable();
        !self.removals.is_empty() || lock(&self.shared.index).has_spent(journalled)
    }

    fn commit(&mut self, mut work: Work) -> Result<(), Error> {
        let room = self.shared.room();
        self.note(&room);
        let number = self.next_commit;
        let mut draft = match room {
            Room::Enough => Draft::of(&self.shared, number, work)?,
            Room::Little(full) => {
                // Settles still go: they are what frees space. A quarter of the margin stays untouched.
                let (refused, rest) =
                    work.requests.into_iter().partition(|request: &Request| !request.events.is_empty());
                work.requests = rest;
                refuse(refused, || full.into());
                Draft::of(&self.shared, number, work)?
            }
            Room::None(full) => {
                refuse(work.requests, || full.into());
                self.shared.queue.put_back(work.moves, work.parked);
                Draft::default()
            }
        };
        self.shared.queue.put_back(std::mem::take(&mut draft.put_off), Vec::new());
        if draft.record_bytes > 0 {
            self.record_rows.push_back((number, chunk_count(draft.record_bytes)));
            self.bytes_since_checkpoint += draft.record_bytes;
        }
        self.housekeeping(&mut draft.batch)?;
        if !draft.batch.is_empty() {
            let started = self.shared.clock.monotonic();
            self.shared.log.append(&draft.batch)?;
            let took = self.shared.clock.monotonic().saturating_sub(started);
            self.next_commit = number + 1;
            let bytes = usize::try_from(draft.batch.put_bytes()).unwrap_or(usize::MAX);
            (self.shared.on_commit)(CommitCost { took, events: draft.events.len(), bytes });
        }
        self.publish(number, draft);
        if self.is_stalled { Ok(()) } else { self.checkpoint_if_due() }
    }

    /// Says when the disk has become full, or has room again, and who may claim what.
    fn note(&mut self, room: &Room) {
        let is_full = !matches!(room, Room::Enough);
        if is_full && !self.is_full {
            tracing::warn!("the store's disk is nearly full; ingest is refused until there is room");
        } else if !is_full && self.is_full {
            tracing::info!("there is room on the disk again; ingest resumes");
        }
        self.is_full = is_full;
        let is_stalled = matches!(room, Room::None(_));
        if is_stalled != self.is_stalled {
            self.is_stalled = is_stalled;
            self.shared.stall(is_stalled);
        }
    }

    /// Removes what nobody needs any more and moves the dedupe records on, a bounded slice a commit.
    fn housekeeping(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let journalled = self.shared.forgettable();
        let now = self.shared.clock.now();
        // While there is no room, no run of dedupe records is sealed either.
        let later = if self.is_stalled {
            Vec::new()
        } else {
            let keep = self.shared.options.dedupe_keep;
            self.shared.dedupe.housekeeping(self.shared.log.as_ref(), now, keep, batch)?
        };
        let mut rows = 0;
        while rows < REMOVALS_PER_COMMIT
            && let Some(Doomed { space, commit, chunks }) = self.removals.pop_front()
        {
            batch.remove_value(space, commit, chunks);
            rows += chunks;
        }
        self.removals.extend(later);
        for (commit, chunks) in lock(&self.shared.index).take_spent(journalled, PACKS_PER_COMMIT) {
            batch.remove_value(Space::Events, commit, chunks);
        }
        let covered = self.checkpoint.map_or(0, |(commit, _)| commit).min(journalled);
        // Never the last one: a start finds the end of the outbox by it, and the journal stands there.
        while self.record_rows.len() > 1
            && let Some((commit, chunks)) = self.record_rows.front().copied()
            && commit <= covered
        {
            self.record_rows.pop_front();
            self.removals.push_back(Doomed { space: Space::Moves, commit, chunks });
        }
        Ok(())
    }

    /// Makes a durable commit visible and answers those who wait for it. Nothing of it may be seen
    /// before: a repeat that found its dedupe record would be acked ahead of the sync.
    fn publish(&self, number: u64, draft: Draft) {
        let Draft { record, events, answered, dedupe, dedupe_chunks, .. } = draft;
        let lanes = record.offers();
        for event in &events {
            self.shared.cache.insert(event.seq, Arc::clone(event));
        }
        if record != CommitRecord::default() {
            lock(&self.shared.index).apply(number, &record);
            self.shared.tail.push(Arc::new(Commit { number, record, events }));
        }
        // After the index, which has the receivers' names that a repeat's answer needs.
        if !dedupe.is_empty() {
            self.shared.dedupe.remember(number, dedupe_chunks, &dedupe);
        }
        answered.into_iter().for_each(Answered::send);
        self.shared.announce(lanes);
    }

    fn checkpoint_if_due(&mut self) -> Result<(), Error> {
        let due_bytes = self.shared.options.checkpoint_bytes_min.max(2 * self.checkpoint_bytes);
        if self.bytes_since_checkpoint < due_bytes {
            return Ok(());
        }
        // Two steps: claims wait for the index, not for the encoding.
        let checkpoint = lock(&self.shared.index).checkpoint();
        let value = encode(&checkpoint)?;
        let bytes = value.len();
        let number = self.next_commit;
        let mut batch = Batch::new();
        let chunks = batch.put_owned(Space::Meta, number, value);
        if let Some((commit, chunks)) = self.checkpoint {
            batch.remove_value(Space::Meta, commit, chunks);
        }
        self.shared.log.append(&batch)?;
        self.next_commit = number + 1;
        self.checkpoint = Some((number, chunks));
        self.checkpoint_bytes = bytes;
        self.bytes_since_checkpoint = 0;
        Ok(())
    }
}

impl Shared {
    /// The end of the outbox: whoever waits is told, and nothing more is taken.
    fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        self.queue.close();
        self.failure.notify_waiters();
        self.refuse_all(|| Error::Failed);
    }

    /// Answers those who came too late.
    fn refuse_all(&self, error: impl Fn() -> Error) {
        while let Some(work) = self.queue.take(0, || Duration::ZERO) {
            refuse(work.requests, &error);
        }
    }

    /// While nothing can be settled nothing is claimed; afterwards all may claim again.
    fn stall(&self, is_stalled: bool) {
        self.is_stalled.store(is_stalled, Ordering::Release);
        if !is_stalled {
            let lanes = lock(&self.index).names().len();
            self.announce((0..LaneId::MAX).take(lanes));
        }
    }
}

fn refuse(requests: Vec<Request>, error: impl Fn() -> Error) {
    for request in requests {
        request.refuse(error());
    }
}
