//! What the dispatcher hands back: every delivery that waits, as one that arrived at once.

use camino_broker::domain::delivery::Progress;
use camino_broker::domain::scheduler::LaneId;
use camino_broker::store::outbox::Outbox;
use camino_broker::store::outbox::record::{AttemptNote, Change, Move};

use super::store::T0;

/// More than any bench appends at once.
const CLAIM_MAX: usize = 4_096;

/// Claims all that waits, and says of each that its first attempt was answered 200.
pub fn delivered(outbox: &Outbox) -> Vec<Move> {
    let receivers = LaneId::try_from(outbox.lanes().len()).unwrap();
    let claimed = (0..receivers).flat_map(|lane| {
        let claims = outbox.claim(lane, CLAIM_MAX, T0);
        claims.deliveries.into_iter().map(move |claimed| arrived(lane, claimed.seq))
    });
    claimed.collect()
}

fn arrived(lane: LaneId, seq: u64) -> Move {
    Move {
        seq,
        lane,
        at: T0,
        progress: Progress { attempts: 1, charged: 1 },
        change: Change::Delivered,
        note: Some(Box::new(AttemptNote {
            started_at: T0,
            duration_ms: 3,
            probe: false,
            status: Some(200),
            reason: None,
            error: None,
            excerpt: None,
        })),
    }
}
