//! The fake dispatcher: carries inputs to the real scheduler and its actions to the store and the
//! network, and judges every one of them.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use camino_broker::domain::breaker::State;
use camino_broker::domain::delivery::{Next, Progress};
use camino_broker::domain::invariant::{self, Fate};
use camino_broker::domain::outcome::{Outcome, Reason};
use camino_broker::domain::scheduler::{self, Action, Block, Claimed, Finished, Input, LaneId};
use camino_broker::store::outbox::index::Claims;
use camino_broker::store::outbox::record::{AttemptNote, Change, Move};

use crate::plant::Plant;
use crate::receivers;
use crate::swarm::CrashPoint;
use crate::world::{Breakers, Event, Flight, Reply, World};

/// A result that has come back.
#[derive(Clone, Copy, Debug)]
struct Answered {
    lane: LaneId,
    seq: u64,
    attempt: u16,
    outcome: Outcome,
}

/// By which an ordered receiver's deliveries are ordered.
fn key(seq: u64) -> u64 {
    seq % 3
}

fn told(lane: LaneId, seq: u64) -> impl Fn(invariant::Error) -> String {
    move |error| format!("delivery {seq} of lane {lane}: {error}")
}

impl World {
    /// Gives the scheduler an input and does what it says, until it says nothing more.
    pub fn feed(&mut self, input: Input) -> Result<(), String> {
        self.feed_result(input, None)
    }

    /// As [`feed`](Self::feed); `answered` is the delivery and attempt whose result the input is.
    fn feed_result(&mut self, input: Input, answered: Option<Answered>) -> Result<(), String> {
        let (life, mut answered) = (self.life, answered);
        if !self.up() {
            return Ok(());
        }
        let mut inbox = VecDeque::from([input]);
        while let Some(input) = inbox.pop_front() {
            self.note(|_| format!("  > {input:?}"));
            let mut actions = Vec::new();
            self.scheduler.on(input, self.moment().schedule, &mut actions);
            for action in actions {
                self.note(|_| format!("  < {action:?}"));
                self.act(action, answered, &mut inbox)?;
                if self.life != life {
                    return Ok(());
                }
            }
            answered = None;
            self.observe()?;
        }
        Ok(())
    }

    fn act(
        &mut self,
        action: Action,
        answered: Option<Answered>,
        inbox: &mut VecDeque<Input>,
    ) -> Result<(), String> {
        match action {
            Action::Claim { lane, limit } => self.claim(lane, limit, inbox),
            Action::Send { lane, seq, attempt, probe } => self.send(lane, seq, attempt, probe)?,
            Action::Settle { lane, seq, progress, next } => {
                self.settle(lane, seq, progress, next, answered)?;
            }
            Action::Release { lane, deliveries } => self.release(lane, &deliveries),
            Action::Breaker { lane, state } => {
                let breakers = self
                    .breakers
                    .entry(lane)
                    .or_insert(Breakers { before: State::Closed, now: State::Closed });
                *breakers = Breakers { before: breakers.now, now: state };
            }
            Action::Disable { lane } => {
                let receiver = self.store.receiver(lane);
                let before = self.blocks[receiver].replace(Block::Disabled);
                if before.is_some() {
                    return Ok(());
                }
                // A person sees to it, sooner or later.
                let wait =
                    if self.calm { Duration::from_secs(1) } else { self.rng.millis(60_000, 3_600_000) };
                self.after(wait, Event::Unblock(receiver));
            }
            Action::Parked { lane, parked } => {
                let moment = self.moment();
                self.store.park(lane, parked.by(|at| moment.to_wall(at)));
            }
        }
        Ok(())
    }

    fn claim(&mut self, lane: LaneId, limit: usize, inbox: &mut VecDeque<Input>) {
        let moment = self.moment();
        let is_ordered = self.plan.ordered[self.store.receiver(lane)];
        let mut keyed = Vec::new();
        if is_ordered && self.primed.insert(lane) && self.plant != Plant::Unprimed {
            keyed = self.store.index.tried(lane);
        }
        let Claims { deliveries, next_due, more } = self.store.index.claim(lane, limit, moment.wall);
        let next_due = next_due.map(|due| moment.to_schedule(due));
        let claims = scheduler::Claims { deliveries, next_due, more, next_seq: self.store.index.next_seq() };
        if self.plant == Plant::ClaimedTwice && self.rng.percent(20) {
            self.store.index.release(lane, &claims.deliveries);
        }
        keyed.extend(claims.deliveries.iter().map(|claimed| claimed.seq));
        let hears = is_ordered && self.plant != Plant::Unordered;
        let keys: Vec<(u64, u64)> = keyed.into_iter().filter(|_| hears).map(|seq| (seq, key(seq))).collect();
        if self.rng.percent(self.plan.late_claims) {
            let late = self.rng.millis(1, 500);
            self.after(late, Event::Claims { life: self.life, lane, keys, claims });
        } else {
            inbox.push_back(Input::Keys(lane, keys));
            inbox.push_back(Input::Claimed(lane, claims));
        }
    }

    /// Takes out of the order what ended otherwise than by an attempt.
    pub fn withdraw_ended(&mut self, lane: LaneId) -> Result<(), String> {
        for seq in self.scheduler.awaited(lane) {
            if !self.store.index.is_open(lane, seq) {
                self.feed(Input::Withdrawn(lane, seq))?;
            }
        }
        Ok(())
    }

    /// Of an ordered receiver's deliveries of one key, none is sent before all earlier ones are over.
    fn nothing_is_overtaken(&self, lane: LaneId, seq: u64) -> Result<(), String> {
        let earlier = self.ledger.deliveries.range((lane, 0)..(lane, seq));
        let open = earlier.filter(|(name, entry)| entry.fate == Fate::Open && !self.ended.contains(name));
        match open.map(|((_, earlier), _)| *earlier).find(|earlier| key(*earlier) == key(seq)) {
            Some(earlier) => Err(format!("delivery {seq} of lane {lane} overtakes {earlier}")),
            None => Ok(()),
        }
    }

    fn send(&mut self, lane: LaneId, seq: u64, attempt: u16, probe: bool) -> Result<(), String> {
        if self.crash_if(CrashPoint::BeforeSend) {
            return Ok(());
        }
        let receiver = self.store.receiver(lane);
        let told = told(lane, seq);
        let breaker = self.breakers.get(&lane).copied();
        let state = breaker.map_or(State::Closed, |seen| if probe { seen.before } else { seen.now });
        invariant::may_send(self.blocks[receiver], state, probe, self.moment().schedule).map_err(&told)?;
        if self.draining() {
            return Err(format!("delivery {seq} of lane {lane} was sent in a drain"));
        }
        if self.plan.ordered[receiver] {
            self.nothing_is_overtaken(lane, seq)?;
        }
        let policy = self.policies[receiver].clone();
        let until = self.moment().schedule.plus(policy.lease);
        let before = self.live.insert((lane, seq), Flight { attempt, probe, until });
        invariant::only_one_live(before.map(|flight| flight.attempt), attempt).map_err(&told)?;
        let last = self.last_attempt.insert((lane, seq), attempt);
        invariant::numbers_rise(last, attempt).map_err(&told)?;
        let of_lane = self.live.range((lane, 0)..=(lane, u64::MAX)).count();
        invariant::within_cap(of_lane, policy.in_flight_max).map_err(&told)?;
        invariant::within_cap(self.live.len(), self.plan.in_flight_max).map_err(&told)?;
        self.stats.sends += 1;
        self.stats.probes += u64::from(probe);
        self.passed_over = if receiver == 0 { 0 } else { self.passed_over + 1 };
        let life = self.life;
        let (mood, now) = (self.moods[receiver], self.now());
        for (late, outcome) in receivers::answers(mood, policy.lease, policy.retry.max, now, &mut self.rng) {
            let reply = Reply { life, lane, seq, attempt, outcome, probe };
            if self.rng.percent(self.plan.repeats) {
                let again = late + self.rng.millis(0, 60_000);
                self.after(again, Event::Reply(reply.clone()));
            }
            self.after(late, Event::Reply(reply));
        }
        self.crash_if(CrashPoint::AfterSend);
        Ok(())
    }

    /// A result has come back.
    pub fn reply(&mut self, reply: &Reply) -> Result<(), String> {
        let Reply { lane, seq, attempt, outcome, probe, .. } = *reply;
        let Some(entry) = self.ledger.deliveries.get(&(lane, seq)).copied() else {
            return Err(format!("delivery {seq} of lane {lane} was sent and is not known"));
        };
        let live = self.live.get(&(lane, seq)).map(|flight| flight.attempt);
        let mut taken = attempt;
        if live != Some(attempt) {
            self.stats.stale += 1;
            if self.plant == Plant::NoFence {
                let Some(live) = live else {
                    // Nobody waits for it, and it is settled all the same.
                    let progress = Progress { attempts: attempt, charged: attempt };
                    let change = Change::Dead(Reason::Rejected);
                    self.push_move(lane, seq, progress, change, Some((probe, None)));
                    return Ok(());
                };
                taken = live;
            }
        }
        let entropy = self.rng.u64();
        let accepted_at = self.moment().to_schedule(entry.accepted_at);
        let finished = Finished { lane, seq, attempt: taken, outcome, accepted_at, entropy };
        self.feed_result(Input::Finished(finished), Some(Answered { lane, seq, attempt, outcome }))
    }

    fn settle(
        &mut self,
        lane: LaneId,
        seq: u64,
        progress: Progress,
        next: Next,
        answered: Option<Answered>,
    ) -> Result<(), String> {
        if self.crash_if(CrashPoint::BeforeSettle) {
            return Ok(());
        }
        let told = told(lane, seq);
        let Some(flight) = self.live.remove(&(lane, seq)) else {
            return Err(format!("delivery {seq} of lane {lane} was settled, but was not under way"));
        };
        invariant::own_result(flight.attempt, progress.attempts).map_err(&told)?;
        match answered {
            Some(answered) if (answered.lane, answered.seq) == (lane, seq) => {
                invariant::own_result(answered.attempt, progress.attempts).map_err(&told)?;
            }
            _ if flight.until > self.moment().schedule => {
                return Err(format!("delivery {seq} of lane {lane} was given up before its lease was over"));
            }
            _ => {}
        }
        if matches!(next, Next::Delivered | Next::Dead(_)) {
            self.ended.insert((lane, seq));
        }
        let change = match next {
            Next::Delivered => Change::Delivered,
            Next::Retry { due } => Change::Retry { due: self.moment().to_wall(due) },
            Next::Dead(reason) => Change::Dead(reason),
            Next::Park => Change::Park,
        };
        let progress = match self.plant {
            Plant::AttemptUncounted => {
                Progress { attempts: progress.attempts - 1, charged: progress.charged.saturating_sub(1) }
            }
            Plant::ChargeUncounted => Progress { charged: 0, ..progress },
            _ => progress,
        };
        let unsent = answered.is_some_and(|answered| {
            (answered.lane, answered.seq, answered.outcome) == (lane, seq, Outcome::Unsent)
        });
        let reason = unsent.then_some(Reason::Unsent);
        self.push_move(lane, seq, progress, change, Some((flight.probe, reason)));
        self.crash_if(CrashPoint::AfterSettle);
        Ok(())
    }

    pub fn push_move(
        &mut self,
        lane: LaneId,
        seq: u64,
        progress: Progress,
        change: Change,
        attempt: Option<(bool, Option<Reason>)>,
    ) {
        let at = self.now();
        let note = attempt.map(|(probe, reason)| {
            Box::new(AttemptNote {
                started_at: at,
                duration_ms: 1,
                probe,
                status: None,
                reason,
                error: None,
                excerpt: None,
            })
        });
        self.store.settle(Move { seq, lane, at, progress, change, note });
    }

    fn release(&mut self, lane: LaneId, deliveries: &[Claimed]) {
        if self.plant != Plant::ReleaseForgotten {
            self.store.index.release(lane, deliveries);
        }
        self.announce([lane].into());
    }

    /// Tells the scheduler, in a moment, that there is something to claim.
    pub fn announce(&mut self, lanes: BTreeSet<LaneId>) {
        let soon = self.rng.millis(0, 5);
        self.after(soon, Event::Available { life: self.life, lanes });
    }

    pub fn available(&mut self, lanes: &BTreeSet<LaneId>) -> Result<(), String> {
        for lane in lanes {
            if self.known.insert(*lane) {
                self.introduce(*lane)?;
            }
            self.withdraw_ended(*lane)?;
            self.feed(Input::Available(*lane))?;
            if !self.up() {
                break;
            }
        }
        Ok(())
    }

    /// Whether a receiver is still held to the pace of its drain.
    pub fn drains(&self) -> bool {
        self.known.iter().any(|lane| self.scheduler.drains(*lane))
    }

    /// What the scheduler's own counters say must agree with what was seen of it.
    fn observe(&mut self) -> Result<(), String> {
        if self.scheduler.in_flight() != self.live.len() {
            return Err(format!("{} in flight, {} seen", self.scheduler.in_flight(), self.live.len()));
        }
        for lane in self.known.clone() {
            let receiver = self.store.receiver(lane);
            let (flying, ready) = self.scheduler.window(lane);
            let seen = self.live.range((lane, 0)..=(lane, u64::MAX)).count();
            if flying != seen || ready > self.window_max[receiver] {
                return Err(format!("lane {lane} has {flying} in flight, {seen} seen, {ready} ready"));
            }
            let could_send = ready > 0 && flying < self.policies[receiver].in_flight_max && !self.draining();
            if receiver == 0 && self.plan.canary {
                if !could_send {
                    self.passed_over = 0;
                }
                invariant::turns_are_fair(self.passed_over, self.plan.receivers)
                    .map_err(|error| format!("lane {lane}: {error}"))?;
            }
        }
        if !self.known.iter().any(|lane| self.store.receiver(*lane) == 0) {
            self.passed_over = 0;
        }
        Ok(())
    }
}
