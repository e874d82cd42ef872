//! `/v1/registry`: the types and apps in force.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::Admin;
use crate::domain::catalog::{AppDef, EventDef, Lookup};
use crate::http::page::{List, Page};
use crate::http::problem::{Code, Problem};
use crate::http::query::Path;
use crate::store::control::key::Scope;

/// `GET /v1/registry/events`, by name.
pub(super) async fn events(
    State(admin): State<Admin>,
    headers: HeaderMap,
    list: List<()>,
) -> Result<Json<Page<EventDef>>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    let catalog = admin.parts.intake.catalog.current();
    let sorted = catalog.events().cloned().collect();
    Ok(Json(Page::by_name(sorted, &list.paging, |event: &EventDef| event.event_type.as_str())))
}

/// `GET /v1/registry/events/{id}`.
pub(super) async fn event(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<EventDef>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    match admin.parts.intake.catalog.current().lookup(&id) {
        Lookup::Known(event) | Lookup::Incomplete(event) => Ok(Json(event.clone())),
        Lookup::Unknown { did_you_mean } => {
            let problem = Problem::new(Code::NotFound, "the registry has no such type");
            Err(problem.with("didYouMean", did_you_mean.map_or(Value::Null, |name| json!(name))))
        }
    }
}

/// `GET /v1/registry/apps`, by slug.
pub(super) async fn apps(
    State(admin): State<Admin>,
    headers: HeaderMap,
    list: List<()>,
) -> Result<Json<Page<AppDef>>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    let catalog = admin.parts.intake.catalog.current();
    let sorted = catalog.apps().cloned().collect();
    Ok(Json(Page::by_name(sorted, &list.paging, |app: &AppDef| app.slug.as_str())))
}

/// `GET /v1/registry/apps/{id}`.
pub(super) async fn app(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<AppDef>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    let catalog = admin.parts.intake.catalog.current();
    let missing = || Problem::new(Code::NotFound, "the registry has no such app");
    catalog.app(&id).cloned().map(Json).ok_or_else(missing)
}
