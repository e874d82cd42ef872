//! Rates and drains over simulated time: what is set holds within a tenth, and herds are spread.

use std::time::Duration;

use super::*;
use crate::domain::breaker::BreakerPolicy;
use crate::domain::retry::RetryPolicy;

const T0: Millis = Millis(1_000_000);

fn policy() -> LanePolicy {
    LanePolicy {
        in_flight_max: 64,
        rate_per_second: None,
        lease: Duration::from_secs(30),
        retry: RetryPolicy {
            first: Duration::from_secs(5),
            factor: 2.0,
            max: Duration::from_secs(3_600),
            max_attempts: 20,
            max_age: Duration::from_secs(86_400),
        },
        breaker: BreakerPolicy {
            failures: 5,
            cooldown: Duration::from_secs(10),
            cooldown_max: Duration::from_secs(10),
            drain_per_second: 20,
        },
    }
}

/// Lanes with a backlog of their own each, and receivers that answer at once.
struct Yard {
    scheduler: Scheduler,
    backlog: Vec<u64>,
    is_up: Vec<bool>,
    next_seq: u64,
    now: Millis,
    /// When each delivery of a lane arrived.
    arrived: Vec<Vec<Millis>>,
}

impl Yard {
    fn new(policies: &[LanePolicy]) -> Self {
        let mut yard = Self {
            scheduler: Scheduler::new(1_000),
            backlog: vec![0; policies.len()],
            is_up: vec![true; policies.len()],
            next_seq: 0,
            now: T0,
            arrived: vec![Vec::new(); policies.len()],
        };
        for (lane, policy) in (0..).zip(policies) {
            yard.feed(Input::Policy(lane, Box::new(policy.clone())));
        }
        yard
    }

    fn add(&mut self, lane: LaneId, count: u64) {
        self.backlog[usize::from(lane)] += count;
        self.feed(Input::Available(lane));
    }

    fn feed(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut actions = Vec::new();
            self.scheduler.on(input, self.now, &mut actions);
            for action in actions {
                match action {
                    Action::Claim { lane, limit } => inputs.push_back(self.claim(lane, limit)),
                    Action::Send { lane, seq, attempt, .. } => {
                        let is_up = self.is_up[usize::from(lane)];
                        let outcome = if is_up {
                            self.arrived[usize::from(lane)].push(self.now);
                            Outcome::Delivered
                        } else {
                            // It never comes back here: what is counted is what goes out.
                            self.backlog[usize::from(lane)] += 1;
                            Outcome::Retry { reason: Reason::Connect, retry_after: None }
                        };
                        let finished =
                            Finished { lane, seq, attempt, outcome, accepted_at: T0, entropy: seq };
                        inputs.push_back(Input::Finished(finished));
                    }
                    _ => {}
                }
            }
        }
    }

    fn claim(&mut self, lane: LaneId, limit: usize) -> Input {
        let backlog = &mut self.backlog[usize::from(lane)];
        let count = (*backlog).min(limit as u64);
        *backlog -= count;
        let deliveries = (self.next_seq..self.next_seq + count)
            .map(|seq| Claimed { seq, progress: Progress::default() })
            .collect();
        self.next_seq += count;
        let next_seq = self.next_seq + *backlog;
        Input::Claimed(lane, Claims { deliveries, next_due: None, more: *backlog > 0, next_seq })
    }

    /// Lets `span` pass, asked whenever it wants to be.
    fn pass(&mut self, span: Duration) {
        let until = self.now.plus(span);
        while let Some(at) = self.scheduler.next_wakeup().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.feed(Input::Tick { entropy: 7 });
        }
        self.now = until;
    }

    /// Arrivals of each whole second from `from` on.
    fn by_second(&self, lane: LaneId, from: Millis, seconds: u64) -> Vec<usize> {
        let second = |n: u64| from.0 + n * 1_000..from.0 + (n + 1) * 1_000;
        let arrived = &self.arrived[usize::from(lane)];
        (0..seconds).map(|n| arrived.iter().filter(|at| second(n).contains(&at.0)).count()).collect()
    }
}

fn within_a_tenth(found: usize, wanted: usize) {
    assert!(found.abs_diff(wanted) * 10 <= wanted, "{found} and not {wanted} within a tenth");
}

#[test]
fn a_rate_cap_holds_within_a_tenth() {
    for rate in [1, 7, 50, 333, 1_000] {
        let mut yard = Yard::new(&[LanePolicy { rate_per_second: Some(rate), ..policy() }]);
        yard.add(0, 100_000);
        yard.pass(Duration::from_secs(60));
        within_a_tenth(yard.arrived[0].len(), 60 * rate as usize);
        let most = yard.by_second(0, T0, 60).into_iter().max().unwrap();
        assert!(most <= rate as usize + (rate as usize / 10).max(1), "{most} in a second at {rate}");
    }
}

#[test]
fn a_dead_receiver_parks_and_its_return_drains_at_the_set_rate() {
    for rate in [5, 20, 100] {
        let breaker = BreakerPolicy { drain_per_second: rate, ..policy().breaker };
        let mut yard = Yard::new(&[LanePolicy { breaker, ..policy() }]);
        yard.is_up[0] = false;
        yard.add(0, 40 * u64::from(rate));
        yard.pass(Duration::from_mins(10));
        assert!(yard.arrived[0].is_empty());
        assert!(!matches!(yard.scheduler.breaker(0), Some(breaker::State::Closed)), "it is parked");
        yard.is_up[0] = true;
        let probe = Duration::from_secs(10);
        yard.pass(probe);
        let closed_at = *yard.arrived[0].first().expect("a probe has arrived");
        yard.pass(Duration::from_secs(60));
        let drained = yard.by_second(0, closed_at, 30);
        within_a_tenth(drained.iter().sum(), 30 * rate as usize);
        assert_eq!(yard.arrived[0].len() as u64, 40 * u64::from(rate), "all of it, in the end");
        assert!(!yard.scheduler.drains(0), "and then it is held back no more");
    }
}

#[test]
fn ten_thousand_failures_of_one_instant_come_back_spread() {
    let policy = policy().retry;
    let mut entropy = 1_u64;
    let mut by_tenth = vec![0_usize; 50];
    for _ in 0..10_000 {
        entropy = scatter(entropy);
        let due = policy.due(1, None, T0, entropy);
        let tenth = due.since(T0).as_millis() / 100;
        by_tenth[usize::try_from(tenth).unwrap().min(49)] += 1;
    }
    // From half of the wait to all of it, 2.5 s: 400 in each tenth of a second.
    assert_eq!(by_tenth[..25].iter().sum::<usize>(), 0);
    assert!(by_tenth[25..].iter().all(|count| (300..=500).contains(count)), "{by_tenth:?}");
}

#[test]
fn ten_thousand_due_in_one_second_go_at_the_cap_and_hold_nobody_else() {
    let capped = LanePolicy { rate_per_second: Some(500), ..policy() };
    let mut yard = Yard::new(&[capped, policy()]);
    yard.add(0, 10_000);
    for _ in 0..200 {
        yard.add(1, 1);
        let asked = yard.now;
        yard.pass(Duration::from_millis(100));
        assert_eq!(yard.arrived[1].last(), Some(&asked), "at once, whatever the other has to do");
    }
    let seconds = yard.by_second(0, T0, 20);
    assert!(seconds.iter().all(|count| (450..=550).contains(count)), "{seconds:?}");
}

#[test]
fn as_many_as_may_be_held_still_let_their_first_one_come_back() {
    let mut scheduler = Scheduler::new(10);
    let (mut now, mut fresh, mut due, mut sent) = (T0, 0..20_000_u64, None::<Millis>, Vec::new());
    let mut inputs = VecDeque::from([
        Input::Policy(0, Box::new(policy())),
        Input::Available(0),
        Input::Tick { entropy: 1 },
    ]);
    while sent.len() < 3 {
        while let Some(input) = inputs.pop_front() {
            let mut actions = Vec::new();
            scheduler.on(input, now, &mut actions);
            for action in actions {
                match action {
                    Action::Claim { lane, limit } => {
                        let back = due.take_if(|at| limit > 0 && *at <= now).map(|_| 0);
                        let rest = limit - usize::from(back.is_some());
                        let seqs: Vec<u64> = back.into_iter().chain(fresh.by_ref().take(rest)).collect();
                        inputs.push_back(Input::Keys(lane, seqs.iter().map(|seq| (*seq, 7)).collect()));
                        let progress = Progress::default();
                        let deliveries = seqs.into_iter().map(|seq| Claimed { seq, progress }).collect();
                        let claims =
                            Claims { deliveries, next_due: due, more: !fresh.is_empty(), next_seq: 20_000 };
                        inputs.push_back(Input::Claimed(lane, claims));
                    }
                    Action::Send { lane, seq, attempt, .. } => {
                        sent.push(seq);
                        let failed = Outcome::Retry { reason: Reason::Status, retry_after: None };
                        let outcome = if sent.len() == 1 { failed } else { Outcome::Delivered };
                        let finished = Finished { lane, seq, attempt, outcome, accepted_at: T0, entropy: 0 };
                        inputs.push_back(Input::Finished(finished));
                    }
                    Action::Settle { next: Next::Retry { due: at }, .. } => due = Some(at),
                    _ => {}
                }
            }
        }
        assert!(scheduler.window(0).1 <= order::HELD_MAX + 2 * policy().in_flight_max);
        if sent.len() == 1 {
            now = scheduler.next_wakeup().expect("it waits for the retry").max(now);
        }
        inputs.push_back(Input::Tick { entropy: 1 });
    }
    assert_eq!(sent[..3], [0, 0, 1]);
}
