//! What the scheduler says is done here: claims, sends, settles, and what others are told.
//!
//! Never decides anything. Moves are gathered and handed over once a turn; a crash before that repeats
//! the deliveries, with the same ids.

use std::sync::Arc;

use super::attempt::{self, Landed};
use super::{Dispatcher, LaneId};
use crate::domain::breaker::State;
use crate::domain::delivery::Next;
use crate::domain::outcome::Reason;
use crate::domain::scheduler::{Action, Block, Claims, Input};
use crate::domain::time::{Millis, Moment};
use crate::runtime::task::TaskKind;
use crate::store::outbox::index;
use crate::store::outbox::record::{AttemptNote, Change, Move};
use crate::telemetry::event;

impl Dispatcher {
    /// Gives the scheduler one input and does what it says, until it has nothing more to say.
    pub(super) fn feed(&mut self, input: Input, mut landed: Option<Landed>) {
        let mut actions = std::mem::take(&mut self.actions);
        let mut next = Some(input);
        while let Some(input) = next {
            self.scheduler.on(input, self.now.schedule, &mut actions);
            for action in actions.drain(..) {
                self.act(action, &mut landed);
            }
            next = self.inputs.pop_front();
        }
        self.actions = actions;
    }

    fn act(&mut self, action: Action, landed: &mut Option<Landed>) {
        let now = self.now;
        match action {
            Action::Claim { lane, limit } => self.claim(lane, limit),
            Action::Send { lane, seq, attempt, probe } => {
                let endpoint = self.lanes.get(usize::from(lane)).and_then(|served| served.endpoint.clone());
                let turn = endpoint.as_ref().and_then(|endpoint| self.parts.sink.turn(endpoint));
                let order = attempt::Order { lane, seq, attempt, probe, endpoint, turn };
                self.attempts.spawn(attempt::run(Arc::clone(&self.kit), order));
            }
            Action::Settle { lane, seq, progress, next } => {
                let landed = landed.take_if(|landed| landed.lane == lane && landed.seq == seq);
                let change = change(next, now);
                match &landed {
                    Some(landed) => self.tell(change, progress.attempts, landed),
                    None => self.tell_lost(lane, seq, change, progress.attempts),
                }
                let note = landed.map_or_else(|| Box::new(lost_note(now.wall)), |landed| landed.note);
                self.moves.push(Move { seq, lane, at: now.wall, progress, change, note: Some(note) });
            }
            Action::Release { lane, deliveries } => self.parts.outbox.release(lane, &deliveries),
            Action::Breaker { lane, state } => {
                let state = match state {
                    State::Open { until } => State::Open { until: now.to_wall(until) },
                    other => other,
                };
                if let Some(served) = self.lanes.get(usize::from(lane)) {
                    self.board.set_breaker(&served.name, state, &self.parts.metrics);
                }
            }
            Action::Disable { lane } => {
                self.gone.insert(lane);
                if let Some(served) = self.lanes.get(usize::from(lane)) {
                    let receiver = &served.name;
                    event::EndpointDisabled { receiver, reason: "gone" }.emit(&self.parts.metrics);
                    self.board.set_block(receiver, Some(Block::Disabled), &self.parts.metrics);
                    (self.parts.on_gone)(receiver);
                }
            }
            Action::Parked { lane, parked } => {
                self.parts.outbox.park(lane, parked.by(|at| now.to_wall(at)));
            }
        }
    }

    fn claim(&mut self, lane: LaneId, limit: usize) {
        if self.lanes.get(usize::from(lane)).is_some_and(|served| served.is_ordered) {
            return self.claim_in_order(lane, limit);
        }
        let claims = self.claims(lane, limit);
        self.inputs.push_back(Input::Claimed(lane, claims));
    }

    pub(super) fn claims(&self, lane: LaneId, limit: usize) -> Claims {
        let now = self.now;
        let index::Claims { deliveries, next_due, more } = self.parts.outbox.claim(lane, limit, now.wall);
        let next_due = next_due.map(|due| now.to_schedule(due));
        Claims { deliveries, next_due, more, next_seq: self.parts.outbox.next_seq() }
    }

    /// Says what became of a delivery, in the log and the metrics.
    fn tell(&self, change: Change, attempts: u16, landed: &Landed) {
        let (Some(sent), Some((outcome, reason))) = (&landed.sent, terminal(change)) else { return };
        event::DeliveryTerminal {
            receiver: &sent.receiver.app,
            delivery_id: sent.delivery_id,
            event_id: &sent.event_id,
            outcome,
            reason,
            attempts: attempts.into(),
            lag: self.now.wall.since(landed.accepted_at),
        }
        .emit(&self.parts.metrics);
    }

    /// The same of one whose last attempt never reported; its event is read again for that.
    fn tell_lost(&self, lane: LaneId, seq: u64, change: Change, attempts: u16) {
        let (Some(served), Some((outcome, reason))) = (self.lanes.get(usize::from(lane)), terminal(change))
        else {
            return;
        };
        let (kit, receiver, now) = (Arc::clone(&self.kit), served.name.clone(), self.now.wall);
        self.parts.tasks.spawn(TaskKind::Attempt, async move {
            let Ok(Some(event)) = attempt::load(&kit, seq).await else { return };
            event::DeliveryTerminal {
                delivery_id: event.delivery_id(&receiver),
                receiver: &receiver,
                event_id: &event.event_id,
                outcome,
                reason,
                attempts: attempts.into(),
                lag: now.since(event.accepted_at),
            }
            .emit(&kit.metrics);
        });
    }
}

fn change(next: Next, now: Moment) -> Change {
    match next {
        Next::Delivered => Change::Delivered,
        Next::Retry { due } => Change::Retry { due: now.to_wall(due) },
        Next::Dead(reason) => Change::Dead(reason),
        Next::Park => Change::Park,
    }
}

fn terminal(change: Change) -> Option<(event::Terminal, Option<&'static str>)> {
    match change {
        Change::Delivered => Some((event::Terminal::Delivered, None)),
        Change::Dead(reason) => Some((event::Terminal::Dead, Some(reason.as_str()))),
        _ => None,
    }
}

/// What is written of an attempt whose task never reported.
fn lost_note(now: Millis) -> AttemptNote {
    AttemptNote {
        started_at: now,
        duration_ms: 0,
        probe: false,
        status: None,
        reason: Some(Reason::Timeout),
        error: Some("the attempt did not report within its lease".to_owned()),
        excerpt: None,
    }
}
