//! From the first attempt to the end of a delivery, and the health of its receiver.

use std::time::Duration;

use crate::domain::id::{AppSlug, DeliveryId, EventId};
use crate::domain::time::millis;
use crate::telemetry::Metrics;

/// An attempt to deliver came to its end.
#[derive(Clone, Copy, Debug)]
pub struct AttemptFinished<'a> {
    /// Who it went to.
    pub receiver: &'a AppSlug,
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// The receiver's status, if it answered.
    pub status: Option<u16>,
    /// Why it failed; `None` if it was delivered.
    pub failure: Option<&'static str>,
    /// Time it took.
    pub elapsed: Duration,
}

impl AttemptFinished<'_> {
    /// Logs a success at `debug` and a failure at `info`, measures.
    pub fn emit(&self, metrics: &Metrics) {
        let seconds = self.elapsed.as_secs_f64();
        metrics.delivery_attempt_seconds.with_label_values(&[self.receiver.as_str()]).observe(seconds);
        macro_rules! line {
            ($level:ident, $message:literal) => {
                tracing::$level!(
                    delivery.receiver = %self.receiver,
                    delivery.id = %self.delivery_id,
                    delivery.attempt = self.attempt,
                    delivery.status = self.status,
                    delivery.failure = self.failure,
                    delivery.elapsed_ms = millis(self.elapsed),
                    $message
                )
            };
        }
        if self.failure.is_none() {
            line!(debug, "attempt succeeded");
        } else {
            line!(info, "attempt failed");
        }
    }
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// The receiver has it.
    Delivered,
    /// It won't be tried again unless a person says so.
    Dead,
    /// A person called it off.
    Cancelled,
}

impl Terminal {
    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A delivery came to its end.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryTerminal<'a> {
    /// Who it was for.
    pub receiver: &'a AppSlug,
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// The event.
    pub event_id: &'a EventId,
    /// How it ended.
    pub outcome: Terminal,
    /// Why, where it died: `exhausted`, `expired`, `rejected`, ...
    pub reason: Option<&'static str>,
    /// Attempts it took.
    pub attempts: u32,
    /// Time since the event was accepted.
    pub lag: Duration,
}

impl DeliveryTerminal<'_> {
    /// Logs a death at `warn` and the rest at `debug`, counts, measures the lag of what arrived.
    pub fn emit(&self, metrics: &Metrics) {
        let receiver = self.receiver.as_str();
        metrics.deliveries.with_label_values(&[receiver, self.outcome.as_str()]).inc();
        if self.outcome == Terminal::Delivered {
            metrics.delivery_lag_seconds.with_label_values(&[receiver]).observe(self.lag.as_secs_f64());
        }
        macro_rules! line {
            ($level:ident, $message:literal) => {
                tracing::$level!(
                    delivery.receiver = receiver,
                    delivery.id = %self.delivery_id,
                    delivery.outcome = self.outcome.as_str(),
                    delivery.reason = self.reason,
                    delivery.attempts = self.attempts,
                    delivery.lag_ms = millis(self.lag),
                    event.id = %self.event_id,
                    $message
                )
            };
        }
        match self.outcome {
            Terminal::Dead => line!(warn, "delivery is dead"),
            Terminal::Delivered | Terminal::Cancelled => line!(debug, "delivery ended"),
        }
    }
}

/// A breaker's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Deliveries go out.
    Closed,
    /// A probe goes out.
    HalfOpen,
    /// The backlog is parked.
    Open,
}

impl BreakerState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }

    const fn gauge(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

/// A receiver's breaker changed its state.
#[derive(Clone, Copy, Debug)]
pub struct BreakerChanged<'a> {
    /// Whose.
    pub receiver: &'a AppSlug,
    /// The new state.
    pub state: BreakerState,
}

impl BreakerChanged<'_> {
    /// Logs at `warn` when it opens, at `info` when it closes, at `debug` between; sets the gauge.
    pub fn emit(&self, metrics: &Metrics) {
        let receiver = self.receiver.as_str();
        metrics.breaker_state.with_label_values(&[receiver]).set(self.state.gauge());
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    breaker.receiver = receiver,
                    breaker.state = self.state.as_str(),
                    "breaker changed"
                )
            };
        }
        match self.state {
            BreakerState::Open => line!(warn),
            BreakerState::Closed => line!(info),
            BreakerState::HalfOpen => line!(debug),
        }
    }
}

/// An endpoint was disabled and its backlog parked.
#[derive(Clone, Copy, Debug)]
pub struct EndpointDisabled<'a> {
    /// Whose.
    pub receiver: &'a AppSlug,
    /// Why, such as `gone`.
    pub reason: &'static str,
}

impl EndpointDisabled<'_> {
    /// Logs at `warn`.
    pub fn emit(&self, _metrics: &Metrics) {
        tracing::warn!(
            endpoint.receiver = %self.receiver,
            endpoint.reason = self.reason,
            "endpoint disabled, its backlog is parked; resume it when the receiver is back"
        );
    }
}
