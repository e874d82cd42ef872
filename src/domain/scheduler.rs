//! The dispatcher's brain: which delivery is sent when, as a machine without I/O.
//!
//! `on(input, now)` takes one thing that happened and says what to do; `next_wakeup()` says when it
//! wants to be asked again. It never touches a socket, a clock or the store, and holds only a bounded
//! window of claimed deliveries per receiver: the backlog itself stays in the outbox.
//!
//! A crash forgets all of this. The outbox then offers every unsettled delivery again, so what was in
//! flight may be sent twice, with the same `webhook-id`.

mod lane;
mod order;
mod policy;

use std::collections::{BTreeSet, VecDeque};

use super::breaker;
use super::delivery::{Ended, Next, Progress, after_attempt};
use super::invariant;
use super::outcome::{Outcome, Reason};
use super::parked::Parked;
use super::time::Millis;
use lane::{Claiming, Lane};
pub use policy::{Block, LanePolicy};

/// A receiver's number, given by the outbox.
pub type LaneId = u16;

/// A delivery that the outbox handed to the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The event's sequence number.
    pub seq: u64,
    /// How far it has come.
    pub progress: Progress,
}

/// The outbox's answer to [`Action::Claim`].
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// In the order to send.
    pub deliveries: Vec<Claimed>,
    /// When the earliest waiting retry is due.
    pub next_due: Option<Millis>,
    /// Whether more could be claimed at once.
    pub more: bool,
    /// The sequence number that the next accepted event will get: what is from there on came later.
    pub next_seq: u64,
}

/// An attempt that ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The receiver.
    pub lane: LaneId,
    /// The event.
    pub seq: u64,
    /// The attempt's number as [`Action::Send`] gave it: the fence that keeps a late result out.
    pub attempt: u16,
    /// What it came to.
    pub outcome: Outcome,
    /// When the event was accepted.
    pub accepted_at: Millis,
    /// For the jitter.
    pub entropy: u64,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A receiver is new or its policy has changed. A new one sends nothing before the next
    /// [`Available`](Self::Available), [`Block`](Self::Block) or [`Tick`](Self::Tick).
    Policy(LaneId, Box<LanePolicy>),
    /// The spans in which a receiver was parked before a restart. Comes between the receiver's first
    /// policy and its block, and sends nothing yet: the endpoint may be paused.
    Restored(LaneId, Parked),
    /// The endpoint may not be sent to (`Some`) or may again (`None`).
    Block(LaneId, Option<Block>),
    /// The outbox has deliveries for this receiver that nobody has claimed.
    Available(LaneId),
    /// By which keys these deliveries, which are not over, are ordered: (sequence number, key). Comes before
    /// the answer that claims them, and before the first answer for all that were tried already.
    Keys(LaneId, Vec<(u64, u64)>),
    /// The outbox's answer to [`Action::Claim`].
    Claimed(LaneId, Claims),
    /// An attempt ended.
    Finished(Finished),
    /// A person cancelled a delivery, or it was settled otherwise.
    Withdrawn(LaneId, u64),
    /// The time that [`Scheduler::next_wakeup`] named has come.
    Tick {
        /// For the jitter of those whose lease has run out.
        entropy: u64,
    },
    /// Send nothing more; what is under way may end.
    Drain,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask the outbox for up to `limit` deliveries.
    Claim {
        /// The receiver.
        lane: LaneId,
        /// Most deliveries.
        limit: usize,
    },
    /// Send a delivery.
    Send {
        /// The receiver.
        lane: LaneId,
        /// The event.
        seq: u64,
        /// The attempt's number, from 1.
        attempt: u16,
        /// Whether it probes an open breaker.
        probe: bool,
    },
    /// Record what became of a delivery.
    Settle {
        /// The receiver.
        lane: LaneId,
        /// The event.
        seq: u64,
        /// Its progress, the attempt counted.
        progress: Progress,
        /// What becomes of it.
        next: Next,
    },
    /// Give claimed deliveries back untried.
    Release {
        /// The receiver.
        lane: LaneId,
        /// What was claimed.
        deliveries: Vec<Claimed>,
    },
    /// The breaker has moved.
    Breaker {
        /// The receiver.
        lane: LaneId,
        /// Where it stands now.
        state: breaker::State,
    },
    /// The receiver answered 410: disable its endpoint and say so.
    Disable {
        /// The receiver.
        lane: LaneId,
    },
    /// Remember when the receiver was parked.
    Parked {
        /// The receiver.
        lane: LaneId,
        /// Its spans.
        parked: Parked,
    },
}

/// The machine.
#[derive(Debug)]
pub struct Scheduler {
    lanes: Vec<Option<Lane>>,
    /// Lanes that can send now, in turn: each sends one, then goes to the end.
    turns: VecDeque<LaneId>,
    timers: BTreeSet<(Millis, LaneId)>,
    in_flight: usize,
    in_flight_max: usize,
    draining: bool,
    stale_results: u64,
}

impl Scheduler {
    /// A scheduler that sends at most `in_flight_max` deliveries at a time.
    pub fn new(in_flight_max: usize) -> Self {
        Self {
            lanes: Vec::new(),
            turns: VecDeque::new(),
            timers: BTreeSet::new(),
            in_flight: 0,
            in_flight_max: in_flight_max.max(1),
            draining: false,
            stale_results: 0,
        }
    }

    /// Takes one input and adds what is to be done to `actions`.
    pub fn on(&mut self, input: Input, now: Millis, actions: &mut Vec<Action>) {
        match input {
            Input::Policy(id, policy) => self.set_policy(id, *policy, now),
            Input::Drain => self.drain(actions),
            Input::Tick { entropy } => self.tick(entropy, now, actions),
            Input::Finished(finished) => self.finished(&finished, now, actions),
            Input::Restored(id, parked) => self.restore(id, parked),
            Input::Block(id, block) => {
                self.with(id, now, actions, |lane, actions| lane.set_block(id, block, now, actions));
            }
            Input::Available(id) => self.with(id, now, actions, |lane, _| lane.available()),
            Input::Keys(id, keys) => self.with(id, now, actions, |lane, _| lane.order.learn(&keys)),
            Input::Claimed(id, claims) => {
                self.with(id, now, actions, |lane, actions| lane.claimed(id, claims, actions));
            }
            Input::Withdrawn(id, seq) => {
                self.with(id, now, actions, |lane, _| lane.withdraw(seq));
            }
        }
        self.pump(now, actions);
    }

    /// When it wants [`Input::Tick`].
    pub fn next_wakeup(&self) -> Option<Millis> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Attempts under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Results that came after their attempt had been given up, and were ignored.
    pub fn stale_results(&self) -> u64 {
        self.stale_results
    }

    /// Where the breaker of `id` stands.
    pub fn breaker(&self, id: LaneId) -> Option<breaker::State> {
        self.lanes.get(usize::from(id))?.as_ref().map(|lane| lane.breaker.state())
    }

    /// Whether `id` is held to its drain's pace, because the backlog of an open breaker is still going out.
    pub fn drains(&self, id: LaneId) -> bool {
        self.lanes.get(usize::from(id)).and_then(Option::as_ref).is_some_and(Lane::drains)
    }

    /// Deliveries of `id` under way and waiting in the window.
    pub fn window(&self, id: LaneId) -> (usize, usize) {
        let lane = self.lanes.get(usize::from(id)).and_then(Option::as_ref);
        lane.map_or((0, 0), |lane| (lane.flying.len(), lane.ready.len() + lane.order.held()))
    }

    /// Ordered deliveries of `id` that the outbox has, to be claimed again: while one is not over, those
    /// behind it wait.
    pub fn awaited(&self, id: LaneId) -> Vec<u64> {
        let lane = self.lanes.get(usize::from(id)).and_then(Option::as_ref);
        lane.map_or_else(Vec::new, Lane::awaited)
    }

    fn set_policy(&mut self, id: LaneId, policy: LanePolicy, now: Millis) {
        let at = usize::from(id);
        if self.lanes.len() <= at {
            self.lanes.resize_with(at + 1, || None);
        }
        match &mut self.lanes[at] {
            Some(lane) => lane.set_policy(policy),
            slot => *slot = Some(Lane::new(policy)),
        }
        self.timers.insert((now, id));
    }

    fn restore(&mut self, id: LaneId, parked: Parked) {
        if let Some(Some(lane)) = self.lanes.get_mut(usize::from(id)) {
            lane.parked = parked;
        }
    }

    fn with(
        &mut self,
        id: LaneId,
        now: Millis,
        actions: &mut Vec<Action>,
        change: impl FnOnce(&mut Lane, &mut Vec<Action>),
    ) {
        if let Some(Some(lane)) = self.lanes.get_mut(usize::from(id)) {
            change(lane, actions);
            self.refresh(id, now, actions);
        }
    }

    /// Brings everything that hangs on a lane's state up to date: claims, its turn, its timer.
    fn refresh(&mut self, id: LaneId, now: Millis, actions: &mut Vec<Action>) {
        let Some(Some(lane)) = self.lanes.get_mut(usize::from(id)) else { return };
        if !self.draining
            && let Some(limit) = lane.wants(now)
        {
            lane.claiming = Claiming::Asked;
            actions.push(Action::Claim { lane: id, limit });
        }
        if !self.draining && !lane.in_turn && lane.can_send(now) {
            lane.in_turn = true;
            self.turns.push_back(id);
        }
        let wake = lane.wake_at(now, self.draining);
        if wake != lane.timer {
            if let Some(at) = lane.timer {
                self.timers.remove(&(at, id));
            }
            if let Some(at) = wake {
                self.timers.insert((at, id));
            }
            lane.timer = wake;
        }
    }

    /// Lets lanes send in turn until nobody can or the cap is reached.
    fn pump(&mut self, now: Millis, actions: &mut Vec<Action>) {
        while !self.draining && self.in_flight < self.in_flight_max {
            let Some(id) = self.turns.pop_front() else { break };
            let Some(Some(lane)) = self.lanes.get_mut(usize::from(id)) else { continue };
            lane.in_turn = false;
            if lane.can_send(now)
                && let Some(send) = lane.send(id, now, actions)
            {
                self.in_flight += 1;
                debug_assert_eq!(invariant::within_cap(self.in_flight, self.in_flight_max), Ok(()));
                actions.push(send);
            }
            self.refresh(id, now, actions);
        }
    }

    fn tick(&mut self, mut entropy: u64, now: Millis, actions: &mut Vec<Action>) {
        while let Some((at, id)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.timers.pop_first();
            let Some(Some(lane)) = self.lanes.get_mut(usize::from(id)) else { continue };
            if lane.timer == Some(at) {
                lane.timer = None;
            }
            for (seq, attempt) in lane.overdue(now) {
                // Nobody answered for this attempt: it counts as timed out, and a late result is stale.
                let outcome = Outcome::Retry { reason: Reason::Timeout, retry_after: None };
                entropy = scatter(entropy);
                let lost = Finished { lane: id, seq, attempt, outcome, accepted_at: now, entropy };
                self.finished(&lost, now, actions);
            }
            self.refresh(id, now, actions);
        }
    }

    fn finished(&mut self, finished: &Finished, now: Millis, actions: &mut Vec<Action>) {
        let id = finished.lane;
        let Some(Some(lane)) = self.lanes.get_mut(usize::from(id)) else { return };
        let Some(flight) = lane.land(finished.seq, finished.attempt) else {
            self.stale_results += 1;
            return;
        };
        self.in_flight -= 1;
        let ended = Ended {
            outcome: &finished.outcome,
            probe: flight.probe,
            age: lane.parked.age(finished.accepted_at, now),
            now,
            entropy: finished.entropy,
        };
        let (progress, next) = after_attempt(flight.progress, ended, &lane.policy.retry);
        lane.learn(id, &finished.outcome, flight.probe, now, actions);
        if let Next::Retry { due } = next {
            lane.next_due = Some(lane.next_due.map_or(due, |earliest| earliest.min(due)));
            lane.is_told = false;
        }
        if matches!(next, Next::Delivered | Next::Dead(_)) {
            lane.over(finished.seq);
        }
        actions.push(Action::Settle { lane: id, seq: finished.seq, progress, next });
        self.refresh(id, now, actions);
    }

    fn drain(&mut self, actions: &mut Vec<Action>) {
        self.draining = true;
        for (id, lane) in (0..).zip(&mut self.lanes) {
            if let Some(lane) = lane {
                lane.give_back(id, actions);
            }
        }
    }
}

/// Another number over the whole range (`SplitMix64`), so that those lost together don't come back together.
fn scatter(entropy: u64) -> u64 {
    let mut z = entropy.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod pace;
#[cfg(test)]
mod tests;
