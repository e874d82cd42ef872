//! `/api/crm/contacts`: contacts, their timeline, duplicates and the request to be forgotten.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Admin;
use super::{Caller, Organization, body, missing};
use crate::http::page::{List, Page};
use crate::http::problem::Problem;
use crate::http::query::{Given, Parameters, Path};
use crate::hub::crm::reading::{self, Contact, Duplicate, Entry, Of};
use crate::store::control::key::Scope;

/// Which contacts.
#[derive(Debug)]
pub(in crate::admin) struct Wanted {
    organization: Organization,
    q: Option<String>,
}

impl Parameters for Wanted {
    const NAMES: &'static [&'static str] = &["organization", "q"];

    fn read(given: &Given) -> Result<Self, Problem> {
        let q = given.get("q").map(ToOwned::to_owned).filter(|q| !q.trim().is_empty());
        Ok(Self { organization: Organization::of(given), q })
    }
}

/// `GET /api/crm/contacts?q=`: those whose name, addresses, numbers, tax id or tags have such words.
pub(in crate::admin) async fn contacts(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters: Wanted { organization, q }, paging }: List<Wanted>,
) -> Result<Json<Page<Contact>>, Problem> {
    let reach = organization.within(admin.hub_caller(&headers, Scope::Read)?.reach);
    admin
        .hub_list(paging, move |file, (cursor, limit)| {
            reading::contacts(file, &reach, q.as_deref(), cursor, limit)
        })
        .await
}

/// `GET /api/crm/contacts/{id}`.
pub(in crate::admin) async fn contact(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Contact>, Problem> {
    let caller = admin.hub_caller(&headers, Scope::Read)?;
    named(&admin, &caller, &id).await.map(Json)
}

/// `GET /api/crm/contacts/{id}/timeline`, newest first.
pub(in crate::admin) async fn timeline(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
    List { paging, .. }: List<()>,
) -> Result<Json<Page<Entry>>, Problem> {
    let caller = admin.hub_caller(&headers, Scope::Read)?;
    let contact = named(&admin, &caller, &id).await?;
    // What became part of another has its past there.
    let id = contact.merged_into.unwrap_or(contact.contact_id);
    admin
        .hub_list(paging, move |file, (cursor, limit)| {
            reading::timeline(file, Of::Contact(&id), cursor, limit)
        })
        .await
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Merge {
    into: String,
}

/// `POST /api/crm/contacts/{id}/merge {into}`: it becomes part of the other.
pub(in crate::admin) async fn merge(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, Problem> {
    let caller = admin.hub_caller(&headers, Scope::Operate)?;
    let Merge { into } = body(&bytes)?;
    let contact = named(&admin, &caller, &id).await?;
    let body = json!({ "contact": id, "into": into });
    admin.hub_command(&caller.principal, contact.organization_id, "crm.merge", body).await
}

/// `POST /api/crm/contacts/{id}/deletion-request`: marks it and tells the apps; deletes nothing.
pub(in crate::admin) async fn request_deletion(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let caller = admin.hub_caller(&headers, Scope::Operate)?;
    let contact = named(&admin, &caller, &id).await?;
    let body = json!({ "contact": id });
    admin.hub_command(&caller.principal, contact.organization_id, "crm.request_deletion", body).await
}

/// `GET /api/crm/duplicates`: pairs that may be one person.
pub(in crate::admin) async fn duplicates(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters, paging }: List<Organization>,
) -> Result<Json<Page<Duplicate>>, Problem> {
    let reach = filters.within(admin.hub_caller(&headers, Scope::Read)?.reach);
    admin.hub_list(paging, move |file, paging| reading::duplicates(file, &reach, paging)).await
}

/// The contact `id`, if the caller may see it.
async fn named(admin: &Admin, caller: &Caller, id: &str) -> Result<Contact, Problem> {
    let wanted = id.to_owned();
    let found = admin.hub_read(move |file| reading::contact(file, &wanted)).await?;
    let found = found.filter(|contact| caller.reach.covers(&contact.organization_id));
    found.ok_or_else(|| missing("contact", id))
}
