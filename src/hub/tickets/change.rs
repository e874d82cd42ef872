//! What changes a ticket that no event brings: a person's word, the hosted model's, and the clock's.
//!
//! A person's judgement is final: no model writes over it, and the offline classifier learns from it.

use rusqlite::{OptionalExtension as _, params};
use serde_json::{Value, json};

use crate::domain::triage::escalation::LEVEL_MAX;
use crate::domain::triage::{Area, Category, Priority, Verdict};
use crate::hub::command::Command;
use crate::hub::{Trouble, Work};

/// A person says what a ticket is, or how it stands: `{ticket, status?, category?, priority?, area?, assignee?, note?}`.
/// An empty assignee is nobody, an empty note none.
pub(super) const CORRECT: &str = "tickets.correct";
/// The hosted model was asked: `{ticket, tokens, verdict?, trouble?}`.
pub(super) const JUDGED: &str = "tickets.judged";
/// A ticket has waited too long: `{ticket, level}`, at the instant when it was due.
pub(super) const ESCALATE: &str = "tickets.escalate";

/// How a ticket can stand.
pub const STATUSES: [&str; 4] = ["open", "in_progress", "resolved", "closed"];

fn asked<'a>(command: &'a Command, name: &str) -> Option<&'a str> {
    command.body.get(name)?.as_str()
}

/// A label that is asked for; refused if there is no such.
fn label<'a>(command: &'a Command, name: &str, known: &[&str]) -> Result<Option<&'a str>, Trouble> {
    match asked(command, name) {
        Some(word) if !known.contains(&word) => {
            let known = known.join(", ");
            Err(Trouble::Refused(format!("`{name}` must be one of {known}, and not `{word}`")))
        }
        word => Ok(word),
    }
}

fn missing(id: &str) -> Trouble {
    Trouble::Missing(format!("there is no ticket `{id}` in this organization"))
}

/// [`CORRECT`].
pub(super) fn correct(work: &Work<'_>, command: &Command) -> Result<Value, Trouble> {
    let id = asked(command, "ticket").unwrap_or_default();
    let status = label(command, "status", &STATUSES)?;
    let category = label(command, "category", &words(Category::ALL, Category::as_str))?;
    let priority = label(command, "priority", &words(Priority::ALL, Priority::as_str))?;
    let area = label(command, "area", &words(Area::ALL, Area::as_str))?;
    let is_judgement = category.is_some() || priority.is_some() || area.is_some();
    let sql = "UPDATE support_tickets SET status = coalesce(?3, status), category = coalesce(?4, category),
            priority = coalesce(?5, priority), area = coalesce(?6, area),
            assignee = nullif(coalesce(?7, assignee), ''), note = nullif(coalesce(?8, note), ''),
            classified_by = iif(?9, 'person', classified_by),
            confidence = iif(?4 IS NULL, confidence, 100), reason = iif(?9, 'said by ' || ?10, reason),
            updated_ms = max(updated_ms, ?11)
        WHERE id = ?1 AND organization = ?2 RETURNING status, category, priority, area";
    let row = params![
        id,
        work.organization(),
        status,
        category,
        priority,
        area,
        asked(command, "assignee"),
        asked(command, "note"),
        is_judgement,
        command.actor,
        work.at().0.cast_signed(),
    ];
    let changed: Option<[String; 4]> = work
        .tx
        .prepare_cached(sql)?
        .query_row(row, |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))
        .optional()?;
    let [status, now_category, now_priority, now_area] = changed.ok_or_else(|| missing(id))?;
    if is_judgement {
        // With its text: what is learned must not change when the app tells of the ticket again.
        let sql =
            "INSERT INTO support_lessons (ticket, source, subject, description, category, priority, area)
            SELECT id, source, subject, description, ?2, ?3, ?4 FROM support_tickets WHERE id = ?1";
        work.tx.prepare_cached(sql)?.execute(params![id, category, priority, area])?;
    }
    Ok(json!({
        "ticketId": id, "status": status, "category": now_category, "priority": now_priority, "area": now_area,
    }))
}

fn words<T: Copy>(all: &[T], word: impl Fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().map(|label| word(*label)).collect()
}

/// [`JUDGED`]. What is no verdict counts as trouble: the offline one stays.
pub(super) fn judged(work: &Work<'_>, command: &Command) -> Result<Value, Trouble> {
    let id = asked(command, "ticket").unwrap_or_default();
    let tokens = command.body.get("tokens").and_then(Value::as_i64).unwrap_or(0);
    let sql = "UPDATE support_tickets SET asked_ms = ?3, asked_trouble = ?4, tokens = tokens + ?5
        WHERE id = ?1 AND organization = ?2";
    let row = params![id, work.organization(), work.at().0.cast_signed(), asked(command, "trouble"), tokens];
    if work.tx.prepare_cached(sql)?.execute(row)? == 0 {
        return Err(missing(id));
    }
    let verdict = command.body.get("verdict").cloned().unwrap_or_default();
    let Ok(verdict) = serde_json::from_value::<Verdict>(verdict) else { return Ok(json!({ "used": false })) };
    let sql =
        "UPDATE support_tickets SET category = ?2, priority = ?3, sentiment = ?4, language = ?5, area = ?6,
            confidence = ?7, reason = ?8, classified_by = 'hosted', updated_ms = max(updated_ms, ?9)
        WHERE id = ?1 AND classified_by <> 'person'";
    let used = work.tx.prepare_cached(sql)?.execute(params![
        id,
        verdict.category.as_str(),
        verdict.priority.as_str(),
        verdict.sentiment.as_str(),
        verdict.language.as_str(),
        verdict.area.as_str(),
        verdict.confidence.min(100),
        verdict.reason,
        work.at().0.cast_signed(),
    ])?;
    Ok(json!({ "used": used == 1 }))
}

/// [`ESCALATE`]. Refused, and not kept, for a ticket that has ended meanwhile or is there already.
pub(super) fn escalate(work: &Work<'_>, command: &Command) -> Result<Value, Trouble> {
    let id = asked(command, "ticket").unwrap_or_default();
    let level = command.body.get("level").and_then(Value::as_i64).unwrap_or(0);
    let sql = "UPDATE support_tickets SET level = ?3, updated_ms = max(updated_ms, ?4)
        WHERE id = ?1 AND organization = ?2 AND level < ?3 AND ?3 <= ?5 AND status IN ('open', 'in_progress')";
    let row = params![id, work.organization(), level, work.at().0.cast_signed(), LEVEL_MAX];
    if work.tx.prepare_cached(sql)?.execute(row)? == 0 {
        return Err(Trouble::Conflict(format!("`{id}` does not wait for level {level}")));
    }
    Ok(json!({ "ticketId": id, "level": level }))
}
