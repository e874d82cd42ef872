//! The committer: the one thread that writes the outbox.
//!
//! Takes what waits, writes it as one batch, waits until the engine says that it is durable, brings the
//! index up to date and answers. A crash before the engine's word loses only what nobody was told of;
//! after it, everything is found again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::dedupe::{self, DedupeRecord, Doomed};
use super::queue::{Request, Work};
use super::record::{Admission, Commit, CommitRecord, FURTHER, Head, Move, PackSize, StoredEvent};
use super::{Appended, CommitCost, Error, Shared, lock, pack};
use crate::domain::id::{AppSlug, CorrelationId};
use crate::domain::scheduler::LaneId;
use crate::store::log::{Batch, Space, chunk_count};

/// Rows removed with one commit, so that no ack waits long for a purge.
const REMOVALS_PER_COMMIT: u32 = 512;
/// Packs released with one commit.
const PACKS_PER_COMMIT: usize = 128;
/// Least bytes of commit records between two checkpoints; more after a large one.
const CHECKPOINT_BYTES_MIN: usize = 4 << 20;

/// The committer's own bookkeeping.
pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) next_commit: u64,
    /// Commit records on disk: (commit, rows).
    pub(super) record_rows: VecDeque<(u64, u32)>,
    /// The last checkpoint: (commit, rows).
    pub(super) checkpoint: Option<(u64, u32)>,
    pub(super) checkpoint_bytes: usize,
    pub(super) bytes_since_checkpoint: usize,
    pub(super) removals: VecDeque<Doomed>,
    /// Moves put off because another move of the same delivery is in the commit.
    pub(super) put_off: Vec<Move>,
}

type Reply = tokio::sync::oneshot::Sender<Result<Vec<Appended>, Error>>;

/// A commit being put together.
#[derive(Default)]
struct Draft {
    batch: Batch,
    record: CommitRecord,
    events: Vec<Arc<StoredEvent>>,
    dedupe: Vec<DedupeRecord>,
    dedupe_chunks: u32,
    replies: Vec<(Reply, Vec<Appended>)>,
}

impl Committer {
    /// Commits until the queue closes or the engine fails.
    pub(super) fn run(mut self) {
        while let Some(mut work) = self.shared.queue.take() {
            work.moves.splice(0..0, std::mem::take(&mut self.put_off));
            if let Err(error) = self.commit(work) {
                tracing::error!(error = %error, "the store has failed; nothing more is acknowledged");
                self.shared.failed.store(true, Ordering::Release);
                self.shared.queue.close();
                self.shared.failure.notify_waiters();
                self.refuse_all();
                return;
            }
            if self.has_leftovers() {
                self.shared.queue.nudge();
            }
        }
    }

    /// Whether another commit would find work though nobody brings any: each takes a bounded slice.
    fn has_leftovers(&self) -> bool {
        let journalled = self.shared.journalled.load(Ordering::Acquire);
        !self.put_off.is_empty()
            || !self.removals.is_empty()
            || lock(&self.shared.index).has_spent(journalled)
    }

    /// Answers those who came too late.
    fn refuse_all(&self) {
        while let Some(work) = self.shared.queue.take() {
            refuse(work.requests, || Error::Failed);
        }
    }

    fn commit(&mut self, mut work: Work) -> Result<(), Error> {
        if let Some(full) = self.shared.disk_full() {
            if !self.shared.disk_full.swap(true, Ordering::Relaxed) {
                tracing::warn!(error = %full, "ingest is refused until there is room");
            }
            let Error::DiskFull { free_bytes, min_bytes } = full else { return Err(full) };
            refuse(std::mem::take(&mut work.requests), || Error::DiskFull { free_bytes, min_bytes });
            // Settles still go: they are what frees space. A quarter of the margin stays untouched.
            if free_bytes < min_bytes / 4 {
                self.put_off = work.moves;
                return Ok(());
            }
        } else if self.shared.disk_full.swap(false, Ordering::Relaxed) {
            tracing::info!("there is room on the disk again; ingest resumes");
        }
        let number = self.next_commit;
        let mut draft = Draft::default();
        self.draft_events(work.requests, &mut draft)?;
        self.draft_moves(work.moves, &mut draft);
        draft.record.parked = work.parked;
        self.encode(number, &mut draft)?;
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
        self.checkpoint_if_due()
    }

    fn draft_events(&self, requests: Vec<Request>, draft: &mut Draft) -> Result<(), Error> {
        let mut seq = lock(&self.shared.index).next_seq();
        // Those of this very commit, in which the index does not know them yet.
        let mut here: HashMap<dedupe::Key, DedupeRecord> = HashMap::new();
        let mut new_names: HashMap<AppSlug, LaneId> = HashMap::new();
        for request in requests {
            let mut answers = Vec::with_capacity(request.events.len());
            for mut event in request.events {
                let key = dedupe::key(&event.source, &event.event_id);
                if event.generation == 0 {
                    let known = match here.get(&key) {
                        Some(record) => Some(record.clone()),
                        None => self.shared.dedupe.find_again(self.shared.log.as_ref(), &key)?,
                    };
                    if let Some(record) = known {
                        let same = record.body == dedupe::body_digest(&event.body);
                        answers.push(if same { Appended::Duplicate(record) } else { Appended::Mismatch });
                        continue;
                    }
                }
                event.seq = seq;
                if event.generation == FURTHER {
                    event.generation = u32::try_from(seq % u64::from(FURTHER - 1)).unwrap_or_default() + 1;
                }
                seq += 1;
                let lanes = self.lanes_of(&event, &mut new_names, &mut draft.record.names)?;
                let quarantined = matches!(event.admission, Admission::Quarantined { .. });
                if event.generation == 0 {
                    let record = dedupe_record(key, &event, lanes.clone());
                    here.insert(key, record.clone());
                    draft.dedupe.push(record);
                }
                draft.record.heads.push(Head { seq: event.seq, lanes, quarantined });
                let event = Arc::new(event);
                draft.events.push(Arc::clone(&event));
                answers.push(Appended::New(event));
            }
            draft.replies.push((request.reply, answers));
        }
        Ok(())
    }

    fn lanes_of(
        &self,
        event: &StoredEvent,
        new_names: &mut HashMap<AppSlug, LaneId>,
        names: &mut Vec<(LaneId, AppSlug)>,
    ) -> Result<Vec<LaneId>, Error> {
        let index = lock(&self.shared.index);
        let mut lanes = Vec::new();
        for receiver in event.receivers() {
            let known = index.lane(receiver).or_else(|| new_names.get(receiver).copied());
            let lane = if let Some(lane) = known {
                lane
            } else {
                let lane = LaneId::try_from(index.names().len() + new_names.len())
                    .map_err(|_| Error::Encode("more than 65,535 receivers".to_owned()))?;
                new_names.insert(receiver.clone(), lane);
                names.push((lane, receiver.clone()));
                lane
            };
            lanes.push(lane);
        }
        Ok(lanes)
    }

    /// Takes the moves that still change something, one for each delivery; stale ones are dropped here,
    /// so that the journal never sees them.
    fn draft_moves(&mut self, moves: Vec<Move>, draft: &mut Draft) {
        let index = lock(&self.shared.index);
        let mut seen = HashSet::with_capacity(moves.len());
        for step in moves {
            if !seen.insert((step.seq, step.lane)) {
                self.put_off.push(step);
            } else if index.accepts(&step) {
                draft.record.moves.push(step);
            }
        }
    }

    fn encode(&mut self, number: u64, draft: &mut Draft) -> Result<(), Error> {
        if !draft.events.is_empty() {
            let value = pack::encode(&draft.events)?;
            draft.record.pack = Some(PackSize {
                chunks: chunk_count(value.len()),
                bytes: u32::try_from(value.len())
                    .map_err(|_| Error::Encode("a pack over 4 GiB".to_owned()))?,
            });
            draft.batch.put_value(Space::Events, number, &value);
            if !draft.dedupe.is_empty() {
                let records = encode(&draft.dedupe)?;
                draft.batch.put_value(Space::DedupeFresh, number, &records);
                draft.dedupe_chunks = chunk_count(records.len());
            }
        }
        if draft.record != CommitRecord::default() {
            let value = encode(&draft.record)?;
            draft.batch.put_value(Space::Moves, number, &value);
            self.record_rows.push_back((number, chunk_count(value.len())));
            self.bytes_since_checkpoint += value.len();
        }
        Ok(())
    }

    /// Removes what nobody needs any more and moves the dedupe records on, a bounded slice a commit.
    fn housekeeping(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let journalled = self.shared.journalled.load(Ordering::Acquire);
        let now = self.shared.clock.now();
        let keep = self.shared.options.dedupe_keep;
        let later = self.shared.dedupe.housekeeping(self.shared.log.as_ref(), now, keep, batch)?;
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
        while let Some((commit, chunks)) = self.record_rows.front().copied()
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
        let Draft { record, events, replies, dedupe, dedupe_chunks, .. } = draft;
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
        for (reply, answers) in replies {
            // A client that went away has no use for its answer; the event stays accepted.
            let _ = reply.send(Ok(answers));
        }
        self.shared.announce(lanes);
    }

    fn checkpoint_if_due(&mut self) -> Result<(), Error> {
        if self.bytes_since_checkpoint < CHECKPOINT_BYTES_MIN.max(2 * self.checkpoint_bytes) {
            return Ok(());
        }
        let value = encode(&lock(&self.shared.index).checkpoint())?;
        let number = self.next_commit;
        let mut batch = Batch::new();
        batch.put_value(Space::Meta, number, &value);
        if let Some((commit, chunks)) = self.checkpoint {
            batch.remove_value(Space::Meta, commit, chunks);
        }
        self.shared.log.append(&batch)?;
        self.next_commit = number + 1;
        self.checkpoint = Some((number, chunk_count(value.len())));
        self.checkpoint_bytes = value.len();
        self.bytes_since_checkpoint = 0;
        Ok(())
    }
}

fn refuse(requests: Vec<Request>, error: impl Fn() -> Error) {
    for request in requests {
        let _ = request.reply.send(Err(error()));
    }
}

fn encode<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    postcard::to_stdvec(value).map_err(|error| Error::Encode(error.to_string()))
}

fn dedupe_record(key: dedupe::Key, event: &StoredEvent, lanes: Vec<LaneId>) -> DedupeRecord {
    let derived = CorrelationId::derive(&event.source, &event.event_id);
    DedupeRecord {
        key,
        body: dedupe::body_digest(&event.body),
        accepted_at: event.accepted_at,
        correlation: (event.correlation != derived).then(|| event.correlation.clone()),
        lanes,
        quarantined: match &event.admission {
            Admission::Routed => None,
            Admission::Quarantined { reason, did_you_mean } => Some((*reason, did_you_mean.clone())),
        },
    }
}
