//! The state machine of one delivery: what an attempt's outcome makes of it.
//!
//! ```text
//!            +--------- retry (due later) <---+
//!            v                                |
//! accepted -> pending --attempt--> outcome ---+--> delivered
//!            |    ^                           +--> dead (rejected, blocked_address, exhausted, expired)
//!            |    |                           +--> pending, endpoint disabled (gone)
//!            |    +-- parked: pending while its endpoint is paused, disabled or its breaker open
//!            +--> cancelled (by a person)
//! ```
//!
//! A terminal delivery never reopens: retry and replay make a new one.

use super::outcome::{Outcome, Reason};
use super::retry::RetryPolicy;
use super::time::Millis;

/// How far a delivery that still waits has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Progress {
    /// Attempts made, probes included: what `X-Camino-Attempt` counts.
    pub attempts: u16,
    /// Attempts that count against the policy's budget: a breaker's probes, those answered 410 and those
    /// that could not be made don't.
    pub charged: u16,
}

/// One attempt that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// What came of it.
    pub outcome: &'a Outcome,
    /// Whether it was a breaker's probe.
    pub probe: bool,
    /// How old the delivery is, the time it was parked not counted.
    pub age: std::time::Duration,
    /// Now.
    pub now: Millis,
    /// For the jitter.
    pub entropy: u64,
}

/// What becomes of the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It arrived. Terminal.
    Delivered,
    /// It waits until `due`.
    Retry {
        /// When it may be tried again.
        due: Millis,
    },
    /// It failed for good. Terminal.
    Dead(Reason),
    /// The receiver is gone: the endpoint is to be disabled, the delivery waits until it is enabled.
    Park,
}

/// The delivery after an attempt: its progress (this attempt counted) and what becomes of it.
pub fn after_attempt(progress: Progress, ended: Ended<'_>, policy: &RetryPolicy) -> (Progress, Next) {
    // A 410 parks the delivery whatever its budget; charged, it would come back with more than all spent.
    let charged = !ended.probe && !matches!(ended.outcome, Outcome::Gone | Outcome::Unsent);
    let progress = Progress {
        attempts: progress.attempts.saturating_add(1),
        charged: progress.charged.saturating_add(u16::from(charged)),
    };
    let next = match ended.outcome {
        Outcome::Delivered => Next::Delivered,
        Outcome::Rejected => Next::Dead(Reason::Rejected),
        Outcome::Blocked => Next::Dead(Reason::BlockedAddress),
        Outcome::Gone => Next::Park,
        // Our own trouble kills nothing, however long it lasts; it only waits longer each time.
        Outcome::Unsent => Next::Retry { due: policy.due(progress.attempts, None, ended.now, ended.entropy) },
        Outcome::Retry { .. } if progress.charged >= policy.max_attempts => Next::Dead(Reason::Exhausted),
        Outcome::Retry { .. } if ended.age >= policy.max_age => Next::Dead(Reason::Expired),
        Outcome::Retry { retry_after, .. } => {
            let failures = progress.charged.max(1);
            Next::Retry { due: policy.due(failures, *retry_after, ended.now, ended.entropy) }
        }
    };
    (progress, next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Millis = Millis(1_000_000);

    fn policy() -> RetryPolicy {
        RetryPolicy {
            first: Duration::from_secs(5),
            factor: 2.0,
            max: Duration::from_secs(60),
            max_attempts: 3,
            max_age: Duration::from_secs(3600),
        }
    }

    fn step(charged: u16, outcome: &Outcome, probe: bool, age_s: u64) -> (Progress, Next) {
        let ended = Ended { outcome, probe, age: Duration::from_secs(age_s), now: NOW, entropy: u64::MAX };
        after_attempt(Progress { attempts: charged, charged }, ended, &policy())
    }

    #[test]
    fn each_outcome_has_its_consequence() {
        let retry = Outcome::Retry { reason: Reason::Status, retry_after: None };
        assert_eq!(step(0, &Outcome::Delivered, false, 0).1, Next::Delivered);
        assert_eq!(step(0, &Outcome::Rejected, false, 0).1, Next::Dead(Reason::Rejected));
        assert_eq!(step(0, &Outcome::Blocked, false, 0).1, Next::Dead(Reason::BlockedAddress));
        assert_eq!(step(0, &Outcome::Gone, false, 0).1, Next::Park);
        assert_eq!(step(0, &retry, false, 0).1, Next::Retry { due: Millis(1_005_000) });
        assert_eq!(step(1, &retry, false, 0).1, Next::Retry { due: Millis(1_010_000) });
        assert_eq!(step(2, &retry, false, 0).1, Next::Dead(Reason::Exhausted));
        assert_eq!(step(0, &retry, false, 3600).1, Next::Dead(Reason::Expired));
    }

    #[test]
    fn a_probe_counts_as_an_attempt_but_not_against_the_budget() {
        let retry = Outcome::Retry { reason: Reason::Timeout, retry_after: None };
        let (progress, next) = step(2, &retry, true, 0);
        assert_eq!(progress, Progress { attempts: 3, charged: 2 });
        assert!(matches!(next, Next::Retry { .. }));
    }

    #[test]
    fn what_could_not_be_sent_spends_nothing_and_never_dies() {
        let mut progress = Progress { attempts: 2, charged: 2 };
        for attempts in 3..40 {
            let age = Duration::from_secs(1_000_000);
            let ended = Ended { outcome: &Outcome::Unsent, probe: false, age, now: NOW, entropy: 0 };
            let next;
            (progress, next) = after_attempt(progress, ended, &policy());
            assert_eq!(progress, Progress { attempts, charged: 2 });
            let Next::Retry { due } = next else { panic!("{next:?}") };
            assert!(due >= NOW.plus(Duration::from_secs(10)), "it backs off");
        }
    }

    #[test]
    fn a_410_spends_nothing_of_the_budget() {
        let mut progress = Progress { attempts: 2, charged: 2 };
        for attempts in 3..10 {
            let ended =
                Ended { outcome: &Outcome::Gone, probe: false, age: Duration::ZERO, now: NOW, entropy: 0 };
            let next;
            (progress, next) = after_attempt(progress, ended, &policy());
            assert_eq!((progress, next), (Progress { attempts, charged: 2 }, Next::Park));
        }
    }
}
