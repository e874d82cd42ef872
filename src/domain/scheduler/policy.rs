//! How a receiver is served, and why it is not.
//!
//! Plain values: what they mean is decided by the lane. Never says who set them.

use std::time::Duration;

use crate::domain::breaker::BreakerPolicy;
use crate::domain::retry::RetryPolicy;

/// How one receiver is served.
#[derive(Clone, Debug, PartialEq)]
pub struct LanePolicy {
    /// Most attempts at a time.
    pub in_flight_max: usize,
    /// Most attempts a second, if capped.
    pub rate_per_second: Option<u32>,
    /// After this long without a result an attempt counts as timed out; must exceed the sink's own timeout.
    pub lease: Duration,
    /// Retries.
    pub retry: RetryPolicy,
    /// The breaker.
    pub breaker: BreakerPolicy,
}

impl LanePolicy {
    /// For a receiver without an endpoint: it is blocked, so that nothing here but its lane matters.
    pub fn idle() -> Self {
        let day = Duration::from_secs(86_400);
        Self {
            in_flight_max: 1,
            rate_per_second: None,
            lease: day,
            retry: RetryPolicy { first: day, factor: 1.0, max: day, max_attempts: u16::MAX, max_age: day },
            breaker: BreakerPolicy {
                failures: u32::MAX,
                cooldown: day,
                cooldown_max: day,
                drain_per_second: 1,
            },
        }
    }
}

/// Why an endpoint may not be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// A person paused it.
    Paused,
    /// It answered 410, or a person disabled it.
    Disabled,
}
