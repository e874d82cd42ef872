//! `[delivery]` with `[delivery.retry]` and `[delivery.breaker]`: how events reach their receivers.

use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use super::limit::{self, Fault};
use super::{list, unit};

/// The settings of `[delivery]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delivery {
    /// Time for one attempt, from connect to the answer's end.
    #[serde(deserialize_with = "unit::span")]
    pub timeout: Duration,
    /// Attempts in flight at once, over all receivers.
    pub in_flight_max: u32,
    /// Attempts in flight at once to one receiver; `in_flight_max` holds besides.
    pub endpoint_in_flight_max: u32,
    /// Networks that deliveries may reach although they are private.
    #[serde(deserialize_with = "list::items")]
    pub allowed_networks: Vec<IpNet>,
    /// When a failed delivery is tried again.
    pub retry: Retry,
    /// When a failing receiver is left alone.
    pub breaker: Breaker,
}

/// When a failed delivery is tried again: `first`, then `factor` times longer, at most `max`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// The wait after the first failed attempt.
    #[serde(deserialize_with = "unit::span")]
    pub first: Duration,
    /// How much longer each wait is than the one before.
    pub factor: f64,
    /// The longest wait.
    #[serde(deserialize_with = "unit::span")]
    pub max: Duration,
    /// Attempts in all, the first included; then the delivery is dead.
    pub max_attempts: u32,
    /// Age at which a failed attempt is the last one; parked time doesn't count.
    #[serde(deserialize_with = "unit::span")]
    pub max_age: Duration,
}

/// When a failing receiver is left alone, and how its backlog comes back.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    /// Failures in a row that open the breaker.
    pub failures: u32,
    /// The first pause before a probe.
    #[serde(deserialize_with = "unit::span")]
    pub cooldown: Duration,
    /// The longest pause between probes.
    #[serde(deserialize_with = "unit::span")]
    pub cooldown_max: Duration,
    /// Deliveries per second while a backlog drains.
    pub drain_per_second: u32,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            in_flight_max: 512,
            endpoint_in_flight_max: 32,
            allowed_networks: Vec::new(),
            retry: Retry::default(),
            breaker: Breaker::default(),
        }
    }
}

impl Default for Retry {
    /// Reaches past 24 h even if jitter halves every wait (see the test).
    fn default() -> Self {
        Self {
            first: Duration::from_secs(5),
            factor: 3.0,
            max: Duration::from_hours(4),
            max_attempts: 20,
            max_age: Duration::from_hours(72),
        }
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failures: 10,
            cooldown: Duration::from_secs(30),
            cooldown_max: Duration::from_mins(5),
            drain_per_second: 100,
        }
    }
}

impl Delivery {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let ms = Duration::from_millis(1);
        limit::span("delivery.timeout", self.timeout, ms, Duration::from_mins(10))?;
        limit::count("delivery.in_flight_max", self.in_flight_max.into(), 1, 100_000)?;
        let key = "delivery.endpoint_in_flight_max";
        limit::count(key, self.endpoint_in_flight_max.into(), 1, 100_000)?;
        self.retry.check("delivery.retry")?;
        self.breaker.check()
    }
}

impl Retry {
    pub(super) fn check(&self, table: &str) -> Result<(), Fault> {
        let key = |name: &str| format!("{table}.{name}");
        let (ms, month) = (Duration::from_millis(1), Duration::from_hours(24 * 30));
        limit::span(&key("first"), self.first, ms, month)?;
        limit::span(&key("max"), self.max, self.first, month)?;
        limit::span(&key("max_age"), self.max_age, self.first, Duration::from_hours(24 * 365))?;
        limit::count(&key("max_attempts"), self.max_attempts.into(), 1, 1_000)?;
        if (1.0..=100.0).contains(&self.factor) {
            return Ok(());
        }
        Err(Fault::new(key("factor"), format!("is {}, but must be from 1 to 100", self.factor)))
    }
}

impl Breaker {
    fn check(&self) -> Result<(), Fault> {
        let day = Duration::from_hours(24);
        limit::count("delivery.breaker.failures", self.failures.into(), 1, 1_000_000)?;
        limit::span("delivery.breaker.cooldown", self.cooldown, Duration::from_millis(1), day)?;
        limit::span("delivery.breaker.cooldown_max", self.cooldown_max, self.cooldown, day)?;
        limit::count("delivery.breaker.drain_per_second", self.drain_per_second.into(), 1, 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(retry: &Retry) -> Vec<Duration> {
        let mut wait = retry.first;
        let mut waits = Vec::new();
        for _ in 1..retry.max_attempts {
            waits.push(wait.min(retry.max));
            wait = wait.mul_f64(retry.factor).min(retry.max);
        }
        waits
    }

    #[test]
    fn the_default_reaches_past_a_day_even_if_jitter_halves_every_wait() {
        let retry = Retry::default();
        let total: Duration = waits(&retry).iter().sum();
        assert_eq!(total, Duration::from_secs(174_800), "about 48.6 h");
        assert!(total / 2 > Duration::from_hours(24));
        assert!(total < retry.max_age, "age must not cut the schedule short");
    }
}
