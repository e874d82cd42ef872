//! Many deliveries made again, by filter.
//!
//! A replay takes what the journal shows when it is asked for and nothing later. The job is durable, with
//! its audit entry, before it is answered; a task carries it out at its rate (`work.rs`). A dry run
//! counts and leaves nothing behind. Of two replays of the same at once, a dead letter is made again by
//! one only; what has arrived may be made again by both, as both were asked to.

mod work;

use std::sync::Arc;

use serde_json::json;

use super::names::{self, Names};
use super::{Operations, journal};
use crate::http::problem::{Code, Problem};
use crate::store::control::key::Principal;
use crate::store::control::replays::{Asked, EndedAs, NewReplay, Page, Replay};
use crate::store::journal::{Again, Filter, ShownState, Stretch};
pub use work::carry_out_replays;

/// Deliveries made a second, unless the job says otherwise.
pub const RATE_DEFAULT: u32 = 100;
/// Most deliveries a second that a job may ask for.
pub const RATE_MAX: u32 = 10_000;

/// Refuses what makes no sense to ask.
pub fn check(asked: &Asked) -> Result<(), Problem> {
    let refused = |field: &str, rule: &str| {
        Err(Problem::new(Code::RequestInvalid, format!("`{field}` {rule}")).with("field", field.into()))
    };
    if asked.rate_per_second.is_some_and(|rate| !(1..=RATE_MAX).contains(&rate)) {
        return refused("ratePerSecond", &format!("must be from 1 to {RATE_MAX}"));
    }
    if matches!((asked.since, asked.until), (Some(since), Some(until)) if since > until) {
        return refused("until", "must not be before `since`");
    }
    Ok(())
}

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// How many deliveries are to be made.
    pub matched: u64,
    /// The first event that was not looked at.
    pub below: u64,
}

/// How many deliveries `asked` takes now of the events below `below`, or of all.
pub async fn count(ops: &Operations, asked: &Asked, below: Option<u64>) -> Result<Counted, Problem> {
    let reached = ops.parts.journal.reached();
    let below = below.map_or(reached, |below| below.min(reached));
    let (mut from, mut matched) = (0, 0);
    let filter = Arc::new(filter(asked));
    names::check(ops, Names::from(&*filter)).await?;
    while from < below {
        let stretch = stretch(ops, &filter, from, below).await?;
        // What was made since belongs to somebody else.
        let new = stretch.items.iter().filter(|candidate| candidate.again != Again::Made);
        matched += new.count() as u64;
        from = stretch.next;
    }
    Ok(Counted { matched, below })
}

/// Begins a job that makes `asked` again, as it was just counted.
pub async fn begin(
    ops: &Operations,
    caller: &Principal,
    asked: Asked,
    Counted { matched, below }: Counted,
) -> Result<Replay, Problem> {
    let mut entropy = [0; 12];
    ops.parts.entropy.fill(&mut entropy);
    let replay_id = format!("rpl_{}", hex::encode(entropy));
    let mut detail = json!(asked);
    detail["matched"] = matched.into();
    let entry = ops.entry(caller, "replays.begin", &replay_id).detail(detail);
    let new = NewReplay { replay_id, asked, below, matched };
    let job = ops.on_control(move |control| control.begin_replay(&new, entry)).await?;
    ops.replays.notify_one();
    Ok(job)
}

/// Some jobs, newest first.
pub async fn list(ops: &Operations, cursor: Option<String>, limit: usize) -> Result<Page, Problem> {
    let before = super::before(cursor)?;
    ops.on_control(move |control| control.replays(before, limit)).await
}

/// The job `id`.
pub async fn show(ops: &Operations, id: String) -> Result<Replay, Problem> {
    ops.on_control(move |control| control.replay(&id)).await
}

/// Makes nothing more of the job `id`; one that is over stays as it is.
pub async fn cancel(ops: &Operations, caller: &Principal, id: String) -> Result<Replay, Problem> {
    let entry = ops.entry(caller, "replays.cancel", &id);
    let job = ops.on_control(move |control| control.cancel_replay(&id, &entry)).await?;
    ops.replays.notify_one();
    Ok(job)
}

fn filter(asked: &Asked) -> Filter {
    Filter {
        receiver: asked.receiver.clone(),
        source: asked.source.clone(),
        event_type: asked.event_type.clone(),
        organization: asked.organization.clone(),
        state: asked.state.map(|state| match state {
            EndedAs::Delivered => ShownState::Delivered,
            EndedAs::Dead => ShownState::Dead,
            EndedAs::Cancelled => ShownState::Cancelled,
        }),
        since: asked.since,
        until: asked.until,
        ..Filter::default()
    }
}

async fn stretch(ops: &Operations, filter: &Arc<Filter>, from: u64, below: u64) -> Result<Stretch, Problem> {
    let filter = Arc::clone(filter);
    journal::read(ops, move |reader| reader.to_replay(&filter, from, below)).await
}
