//! An answer that shows a secret, once: it must not be kept with its secret in it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// The members of an answer that must not be kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct SecretMember(pub(super) &'static str);

/// `json` as an answer whose `member` is a secret.
pub(super) fn answer(status: StatusCode, json: Value, member: &'static str) -> Response {
    let mut response = (status, Json(json)).into_response();
    response.extensions_mut().insert(SecretMember(member));
    response
}
