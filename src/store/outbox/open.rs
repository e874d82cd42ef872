//! Opening the outbox: the last checkpoint, the commits after it, the dedupe records.
//!
//! Never starts empty over something it cannot read.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::sync::Notify;

use super::commit::Committer;
use super::dedupe::{Dedupe, Doomed};
use super::index::Index;
use super::queue::Queue;
use super::record::{Checkpoint, CommitRecord};
use super::{CommitCost, Error, EventWeight, Options, Outbox, Shared, Tail};
use crate::domain::scheduler::LaneId;
use crate::runtime::clock::Clock;
use crate::store::log::{Log, Space, chunk_count, replay_values};

/// What the outbox is given besides its log.
pub struct Surroundings {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Free bytes on the store's disk; `None` where that can't be told.
    pub free_bytes: Box<dyn Fn() -> Option<u64> + Send + Sync>,
    /// Called after each commit.
    pub on_commit: Box<dyn Fn(CommitCost) + Send + Sync>,
}

pub(super) struct Found {
    pub(super) index: Index,
    last_commit: u64,
    pub(super) last_record: u64,
    record_rows: VecDeque<(u64, u32)>,
    checkpoint: Option<(u64, u32)>,
    checkpoint_bytes: usize,
    bytes_since_checkpoint: usize,
    removals: VecDeque<Doomed>,
}

impl Outbox {
    /// Reads back what the log holds and starts the committer.
    pub fn open(log: Box<dyn Log>, options: Options, around: Surroundings) -> Result<Self, Error> {
        let found = read_back(log.as_ref())?;
        let dedupe = Dedupe::open(log.as_ref())?;
        let lanes = LaneId::try_from(found.index.names().len()).unwrap_or(LaneId::MAX);
        let items = usize::try_from(options.cache_bytes / 1024).unwrap_or(usize::MAX).max(64);
        let shared = Arc::new(Shared {
            cache: Cache::with_weighter(items, options.cache_bytes, EventWeight),
            log,
            clock: around.clock,
            options,
            free_bytes: around.free_bytes,
            queue: Queue::default(),
            index: Mutex::new(found.index),
            dedupe,
            tail: Tail::starting_at(found.last_record),
            journalled: AtomicU64::new(0),
            holds: Mutex::default(),
            failed: AtomicBool::new(false),
            is_stalled: AtomicBool::new(false),
            free_seen: Mutex::new(None),
            available: Mutex::new((0..lanes).collect()),
            available_changed: Notify::new(),
            failure: Notify::new(),
            on_commit: around.on_commit,
        });
        let committer = Committer {
            last: (Duration::ZERO, 0),
            shared: Arc::clone(&shared),
            next_commit: found.last_commit + 1,
            record_rows: found.record_rows,
            checkpoint: found.checkpoint,
            checkpoint_bytes: found.checkpoint_bytes,
            bytes_since_checkpoint: found.bytes_since_checkpoint,
            removals: found.removals,
            is_full: false,
            is_stalled: false,
        };
        // The outbox owns and joins this thread itself: it must outlive every task that waits for an ack.
        let thread = std::thread::Builder::new()
            .name("outbox-commit".to_owned())
            .spawn(move || committer.run())
            .map_err(Error::Thread)?;
        Ok(Self { shared, committer: Mutex::new(Some(thread)) })
    }
}

pub(super) fn read_back(log: &dyn Log) -> Result<Found, Error> {
    let mut found = Found {
        index: Index::default(),
        last_commit: 0,
        last_record: 0,
        record_rows: VecDeque::new(),
        checkpoint: None,
        checkpoint_bytes: 0,
        bytes_since_checkpoint: 0,
        removals: VecDeque::new(),
    };
    let mut damage = None;
    replay_values(log, Space::Meta, 0, &mut |number, value| {
        let restored = postcard::from_bytes::<Checkpoint>(value).ok().and_then(Index::restore);
        match restored {
            Some(index) => found.index = index,
            None => damage = Some(format!("the checkpoint of commit {number}")),
        }
        if let Some((commit, chunks)) = found.checkpoint.replace((number, chunk_count(value.len()))) {
            found.removals.push_back(Doomed { space: Space::Meta, commit, chunks });
        }
        found.checkpoint_bytes = value.len();
        found.last_commit = number;
        ControlFlow::Continue(())
    })?;
    let covered = found.last_commit;
    replay_values(log, Space::Moves, 0, &mut |number, value| {
        found.record_rows.push_back((number, chunk_count(value.len())));
        found.last_commit = found.last_commit.max(number);
        found.last_record = number;
        if number > covered {
            found.bytes_since_checkpoint += value.len();
            match postcard::from_bytes::<CommitRecord>(value) {
                Ok(record) => found.index.apply(number, &record),
                Err(_) => damage = Some(format!("the record of commit {number}")),
            }
        }
        if damage.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    match damage {
        Some(what) => Err(Error::Damaged(format!("{what} cannot be read"))),
        None => Ok(found),
    }
}
