//! The order of attempts at a receiver that keeps it.
//!
//! A turn is taken when an attempt is decided on, and is used when its event has been read, which may end
//! in any order. A turn that is dropped unused holds nobody up. Lives in memory only: after a crash turns
//! are taken anew, in the order of acceptance.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Who is told of a turn.
pub(super) trait Line: Send + Sync {
    /// The turn was not used.
    fn pass(&self, number: u64);
}

/// One place in the order.
#[derive(Clone)]
pub struct Turn(Arc<Taken>);

struct Taken {
    line: Arc<dyn Line>,
    number: u64,
}

impl Turn {
    pub(super) fn new(line: Arc<dyn Line>, number: u64) -> Self {
        Self(Arc::new(Taken { line, number }))
    }

    pub(super) fn number(&self) -> u64 {
        self.0.number
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.line.pass(self.number);
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Turn").field(&self.0.number).finish()
    }
}

/// What stands in a place.
enum Slot<T> {
    /// Somebody has the turn.
    Awaited,
    /// It was used.
    Here(T),
    /// It was not, and never will be.
    Passed,
}

/// Things in the order of their turns, taken out in batches by one thread.
pub(super) struct Ordered<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// The number of the first slot.
    first: u64,
    slots: VecDeque<Slot<T>>,
    /// Slots that are here.
    here: usize,
    closed: bool,
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        let state = State { first: 0, slots: VecDeque::new(), here: 0, closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl<T> State<T> {
    fn slot(&mut self, number: u64) -> Option<&mut Slot<T>> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.slots.get_mut(at)
    }

    /// Forgets passed slots at the front. True if the first one is here then.
    fn is_ready(&mut self) -> bool {
        while matches!(self.slots.front(), Some(Slot::Passed)) {
            self.slots.pop_front();
            self.first += 1;
        }
        matches!(self.slots.front(), Some(Slot::Here(_)))
    }

    fn pop(&mut self) -> Option<T> {
        if !self.is_ready() {
            return None;
        }
        self.first += 1;
        match self.slots.pop_front() {
            Some(Slot::Here(thing)) => {
                self.here -= 1;
                Some(thing)
            }
            _ => None,
        }
    }
}

impl<T> Ordered<T> {
    /// The map is whole between any two calls, so a poisoned lock still guards good data.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place behind all others.
    pub(super) fn reserve(&self) -> u64 {
        let mut state = self.lock();
        state.slots.push_back(Slot::Awaited);
        state.first + u64::try_from(state.slots.len()).unwrap_or(u64::MAX) - 1
    }

    /// Puts `thing` in its place. Wakes the thread if it can go on, or has a whole batch.
    pub(super) fn put(&self, number: u64, thing: T, batch_max: usize) {
        let mut state = self.lock();
        let Some(slot) = state.slot(number).filter(|slot| matches!(slot, Slot::Awaited)) else { return };
        *slot = Slot::Here(thing);
        state.here += 1;
        let wakes = state.here >= batch_max || number == state.first;
        drop(state);
        if wakes {
            self.changed.notify_one();
        }
    }

    /// Gives an unused place up.
    pub(super) fn pass(&self, number: u64) {
        let mut state = self.lock();
        let Some(slot) = state.slot(number).filter(|slot| matches!(slot, Slot::Awaited)) else { return };
        *slot = Slot::Passed;
        let wakes = state.is_ready();
        drop(state);
        if wakes {
            self.changed.notify_one();
        }
    }

    /// Nothing more comes; what is here is still taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// The next batch, at least one thing: waits for the first, and for `gather` at most until there are
    /// many. `None` once it is closed and empty.
    pub(super) fn take(&self, gather: Duration, batch_max: usize) -> Option<Vec<T>> {
        let mut state = self.lock();
        while !state.is_ready() {
            if state.closed && state.slots.is_empty() {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let gathers = |state: &mut State<T>| state.here < batch_max && !state.closed;
        let (mut state, _) =
            self.changed.wait_timeout_while(state, gather, gathers).unwrap_or_else(PoisonError::into_inner);
        let mut batch = Vec::with_capacity(state.here.min(batch_max));
        while batch.len() < batch_max
            && let Some(thing) = state.pop()
        {
            batch.push(thing);
        }
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(line: &Ordered<u8>) -> Option<Vec<u8>> {
        line.take(Duration::ZERO, 3)
    }

    #[test]
    fn things_come_out_in_the_order_of_their_turns() {
        let line = Ordered::default();
        let [a, b, c, d] = [(); 4].map(|()| line.reserve());
        line.put(c, 3, 9);
        line.put(a, 1, 9);
        assert_eq!(take(&line), Some(vec![1]), "the second is awaited");
        line.put(d, 4, 9);
        line.put(b, 2, 9);
        assert_eq!(take(&line), Some(vec![2, 3, 4]));
        line.close();
        assert_eq!(take(&line), None);
    }

    #[test]
    fn a_turn_that_is_not_used_holds_nobody_up() {
        let line = Ordered::default();
        let [a, b, c] = [(); 3].map(|()| line.reserve());
        line.put(b, 2, 9);
        line.pass(a);
        assert_eq!(take(&line), Some(vec![2]));
        line.pass(c);
        line.put(c, 3, 9);
        line.close();
        assert_eq!(take(&line), None, "a passed turn is over");
    }

    #[test]
    fn a_batch_is_bounded_and_what_is_here_is_taken_after_the_end() {
        let line = Ordered::default();
        for n in 0..5 {
            let place = line.reserve();
            line.put(place, n, 3);
        }
        line.close();
        assert_eq!(take(&line), Some(vec![0, 1, 2]));
        assert_eq!(take(&line), Some(vec![3, 4]));
        assert_eq!(take(&line), None);
    }
}
