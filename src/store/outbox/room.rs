//! How much room the disk has, and what may still be written.
//!
//! Below `free_bytes_min`, and what is yet to go down to the engine, no event is taken in; what frees space goes on. Below a quarter of it nothing
//! but removals is written. Compaction needs room for the copy beside the original.

use std::ops::ControlFlow;
use std::time::Duration;

use super::{Error, Shared, lock};
use crate::store::log::should_compact;

/// How long a look at the disk holds while there is far more than enough.
const LOOK_HOLDS: Duration = Duration::from_millis(100);
/// Above the minimum by this much: more than is written while a look holds.
const FAR_BYTES: u64 = 256 << 20;

/// What the engine takes for a byte of rows, about, when they come in masses.
const WAITING_FACTOR: u64 = 3;

/// What may be written.
#[derive(Debug)]
pub(super) enum Room {
    /// Everything.
    Enough,
    /// Moves and removals, but no events.
    Little(Full),
    /// Removals only.
    None(Full),
}

/// Free bytes, and what they fall short of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Full {
    free_bytes: u64,
    min_bytes: u64,
}

impl From<Full> for Error {
    fn from(Full { free_bytes, min_bytes }: Full) -> Self {
        Self::DiskFull { free_bytes, min_bytes }
    }
}

impl Shared {
    pub(super) fn room(&self) -> Room {
        let min_bytes = self.options.free_bytes_min;
        let free_bytes = self.free_bytes_lately();
        // What waits to be brought down to the engine takes its room later, when settles and removals must still go.
        let waiting_bytes = || self.log.waiting_bytes().saturating_mul(WAITING_FACTOR);
        match free_bytes.map(|free_bytes| (free_bytes, free_bytes.saturating_sub(waiting_bytes()))) {
            Some((free_bytes, _)) if free_bytes < min_bytes / 4 => Room::None(Full { free_bytes, min_bytes }),
            Some((_, free_bytes)) if free_bytes < min_bytes => Room::Little(Full { free_bytes, min_bytes }),
            _ => Room::Enough,
        }
    }

    /// Free bytes, looked at anew unless there were far more than enough a moment ago.
    pub(super) fn free_bytes_lately(&self) -> Option<u64> {
        let now = self.clock.monotonic();
        let mut seen = lock(&self.free_seen);
        if let Some((at, free_bytes)) = *seen
            && now.saturating_sub(at) < LOOK_HOLDS
        {
            return Some(free_bytes);
        }
        let free_bytes = (self.free_bytes)()?;
        let far = self.options.free_bytes_min.saturating_add(FAR_BYTES);
        *seen = (free_bytes >= far).then_some((now, free_bytes));
        Some(free_bytes)
    }

    pub(super) fn compact_if_due(&self) -> Result<bool, Error> {
        let stats = self.log.stats()?;
        if !should_compact(&stats, &self.options.space) {
            return Ok(false);
        }
        if let Some(free_bytes) = (self.free_bytes)() {
            let needed_bytes = compaction_bytes(stats.live_bytes, free_bytes, self.options.free_bytes_min);
            if free_bytes < needed_bytes {
                return Err(Error::NoRoomToCompact { free_bytes, needed_bytes });
            }
        }
        Ok(self.log.compact(&mut |_| ControlFlow::Continue(()))?.switched)
    }
}

/// What must be free for a compaction: the copy, half as much for what is appended meanwhile and the
/// engine's own overhead, and what must stay free. Once the disk is so full that nothing is taken in,
/// a compaction may be the only way out, so it leaves only an eighth of that.
fn compaction_bytes(live_bytes: u64, free_bytes: u64, min_bytes: u64) -> u64 {
    let stays = if free_bytes < min_bytes { min_bytes / 8 } else { min_bytes };
    live_bytes.saturating_add(live_bytes / 2).saturating_add(stays)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compaction_leaves_what_must_stay_free() {
        for (live, free, min, wanted) in [
            (1_000, 10_000, 800, 2_300),
            (1_000, 800, 800, 2_300),
            (100, 799, 800, 250),
            (0, 0, 0, 0),
            (u64::MAX, 0, 1, u64::MAX),
        ] {
            assert_eq!(compaction_bytes(live, free, min), wanted, "{live} live, {free} free of {min}");
        }
    }
}
