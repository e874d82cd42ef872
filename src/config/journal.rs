//! `[journal]`: how long people can look back.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::limit::{self, Fault};
use super::unit;

/// The settings of `[journal]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Journal {
    /// How long delivered events are kept, with their attempts.
    #[serde(deserialize_with = "unit::span")]
    pub retention: Duration,
    /// How long dead, parked and quarantined ones are kept, payload included.
    #[serde(deserialize_with = "unit::span")]
    pub retention_dead: Duration,
    /// How long events are kept that the hub was given, whose state is made of them; `None` is "forever".
    #[serde(deserialize_with = "span_or_forever")]
    pub retention_hub: Option<Duration>,
}

/// A span, or the word for none.
fn span_or_forever<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.as_str() {
        "forever" => Ok(None),
        text => unit::parse_span(text).map(Some).map_err(serde::de::Error::custom),
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            retention: Duration::from_hours(24 * 30),
            retention_dead: Duration::from_hours(24 * 90),
            retention_hub: None,
        }
    }
}

impl Journal {
    /// `retry_span` is the longest that any delivery may be tried.
    pub(super) fn check(&self, retry_span: Duration) -> Result<(), Fault> {
        let (hour, decade) = (Duration::from_hours(1), Duration::from_hours(24 * 3650));
        limit::span("journal.retention", self.retention, hour, decade)?;
        limit::span("journal.retention_dead", self.retention_dead, hour, decade)?;
        if let Some(hub) = self.retention_hub {
            limit::span("journal.retention_hub", hub, hour, 10 * decade)?;
        }
        if self.retention_dead < retry_span {
            let rule = "is shorter than the longest `max_age` of a retry policy, so deliveries would be let go of \
                        while they are tried";
            return Err(Fault::new("journal.retention_dead", rule));
        }
        Ok(())
    }
}
