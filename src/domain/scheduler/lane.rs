//! One receiver's lane in the scheduler: its window, its caps, its breaker.

use std::collections::{HashMap, VecDeque};

use super::order::{HELD_MAX, Order};
use super::{Action, Block, Claimed, Claims, LaneId, LanePolicy};
use crate::domain::breaker::{Breaker, Permit, State};
use crate::domain::delivery::Progress;
use crate::domain::invariant;
use crate::domain::outcome::Outcome;
use crate::domain::parked::Parked;
use crate::domain::rate::RateCap;
use crate::domain::time::Millis;

/// Whether the outbox has been asked for deliveries and not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claiming {
    No,
    Asked,
    /// It got more since, of which its answer may not know.
    Overtaken,
    /// What was here went back to it since: what its answer brings goes back as well, or would overtake that.
    GoesBack,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) attempt: u16,
    pub(super) probe: bool,
    pub(super) progress: Progress,
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) policy: LanePolicy,
    pub(super) block: Option<Block>,
    pub(super) breaker: Breaker,
    pub(super) parked: Parked,
    /// Claimed and not yet sent.
    pub(super) ready: VecDeque<Claimed>,
    /// What may not go before others.
    pub(super) order: Order,
    pub(super) flying: HashMap<u64, Flight>,
    /// When each attempt is given up, in the order they were sent; ended ones are skipped.
    leases: VecDeque<(Millis, u64, u16)>,
    /// Whether the outbox has more that could be claimed now.
    pub(super) more: bool,
    pub(super) next_due: Option<Millis>,
    /// Whether that is the outbox's own word.
    pub(super) is_told: bool,
    pub(super) claiming: Claiming,
    pub(super) in_turn: bool,
    pub(super) timer: Option<Millis>,
    rate: Option<RateCap>,
    /// Set while the backlog drains after the breaker closed.
    drain: Option<Drain>,
}

/// The pace of the backlog that a closing breaker lets go. It ends with that backlog: what is accepted
/// later is no reason to hold a receiver back, however much it is.
#[derive(Debug)]
struct Drain {
    cap: RateCap,
    /// The first event beyond the backlog, known by the first answer to a claim.
    edge: Option<u64>,
}

impl Lane {
    pub(super) fn new(policy: LanePolicy) -> Self {
        let rate = policy.rate_per_second.map(RateCap::new);
        Self {
            policy,
            block: None,
            breaker: Breaker::new(),
            parked: Parked::default(),
            ready: VecDeque::new(),
            order: Order::default(),
            flying: HashMap::new(),
            leases: VecDeque::new(),
            more: true,
            next_due: None,
            is_told: false,
            claiming: Claiming::No,
            in_turn: false,
            timer: None,
            rate,
            drain: None,
        }
    }

    pub(super) fn set_policy(&mut self, policy: LanePolicy) {
        if policy.rate_per_second != self.policy.rate_per_second {
            self.rate = policy.rate_per_second.map(RateCap::new);
        }
        self.policy = policy;
    }

    /// How many deliveries to claim now, if any.
    pub(super) fn wants(&self, now: Millis) -> Option<usize> {
        if self.claiming != Claiming::No || self.block.is_some() {
            return None;
        }
        let due = self.more || self.next_due.is_some_and(|due| due <= now);
        let (low, full) = match self.breaker.permit(now) {
            Permit::Send => (self.policy.in_flight_max, self.policy.in_flight_max * 2),
            Permit::Probe => (1, 1),
            Permit::Wait(_) => return None,
        };
        if self.order.held() >= HELD_MAX {
            // What holds them back must still come, and nothing fresh: so the outbox is asked first what is due.
            let is_due = self.next_due.is_some_and(|due| due <= now);
            return if self.is_told { is_due.then_some(1) } else { due.then_some(0) };
        }
        (due && self.ready.len() < low).then(|| full - self.ready.len())
    }

    /// The outbox has something that nobody has claimed.
    pub(super) fn available(&mut self) {
        self.more = true;
        self.is_told = false;
        if self.claiming == Claiming::Asked {
            self.claiming = Claiming::Overtaken;
        }
    }

    pub(super) fn claimed(&mut self, id: LaneId, claims: Claims, actions: &mut Vec<Action>) {
        let claiming = std::mem::replace(&mut self.claiming, Claiming::No);
        let overtaken = matches!(claiming, Claiming::Overtaken | Claiming::GoesBack);
        self.more = claims.more || overtaken;
        self.next_due = claims.next_due;
        self.is_told = !overtaken;
        for claimed in claims.deliveries {
            self.ready.extend(self.order.take(claimed));
        }
        if let Some(drain) = &mut self.drain {
            drain.edge.get_or_insert(claims.next_seq);
        }
        if claiming == Claiming::GoesBack || self.block.is_some() {
            self.give_back(id, actions);
        }
        self.end_drain();
    }

    /// Lifts the drain's cap if nothing is left to drain.
    fn end_drain(&mut self) {
        if self.ready.is_empty() && self.order.held() == 0 && !self.more && self.claiming == Claiming::No {
            self.drain = None;
        }
    }

    /// Whether the drain's cap holds.
    pub(super) fn drains(&self) -> bool {
        self.drain.is_some()
    }

    /// When the caps let the next one go.
    fn rate_ready_at(&self) -> Millis {
        let caps = [self.rate.as_ref(), self.drain.as_ref().map(|drain| &drain.cap)];
        caps.into_iter().flatten().map(RateCap::ready_at).max().unwrap_or(Millis(0))
    }

    pub(super) fn can_send(&self, now: Millis) -> bool {
        self.block.is_none()
            && !self.ready.is_empty()
            && self.flying.len() < self.policy.in_flight_max
            && !matches!(self.breaker.permit(now), Permit::Wait(_))
            && self.rate_ready_at() <= now
    }

    /// Sends the next one; [`can_send`](Self::can_send) must hold.
    pub(super) fn send(&mut self, id: LaneId, now: Millis, actions: &mut Vec<Action>) -> Option<Action> {
        let probe = self.breaker.permit(now) == Permit::Probe;
        debug_assert_eq!(invariant::may_send(self.block, self.breaker.state(), probe, now), Ok(()));
        let Claimed { seq, progress } = if probe { self.freshest() } else { self.ready.pop_front() }?;
        if probe {
            self.breaker.probe_sent();
            actions.push(Action::Breaker { lane: id, state: self.breaker.state() });
        }
        if self.drain.as_ref().and_then(|drain| drain.edge).is_some_and(|edge| edge <= seq) {
            self.drain = None;
        }
        for cap in [self.rate.as_mut(), self.drain.as_mut().map(|drain| &mut drain.cap)].into_iter().flatten()
        {
            cap.take(now);
        }
        self.end_drain();
        let attempt = progress.attempts.saturating_add(1);
        let live = self.flying.insert(seq, Flight { attempt, probe, progress });
        debug_assert_eq!(invariant::only_one_live(live.map(|flight| flight.attempt), attempt), Ok(()));
        debug_assert_eq!(invariant::within_cap(self.flying.len(), self.policy.in_flight_max), Ok(()));
        self.leases.push_back((now.plus(self.policy.lease), seq, attempt));
        Some(Action::Send { lane: id, seq, attempt, probe })
    }

    /// The claimed delivery with the fewest attempts, so that probes don't wear out one delivery.
    fn freshest(&mut self) -> Option<Claimed> {
        let at = (0..self.ready.len()).min_by_key(|at| self.ready[*at].progress.attempts)?;
        self.ready.remove(at)
    }

    /// Takes an attempt that ended out of the air, unless the fence says that it is another one.
    pub(super) fn land(&mut self, seq: u64, attempt: u16) -> Option<Flight> {
        if self.flying.get(&seq)?.attempt != attempt {
            return None;
        }
        self.flying.remove(&seq)
    }

    /// Attempts whose lease has run out at `now`.
    pub(super) fn overdue(&mut self, now: Millis) -> Vec<(u64, u16)> {
        let mut lost = Vec::new();
        while let Some((until, seq, attempt)) = self.next_lease() {
            if until > now {
                break;
            }
            self.leases.pop_front();
            lost.push((seq, attempt));
        }
        lost
    }

    fn next_lease(&mut self) -> Option<(Millis, u64, u16)> {
        while let Some((until, seq, attempt)) = self.leases.front().copied() {
            if self.flying.get(&seq).is_some_and(|flight| flight.attempt == attempt) {
                return Some((until, seq, attempt));
            }
            self.leases.pop_front();
        }
        None
    }

    /// What an outcome says of the endpoint.
    pub(super) fn learn(
        &mut self,
        id: LaneId,
        outcome: &Outcome,
        probe: bool,
        now: Millis,
        actions: &mut Vec<Action>,
    ) {
        let before = self.breaker.state();
        match outcome {
            Outcome::Delivered => {
                if self.breaker.succeeded() {
                    let cap = RateCap::new(self.policy.breaker.drain_per_second);
                    self.drain = Some(Drain { cap, edge: None });
                    self.end_drain();
                }
            }
            Outcome::Retry { .. } | Outcome::Rejected => {
                self.breaker.failed(probe, &self.policy.breaker, now);
            }
            Outcome::Gone => {
                // Said once, however many were under way.
                if self.block.replace(Block::Disabled) != Some(Block::Disabled) {
                    actions.push(Action::Disable { lane: id });
                }
                self.breaker = Breaker::new();
                self.give_back(id, actions);
            }
            // Says nothing of the receiver; the endpoint may as well not be half-open for ever.
            Outcome::Blocked => {
                if probe {
                    self.breaker.failed(true, &self.policy.breaker, now);
                }
            }
            Outcome::Unsent => {
                if probe {
                    self.breaker.probe_untold(now);
                }
            }
        }
        if self.breaker.state() != before {
            actions.push(Action::Breaker { lane: id, state: self.breaker.state() });
        }
        self.track_parked(id, now, actions);
    }

    pub(super) fn set_block(
        &mut self,
        id: LaneId,
        block: Option<Block>,
        now: Millis,
        actions: &mut Vec<Action>,
    ) {
        self.block = block;
        if block.is_some() {
            self.give_back(id, actions);
        } else {
            self.available();
        }
        self.track_parked(id, now, actions);
    }

    fn track_parked(&mut self, id: LaneId, now: Millis, actions: &mut Vec<Action>) {
        let parked = self.block.is_some() || self.breaker.state() != State::Closed;
        let moved = if parked { self.parked.begin(now) } else { self.parked.end(now) };
        if moved {
            actions.push(Action::Parked { lane: id, parked: self.parked.clone() });
        }
    }

    /// A delivery is over: the next of its key may go.
    pub(super) fn over(&mut self, seq: u64) {
        self.ready.extend(self.order.over(seq));
    }

    /// A delivery is over, and not by an attempt.
    pub(super) fn withdraw(&mut self, seq: u64) {
        self.ready.retain(|claimed| claimed.seq != seq);
        // What is in the air ends by its result.
        if !self.flying.contains_key(&seq) {
            self.over(seq);
        }
    }

    /// Ordered ones that are neither here nor over.
    pub(super) fn awaited(&self) -> Vec<u64> {
        let is_here =
            |seq: u64| self.flying.contains_key(&seq) || self.ready.iter().any(|claimed| claimed.seq == seq);
        self.order.not_held().filter(|seq| !is_here(*seq)).collect()
    }

    /// Gives what was claimed and not sent back to the outbox, where people can see and steer it.
    pub(super) fn give_back(&mut self, id: LaneId, actions: &mut Vec<Action>) {
        if !self.ready.is_empty() || self.order.held() > 0 {
            if self.claiming != Claiming::No {
                self.claiming = Claiming::GoesBack;
            }
            self.available();
            let mut deliveries: Vec<Claimed> = std::mem::take(&mut self.ready).into();
            for claimed in &deliveries {
                self.order.forget(claimed.seq);
            }
            deliveries.extend(self.order.give_back());
            actions.push(Action::Release { lane: id, deliveries });
        }
    }

    /// When this lane has something to do without further input.
    pub(super) fn wake_at(&mut self, now: Millis, draining: bool) -> Option<Millis> {
        let lease = self.next_lease().map(|(until, ..)| until);
        if draining || self.block.is_some() {
            return lease;
        }
        let waits = !self.ready.is_empty() || self.more || self.next_due.is_some();
        let breaker = match self.breaker.permit(now) {
            Permit::Wait(Some(until)) => return earliest([lease, waits.then_some(until)]),
            Permit::Wait(None) => return lease,
            Permit::Send | Permit::Probe => None,
        };
        let full = self.flying.len() >= self.policy.in_flight_max;
        let rate = (!self.ready.is_empty() && !full).then(|| self.rate_ready_at()).filter(|at| *at > now);
        let due = self.next_due.filter(|due| *due > now);
        earliest([lease, breaker, rate.or(due).and(earliest([rate, due]))])
    }
}

fn earliest<const N: usize>(instants: [Option<Millis>; N]) -> Option<Millis> {
    instants.into_iter().flatten().min()
}
