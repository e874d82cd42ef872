//! Letting go of what nobody dealt with within its retention.
//!
//! The outbox says what that is, oldest first, and nothing else may forget it before: what is purged
//! elsewhere would hold its pack for ever. A crash in between leaves some for the next round.

use std::sync::Arc;

use super::{Operations, blocking};
use crate::domain::delivery::Progress;
use crate::domain::time::Millis;
use crate::store::outbox::Error;
use crate::store::outbox::index::Kept;
use crate::store::outbox::record::{Change, Move};

/// Most let go of with one commit.
const PAGE: usize = 500;

/// Dismisses dead letters and quarantined events accepted before `until`, and cancels what still waits from
/// then, until none is left: a receiver that never comes back must not fill the disk for all. What the
/// scheduler has in hand stays, at most a window for each receiver. Returns how many.
pub async fn dismiss_older(ops: &Operations, until: Millis) -> Result<usize, Error> {
    let store = &ops.parts.intake.store;
    let mut dismissed = 0;
    loop {
        let reading = Arc::clone(store);
        let page = blocking::run(move || reading.kept_before(until, PAGE)).await?;
        if page.is_empty() {
            return Ok(dismissed);
        }
        let at = ops.parts.clock.now();
        dismissed += page.len();
        store.settle(page.into_iter().map(|kept| dismissal(kept, at)));
        // The next page is what is kept without this one; an error is a store that takes nothing now.
        store.append(Vec::new()).await?;
    }
}

fn dismissal(kept: Kept, at: Millis) -> Move {
    let (seq, lane, change, progress) = match kept {
        // What is known of a dead one's attempts stays.
        Kept::Dead { seq, lane } => (seq, lane, Change::Dismissed, Progress::default()),
        Kept::Waiting { seq, lane, progress } => (seq, lane, Change::Cancelled, progress),
        Kept::Quarantined { seq } => (seq, 0, Change::Released, Progress::default()),
    };
    Move { seq, lane, at, progress, change, note: None }
}
