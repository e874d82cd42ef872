//! A rate cap as a pure value: the generic cell rate algorithm (ITU-T I.371), counted in microseconds.

use super::time::Millis;

/// Lets `per_second` things pass, with a burst of at most a tenth of a second's worth (at least one).
#[derive(Clone, Debug)]
pub struct RateCap {
    interval_us: u64,
    tolerance_us: u64,
    /// When the next one would be due if they came evenly spaced.
    due_us: u64,
}

impl RateCap {
    /// A cap that has been idle; `per_second` of 0 counts as 1.
    pub fn new(per_second: u32) -> Self {
        let per_second = u64::from(per_second.max(1));
        let interval_us = (1_000_000 / per_second).max(1);
        let burst = (per_second / 10).max(1);
        Self { interval_us, tolerance_us: interval_us * (burst - 1), due_us: 0 }
    }

    /// The instant from which the next one may pass.
    pub fn ready_at(&self) -> Millis {
        Millis(self.due_us.saturating_sub(self.tolerance_us).div_ceil(1000))
    }

    /// One passes at `now`.
    pub fn take(&mut self, now: Millis) {
        let now_us = now.0.saturating_mul(1000);
        self.due_us = self.due_us.max(now_us).saturating_add(self.interval_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_rate_and_one_burst_pass_in_a_second() {
        for per_second in [1, 3, 10, 100, 5_000] {
            let mut cap = RateCap::new(per_second);
            let mut passed = 0;
            for tick in 0..10_000_u64 {
                let now = Millis(1_000_000 + tick);
                while cap.ready_at() <= now {
                    cap.take(now);
                    passed += 1;
                }
            }
            let whole = per_second * 10;
            assert!(
                (whole..=whole + per_second / 10 + 1).contains(&passed),
                "{per_second}/s let {passed} pass"
            );
        }
    }
}
