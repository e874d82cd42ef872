//! What happens to the broker itself, as events of source `camino`: an endpoint was disabled, dead letters
//! have grown, a sender drifts from the registry.
//!
//! Ids derive from what happened, so that neither a second look nor a crash doubles one. Never looks at a
//! store or a clock.

use serde_json::{Value, json};
use uuid::Uuid;

use super::id::{AppSlug, EventId, HUB};
use super::time::Millis;

/// The types, as the registry has them.
pub const TYPES: [&str; 3] =
    [Happening::ENDPOINT_DISABLED, Happening::DEAD_LETTERS_GROWN, Happening::DRIFT_FOUND];

/// What belongs to no organization of the ecosystem is filed under this one.
pub const ORGANIZATION: &str = HUB;

/// The namespace of the ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x2b6d_91c4_50e7_5f3a_a1d8_06c9_7e42_f3b5);
const DAY_MS: u64 = 86_400_000;

/// Something that operators want to hear of.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// An endpoint was disabled by a 410.
    EndpointDisabled {
        /// Whose.
        receiver: AppSlug,
        /// What disabled it: `gone`.
        reason: &'static str,
        /// The same in words.
        remark: Option<String>,
        /// Since when.
        since: Millis,
        /// Deliveries that wait for it.
        waiting: u64,
    },
    /// A receiver's dead letters, those that nobody has dealt with, have come to a power of ten, or still are
    /// beyond it a day later.
    DeadLettersGrown {
        /// Whose.
        receiver: AppSlug,
        /// How many.
        count: u64,
        /// The newest.
        newest: DeadLetter,
    },
    /// A sender departs from the registry where it did not before.
    DriftFound {
        /// Who.
        source: String,
        /// In which type.
        event_type: String,
        /// In which field.
        field: String,
        /// What is wrong.
        problem: String,
        /// An event that does.
        event_id: String,
        /// When it was first seen.
        first_seen: Millis,
    },
}

/// How high a receiver's dead letters stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Height {
    /// The day (UTC), counted from 1970.
    pub day: u64,
    /// The largest power of ten that they have come to.
    pub reached: u64,
}

/// One dead delivery, to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The delivery.
    pub delivery_id: String,
    /// Its event.
    pub event_id: String,
    /// The event's type.
    pub event_type: String,
    /// Why it is dead.
    pub reason: Option<String>,
    /// The receiver's last status.
    pub last_status: Option<u16>,
}

impl Happening {
    /// See [`Happening::EndpointDisabled`].
    pub const ENDPOINT_DISABLED: &str = "camino.endpoint.disabled";
    /// See [`Happening::DeadLettersGrown`].
    pub const DEAD_LETTERS_GROWN: &str = "camino.dead_letters.grown";
    /// See [`Happening::DriftFound`].
    pub const DRIFT_FOUND: &str = "camino.drift.found";

    /// The type of its event.
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::EndpointDisabled { .. } => Self::ENDPOINT_DISABLED,
            Self::DeadLettersGrown { .. } => Self::DEAD_LETTERS_GROWN,
            Self::DriftFound { .. } => Self::DRIFT_FOUND,
        }
    }

    /// The id of its event, seen at `now`. Dead letters have one for each power of ten and day (UTC): what
    /// lies there is told again once a day.
    pub fn event_id(&self, now: Millis) -> Result<EventId, super::id::IdError> {
        let parts = match self {
            Self::EndpointDisabled { receiver, since, .. } => {
                [receiver.to_string(), since.0.to_string(), String::new()]
            }
            Self::DeadLettersGrown { receiver, count, .. } => {
                [receiver.to_string(), reached(*count).to_string(), (now.0 / DAY_MS).to_string()]
            }
            Self::DriftFound { source, event_type, field, .. } => {
                [source.clone(), event_type.clone(), field.clone()]
            }
        };
        let mut name = self.event_type().as_bytes().to_vec();
        for part in &parts {
            name.push(0);
            name.extend_from_slice(part.as_bytes());
        }
        EventId::new(&Uuid::new_v5(&NAMESPACE, &name).to_string())
    }

    /// How high the dead letters stand, if it is about these.
    pub fn height(&self, now: Millis) -> Option<(&AppSlug, Height)> {
        let Self::DeadLettersGrown { receiver, count, .. } = self else { return None };
        Some((receiver, Height { day: now.0 / DAY_MS, reached: reached(*count) }))
    }

    /// The event's bytes, told at `now`.
    pub fn envelope(&self, event_id: &EventId, now: Millis) -> Value {
        json!({
            "eventId": event_id,
            "eventType": self.event_type(),
            "timestamp": now.rfc3339(),
            "source": HUB,
            "organizationId": ORGANIZATION,
            "data": self.data(),
        })
    }

    fn data(&self) -> Value {
        match self {
            Self::EndpointDisabled { receiver, reason, remark, since, waiting } => json!({
                "receiver": receiver, "reason": reason, "remark": remark, "since": since.rfc3339(),
                "waiting": waiting,
            }),
            Self::DeadLettersGrown { receiver, count, newest } => json!({
                "receiver": receiver, "count": count, "reached": reached(*count),
                "newest": newest.data(),
            }),
            Self::DriftFound { source, event_type, field, problem, event_id, first_seen } => json!({
                "source": source, "eventType": event_type, "field": field, "problem": problem,
                "eventId": event_id, "firstSeen": first_seen.rfc3339(),
            }),
        }
    }
}

impl DeadLetter {
    fn data(&self) -> Value {
        json!({
            "deliveryId": self.delivery_id, "eventId": self.event_id, "eventType": self.event_type,
            "reason": self.reason, "lastStatus": self.last_status,
        })
    }
}

/// The largest power of ten that `count` has come to; 0 for none.
fn reached(count: u64) -> u64 {
    count.checked_ilog10().map_or(0, |exponent| 10_u64.pow(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Millis = Millis(20_000 * DAY_MS + DAY_MS / 2);

    fn grown(count: u64) -> Happening {
        let newest = DeadLetter {
            delivery_id: "d".to_owned(),
            event_id: "e".to_owned(),
            event_type: "payment.completed".to_owned(),
            reason: Some("rejected".to_owned()),
            last_status: Some(400),
        };
        Happening::DeadLettersGrown { receiver: AppSlug::new("mancha").unwrap(), count, newest }
    }

    fn disabled(since: u64) -> Happening {
        Happening::EndpointDisabled {
            receiver: AppSlug::new("mancha").unwrap(),
            reason: "gone",
            remark: None,
            since: Millis(since),
            waiting: 3,
        }
    }

    fn drift(field: &str) -> Happening {
        Happening::DriftFound {
            source: "caracol".to_owned(),
            event_type: "sale.completed".to_owned(),
            field: field.to_owned(),
            problem: "is missing".to_owned(),
            event_id: "e".to_owned(),
            first_seen: NOON,
        }
    }

    #[test]
    fn a_count_reaches_powers_of_ten() {
        let powers = [0, 1, 9, 10, 99, 100, 999, 123_456, u64::MAX].map(reached);
        assert_eq!(powers, [0, 1, 1, 10, 10, 100, 100, 100_000, 10_u64.pow(19)]);
    }

    #[test]
    fn what_is_the_same_has_the_same_id_and_nothing_else_has() {
        let id = |happening: &Happening, now| happening.event_id(now).unwrap();
        assert_eq!(id(&grown(11), NOON), id(&grown(99), Millis(NOON.0 + 1)));
        assert_ne!(id(&grown(11), NOON), id(&grown(100), NOON));
        assert_ne!(id(&grown(11), NOON), id(&grown(11), Millis(NOON.0 + DAY_MS)));
        assert_eq!(id(&disabled(7), NOON), id(&disabled(7), Millis(NOON.0 + DAY_MS)));
        assert_ne!(id(&disabled(7), NOON), id(&disabled(8), NOON));
        assert_eq!(id(&drift("total"), NOON), id(&drift("total"), Millis(NOON.0 + DAY_MS)));
        assert_ne!(id(&drift("total"), NOON), id(&drift("currency"), NOON));
    }

    #[test]
    fn its_envelope_is_one_that_the_broker_takes() {
        for happening in [grown(10), disabled(7), drift("total")] {
            let id = happening.event_id(NOON).unwrap();
            let body = happening.envelope(&id, NOON).to_string();
            let envelope = crate::domain::event::parse(body.as_bytes()).unwrap();
            assert!(TYPES.contains(&envelope.event_type.as_str()));
            assert!(envelope.source.is_hub() && envelope.has_uuid());
        }
    }
}
