//! Events as the outbox stores them, for tests that need one and don't care how it came.
//!
//! What a test does care about it sets over this one: `StoredEvent { body, ..routed(...) }`.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "for tests: what panics here is a failed test"
)]

use crate::domain::id::{AppSlug, CorrelationId, EventId, EventType};
use crate::domain::routing::{Decided, Decision};
use crate::domain::time::Millis;
use crate::store::outbox::record::{Admission, Proof, StoredEvent};

/// An event that `source` posted at `at` and that is queued for each of `receivers`.
pub fn routed(source: &str, id: &str, receivers: &[&str], at: Millis) -> StoredEvent {
    let source = AppSlug::new(source).expect("a slug");
    let event_id = EventId::new(id).expect("an event's id");
    let queued = |receiver: &&str| {
        let receiver = AppSlug::new(receiver).expect("a slug");
        Decided { receiver, decision: Decision::Queued, detail: None }
    };
    StoredEvent {
        seq: 0,
        accepted_at: at,
        correlation: CorrelationId::derive(&source, &event_id),
        source,
        event_id,
        event_type: EventType::new("payment.received").expect("a type"),
        organization: "org".to_owned(),
        timestamp: at,
        tenant: None,
        traceparent: None,
        proof: Proof::Ecosystem,
        admission: Admission::Routed,
        decisions: receivers.iter().map(queued).collect(),
        drift: Vec::new(),
        generation: 0,
        replay: None,
        body: "{}".into(),
    }
}
