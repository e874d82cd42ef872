//! `GET /v1/audit`: what operators did, newest first.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;

use super::{Admin, blocking};
use crate::http::page::{List, Page};
use crate::http::problem::{Code, Problem};
use crate::store::control::audit::Recorded;
use crate::store::control::key::Scope;

/// A page of the audit log.
pub(super) async fn list(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { paging, .. }: List<()>,
) -> Result<Json<Page<Recorded>>, Problem> {
    admin.allow(&headers, Scope::Admin)?;
    let before =
        paging.cursor.map(|cursor| cursor.parse::<i64>()).transpose().map_err(|_| {
            Problem::new(Code::RequestInvalid, "`cursor` must be the `next` of an earlier page")
        })?;
    let control = admin.parts.control.clone();
    let page = blocking::run(move || control.audit(before, paging.limit.into())).await;
    let page = page.map_err(|error| blocking::control_problem(&error))?;
    Ok(Json(Page { items: page.items, next: page.next.map(|seq| seq.to_string()) }))
}
