//! `/v1/keys`: who may do what.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Admin, secret_shown};
use crate::http::json::object;
use crate::http::page::{List, Page};
use crate::http::problem::Problem;
use crate::http::query::Path;
use crate::operations::keys;
use crate::store::control::key::{Key, NewKey, Scope};

/// `GET /v1/keys`: all of them, newest first, without their text.
pub(super) async fn list(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { paging, .. }: List<()>,
) -> Result<Json<Page<Key>>, Problem> {
    admin.allow(&headers, Scope::Admin)?;
    keys::list(&admin.operations, &paging).await.map(Json)
}

/// `POST /v1/keys {name, scopes, source?, expiresAt?}`: the key is shown in this answer only.
pub(super) async fn create(
    State(admin): State<Admin>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let caller = admin.allow(&headers, Scope::Admin)?;
    let new: NewKey = object(&body)?;
    let (id, plaintext) = keys::create(&admin.operations, &caller, new).await?;
    let json = json!({ "keyId": id.as_str(), "key": plaintext.reveal() });
    Ok(secret_shown::answer(StatusCode::CREATED, json, "key"))
}

/// `DELETE /v1/keys/{id}`: it is refused from now on, if it was not before.
pub(super) async fn revoke(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let caller = admin.allow(&headers, Scope::Admin)?;
    keys::revoke(&admin.operations, &caller, &id).await?;
    Ok(Json(json!({ "keyId": id, "revoked": true })))
}
