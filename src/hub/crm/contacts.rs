//! Contacts: found by any of their keys, made when nobody has one, and never deleted.
//!
//! A key belongs to one contact. When the keys of one event lead to two, the surest wins and the pair is
//! proposed as a possible duplicate.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension as _, params};
use serde_json::{Value, json};

use super::parties::Party;
use super::{asked, duplicates, fold, timeline};
use crate::domain::time::Millis;
use crate::hub::command::Command;
use crate::hub::{Event, Trouble, Work};

/// Events whose person the other apps are told of as a new customer: those that only the hub gets.
const ANNOUNCED: [&str; 3] = ["customer.identified", "owner.registered", "investor.created"];

/// The kind of keys that are an app's own, and nobody's words.
const EXTERNAL: &str = "external";

/// What is kept of a contact.
struct Row {
    n: i64,
    name: Option<String>,
    name_ms: i64,
    tags: BTreeSet<String>,
}

/// Finds the contact of `party`, or makes it; brings it up to date and gives its id.
pub(super) fn take(work: &mut Work<'_>, event: &Event<'_>, party: &Party) -> Result<Option<String>, Trouble> {
    let mut found: Vec<String> = Vec::new();
    let mut missing = Vec::new();
    for (kind, value) in party.keys() {
        match owner(work, kind, value)? {
            Some(contact) if !found.contains(&contact) => found.push(contact),
            Some(_) => {}
            None => missing.push((kind, value)),
        }
    }
    let at = event.at.0.cast_signed();
    let Some(id) = found.first().cloned() else { return make(work, event, party, at).map(Some) };
    for other in &found[..].get(1..).unwrap_or_default().to_vec() {
        duplicates::propose(work, &id, other, "keys of both came in one event", event.event_id.as_str())?;
    }
    give(work, &id, &missing)?;
    update(work, &id, party, at, !missing.is_empty())?;
    Ok(Some(id))
}

/// Who has a key.
fn owner(work: &Work<'_>, kind: &str, value: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT contact FROM contact_keys WHERE organization = ?1 AND kind = ?2 AND value = ?3";
    let key = [work.organization(), kind, value];
    work.tx.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()
}

/// Makes the contact of `party`, whose keys nobody has.
fn make(work: &mut Work<'_>, event: &Event<'_>, party: &Party, at: i64) -> Result<String, Trouble> {
    let keys: Vec<_> = party.keys().collect();
    let surest = keys.first().map_or("", |(_, value)| value);
    let id = format!("con_{}", work.derive(&format!("contact:{surest}")).simple());
    let tags: BTreeSet<&String> = party.tags.iter().collect();
    let name_ms = match (&party.name, party.is_record) {
        (Some(_), true) => at,
        // What is only mentioned gives way to the first record.
        (Some(_), false) => 0,
        (None, _) => -1,
    };
    let sql = "INSERT INTO contacts (id, organization, name, name_ms, folded, tags, created_ms, updated_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)";
    work.tx.prepare_cached(sql)?.execute(params![
        id,
        work.organization(),
        party.name,
        name_ms,
        party.name.as_deref().and_then(fold::full_name),
        json!(tags).to_string(),
        at,
    ])?;
    let n = work.tx.last_insert_rowid();
    give(work, &id, &keys)?;
    let told = keys.iter().filter(|(kind, _)| *kind != EXTERNAL).map(|(_, value)| *value);
    let words = party.name.iter().map(String::as_str).chain(told).chain(tags.into_iter().map(String::as_str));
    add_words(work, n, words)?;
    namesakes(work, event, &id, party)?;
    if ANNOUNCED.contains(&event.event_type.as_str()) {
        let data = json!({
            "customerId": id, "name": party.name, "email": party.email, "phone": party.phone,
            "rfc": party.rfc, "originSource": event.source,
        });
        work.emit("customer.created", &data)?;
    }
    Ok(id)
}

/// Gives a contact its keys.
fn give(work: &Work<'_>, id: &str, keys: &[(&str, &str)]) -> rusqlite::Result<()> {
    for (kind, value) in keys {
        let sql = "INSERT INTO contact_keys (organization, kind, value, contact) VALUES (?1, ?2, ?3, ?4)";
        work.tx.prepare_cached(sql)?.execute([work.organization(), kind, value, id])?;
    }
    Ok(())
}

/// Brings the name and tags up to date; writes nothing if nothing changes.
fn update(work: &Work<'_>, id: &str, party: &Party, at: i64, has_new_key: bool) -> Result<(), Trouble> {
    if party.name.is_none() && party.tags.is_empty() && !has_new_key {
        return Ok(());
    }
    let row = row(work, id)?;
    let renames = match (&party.name, &row.name) {
        (Some(name), Some(known)) => party.is_record && at >= row.name_ms && name != known,
        (Some(_), None) => true,
        (None, _) => false,
    };
    let tags: BTreeSet<String> = row.tags.iter().chain(&party.tags).cloned().collect();
    if !renames && !has_new_key && tags == row.tags {
        return Ok(());
    }
    let name = if renames { &party.name } else { &row.name };
    // What is only mentioned gives way to the first record.
    let name_ms = match (renames, party.is_record) {
        (true, true) => at,
        (true, false) => 0,
        (false, _) => row.name_ms,
    };
    let sql = "UPDATE contacts SET name = ?2, name_ms = ?3, folded = ?4, tags = ?5,
        updated_ms = max(updated_ms, ?6) WHERE id = ?1";
    let folded = name.as_deref().and_then(fold::full_name);
    work.tx.prepare_cached(sql)?.execute(params![id, name, name_ms, folded, json!(tags).to_string(), at])?;
    index(work, id)
}

fn row(work: &Work<'_>, id: &str) -> Result<Row, Trouble> {
    let sql = "SELECT n, name, name_ms, tags FROM contacts WHERE id = ?1";
    let row = work.tx.prepare_cached(sql)?.query_row([id], |row| {
        let tags: String = row.get(3)?;
        let tags = serde_json::from_str(&tags).unwrap_or_default();
        Ok(Row { n: row.get(0)?, name: row.get(1)?, name_ms: row.get(2)?, tags })
    })?;
    Ok(row)
}

/// Brings the full-text index up to date with a contact.
pub(super) fn index(work: &Work<'_>, id: &str) -> Result<(), Trouble> {
    let row = row(work, id)?;
    // Which kinds count is not for sqlite to say: it would prepare the statement anew for each contact.
    let sql = "SELECT kind, value FROM contact_keys WHERE contact = ?1 ORDER BY kind, value";
    let mut keys = work.tx.prepare_cached(sql)?;
    let keys = keys.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let keys = keys.collect::<Result<Vec<(String, String)>, _>>()?;
    let told = keys.iter().filter(|(kind, _)| kind != EXTERNAL).map(|(_, value)| value);
    work.tx.prepare_cached("DELETE FROM contact_words WHERE rowid = ?1")?.execute([row.n])?;
    add_words(work, row.n, row.name.iter().chain(told).chain(&row.tags).map(String::as_str))?;
    Ok(())
}

/// Adds the words of the contact number `n` to the index; one of which nothing is known has none.
fn add_words<'a>(work: &Work<'_>, n: i64, words: impl Iterator<Item = &'a str>) -> rusqlite::Result<()> {
    let words = words.collect::<Vec<_>>().join(" ");
    if !words.is_empty() {
        let sql = "INSERT INTO contact_words (rowid, words) VALUES (?1, ?2)";
        work.tx.prepare_cached(sql)?.execute(params![n, words])?;
    }
    Ok(())
}

/// Others of the same full name may be the same person.
fn namesakes(work: &Work<'_>, event: &Event<'_>, id: &str, party: &Party) -> Result<(), Trouble> {
    let Some(folded) = party.name.as_deref().and_then(fold::full_name) else { return Ok(()) };
    let sql = "SELECT id FROM contacts WHERE organization = ?1 AND folded = ?2 AND id <> ?3
        AND merged_into IS NULL ORDER BY n LIMIT 3";
    let mut statement = work.tx.prepare_cached(sql)?;
    let others = statement
        .query_map([work.organization(), &folded, id], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    for other in others {
        duplicates::propose(work, id, &other, "the same full name", event.event_id.as_str())?;
    }
    Ok(())
}

/// `crm.request_deletion`: marks, tells the apps, and deletes nothing.
pub(super) fn request_deletion(work: &mut Work<'_>, command: &Command) -> Result<Value, Trouble> {
    let id = asked(command, "contact").unwrap_or_default().to_owned();
    let at = work.at();
    let sql = "SELECT deletion_ms FROM contacts WHERE id = ?1 AND organization = ?2 AND merged_into IS NULL";
    let key = [id.as_str(), work.organization()];
    let found: Option<Option<i64>> =
        work.tx.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?;
    let marked = found.ok_or_else(|| Trouble::Missing(format!("there is no contact `{id}`")))?;
    if marked.is_none() {
        let sql = "UPDATE contacts SET deletion_ms = ?2, updated_ms = max(updated_ms, ?2) WHERE id = ?1";
        work.tx.prepare_cached(sql)?.execute(params![id, at.0.cast_signed()])?;
        work.emit("account.deletion_requested", &json!({ "customerId": id, "requestedAt": at.rfc3339() }))?;
        let es = "Pidió que se borre su cuenta; nada se borra todavía".to_owned();
        let en = "Asked for the account to be deleted; nothing is deleted yet".to_owned();
        timeline::note(work, command, "account.deletion_requested", (es, en), Some(&id))?;
    }
    let marked = marked.map_or(at, |marked| Millis(marked.cast_unsigned()));
    Ok(json!({ "contactId": id, "deletionRequestedAt": marked.rfc3339() }))
}
