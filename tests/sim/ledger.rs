//! What an outsider knows to have been accepted and settled durably, kept apart from the code under
//! test, with its own count of attempts. Every durable move is judged here.

use std::collections::{BTreeMap, BTreeSet};

use camino_broker::domain::delivery::Progress;
use camino_broker::domain::invariant::{self, Fate};
use camino_broker::domain::outcome::Reason;
use camino_broker::domain::scheduler::LaneId;
use camino_broker::domain::time::Millis;
use camino_broker::store::outbox::index::Index;
use camino_broker::store::outbox::record::{Change, CommitRecord, Move};

#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub fate: Fate,
    pub progress: Progress,
    pub accepted_at: Millis,
}

#[derive(Debug, Default)]
pub struct Ledger {
    pub deliveries: BTreeMap<(LaneId, u64), Entry>,
    pub quarantined: BTreeSet<u64>,
    pub open: usize,
    /// The highest attempt budget each lane has had.
    pub attempts_max: BTreeMap<LaneId, u16>,
    pub terminal: BTreeMap<&'static str, u64>,
}

impl Ledger {
    /// Takes a durable commit in.
    pub fn durable(&mut self, record: &CommitRecord, at: Millis) -> Result<(), String> {
        for head in &record.heads {
            for lane in &head.lanes {
                let entry = Entry { fate: Fate::Open, progress: Progress::default(), accepted_at: at };
                if self.deliveries.insert((*lane, head.seq), entry).is_some() {
                    return Err(format!("event {} was accepted twice for lane {lane}", head.seq));
                }
                self.open += 1;
            }
            if head.quarantined {
                self.quarantined.insert(head.seq);
            }
        }
        record.moves.iter().try_for_each(|step| self.moved(step))
    }

    fn moved(&mut self, step: &Move) -> Result<(), String> {
        let fate = match step.change {
            Change::Released => {
                let held = self.quarantined.remove(&step.seq);
                return if held { Ok(()) } else { Err(format!("event {} was not held", step.seq)) };
            }
            Change::Dismissed => return Ok(()),
            Change::Delivered => Fate::Delivered,
            Change::Retry { .. } | Change::Park => Fate::Open,
            Change::Dead(_) => Fate::Dead,
            Change::Cancelled => Fate::Cancelled,
        };
        let told = |error: invariant::Error| format!("delivery {} of lane {}: {error}", step.seq, step.lane);
        let Some(entry) = self.deliveries.get_mut(&(step.lane, step.seq)) else {
            return Err(format!("delivery {} of lane {} was never accepted", step.seq, step.lane));
        };
        invariant::terminal_is_final(entry.fate, fate).map_err(told)?;
        if let Some(note) = &step.note {
            let unsent = note.reason == Some(Reason::Unsent);
            let charged = !note.probe && !unsent && step.change != Change::Park;
            invariant::counted_once(entry.progress, step.progress, charged).map_err(told)?;
            let attempts_max = self.attempts_max.get(&step.lane).copied().unwrap_or(1);
            invariant::within_budget(step.progress, attempts_max).map_err(told)?;
            entry.progress = step.progress;
        }
        entry.fate = fate;
        if fate != Fate::Open {
            self.open -= 1;
            let name = match fate {
                Fate::Delivered => "delivered",
                Fate::Dead => "dead",
                Fate::Open | Fate::Cancelled => "cancelled",
            };
            *self.terminal.entry(name).or_default() += 1;
        }
        Ok(())
    }

    /// Nothing accepted is lost: the index agrees with every entry, and holds the body of what waits.
    pub fn check(&self, index: &Index) -> Result<(), String> {
        let mut counts: BTreeMap<LaneId, (u64, u64)> = BTreeMap::new();
        for ((lane, seq), entry) in &self.deliveries {
            let (open, dead) = (index.is_open(*lane, *seq), is_dead(index, *lane, *seq));
            let told = |error: invariant::Error| format!("delivery {seq} of lane {lane}: {error}");
            invariant::accounted_for(entry.fate, open, dead).map_err(told)?;
            if (open || dead) && index.locate(*seq).is_none() {
                return Err(format!("the body of event {seq} is gone, but lane {lane} needs it"));
            }
            let count = counts.entry(*lane).or_default();
            *count = (count.0 + u64::from(open), count.1 + u64::from(dead));
        }
        for (lane, (open, dead)) in counts {
            let seen = index.counts(lane);
            if (seen.open, seen.dead) != (open, dead) {
                return Err(format!("lane {lane} counts {seen:?}, but {open} are open and {dead} dead"));
            }
        }
        if index.quarantined() != self.quarantined.len() as u64 {
            return Err(format!("{} are held, {} should be", index.quarantined(), self.quarantined.len()));
        }
        Ok(())
    }

    /// After a start: what waits has come as far as its durable settles say.
    pub fn check_progress(&self, index: &Index) -> Result<(), String> {
        for ((lane, seq), entry) in &self.deliveries {
            let progress = index.waiting(*lane, *seq).map(|(_, progress)| progress).unwrap_or_default();
            if entry.fate == Fate::Open && progress != entry.progress {
                return Err(format!(
                    "delivery {seq} of lane {lane} starts with {progress:?}, recorded {:?}",
                    entry.progress
                ));
            }
        }
        Ok(())
    }

    /// Open deliveries, for a person to choose from.
    pub fn open_ones(&self) -> Vec<(LaneId, u64)> {
        let open = self.deliveries.iter().filter(|(_, entry)| entry.fate == Fate::Open);
        open.map(|(name, _)| *name).collect()
    }
}

fn is_dead(index: &Index, lane: LaneId, seq: u64) -> bool {
    index.accepts(&Move {
        seq,
        lane,
        at: Millis(0),
        progress: Progress::default(),
        change: Change::Dismissed,
        note: None,
    })
}
