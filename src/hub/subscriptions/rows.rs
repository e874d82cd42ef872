//! Subscriptions in their table, and the history of what was said of each.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::domain::subscription::{Cycle, State, Subscription, Trigger};
use crate::domain::time::Millis;
use crate::hub::reader::{at, at_or_none};
use crate::hub::work::derive;
use crate::hub::{Trouble, Work};

/// The columns that [`read`] takes, in its order.
pub(super) const COLUMNS: &str = "id, organization, app, plan, state, since_ms, told_ms, told, cycle,
    amount_cents, currency, trial_ends_ms, period_ends_ms, grace_ends_ms, restore_by_ms, ends_ms, reason,
    warned, created_ms";

/// A subscription with whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) id: String,
    pub(super) organization: String,
    /// Empty if nobody knows.
    pub(super) app: String,
    pub(super) is: Subscription,
    pub(super) created: Millis,
}

/// The id of the subscription of `organization` to `app`; while the app is unknown, to `plan`.
pub(super) fn id_of(organization: &str, app: &str, plan: &str) -> String {
    let plan = if app.is_empty() { plan } else { "" };
    format!("sub_{}", derive(&["subscription", organization, app, plan]).simple())
}

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Held> {
    let text = |column: usize| row.get::<_, String>(column);
    let odd = |column: usize| {
        rusqlite::Error::InvalidColumnType(column, "word".to_owned(), rusqlite::types::Type::Text)
    };
    Ok(Held {
        id: text(0)?,
        organization: text(1)?,
        app: text(2)?,
        is: Subscription {
            plan: text(3)?,
            state: State::parse(&text(4)?).ok_or_else(|| odd(4))?,
            since: at(row, 5)?,
            told_at: at(row, 6)?,
            told: Trigger::parse(&text(7)?).ok_or_else(|| odd(7))?,
            cycle: Cycle::parse(&text(8)?).ok_or_else(|| odd(8))?,
            amount_cents: row.get(9)?,
            currency: row.get(10)?,
            trial_ends: at_or_none(row, 11)?,
            period_ends: at_or_none(row, 12)?,
            grace_ends: at_or_none(row, 13)?,
            restore_by: at_or_none(row, 14)?,
            ends: at_or_none(row, 15)?,
            reason: row.get(16)?,
            is_warned: row.get(17)?,
        },
        created: at(row, 18)?,
    })
}

/// The subscription `id`.
pub(super) fn load(file: &Connection, id: &str) -> rusqlite::Result<Option<Held>> {
    let sql = format!("SELECT {COLUMNS} FROM subscriptions WHERE id = ?1");
    file.prepare_cached(&sql)?.query_row([id], read).optional()
}

/// Keeps `held`. Whose it is, of which app and since when never changes, and is not written again.
pub(super) fn save(work: &Work<'_>, held: &Held) -> Result<(), Trouble> {
    let is = &held.is;
    let next = is.next();
    let ms = |at: Millis| at.0.cast_signed();
    let sql = format!(
        "INSERT INTO subscriptions ({COLUMNS}, next_ms, timer)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)
         ON CONFLICT DO UPDATE SET plan = ?4, state = ?5, since_ms = ?6, told_ms = ?7, told = ?8, cycle = ?9,
            amount_cents = ?10, currency = ?11, trial_ends_ms = ?12, period_ends_ms = ?13, grace_ends_ms = ?14,
            restore_by_ms = ?15, ends_ms = ?16, reason = ?17, warned = ?18, next_ms = ?20, timer = ?21"
    );
    work.tx.prepare_cached(&sql)?.execute(params![
        held.id,
        held.organization,
        held.app,
        is.plan,
        is.state.as_str(),
        ms(is.since),
        ms(is.told_at),
        is.told.as_str(),
        is.cycle.as_str(),
        is.amount_cents,
        is.currency,
        is.trial_ends.map(ms),
        is.period_ends.map(ms),
        is.grace_ends.map(ms),
        is.restore_by.map(ms),
        is.ends.map(ms),
        is.reason,
        is.is_warned,
        ms(held.created),
        next.map(|(at, _)| ms(at)),
        next.map(|(_, timer)| timer.as_str()),
    ])?;
    Ok(())
}

/// What was said, and what came of it.
pub(super) struct Said<'a> {
    pub(super) what: &'a str,
    pub(super) outcome: &'a str,
    pub(super) state: &'a str,
    pub(super) why: &'a str,
}

/// Writes down that something was said of `subscription`.
pub(super) fn remember(work: &Work<'_>, subscription: &str, said: &Said<'_>) -> Result<(), Trouble> {
    let sql = "INSERT INTO subscription_history
        (subscription, at_ms, said, outcome, state, why, source, event_id)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    work.tx.prepare_cached(sql)?.execute(params![
        subscription,
        work.at().0.cast_signed(),
        said.what,
        said.outcome,
        said.state,
        said.why,
        work.cause.source,
        work.cause.id,
    ])?;
    Ok(())
}
