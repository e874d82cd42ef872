//! The envelope of an event as its sender posts it: read once from the raw bytes, never rewritten.
//!
//! Only the envelope is read; `data` stays the sender's bytes. Numbers in it are never touched.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::id::{AppSlug, CorrelationId, EventId, EventType};
use super::time::Millis;

/// Deepest nesting of objects and arrays, the envelope itself included.
pub const NESTING_MAX: usize = 64;
/// As deep as an event may be within a batch, whose own list and object are around it.
const BATCH_NESTING_MAX: usize = NESTING_MAX + 2;
/// Longest organizationId, in bytes.
pub const ORGANIZATION_BYTES_MAX: usize = 256;
/// Most top-level fields of an envelope.
pub const FIELDS_MAX: usize = 256;

/// Why a body is not an envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not JSON, not UTF-8, nested too deeply, or ambiguous.
    #[error("{0}")]
    Malformed(String),
    /// A JSON object, but one field of the envelope is missing or of the wrong kind.
    #[error("field `{field}` {problem}")]
    Invalid {
        /// The envelope's field, such as `eventId` or `metadata.correlationId`.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// An envelope, borrowed from the body it was read from.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    /// `eventId`.
    pub event_id: EventId,
    /// `eventType`.
    pub event_type: EventType,
    /// `timestamp`: when it happened, by the sender's clock.
    pub timestamp: Millis,
    /// `source`: the app that sends it.
    pub source: AppSlug,
    /// `organizationId`.
    pub organization_id: String,
    /// `data`, as the sender wrote it.
    pub data: &'a str,
    /// `metadata.correlationId`, where it is one that can be passed on.
    pub correlation_id: Option<CorrelationId>,
}

impl Envelope<'_> {
    /// Whether the eventId is a UUID, as the ecosystem documents (another form is drift, not an error).
    pub fn has_uuid(&self) -> bool {
        uuid::Uuid::try_parse(self.event_id.as_str()).is_ok()
    }
}

/// Reads the envelope in `body`.
pub fn parse(body: &[u8]) -> Result<Envelope<'_>, Error> {
    let text = std::str::from_utf8(body)
        .map_err(|error| Error::Malformed(format!("not UTF-8 at byte {}", error.valid_up_to())))?;
    check_nesting(body, NESTING_MAX)?;
    let fields: Fields<'_> = serde_json::from_str(text).map_err(|error| malformed(&error))?;
    let event_id = text_field(&fields, "eventId")?;
    let event_type = text_field(&fields, "eventType")?;
    let timestamp = text_field(&fields, "timestamp")?;
    let source = text_field(&fields, "source")?;
    let organization_id = text_field(&fields, "organizationId")?;
    if organization_id.len() > ORGANIZATION_BYTES_MAX {
        return Err(invalid("organizationId", format!("is longer than {ORGANIZATION_BYTES_MAX} bytes")));
    }
    let data = fields.get("data").ok_or_else(|| invalid("data", "is missing"))?;
    Ok(Envelope {
        event_id: EventId::new(&event_id).map_err(|error| invalid("eventId", error.to_string()))?,
        event_type: EventType::new(&event_type).map_err(|error| invalid("eventType", error.to_string()))?,
        timestamp: Millis::parse_rfc3339(&timestamp)
            .ok_or_else(|| invalid("timestamp", "must be RFC 3339 with an offset, since 1970"))?,
        source: AppSlug::new(&source).map_err(|error| invalid("source", error.to_string()))?,
        organization_id: organization_id.into_owned(),
        data: data.get(),
        correlation_id: correlation_id(&fields)?,
    })
}

/// The items of a batch body `{"events":[...]}`, each as its own raw slice.
///
/// `items_max` bounds the list; an empty list is an error too.
pub fn parse_batch(body: &[u8], items_max: usize) -> Result<Vec<&str>, Error> {
    let text = std::str::from_utf8(body)
        .map_err(|error| Error::Malformed(format!("not UTF-8 at byte {}", error.valid_up_to())))?;
    check_nesting(body, BATCH_NESTING_MAX)?;
    let fields: Fields<'_> = serde_json::from_str(text).map_err(|error| malformed(&error))?;
    let events = fields.get("events").ok_or_else(|| invalid("events", "is missing"))?;
    let items: Vec<&RawValue> =
        serde_json::from_str(events.get()).map_err(|_| invalid("events", "must be an array of envelopes"))?;
    if items.is_empty() || items.len() > items_max {
        return Err(invalid("events", format!("must hold 1 to {items_max} envelopes, not {}", items.len())));
    }
    Ok(items.into_iter().map(RawValue::get).collect())
}

fn malformed(error: &serde_json::Error) -> Error {
    Error::Malformed(error.to_string())
}

fn invalid(field: &'static str, problem: impl Into<String>) -> Error {
    Error::Invalid { field, problem: problem.into() }
}

fn text_field<'a>(fields: &Fields<'a>, name: &'static str) -> Result<Cow<'a, str>, Error> {
    let raw = fields.get(name).ok_or_else(|| invalid(name, "is missing"))?;
    borrowed_text(raw).ok_or_else(|| invalid(name, "must be a string"))
}

fn borrowed_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(serde::Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'_>>(raw.get()).ok().map(|text| text.0)
}

fn correlation_id(fields: &Fields<'_>) -> Result<Option<CorrelationId>, Error> {
    let Some(raw) = fields.get("metadata") else { return Ok(None) };
    if raw.get() == "null" {
        return Ok(None);
    }
    let metadata: Fields<'_> =
        serde_json::from_str(raw.get()).map_err(|_| invalid("metadata", "must be an object"))?;
    for (name, field) in [
        ("userId", "metadata.userId"),
        ("version", "metadata.version"),
        ("correlationId", "metadata.correlationId"),
    ] {
        if let Some(value) = metadata.get(name)
            && value.get() != "null"
            && borrowed_text(value).is_none()
        {
            return Err(invalid(field, "must be a string"));
        }
    }
    let text = metadata.get("correlationId").and_then(borrowed_text);
    Ok(text.and_then(|text| CorrelationId::new(&text).ok()))
}

/// The fields of one JSON object with their raw values; a repeated name is refused, because two
/// readers of one signed text could then see two different events.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }
}

impl<'de: 'a, 'a> serde::Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::with_capacity(8);
                while let Some((Key(name), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    if fields.iter().any(|(key, _)| *key == name) {
                        return Err(serde::de::Error::custom(format_args!("field `{name}` stands twice")));
                    }
                    if fields.len() == FIELDS_MAX {
                        return Err(serde::de::Error::custom(format_args!("more than {FIELDS_MAX} fields")));
                    }
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        #[derive(serde::Deserialize)]
        struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// Refuses what is nested deeper than `nesting_max` before any recursive reader sees it.
fn check_nesting(body: &[u8], nesting_max: usize) -> Result<(), Error> {
    let (mut rest, mut depth) = (body, 0_usize);
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => rest = after_text(rest),
            b'{' | b'[' => {
                depth += 1;
                if depth > nesting_max {
                    return Err(Error::Malformed(format!("nested deeper than {nesting_max}")));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// What comes after the string that `rest` begins within.
fn after_text(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        // A backslash takes the byte after it along.
        let (is_end, taken) = if rest[at] == b'"' { (true, at + 1) } else { (false, at + 2) };
        rest = rest.get(taken..).unwrap_or_default();
        if is_end {
            return rest;
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"eventId":"0192f0c1-7a3b-7c11-9d55-0a1b2c3d4e5f","eventType":"payment.received","timestamp":"2026-04-16T12:00:00.000Z","source":"colectiva","organizationId":"org_demo","data":{"amountCents":12500.10,"n":1e400},"extra":[1]}"#;

    #[test]
    fn a_good_envelope_is_read_and_its_data_untouched() {
        let envelope = parse(GOOD.as_bytes()).unwrap();
        assert_eq!(envelope.event_type.as_str(), "payment.received");
        assert_eq!(envelope.timestamp, Millis(1_776_340_800_000));
        assert_eq!(envelope.data, r#"{"amountCents":12500.10,"n":1e400}"#);
        assert!(envelope.has_uuid());
    }

    #[test]
    fn each_missing_or_ill_typed_field_is_named() {
        for field in ["eventId", "eventType", "timestamp", "source", "organizationId", "data"] {
            let mut value: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&GOOD.replace("1e400", "1")).unwrap();
            value.remove(field);
            let gone = serde_json::to_vec(&value).unwrap();
            assert!(matches!(parse(&gone), Err(Error::Invalid { field: f, .. }) if f == field), "{field}");
            if field != "data" {
                value.insert(field.to_owned(), serde_json::json!(7));
                let wrong = serde_json::to_vec(&value).unwrap();
                assert!(
                    matches!(parse(&wrong), Err(Error::Invalid { field: f, .. }) if f == field),
                    "{field}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_json_object_is_malformed() {
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        let twice = GOOD.replace("\"extra\"", "\"source\"");
        for bad in ["", "[]", "nul", "{", "{\"a\":}", deep.as_str(), twice.as_str()] {
            assert!(matches!(parse(bad.as_bytes()), Err(Error::Malformed(_))), "{bad}");
        }
        assert!(matches!(parse(b"{\"a\":\"\xff\"}"), Err(Error::Malformed(_))));
    }

    #[test]
    fn metadata_is_optional_and_checked() {
        let with = |metadata: &str| GOOD.replace("\"extra\":[1]", &format!("\"metadata\":{metadata}"));
        let good = with(r#"{"correlationId":"cid_1","userId":null}"#);
        assert_eq!(parse(good.as_bytes()).unwrap().correlation_id.unwrap().as_str(), "cid_1");
        assert!(parse(with("null").as_bytes()).unwrap().correlation_id.is_none());
        let bad = with(r#"{"userId":7}"#);
        assert!(matches!(parse(bad.as_bytes()), Err(Error::Invalid { field: "metadata.userId", .. })));
        assert!(matches!(parse(with("[]").as_bytes()), Err(Error::Invalid { field: "metadata", .. })));
    }

    #[test]
    fn a_batch_gives_each_items_own_bytes() {
        let body = format!("{{\"events\":[ {GOOD} ,{{}}]}}");
        let items = parse_batch(body.as_bytes(), 2).unwrap();
        assert_eq!(items, [GOOD, "{}"]);
        assert!(parse_batch(body.as_bytes(), 1).is_err());
        assert!(parse_batch(b"{\"events\":[]}", 1).is_err());
        assert!(parse_batch(b"{\"events\":{}}", 1).is_err());
    }
}
