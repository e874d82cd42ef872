//! Instants in what the API shows: RFC 3339 text, as in the envelope.

use serde::{Deserialize, Deserializer, Serializer};

use crate::domain::time::Millis;

/// For [`Millis`], by `#[serde(with = "instant")]`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(super) fn serialize<S: Serializer>(at: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// The way back.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Millis, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    Millis::parse_rfc3339(&text)
        .ok_or_else(|| serde::de::Error::custom("must be an instant such as 2026-04-16T12:00:00Z"))
}

/// For `Option<Millis>`, by `#[serde(with = "instant::option", default)]`.
pub(super) mod option {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::domain::time::Millis;

    #[derive(Deserialize)]
    struct Instant(#[serde(with = "super")] Millis);

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(in super::super) fn serialize<S: Serializer>(
        at: &Option<Millis>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => serializer.collect_str(at),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Millis>, D::Error> {
        Ok(Option::<Instant>::deserialize(deserializer)?.map(|Instant(at)| at))
    }
}

/// An instant as SQLite keeps it.
pub(super) fn to_column(at: Millis) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// The way back; nothing before 1970 is ever written.
pub(super) fn from_column(at: i64) -> Millis {
    Millis(u64::try_from(at).unwrap_or(0))
}
