//! `/v1/replays`: many deliveries made again, by filter.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};

use super::Admin;
use crate::http::json::object;
use crate::http::page::{List, Page};
use crate::http::problem::Problem;
use crate::http::query::Path;
use crate::operations::replays;
use crate::store::control::key::Scope;
use crate::store::control::replays::{Asked, Replay};

/// `POST /v1/replays`: 202 with the job; 200 with the count for a dry run.
pub(super) async fn begin(
    State(admin): State<Admin>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let caller = admin.allow(&headers, Scope::Operate)?;
    let asked = asked(&body)?;
    let counted = replays::count(&admin.operations, &asked, None).await?;
    if asked.dry_run {
        let answer = json!({ "replayId": null, "matched": counted.matched, "state": "dry_run", "done": 0 });
        return Ok((StatusCode::OK, Json(answer)));
    }
    let job = replays::begin(&admin.operations, &caller, asked, counted).await?;
    Ok((StatusCode::ACCEPTED, Json(json!(job))))
}

/// `GET /v1/replays`: newest first.
pub(super) async fn list(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { paging, .. }: List<()>,
) -> Result<Json<Page<Replay>>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    let page = replays::list(&admin.operations, paging.cursor, paging.limit.into()).await?;
    Ok(Json(Page { items: page.items, next: page.next.map(|number| number.to_string()) }))
}

/// `GET /v1/replays/{id}`.
pub(super) async fn show(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Replay>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    replays::show(&admin.operations, id).await.map(Json)
}

/// `POST /v1/replays/{id}/cancel`: nothing more is made; what was made stays. One that is over stays as it is.
pub(super) async fn cancel(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Replay>, Problem> {
    let caller = admin.allow(&headers, Scope::Operate)?;
    replays::cancel(&admin.operations, &caller, id).await.map(Json)
}

fn asked(body: &Bytes) -> Result<Asked, Problem> {
    let asked: Asked = object(body)?;
    replays::check(&asked)?;
    Ok(asked)
}
