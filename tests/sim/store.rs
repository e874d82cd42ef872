//! The fake outbox: the real index over a log that is a `Vec`, with the committer's rules about what a
//! commit takes. A crash keeps the `Vec` and loses the rest.

use std::collections::{BTreeSet, VecDeque};

use camino_broker::domain::id::AppSlug;
use camino_broker::domain::parked::Parked;
use camino_broker::domain::scheduler::LaneId;
use camino_broker::store::outbox::index::Index;
use camino_broker::store::outbox::record::{Checkpoint, CommitRecord, Head, Move, PackSize};

use crate::plant::Plant;

/// An event that waits for its commit.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub receivers: Vec<usize>,
    pub quarantined: bool,
}

#[derive(Debug, Default)]
pub struct Store {
    pub index: Index,
    log: Vec<CommitRecord>,
    checkpoint: Option<(usize, Checkpoint)>,
    events: VecDeque<Waiting>,
    moves: Vec<Move>,
    put_off: Vec<Move>,
    parked: Vec<(LaneId, Parked)>,
    in_commit: Option<CommitRecord>,
    /// A planted bug: moves are taken as they come, without asking the index.
    unfenced: bool,
    /// A planted bug: a commit wakes only the lanes that got new events.
    silent: bool,
}

pub fn slug(receiver: usize) -> AppSlug {
    AppSlug::new(&format!("app-{receiver}")).unwrap()
}

impl Store {
    pub fn new(plant: Plant) -> Self {
        Self { unfenced: plant == Plant::NoFence, silent: plant == Plant::SilentRetry, ..Self::default() }
    }

    pub fn append(&mut self, event: Waiting) {
        self.events.push_back(event);
    }

    pub fn settle(&mut self, step: Move) {
        self.moves.push(step);
    }

    pub fn park(&mut self, lane: LaneId, parked: Parked) {
        self.parked.retain(|(other, _)| *other != lane);
        self.parked.push((lane, parked));
    }

    /// Which receiver a lane serves.
    pub fn receiver(&self, lane: LaneId) -> usize {
        self.index.names()[usize::from(lane)].as_str()["app-".len()..].parse().unwrap()
    }

    /// Puts the next commit together. False if there is nothing, or one is being written.
    pub fn begin(&mut self) -> bool {
        if self.in_commit.is_some() {
            return false;
        }
        let mut record = CommitRecord::default();
        self.draft_events(&mut record);
        self.draft_moves(&mut record);
        record.parked = std::mem::take(&mut self.parked);
        let begins = record != CommitRecord::default();
        self.in_commit = begins.then_some(record);
        begins
    }

    fn draft_events(&mut self, record: &mut CommitRecord) {
        for (seq, event) in (self.index.next_seq()..).zip(self.events.drain(..)) {
            let mut lanes = Vec::new();
            for receiver in event.receivers {
                let name = slug(receiver);
                let new = record.names.iter().find(|(_, known)| *known == name).map(|(lane, _)| *lane);
                let lane = self.index.lane(&name).or(new).unwrap_or_else(|| {
                    let lane = LaneId::try_from(self.index.names().len() + record.names.len()).unwrap();
                    record.names.push((lane, name));
                    lane
                });
                lanes.push(lane);
            }
            record.heads.push(Head { seq, lanes, quarantined: event.quarantined });
        }
        let bytes = u32::try_from(record.heads.len()).unwrap() * 100;
        record.pack = (bytes > 0).then_some(PackSize { chunks: 1, bytes });
    }

    fn draft_moves(&mut self, record: &mut CommitRecord) {
        let mut seen = BTreeSet::new();
        let moves: Vec<Move> = self.put_off.drain(..).chain(self.moves.drain(..)).collect();
        for step in moves {
            if !seen.insert((step.seq, step.lane)) {
                self.put_off.push(step);
            } else if self.unfenced || self.index.accepts(&step) {
                record.moves.push(step);
            }
        }
    }

    /// What is being written is on the disk now.
    pub fn durable(&mut self) -> Option<CommitRecord> {
        let record = self.in_commit.take()?;
        self.log.push(record.clone());
        Some(record)
    }

    /// Makes a durable commit visible; gives the lanes that have something to claim.
    pub fn publish(&mut self, record: &CommitRecord) -> BTreeSet<LaneId> {
        self.index.apply(self.log.len() as u64, record);
        if self.silent {
            return record.heads.iter().flat_map(|head| head.lanes.iter().copied()).collect();
        }
        record.offers()
    }

    /// The index's short form is written, as the committer does now and then.
    pub fn checkpoint(&mut self) {
        self.checkpoint = Some((self.log.len(), self.index.checkpoint()));
    }

    /// What the journal has and nobody needs is removed.
    pub fn remove_spent(&mut self) -> Vec<u64> {
        let taken = self.index.take_spent(self.log.len() as u64, usize::MAX);
        taken.into_iter().map(|(commit, _)| commit).collect()
    }

    /// The events of a commit.
    pub fn heads(&self, commit: u64) -> &[Head] {
        &self.log[usize::try_from(commit).unwrap() - 1].heads
    }

    /// The process dies: only the log and the checkpoint stay.
    pub fn crash(&mut self) {
        let log = std::mem::take(&mut self.log);
        let checkpoint = self.checkpoint.take();
        let (unfenced, silent) = (self.unfenced, self.silent);
        *self = Self { log, checkpoint, unfenced, silent, ..Self::default() };
    }

    /// The next process reads back what there is, from the checkpoint and again from the whole log.
    pub fn open(&mut self) -> Result<(), String> {
        let mut whole = Index::default();
        replay(&mut whole, &self.log, 0);
        self.index = match self.checkpoint.clone() {
            Some((from, checkpoint)) => {
                let mut index = Index::restore(checkpoint).ok_or("the checkpoint cannot be read")?;
                replay(&mut index, &self.log, from);
                same(&index, &whole)?;
                index
            }
            None => whole,
        };
        Ok(())
    }

    pub fn idle(&self) -> bool {
        let waits = [self.moves.len(), self.put_off.len(), self.parked.len(), self.events.len()];
        self.in_commit.is_none() && waits == [0; 4]
    }
}

fn replay(index: &mut Index, log: &[CommitRecord], from: usize) {
    for (at, record) in log.iter().enumerate().skip(from) {
        index.apply(at as u64 + 1, record);
    }
}

fn same(checkpointed: &Index, replayed: &Index) -> Result<(), String> {
    let lanes = LaneId::try_from(replayed.names().len()).unwrap();
    let agree = checkpointed.next_seq() == replayed.next_seq()
        && checkpointed.names() == replayed.names()
        && checkpointed.quarantined() == replayed.quarantined()
        && (0..lanes).all(|lane| {
            let (a, b) = (checkpointed.counts(lane), replayed.counts(lane));
            (a.open, a.dead, a.oldest_seq) == (b.open, b.dead, b.oldest_seq)
                && checkpointed.parked(lane) == replayed.parked(lane)
        });
    if agree { Ok(()) } else { Err("the checkpoint and the whole log give different indexes".to_owned()) }
}
