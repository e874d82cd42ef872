//! `/api/orgs`: canonical organizations and the tenants that are bound to them.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use bytes::Bytes;
use serde::Deserialize;

use super::super::Admin;
use super::{body, missing};
use crate::http::page::{List, Page};
use crate::http::problem::{Code, Problem};
use crate::http::query::Path;
use crate::hub::crm::reading::{self, Entry, Of};
use crate::hub::organizations::{self, Claim, Organization, Resolution};
use crate::store::control::key::Scope;

/// `GET /api/orgs/{id}`.
pub(in crate::admin) async fn show(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Organization>, Problem> {
    let caller = admin.hub_caller(&headers, Scope::Read)?;
    if !caller.reach.covers(&id) {
        return Err(missing("organization", &id));
    }
    let named = id.clone();
    let found = admin.hub_read(move |file| organizations::organization(file, &named)).await?;
    let mut found = found.ok_or_else(|| missing("organization", &id))?;
    // Who else claims a tenant is for those to know who see both.
    found
        .conflicts
        .retain(|claim| caller.reach.covers(&claim.bound_to) && caller.reach.covers(&claim.claimed));
    Ok(Json(found))
}

/// `GET /api/orgs/{id}/timeline`, newest first.
pub(in crate::admin) async fn timeline(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
    List { paging, .. }: List<()>,
) -> Result<Json<Page<Entry>>, Problem> {
    let caller = admin.hub_caller(&headers, Scope::Read)?;
    let named = id.clone();
    let is_known =
        admin.hub_read(move |file| organizations::resolve(file, Claim::Canonical(&named))).await?.is_some();
    if !is_known || !caller.reach.covers(&id) {
        return Err(missing("organization", &id));
    }
    admin
        .hub_list(paging, move |file, (cursor, limit)| {
            reading::timeline(file, Of::Organization(&id), cursor, limit)
        })
        .await
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    app: Option<String>,
    tenant_id: Option<String>,
    organization_id: Option<String>,
}

impl Wanted {
    /// What is known; none if it is too little or too much.
    fn claim(&self) -> Option<Claim<'_>> {
        match (&self.app, &self.tenant_id, &self.organization_id) {
            (Some(app), Some(tenant), None) => Some(Claim::Tenant { app, tenant }),
            (None, None, Some(id)) => Some(Claim::Canonical(id)),
            _ => None,
        }
    }
}

/// `POST /api/orgs/resolve {app, tenantId}` or `{organizationId}`: the canonical organization.
pub(in crate::admin) async fn resolve(
    State(admin): State<Admin>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Json<Resolution>, Problem> {
    let caller = admin.hub_caller(&headers, Scope::Read)?;
    let wanted: Wanted = body(&bytes)?;
    let detail = "the body must have `app` and `tenantId`, or `organizationId` alone";
    let named = wanted.claim().map(|claim| match claim {
        Claim::Canonical(id) | Claim::Tenant { tenant: id, .. } => id.to_owned(),
    });
    let id = named.ok_or_else(|| Problem::new(Code::RequestInvalid, detail))?;
    let ask = move |file: &rusqlite::Connection| match wanted.claim() {
        Some(claim) => organizations::resolve(file, claim),
        None => Ok(None),
    };
    let found = admin.hub_read(ask).await?;
    let found = found.filter(|found| caller.reach.covers(&found.organization_id));
    found.map(Json).ok_or_else(|| missing("organization of", &id))
}
