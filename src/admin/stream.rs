//! `GET /v1/stream`: events as they come, as server-sent events.

use axum::extract::State;
use axum::http::HeaderMap;

use super::Admin;
use crate::http::key::presented;
use crate::http::problem::{Code, Problem};
use crate::http::query::Query;
use crate::operations::live::{self, Tail, Wanted};
use crate::operations::names;
use crate::store::control::key::{Fingerprint, Scope};

/// `GET /v1/stream?source=&eventType=&organization=&after=`: goes on after `Last-Event-ID`, or after `after`.
pub(super) async fn tail(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Tail, Problem> {
    admin.allow(&headers, Scope::Read)?;
    let missing = || Problem::new(Code::KeyMissing, "send a valid key as Authorization: Bearer <key>");
    let key = presented(&headers).map(Fingerprint::of).ok_or_else(missing)?;
    // Whoever comes back has been let in by these names.
    let wanted = wanted.again(&headers);
    if wanted.is_first() {
        names::check(&admin.operations, wanted.names()).await?;
    }
    live::follow(&admin.operations, key, || true, wanted).await
}
