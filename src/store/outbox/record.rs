//! What the outbox writes: accepted events, one record a commit, and checkpoints. The encoding is
//! postcard (its wire format is stable since 1.0); [`FORMAT`] changes when a shape here does.
//!
//! Never decides anything: these are values.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::domain::delivery::Progress;
use crate::domain::id::{AppSlug, CorrelationId, DeliveryId, EventId, EventType};
use crate::domain::outcome::Reason;
use crate::domain::parked::Parked;
use crate::domain::routing::{Decided, DriftNote, QuarantineReason};
use crate::domain::scheduler::LaneId;
use crate::domain::time::Millis;

/// The version of the shapes in this file.
pub const FORMAT: u32 = 1;

/// An event as the outbox keeps it: what was received and what was decided about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredEvent {
    /// Its place in the order of acceptance; given by the commit.
    pub seq: u64,
    /// When it was accepted.
    pub accepted_at: Millis,
    /// Who sent it.
    pub source: AppSlug,
    /// The sender's name for it.
    pub event_id: EventId,
    /// Its type.
    pub event_type: EventType,
    /// The envelope's `organizationId`.
    pub organization: String,
    /// The envelope's own `timestamp`.
    pub timestamp: Millis,
    /// Passed on to the receivers.
    pub correlation: CorrelationId,
    /// `X-Tenant-Id` as sent, if it was.
    pub tenant: Option<String>,
    /// W3C trace context as sent, if it was.
    pub traceparent: Option<String>,
    /// How the sender proved its origin.
    pub proof: Proof,
    /// Whether it was routed or held.
    pub admission: Admission,
    /// What was decided for each receiver, and why.
    pub decisions: Vec<Decided>,
    /// Where it departs from the registry.
    pub drift: Vec<DriftNote>,
    /// 0 for the first routing; each retry, replay or release has another, made of its `seq`.
    pub generation: u32,
    /// The delivery that this one repeats.
    pub replay: Option<Replay>,
    /// The received bytes, unchanged.
    #[serde(with = "bytes_serde")]
    pub body: Bytes,
}

/// The generation of an event that is appended as a further one; the commit gives it its own.
pub const FURTHER: u32 = u32::MAX;

/// How a sender proved its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proof {
    /// `X-Webhook-Signature`.
    Ecosystem,
    /// Standard Webhooks v1.
    Standard,
    /// A bearer key bound to the source.
    Bearer,
    /// Camino itself (retry, replay, release).
    Internal,
}

impl Proof {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ecosystem => "ecosystem",
            Self::Standard => "standard",
            Self::Bearer => "bearer",
            Self::Internal => "internal",
        }
    }
}

/// Whether an event was routed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admission {
    /// It was, by the decisions beside it.
    Routed,
    /// It waits for a person, or for the registry to learn its type.
    Quarantined {
        /// Why.
        reason: QuarantineReason,
        /// The nearest registered name.
        did_you_mean: Option<EventType>,
    },
}

/// What a retry or replay repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// The delivery that it repeats.
    #[serde(with = "delivery_id_serde")]
    pub of: DeliveryId,
    /// Whether it goes out under new ids.
    pub as_new: bool,
}

impl StoredEvent {
    /// The receivers that have a delivery of this event.
    pub fn receivers(&self) -> impl Iterator<Item = &AppSlug> {
        self.decisions.iter().filter(|decided| decided.decision.delivers()).map(|decided| &decided.receiver)
    }

    /// The id of this event's delivery to `receiver`.
    pub fn delivery_id(&self, receiver: &AppSlug) -> DeliveryId {
        DeliveryId::derive(&self.source, &self.event_id, receiver, self.generation)
    }
}

/// Everything that one commit changed, bodies left out. Replayed in order it rebuilds the index;
/// the journal follows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CommitRecord {
    /// Receivers seen for the first time.
    pub names: Vec<(LaneId, AppSlug)>,
    /// Events accepted, in order of `seq`, without gaps.
    pub heads: Vec<Head>,
    /// Chunks and bytes of the pack that holds their bodies.
    pub pack: Option<PackSize>,
    /// Deliveries moved on.
    pub moves: Vec<Move>,
    /// When receivers were parked.
    pub parked: Vec<(LaneId, Parked)>,
}

impl CommitRecord {
    /// The receivers that have something to claim, now or later, since this commit became visible.
    ///
    /// Those with a retry are among them: a claim between its settle and this commit could not see it. So are
    /// those with one cancelled, behind which others may wait.
    pub fn offers(&self) -> BTreeSet<LaneId> {
        let waits =
            |step: &&Move| matches!(step.change, Change::Retry { .. } | Change::Park | Change::Cancelled);
        let again = self.moves.iter().filter(waits).map(|step| step.lane);
        self.heads.iter().flat_map(|head| head.lanes.iter().copied()).chain(again).collect()
    }
}

/// The size of a pack of bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackSize {
    /// Rows.
    pub chunks: u32,
    /// Bytes.
    pub bytes: u32,
}

/// What the index needs of an accepted event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its sequence number.
    pub seq: u64,
    /// Receivers with a delivery.
    pub lanes: Vec<LaneId>,
    /// Whether it is held in quarantine.
    pub quarantined: bool,
}

/// One delivery (or quarantined event) moved on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Move {
    /// The event.
    pub seq: u64,
    /// The receiver; without meaning for [`Change::Released`].
    pub lane: LaneId,
    /// When.
    pub at: Millis,
    /// Its progress afterwards.
    pub progress: Progress,
    /// What happened.
    pub change: Change,
    /// The attempt behind it, if there was one.
    pub note: Option<Box<AttemptNote>>,
}

/// What happened to a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// It arrived.
    Delivered,
    /// It waits until then.
    Retry {
        /// When it may be tried again.
        due: Millis,
    },
    /// It waits for its endpoint, which is gone.
    Park,
    /// It failed for good; kept for a person.
    Dead(Reason),
    /// A person cancelled it.
    Cancelled,
    /// A person let go of a dead one, or its retention is over, or a newer delivery arrived in its place.
    Dismissed,
    /// A quarantined event was released or dismissed.
    Released,
}

/// One attempt, as people read about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptNote {
    /// When it began.
    pub started_at: Millis,
    /// How long it took.
    pub duration_ms: u32,
    /// Whether it probed an open breaker.
    pub probe: bool,
    /// The receiver's status, if it answered.
    pub status: Option<u16>,
    /// Why it did not arrive.
    pub reason: Option<Reason>,
    /// The transport's error.
    pub error: Option<String>,
    /// The beginning of the receiver's answer.
    pub excerpt: Option<String>,
}

/// The whole index at one commit: what the records up to it add up to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The next sequence number.
    pub next_seq: u64,
    /// All receivers by number.
    pub names: Vec<AppSlug>,
    /// The packs that still hold something.
    pub packs: Vec<PackEntry>,
    /// Each receiver's deliveries.
    pub lanes: Vec<LaneState>,
    /// Quarantined events, as a serialized roaring treemap.
    pub quarantined: Vec<u8>,
}

/// One pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackEntry {
    /// Its first event.
    pub first_seq: u64,
    /// Its last event.
    pub last_seq: u64,
    /// The commit that wrote it.
    pub commit: u64,
    /// Its size.
    pub size: PackSize,
    /// Deliveries and quarantined events that still need it.
    pub holds: u32,
}

/// One receiver's deliveries.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LaneState {
    /// Not yet terminal, as a serialized roaring treemap.
    pub open: Vec<u8>,
    /// Dead and kept, as a serialized roaring treemap.
    pub dead: Vec<u8>,
    /// Open ones that have been tried: (seq, due, progress).
    pub tried: Vec<(u64, Millis, Progress)>,
    /// When the receiver was parked.
    pub parked: Parked,
}

/// A commit as the journal follows it.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its number.
    pub number: u64,
    /// What it changed.
    pub record: CommitRecord,
    /// The events it accepted, in the order of `record.heads`.
    pub events: Vec<Arc<StoredEvent>>,
}

mod bytes_serde {
    //! `Bytes` as plain bytes.
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        <&[u8]>::deserialize(deserializer).map(Bytes::copy_from_slice)
    }
}

mod delivery_id_serde {
    //! A delivery id by its text form.
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::domain::id::DeliveryId;

    pub(super) fn serialize<S: Serializer>(id: &DeliveryId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DeliveryId, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        DeliveryId::parse(text).ok_or_else(|| D::Error::custom("not a delivery id"))
    }
}
