//! Every route of the process.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;

use crate::admin::Admin;
use crate::admin::health::{self, Health};
use crate::http::correlation::correlate;
use crate::http::problem;
use crate::ingest::Ingest;
use crate::runtime::entropy::Entropy;

/// The whole API.
pub(super) fn all(ingest: Ingest, admin: Admin, health: Health, entropy: Arc<dyn Entropy>) -> Router {
    Router::new()
        .merge(ingest.routes())
        .merge(admin.routes())
        .merge(health::routes(health))
        .merge(super::contract::routes())
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(from_fn_with_state(entropy, correlate))
}
