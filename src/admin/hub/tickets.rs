//! `/api/support/tickets`: the queue, and a person's word about a ticket.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::Admin;
use super::{Organization, body, missing, one_of};
use crate::domain::triage::escalation::LEVEL_MAX;
use crate::domain::triage::{Area, Category, Priority};
use crate::http::page::{List, Page};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Given, Parameters, Path};
use crate::hub::tickets::reading::{self, SupportTicket, TicketFilter};
use crate::store::control::key::Scope;

/// Letters of what a person writes.
pub(super) const TEXT_CHARS_MAX: usize = 4_000;

/// Which tickets.
#[derive(Debug)]
pub(in crate::admin) struct Tickets {
    organization: Organization,
    filter: TicketFilter,
}

impl Parameters for Tickets {
    const NAMES: &'static [&'static str] =
        &["organization", "status", "category", "priority", "area", "source", "escalated"];

    fn read(given: &Given) -> Result<Self, Problem> {
        let level = given.get("escalated").map(|level| {
            level.parse::<u8>().ok().filter(|level| *level <= LEVEL_MAX).ok_or_else(|| {
                let detail = format!("`escalated` must be a level from 0 to {LEVEL_MAX}");
                Problem::new(Code::RequestInvalid, detail).with("field", "escalated".into())
            })
        });
        let filter = TicketFilter {
            status: one_of(given, "status", &reading::STATUSES)?,
            category: one_of(given, "category", &words(Category::ALL, Category::as_str))?,
            priority: one_of(given, "priority", &words(Priority::ALL, Priority::as_str))?,
            area: one_of(given, "area", &words(Area::ALL, Area::as_str))?,
            source: given.get("source").map(ToOwned::to_owned),
            level_min: level.transpose()?,
        };
        Ok(Self { organization: Organization::of(given), filter })
    }
}

fn words<T: Copy>(all: &[T], word: impl Fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().map(|label| word(*label)).collect()
}

/// `GET /api/support/tickets`, the last that came first.
pub(in crate::admin) async fn list(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters: Tickets { organization, filter }, paging }: List<Tickets>,
) -> Result<Json<Page<SupportTicket>>, Problem> {
    let reach = organization.within(admin.hub_caller(&headers, Scope::Read)?.reach);
    admin.hub_list(paging, move |file, paging| reading::tickets(file, &reach, &filter, paging)).await
}

/// `GET /api/support/tickets/{id}`.
pub(in crate::admin) async fn show(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<SupportTicket>, Problem> {
    let caller = admin.hub_caller(&headers, Scope::Read)?;
    let wanted = id.clone();
    let found = admin.hub_read(move |file| reading::ticket(file, &wanted)).await?;
    let found = found.filter(|ticket| caller.reach.covers(&ticket.organization_id));
    found.map(Json).ok_or_else(|| missing("ticket", &id))
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Change {
    status: Option<String>,
    category: Option<String>,
    priority: Option<String>,
    area: Option<String>,
    assignee: Option<String>,
    note: Option<String>,
}

impl Change {
    fn texts(&self) -> impl Iterator<Item = &String> {
        let Self { status, category, priority, area, assignee, note } = self;
        [status, category, priority, area, assignee, note].into_iter().flatten()
    }
}

/// `PATCH /api/support/tickets/{id} {status?, category?, priority?, area?, assignee?, note?}`: the classifier learns
/// from what a person corrects.
pub(in crate::admin) async fn change(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, Problem> {
    let caller = admin.hub_caller(&headers, Scope::Operate)?;
    let change: Change = body(&bytes)?;
    if change.texts().next().is_none() {
        let detail = "the body must have one of status, category, priority, area, assignee, note";
        return Err(Problem::new(Code::RequestInvalid, detail));
    }
    if change.texts().any(|text| text.chars().count() > TEXT_CHARS_MAX) {
        let detail = format!("no text may have more than {TEXT_CHARS_MAX} characters");
        return Err(Problem::new(Code::RequestInvalid, detail));
    }
    let wanted = id.clone();
    let owner = admin.hub_read(move |file| reading::ticket_organization(file, &wanted)).await?;
    let owner = owner.filter(|owner| caller.reach.covers(owner)).ok_or_else(|| missing("ticket", &id))?;
    let mut body = json!(change);
    body["ticket"] = json!(id);
    admin.hub_command(&caller.principal, owner, "tickets.correct", body).await
}
