//! What people ask about organizations.

use rusqlite::{Connection, OptionalExtension as _};
use serde::Serialize;

use super::{PROVISIONED, bound, is_known};
use crate::domain::time::Millis;
use crate::hub::crm::timeline::Owner;
use crate::hub::reader::{at, time};

/// An organization.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// Its canonical id.
    pub organization_id: String,
    /// `provisional` (known by its use only) or `provisioned`.
    pub status: &'static str,
    /// The time of the first event about it.
    #[serde(serialize_with = "time")]
    pub first_seen_at: Millis,
    /// Its tenants.
    pub bindings: Vec<Binding>,
    /// Claims of others to them, or of it to others' tenants.
    pub conflicts: Vec<Conflict>,
    /// Its contacts.
    pub contacts: u64,
    /// Lines of its timeline.
    pub events: u64,
}

/// A tenant of an app, bound to an organization.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// The app.
    pub app: String,
    /// Its own name for the organization.
    pub tenant_id: String,
    /// `seen` with an event, or `provisioned` by the app.
    pub how: &'static str,
    /// Since when.
    #[serde(serialize_with = "time")]
    pub since: Millis,
}

/// A claim that was not followed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// The app.
    pub app: String,
    /// Its tenant.
    pub tenant_id: String,
    /// What it stays bound to.
    pub bound_to: String,
    /// What was claimed.
    pub claimed: String,
    /// How often.
    pub times: u64,
    /// Since when.
    #[serde(serialize_with = "time")]
    pub since: Millis,
    /// The event that claimed it first.
    pub event_id: String,
}

/// The organization `id`.
pub fn organization(file: &Connection, id: &str) -> rusqlite::Result<Option<Organization>> {
    let sql = "SELECT provisional, first_ms FROM organizations WHERE id = ?1";
    let found = file
        .prepare_cached(sql)?
        .query_row([id], |row| Ok((row.get::<_, bool>(0)?, at(row, 1)?)))
        .optional()?;
    let Some((is_provisional, first_seen_at)) = found else { return Ok(None) };
    let count = |sql: &str| -> rusqlite::Result<u64> {
        Ok(file.prepare_cached(sql)?.query_row([id], |row| row.get::<_, i64>(0))?.cast_unsigned())
    };
    Ok(Some(Organization {
        organization_id: id.to_owned(),
        status: if is_provisional { "provisional" } else { "provisioned" },
        first_seen_at,
        bindings: bindings(file, id)?,
        conflicts: conflicts(file, id)?,
        contacts: count("SELECT count(*) FROM contacts WHERE organization = ?1 AND merged_into IS NULL")?,
        events: count(&format!("SELECT count(*) FROM ({})", Owner::Organization.all()))?,
    }))
}

fn bindings(file: &Connection, id: &str) -> rusqlite::Result<Vec<Binding>> {
    let sql = "SELECT app, tenant, how, since_ms FROM bindings WHERE organization = ?1 ORDER BY app, tenant";
    let mut statement = file.prepare_cached(sql)?;
    let rows = statement.query_map([id], |row| {
        Ok(Binding {
            app: row.get(0)?,
            tenant_id: row.get(1)?,
            how: if row.get::<_, i64>(2)? == PROVISIONED { "provisioned" } else { "seen" },
            since: at(row, 3)?,
        })
    })?;
    rows.collect()
}

fn conflicts(file: &Connection, id: &str) -> rusqlite::Result<Vec<Conflict>> {
    let sql = "SELECT app, tenant, bound, claimed, times, first_ms, event_id FROM binding_conflicts
        WHERE bound = ?1 OR claimed = ?1 ORDER BY app, tenant, claimed";
    let mut statement = file.prepare_cached(sql)?;
    let rows = statement.query_map([id], |row| {
        Ok(Conflict {
            app: row.get(0)?,
            tenant_id: row.get(1)?,
            bound_to: row.get(2)?,
            claimed: row.get(3)?,
            times: row.get::<_, i64>(4)?.cast_unsigned(),
            since: at(row, 5)?,
            event_id: row.get(6)?,
        })
    })?;
    rows.collect()
}

/// What somebody knows of an organization.
#[derive(Clone, Copy, Debug)]
pub enum Claim<'a> {
    /// A tenant of an app.
    Tenant {
        /// The app.
        app: &'a str,
        /// Its tenant.
        tenant: &'a str,
    },
    /// The canonical id.
    Canonical(&'a str),
}

/// What a claim comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolution {
    /// The canonical id.
    pub organization_id: String,
    /// By what: `binding` or `canonical`.
    pub by: &'static str,
}

/// The organization that `claim` is about, if anybody knows.
pub fn resolve(file: &Connection, claim: Claim<'_>) -> rusqlite::Result<Option<Resolution>> {
    let as_is = |id: &str| Resolution { organization_id: id.to_owned(), by: "canonical" };
    match claim {
        Claim::Canonical(id) => Ok(is_known(file, id)?.then(|| as_is(id))),
        Claim::Tenant { app, tenant } => match bound(file, app, tenant)? {
            Some(organization_id) => Ok(Some(Resolution { organization_id, by: "binding" })),
            None => Ok(is_known(file, tenant)?.then(|| as_is(tenant))),
        },
    }
}
