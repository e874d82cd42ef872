//! Passes on what the hub emits: each stored emission goes through the broker's own way in, like any
//! sender's event, but for the age rule.
//!
//! A crash between the acceptance and the note of it relays again: same id, same bytes, so the outbox knows
//! it. It forgets ids after the window of dedupe; so what waits at the start, perhaps for longer, is
//! looked up in the journal first. Never gives up: while the outbox takes nothing, it tries again.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::id::{AppSlug, CorrelationId};
use crate::outbox::Intake;
use crate::runtime::clock::Clock;
use crate::store::journal::{Found, Reader};
use crate::telemetry::event as happening;
use crate::telemetry::metrics::Metrics;

use super::{Emission, Hub};

/// Emissions accepted in one go.
const BATCH_MAX: usize = 128;
/// Until what failed is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Between two looks at how far the journal is.
const JOURNAL_EVERY: Duration = Duration::from_millis(50);

/// What the relay works with.
pub struct Relay {
    /// Where emissions are.
    pub hub: Arc<Hub>,
    /// Where they go.
    pub intake: Intake,
    /// What was relayed before, however long ago.
    pub journal: Arc<Reader>,
    /// When they are accepted.
    pub clock: Arc<dyn Clock>,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

impl Relay {
    /// Relays until it is dropped.
    pub async fn run(self) {
        self.recall().await;
        loop {
            let hub = Arc::clone(&self.hub);
            let waiting = blocking(move || hub.waiting(BATCH_MAX)).await;
            let passed = match waiting {
                Ok(emissions) if emissions.is_empty() => {
                    self.hub.emission().await;
                    continue;
                }
                Ok(emissions) => self.pass_on(emissions).await,
                Err(error) => Err(error.to_string()),
            };
            if let Err(reason) = passed {
                tracing::warn!(reason, "emissions of the hub could not be relayed; they wait");
                self.clock.sleep(AGAIN_AFTER).await;
            }
        }
    }

    /// Notes what was relayed before the start and only not noted.
    async fn recall(&self) {
        let next_seq = self.intake.store.next_seq();
        let hub = Arc::clone(&self.hub);
        match blocking(move || hub.waiting(1)).await {
            Ok(emissions) if emissions.is_empty() => return,
            // The journal must have caught up with what was accepted before the start.
            _ => {
                while self.intake.store.next_seq().saturating_sub(self.journal.lag(&self.intake.store))
                    < next_seq
                {
                    self.clock.sleep(JOURNAL_EVERY).await;
                }
            }
        }
        let (hub, journal) = (Arc::clone(&self.hub), Arc::clone(&self.journal));
        let recalled = blocking(move || {
            let waiting = hub.waiting(usize::MAX >> 1)?;
            let was_relayed = |emission: &Emission| {
                let id = crate::domain::id::EventId::new(&emission.event_id).ok();
                let found = id.and_then(|id| journal.event(&id, Some(&AppSlug::hub()), &|_| None).ok());
                matches!(found, Some(Found::One(_)))
            };
            let known: Vec<Emission> = waiting.into_iter().filter(was_relayed).collect();
            hub.relayed(&known)
        });
        if let Err(error) = recalled.await {
            tracing::warn!(error = %error, "what was relayed before the start could not be noted");
        }
    }

    /// Accepts `emissions` in one commit and notes it.
    async fn pass_on(&self, emissions: Vec<Emission>) -> Result<(), String> {
        let now = self.clock.now();
        let mut events = Vec::with_capacity(emissions.len());
        for emission in &emissions {
            let (body, correlation) =
                (emission.body.clone().into(), CorrelationId::new(&emission.correlation));
            events.push(self.intake.own(&body, correlation.ok(), now).map_err(|error| error.to_string())?);
        }
        self.intake.accept(events).await.map_err(|error| error.to_string())?;
        let relayed = emissions.len();
        let hub = Arc::clone(&self.hub);
        blocking(move || hub.relayed(&emissions)).await.map_err(|error| error.to_string())?;
        happening::HubRelayed { events: relayed }.emit(&self.metrics);
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(call).await;
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
