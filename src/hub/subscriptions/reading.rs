//! What people ask about subscriptions and recommendations; bounded, by index, and only what they may see.

use rusqlite::{Connection, Row, ToSql, params_from_iter};
use serde::Serialize;
use serde_json::{Value, json};

use super::commands::shown;
use super::rows::{self, COLUMNS, Held};
use crate::domain::subscription::Timer;
use crate::domain::time::Millis;
use crate::hub::crm::reading::cursor::{Cursor, page};
use crate::hub::crm::reading::{Found, Reach};
use crate::hub::crm::timeline::Owner;
use crate::hub::reader::{at, time};

/// How a recommendation can stand.
pub const STATUSES: [&str; 5] = ["open", "shown", "clicked", "dismissed", "converted"];
/// What was said of one subscription, at most so many of the last.
const HISTORY_MAX: i64 = 100;

/// A subscription, with what was said of it.
pub fn subscription(file: &Connection, id: &str) -> rusqlite::Result<Option<(String, Value)>> {
    let Some(held) = rows::load(file, id)? else { return Ok(None) };
    let sql = "SELECT at_ms, said, outcome, state, why, source, event_id FROM subscription_history
        WHERE subscription = ?1 ORDER BY n DESC LIMIT ?2";
    let mut statement = file.prepare_cached(sql)?;
    let history = statement
        .query_map((id, HISTORY_MAX), |row| {
            Ok(json!({
                "at": at(row, 0)?.rfc3339(), "said": row.get::<_, String>(1)?,
                "outcome": row.get::<_, String>(2)?, "state": row.get::<_, String>(3)?,
                "why": row.get::<_, String>(4)?, "source": row.get::<_, String>(5)?,
                "eventId": row.get::<_, String>(6)?,
            }))
        })?
        .collect::<Result<Vec<Value>, _>>()?;
    let mut value = shown(&held);
    if let Value::Object(fields) = &mut value {
        fields.insert("history".to_owned(), history.into());
        let next = held.is.next().map(|(at, timer)| json!({ "at": at.rfc3339(), "what": timer.as_str() }));
        fields.insert("next".to_owned(), next.into());
    }
    Ok(Some((held.organization, value)))
}

/// Which subscriptions.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this app.
    pub app: Option<String>,
    /// In this state.
    pub state: Option<String>,
    /// Only those whose app nobody knows.
    pub is_unresolved: bool,
}

/// Subscriptions, the last begun first.
pub fn subscriptions(
    file: &Connection,
    reach: &Reach,
    filter: &Filter,
    (cursor, limit): (Option<&str>, usize),
) -> rusqlite::Result<Option<Found<Value>>> {
    let Some(cursor) = Cursor::read(cursor) else { return Ok(None) };
    let (condition, organizations) = reach.condition();
    let sql = format!(
        "SELECT {COLUMNS} FROM subscriptions WHERE {condition} AND (created_ms, id) < (?3, ?4)
         AND (?5 IS NULL OR app = ?5) AND (?6 IS NULL OR state = ?6)
         ORDER BY created_ms DESC, id DESC LIMIT ?2"
    );
    let app = if filter.is_unresolved { Some(String::new()) } else { filter.app.clone() };
    let and_one = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let given: [&dyn ToSql; 6] = [&organizations, &and_one, &cursor.at, &cursor.name, &app, &filter.state];
    let mut statement = file.prepare_cached(&sql)?;
    let held = statement.query_map(params_from_iter(given), rows::read)?.collect::<Result<Vec<_>, _>>()?;
    let place = |held: &Held| Cursor { at: held.created.0.cast_signed(), name: held.id.clone() };
    let found = page(held, limit, place);
    Ok(Some(Found { items: found.items.iter().map(shown).collect(), next: found.next }))
}

/// What to recommend to an organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recommendation {
    /// Its id.
    pub recommendation_id: String,
    /// To whom.
    pub organization_id: String,
    /// The app.
    pub app: String,
    /// The event's type.
    pub kind: String,
    /// Whom or what of the organization it is about.
    pub subject: String,
    /// The plan that they have.
    pub plan: Option<String>,
    /// The plan to suggest.
    pub suggested_plan: Option<String>,
    /// Why, as the app says.
    pub reason: Option<String>,
    /// How much of the limit is used.
    pub percent_used: Option<i64>,
    /// `open`, `shown`, `clicked`, `dismissed` or `converted`.
    pub status: String,
    /// How often it was said.
    pub times: i64,
    /// Since when.
    #[serde(serialize_with = "time")]
    pub first_at: Millis,
    /// When last.
    #[serde(serialize_with = "time")]
    pub last_at: Millis,
    /// The event that said it first.
    pub event_id: String,
    /// Who sent that.
    pub source: String,
}

/// Recommendations, the last begun first. Without `status` those that nobody has dismissed or taken.
pub fn recommendations(
    file: &Connection,
    reach: &Reach,
    (app, status): (Option<&str>, Option<&str>),
    (cursor, limit): (Option<&str>, usize),
) -> rusqlite::Result<Option<Found<Recommendation>>> {
    let Some(cursor) = Cursor::read(cursor) else { return Ok(None) };
    let (condition, organizations) = reach.condition();
    let sql = format!(
        "SELECT id, organization, app, kind, subject, plan, suggested, reason, percent, status, times,
             first_ms, at_ms, event_id, source FROM recommendations
         WHERE {condition} AND (first_ms, id) < (?3, ?4) AND (?5 IS NULL OR app = ?5)
         AND iif(?6 IS NULL, status NOT IN ('dismissed', 'converted'), status = ?6)
         ORDER BY first_ms DESC, id DESC LIMIT ?2"
    );
    let read = |row: &Row<'_>| {
        Ok(Recommendation {
            recommendation_id: row.get(0)?,
            organization_id: row.get(1)?,
            app: row.get(2)?,
            kind: row.get(3)?,
            subject: row.get(4)?,
            plan: row.get(5)?,
            suggested_plan: row.get(6)?,
            reason: row.get(7)?,
            percent_used: row.get(8)?,
            status: row.get(9)?,
            times: row.get(10)?,
            first_at: at(row, 11)?,
            last_at: at(row, 12)?,
            event_id: row.get(13)?,
            source: row.get(14)?,
        })
    };
    let and_one = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let given: [&dyn ToSql; 6] = [&organizations, &and_one, &cursor.at, &cursor.name, &app, &status];
    let mut statement = file.prepare_cached(&sql)?;
    let found = statement.query_map(params_from_iter(given), read)?.collect::<Result<Vec<_>, _>>()?;
    Ok(Some(page(found, limit, |one| Cursor {
        at: one.first_at.0.cast_signed(),
        name: one.recommendation_id.clone(),
    })))
}

/// The organization of a recommendation.
pub fn recommendation_organization(file: &Connection, id: &str) -> rusqlite::Result<Option<String>> {
    use rusqlite::OptionalExtension as _;
    let sql = "SELECT organization FROM recommendations WHERE id = ?1";
    file.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()
}

/// What is known of an organization's customers, in numbers.
pub fn insights(file: &Connection, organization: &str) -> rusqlite::Result<Value> {
    let count = |sql: &str| file.prepare_cached(sql)?.query_row([organization], |row| row.get::<_, i64>(0));
    let contacts = count("SELECT count(*) FROM contacts WHERE organization = ?1 AND merged_into IS NULL")?;
    let lines = Owner::Organization.all();
    let events = count(&format!("SELECT count(*) FROM ({lines})"))?;
    let pairs = |sql: &str| {
        let mut statement = file.prepare_cached(sql)?;
        let rows = statement.query_map([organization], |row| {
            Ok(json!({ "name": row.get::<_, String>(0)?, "count": row.get::<_, i64>(1)? }))
        })?;
        rows.collect::<Result<Vec<Value>, _>>()
    };
    let types = format!(
        "SELECT event_type, count(*) FROM timeline WHERE n IN ({lines})
         GROUP BY event_type ORDER BY 2 DESC, 1 LIMIT 10"
    );
    let phases = "SELECT phase, count(*) FROM deals WHERE organization = ?1 GROUP BY phase ORDER BY 1";
    let owed = "SELECT status, count(*) FROM receivables WHERE organization = ?1 GROUP BY status ORDER BY 1";
    let open = "SELECT count(*) FROM recommendations WHERE organization = ?1
        AND status NOT IN ('dismissed', 'converted')";
    let sql = format!("SELECT {COLUMNS} FROM subscriptions WHERE organization = ?1 ORDER BY app, plan");
    let mut statement = file.prepare_cached(&sql)?;
    let held = statement.query_map([organization], rows::read)?.collect::<Result<Vec<_>, _>>()?;
    Ok(json!({
        "organizationId": organization, "contacts": contacts, "events": events,
        "eventTypes": pairs(&types)?, "deals": pairs(phases)?, "receivables": pairs(owed)?,
        "subscriptions": held.iter().map(shown).collect::<Vec<_>>(), "recommendations": count(open)?,
    }))
}

/// What the clock says by `now`, oldest first, and when it says the next thing.
pub(super) fn due(
    file: &Connection,
    now: Millis,
    limit: usize,
) -> rusqlite::Result<(Vec<Due>, Option<Millis>)> {
    let sql = "SELECT id, organization, next_ms, timer, told_ms FROM subscriptions WHERE next_ms <= ?1
        ORDER BY next_ms, id LIMIT ?2";
    let mut statement = file.prepare_cached(sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map((now.0.cast_signed(), limit), |row| {
        let timer: String = row.get(3)?;
        Ok((row.get(0)?, row.get(1)?, at(row, 2)?, Timer::parse(&timer), at(row, 4)?))
    })?;
    let mut due = Vec::new();
    for row in rows {
        if let (subscription, organization, at, Some(timer), told_at) = row? {
            due.push(Due { subscription, organization, at, timer, told_at });
        }
    }
    let next: Option<i64> =
        file.prepare_cached("SELECT min(next_ms) FROM subscriptions")?.query_row((), |row| row.get(0))?;
    Ok((due, next.map(|next| Millis(next.cast_unsigned()))))
}

/// Something that the clock has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) subscription: String,
    pub(super) organization: String,
    pub(super) at: Millis,
    pub(super) timer: Timer,
    /// The last that was said: said anew, the clock has the same to say once more.
    pub(super) told_at: Millis,
}
