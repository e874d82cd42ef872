//! Every route of the process.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;

use crate::admin::Admin;
use crate::admin::backup::Store;
use crate::admin::health::{self, Health};
use crate::config::Config;
use crate::http::correlation::correlate;
use crate::http::problem;
use crate::ingest::Ingest;
use crate::operations::Operations;
use crate::web::Web;
use crate::web::samples::Samples;

/// The whole API, and the pages.
pub(super) fn all(
    ingest: Ingest,
    operations: &Operations,
    samples: &Arc<Samples>,
    config: &Config,
    health: Health,
) -> Router {
    // Wrong keys count together, wherever they are tried.
    let guesses = Arc::default();
    let admin = Admin::new(operations.clone(), Arc::clone(&guesses), backed_up(config));
    let is_tls = config.server.tls_certificate.is_some();
    let web = Web::new(operations.clone(), guesses, Arc::clone(samples), is_tls);
    let entropy = Arc::clone(&operations.parts.entropy);
    Router::new()
        .merge(ingest.routes())
        .merge(admin.routes())
        .merge(web.routes())
        .merge(health::routes(health))
        .merge(super::contract::routes())
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(from_fn_with_state(entropy, correlate))
}

/// What a backup takes.
fn backed_up(config: &Config) -> Store {
    let store = &config.store;
    Store { path: store.path.clone(), engine: store.engine.into(), free_bytes_min: store.free_bytes_min }
}
