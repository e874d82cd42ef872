//! Events that the broker makes itself: the hub's emissions, and what happens to the broker.
//!
//! They go the way of any sender's event, but for the proof and the age rule. Never refuses one for what
//! it says.

use bytes::Bytes;

use super::Intake;
use super::admission::admit_emitted;
use crate::domain::event;
use crate::domain::id::CorrelationId;
use crate::domain::time::Millis;
use crate::store::outbox::record::{Proof, StoredEvent};

impl Intake {
    /// The event in `body`, routed by the registry and the directory of this moment, ready for
    /// [`Intake::accept`]. Without a `correlation` it gets one of its own.
    pub fn own(
        &self,
        body: &Bytes,
        correlation: Option<CorrelationId>,
        now: Millis,
    ) -> Result<StoredEvent, event::Error> {
        let envelope = event::parse(body)?;
        let admitted = admit_emitted(&envelope, &self.catalog.current(), &self.directory.current());
        let correlation =
            correlation.unwrap_or_else(|| CorrelationId::derive(&envelope.source, &envelope.event_id));
        Ok(StoredEvent {
            seq: 0,
            accepted_at: now,
            correlation,
            organization: envelope.organization_id.clone(),
            timestamp: envelope.timestamp,
            source: envelope.source.clone(),
            event_id: envelope.event_id.clone(),
            event_type: envelope.event_type.clone(),
            tenant: None,
            traceparent: None,
            proof: Proof::Internal,
            admission: admitted.admission,
            decisions: admitted.decisions,
            drift: admitted.drift,
            generation: 0,
            replay: None,
            body: body.clone(),
        })
    }
}
