//! What people, and the desk, ask about tickets. Every query is bounded and sees only its caller's organizations.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::time::Millis;
use crate::domain::triage::Priority;
use crate::domain::triage::escalation::{LEVEL_MAX, allowance, due};
use crate::hub::crm::reading::{Found, Reach};
use crate::hub::reader::{at, time, time_or_null};

pub use super::change::STATUSES;

/// A ticket.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SupportTicket {
    /// Its id here.
    pub ticket_id: String,
    /// Whose it is.
    pub organization_id: String,
    /// The app that it was opened in.
    pub source: String,
    /// Its id there.
    pub source_ticket_id: String,
    /// The tenant there.
    pub tenant_id: Option<String>,
    /// Who opened it: their id there.
    pub user_id: Option<String>,
    /// Their name.
    pub user_name: Option<String>,
    /// Their address.
    pub user_email: Option<String>,
    /// Their number.
    pub user_phone: Option<String>,
    /// The plan that they are on.
    pub subscription_plan: Option<String>,
    /// The title.
    pub subject: String,
    /// The text.
    pub description: String,
    /// What the app said that it is.
    pub stated_category: Option<String>,
    /// How pressing the app said that it is.
    pub stated_priority: Option<String>,
    /// The talk with the app's own assistant, as it came.
    pub ai_chat_history: Option<Value>,
    /// The talk with people, as it came.
    pub conversation_history: Option<Value>,
    /// What was attached, as it came.
    pub attachments: Option<Value>,
    /// The rest, as it came.
    pub metadata: Option<Value>,
    /// `open`, `in_progress`, `resolved` or `closed`.
    pub status: String,
    /// Who works on it.
    pub assignee: Option<String>,
    /// What a person noted.
    pub note: Option<String>,
    /// What was made of it.
    pub classification: Classification,
    /// How often it was escalated.
    pub escalation_level: u8,
    /// When it will be next.
    #[serde(serialize_with = "time_or_null")]
    pub escalates_at: Option<Millis>,
    /// When it was opened.
    #[serde(serialize_with = "time")]
    pub opened_at: Millis,
    /// When it last changed.
    #[serde(serialize_with = "time")]
    pub updated_at: Millis,
    /// The event that brought it.
    pub event_id: String,
    #[serde(skip)]
    n: i64,
}

/// What was made of a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Classification {
    /// What has to be done.
    pub category: String,
    /// How pressing it is.
    pub priority: String,
    /// How it sounds.
    pub sentiment: String,
    /// What it is written in.
    pub language: String,
    /// Who should look at it.
    pub product_area: String,
    /// How sure the category is, in hundredths.
    pub confidence: u8,
    /// Why.
    pub reason: String,
    /// Who says so: `offline`, `hosted` or `person`.
    pub by: String,
    /// Why the hosted model's answer is not used, if it was asked.
    pub trouble: Option<String>,
}

/// Which tickets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TicketFilter {
    /// How they stand.
    pub status: Option<String>,
    /// What they are.
    pub category: Option<String>,
    /// How pressing.
    pub priority: Option<String>,
    /// For whom.
    pub area: Option<String>,
    /// From which app.
    pub source: Option<String>,
    /// Escalated at least so often.
    pub level_min: Option<u8>,
}

const COLUMNS: &str = "n, id, organization, source, source_ticket_id, tenant_id, user_id, user_name, user_email,
    user_phone, subscription_plan, subject, description, stated_category, stated_priority, ai_chat_history,
    conversation_history, attachments, metadata, status, assignee, note, category, priority, sentiment, language, area,
    confidence, reason, classified_by, asked_trouble, level, opened_ms, updated_ms, event_id";

fn row(row: &Row<'_>) -> rusqlite::Result<SupportTicket> {
    let json = |column: usize| -> rusqlite::Result<Option<Value>> {
        let text: Option<String> = row.get(column)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    };
    let (status, priority): (String, String) = (row.get(19)?, row.get(23)?);
    let (level, opened_at) = (row.get(31)?, at(row, 32)?);
    let is_open = status == "open" || status == "in_progress";
    let escalates_at =
        Priority::parse(&priority).filter(|_| is_open).and_then(|priority| due(priority, opened_at, level));
    Ok(SupportTicket {
        n: row.get(0)?,
        ticket_id: row.get(1)?,
        organization_id: row.get(2)?,
        source: row.get(3)?,
        source_ticket_id: row.get(4)?,
        tenant_id: row.get(5)?,
        user_id: row.get(6)?,
        user_name: row.get(7)?,
        user_email: row.get(8)?,
        user_phone: row.get(9)?,
        subscription_plan: row.get(10)?,
        subject: row.get(11)?,
        description: row.get(12)?,
        stated_category: row.get(13)?,
        stated_priority: row.get(14)?,
        ai_chat_history: json(15)?,
        conversation_history: json(16)?,
        attachments: json(17)?,
        metadata: json(18)?,
        status,
        assignee: row.get(20)?,
        note: row.get(21)?,
        classification: Classification {
            category: row.get(22)?,
            priority,
            sentiment: row.get(24)?,
            language: row.get(25)?,
            product_area: row.get(26)?,
            confidence: row.get(27)?,
            reason: row.get(28)?,
            by: row.get(29)?,
            trouble: row.get(30)?,
        },
        escalation_level: level,
        escalates_at,
        opened_at,
        updated_at: at(row, 33)?,
        event_id: row.get(34)?,
    })
}

/// The ticket `id`.
pub fn ticket(file: &Connection, id: &str) -> rusqlite::Result<Option<SupportTicket>> {
    let sql = format!("SELECT {COLUMNS} FROM support_tickets WHERE id = ?1");
    file.prepare_cached(&sql)?.query_row([id], row).optional()
}

/// Tickets, the last that came first. None if the cursor is not one of this list.
pub fn tickets(
    file: &Connection,
    reach: &Reach,
    filter: &TicketFilter,
    (cursor, limit): (Option<&str>, usize),
) -> rusqlite::Result<Option<Found<SupportTicket>>> {
    let Ok(before) = cursor.map_or(Ok(i64::MAX), str::parse::<i64>) else { return Ok(None) };
    let organizations = match reach {
        Reach::All => None,
        Reach::Of(organizations) => Some(json!(organizations).to_string()),
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM support_tickets
         WHERE (?1 IS NULL OR organization IN (SELECT value FROM json_each(?1))) AND n < ?2
            AND (?4 IS NULL OR status = ?4) AND (?5 IS NULL OR category = ?5) AND (?6 IS NULL OR priority = ?6)
            AND (?7 IS NULL OR area = ?7) AND (?8 IS NULL OR source = ?8) AND (?9 IS NULL OR level >= ?9)
         ORDER BY n DESC LIMIT ?3"
    );
    let limit_and_one = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let TicketFilter { status, category, priority, area, source, level_min } = filter;
    let wanted =
        params![organizations, before, limit_and_one, status, category, priority, area, source, level_min];
    let mut items = file.prepare_cached(&sql)?.query_map(wanted, row)?.collect::<Result<Vec<_>, _>>()?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|ticket| ticket.n.to_string());
    Ok(Some(Found { items, next }))
}

/// Whose ticket `id` is.
pub fn ticket_organization(file: &Connection, id: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT organization FROM support_tickets WHERE id = ?1";
    file.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()
}

/// A ticket that the desk has to do something about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The ticket.
    pub id: String,
    /// Whose it is.
    pub organization: String,
    /// The app that it was opened in.
    pub source: String,
    /// The title.
    pub subject: String,
    /// The text.
    pub description: String,
}

/// Tickets opened since `since` that the hosted model was not asked about, the oldest first.
pub fn unasked(file: &Connection, since: Millis, limit: usize) -> rusqlite::Result<Vec<Waiting>> {
    let sql = "SELECT id, organization, source, subject, description FROM support_tickets
        WHERE asked_ms IS NULL AND classified_by = 'offline' AND opened_ms >= ?1 ORDER BY n LIMIT ?2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let row = |row: &Row<'_>| {
        Ok(Waiting {
            id: row.get(0)?,
            organization: row.get(1)?,
            source: row.get(2)?,
            subject: row.get(3)?,
            description: row.get(4)?,
        })
    };
    file.prepare_cached(sql)?.query_map(params![since.0.cast_signed(), limit], row)?.collect()
}

/// Tokens that the hosted model has taken since `since`.
pub fn tokens_since(file: &Connection, since: Millis) -> rusqlite::Result<u64> {
    let sql = "SELECT coalesce(sum(tokens), 0) FROM support_tickets WHERE asked_ms >= ?1";
    let sum: i64 = file.prepare_cached(sql)?.query_row([since.0.cast_signed()], |row| row.get(0))?;
    Ok(sum.cast_unsigned())
}

/// A ticket that goes a level up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The ticket.
    pub id: String,
    /// Whose it is.
    pub organization: String,
    /// The level that it comes to.
    pub level: u8,
    /// When it was due.
    pub at: Millis,
}

/// Open tickets that have waited too long on their level.
pub fn overdue(file: &Connection, now: Millis, limit: usize) -> rusqlite::Result<Vec<Due>> {
    let sql =
        "SELECT id, organization, opened_ms FROM support_tickets WHERE status IN ('open', 'in_progress')
        AND priority = ?1 AND level = ?2 AND opened_ms <= ?3 ORDER BY opened_ms LIMIT ?4";
    let mut statement = file.prepare_cached(sql)?;
    let mut found = Vec::new();
    for (priority, level) in
        Priority::ALL.iter().flat_map(|priority| (0..LEVEL_MAX).map(|level| (*priority, level)))
    {
        let before = now.minus(allowance(priority).saturating_mul(u32::from(level) + 1));
        let left = i64::try_from(limit.saturating_sub(found.len())).unwrap_or(0);
        let rows = statement
            .query_map(params![priority.as_str(), level, before.0.cast_signed(), left], |row| {
                Ok((row.get(0)?, row.get(1)?, at(row, 2)?))
            })?;
        for ticket in rows {
            let (id, organization, opened) = ticket?;
            let at = due(priority, opened, level).unwrap_or(now);
            found.push(Due { id, organization, level: level + 1, at });
        }
    }
    Ok(found)
}
