//! The names of things: typed, checked once where they enter, cheap to clone.
//!
//! A value of one of these types is always well formed; nothing here makes ids from randomness.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Longest eventId and eventType, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Longest app slug, in bytes.
pub const SLUG_BYTES_MAX: usize = 64;
/// Longest correlation id taken over from a caller, in bytes.
pub const CORRELATION_BYTES_MAX: usize = 128;

/// Why a text is not an id of the wanted kind. The message names the rule, not the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must match {rule}")]
pub struct IdError {
    /// The pattern the text had to match.
    pub rule: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes `text` if it is well formed.
            pub fn new(text: &str) -> Result<Self, IdError> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(Arc::from(text))) } else { Err(IdError { rule: $rule }) }
            }

            /// The id as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_id!(
    /// A sender's name for one event; unique per source.
    EventId,
    "[A-Za-z0-9_-]{1,128}",
    |text| sized(text, NAME_BYTES_MAX) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
);

text_id!(
    /// A type of event, such as `appointment.completed`.
    EventType,
    "[A-Za-z0-9_.-]{1,128}",
    |text| sized(text, NAME_BYTES_MAX)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
);

text_id!(
    /// An app of the ecosystem, as sender (source) or as receiver, such as `cosmos-pet`.
    AppSlug,
    "[a-z0-9][a-z0-9-]{0,63}",
    |text| sized(text, SLUG_BYTES_MAX)
        && !text.starts_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
);

text_id!(
    /// Ties everything that one request caused together; passed on to the receivers.
    CorrelationId,
    "[!-~]{1,128}",
    |text| sized(text, CORRELATION_BYTES_MAX) && text.bytes().all(|b| b.is_ascii_graphic())
);

/// The slug of the hub: the broker itself as one of the apps.
pub const HUB: &str = "camino";

impl AppSlug {
    /// The hub.
    pub fn hub() -> Self {
        Self(Arc::from(HUB))
    }

    /// Whether this is the hub.
    pub fn is_hub(&self) -> bool {
        self.as_str() == HUB
    }
}

fn sized(text: &str, bytes_max: usize) -> bool {
    !text.is_empty() && text.len() <= bytes_max
}

/// Bytes of a delivery id that name its event.
const EVENT_PREFIX_BYTES: usize = 10;

/// One event's way to one receiver: `dlv_` and 32 hex digits.
///
/// A hash, so that the answer to a repeated post needs no stored payload: 10 bytes over (source, eventId)
/// and 6 over (source, eventId, receiver, generation), so that the event is found by its deliveries' ids
/// without an index of deliveries. Generation 0 is the first routing; each retry or replay has another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId([u8; 16]);

impl DeliveryId {
    /// The id of the delivery of (`source`, `event`) to `receiver` in `generation`.
    pub fn derive(source: &AppSlug, event: &EventId, receiver: &AppSlug, generation: u32) -> Self {
        let mut hash = Sha256::new();
        for part in [source.as_str(), event.as_str(), receiver.as_str()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update(generation.to_be_bytes());
        let digest = hash.finalize();
        let mut id = [0; 16];
        id[..EVENT_PREFIX_BYTES].copy_from_slice(&Self::event_prefix_of(source, event));
        id[EVENT_PREFIX_BYTES..].copy_from_slice(&digest[..16 - EVENT_PREFIX_BYTES]);
        Self(id)
    }

    /// What the ids of all deliveries of (`source`, `event`) begin with.
    pub fn event_prefix_of(source: &AppSlug, event: &EventId) -> [u8; EVENT_PREFIX_BYTES] {
        let mut hash = Sha256::new();
        for part in [source.as_str(), event.as_str()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let mut prefix = [0; EVENT_PREFIX_BYTES];
        prefix.copy_from_slice(&hash.finalize()[..EVENT_PREFIX_BYTES]);
        prefix
    }

    /// The part that names the event.
    pub fn event_prefix(&self) -> [u8; EVENT_PREFIX_BYTES] {
        let mut prefix = [0; EVENT_PREFIX_BYTES];
        prefix.copy_from_slice(&self.0[..EVENT_PREFIX_BYTES]);
        prefix
    }

    /// The id as bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id of these bytes, as [`as_bytes`](Self::as_bytes) gave them.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 16];
        hex::decode_to_slice(text.strip_prefix("dlv_")?, &mut id).ok()?;
        Some(Self(id))
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dlv_")?;
        f.write_str(hex::Buffer::<16>::new().format(&self.0))
    }
}

impl fmt::Debug for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for DeliveryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl CorrelationId {
    /// A made-up correlation id (`cid_` and 24 hex digits) for an event that brought none.
    ///
    /// Derived from the event's name, so that the answer to a repeat carries the same one.
    pub fn derive(source: &AppSlug, event: &EventId) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"cid\0");
        hash.update(source.as_str());
        hash.update([0]);
        hash.update(event.as_str());
        let mut bytes = [0; 12];
        bytes.copy_from_slice(&hash.finalize()[..12]);
        Self::from_entropy(bytes)
    }

    /// A correlation id for a request that names no event, from 12 bytes of entropy.
    pub fn from_entropy(entropy: [u8; 12]) -> Self {
        Self(Arc::from(["cid_", hex::Buffer::<12>::new().format(&entropy)].concat()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_by_the_documented_patterns() {
        for good in ["a", "0192f0c1-7a3b-7c11-9d55-0a1b2c3d4e5f", "A_b-9"] {
            assert!(EventId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a.b", "a b", "é", &"x".repeat(129)] {
            assert!(EventId::new(bad).is_err(), "{bad}");
        }
        assert!(EventType::new("caracol.invoice.stamped").is_ok());
        assert!(EventType::new("a/b").is_err());
        assert!(AppSlug::new("cosmos-pet").is_ok());
        for bad in ["Cosmos", "-pet", "", "a_b"] {
            assert!(AppSlug::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_delivery_id_depends_on_each_part_and_survives_its_text_form() {
        let (a, b) = (AppSlug::new("a").unwrap(), AppSlug::new("b").unwrap());
        let (e, f) = (EventId::new("e").unwrap(), EventId::new("f").unwrap());
        let id = DeliveryId::derive(&a, &e, &b, 0);
        assert_eq!(DeliveryId::parse(&id.to_string()), Some(id));
        for other in [
            DeliveryId::derive(&b, &e, &b, 0),
            DeliveryId::derive(&a, &f, &b, 0),
            DeliveryId::derive(&a, &e, &a, 0),
            DeliveryId::derive(&a, &e, &b, 1),
        ] {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn the_deliveries_of_one_event_share_their_prefix() {
        let (a, b) = (AppSlug::new("a").unwrap(), AppSlug::new("b").unwrap());
        let (e, f) = (EventId::new("e").unwrap(), EventId::new("f").unwrap());
        let prefix = DeliveryId::event_prefix_of(&a, &e);
        assert_eq!(DeliveryId::derive(&a, &e, &a, 0).event_prefix(), prefix);
        assert_eq!(DeliveryId::derive(&a, &e, &b, 7).event_prefix(), prefix);
        assert_ne!(DeliveryId::derive(&a, &f, &b, 7).event_prefix(), prefix);
        let id = DeliveryId::derive(&a, &e, &b, 7);
        assert_eq!(DeliveryId::from_bytes(*id.as_bytes()), id);
    }
}
