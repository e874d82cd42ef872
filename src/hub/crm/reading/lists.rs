//! Lists of the pipeline, receivables, deadlines, products, alerts and possible duplicates.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use serde_json::Value;

use super::Reach;
use super::cursor::{Cursor, Found, page};
use crate::domain::time::Millis;
use crate::hub::reader::{at, at_or_none, time, time_or_null};

macro_rules! listed {
    ($(#[$doc:meta])* $name:ident { $($(#[$attr:meta])* $field:ident: $kind:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $($(#[$attr])* pub $field: $kind,)+
        }
    };
}

listed! {
    /// A deal, a legal matter or a lead.
    Deal {
        /// Its id.
        deal_id: String,
        /// Whose it is.
        organization_id: String,
        /// `deal`, `matter` or `lead`.
        kind: String,
        /// The app that it comes from.
        source: String,
        /// Its id there.
        external_id: String,
        /// Its name.
        name: Option<String>,
        /// Whom it is about.
        contact_id: Option<String>,
        /// The app's own word for where it stands.
        stage: String,
        /// What that means: `lead`, `qualified`, `open`, `won`, `lost` or `closed`.
        phase: String,
        /// Its amount, as the app gives it.
        amount: Option<Value>,
        /// What that is in.
        currency: Option<String>,
        /// Who works on it.
        owner: Option<String>,
        /// The strategy that was recommended for it.
        strategy: Option<String>,
        /// What kind of asset it is.
        asset_class: Option<String>,
        /// When it began.
        #[serde(serialize_with = "time")]
        created_at: Millis,
        /// When it came to its stage; null if no app said.
        #[serde(serialize_with = "time_or_null")]
        stage_at: Option<Millis>,
    }
}

listed! {
    /// What an invoice's customer owes.
    Receivable {
        /// Its id.
        receivable_id: String,
        /// Whose it is.
        organization_id: String,
        /// The invoice.
        invoice_id: String,
        /// `pending`, `promised`, `paid`, `failed` or `written_off`.
        status: String,
        /// Why it failed last.
        reason: Option<String>,
        /// How much, in cents.
        amount_cents: Option<Value>,
        /// Of what.
        currency: Option<String>,
        /// Who owes it.
        contact_id: Option<String>,
        /// What a person noted.
        note: Option<String>,
        /// How often collecting it failed.
        failures: i64,
        /// When it was paid.
        #[serde(serialize_with = "time_or_null")]
        paid_at: Option<Millis>,
        /// When it last changed.
        #[serde(serialize_with = "time")]
        updated_at: Millis,
    }
}

listed! {
    /// A date that must not pass.
    Deadline {
        /// Whose it is.
        organization_id: String,
        /// The app that it comes from.
        source: String,
        /// Its id there.
        external_id: String,
        /// What it is.
        title: Option<String>,
        /// When.
        #[serde(serialize_with = "time_or_null")]
        due_at: Option<Millis>,
        /// The legal matter.
        matter_id: Option<String>,
        /// Whom it is about.
        contact_id: Option<String>,
        /// When it was last said.
        #[serde(serialize_with = "time")]
        updated_at: Millis,
    }
}

listed! {
    /// A product of a store.
    Product {
        /// Whose it is.
        organization_id: String,
        /// The app that it comes from.
        source: String,
        /// Its id there.
        external_id: String,
        /// Its name.
        name: Option<String>,
        /// Its stock keeping unit.
        sku: Option<String>,
        /// Its price, in cents.
        price_cents: Option<Value>,
        /// The store.
        store_id: Option<String>,
        /// Whether it is on sale.
        is_active: bool,
        /// When it was taken away.
        #[serde(serialize_with = "time_or_null")]
        deleted_at: Option<Millis>,
        /// When it last changed.
        #[serde(serialize_with = "time")]
        updated_at: Millis,
    }
}

listed! {
    /// What an organization's people should look at.
    Alert {
        /// Whose it is.
        organization_id: String,
        /// What kind.
        kind: String,
        /// About what.
        subject: String,
        /// How grave.
        severity: String,
        /// One line.
        summary: super::Summary,
        /// How often it was said.
        times: i64,
        /// Since when.
        #[serde(serialize_with = "time")]
        first_at: Millis,
        /// When last.
        #[serde(serialize_with = "time")]
        last_at: Millis,
        /// The last event that said it.
        event_id: String,
        /// Who sent that.
        source: String,
    }
}

listed! {
    /// Two contacts that may be one person.
    Duplicate {
        /// Whose they are.
        organization_id: String,
        /// One of them.
        contact_id: String,
        /// The other.
        other_contact_id: String,
        /// Why.
        reason: String,
        /// Since when.
        #[serde(serialize_with = "time")]
        at: Millis,
        /// The event that showed it.
        event_id: String,
    }
}

/// Which deals.
#[derive(Clone, Debug, Default)]
pub struct DealFilter {
    /// Of this kind.
    pub kind: Option<String>,
    /// In this phase.
    pub phase: Option<String>,
    /// In this stage.
    pub stage: Option<String>,
}

/// What tells records of one instant apart.
const RECORD: &str = "external_id || '/' || source || '/' || organization";
const ALERT: &str = "event_id || '/' || source || '/' || organization";
const PAIR: &str = "one || '/' || other";

/// The same of a row.
fn name(parts: &[&str]) -> String {
    parts.join("/")
}

/// An amount as it was written: a number stays that number.
fn amount(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Value>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

/// Runs a list's query, whose parameters from the third on are `more`: the reach, then the limit come first.
fn list<T>(
    file: &Connection,
    reach: &Reach,
    sql: impl FnOnce(&str) -> String,
    (cursor, limit): (Option<&str>, usize),
    more: &[Option<&str>],
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
    place: fn(&T) -> (Millis, String),
) -> rusqlite::Result<Option<Found<T>>> {
    let Some(cursor) = Cursor::read(cursor) else { return Ok(None) };
    let (condition, organizations) = reach.condition();
    let mut statement = file.prepare_cached(&sql(condition))?;
    let limit_and_one = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let fixed: [&dyn rusqlite::ToSql; 4] = [&organizations, &limit_and_one, &cursor.at, &cursor.name];
    let all = fixed.into_iter().chain(more.iter().map(|value| value as &dyn rusqlite::ToSql));
    let rows = statement.query_map(rusqlite::params_from_iter(all), read)?.collect::<Result<Vec<_>, _>>()?;
    Ok(Some(page(rows, limit, |row| {
        let (at, name) = place(row);
        Cursor { at: at.0.cast_signed(), name }
    })))
}

/// Deals, the last begun first.
pub fn deals(
    file: &Connection,
    reach: &Reach,
    filter: &DealFilter,
    paging: (Option<&str>, usize),
) -> rusqlite::Result<Option<Found<Deal>>> {
    let sql = |condition: &str| {
        format!(
            "SELECT id, organization, kind, source, external_id, name, contact, stage, phase, amount, currency, owner,
                 strategy, asset_class, created_ms, stage_ms FROM deals WHERE {condition}
                 AND (created_ms, id) < (?3, ?4) AND (?5 IS NULL OR kind = ?5) AND (?6 IS NULL OR phase = ?6)
                 AND (?7 IS NULL OR stage = ?7) ORDER BY created_ms DESC, id DESC LIMIT ?2"
        )
    };
    let read = |row: &Row<'_>| {
        Ok(Deal {
            deal_id: row.get(0)?,
            organization_id: row.get(1)?,
            kind: row.get(2)?,
            source: row.get(3)?,
            external_id: row.get(4)?,
            name: row.get(5)?,
            contact_id: row.get(6)?,
            stage: row.get(7)?,
            phase: row.get(8)?,
            amount: amount(row, 9)?,
            currency: row.get(10)?,
            owner: row.get(11)?,
            strategy: row.get(12)?,
            asset_class: row.get(13)?,
            created_at: at(row, 14)?,
            stage_at: at_or_none(row, 15)?.filter(|at| at.0 > 0),
        })
    };
    let more = [filter.kind.as_deref(), filter.phase.as_deref(), filter.stage.as_deref()];
    list(file, reach, sql, paging, &more, read, |deal| (deal.created_at, deal.deal_id.clone()))
}

/// Receivables, the last changed first.
pub fn receivables(
    file: &Connection,
    reach: &Reach,
    status: Option<&str>,
    paging: (Option<&str>, usize),
) -> rusqlite::Result<Option<Found<Receivable>>> {
    let sql = |condition: &str| {
        format!(
            "SELECT id, organization, invoice, status, reason, amount_cents, currency, contact, note, failures, paid_ms,
                 at_ms FROM receivables WHERE {condition} AND (at_ms, id) < (?3, ?4) AND (?5 IS NULL OR status = ?5)
                 ORDER BY at_ms DESC, id DESC LIMIT ?2"
        )
    };
    let read = |row: &Row<'_>| {
        Ok(Receivable {
            receivable_id: row.get(0)?,
            organization_id: row.get(1)?,
            invoice_id: row.get(2)?,
            status: row.get(3)?,
            reason: row.get(4)?,
            amount_cents: amount(row, 5)?,
            currency: row.get(6)?,
            contact_id: row.get(7)?,
            note: row.get(8)?,
            failures: row.get(9)?,
            paid_at: at_or_none(row, 10)?,
            updated_at: at(row, 11)?,
        })
    };
    list(file, reach, sql, paging, &[status], read, |owed| (owed.updated_at, owed.receivable_id.clone()))
}

/// Deadlines, the last said first.
pub fn deadlines(
    file: &Connection,
    reach: &Reach,
    paging: (Option<&str>, usize),
) -> rusqlite::Result<Option<Found<Deadline>>> {
    let sql = |condition: &str| {
        format!(
            "SELECT organization, source, external_id, title, due_ms, matter, contact, at_ms FROM deadlines
             WHERE {condition} AND (at_ms, {RECORD}) < (?3, ?4) ORDER BY at_ms DESC, {RECORD} DESC LIMIT ?2"
        )
    };
    let read = |row: &Row<'_>| {
        Ok(Deadline {
            organization_id: row.get(0)?,
            source: row.get(1)?,
            external_id: row.get(2)?,
            title: row.get(3)?,
            due_at: at_or_none(row, 4)?,
            matter_id: row.get(5)?,
            contact_id: row.get(6)?,
            updated_at: at(row, 7)?,
        })
    };
    list(file, reach, sql, paging, &[], read, |deadline| {
        (deadline.updated_at, name(&[&deadline.external_id, &deadline.source, &deadline.organization_id]))
    })
}

/// Products, the last changed first.
pub fn products(
    file: &Connection,
    reach: &Reach,
    paging: (Option<&str>, usize),
) -> rusqlite::Result<Option<Found<Product>>> {
    let sql = |condition: &str| {
        format!(
            "SELECT organization, source, external_id, name, sku, price_cents, store, is_active, deleted_ms, at_ms
             FROM products WHERE {condition} AND (at_ms, {RECORD}) < (?3, ?4)
             ORDER BY at_ms DESC, {RECORD} DESC LIMIT ?2"
        )
    };
    let read = |row: &Row<'_>| {
        Ok(Product {
            organization_id: row.get(0)?,
            source: row.get(1)?,
            external_id: row.get(2)?,
            name: row.get(3)?,
            sku: row.get(4)?,
            price_cents: amount(row, 5)?,
            store_id: row.get(6)?,
            is_active: row.get(7)?,
            deleted_at: at_or_none(row, 8)?,
            updated_at: at(row, 9)?,
        })
    };
    list(file, reach, sql, paging, &[], read, |product| {
        (product.updated_at, name(&[&product.external_id, &product.source, &product.organization_id]))
    })
}

/// Alerts, the last said first.
pub fn alerts(
    file: &Connection,
    reach: &Reach,
    paging: (Option<&str>, usize),
) -> rusqlite::Result<Option<Found<Alert>>> {
    let sql = |condition: &str| {
        format!(
            "SELECT organization, kind, subject, severity, es, en, times, first_ms, last_ms, event_id, source FROM alerts
             WHERE {condition} AND (last_ms, {ALERT}) < (?3, ?4) ORDER BY last_ms DESC, {ALERT} DESC LIMIT ?2"
        )
    };
    let read = |row: &Row<'_>| {
        Ok(Alert {
            organization_id: row.get(0)?,
            kind: row.get(1)?,
            subject: row.get(2)?,
            severity: row.get(3)?,
            summary: super::Summary { es: row.get(4)?, en: row.get(5)? },
            times: row.get(6)?,
            first_at: at(row, 7)?,
            last_at: at(row, 8)?,
            event_id: row.get(9)?,
            source: row.get(10)?,
        })
    };
    list(file, reach, sql, paging, &[], read, |alert| {
        (alert.last_at, name(&[&alert.event_id, &alert.source, &alert.organization_id]))
    })
}

/// Possible duplicates, the last found first.
pub fn duplicates(
    file: &Connection,
    reach: &Reach,
    paging: (Option<&str>, usize),
) -> rusqlite::Result<Option<Found<Duplicate>>> {
    let sql = |condition: &str| {
        format!(
            "SELECT organization, one, other, reason, at_ms, event_id FROM duplicates
             WHERE {condition} AND (at_ms, {PAIR}) < (?3, ?4) ORDER BY at_ms DESC, {PAIR} DESC LIMIT ?2"
        )
    };
    let read = |row: &Row<'_>| {
        Ok(Duplicate {
            organization_id: row.get(0)?,
            contact_id: row.get(1)?,
            other_contact_id: row.get(2)?,
            reason: row.get(3)?,
            at: at(row, 4)?,
            event_id: row.get(5)?,
        })
    };
    list(file, reach, sql, paging, &[], read, |pair| {
        (pair.at, name(&[&pair.contact_id, &pair.other_contact_id]))
    })
}

/// Whose deal it is.
pub fn deal_organization(file: &Connection, id: &str) -> rusqlite::Result<Option<String>> {
    organization(file, "SELECT organization FROM deals WHERE id = ?1", id)
}

/// Whose receivable it is.
pub fn receivable_organization(file: &Connection, id: &str) -> rusqlite::Result<Option<String>> {
    organization(file, "SELECT organization FROM receivables WHERE id = ?1", id)
}

fn organization(file: &Connection, sql: &str, id: &str) -> rusqlite::Result<Option<String>> {
    file.prepare_cached(sql)?.query_row(params![id], |row| row.get(0)).optional()
}
