//! When to try again: the delay as a pure function of (policy, attempt, entropy).
//!
//! Never sleeps and draws no randomness; the due time it leads to is stored with the delivery, so
//! that a restart changes no schedule. Exponential backoff with equal jitter
//! (M. Brooker, "Exponential Backoff and Jitter", 2015).

use std::time::Duration;

use super::time::{Millis, millis};

/// How one receiver is retried.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// The wait after the first failure, before jitter.
    pub first: Duration,
    /// What each further wait is multiplied by; at least 1.
    pub factor: f64,
    /// The longest wait, before jitter, and the cap on what `Retry-After` may ask for.
    pub max: Duration,
    /// Attempts before the delivery is dead (`exhausted`); probes of an open breaker don't count.
    pub max_attempts: u16,
    /// Age after which a failed attempt makes the delivery dead (`expired`); parked time doesn't count.
    pub max_age: Duration,
}

impl RetryPolicy {
    /// The wait after the `failures`-th failed attempt (1, 2, ...), before jitter.
    pub fn base(&self, failures: u16) -> Duration {
        let exponent = i32::from(failures.saturating_sub(1));
        let grown = self.first.as_secs_f64() * self.factor.max(1.0).powi(exponent);
        if grown.is_finite() && grown < self.max.as_secs_f64() {
            Duration::from_secs_f64(grown)
        } else {
            self.max
        }
    }

    /// The wait after the `failures`-th failed attempt: between half of [`base`](Self::base) and all
    /// of it, by `entropy`. A receiver's `retry_after` can only lengthen it, up to the longer of
    /// [`max`](Self::max) and itself capped there.
    pub fn delay(&self, failures: u16, retry_after: Option<Duration>, entropy: u64) -> Duration {
        let base = millis(self.base(failures));
        let half = base / 2;
        let jittered = half + spread(base - half, entropy);
        let asked = retry_after.map_or(0, |asked| millis(asked.min(self.max)));
        // Those told the same Retry-After would all come back in the same instant.
        let asked = if asked > jittered { asked + spread(asked / 10, entropy) } else { jittered };
        Duration::from_millis(asked)
    }

    /// The due time after a failure at `now`.
    pub fn due(&self, failures: u16, retry_after: Option<Duration>, now: Millis, entropy: u64) -> Millis {
        now.plus(self.delay(failures, retry_after, entropy))
    }

    /// The time from the first attempt to the last one if every attempt fails at once, before jitter.
    pub fn span(&self) -> Duration {
        (1..self.max_attempts).map(|failures| self.base(failures)).sum()
    }
}

/// A number in `0..=range`, evenly spread over `entropy`.
fn spread(range: u64, entropy: u64) -> u64 {
    let scaled = u128::from(entropy) * (u128::from(range) + 1);
    u64::try_from(scaled >> 64).unwrap_or(range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy() -> RetryPolicy {
        RetryPolicy {
            first: Duration::from_secs(5),
            factor: 3.0,
            max: Duration::from_secs(4 * 3600),
            max_attempts: 16,
            max_age: Duration::from_secs(3 * 86_400),
        }
    }

    #[test]
    fn waits_grow_by_the_factor_up_to_the_maximum() {
        let seconds: Vec<u64> = (1..=9).map(|n| policy().base(n).as_secs()).collect();
        assert_eq!(seconds, [5, 15, 45, 135, 405, 1215, 3645, 10935, 14400]);
        assert!(policy().span() > Duration::from_secs(86_400));
    }

    #[test]
    fn retry_after_lengthens_and_is_capped() {
        let hour = Duration::from_secs(3600);
        assert_eq!(policy().delay(1, Some(hour), 0), hour);
        assert!(policy().delay(9, Some(Duration::from_secs(1)), 0) >= Duration::from_secs(7200));
        assert!(policy().delay(1, Some(Duration::MAX), u64::MAX) <= policy().max.mul_f64(1.1));
    }

    proptest! {
        #[test]
        fn a_delay_lies_between_half_the_base_and_the_base(failures in 1_u16..200, entropy: u64) {
            let base = policy().base(failures);
            let delay = policy().delay(failures, None, entropy);
            prop_assert!(delay >= base / 2 && delay <= base);
        }

        #[test]
        fn ten_thousand_retries_due_at_once_are_spread(seed: u64) {
            let mut buckets = [0_u32; 10];
            let mut state = seed | 1;
            for _ in 0..10_000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let late = millis(policy().delay(3, None, state)) - 22_500;
                buckets[usize::try_from(late * 10 / 22_501).unwrap()] += 1;
            }
            prop_assert!(buckets.iter().all(|count| (800..1200).contains(count)), "{:?}", buckets);
        }
    }
}
