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
    /// With so many requests a commit begins without waiting for more.
    company: usize,
    nudged: bool,
    closed: bool,
    /// What the committer sleeps for, if it does. A wake-up is a system call, even where nobody sleeps.
    asleep_for: Option<fn(&State) -> bool>,
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
        self.wake(state);
        Ok(())
    }

    pub(super) fn push_moves(&self, moves: impl IntoIterator<Item = Move>) {
        let mut state = self.lock();
        state.moves.extend(moves);
        self.wake(state);
    }

    pub(super) fn push_parked(&self, lane: LaneId, parked: Parked) {
        let mut state = self.lock();
        state.parked.retain(|(other, _)| *other != lane);
        state.parked.push((lane, parked));
        self.wake(state);
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
        self.wake(state);
    }

    /// No further requests; what waits is still taken.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.wake(state);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits for work while only removals can be written: moves start no commit, and it comes back from
    /// time to time for another look at the disk. `None` when closed and empty.
    pub(super) fn take_stalled(&self) -> Option<Work> {
        let is_due = |state: &State| !state.requests.is_empty() || state.nudged || state.closed;
        let mut state = self.sleep(self.lock(), is_due, Some(STALLED_LOOK_EVERY));
        (!state.closed || !state.is_empty()).then(|| state.take())
    }

    /// Waits for work. `None` when closed and empty. Accepts start a commit at once if at least `company` wait, and otherwise
    /// after what `patience` then says; moves wait up to [`MOVES_WAIT_MAX`] for accepts to ride with.
    pub(super) fn take(&self, company: usize, patience: impl FnOnce() -> Duration) -> Option<Work> {
        let is_any = |state: &State| !state.is_empty() || state.nudged || state.closed;
        let mut state = self.sleep(self.lock(), is_any, None);
        if state.closed && state.is_empty() && !state.nudged {
            return None;
        }
        let is_due = |state: &State| {
            !state.requests.is_empty() || state.closed || state.moves.len() >= COMMIT_MOVES_MAX
        };
        state = self.sleep(state, is_due, Some(MOVES_WAIT_MAX));
        let has_company = |state: &State| state.requests.len() >= state.company || state.closed;
        state.company = company;
        if !state.requests.is_empty() && !has_company(&state) {
            let patience = patience();
            state = self.sleep(state, has_company, Some(patience));
        }
        Some(state.take())
    }

    /// Sleeps until `is_due`, or for `at_most`.
    fn sleep<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        is_due: fn(&State) -> bool,
        at_most: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        if is_due(&state) {
            return state;
        }
        state.asleep_for = Some(is_due);
        let asleep = |state: &mut State| !is_due(state);
        state = match at_most {
            None => self.changed.wait_while(state, asleep).unwrap_or_else(PoisonError::into_inner),
            Some(span) => {
                let woken = self.changed.wait_timeout_while(state, span, asleep);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.asleep_for = None;
        state
    }

    /// Wakes the committer if it sleeps for what has come about.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        if state.asleep_for.is_some_and(|is_due| is_due(&state)) {
            state.asleep_for = None;
            drop(state);
            self.changed.notify_one();
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request::new(Vec::new(), None).unwrap().0
    }

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn who_is_alone_or_in_company_goes_at_once() {
        let queue = Queue::default();
        for (waiting, company) in [(1, 0), (1, 1), (3, 3), (5, 3)] {
            (0..waiting).for_each(|_| queue.push(request()).unwrap());
            let work = queue.take(company, || LONG).unwrap();
            assert_eq!(work.requests.len(), waiting, "{waiting} waiting, {company} before");
        }
    }

    #[test]
    fn fewer_than_before_wait_for_the_others() {
        let queue = Queue::default();
        queue.push(request()).unwrap();
        std::thread::scope(|scope| {
            // The second comes when the first already waits.
            let patience = || {
                scope.spawn(|| queue.push(request()).unwrap());
                LONG
            };
            assert_eq!(queue.take(2, patience).unwrap().requests.len(), 2);
        });
    }

    #[test]
    fn nobody_waits_longer_than_patience_or_past_the_end() {
        let queue = Queue::default();
        queue.push(request()).unwrap();
        assert_eq!(queue.take(2, || Duration::ZERO).unwrap().requests.len(), 1);
        queue.push(request()).unwrap();
        queue.close();
        assert_eq!(queue.take(2, || LONG).unwrap().requests.len(), 1);
        assert!(queue.take(2, || LONG).is_none());
    }
}
