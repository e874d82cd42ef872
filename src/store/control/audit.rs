//! The audit log: who changed what, when, and under which correlation id.
//!
//! An entry is durable in the same transaction as its change. Entries are never changed; they go only by
//! age. Whoever writes one keeps secrets out of `detail`.

use rusqlite::{Connection, Row, named_params, params};
use serde::Serialize;
use serde_json::Value;

use super::instant::{from_column, to_column};
use super::key::{KeyId, Principal};
use super::{Control, Error, instant, unreadable};
use crate::domain::id::CorrelationId;
use crate::domain::time::Millis;

/// Longest detail, as JSON, in bytes; what is longer is cut to a text.
pub const DETAIL_BYTES_MAX: usize = 8 * 1024;
/// Most entries of one page.
pub const PAGE_MAX: usize = 500;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// The key; none if the broker did it by itself.
    pub key_id: Option<KeyId>,
    /// Its name then.
    pub name: String,
}

impl Actor {
    /// The broker itself, as when a receiver says that it is gone.
    pub fn broker() -> Self {
        Self { key_id: None, name: "camino".to_owned() }
    }
}

impl From<&Principal> for Actor {
    fn from(principal: &Principal) -> Self {
        Self { key_id: Some(principal.key_id.clone()), name: principal.name.clone() }
    }
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When.
    #[serde(with = "instant")]
    pub at: Millis,
    /// By whom.
    pub actor: Actor,
    /// What, such as `endpoint.pause`.
    pub action: String,
    /// To what, such as an app's slug or a key's id.
    pub target: String,
    /// More about it; never a secret.
    pub detail: Value,
    /// The request it came with.
    #[serde(rename = "correlationId")]
    pub correlation: Option<CorrelationId>,
}

impl Entry {
    /// An entry without detail.
    pub fn new(at: Millis, actor: Actor, action: &str, target: &str) -> Self {
        Self {
            at,
            actor,
            action: action.to_owned(),
            target: target.to_owned(),
            detail: Value::Null,
            correlation: None,
        }
    }

    /// The entry with more about it.
    #[must_use]
    pub fn detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }

    /// The entry with the request it came with.
    #[must_use]
    pub fn correlation(mut self, correlation: CorrelationId) -> Self {
        self.correlation = Some(correlation);
        self
    }
}

/// An entry and its place in the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recorded {
    /// Grows with each entry; never used twice.
    pub seq: i64,
    /// What was done.
    #[serde(flatten)]
    pub entry: Entry,
}

/// Some entries, newest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page {
    /// The entries.
    pub items: Vec<Recorded>,
    /// The cursor of the next page; none on the last one.
    pub next: Option<i64>,
}

impl Control {
    /// Records what was done elsewhere, durably.
    pub fn record(&self, entry: &Entry) -> Result<(), Error> {
        self.write(|file| insert(file, entry))
    }

    /// Up to `limit` entries, newest first, older than the cursor `before`.
    pub fn audit(&self, before: Option<i64>, limit: usize) -> Result<Page, Error> {
        let limit = limit.clamp(1, PAGE_MAX);
        let mut items = self.read(|file| {
            let mut select = file.prepare_cached(
                "SELECT seq, at_ms, key_id, actor, action, target, detail, correlation
                 FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT ?",
            )?;
            let wanted = i64::try_from(limit + 1).unwrap_or(i64::MAX);
            let rows = select.query_map(params![before.unwrap_or(i64::MAX), wanted], recorded)?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| last.seq);
        Ok(Page { items, next })
    }

    /// Forgets up to `limit` entries from before `before`, oldest first. Returns how many.
    pub fn purge_audit(&self, before: Millis, limit: u32) -> Result<usize, Error> {
        self.write(|file| {
            let doomed = "SELECT seq FROM audit WHERE at_ms < ? ORDER BY at_ms LIMIT ?";
            let purged = file.execute(
                &format!("DELETE FROM audit WHERE seq IN ({doomed})"),
                params![to_column(before), limit],
            )?;
            Ok(purged)
        })
    }
}

/// Writes an entry into the transaction of its change.
pub(super) fn insert(file: &Connection, entry: &Entry) -> Result<(), Error> {
    let mut insert = file.prepare_cached(
        "INSERT INTO audit (at_ms, key_id, actor, action, target, detail, correlation)
         VALUES (:at, :key_id, :actor, :action, :target, :detail, :correlation)",
    )?;
    insert.execute(named_params! {
        ":at": to_column(entry.at),
        ":key_id": entry.actor.key_id.as_ref().map(KeyId::as_str),
        ":actor": entry.actor.name,
        ":action": entry.action,
        ":target": entry.target,
        ":detail": bounded(&entry.detail),
        ":correlation": entry.correlation.as_ref().map(CorrelationId::as_str),
    })?;
    Ok(())
}

fn bounded(detail: &Value) -> String {
    let text = detail.to_string();
    if text.len() <= DETAIL_BYTES_MAX {
        return text;
    }
    // Quoted again, each byte may take two; the reader only needs to see what it began with.
    let end = text.floor_char_boundary(DETAIL_BYTES_MAX / 2 - 8);
    Value::String(format!("{}...", &text[..end])).to_string()
}

fn recorded(row: &Row<'_>) -> rusqlite::Result<Recorded> {
    let key_id: Option<String> = row.get(2)?;
    let detail: String = row.get(6)?;
    let correlation: Option<String> = row.get(7)?;
    let key_id = key_id.map(|id| KeyId::parse(&id).ok_or_else(|| unreadable(2, "no key id"))).transpose()?;
    let correlation =
        correlation.map(|id| CorrelationId::new(&id)).transpose().map_err(|error| unreadable(7, error))?;
    let entry = Entry {
        at: from_column(row.get(1)?),
        actor: Actor { key_id, name: row.get(3)? },
        action: row.get(4)?,
        target: row.get(5)?,
        detail: serde_json::from_str(&detail).map_err(|error| unreadable(6, error))?,
        correlation,
    };
    Ok(Recorded { seq: row.get(0)?, entry })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_detail_is_cut_and_stays_json() {
        for long in ["x".repeat(20_000), "\"".repeat(20_000), "ñ".repeat(20_000)] {
            let text = bounded(&Value::String(long));
            assert!(text.len() <= DETAIL_BYTES_MAX, "{}", text.len());
            assert!(serde_json::from_str::<Value>(&text).unwrap().is_string());
        }
        assert_eq!(bounded(&serde_json::json!({"a": 1})), r#"{"a":1}"#);
    }
}
