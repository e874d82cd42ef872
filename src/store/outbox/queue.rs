//! What waits for the next commit: accepts that hold an ack, and moves that do not.
//!
//! Bounded by [`WAITING_EVENTS_MAX`]; moves are bounded by what is in flight.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::record::{Move, StoredEvent};
use super::{Appended, Error};
use crate::domain::parked::Parked;
use crate::domain::scheduler::LaneId;

/// Most events waiting for a commit.
pub const WAITING_EVENTS_MAX: usize = 16_384;
/// Events and bytes after which a commit takes no further request in.
pub const COMMIT_EVENTS_MAX: usize = 512;
/// See [`COMMIT_EVENTS_MAX`].
pub const COMMIT_BYTES_MAX: usize = 1 << 20;
/// Moves start a commit of their own when no accept has come along for this long.
pub const MOVES_WAIT_MAX: Duration = Duration::from_millis(20);
/// Most moves of one commit.
const COMMIT_MOVES_MAX: usize = 4_096;

/// Events to append together, and who waits for the answer.
pub(super) struct Request {
    pub(super) events: Vec<StoredEvent>,
    pub(super) reply: oneshot::Sender<Result<Vec<Appended>, Error>>,
}

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
        if state.events + request.events.len() > WAITING_EVENTS_MAX {
            return Err(Error::Busy);
        }
        state.events += request.events.len();
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

    /// Asks for a commit even if nothing waits.
    pub(super) fn nudge(&self) {
        self.lock().nudged = true;
        self.changed.notify_one();
    }

    /// No further requests; what waits is still taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits for work. `None` when closed and empty. Accepts start a commit at once; moves wait up to
    /// [`MOVES_WAIT_MAX`] for accepts to ride with.
    pub(super) fn take(&self) -> Option<Work> {
        let mut state = self.lock();
        while state.requests.is_empty() && state.moves.is_empty() && state.parked.is_empty() && !state.nudged
        {
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
    fn take(&mut self) -> Work {
        let (mut requests, mut events, mut bytes) = (Vec::new(), 0, 0);
        while let Some(request) = self.requests.front() {
            let more = request.events.len();
            if !requests.is_empty() && (events + more > COMMIT_EVENTS_MAX || bytes >= COMMIT_BYTES_MAX) {
                break;
            }
            events += more;
            bytes += request.events.iter().map(|event| event.body.len()).sum::<usize>();
            self.events -= more;
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
