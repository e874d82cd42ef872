//! `/healthz`, `/readyz`, `/metrics` and the pages of errors: open to anyone, nothing about anyone in them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use crate::http::problem::{self, Code, Problem};
use crate::store::outbox::{Error, Outbox};
use crate::telemetry::metrics::{self, Metrics};

/// What these answers are made of; clones share it.
#[derive(Clone)]
pub struct Health {
    /// Set when the process stops taking events.
    pub draining: Arc<AtomicBool>,
    /// The store.
    pub outbox: Arc<Outbox>,
    /// The counts.
    pub metrics: Arc<Metrics>,
}

/// The routes.
pub fn routes(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(async || Json(json!({ "status": "ok" }))))
        .route("/readyz", get(ready))
        .route("/metrics", get(scrape))
        .route("/errors/{slug}", get(problem::page))
        .with_state(health)
}

/// 200 once the outbox is replayed and ingest may be acked; 503 while draining or failing.
async fn ready(State(health): State<Health>) -> Response {
    const SOON: Duration = Duration::from_secs(5);
    let problem = if health.draining.load(Ordering::Relaxed) {
        Problem::new(Code::Draining, "the broker is stopping")
    } else {
        match health.outbox.refusal() {
            None => return Json(json!({ "status": "ready" })).into_response(),
            Some(error @ Error::DiskFull { .. }) => Problem::new(Code::DiskFull, error.to_string()),
            Some(error) => Problem::new(Code::StoreFailing, error.to_string()),
        }
    };
    problem.retry_after(SOON).into_response()
}

async fn scrape(State(health): State<Health>) -> Response {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], health.metrics.render()).into_response()
}
