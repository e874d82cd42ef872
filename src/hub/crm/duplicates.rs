//! Contacts that may be one person: proposed by what events say, merged only by a person.
//!
//! A merge moves every reference to the contact that stays and keeps the other as a pointer to it.

use rusqlite::{OptionalExtension as _, params};
use serde_json::{Value, json};

use super::{asked, contacts, timeline};
use crate::hub::command::Command;
use crate::hub::{Trouble, Work};

/// Where contacts are referred to, all but the timeline.
const REFERENCES: [(&str, &str); 6] = [
    ("contact_keys", "contact"),
    ("papers", "contact"),
    ("deals", "contact"),
    ("deadlines", "contact"),
    ("receivables", "contact"),
    ("contacts", "merged_into"),
];

/// Proposes that two contacts are one.
pub(super) fn propose(
    work: &Work<'_>,
    a: &str,
    b: &str,
    reason: &str,
    event_id: &str,
) -> rusqlite::Result<()> {
    let (one, other) = if a < b { (a, b) } else { (b, a) };
    let sql = "INSERT OR IGNORE INTO duplicates (organization, one, other, reason, at_ms, event_id)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let row = params![work.organization(), one, other, reason, work.at().0.cast_signed(), event_id];
    work.tx.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// `crm.merge`: `contact` becomes part of `into`.
pub(super) fn merge(work: &mut Work<'_>, command: &Command) -> Result<Value, Trouble> {
    let merged = asked(command, "contact").unwrap_or_default().to_owned();
    let surviving = asked(command, "into").unwrap_or_default().to_owned();
    if merged == surviving {
        return Err(Trouble::Refused("a contact cannot be merged into itself".to_owned()));
    }
    let (merged_name, merged_tags) = standing(work, &merged)?;
    let (surviving_name, surviving_tags) = standing(work, &surviving)?;
    for (table, column) in REFERENCES {
        let sql = format!("UPDATE {table} SET {column} = ?2 WHERE {column} = ?1 AND organization = ?3");
        work.tx.prepare_cached(&sql)?.execute([merged.as_str(), &surviving, work.organization()])?;
    }
    timeline::move_lines(work.tx, &merged, &surviving)?;
    let at = work.at().0.cast_signed();
    let sql = "UPDATE contacts SET merged_into = ?2, updated_ms = max(updated_ms, ?3) WHERE id = ?1";
    work.tx.prepare_cached(sql)?.execute(params![merged, surviving, at])?;
    let tags: std::collections::BTreeSet<String> = merged_tags.into_iter().chain(surviving_tags).collect();
    let sql = "UPDATE contacts SET tags = ?2, updated_ms = max(updated_ms, ?3),
        deletion_ms = coalesce(deletion_ms, (SELECT deletion_ms FROM contacts WHERE id = ?5)),
        name = coalesce(name, ?4) WHERE id = ?1";
    work.tx.prepare_cached(sql)?.execute(params![
        surviving,
        json!(tags).to_string(),
        at,
        merged_name,
        merged
    ])?;
    work.tx.prepare_cached("DELETE FROM duplicates WHERE one = ?1 OR other = ?1")?.execute([&merged])?;
    contacts::index(work, &surviving)?;
    work.tx
        .prepare_cached("DELETE FROM contact_words WHERE rowid = (SELECT n FROM contacts WHERE id = ?1)")?
        .execute([&merged])?;
    let merged_at = work.at().rfc3339();
    let data = json!({
        "survivingCustomerId": surviving, "mergedCustomerId": merged, "mergedAt": merged_at,
    });
    work.emit("customer.merged", &data)?;
    let name = merged_name.or(surviving_name).unwrap_or_else(|| merged.clone());
    let es = format!("Contacto duplicado unido: {name} ({merged})");
    let en = format!("Duplicate contact merged: {name} ({merged})");
    timeline::note(work, command, "customer.merged", (es, en), Some(&surviving))?;
    Ok(json!({ "contactId": surviving, "mergedContactId": merged, "mergedAt": merged_at }))
}

/// The name and tags of a contact that is there and is itself.
fn standing(work: &Work<'_>, id: &str) -> Result<(Option<String>, Vec<String>), Trouble> {
    type Standing = (Option<String>, String, Option<String>);
    let sql = "SELECT name, tags, merged_into FROM contacts WHERE id = ?1 AND organization = ?2";
    let found: Option<Standing> = work
        .tx
        .prepare_cached(sql)?
        .query_row([id, work.organization()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    match found {
        None => Err(Trouble::Missing(format!("there is no contact `{id}` in this organization"))),
        Some((_, _, Some(into))) => Err(Trouble::Conflict(format!("`{id}` is part of `{into}` already"))),
        Some((name, tags, None)) => Ok((name, serde_json::from_str(&tags).unwrap_or_default())),
    }
}
