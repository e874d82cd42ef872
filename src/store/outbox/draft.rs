//! One commit put together: which events are new, which moves still change something, and their bytes.
//!
//! Reads the index and changes nothing: what is drafted shows only once it is durable. A request that
//! cannot be stored is refused by itself.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::arrival::{Answered, Arrival, Request, Stamp};
use super::dedupe::{DedupeRecord, Key};
use super::index::Index;
use super::queue::Work;
use super::record::{Admission, CommitRecord, FURTHER, Head, Move, PackSize, StoredEvent};
use super::{Appended, Error, Shared, lock, pack};
use crate::domain::id::AppSlug;
use crate::domain::scheduler::LaneId;
use crate::store::log::{Batch, Space, chunk_count};

/// Most receivers in all.
const LANES_MAX: usize = LaneId::MAX as usize;

/// A commit being put together.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) batch: Batch,
    pub(super) record: CommitRecord,
    pub(super) record_bytes: usize,
    pub(super) events: Vec<Arc<StoredEvent>>,
    pub(super) dedupe: Vec<DedupeRecord>,
    pub(super) dedupe_chunks: u32,
    pub(super) answered: Vec<Answered>,
    /// Moves put off because another move of the same delivery is in the commit.
    pub(super) put_off: Vec<Move>,
    next_seq: u64,
    /// Receivers that the index does not know yet.
    new_names: HashMap<AppSlug, LaneId>,
    /// Deliveries that the commit moves.
    moved: HashSet<(u64, LaneId)>,
}

impl Draft {
    /// The commit `number` of `work`.
    pub(super) fn of(shared: &Shared, number: u64, work: Work) -> Result<Self, Error> {
        let mut known = known(shared, &work.requests)?;
        let mut draft = Self::default();
        {
            let index = lock(&shared.index);
            draft.next_seq = index.next_seq();
            for request in work.requests {
                draft.request(&index, request, &mut known);
            }
            draft.moves(&index, work.moves);
        }
        draft.record.parked = work.parked;
        draft.encode(number)?;
        Ok(draft)
    }

    fn request(&mut self, index: &Index, request: Request, known: &mut HashMap<Key, DedupeRecord>) {
        if !self.has_lanes_for(index, &request.events) {
            return request.refuse(Error::Encode(format!("more than {LANES_MAX} receivers")));
        }
        let Request { events, instead_of, reply, .. } = request;
        if let Some(step) = instead_of {
            if !index.accepts(&step) || !self.moved.insert((step.seq, step.lane)) {
                return self.answered.push(Answered { reply, answers: Vec::new() });
            }
            self.record.moves.push(step);
        }
        let answers = events.into_iter().map(|arrival| self.arrival(index, arrival, known)).collect();
        self.answered.push(Answered { reply, answers });
    }

    fn arrival(
        &mut self,
        index: &Index,
        arrival: Arrival,
        known: &mut HashMap<Key, DedupeRecord>,
    ) -> Appended {
        let Arrival { mut event, stamp } = arrival;
        if let Some(stamp) = &stamp
            && let Some(record) = known.get(&stamp.key)
        {
            let same = record.body == stamp.body;
            return if same { Appended::Duplicate(record.clone()) } else { Appended::Mismatch };
        }
        event.seq = self.next_seq;
        self.next_seq += 1;
        if event.generation == FURTHER {
            event.generation = u32::try_from(event.seq % u64::from(FURTHER - 1)).unwrap_or_default() + 1;
        }
        let lanes = self.lanes_of(index, &event);
        let quarantined = matches!(event.admission, Admission::Quarantined { .. });
        if let Some(stamp) = stamp {
            let record = dedupe_record(&stamp, &event, lanes.clone());
            known.insert(stamp.key, record.clone());
            self.dedupe.push(record);
        }
        self.record.heads.push(Head { seq: event.seq, lanes, quarantined });
        let event = Arc::new(event);
        self.events.push(Arc::clone(&event));
        Appended::New(event)
    }

    fn has_lanes_for(&self, index: &Index, events: &[Arrival]) -> bool {
        let room = LANES_MAX.saturating_sub(index.names().len() + self.new_names.len());
        let receivers = || events.iter().flat_map(|arrival| arrival.event.receivers());
        let is_new = |receiver: &&AppSlug| {
            index.lane(receiver).is_none() && !self.new_names.contains_key::<AppSlug>(receiver)
        };
        // Nearly always the first: there are few receivers, and room for many.
        receivers().count() <= room || receivers().filter(is_new).collect::<HashSet<_>>().len() <= room
    }

    fn lanes_of(&mut self, index: &Index, event: &StoredEvent) -> Vec<LaneId> {
        let mut lanes = Vec::with_capacity(event.decisions.len());
        for receiver in event.receivers() {
            let known = index.lane(receiver).or_else(|| self.new_names.get(receiver).copied());
            lanes.push(known.unwrap_or_else(|| {
                let next = index.names().len() + self.new_names.len();
                // Bounded by `has_lanes_for`.
                let lane = LaneId::try_from(next).unwrap_or(LaneId::MAX);
                self.new_names.insert(receiver.clone(), lane);
                self.record.names.push((lane, receiver.clone()));
                lane
            }));
        }
        lanes
    }

    /// Takes the moves that still change something, one for each delivery; stale ones are dropped here,
    /// so that the journal never sees them.
    fn moves(&mut self, index: &Index, moves: Vec<Move>) {
        for step in moves {
            if !self.moved.insert((step.seq, step.lane)) {
                self.put_off.push(step);
            } else if index.accepts(&step) {
                self.record.moves.push(step);
            }
        }
    }

    fn encode(&mut self, number: u64) -> Result<(), Error> {
        if !self.events.is_empty() {
            let value = pack::encode(&self.events)?;
            self.record.pack = Some(PackSize {
                chunks: chunk_count(value.len()),
                bytes: u32::try_from(value.len())
                    .map_err(|_| Error::Encode("a pack over 4 GiB".to_owned()))?,
            });
            self.batch.put_owned(Space::Events, number, value);
            if !self.dedupe.is_empty() {
                self.dedupe_chunks = self.batch.put_owned(Space::DedupeFresh, number, encode(&self.dedupe)?);
            }
        }
        if self.record != CommitRecord::default() {
            let value = encode(&self.record)?;
            self.record_bytes = value.len();
            self.batch.put_owned(Space::Moves, number, value);
        }
        Ok(())
    }
}

/// What is remembered of those that came before.
fn known(shared: &Shared, requests: &[Request]) -> Result<HashMap<Key, DedupeRecord>, Error> {
    let stamps = requests.iter().flat_map(|request| &request.events).filter_map(|one| one.stamp.as_ref());
    let mut known = HashMap::new();
    for stamp in stamps {
        if let Some(record) = shared.dedupe.find_again(shared.log.as_ref(), &stamp.key)? {
            known.insert(stamp.key, record);
        }
    }
    Ok(known)
}

pub(super) fn encode<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    postcard::to_stdvec(value).map_err(|error| Error::Encode(error.to_string()))
}

fn dedupe_record(stamp: &Stamp, event: &StoredEvent, lanes: Vec<LaneId>) -> DedupeRecord {
    DedupeRecord {
        key: stamp.key,
        body: stamp.body,
        accepted_at: event.accepted_at,
        correlation: (!stamp.derived).then(|| event.correlation.clone()),
        lanes,
        quarantined: match &event.admission {
            Admission::Routed => None,
            Admission::Quarantined { reason, did_you_mean } => Some((*reason, did_you_mean.clone())),
        },
    }
}
