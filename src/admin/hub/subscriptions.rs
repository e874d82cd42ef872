//! `/api/subscriptions`: what organizations have of which app.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::super::Admin;
use super::{Caller, Organization, body, missing, one_of};
use crate::domain::subscription::State as Standing;
use crate::http::page::{List, Page};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Given, Parameters, Path};
use crate::hub::organizations::{self, Claim};
use crate::hub::subscriptions::reading::{self, Filter};
use crate::store::control::key::Scope;

/// Which subscriptions.
#[derive(Debug)]
pub(in crate::admin) struct Wanted {
    organization: Organization,
    filter: Filter,
}

impl Parameters for Wanted {
    const NAMES: &'static [&'static str] = &["organization", "app", "state", "unresolved"];

    fn read(given: &Given) -> Result<Self, Problem> {
        let text = |name| given.get(name).map(ToOwned::to_owned);
        let states: Vec<_> = Standing::ALL.iter().map(|state| state.as_str()).collect();
        let state = one_of(given, "state", &states)?;
        let is_unresolved = match given.get("unresolved") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                let problem = Problem::new(Code::RequestInvalid, "`unresolved` must be true or false");
                return Err(problem.with("field", "unresolved".into()));
            }
        };
        let filter = Filter { app: text("app"), state, is_unresolved };
        Ok(Self { organization: Organization::of(given), filter })
    }
}

/// `GET /api/subscriptions`, the last begun first.
pub(in crate::admin) async fn list(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters: Wanted { organization, filter }, paging }: List<Wanted>,
) -> Result<Json<Page<Value>>, Problem> {
    let reach = organization.within(admin.hub_caller(&headers, Scope::Read)?.reach);
    admin.hub_list(paging, move |file, paging| reading::subscriptions(file, &reach, &filter, paging)).await
}

/// `GET /api/subscriptions/{id}`: with what was said of it, and what the clock will say.
pub(in crate::admin) async fn show(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let caller = admin.hub_caller(&headers, Scope::Read)?;
    named(&admin, &caller, &id).await.map(|(_, value)| Json(value))
}

/// `POST /api/subscriptions {organizationId, app, planId, trial?, billingCycle?, amount?, currency?, until?}`.
pub(in crate::admin) async fn create(
    State(admin): State<Admin>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Json<Value>, Problem> {
    let caller = admin.hub_caller(&headers, Scope::Operate)?;
    let mut fields: Map<String, Value> = body(&bytes)?;
    known(
        &fields,
        &["organizationId", "app", "planId", "trial", "billingCycle", "amount", "currency", "until"],
    )?;
    let organization = taken(&mut fields, "organizationId")?;
    of_caller(&admin, &caller, &organization).await?;
    admin.hub_command(&caller.principal, organization, "subscriptions.create", fields.into()).await
}

/// `PATCH /api/subscriptions/{id} {action, ...}`: plan, suspend, resume, renew, activate or cancel.
pub(in crate::admin) async fn change(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, Problem> {
    let caller = admin.hub_caller(&headers, Scope::Operate)?;
    let mut fields: Map<String, Value> = body(&bytes)?;
    let names = ["action", "planId", "billingCycle", "amount", "currency", "until", "reason", "atPeriodEnd"];
    known(&fields, &names)?;
    let (organization, _) = named(&admin, &caller, &id).await?;
    fields.insert("subscription".to_owned(), id.into());
    admin.hub_command(&caller.principal, organization, "subscriptions.change", fields.into()).await
}

/// The subscription `id` with its organization, if the caller may see it.
async fn named(admin: &Admin, caller: &Caller, id: &str) -> Result<(String, Value), Problem> {
    let wanted = id.to_owned();
    let found = admin.hub_read(move |file| reading::subscription(file, &wanted)).await?;
    let found = found.filter(|(organization, _)| caller.reach.covers(organization));
    found.ok_or_else(|| missing("subscription", id))
}

/// Refuses an organization that nobody knows or that the caller may not see: both look the same.
pub(super) async fn of_caller(admin: &Admin, caller: &Caller, organization: &str) -> Result<(), Problem> {
    let wanted = organization.to_owned();
    let ask = move |file: &rusqlite::Connection| organizations::resolve(file, Claim::Canonical(&wanted));
    let is_known = admin.hub_read(ask).await?.is_some();
    if is_known && caller.reach.covers(organization) {
        return Ok(());
    }
    let how = "an event of it, or POST /api/ecosystem/register, makes it known";
    Err(Problem::new(Code::NotFound, format!("there is no organization `{organization}`; {how}")))
}

/// A field that must be there, taken out.
pub(super) fn taken(fields: &mut Map<String, Value>, name: &str) -> Result<String, Problem> {
    match fields.shift_remove(name) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        _ => {
            let problem = Problem::new(Code::RequestInvalid, format!("the body must have `{name}`"));
            Err(problem.with("field", name.into()))
        }
    }
}

/// Refuses a field that is not one of `names`.
pub(super) fn known(fields: &Map<String, Value>, names: &[&str]) -> Result<(), Problem> {
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let detail = format!("there is no field `{name}` here (known: {})", names.join(", "));
            Err(Problem::new(Code::RequestInvalid, detail).with("field", name.as_str().into()))
        }
    }
}
