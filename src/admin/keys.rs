//! `/v1/keys`: who may do what.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Admin, blocking, secret_shown};
use crate::http::json::object;
use crate::http::page::{List, Page};
use crate::http::problem::{Code, Problem};
use crate::http::query::Path;
use crate::store::control::key::{Key, KeyId, NewKey, Scope};

/// `GET /v1/keys`: all of them, newest first, without their text.
pub(super) async fn list(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { paging, .. }: List<()>,
) -> Result<Json<Page<Key>>, Problem> {
    admin.allow(&headers, Scope::Admin)?;
    let control = admin.parts.control.clone();
    let keys = blocking::run(move || control.keys()).await;
    let keys = keys.map_err(|error| blocking::control_problem(&error))?;
    // The cursor is the last key of the page before.
    let from = match &paging.cursor {
        None => 0,
        Some(cursor) => {
            1 + keys.iter().position(|key| key.key_id.as_str() == cursor).ok_or_else(|| {
                Problem::new(Code::RequestInvalid, "`cursor` must be the `next` of an earlier page")
            })?
        }
    };
    let more = keys.len().saturating_sub(from) > usize::from(paging.limit);
    let items: Vec<Key> = keys.into_iter().skip(from).take(paging.limit.into()).collect();
    let next = items.last().filter(|_| more).map(|key| key.key_id.to_string());
    Ok(Json(Page { items, next }))
}

/// `POST /v1/keys {name, scopes, source?, expiresAt?}`: the key is shown in this answer only.
pub(super) async fn create(
    State(admin): State<Admin>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let caller = admin.allow(&headers, Scope::Admin)?;
    let new: NewKey = object(&body)?;
    new.check(admin.parts.clock.now())
        .map_err(|error| Problem::new(Code::RequestInvalid, error.to_string()))?;
    let mut entropy = [0; 32];
    admin.parts.entropy.fill(&mut entropy);
    let entry = admin.entry(&caller, "keys.create", &new.name);
    let control = admin.parts.control.clone();
    let made = blocking::run(move || control.create_key(&new, &entropy, entry)).await;
    let (id, plaintext) = made.map_err(|error| blocking::control_problem(&error))?;
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
    // Not repeated: somebody may have taken a key's text for its id, and answers are kept.
    let missing = || Problem::new(Code::NotFound, "there is no key of this id; GET /v1/keys lists the ids");
    let key = KeyId::parse(&id).ok_or_else(missing)?;
    let entry = admin.entry(&caller, "keys.revoke", &id);
    let control = admin.parts.control.clone();
    let revoked = blocking::run(move || control.revoke_key(&key, entry)).await;
    revoked.map_err(|error| blocking::control_problem(&error))?;
    Ok(Json(json!({ "keyId": id, "revoked": true })))
}
