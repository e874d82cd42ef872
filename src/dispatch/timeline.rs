//! The scheduler's time: it starts with the wall clock and goes on with the monotonic one.
//!
//! Leases, breakers and caps run on it, so a jump of the wall clock moves none of them. Written due
//! times are wall time, because they outlive the process. A crash forgets where it started: the next
//! process starts from the wall clock again.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::time::{Millis, Moment};
use crate::runtime::clock::Clock;

/// Smaller moves of the wall clock are corrections, and not worth a look at every lane.
const JUMP_MIN: Duration = Duration::from_secs(1);

/// Both clocks since the start.
pub(super) struct Timeline {
    clock: Arc<dyn Clock>,
    start: Millis,
    started: Duration,
    seen: Moment,
}

impl Timeline {
    /// Starts now.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let (start, started) = (clock.now(), clock.monotonic());
        Self { clock, start, started, seen: Moment { wall: start, schedule: start } }
    }

    /// Now.
    pub(super) fn moment(&self) -> Moment {
        Moment { wall: self.clock.now(), schedule: self.schedule() }
    }

    /// Now, by the schedule.
    pub(super) fn schedule(&self) -> Millis {
        self.start.plus(self.clock.monotonic().saturating_sub(self.started))
    }

    /// Whether the wall clock has jumped since it was asked this last.
    pub(super) fn jumped(&mut self, now: Moment) -> bool {
        let jump = now.jump_since(self.seen);
        if jump <= JUMP_MIN {
            return false;
        }
        tracing::warn!(wall = %now.wall, jump_s = jump.as_secs(), "the wall clock has jumped");
        self.seen = now;
        true
    }
}
