//! The breaker of one endpoint: closed, open, half-open.
//!
//! While it is open nothing is sent but one probe per cooldown, and the backlog waits without
//! burning attempts (M. Nygard, "Release It!", 2007, Stability Patterns).

use std::time::Duration;

use super::time::Millis;

/// When a breaker opens and how it tries again.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerPolicy {
    /// Failures in a row that open it.
    pub failures: u32,
    /// The first wait before a probe.
    pub cooldown: Duration,
    /// The longest wait; each failed probe doubles the wait up to here.
    pub cooldown_max: Duration,
    /// Deliveries a second while the backlog drains after it closed.
    pub drain_per_second: u32,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Deliveries flow.
    Closed,
    /// Nothing is sent before `until`.
    Open {
        /// When the next probe may go.
        until: Millis,
    },
    /// One probe is under way.
    HalfOpen,
}

impl State {
    /// The word for people and for the metric's documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Anything.
    Send,
    /// One delivery, as a probe.
    Probe,
    /// Nothing until then (`None`: until the probe under way ends).
    Wait(Option<Millis>),
}

/// One endpoint's breaker.
#[derive(Clone, Debug)]
pub struct Breaker {
    state: State,
    failures_in_row: u32,
    cooldown: Duration,
}

impl Breaker {
    /// A closed breaker.
    pub fn new() -> Self {
        Self { state: State::Closed, failures_in_row: 0, cooldown: Duration::ZERO }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// What may be sent at `now`. Changes nothing: [`probe_sent`](Self::probe_sent) says that a probe went.
    pub fn permit(&self, now: Millis) -> Permit {
        match self.state {
            State::Closed => Permit::Send,
            State::Open { until } if until <= now => Permit::Probe,
            State::Open { until } => Permit::Wait(Some(until)),
            State::HalfOpen => Permit::Wait(None),
        }
    }

    /// A probe is under way.
    pub fn probe_sent(&mut self) {
        self.state = State::HalfOpen;
    }

    /// A delivery arrived. True if this closed the breaker.
    pub fn succeeded(&mut self) -> bool {
        let closes = self.state != State::Closed;
        *self = Self::new();
        closes
    }

    /// An attempt failed. True if this opened the breaker (again). An attempt that was under way when
    /// the breaker opened says nothing new: only a `probe` lengthens the wait.
    pub fn failed(&mut self, probe: bool, policy: &BreakerPolicy, now: Millis) -> bool {
        self.failures_in_row = self.failures_in_row.saturating_add(1);
        match self.state {
            State::Closed if self.failures_in_row >= policy.failures => self.open(policy.cooldown, now),
            State::HalfOpen if probe => {
                let doubled = self.cooldown.saturating_mul(2).max(policy.cooldown);
                self.open(doubled.min(policy.cooldown_max.max(policy.cooldown)), now)
            }
            _ => false,
        }
    }

    /// The probe under way told nothing: the next one goes after the same wait.
    pub fn probe_untold(&mut self, now: Millis) {
        if self.state == State::HalfOpen {
            self.open(self.cooldown, now);
        }
    }

    fn open(&mut self, cooldown: Duration, now: Millis) -> bool {
        self.cooldown = cooldown;
        self.state = State::Open { until: now.plus(cooldown) };
        true
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> BreakerPolicy {
        BreakerPolicy {
            failures: 3,
            cooldown: Duration::from_secs(30),
            cooldown_max: Duration::from_secs(100),
            drain_per_second: 10,
        }
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_doubles_its_wait() {
        let mut breaker = Breaker::new();
        let t0 = Millis(1_000_000);
        assert!(!breaker.failed(false, &policy(), t0));
        breaker.succeeded();
        for _ in 0..2 {
            assert!(!breaker.failed(false, &policy(), t0));
        }
        assert!(breaker.failed(false, &policy(), t0));
        assert_eq!(breaker.permit(t0), Permit::Wait(Some(Millis(1_030_000))));
        assert!(!breaker.failed(false, &policy(), t0), "one that was under way says nothing new");
        let mut at = t0;
        for wait in [30, 60, 100, 100] {
            at = at.plus(Duration::from_secs(wait));
            assert_eq!(breaker.permit(at.minus(Duration::from_millis(1))), Permit::Wait(Some(at)));
            assert_eq!(breaker.permit(at), Permit::Probe);
            breaker.probe_sent();
            assert_eq!(breaker.permit(at), Permit::Wait(None));
            assert!(breaker.failed(true, &policy(), at));
        }
        assert!(breaker.succeeded());
        assert_eq!(breaker.permit(at), Permit::Send);
    }
}
