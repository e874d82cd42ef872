//! What one seed draws before it starts: receivers, policies, load, and which faults there are at all
//! (A. Groce et al., "Swarm testing", 2012: a run without some faults reaches what a run with all
//! of them cannot).

use std::time::Duration;

use camino_broker::domain::breaker::BreakerPolicy;
use camino_broker::domain::retry::RetryPolicy;
use camino_broker::domain::scheduler::LanePolicy;

use crate::receivers::Mood;
use crate::rng::Rng;

/// A fault, or what a person does in the middle of it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies at the next point of this kind.
    Crash(CrashPoint),
    /// The process stops in order.
    Drain,
    /// An endpoint is paused, and resumed later.
    Pause,
    /// An endpoint is disabled, and enabled later.
    Disable,
    /// A receiver's policy changes.
    Policy,
    /// The wall clock jumps.
    ClockJump,
    /// A person cancels a delivery.
    Cancel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
    Now,
    BeforeSend,
    AfterSend,
    BeforeSettle,
    AfterSettle,
    CommitLost,
    CommitDurable,
}

impl CrashPoint {
    pub const ALL: [Self; 7] = [
        Self::Now,
        Self::BeforeSend,
        Self::AfterSend,
        Self::BeforeSettle,
        Self::AfterSettle,
        Self::CommitLost,
        Self::CommitDurable,
    ];
}

/// One seed's plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long faults go on, in milliseconds.
    pub horizon_ms: u64,
    pub receivers: usize,
    /// Which receivers each source's events go to.
    pub routes: Vec<Vec<usize>>,
    pub in_flight_max: usize,
    pub policies: Vec<LanePolicy>,
    /// Events to come.
    pub events: u64,
    /// The moods each receiver may be in; the first receiver of a calm seed is always healthy.
    pub moods: Vec<Vec<Mood>>,
    /// How long a mood lasts at most.
    pub mood_ms_max: u64,
    pub faults: Vec<(u64, Fault)>,
    /// Percent of commits that take long, of answers to a claim that come late, and of results that
    /// come twice.
    pub slow_commits: u64,
    pub late_claims: u64,
    pub repeats: u64,
    /// The receivers whose events of one key go one by one, in order.
    pub ordered: Vec<bool>,
    /// Whether receiver 0 is healthy, uncapped and never steered, and so must be served in its turn.
    pub canary: bool,
}

impl Plan {
    pub fn draw(rng: &mut Rng) -> Self {
        let receivers = rng.place(4) + 2;
        let canary = rng.percent(50);
        let horizon_ms = rng.between(20 * 60_000, 6 * 3_600_000);
        let mut policies: Vec<LanePolicy> = (0..receivers).map(|_| policy(rng)).collect();
        let mut moods: Vec<Vec<Mood>> = (0..receivers).map(|_| moods(rng)).collect();
        if canary {
            policies[0].rate_per_second = None;
            moods[0] = vec![Mood::Healthy];
        }
        let routes = (0..=rng.place(3))
            .map(|_| (0..receivers).filter(|_| rng.percent(70)).collect())
            .chain([(0..receivers).collect()])
            .collect();
        Self {
            horizon_ms,
            receivers,
            routes,
            in_flight_max: rng.place(10) + 1,
            policies,
            events: rng.between(20, 90),
            moods,
            mood_ms_max: rng.pick(&[60_000, 20 * 60_000, 3 * 3_600_000]),
            faults: faults(horizon_ms, rng),
            slow_commits: rng.pick(&[0, 0, 20, 60]),
            late_claims: rng.pick(&[0, 0, 20, 100]),
            repeats: rng.pick(&[0, 10, 50]),
            ordered: (0..receivers).map(|at| rng.percent(40) && !(canary && at == 0)).collect(),
            canary,
        }
    }
}

/// Some receivers are always healthy, some show two moods, some all.
fn moods(rng: &mut Rng) -> Vec<Mood> {
    match rng.place(4) {
        0 => vec![Mood::Healthy],
        1 => vec![Mood::Healthy, rng.pick(&Mood::ALL)],
        2 => vec![rng.pick(&Mood::ALL), rng.pick(&Mood::ALL)],
        _ => Mood::ALL.to_vec(),
    }
}

fn faults(horizon_ms: u64, rng: &mut Rng) -> Vec<(u64, Fault)> {
    let mut faults = Vec::new();
    let point = rng.pick(&CrashPoint::ALL);
    for fault in [
        Fault::Crash(point),
        Fault::Crash(rng.pick(&CrashPoint::ALL)),
        Fault::Drain,
        Fault::Pause,
        Fault::Disable,
        Fault::Policy,
        Fault::ClockJump,
        Fault::Cancel,
    ] {
        let times = rng.pick(&[0, 0, 1, 2, 6]);
        faults.extend((0..times).map(|_| (rng.between(0, horizon_ms), fault)));
    }
    faults
}

/// A policy on the scale of minutes, so that a run of hours meets its ends.
pub fn policy(rng: &mut Rng) -> LanePolicy {
    LanePolicy {
        in_flight_max: rng.place(4) + 1,
        rate_per_second: rng.pick(&[None, None, Some(1), Some(20)]),
        lease: rng.millis(16_000, 30_000),
        retry: RetryPolicy {
            first: rng.millis(500, 5_000),
            factor: 2.0,
            max: rng.millis(10_000, 30 * 60_000),
            max_attempts: rng.pick(&[1, 2, 4, 8, 16]),
            max_age: rng.pick(&[Duration::from_secs(600), Duration::from_secs(86_400)]),
        },
        breaker: BreakerPolicy {
            failures: rng.pick(&[1, 3, 10]),
            cooldown: rng.millis(1_000, 30_000),
            cooldown_max: rng.millis(1_000, 300_000),
            drain_per_second: rng.pick(&[1, 10, 100]),
        },
    }
}
