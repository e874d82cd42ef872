//! What people read, as values that serialize to the names of the HTTP interface.
//!
//! Times are RFC 3339 in JSON. Never reads the file.

use serde::{Serialize, Serializer};

use super::filter::ShownState;
use crate::domain::id::{AppSlug, DeliveryId};
use crate::domain::scheduler::LaneId;
use crate::domain::time::Millis;

/// One delivery.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryRow {
    /// Its id.
    pub delivery_id: DeliveryId,
    /// The event's id.
    pub event_id: String,
    /// The event's type.
    pub event_type: String,
    /// Who sent the event.
    pub source: String,
    /// Who gets it.
    pub receiver: String,
    /// Where it stands.
    pub state: ShownState,
    /// Why it waits or is dead.
    pub reason: Option<String>,
    /// Attempts made.
    pub attempts: u16,
    /// When it is tried again.
    #[serde(serialize_with = "time_or_null")]
    pub next_attempt_at: Option<Millis>,
    /// The receiver's last status.
    pub last_status: Option<u16>,
    /// The transport's last error, or the beginning of the receiver's answer.
    pub last_error: Option<String>,
    /// When the event was accepted.
    #[serde(serialize_with = "time")]
    pub accepted_at: Millis,
    /// When it arrived.
    #[serde(serialize_with = "time_or_null")]
    pub delivered_at: Option<Millis>,
    /// The delivery that it repeats.
    pub replay_of: Option<DeliveryId>,
    /// The event's place in the outbox.
    #[serde(skip)]
    pub seq: u64,
    /// The receiver's number in the outbox.
    #[serde(skip)]
    pub lane: LaneId,
    /// 0 for the first routing.
    #[serde(skip)]
    pub generation: u32,
    /// The event's organization.
    #[serde(skip)]
    pub organization: String,
    /// Whether a person has let go of it, dead as it is.
    #[serde(skip)]
    pub dismissed: bool,
}

/// Deliveries by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateCounts {
    /// Waiting to be tried.
    pub pending: u64,
    /// Arrived.
    pub delivered: u64,
    /// Waiting until their receiver can be sent to.
    pub parked: u64,
    /// Failed for good.
    pub dead: u64,
    /// Cancelled by a person.
    pub cancelled: u64,
}

impl StateCounts {
    pub(super) fn add(&mut self, state: ShownState, n: u64) {
        let count = match state {
            ShownState::Pending => &mut self.pending,
            ShownState::Delivered => &mut self.delivered,
            ShownState::Parked => &mut self.parked,
            ShownState::Dead => &mut self.dead,
            ShownState::Cancelled => &mut self.cancelled,
        };
        *count += n;
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventRow {
    /// The sender's name for it.
    pub event_id: String,
    /// Its type.
    pub event_type: String,
    /// Who sent it.
    pub source: String,
    /// Its organization.
    pub organization_id: String,
    /// What ties it to the request that caused it.
    pub correlation_id: String,
    /// `X-Tenant-Id` as sent.
    pub tenant_id: Option<String>,
    /// When it was accepted.
    #[serde(serialize_with = "time")]
    pub accepted_at: Millis,
    /// Its own time.
    #[serde(serialize_with = "time")]
    pub timestamp: Millis,
    /// How its sender proved its origin.
    pub proof: String,
    /// `routed`, `quarantined` or `released`.
    pub status: &'static str,
    /// Why it is or was in quarantine.
    pub reason: Option<String>,
    /// The nearest registered type.
    pub did_you_mean: Option<String>,
    /// The deliveries of its first routing.
    pub deliveries: StateCounts,
    /// Its place in the outbox.
    #[serde(skip)]
    pub seq: u64,
    /// Who has a delivery of it, for whoever chooses by that.
    #[serde(skip)]
    pub receivers: Vec<AppSlug>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptRow {
    /// 1 for the first.
    pub number: u16,
    /// When it began.
    #[serde(serialize_with = "time")]
    pub started_at: Millis,
    /// How long it took.
    pub duration_ms: u32,
    /// The receiver's status.
    pub status: Option<u16>,
    /// Why it did not arrive.
    pub reason: Option<String>,
    /// The transport's error.
    pub error: Option<String>,
    /// The beginning of the receiver's answer.
    pub excerpt: Option<String>,
    /// Whether it probed an open breaker.
    pub probe: bool,
}

/// Why receivers do or do not get an event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The event.
    pub event_id: String,
    /// One for each receiver; where the event was routed again, the last one.
    pub decisions: Vec<DecisionRow>,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub struct DecisionRow {
    /// The receiver.
    pub receiver: String,
    /// The decision's code.
    pub decision: String,
    /// More for people.
    pub detail: Option<String>,
}

/// One field that departs from the registry.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DriftRow {
    /// Who sends it.
    pub source: String,
    /// The type.
    pub event_type: String,
    /// The field.
    pub field: String,
    /// How often.
    pub count: u64,
    /// The first time.
    #[serde(serialize_with = "time")]
    pub first_seen: Millis,
    /// The last time.
    #[serde(serialize_with = "time")]
    pub last_seen: Millis,
    /// What was wrong the last time.
    pub problem: String,
    /// The last event.
    pub event_id: String,
}

/// The journal in numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Events kept.
    pub events: u64,
    /// Of those, in quarantine.
    pub quarantined: u64,
    /// All deliveries kept.
    pub deliveries: StateCounts,
    /// By receiver, in order of their names.
    pub receivers: Vec<ReceiverStats>,
}

/// One receiver in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiverStats {
    /// The receiver.
    pub receiver: String,
    /// Its deliveries. Dead ones that were let go are not counted.
    #[serde(flatten)]
    pub deliveries: StateCounts,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn time<S: Serializer>(at: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.rfc3339())
}

#[expect(clippy::ref_option, reason = "serde passes a reference")]
fn time_or_null<S: Serializer>(at: &Option<Millis>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => time(at, serializer),
        None => serializer.serialize_none(),
    }
}
