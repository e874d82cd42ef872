//! What people ask the CRM. Every query is bounded, goes by an index, and sees only the organizations that
//! its caller may see.

pub(in crate::hub) mod cursor;
mod funnel;
mod lists;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use serde_json::{Value, json};

pub use cursor::Found;
use cursor::{Cursor, page};
pub use funnel::{Funnel, Step, funnel};
pub use lists::{
    Alert, Deadline, Deal, DealFilter, Duplicate, Product, Receivable, alerts, deadlines, deal_organization,
    deals, duplicates, products, receivable_organization, receivables,
};

pub use super::deals::{KINDS, PHASES};
pub use super::receivables::STATUSES;
use super::timeline::Owner;
use crate::domain::time::Millis;
use crate::hub::reader::{at, at_or_none, time, time_or_null};

/// Whose things may be seen: all, or those of these organizations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Everybody's.
    #[default]
    All,
    /// These organizations'.
    Of(Vec<String>),
}

impl Reach {
    /// Whether things of `organization` may be seen.
    pub fn covers(&self, organization: &str) -> bool {
        match self {
            Self::All => true,
            Self::Of(organizations) => organizations.iter().any(|other| other == organization),
        }
    }

    /// A condition on the column `organization`, and its parameter, the first one.
    pub(in crate::hub) fn condition(&self) -> (&'static str, Option<String>) {
        match self {
            Self::All => ("?1 IS NULL", None),
            Self::Of(organizations) => {
                ("organization IN (SELECT value FROM json_each(?1))", Some(json!(organizations).to_string()))
            }
        }
    }
}

/// A contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// Its id.
    pub contact_id: String,
    /// Whose it is.
    pub organization_id: String,
    /// Its name, if anybody said it.
    pub name: Option<String>,
    /// Its addresses, folded.
    pub emails: Vec<String>,
    /// Its numbers, as E.164.
    pub phones: Vec<String>,
    /// Its tax id.
    pub rfc: Option<String>,
    /// What it is.
    pub tags: Vec<String>,
    /// What apps call it: `app:id`.
    pub external_ids: Vec<String>,
    /// When deletion was asked for.
    #[serde(serialize_with = "time_or_null")]
    pub deletion_requested_at: Option<Millis>,
    /// The contact that it is part of now.
    pub merged_into: Option<String>,
    /// The time of the event that brought it.
    #[serde(serialize_with = "time")]
    pub created_at: Millis,
    /// The time of the last event that changed it.
    #[serde(serialize_with = "time")]
    pub updated_at: Millis,
    #[serde(skip)]
    n: i64,
}

const CONTACT: &str = "n, id, organization, name, tags, deletion_ms, merged_into, created_ms, updated_ms";

fn contact_row(row: &Row<'_>) -> rusqlite::Result<Contact> {
    let tags: String = row.get(4)?;
    Ok(Contact {
        n: row.get(0)?,
        contact_id: row.get(1)?,
        organization_id: row.get(2)?,
        name: row.get(3)?,
        emails: Vec::new(),
        phones: Vec::new(),
        rfc: None,
        tags: serde_json::from_str(&tags).unwrap_or_default(),
        external_ids: Vec::new(),
        deletion_requested_at: at_or_none(row, 5)?,
        merged_into: row.get(6)?,
        created_at: at(row, 7)?,
        updated_at: at(row, 8)?,
    })
}

fn with_keys(file: &Connection, mut contact: Contact) -> rusqlite::Result<Contact> {
    let sql = "SELECT kind, value FROM contact_keys WHERE contact = ?1 ORDER BY kind, value";
    let mut statement = file.prepare_cached(sql)?;
    let mut rows = statement.query([&contact.contact_id])?;
    while let Some(row) = rows.next()? {
        let value: String = row.get(1)?;
        match row.get_ref(0)?.as_str()? {
            "email" => contact.emails.push(value),
            "phone" => contact.phones.push(value),
            "rfc" => contact.rfc = contact.rfc.or(Some(value)),
            _ => contact.external_ids.push(value),
        }
    }
    Ok(contact)
}

/// The contact `id`.
pub fn contact(file: &Connection, id: &str) -> rusqlite::Result<Option<Contact>> {
    let sql = format!("SELECT {CONTACT} FROM contacts WHERE id = ?1");
    let found = file.prepare_cached(&sql)?.query_row([id], contact_row).optional()?;
    found.map(|contact| with_keys(file, contact)).transpose()
}

/// Contacts whose name, addresses, numbers, tax id or tags have words that begin like those of `q`, newest
/// first; all of them without `q`.
pub fn contacts(
    file: &Connection,
    reach: &Reach,
    q: Option<&str>,
    cursor: Option<&str>,
    limit: usize,
) -> rusqlite::Result<Option<Found<Contact>>> {
    let Some(Cursor { at: before, .. }) = Cursor::read(cursor) else { return Ok(None) };
    let (condition, organizations) = reach.condition();
    let words = q.map(terms);
    let matching = match words {
        Some(_) => "AND n IN (SELECT rowid FROM contact_words WHERE contact_words MATCH ?4)",
        None => "AND ?4 IS NULL",
    };
    if words.as_ref().is_some_and(String::is_empty) {
        return Ok(Some(Found { items: Vec::new(), next: None }));
    }
    let sql = format!(
        "SELECT {CONTACT} FROM contacts WHERE {condition} AND n < ?2 AND merged_into IS NULL {matching}
         ORDER BY n DESC LIMIT ?3"
    );
    let mut statement = file.prepare_cached(&sql)?;
    let limit_and_one = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![organizations, before, limit_and_one, words], contact_row)?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let mut found = page(rows, limit, |contact| Cursor { at: contact.n, name: String::new() });
    found.items = found.items.into_iter().map(|row| with_keys(file, row)).collect::<Result<_, _>>()?;
    Ok(Some(found))
}

/// A query of the full-text index: every word of `q`, as the beginning of one.
fn terms(q: &str) -> String {
    let words = q.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).take(16);
    words.map(|word| format!("\"{word}\"*")).collect::<Vec<_>>().join(" ")
}

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When it happened, by its own time.
    #[serde(serialize_with = "time")]
    pub at: Millis,
    /// What happened.
    pub event_type: String,
    /// Who said so; `command` if a person did it here.
    pub source: String,
    /// Whose timeline.
    pub organization_id: String,
    /// Whom it is about, if anybody in particular.
    pub contact_id: Option<String>,
    /// One line, by language.
    pub summary: Summary,
    /// The amount, in the unit of its field.
    pub amount: Option<Value>,
    /// The event behind it.
    pub event: Value,
    #[serde(skip)]
    n: i64,
}

/// One line in each language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// In Spanish.
    pub es: String,
    /// In English.
    pub en: String,
}

/// Whose timeline is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Of<'a> {
    /// A contact's.
    Contact(&'a str),
    /// All of an organization's.
    Organization(&'a str),
}

/// A timeline, newest first.
pub fn timeline(
    file: &Connection,
    of: Of<'_>,
    cursor: Option<&str>,
    limit: usize,
) -> rusqlite::Result<Option<Found<Entry>>> {
    let Some(cursor) = Cursor::read(cursor) else { return Ok(None) };
    let last: i64 = cursor.name.parse().unwrap_or(i64::MAX);
    let (owner, id) = match of {
        Of::Contact(id) => (Owner::Contact, id),
        Of::Organization(id) => (Owner::Organization, id),
    };
    let sql = format!(
        "SELECT n, at_ms, event_type, source, organization, contact, es, en, amount, unit, currency, event_id
         FROM timeline WHERE n IN ({}) ORDER BY at_ms DESC, n DESC LIMIT ?4",
        owner.before()
    );
    let mut statement = file.prepare_cached(&sql)?;
    let limit_and_one = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![id, cursor.at, last, limit_and_one], entry)?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(Some(page(rows, limit, |entry| Cursor { at: entry.at.0.cast_signed(), name: entry.n.to_string() })))
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let (source, event_id): (String, String) = (row.get(3)?, row.get(11)?);
    let (value, unit, currency): (Option<String>, Option<String>, Option<String>) =
        (row.get(8)?, row.get(9)?, row.get(10)?);
    // As the event wrote it: a number stays that number.
    let amount = value.map(|value| {
        let value: Value = serde_json::from_str(&value).unwrap_or(Value::String(value));
        json!({ "value": value, "unit": unit, "currency": currency })
    });
    let event = match source.as_str() {
        "command" => json!({ "commandId": event_id }),
        _ => json!({
            "eventId": event_id, "source": source, "href": format!("/v1/events/{event_id}?source={source}"),
        }),
    };
    Ok(Entry {
        n: row.get(0)?,
        at: at(row, 1)?,
        event_type: row.get(2)?,
        source,
        organization_id: row.get(4)?,
        contact_id: row.get(5)?,
        summary: Summary { es: row.get(6)?, en: row.get(7)? },
        amount,
        event,
    })
}
