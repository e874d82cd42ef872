//! `[ingest]`: what is accepted, and how strictly.

use std::time::Duration;

use serde::Deserialize;

use super::limit::{self, Fault};
use super::unit::{self, show_span};

/// The settings of `[ingest]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ingest {
    /// Longest request body.
    #[serde(deserialize_with = "unit::size")]
    pub body_bytes_max: u64,
    /// How far a request's timestamp may be from now, either way.
    #[serde(deserialize_with = "unit::span")]
    pub timestamp_tolerance: Duration,
    /// How long an event's id is remembered, and how old a signed event may be.
    #[serde(deserialize_with = "unit::span")]
    pub dedupe_window: Duration,
    /// What happens to a source that is not among the type's declared senders.
    pub senders: SenderCheck,
    /// What happens to `data` that doesn't fit the type's schema.
    pub schema: SchemaCheck,
}

/// What happens to a source that is not among the type's declared senders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SenderCheck {
    /// 403 where the declared list is complete.
    #[default]
    Enforce,
    /// Accepted, and counted as drift.
    Warn,
}

/// What happens to `data` that doesn't fit the type's schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SchemaCheck {
    /// Accepted, and recorded as drift.
    #[default]
    Warn,
    /// 422 naming the fields.
    Reject,
    /// Not looked at.
    Off,
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            timestamp_tolerance: Duration::from_mins(5),
            dedupe_window: Duration::from_hours(72),
            senders: SenderCheck::Enforce,
            schema: SchemaCheck::Warn,
        }
    }
}

impl Ingest {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let (second, hour) = (Duration::from_secs(1), Duration::from_hours(1));
        limit::count("ingest.body_bytes_max", self.body_bytes_max, 1 << 10, 16 << 20)?;
        limit::span("ingest.timestamp_tolerance", self.timestamp_tolerance, second, hour)?;
        limit::span("ingest.dedupe_window", self.dedupe_window, second, Duration::from_hours(24 * 90))?;
        if self.dedupe_window < self.timestamp_tolerance {
            let tolerance = show_span(self.timestamp_tolerance);
            let rule = format!("must not be shorter than `ingest.timestamp_tolerance` ({tolerance})");
            return Err(Fault::new("ingest.dedupe_window", rule));
        }
        Ok(())
    }
}
