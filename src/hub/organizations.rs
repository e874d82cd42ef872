//! Organizations: which canonical one an event is about, and which tenants of which apps are bound to it.
//!
//! An organization that nobody knew is made provisionally, so that no event waits for a person. A binding
//! is never overwritten: another claim is a conflict, kept for a person to see. The first subscriber: the
//! others read [`Work::organization`].

mod reading;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::event::Event;
use super::subscriber::{Subscriber, Trouble};
use super::work::Work;
pub use reading::{Binding, Claim, Conflict, Organization, Resolution, organization, resolve};

/// Where events land that name no organization at all.
pub const UNASSIGNED: &str = "unassigned";

/// How sure a binding is: seen with an event.
const SEEN: i64 = 0;
/// How sure a binding is: the app said so itself.
const PROVISIONED: i64 = 1;

/// The subscriber.
#[derive(Debug, Default)]
pub struct Organizations;

const STEPS: &[&str] = &["
    CREATE TABLE organizations (
        id TEXT PRIMARY KEY,
        provisional INTEGER NOT NULL,   -- known by its use only
        first_ms INTEGER NOT NULL,
        source TEXT NOT NULL,           -- the event that brought it
        event_id TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE bindings (
        app TEXT NOT NULL,
        tenant TEXT NOT NULL,
        organization TEXT NOT NULL,
        how INTEGER NOT NULL,           -- 0 seen with an event, 1 provisioned
        since_ms INTEGER NOT NULL,
        event_id TEXT NOT NULL,
        PRIMARY KEY (app, tenant)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX bindings_organization ON bindings (organization);
    CREATE TABLE binding_conflicts (
        app TEXT NOT NULL,
        tenant TEXT NOT NULL,
        claimed TEXT NOT NULL,
        bound TEXT NOT NULL,
        times INTEGER NOT NULL,
        first_ms INTEGER NOT NULL,
        event_id TEXT NOT NULL,
        PRIMARY KEY (app, tenant, claimed)
    ) STRICT, WITHOUT ROWID;
"];

const DERIVED: &[(&str, &str)] = &[
    ("organizations", "id, provisional, first_ms, source, event_id"),
    ("bindings", "app, tenant, organization, how, since_ms, event_id"),
    ("binding_conflicts", "app, tenant, claimed, bound, times, first_ms, event_id"),
];

impl Subscriber for Organizations {
    fn name(&self) -> &'static str {
        "organizations"
    }

    fn steps(&self) -> &'static [&'static str] {
        STEPS
    }

    fn derived(&self) -> &'static [(&'static str, &'static str)] {
        DERIVED
    }

    fn handle(&self, work: &mut Work<'_>, event: &Event<'_>) -> Result<(), Trouble> {
        let app = event.source.as_str();
        let told = event.text(&["tenantId", "tenant_id"]).map(std::borrow::Cow::into_owned);
        let tenants: Vec<&str> = event.tenant.into_iter().chain(told.as_deref()).collect();
        let (canonical, is_known) = canonical(work.tx, app, event.organization.trim(), &tenants)?;
        if !is_known {
            make_known(work, &canonical, true)?;
        }
        for tenant in tenants.into_iter().filter(|tenant| *tenant != canonical && canonical != UNASSIGNED) {
            bind(work, (app, tenant), &canonical, SEEN)?;
        }
        if event.event_type.as_str() == "tenant.provisioned" {
            provisioned(work, event)?;
        }
        work.set_organization(canonical);
        Ok(())
    }
}

/// The organization that the app means, and whether it is known for sure.
fn canonical(
    file: &Connection,
    app: &str,
    named: &str,
    tenants: &[&str],
) -> rusqlite::Result<(String, bool)> {
    if named.is_empty() {
        for tenant in tenants {
            if let Some(bound) = bound(file, app, tenant)? {
                return Ok((bound, false));
            }
        }
        return Ok((UNASSIGNED.to_owned(), false));
    }
    if is_known(file, named)? {
        return Ok((named.to_owned(), true));
    }
    // Some apps put their own tenant's name where the canonical one belongs.
    Ok((bound(file, app, named)?.unwrap_or_else(|| named.to_owned()), false))
}

fn is_known(file: &Connection, organization: &str) -> rusqlite::Result<bool> {
    file.prepare_cached("SELECT 1 FROM organizations WHERE id = ?1")?.exists([organization])
}

/// The organization that a tenant is bound to.
fn bound(file: &Connection, app: &str, tenant: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT organization FROM bindings WHERE app = ?1 AND tenant = ?2";
    file.prepare_cached(sql)?.query_row([app, tenant], |row| row.get(0)).optional()
}

/// Makes an organization known; once it is more than provisional it stays so.
fn make_known(work: &Work<'_>, id: &str, is_provisional: bool) -> rusqlite::Result<()> {
    if is_provisional && is_known(work.tx, id)? {
        return Ok(());
    }
    let sql = "INSERT INTO organizations (id, provisional, first_ms, source, event_id)
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET provisional = min(provisional, excluded.provisional)";
    work.tx.prepare_cached(sql)?.execute(params![
        id,
        is_provisional,
        work.at().0.cast_signed(),
        work.cause.source,
        work.cause.id,
    ])?;
    Ok(())
}

/// Binds a tenant, unless it is bound to another: that is reported and changes nothing.
fn bind(work: &Work<'_>, (app, tenant): (&str, &str), organization: &str, how: i64) -> rusqlite::Result<()> {
    let (at, event_id) = (work.at().0.cast_signed(), work.cause.id);
    match bound(work.tx, app, tenant)? {
        Some(known) if known == organization && how == SEEN => Ok(()),
        Some(known) if known != organization => {
            let sql = "INSERT INTO binding_conflicts (app, tenant, claimed, bound, times, first_ms, event_id)
                VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6) ON CONFLICT DO UPDATE SET times = times + 1";
            let row = params![app, tenant, organization, known, at, event_id];
            work.tx.prepare_cached(sql)?.execute(row)?;
            tracing::debug!(app, tenant, bound = known, claimed = organization, "a tenant is claimed twice");
            Ok(())
        }
        _ => {
            let sql = "INSERT INTO bindings (app, tenant, organization, how, since_ms, event_id)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET how = max(how, excluded.how)";
            let row = params![app, tenant, organization, how, at, event_id];
            work.tx.prepare_cached(sql)?.execute(row)?;
            Ok(())
        }
    }
}

/// An app has registered one of its tenants as an organization.
fn provisioned(work: &Work<'_>, event: &Event<'_>) -> rusqlite::Result<()> {
    let Some(organization) = event.text(&["ecosystemOrgId"]) else { return Ok(()) };
    make_known(work, &organization, false)?;
    let app = event.text(&["app"]);
    let app = app.as_deref().unwrap_or(event.source.as_str());
    match event.text(&["appOrgId"]) {
        Some(tenant) => bind(work, (app, &tenant), &organization, PROVISIONED),
        None => Ok(()),
    }
}

/// Binds the tenant of an app that registers itself. False if it is bound to another organization.
pub(in crate::hub) fn register(
    work: &Work<'_>,
    (app, tenant): (&str, &str),
    organization: &str,
) -> rusqlite::Result<bool> {
    make_known(work, organization, false)?;
    bind(work, (app, tenant), organization, PROVISIONED)?;
    Ok(bound(work.tx, app, tenant)?.as_deref() == Some(organization))
}
