//! From a request to its durable commit.

use std::time::Duration;

use crate::domain::id::{AppSlug, CorrelationId, EventId, EventType};
use crate::domain::time::millis;
use crate::telemetry::Metrics;

/// The label of types that the registry doesn't know, so that no caller can make labels up.
const UNREGISTERED: &str = "unregistered";

/// How an ingest request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IngestResult {
    /// 202, routed.
    Accepted,
    /// 200, a repeat.
    Duplicate,
    /// 202, kept but not routed.
    Quarantined,
    /// 200, a batch.
    Batch,
    /// 400, 413, 415 or 422: the event is wrong.
    Invalid,
    /// 401: no valid proof of origin.
    Unproven,
    /// 403: this source may not send this type.
    Forbidden,
    /// 409: the same id with another body.
    Mismatch,
    /// 429: over a quota.
    Limited,
    /// 503: nothing was acked, try again.
    Unavailable,
    /// The caller hung up.
    Gone,
}

impl IngestResult {
    /// Every way.
    pub const ALL: &[Self] = &[
        Self::Accepted,
        Self::Duplicate,
        Self::Quarantined,
        Self::Batch,
        Self::Invalid,
        Self::Unproven,
        Self::Forbidden,
        Self::Mismatch,
        Self::Limited,
        Self::Unavailable,
        Self::Gone,
    ];

    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Quarantined => "quarantined",
            Self::Batch => "batch",
            Self::Invalid => "invalid",
            Self::Unproven => "unproven",
            Self::Forbidden => "forbidden",
            Self::Mismatch => "mismatch",
            Self::Limited => "limited",
            Self::Unavailable => "unavailable",
            Self::Gone => "gone",
        }
    }
}

/// An ingest request got its answer.
#[derive(Clone, Copy, Debug)]
pub struct IngestAnswered<'a> {
    /// How.
    pub result: IngestResult,
    /// The problem's code, where it was refused.
    pub code: Option<&'static str>,
    /// Time from the request's last header to its answer.
    pub elapsed: Duration,
    /// Ties the line to the request.
    pub correlation_id: Option<&'a CorrelationId>,
}

impl IngestAnswered<'_> {
    /// Logs at `debug`, counts, measures.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.ingest_requests.with_label_values(&[self.result.as_str()]).inc();
        metrics.ingest_seconds.observe(self.elapsed.as_secs_f64());
        tracing::debug!(
            ingest.result = self.result.as_str(),
            ingest.code = self.code,
            ingest.elapsed_ms = millis(self.elapsed),
            correlation_id = self.correlation_id.map(CorrelationId::as_str),
            "ingest answered"
        );
    }
}

/// An event was accepted for the first time, durably.
#[derive(Clone, Copy, Debug)]
pub struct EventAccepted<'a> {
    /// Who sent it.
    pub source: &'a AppSlug,
    /// Its id.
    pub event_id: &'a EventId,
    /// Its type.
    pub event_type: &'a EventType,
    /// Whether the registry knows the type; if not, the type makes no label.
    pub registered: bool,
    /// How many receivers got a delivery.
    pub deliveries: usize,
    /// Ties everything it causes together.
    pub correlation_id: &'a CorrelationId,
}

impl EventAccepted<'_> {
    /// Logs at `debug`, counts.
    pub fn emit(&self, metrics: &Metrics) {
        let label = if self.registered { self.event_type.as_str() } else { UNREGISTERED };
        metrics.events_accepted.with_label_values(&[label]).inc();
        tracing::debug!(
            event.source = %self.source,
            event.id = %self.event_id,
            "event.type" = %self.event_type,
            event.deliveries = self.deliveries,
            correlation_id = %self.correlation_id,
            "event accepted"
        );
    }
}

/// A commit of the outbox is on the disk.
#[derive(Clone, Copy, Debug)]
pub struct CommitDone {
    /// Events in it.
    pub events: usize,
    /// Bytes written.
    pub bytes: usize,
    /// Time it took, its sync included.
    pub elapsed: Duration,
}

impl CommitDone {
    /// Logs at `trace`, measures. A commit without events (settles only) counts as a commit of none.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.outbox_commit_seconds.observe(self.elapsed.as_secs_f64());
        let events = u32::try_from(self.events).unwrap_or(u32::MAX);
        metrics.outbox_commit_events.observe(f64::from(events));
        let elapsed_ms = millis(self.elapsed);
        tracing::trace!(
            commit.events = self.events,
            commit.bytes = self.bytes,
            commit.elapsed_ms = elapsed_ms
        );
    }
}

/// An event differs from what the registry declares, and was accepted.
#[derive(Clone, Copy, Debug)]
pub struct DriftFound<'a> {
    /// Who sent it.
    pub source: &'a AppSlug,
    /// Its type; the registry must know it, since it makes a label.
    pub event_type: &'a EventType,
    /// What differs, in the registry's words, such as `sender` or a field's path.
    pub field: &'a str,
}

impl DriftFound<'_> {
    /// Logs at `debug`, counts.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.drift.with_label_values(&[self.source.as_str(), self.event_type.as_str()]).inc();
        tracing::debug!(
            event.source = %self.source,
            "event.type" = %self.event_type,
            drift.field = self.field,
            "event differs from the registry"
        );
    }
}
