//! What happens in the hub: events taken in, emissions relayed, loops stopped.

use crate::telemetry::Metrics;

/// A batch of events was taken in, durably.
#[derive(Clone, Copy, Debug)]
pub struct HubCommitted {
    /// Taken in, repeats among them.
    pub taken: usize,
    /// Refused for good.
    pub refused: usize,
    /// To come again.
    pub failed: usize,
}

impl HubCommitted {
    /// Counts; logs only what was not taken in, at `warn`.
    pub fn emit(&self, metrics: &Metrics) {
        for (outcome, count) in [("taken", self.taken), ("refused", self.refused), ("failed", self.failed)] {
            if count > 0 {
                let count = u64::try_from(count).unwrap_or(u64::MAX);
                metrics.hub_events.with_label_values(&[outcome]).inc_by(count);
            }
        }
        if self.refused + self.failed > 0 {
            tracing::warn!(
                hub.refused = self.refused,
                hub.failed = self.failed,
                "the hub did not take events in"
            );
        }
    }
}

/// Emissions of the hub were accepted by the broker.
#[derive(Clone, Copy, Debug)]
pub struct HubRelayed {
    /// How many.
    pub events: usize,
}

impl HubRelayed {
    /// Counts; logs at `debug`.
    pub fn emit(&self, metrics: &Metrics) {
        let events = u64::try_from(self.events).unwrap_or(u64::MAX);
        metrics.hub_emissions.with_label_values(&["relayed"]).inc_by(events);
        tracing::debug!(hub.events = events, "emissions relayed");
    }
}

/// The loop guard holds an emission back.
#[derive(Clone, Copy, Debug)]
pub struct HubLoopStopped<'a> {
    /// The type of the event that is not emitted.
    pub event_type: &'a str,
    /// What goes round.
    pub correlation_id: &'a str,
    /// The cap.
    pub hops_max: u32,
}

impl HubLoopStopped<'_> {
    /// Counts; logs at `warn`.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.hub_emissions.with_label_values(&["held_back"]).inc();
        tracing::warn!(
            event.r#type = self.event_type,
            correlation.id = self.correlation_id,
            hub.hops_max = self.hops_max,
            "a cycle of emissions was stopped"
        );
    }
}
