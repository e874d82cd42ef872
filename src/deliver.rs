//! One attempt to hand one event to one receiver, and what came of it.
//!
//! A [`Sink`] tries once and reports; it never retries later, never queues and never writes to a store.
//! A crash while an attempt is out leaves no trace here: the delivery is still pending in the outbox and
//! goes out again after the start, with the same ids, so the receiver can tell.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::domain::id::{AppSlug, CorrelationId, DeliveryId, EventId, EventType};
use crate::domain::outcome::Outcome;

mod endpoint;
pub mod http;

pub use endpoint::{Endpoint, LiveSecrets, SecretSet};

/// Longest part of a receiver's answer that is kept, in bytes.
pub const EXCERPT_BYTES_MAX: usize = 2 * 1024;

/// Everything one attempt needs.
#[derive(Clone)]
pub struct Attempt {
    /// The delivery this is an attempt of.
    pub delivery_id: DeliveryId,
    /// The event's id, as its sender gave it.
    pub event_id: EventId,
    /// The event's type.
    pub event_type: EventType,
    /// The app that sent the event.
    pub source: AppSlug,
    /// The app that gets it.
    pub receiver: AppSlug,
    /// What the event belongs to.
    pub correlation_id: CorrelationId,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The bytes as they were received.
    pub body: Bytes,
    /// The `webhook-id`: the event's id, or a new one for a replay as new.
    pub webhook_id: String,
    /// The same for every attempt of this event at this receiver.
    pub idempotency_key: String,
    /// The delivery that this one repeats.
    pub replay_of: Option<DeliveryId>,
    /// The trace to pass on.
    pub traceparent: Option<String>,
    /// Where to, and how.
    pub endpoint: Arc<Endpoint>,
}

/// Without the body, which is somebody's data.
impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("delivery_id", &self.delivery_id)
            .field("event_id", &self.event_id)
            .field("source", &self.source)
            .field("receiver", &self.receiver)
            .field("attempt", &self.attempt)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it means for the delivery.
    pub outcome: Outcome,
    /// The status the receiver answered with, if it did.
    pub status: Option<u16>,
    /// What went wrong, in words, if the answer alone doesn't say it.
    pub error: Option<String>,
    /// The beginning of the answer's body, at most [`EXCERPT_BYTES_MAX`].
    pub excerpt: Option<String>,
    /// How long it took, a repeat with the other secret included.
    pub duration: Duration,
    /// The secret of the `X-Webhook-Signature` that this answer is to, counted from the newest.
    pub secret_index: u8,
}

/// Takes attempts: over HTTP, or inside this process.
pub trait Sink: Send + Sync + 'static {
    /// Tries once. Always resolves, within the endpoint's timeout.
    fn send(&self, attempt: Attempt) -> Pin<Box<dyn Future<Output = Report> + Send + '_>>;
}
