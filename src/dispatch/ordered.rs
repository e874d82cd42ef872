//! Claims of receivers that want their events in order: each delivery comes with the key it is ordered by.
//!
//! The key is the event's organization, read from the event, which may lie on the disk; so an answer may
//! come later, and a task that sends it holds up nobody. Only first deliveries have a key: retries by a
//! person, replays and releases stay outside. A crash loses what was being read, and it is claimed again.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use super::attempt::{self, Kit};
use super::{Dispatcher, Error, LaneId, Order};
use crate::domain::scheduler::{Claims, Input};
use crate::runtime::task::TaskKind;
use crate::store::log;
use crate::store::outbox;
use crate::store::outbox::record::StoredEvent;

/// Until an event that could not be read is read again.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What was claimed, and the keys.
#[derive(Debug)]
pub(super) struct Resolved {
    lane: LaneId,
    claims: Claims,
    keys: Result<Vec<(u64, u64)>, Error>,
}

impl Dispatcher {
    /// Claims for an ordered receiver. The first time the keys of all that was tried are learned with it.
    pub(super) fn claim_in_order(&mut self, lane: LaneId, limit: usize) {
        let is_first = self.primed.insert(lane);
        let mut seqs = if is_first { self.parts.outbox.tried(lane) } else { Vec::new() };
        let claims = self.claims(lane, limit);
        seqs.extend(claims.deliveries.iter().map(|claimed| claimed.seq));
        let cached: Option<Vec<Arc<StoredEvent>>> =
            seqs.iter().map(|seq| self.parts.outbox.cached(*seq)).collect();
        if let Some(events) = cached {
            self.inputs.push_back(Input::Keys(lane, events.iter().filter_map(|event| key(event)).collect()));
            self.inputs.push_back(Input::Claimed(lane, claims));
            return;
        }
        let (kit, back) = (Arc::clone(&self.kit), self.order_in.clone());
        self.parts.tasks.spawn(TaskKind::Attempt, async move {
            let keys = keys(&kit, &seqs).await;
            // A dispatcher that has stopped needs no answer.
            let _ = back.send(Order::Resolved(Resolved { lane, claims, keys })).await;
        });
    }

    pub(super) fn resolved(&mut self, resolved: Resolved) -> Result<(), Error> {
        let Resolved { lane, claims, keys } = resolved;
        self.feed(Input::Keys(lane, keys?), None);
        // What was cancelled while the keys were read.
        self.withdraw_ended(lane);
        self.feed(Input::Claimed(lane, claims), None);
        Ok(())
    }

    /// Takes out of the order what was cancelled since this was asked last, with the next input.
    pub(super) fn withdraw_cancelled(&mut self) {
        let cancelled = self.parts.outbox.cancelled();
        if std::mem::replace(&mut self.cancelled, cancelled) != cancelled {
            for (lane, _) in (0..).zip(&self.lanes.clone()) {
                self.withdraw_ended(lane);
            }
        }
    }

    fn withdraw_ended(&mut self, lane: LaneId) {
        for seq in self.scheduler.awaited(lane) {
            if !self.parts.outbox.is_open(lane, seq) {
                self.inputs.push_back(Input::Withdrawn(lane, seq));
            }
        }
    }
}

async fn keys(kit: &Kit, seqs: &[u64]) -> Result<Vec<(u64, u64)>, Error> {
    let mut keys = Vec::with_capacity(seqs.len());
    let mut at = 0;
    while let Some(seq) = seqs.get(at) {
        match attempt::load(kit, *seq).await {
            Ok(Some(event)) => keys.extend(key(&event)),
            // It has ended meanwhile.
            Ok(None) => {}
            Err(error @ (outbox::Error::Damaged(_) | outbox::Error::Log(log::Error::Damaged { .. }))) => {
                return Err(Error::Damaged { seq: *seq, reason: error.to_string() });
            }
            // Without a key nothing may go; a store that has failed ends the process.
            Err(error) => {
                tracing::error!(seq, error = %error, "an event could not be read for its order");
                kit.clock.sleep(READ_AGAIN_AFTER).await;
                continue;
            }
        }
        at += 1;
    }
    Ok(keys)
}

fn key(event: &StoredEvent) -> Option<(u64, u64)> {
    let mut hasher = DefaultHasher::new();
    event.organization.hash(&mut hasher);
    // Two organizations of one hash would share an order, which does no harm.
    (event.generation == 0).then(|| (event.seq, hasher.finish()))
}
