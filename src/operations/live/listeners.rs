//! Whoever listens: who they are, from where on, and whether they still may.
//!
//! Bounded, altogether and for each key. A listener that was cut keeps its place until its tail is dropped, so
//! that nobody takes more places by not reading.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::tail::{Tail, Waiting};
use super::{CROWDED_SPAN, Stretch, Wanted, frame, gap};
use crate::http::problem::{Code, Problem};
use crate::store::control::key::Fingerprint;
use crate::store::journal::EventRow;

/// Listeners at a time.
const LISTENERS_MAX: usize = 64;
/// Listeners at a time with one key.
const LISTENERS_OF_KEY_MAX: usize = 8;

/// Whether whoever listens still may, beside their key.
pub(super) type Holds = Box<dyn Fn() -> bool + Send>;

/// All of them.
#[derive(Default)]
pub(in crate::operations) struct Live {
    state: Mutex<State>,
    /// Somebody joined.
    pub(super) came: Notify,
}

#[derive(Default)]
struct State {
    /// The first event that nobody was told of yet.
    next: u64,
    is_stopped: bool,
    listeners: Vec<Listener>,
}

struct Listener {
    wanted: Wanted,
    key: Fingerprint,
    holds: Holds,
    /// The first event that it is told of as it comes; what was before, it catches up on.
    from: u64,
    waiting: Arc<Waiting>,
}

impl State {
    fn is_alone(&self) -> bool {
        self.listeners.iter().all(|listener| listener.waiting.is_over())
    }
}

impl Live {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody listens.
    pub(super) fn is_alone(&self) -> bool {
        self.state().is_alone()
    }

    /// The first event that nobody was told of yet.
    pub(super) fn next(&self) -> u64 {
        self.state().next
    }

    /// Gives whoever has `key` a place: their stream, and the first event that it tells of by itself. The
    /// journal has `reached` so far.
    pub(super) fn join(
        self: &Arc<Self>,
        key: Fingerprint,
        holds: Holds,
        wanted: Wanted,
        reached: u64,
    ) -> Result<(Tail, u64), Problem> {
        let mut state = self.state();
        if state.is_stopped {
            return Err(Problem::new(Code::Draining, "the broker is stopping").retry_after(CROWDED_SPAN));
        }
        let of_key = state.listeners.iter().filter(|listener| listener.key == key).count();
        if of_key >= LISTENERS_OF_KEY_MAX || state.listeners.len() >= LISTENERS_MAX {
            let problem = Problem::new(Code::Overloaded, "too many listen to the stream already");
            return Err(problem.retry_after(CROWDED_SPAN));
        }
        if state.is_alone() {
            state.next = state.next.max(reached);
        }
        let (from, waiting) = (state.next, Arc::<Waiting>::default());
        state.listeners.push(Listener { wanted, key, holds, from, waiting: Arc::clone(&waiting) });
        drop(state);
        self.came.notify_one();
        Ok((Tail { live: Arc::clone(self), waiting }, from))
    }

    /// Gives the place of `waiting` free.
    pub(super) fn leave(&self, waiting: &Arc<Waiting>) {
        self.state().listeners.retain(|listener| !Arc::ptr_eq(&listener.waiting, waiting));
    }

    /// Hands over what came until `reached`, to each from its place on.
    pub(super) fn deliver(&self, stretch: &Stretch, reached: u64) {
        let frames: Vec<(&EventRow, Bytes)> =
            stretch.events.iter().map(|event| (event, frame(event))).collect();
        let first = stretch.events.first().map_or(reached, |event| event.seq);
        let mut state = self.state();
        // Somebody may have joined further ahead while this was read.
        state.next = state.next.max(reached);
        for listener in &state.listeners {
            if stretch.is_cut && listener.from < first {
                listener.waiting.take(gap());
            }
            let own = |event: &EventRow| event.seq >= listener.from && listener.wanted.takes(event);
            for (_, frame) in frames.iter().filter(|(event, _)| own(event)) {
                listener.waiting.take(frame.clone());
            }
        }
    }

    /// Cuts those who may not listen any more: their key does not hold, or their own reason not to.
    pub(super) fn recheck(&self, key_holds: impl Fn(Fingerprint) -> bool) {
        let state = self.state();
        let gone = |listener: &&Listener| !key_holds(listener.key) || !(listener.holds)();
        state.listeners.iter().filter(gone).for_each(|listener| listener.waiting.cut());
    }

    /// Gives a sign of life.
    pub(super) fn beat(&self) {
        let state = self.state();
        state.listeners.iter().for_each(|listener| listener.waiting.take(Bytes::from_static(b": here\n\n")));
    }

    /// Ends all streams, and begins none from here on.
    pub(super) fn stop(&self) {
        let mut state = self.state();
        state.is_stopped = true;
        state.listeners.iter().for_each(|listener| listener.waiting.close());
    }

    /// Places that are taken.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.state().listeners.len()
    }
}
