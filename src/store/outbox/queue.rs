//! What waits for the next commit: accepts that hold an ack, and moves that do not.
//!
//! Accepts are bounded by [`WAITING_EVENTS_MAX`] and [`WAITING_BYTES_MAX`]. Moves are bounded by what is in
//! flight: while they cannot be written, nothing more is claimed.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Error;
use super::arrival::Request;
use super::record::Move;
use crate::domain::parked::Parked;
use crate::domain::scheduler::LaneId;

/// Most events waiting for a commit.
pub const WAITING_EVENTS_MAX: usize = 16_384;
/// Most bytes waiting for a commit; a single request may be larger.
pub const WAITING_BYTES_MAX: usize = 64 << 20;
/// Events and bytes after which a commit takes no further request in.
pub const COMMIT_EVENTS_MAX: usize = 512;
/// See [`COMMIT_EVENTS_MAX`].
pub const COMMIT_BYTES_MAX: usize = 1 << 20;
/// Moves start a commit of their own when no accept has come along for this long.
pub const MOVES_WAIT_MAX: Duration = Duration::from_millis(20);
/// Most moves that one commit takes.
pub(super) const COMMIT_MOVES_MAX: usize = 4_096;
/// How often the committer looks whether there is room again.
const STALLED_LOOK_EVERY: Duration = Duration::from_millis(250);

/// What one commit takes.
#[derive(Default)]
pub(super) struct Work {
    pub(super) requests: Vec<Request>,
    pub(super) moves: Vec<Move>,
    pub(super) parked: Vec<(LaneId, Parked)>,
}

#[derive(Default)]
struct State {
    requests: VecDeque<Request>,
    events: usize,
    bytes: usize,
    moves: VecDeque<Move>,
    parked: Vec<(LaneId, Parked)>,
    nudged: bool,
    closed: bool,
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, request: Request) -> Result<(), Error> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        let is_full = state.events + request.events.len() > WAITING_EVENTS_MAX
            || state.bytes + request.bytes > WAITING_BYTES_MAX;
        if is_full && state.events > 0 {
            return Err(Error::Busy);
        }
        state.events += request.events.len();
        state.bytes += request.bytes;
        state.requests.push_back(request);
        self.changed.notify_one();
        Ok(())
    }

    pub(super) fn push_moves(&self, moves: impl IntoIterator<Item = Move>) {
        self.lock().moves.extend(moves);
        self.changed.notify_one();
    }

    pub(super) fn push_parked(&self, lane: LaneId, parked: Parked) {
        let mut state = self.lock();
        state.parked.retain(|(other, _)| *other != lane);
        state.parked.push((lane, parked));
        self.changed.notify_one();
    }

    /// Takes back, to the front, what could not be written.
    pub(super) fn put_back(&self, moves: Vec<Move>, parked: Vec<(LaneId, Parked)>) {
        let mut state = self.lock();
        for step in moves.into_iter().rev() {
            state.moves.push_front(step);
        }
        for (lane, parked) in parked {
            // A newer word on a receiver stands.
            if state.parked.iter().all(|(other, _)| *other != lane) {
                state.parked.push((lane, parked));
            }
        }
    }

    /// Asks for a commit even if nothing waits. Not once closed: the next start finds what is left over.
    pub(super) fn nudge(&self) {
        let mut state = self.lock();
        state.nudged = !state.closed;
        self.changed.notify_one();
    }

    /// No further requests; what waits is still taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits for work while only removals can be written: moves start no commit, and it comes back from
    /// time to time for another look at the disk. `None` when closed and empty.
    pub(super) fn take_stalled(&self) -> Option<Work> {
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.lock(), STALLED_LOOK_EVERY, |state| {
                state.requests.is_empty() && !state.nudged && !state.closed
            })
            .unwrap_or_else(PoisonError::into_inner);
        (!state.closed || !state.is_empty()).then(|| state.take())
    }

    /// Waits for work. `None` when closed and empty. Accepts start a commit at once; moves wait up to
    /// [`MOVES_WAIT_MAX`] for accepts to ride with.
    pub(super) fn take(&self) -> Option<Work> {
        let mut state = self.lock();
        while state.is_empty() && !state.nudged {
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.requests.is_empty() && !state.closed {
            let (woken, _) = self
                .changed
                .wait_timeout_while(state, MOVES_WAIT_MAX, |state| {
                    state.requests.is_empty() && !state.closed && state.moves.len() < COMMIT_MOVES_MAX
                })
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
        }
        Some(state.take())
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.moves.is_empty() && self.parked.is_empty()
    }

    fn take(&mut self) -> Work {
        let (mut requests, mut events, mut bytes) = (Vec::new(), 0, 0);
        while let Some(request) = self.requests.front() {
            let more = request.events.len();
            if !requests.is_empty() && (events + more > COMMIT_EVENTS_MAX || bytes >= COMMIT_BYTES_MAX) {
                break;
            }
            events += more;
            bytes += request.bytes;
            self.events -= more;
            self.bytes -= request.bytes;
            requests.extend(self.requests.pop_front());
        }
        let moves = self.moves.len().min(COMMIT_MOVES_MAX);
        self.nudged = false;
        Work {
            requests,
            moves: self.moves.drain(..moves).collect(),
            parked: std::mem::take(&mut self.parked),
        }
    }
}
