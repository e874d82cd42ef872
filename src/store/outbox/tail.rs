//! The commits in order, as the journal follows them: recent ones from memory, older ones from the log.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::record::{Commit, CommitRecord};
use super::{Error, pack};
use crate::store::log::{Log, Space, read_value, replay_values};

/// Most bytes of bodies kept for the journal; beyond it the journal reads the log.
pub const RECENT_BYTES_MAX: usize = 16 << 20;

/// The end of the outbox that the journal reads.
#[derive(Debug, Default)]
pub struct Tail {
    state: Mutex<State>,
    grown: Condvar,
}

#[derive(Debug, Default)]
struct State {
    recent: VecDeque<Arc<Commit>>,
    bytes: usize,
    /// All commits after this one are in `recent`.
    base: u64,
    /// The last commit.
    head: u64,
    closed: bool,
    /// The earliest commit that somebody waits for. A wake-up is a system call.
    awaited: Option<u64>,
}

impl Tail {
    pub(super) fn starting_at(head: u64) -> Self {
        let state = State { base: head, head, ..State::default() };
        Self { state: Mutex::new(state), grown: Condvar::new() }
    }

    pub(super) fn push(&self, commit: Arc<Commit>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.head = commit.number;
        state.bytes += weight(&commit);
        state.recent.push_back(commit);
        while state.bytes > RECENT_BYTES_MAX
            && let Some(oldest) = state.recent.pop_front()
        {
            state.bytes -= weight(&oldest);
            state.base = oldest.number;
        }
        if state.awaited.is_some_and(|awaited| awaited <= state.head) {
            state.awaited = None;
            drop(state);
            self.grown.notify_all();
        }
    }

    pub(super) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.grown.notify_all();
    }

    /// The last commit.
    pub fn head(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).head
    }

    /// Waits until there is a commit after `after`, for at most `patience`. False once the outbox has
    /// closed and there is none.
    pub fn wait(&self, after: u64, patience: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, _) = self
            .grown
            .wait_timeout_while(state, patience, |state| {
                let awaits = state.head <= after && !state.closed;
                if awaits {
                    let next = after.saturating_add(1);
                    state.awaited = Some(state.awaited.map_or(next, |awaited| awaited.min(next)));
                }
                awaits
            })
            .unwrap_or_else(PoisonError::into_inner);
        state.head > after || !state.closed
    }

    /// Commits after `after` from memory; `None` if some of them are only in the log.
    pub(super) fn recent(&self, after: u64, bytes_max: usize) -> Option<Vec<Arc<Commit>>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if after < state.base {
            return None;
        }
        let from = state.recent.partition_point(|commit| commit.number <= after);
        let mut bytes = 0;
        let commits = state.recent.range(from..).take_while(|commit| {
            let fits = bytes == 0 || bytes < bytes_max;
            bytes += weight(commit);
            fits
        });
        Some(commits.cloned().collect())
    }
}

fn weight(commit: &Commit) -> usize {
    let bodies: usize = commit.events.iter().map(|event| event.body.len() + 256).sum();
    bodies + commit.record.moves.len() * 128 + 128
}

/// Commits after `after` from the log.
pub(super) fn read(log: &dyn Log, after: u64, bytes_max: usize) -> Result<Vec<Arc<Commit>>, Error> {
    let mut records = Vec::new();
    let mut bytes = 0;
    let mut damage = None;
    replay_values(log, Space::Moves, after + 1, &mut |number, value| {
        match postcard::from_bytes::<CommitRecord>(value) {
            Ok(record) => {
                bytes += value.len() + record.pack.map_or(0, |pack| pack.bytes as usize);
                records.push((number, record));
            }
            Err(error) => damage = Some(format!("commit {number} cannot be read: {error}")),
        }
        if bytes < bytes_max && damage.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if let Some(damage) = damage {
        return Err(Error::Damaged(damage));
    }
    let mut commits = Vec::with_capacity(records.len());
    for (number, record) in records {
        let events = match record.pack {
            // A pack that is gone was not needed by anyone, the journal included.
            Some(size) => read_value(log, Space::Events, number, 0, size.bytes as usize)?
                .map_or_else(|| Ok(Vec::new()), |value| pack::decode(&value))?,
            None => Vec::new(),
        };
        commits.push(Arc::new(Commit { number, record, events }));
    }
    Ok(commits)
}
