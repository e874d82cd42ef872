//! An event as subscribers see it: the envelope, and `data` as a value.
//!
//! Borrowed from what was received; nothing here rewrites it.

use std::borrow::Cow;

use serde_json::Value;

use crate::deliver::Attempt;
use crate::domain::event;
use crate::domain::id::{AppSlug, CorrelationId, EventId, EventType};
use crate::domain::time::Millis;

/// An event.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// Its place in the order of acceptance.
    pub seq: u64,
    /// Who sent it.
    pub source: &'a AppSlug,
    /// Its name there.
    pub event_id: &'a EventId,
    /// Its type.
    pub event_type: &'a EventType,
    /// What it belongs to.
    pub correlation: &'a CorrelationId,
    /// `X-Tenant-Id`, if it came with one.
    pub tenant: Option<&'a str>,
    /// The envelope's own time.
    pub at: Millis,
    /// The envelope's `organizationId`, as it was sent.
    pub organization: String,
    /// The envelope's `data`; null if it holds what is no value of ours, such as a number out of range.
    pub data: Value,
}

/// What an event is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    pub(super) seq: u64,
    pub(super) source: &'a AppSlug,
    pub(super) event_id: &'a EventId,
    pub(super) event_type: &'a EventType,
    pub(super) correlation: &'a CorrelationId,
    pub(super) tenant: Option<&'a str>,
    pub(super) body: &'a [u8],
}

impl<'a> Event<'a> {
    /// The event of a delivery. An error says why its body is no envelope.
    pub fn of_attempt(attempt: &'a Attempt) -> Result<Self, String> {
        Self::read(Raw {
            seq: attempt.seq,
            source: &attempt.source,
            event_id: &attempt.event_id,
            event_type: &attempt.event_type,
            correlation: &attempt.correlation_id,
            tenant: attempt.tenant.as_deref(),
            body: &attempt.body,
        })
    }

    pub(super) fn read(raw: Raw<'a>) -> Result<Self, String> {
        let envelope = event::parse(raw.body).map_err(|error| format!("the body is no envelope: {error}"))?;
        Ok(Self {
            seq: raw.seq,
            source: raw.source,
            event_id: raw.event_id,
            event_type: raw.event_type,
            correlation: raw.correlation,
            tenant: raw.tenant,
            at: envelope.timestamp,
            data: serde_json::from_str(envelope.data).unwrap_or_default(),
            organization: envelope.organization_id,
        })
    }

    /// The first of `names` that has a text or a number in `data`, as text.
    pub fn text(&self, names: &[&str]) -> Option<Cow<'_, str>> {
        names.iter().find_map(|name| text(self.field(name)?))
    }

    /// The first of `names` that has an instant or a date in `data`.
    pub fn time(&self, names: &[&str]) -> Option<Millis> {
        names.iter().find_map(|name| time(self.field(name)?.as_str()?))
    }

    /// A field of `data`; dots lead into objects.
    pub fn field(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(&self.data, |value, name| value.get(name)).filter(|value| !value.is_null())
    }
}

/// A scalar as text; none for what is empty.
pub(super) fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text.trim())).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// An RFC 3339 instant, or a date, which is its first moment in UTC.
pub(super) fn time(text: &str) -> Option<Millis> {
    Millis::parse_rfc3339(text).or_else(|| {
        let is_date = text.len() == 10 && text.as_bytes().get(4) == Some(&b'-');
        is_date.then(|| Millis::parse_rfc3339(&format!("{text}T00:00:00Z"))).flatten()
    })
}
