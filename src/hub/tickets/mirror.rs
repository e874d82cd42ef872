//! `support.ticket_created`, field by field, into `support_tickets`.
//!
//! A ticket is known by its app and its id there. What is told again brings the copy up to date if it was said
//! later; a person's judgement stays. Another organization's event never touches it.

use rusqlite::{OptionalExtension as _, params};
use serde_json::Value;

use super::Tickets;
use crate::domain::triage::{Category, Priority, Ticket};
use crate::hub::work::derive;
use crate::hub::{Event, Trouble, Work};

/// What is kept of a ticket that was there before.
struct Known {
    organization: String,
    subject: String,
    description: String,
    classified_by: String,
    said_ms: i64,
}

/// Takes a ticket in. One without an id of its own cannot be told from others, and is on the timeline only.
pub(super) fn take(tickets: &Tickets, work: &Work<'_>, event: &Event<'_>) -> Result<(), Trouble> {
    let Some(source_id) = event.text(&["source_ticket_id"]) else { return Ok(()) };
    let source = event.source.as_str();
    let known = known(work, source, &source_id)?;
    let at = event.at.0.cast_signed();
    if let Some(known) = &known {
        if known.organization != work.organization() {
            tracing::warn!(source, ticket = %source_id, "a ticket was told of for another organization than its own");
            return Ok(());
        }
        if known.said_ms > at {
            return Ok(());
        }
    }
    let subject = event.text(&["subject"]).unwrap_or_default();
    let description = event.text(&["description"]).unwrap_or_default();
    let id = format!("tkt_{}", derive(&["ticket", source, &source_id]).simple());
    write(work, event, (&id, &source_id), (&subject, &description))?;
    let is_settled = known.as_ref().is_some_and(|known| {
        known.classified_by == "person" || (known.subject == subject && known.description == description)
    });
    if is_settled {
        return Ok(());
    }
    let verdict = tickets.judge(work.tx, &Ticket { source, subject: &subject, description: &description })?;
    let sql = "UPDATE support_tickets SET category = ?2, priority = ?3, sentiment = ?4, language = ?5, area = ?6,
            confidence = ?7, reason = ?8, classified_by = 'offline', asked_ms = NULL, asked_trouble = NULL WHERE id = ?1";
    work.tx.prepare_cached(sql)?.execute(params![
        id,
        verdict.category.as_str(),
        verdict.priority.as_str(),
        verdict.sentiment.as_str(),
        verdict.language.as_str(),
        verdict.area.as_str(),
        verdict.confidence,
        verdict.reason,
    ])?;
    Ok(())
}

fn known(work: &Work<'_>, source: &str, source_id: &str) -> rusqlite::Result<Option<Known>> {
    let sql = "SELECT organization, subject, description, classified_by, said_ms FROM support_tickets
        WHERE source = ?1 AND source_ticket_id = ?2";
    let row = |row: &rusqlite::Row<'_>| {
        Ok(Known {
            organization: row.get(0)?,
            subject: row.get(1)?,
            description: row.get(2)?,
            classified_by: row.get(3)?,
            said_ms: row.get(4)?,
        })
    };
    work.tx.prepare_cached(sql)?.query_row([source, source_id], row).optional()
}

/// Writes what the app says; what it leaves out stays.
fn write(
    work: &Work<'_>,
    event: &Event<'_>,
    (id, source_id): (&str, &str),
    (subject, description): (&str, &str),
) -> rusqlite::Result<()> {
    let stated = |name: &str| event.text(&[name]).map(std::borrow::Cow::into_owned);
    let json = |name: &str| event.field(name).map(Value::to_string);
    let sql = "INSERT INTO support_tickets (id, organization, source, source_ticket_id, tenant_id, user_id, user_name,
            user_email, user_phone, subscription_plan, subject, description, stated_category, stated_priority,
            ai_chat_history, conversation_history, attachments, metadata, status, category, priority, sentiment,
            language, area, confidence, reason, classified_by, tokens, level, opened_ms, said_ms, updated_ms, event_id)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, 'open', 'other',
            'medium', 'neutral', 'es', 'general', 0, '', 'offline', 0, 0, ?19, ?19, ?19, ?20)
        ON CONFLICT (source, source_ticket_id) DO UPDATE SET tenant_id = coalesce(excluded.tenant_id, tenant_id),
            user_id = coalesce(excluded.user_id, user_id), user_name = coalesce(excluded.user_name, user_name),
            user_email = coalesce(excluded.user_email, user_email),
            user_phone = coalesce(excluded.user_phone, user_phone),
            subscription_plan = coalesce(excluded.subscription_plan, subscription_plan),
            subject = excluded.subject, description = excluded.description,
            stated_category = coalesce(excluded.stated_category, stated_category),
            stated_priority = coalesce(excluded.stated_priority, stated_priority),
            ai_chat_history = coalesce(excluded.ai_chat_history, ai_chat_history),
            conversation_history = coalesce(excluded.conversation_history, conversation_history),
            attachments = coalesce(excluded.attachments, attachments), metadata = coalesce(excluded.metadata, metadata),
            said_ms = excluded.said_ms, updated_ms = max(updated_ms, excluded.updated_ms)";
    work.tx.prepare_cached(sql)?.execute(params![
        id,
        work.organization(),
        event.source.as_str(),
        source_id,
        stated("tenant_id"),
        stated("user_id"),
        stated("user_name"),
        stated("user_email"),
        stated("user_phone"),
        stated("subscription_plan"),
        subject,
        description,
        stated("category").filter(|word| Category::parse(word).is_some()),
        stated("priority").filter(|word| Priority::parse(word).is_some()),
        json("ai_chat_history"),
        json("conversation_history"),
        json("attachments"),
        json("metadata"),
        event.at.0.cast_signed(),
        event.event_id.as_str(),
    ])?;
    Ok(())
}
