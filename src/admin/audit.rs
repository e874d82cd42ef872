//! `GET /v1/audit`: what operators did, newest first.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;

use super::Admin;
use crate::http::page::{List, Page};
use crate::http::problem::Problem;
use crate::operations;
use crate::store::control::audit::Recorded;
use crate::store::control::key::Scope;

/// A page of the audit log.
pub(super) async fn list(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { paging, .. }: List<()>,
) -> Result<Json<Page<Recorded>>, Problem> {
    admin.allow(&headers, Scope::Admin)?;
    let page = operations::audit(&admin.operations, paging.cursor, paging.limit.into()).await?;
    Ok(Json(Page { items: page.items, next: page.next.map(|seq| seq.to_string()) }))
}
