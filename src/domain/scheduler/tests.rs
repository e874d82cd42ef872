//! The scheduler by example; `tests/sim` drives it by seed.

use std::time::Duration;

use super::*;
use crate::domain::breaker::{BreakerPolicy, State};
use crate::domain::retry::RetryPolicy;

const T0: Millis = Millis(1_000_000);
const TICK: Input = Input::Tick { entropy: 7 };

fn policy() -> LanePolicy {
    LanePolicy {
        in_flight_max: 2,
        rate_per_second: None,
        lease: Duration::from_secs(20),
        retry: RetryPolicy {
            first: Duration::from_secs(5),
            factor: 2.0,
            max: Duration::from_secs(60),
            max_attempts: 5,
            max_age: Duration::from_secs(3600),
        },
        breaker: BreakerPolicy {
            failures: 3,
            cooldown: Duration::from_secs(30),
            cooldown_max: Duration::from_secs(60),
            drain_per_second: 10,
        },
    }
}

/// A scheduler over lanes with an endless backlog, claims answered at once.
struct Bench {
    scheduler: Scheduler,
    next_seq: u64,
    /// How many were accepted and not yet claimed; the rest of what is claimed comes in later.
    backlog: u64,
    endless: bool,
    log: Vec<Action>,
}

impl Bench {
    fn new(lanes: u16, in_flight_max: usize) -> Self {
        let mut bench = Self {
            scheduler: Scheduler::new(in_flight_max),
            next_seq: 0,
            backlog: 0,
            endless: true,
            log: Vec::new(),
        };
        for lane in 0..lanes {
            bench.on(Input::Policy(lane, Box::new(policy())), T0);
        }
        bench
    }

    /// Feeds an input, answers claims, and returns what was sent.
    fn on(&mut self, input: Input, now: Millis) -> Vec<(LaneId, u64, u16, bool)> {
        let mut inputs = VecDeque::from([input]);
        let mut sent = Vec::new();
        while let Some(input) = inputs.pop_front() {
            let mut actions = Vec::new();
            self.scheduler.on(input, now, &mut actions);
            for action in actions {
                match &action {
                    Action::Claim { lane, limit } => {
                        let count = if self.endless { *limit } else { 0 };
                        let deliveries = (0..count)
                            .map(|_| {
                                self.next_seq += 1;
                                Claimed { seq: self.next_seq, progress: Progress::default() }
                            })
                            .collect();
                        let next_seq = self.next_seq + self.backlog;
                        let claims = Claims { deliveries, next_due: None, more: self.endless, next_seq };
                        inputs.push_back(Input::Claimed(*lane, claims));
                    }
                    Action::Send { lane, seq, attempt, probe } => sent.push((*lane, *seq, *attempt, *probe)),
                    _ => {}
                }
                self.log.push(action);
            }
        }
        sent
    }

    fn finish(
        &mut self,
        lane: LaneId,
        seq: u64,
        attempt: u16,
        outcome: Outcome,
        now: Millis,
    ) -> Vec<(LaneId, u64, u16, bool)> {
        self.on(Input::Finished(Finished { lane, seq, attempt, outcome, accepted_at: T0, entropy: 0 }), now)
    }
}

fn failed() -> Outcome {
    Outcome::Retry { reason: Reason::Status, retry_after: None }
}

#[test]
fn lanes_take_turns_and_the_caps_hold() {
    let mut bench = Bench::new(3, 5);
    let sent = bench.on(TICK, T0);
    let lanes: Vec<LaneId> = sent.iter().map(|sent| sent.0).collect();
    assert_eq!(bench.scheduler.in_flight(), 5, "the cap of all lanes");
    assert!((0..3).all(|lane| lanes.iter().filter(|l| **l == lane).count() <= 2), "the cap of each lane");
    let (lane, seq, attempt, _) = sent[0];
    let next = bench.finish(lane, seq, attempt, Outcome::Delivered, T0);
    assert_eq!(next.len(), 1);
    assert_eq!(bench.scheduler.in_flight(), 5);
}

#[test]
fn a_late_result_of_an_attempt_given_up_is_ignored() {
    let mut bench = Bench::new(1, 10);
    let sent = bench.on(TICK, T0);
    bench.endless = false;
    let late = T0.plus(Duration::from_secs(20));
    bench.on(TICK, late);
    let settled = |bench: &Bench| bench.log.iter().filter(|a| matches!(a, Action::Settle { .. })).count();
    assert_eq!(settled(&bench), 2, "both leases ran out");
    bench.finish(0, sent[0].1, sent[0].2, Outcome::Delivered, late);
    assert_eq!(settled(&bench), 2);
    assert_eq!(bench.scheduler.stale_results(), 1);
}

#[test]
fn an_open_breaker_parks_the_backlog_probes_and_drains_at_its_rate() {
    let mut bench = Bench::new(1, 10);
    let mut flying: VecDeque<_> = bench.on(TICK, T0).into();
    let mut failures = 0;
    while let Some((lane, seq, attempt, _)) = flying.pop_front() {
        failures += 1;
        flying.extend(bench.finish(lane, seq, attempt, failed(), T0));
    }
    assert_eq!(failures, 4, "3 open it, 1 was under way");
    assert!(matches!(bench.scheduler.breaker(0), Some(State::Open { .. })));
    let until = T0.plus(Duration::from_secs(30));
    assert_eq!(bench.scheduler.next_wakeup(), Some(until));
    let probe = bench.on(TICK, until);
    assert_eq!(probe.len(), 1);
    assert!(probe[0].3, "it is marked as a probe");
    assert!(bench.finish(0, probe[0].1, probe[0].2, failed(), until).is_empty());
    let again = until.plus(Duration::from_secs(60));
    let probe = bench.on(TICK, again);
    let resumed = bench.finish(0, probe[0].1, probe[0].2, Outcome::Delivered, again);
    assert_eq!(resumed.len(), 1, "the drain rate of 10/s lets one go");
    assert_eq!(bench.scheduler.next_wakeup(), Some(again.plus(Duration::from_millis(100))));
}

/// Opens lane 0's breaker and closes it by a probe; gives the instant and what is under way then.
fn closed_again(bench: &mut Bench) -> (Millis, VecDeque<(LaneId, u64, u16, bool)>) {
    let mut flying: VecDeque<_> = bench.on(TICK, T0).into();
    while let Some((lane, seq, attempt, _)) = flying.pop_front() {
        flying.extend(bench.finish(lane, seq, attempt, failed(), T0));
    }
    let at = T0.plus(Duration::from_secs(30));
    let probe = bench.on(TICK, at);
    let resumed = bench.finish(0, probe[0].1, probe[0].2, Outcome::Delivered, at);
    (at, resumed.into())
}

#[test]
fn the_drain_ends_with_its_backlog_even_if_more_comes_in_than_it_lets_go() {
    let mut bench = Bench::new(1, 10);
    bench.backlog = 20;
    let (mut at, mut flying) = closed_again(&mut bench);
    let started = at;
    bench.backlog = 1_000_000;
    let mut sent = 0;
    while bench.scheduler.drains(0) {
        let (lane, seq, attempt, _) = flying.pop_front().expect("the drain goes on");
        flying.extend(bench.finish(lane, seq, attempt, Outcome::Delivered, at));
        sent += 1;
        assert!(sent < 100, "the cap outlasts its backlog");
        at = bench.scheduler.next_wakeup().expect("the cap holds the next one back").max(at);
        flying.extend(bench.on(TICK, at));
    }
    assert!(sent >= 20 && at.since(started) >= Duration::from_secs(2), "{sent} by {at}, at ten a second");
    for _ in 0..100 {
        let (lane, seq, attempt, _) = flying.pop_front().expect("nothing is held back any more");
        flying.extend(bench.finish(lane, seq, attempt, Outcome::Delivered, at));
    }
    assert!(!bench.scheduler.drains(0));
}

#[test]
fn a_drain_with_nothing_left_to_send_ends() {
    let mut bench = Bench::new(1, 10);
    let (at, flying) = closed_again(&mut bench);
    assert_eq!(flying.len(), 1);
    bench.endless = false;
    let mut at = at;
    while bench.scheduler.window(0).1 > 0 {
        assert!(bench.scheduler.drains(0));
        at = at.plus(Duration::from_millis(100));
        for (lane, seq, attempt, _) in bench.on(TICK, at) {
            bench.finish(lane, seq, attempt, Outcome::Delivered, at);
        }
    }
    assert!(!bench.scheduler.drains(0), "the last one lifts it");
}

#[test]
fn gone_disables_and_gives_the_window_back() {
    let mut bench = Bench::new(1, 10);
    let sent = bench.on(TICK, T0);
    let more = bench.finish(0, sent[0].1, 1, Outcome::Gone, T0);
    assert!(more.is_empty());
    assert!(bench.log.contains(&Action::Disable { lane: 0 }));
    assert!(bench.log.iter().any(|action| matches!(action, Action::Release { .. })));
    bench.finish(0, sent[1].1, 1, Outcome::Delivered, T0);
    assert!(!bench.on(Input::Block(0, None), T0).is_empty(), "enabling it resumes");
}

#[test]
fn a_drain_sends_nothing_more() {
    let mut bench = Bench::new(1, 10);
    let sent = bench.on(TICK, T0);
    bench.on(Input::Drain, T0);
    assert!(bench.finish(0, sent[0].1, 1, Outcome::Delivered, T0).is_empty());
    assert!(bench.finish(0, sent[1].1, 1, Outcome::Delivered, T0).is_empty());
    assert_eq!(bench.scheduler.in_flight(), 0);
}

#[test]
fn a_paused_receiver_gets_nothing_when_the_process_starts() {
    let mut bench = Bench::new(1, 10);
    assert!(bench.on(Input::Restored(0, Parked::default()), T0).is_empty());
    assert!(bench.on(Input::Block(0, Some(Block::Paused)), T0).is_empty());
    assert!(bench.on(TICK, T0).is_empty());
    assert!(!bench.on(Input::Block(0, None), T0).is_empty());
}

#[test]
fn what_comes_while_a_claim_is_under_way_is_claimed_next() {
    let mut scheduler = Scheduler::new(10);
    let mut actions = Vec::new();
    let mut claims = |input| {
        actions.clear();
        scheduler.on(input, T0, &mut actions);
        actions.iter().filter(|action| matches!(action, Action::Claim { .. })).count()
    };
    let nothing = || Input::Claimed(0, Claims::default());
    assert_eq!(claims(Input::Policy(0, Box::new(policy()))), 0);
    assert_eq!(claims(TICK), 1);
    assert_eq!(claims(Input::Available(0)), 0, "one claim at a time");
    assert_eq!(claims(nothing()), 1, "the answer may be older than the news");
    assert_eq!(claims(nothing()), 0);
}

#[test]
fn what_is_lost_together_does_not_come_back_together() {
    let mut bench = Bench::new(1, 10);
    assert_eq!(bench.on(TICK, T0).len(), 2);
    bench.endless = false;
    bench.on(TICK, T0.plus(Duration::from_secs(20)));
    let dues: Vec<Millis> = bench
        .log
        .iter()
        .filter_map(|action| match action {
            Action::Settle { next: Next::Retry { due }, .. } => Some(*due),
            _ => None,
        })
        .collect();
    assert_eq!(dues.len(), 2);
    assert_ne!(dues[0], dues[1]);
}

#[test]
fn what_could_not_be_sent_is_not_held_against_the_receiver() {
    let mut bench = Bench::new(1, 10);
    let mut flying: VecDeque<_> = bench.on(TICK, T0).into();
    for _ in 0..20 {
        let (lane, seq, attempt, _) = flying.pop_front().expect("the lane goes on");
        flying.extend(bench.finish(lane, seq, attempt, Outcome::Unsent, T0));
    }
    assert_eq!(bench.scheduler.breaker(0), Some(State::Closed));
    let charged = |action: &Action| matches!(action, Action::Settle { progress, .. } if progress.charged > 0);
    assert!(!bench.log.iter().any(charged));
}

#[test]
fn a_probe_that_could_not_be_sent_is_repeated_after_the_same_wait() {
    let mut bench = Bench::new(1, 10);
    let mut flying: VecDeque<_> = bench.on(TICK, T0).into();
    while let Some((lane, seq, attempt, _)) = flying.pop_front() {
        flying.extend(bench.finish(lane, seq, attempt, failed(), T0));
    }
    let mut at = T0;
    for _ in 0..3 {
        at = at.plus(Duration::from_secs(30));
        let probe = bench.on(TICK, at);
        assert_eq!(probe.len(), 1);
        bench.finish(0, probe[0].1, probe[0].2, Outcome::Unsent, at);
    }
    assert_eq!(bench.scheduler.breaker(0), Some(State::Open { until: at.plus(Duration::from_secs(30)) }));
}

#[test]
fn an_answer_that_comes_after_a_pause_goes_back_with_what_stood_before_it() {
    let mut scheduler = Scheduler::new(10);
    let mut feed = |input| {
        let mut actions = Vec::new();
        scheduler.on(input, T0, &mut actions);
        actions
    };
    let claims = |seqs: &[u64]| {
        let claimed = |seq: &u64| Claimed { seq: *seq, progress: Progress::default() };
        let deliveries = seqs.iter().map(claimed).collect();
        Input::Claimed(0, Claims { deliveries, next_due: None, more: true, next_seq: 9 })
    };
    let keys = |seqs: &[u64]| Input::Keys(0, seqs.iter().map(|seq| (*seq, 7)).collect());
    feed(Input::Policy(0, Box::new(policy())));
    feed(TICK);
    feed(keys(&[1, 2]));
    let actions = feed(claims(&[1, 2]));
    assert!(matches!(actions[..], [Action::Claim { .. }, Action::Send { seq: 1, .. }]), "{actions:?}");
    // The outbox has given 3 and 4, and their keys are being read.
    let paused = feed(Input::Block(0, Some(Block::Paused)));
    assert!(matches!(&paused[..], [Action::Release { deliveries, .. }, ..] if deliveries.len() == 1));
    feed(Input::Block(0, None));
    let done =
        Finished { lane: 0, seq: 1, attempt: 1, outcome: Outcome::Delivered, accepted_at: T0, entropy: 0 };
    feed(Input::Finished(done));
    feed(keys(&[3, 4]));
    let late = feed(claims(&[3, 4]));
    assert!(
        matches!(&late[..], [Action::Release { deliveries, .. }, Action::Claim { .. }] if deliveries.len() == 2),
        "neither overtakes 2: {late:?}"
    );
    feed(keys(&[2, 3]));
    let sent = feed(claims(&[2, 3]));
    assert!(sent.iter().any(|action| matches!(action, Action::Send { seq: 2, .. })), "{sent:?}");
}
