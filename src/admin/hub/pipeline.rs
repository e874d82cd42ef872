//! `/api/crm/deals`, the funnel, deadlines, products, alerts and `/api/cobranza`.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Admin;
use super::{Organization, body, missing, one_of};
use crate::domain::time::Millis;
use crate::http::page::{List, Page};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Given, Parameters, Path, Query};
use crate::hub::crm::reading::{self, Alert, Deadline, Deal, DealFilter, Funnel, Product, Receivable};
use crate::store::control::key::Scope;

/// Which deals.
#[derive(Debug)]
pub(in crate::admin) struct Deals {
    organization: Organization,
    filter: DealFilter,
}

impl Parameters for Deals {
    const NAMES: &'static [&'static str] = &["organization", "kind", "phase", "stage"];

    fn read(given: &Given) -> Result<Self, Problem> {
        let text = |name| given.get(name).map(ToOwned::to_owned);
        let filter = DealFilter {
            kind: one_of(given, "kind", &reading::KINDS)?,
            phase: one_of(given, "phase", &reading::PHASES)?,
            stage: text("stage"),
        };
        Ok(Self { organization: Organization::of(given), filter })
    }
}

/// `GET /api/crm/deals`, the last begun first.
pub(in crate::admin) async fn deals(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters: Deals { organization, filter }, paging }: List<Deals>,
) -> Result<Json<Page<Deal>>, Problem> {
    let reach = organization.within(admin.hub_caller(&headers, Scope::Read)?.reach);
    admin.hub_list(paging, move |file, paging| reading::deals(file, &reach, &filter, paging)).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stage {
    stage: String,
}

/// `PATCH /api/crm/deals/{id} {stage}`: winning it tells the other apps.
pub(in crate::admin) async fn change_deal(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, Problem> {
    let caller = admin.hub_caller(&headers, Scope::Operate)?;
    let Stage { stage } = body(&bytes)?;
    let wanted = id.clone();
    let owner = admin.hub_read(move |file| reading::deal_organization(file, &wanted)).await?;
    let owner = owner.filter(|owner| caller.reach.covers(owner)).ok_or_else(|| missing("deal", &id))?;
    let body = json!({ "deal": id, "stage": stage });
    admin.hub_command(&caller.principal, owner, "crm.deal", body).await
}

/// What the funnel is made of.
#[derive(Debug)]
pub(in crate::admin) struct Span {
    organization: Organization,
    kind: Option<String>,
    since: Option<Millis>,
    until: Option<Millis>,
}

impl Parameters for Span {
    const NAMES: &'static [&'static str] = &["organization", "kind", "since", "until"];

    fn read(given: &Given) -> Result<Self, Problem> {
        let time = |name: &str| {
            let wrong = || {
                let detail = format!("`{name}` must be RFC 3339, such as 2026-04-16T12:00:00Z");
                Problem::new(Code::RequestInvalid, detail).with("field", name.into())
            };
            given.get(name).map(|text| Millis::parse_rfc3339(text).ok_or_else(wrong)).transpose()
        };
        Ok(Self {
            organization: Organization::of(given),
            kind: one_of(given, "kind", &reading::KINDS)?,
            since: time("since")?,
            until: time("until")?,
        })
    }
}

/// `GET /api/analytics/conversion-funnel`.
pub(in crate::admin) async fn funnel(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Query(span): Query<Span>,
) -> Result<Json<Funnel>, Problem> {
    let reach = span.organization.within(admin.hub_caller(&headers, Scope::Read)?.reach);
    let read = move |file: &rusqlite::Connection| {
        reading::funnel(file, &reach, span.kind.as_deref(), span.since, span.until)
    };
    admin.hub_read(read).await.map(Json)
}

/// `GET /api/crm/deadlines`, the last said first.
pub(in crate::admin) async fn deadlines(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters, paging }: List<Organization>,
) -> Result<Json<Page<Deadline>>, Problem> {
    let reach = filters.within(admin.hub_caller(&headers, Scope::Read)?.reach);
    admin.hub_list(paging, move |file, paging| reading::deadlines(file, &reach, paging)).await
}

/// `GET /api/crm/products`, the last changed first.
pub(in crate::admin) async fn products(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters, paging }: List<Organization>,
) -> Result<Json<Page<Product>>, Problem> {
    let reach = filters.within(admin.hub_caller(&headers, Scope::Read)?.reach);
    admin.hub_list(paging, move |file, paging| reading::products(file, &reach, paging)).await
}

/// `GET /api/crm/alerts`, the last said first.
pub(in crate::admin) async fn alerts(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters, paging }: List<Organization>,
) -> Result<Json<Page<Alert>>, Problem> {
    let reach = filters.within(admin.hub_caller(&headers, Scope::Read)?.reach);
    admin.hub_list(paging, move |file, paging| reading::alerts(file, &reach, paging)).await
}

/// Which receivables.
#[derive(Debug)]
pub(in crate::admin) struct Owed {
    organization: Organization,
    status: Option<String>,
}

impl Parameters for Owed {
    const NAMES: &'static [&'static str] = &["organization", "status"];

    fn read(given: &Given) -> Result<Self, Problem> {
        let status = one_of(given, "status", &reading::STATUSES)?;
        Ok(Self { organization: Organization::of(given), status })
    }
}

/// `GET /api/cobranza`, the last changed first.
pub(in crate::admin) async fn receivables(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters: Owed { organization, status }, paging }: List<Owed>,
) -> Result<Json<Page<Receivable>>, Problem> {
    let reach = organization.within(admin.hub_caller(&headers, Scope::Read)?.reach);
    admin
        .hub_list(paging, move |file, paging| reading::receivables(file, &reach, status.as_deref(), paging))
        .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Standing {
    status: Option<String>,
    note: Option<String>,
}

/// `PATCH /api/cobranza/{id} {status?, note?}`: a person says how it stands.
pub(in crate::admin) async fn change_receivable(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, Problem> {
    let caller = admin.hub_caller(&headers, Scope::Operate)?;
    let Standing { status, note } = body(&bytes)?;
    if status.is_none() && note.is_none() {
        return Err(Problem::new(Code::RequestInvalid, "the body must have `status` or `note`"));
    }
    let wanted = id.clone();
    let owner = admin.hub_read(move |file| reading::receivable_organization(file, &wanted)).await?;
    let owner = owner.filter(|owner| caller.reach.covers(owner)).ok_or_else(|| missing("receivable", &id))?;
    let body = json!({ "receivable": id, "status": status, "note": note });
    admin.hub_command(&caller.principal, owner, "crm.receivable", body).await
}
