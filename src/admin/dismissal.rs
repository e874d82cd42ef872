//! Letting go of what nobody dealt with within its retention.
//!
//! A crash in between leaves some for the next round.

use super::{Admin, journal};
use crate::domain::delivery::Progress;
use crate::domain::time::Millis;
use crate::http::problem::Problem;
use crate::store::journal::Filter;
use crate::store::outbox::record::{Change, Move};

/// Most of either kind in one round.
const ROUND_MAX: usize = 500;

/// Dismisses dead letters and quarantined events accepted before `until`. Returns how many.
pub async fn dismiss_older(admin: &Admin, until: Millis) -> Result<usize, Problem> {
    let parked = admin.why_parked();
    let filter = Filter { until: Some(until), ..Filter::default() };
    let (dead, held) = journal::read(admin, move |reader| {
        let dead = reader.dead_letters(&filter, None, ROUND_MAX, &parked)?;
        let held = reader.events(&filter, None, ROUND_MAX, &parked)?;
        Ok((dead, held))
    })
    .await?;
    let at = admin.parts.clock.now();
    let step = |seq, lane, attempts, change| {
        let progress = Progress { attempts, charged: attempts };
        Move { seq, lane, at, progress, change, note: None }
    };
    let mut moves: Vec<Move> =
        dead.items.iter().map(|row| step(row.seq, row.lane, row.attempts, Change::Dismissed)).collect();
    let held = held.items.iter().filter(|row| row.status == "quarantined");
    moves.extend(held.map(|row| step(row.seq, 0, 0, Change::Released)));
    let count = moves.len();
    admin.parts.intake.store.settle(moves);
    Ok(count)
}
