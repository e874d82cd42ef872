//! `/api/ecosystem`: what apps ask on their own: features, recommendations, registration, insights.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use serde_json::{Map, Value};

use super::super::Admin;
use super::subscriptions::{known, of_caller, taken};
use super::{Caller, Organization, body, missing, one_of};
use crate::http::page::{List, Page};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Given, Parameters, Query};
use crate::hub::crm::reading::Reach;
use crate::hub::subscriptions::access::Answer;
use crate::hub::subscriptions::reading::{self, Recommendation};
use crate::store::control::key::Scope;

/// The feature of this app that opens customer insights.
const INSIGHTS: &str = "insights.customers";
/// This app.
const OWN: &str = "camino";

/// Which feature, of what, for whom.
#[derive(Debug)]
pub(in crate::admin) struct Asked {
    app: String,
    organization: String,
    feature: String,
}

impl Parameters for Asked {
    const NAMES: &'static [&'static str] = &["app", "organization", "feature"];

    fn read(given: &Given) -> Result<Self, Problem> {
        Ok(Self {
            app: needed(given, "app")?,
            organization: needed(given, "organization")?,
            feature: needed(given, "feature")?,
        })
    }
}

fn needed(given: &Given, name: &str) -> Result<String, Problem> {
    let value = given.get(name).map(str::trim).filter(|value| !value.is_empty());
    let wrong = || {
        let problem = Problem::new(Code::RequestInvalid, format!("`{name}` is missing"));
        problem.with("field", name.into())
    };
    value.map(ToOwned::to_owned).ok_or_else(wrong)
}

/// `GET /api/ecosystem/feature-access?app=&organization=&feature=`: 200 whatever the answer, from memory.
pub(in crate::admin) async fn feature_access(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let caller = admin.hub_caller(&headers, Scope::Read)?;
    if !caller.reach.covers(&asked.organization) {
        return Err(missing("organization", &asked.organization));
    }
    let now = admin.parts.clock.now();
    let answer = admin.parts.access.answer(&asked.app, &asked.organization, &asked.feature, now);
    let etag = answer.etag();
    let kept = format!("private, max-age={}", answer.ttl_seconds);
    let head = [(ETAG, etag.clone()), (CACHE_CONTROL, kept)];
    // Whoever names what they have only wants to hear of something else.
    let has = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let has = has.flat_map(|value| value.split(',')).any(|value| value.trim() == etag);
    if has {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    Ok((head, Json(answer)).into_response())
}

impl Admin {
    /// Lets through whom the organization's plan of `app` lets use `feature`; 402 to others. A key that is
    /// bound to no organization is nobody's plan.
    fn gate(&self, caller: &Caller, organization: &str, (app, feature): (&str, &str)) -> Result<(), Problem> {
        if caller.reach == Reach::All {
            return Ok(());
        }
        let answer = self.parts.access.answer(app, organization, feature, self.parts.clock.now());
        if answer.allowed { Ok(()) } else { Err(tier_required(&answer)) }
    }
}

/// The documented problem of a feature that is not open.
fn tier_required(answer: &Answer) -> Problem {
    let detail = match &answer.required_tier {
        Some(tier) => format!("`{}` needs the {tier} tier or higher", answer.feature),
        None => format!("`{}` is not open to this organization", answer.feature),
    };
    let text = |text: &Option<String>| text.as_deref().map_or(Value::Null, Value::from);
    Problem::new(Code::TierRequired, detail)
        .tenant(answer.organization_id.clone())
        .with("app", answer.app.as_str().into())
        .with("feature", answer.feature.as_str().into())
        .with("reason", serde_json::to_value(answer.reason).unwrap_or_default())
        .with("state", answer.state.into())
        .with("currentTier", text(&answer.tier))
        .with("requiredPlan", text(&answer.required_plan))
        .with("requiredTier", text(&answer.required_tier))
}

/// Which recommendations.
#[derive(Debug)]
pub(in crate::admin) struct Recommended {
    organization: Organization,
    app: Option<String>,
    status: Option<String>,
}

impl Parameters for Recommended {
    const NAMES: &'static [&'static str] = &["organization", "app", "status"];

    fn read(given: &Given) -> Result<Self, Problem> {
        let text = |name| given.get(name).map(ToOwned::to_owned);
        let status = one_of(given, "status", &reading::STATUSES)?;
        Ok(Self { organization: Organization::of(given), app: text("app"), status })
    }
}

/// `GET /api/ecosystem/upsell-recommendations`, the last begun first.
pub(in crate::admin) async fn recommendations(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters: Recommended { organization, app, status }, paging }: List<Recommended>,
) -> Result<Json<Page<Recommendation>>, Problem> {
    let reach = organization.within(admin.hub_caller(&headers, Scope::Read)?.reach);
    admin
        .hub_list(paging, move |file, paging| {
            reading::recommendations(file, &reach, (app.as_deref(), status.as_deref()), paging)
        })
        .await
}

/// `POST /api/ecosystem/upsell-track`: `{recommendationId, action}` tells what became of one, and
/// `{organizationId, app, feature, used}` how much of a feature is used.
pub(in crate::admin) async fn track(
    State(admin): State<Admin>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Json<Value>, Problem> {
    let caller = admin.hub_caller(&headers, Scope::Operate)?;
    let mut fields: Map<String, Value> = body(&bytes)?;
    if fields.contains_key("feature") {
        known(&fields, &["organizationId", "app", "feature", "used"])?;
        let organization = taken(&mut fields, "organizationId")?;
        of_caller(&admin, &caller, &organization).await?;
        return admin.hub_command(&caller.principal, organization, "subscriptions.use", fields.into()).await;
    }
    known(&fields, &["recommendationId", "action"])?;
    let id = taken(&mut fields, "recommendationId")?;
    let wanted = id.clone();
    let owner = admin.hub_read(move |file| reading::recommendation_organization(file, &wanted)).await?;
    let owner = owner.filter(|owner| caller.reach.covers(owner));
    let owner = owner.ok_or_else(|| missing("recommendation", &id))?;
    fields.insert("recommendation".to_owned(), id.into());
    admin.hub_command(&caller.principal, owner, "subscriptions.track", fields.into()).await
}

/// `POST /api/ecosystem/register {app, organizationId, tenantId?}`: binds an app's tenant.
pub(in crate::admin) async fn register(
    State(admin): State<Admin>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Json<Value>, Problem> {
    let caller = admin.hub_caller(&headers, Scope::Operate)?;
    let mut fields: Map<String, Value> = body(&bytes)?;
    known(&fields, &["app", "organizationId", "tenantId"])?;
    let organization = taken(&mut fields, "organizationId")?;
    if !caller.reach.covers(&organization) {
        return Err(missing("organization", &organization));
    }
    let app = fields.get("app").and_then(Value::as_str).unwrap_or_default();
    if admin.parts.intake.catalog.current().app(app).is_none() {
        let problem = Problem::new(Code::RequestInvalid, format!("the registry has no app `{app}`"));
        return Err(problem.with("field", "app".into()));
    }
    admin.hub_command(&caller.principal, organization, "subscriptions.register", fields.into()).await
}

/// Whose insights.
#[derive(Debug)]
pub(in crate::admin) struct Whose(String);

impl Parameters for Whose {
    const NAMES: &'static [&'static str] = &["organization"];

    fn read(given: &Given) -> Result<Self, Problem> {
        needed(given, "organization").map(Self)
    }
}

/// `GET /api/ecosystem/customer-insights?organization=`: what is known of its customers, in numbers. For
/// a key of that organization its plan of this app must have it.
pub(in crate::admin) async fn insights(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Query(Whose(organization)): Query<Whose>,
) -> Result<Json<Value>, Problem> {
    let caller = admin.hub_caller(&headers, Scope::Read)?;
    of_caller(&admin, &caller, &organization).await?;
    admin.gate(&caller, &organization, (OWN, INSIGHTS))?;
    admin.hub_read(move |file| reading::insights(file, &organization)).await.map(Json)
}
