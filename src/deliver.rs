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
pub mod internal;
mod turn;

pub use endpoint::{Address, Endpoint, LiveSecrets, SecretSet, Target};
pub use turn::Turn;

/// Longest part of a receiver's answer that is kept, in bytes.
pub const EXCERPT_BYTES_MAX: usize = 2 * 1024;

/// Everything one attempt needs.
#[derive(Clone)]
pub struct Attempt {
    /// The event's place in the order of acceptance.
    pub seq: u64,
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
    /// `X-Tenant-Id` as the sender gave it.
    pub tenant: Option<String>,
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
    /// Its place among the attempts of a receiver that keeps their order.
    pub turn: Option<Turn>,
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

impl Report {
    /// Nothing was sent, for a reason of ours.
    pub fn unsent(error: &str, duration: Duration) -> Self {
        let (outcome, error) = (Outcome::Unsent, Some(error.to_owned()));
        Self { outcome, status: None, error, excerpt: None, duration, secret_index: 0 }
    }
}

/// Takes attempts: over HTTP, or inside this process.
pub trait Sink: Send + Sync + 'static {
    /// The place of the attempt that comes next, at a receiver that takes events in the order in which this
    /// is called. Called once for each attempt, before its event is read.
    fn turn(&self, _endpoint: &Endpoint) -> Option<Turn> {
        None
    }

    /// Tries once. Always resolves, within the endpoint's timeout.
    fn send(&self, attempt: Attempt) -> Pin<Box<dyn Future<Output = Report> + Send + '_>>;
}

/// All the ways there are: each endpoint's target names its own.
pub struct Ways {
    /// Across the network.
    pub http: Arc<http::HttpSink>,
    /// In this process.
    pub internal: internal::InternalSink,
}

impl Sink for Ways {
    fn turn(&self, endpoint: &Endpoint) -> Option<Turn> {
        match endpoint.target {
            Target::Http(_) => None,
            Target::Internal => self.internal.turn(endpoint),
        }
    }

    fn send(&self, attempt: Attempt) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        match attempt.endpoint.target {
            Target::Http(_) => self.http.send(attempt),
            Target::Internal => self.internal.send(attempt),
        }
    }
}
