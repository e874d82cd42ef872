//! `POST /v1/events`: a signed event in, an honest answer out.
//!
//! The raw bytes are read once, proven, judged and stored as they came; nothing is re-serialized.
//! Decided in this order: size, content type, envelope, proof, window, dedupe, age, type, sender, schema,
//! capacity, commit. Never talks to the dispatcher: they meet in the outbox.

mod answer;
mod batch;
mod contract;
mod judge;
mod proof;
mod quota;
mod single;
mod slowdown;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::routing::{get, post};

pub use contract::chapter;

use crate::config::Ingest as Settings;
use crate::domain::id::AppSlug;
use crate::domain::time::Millis;
use crate::http::body::Budget;
use crate::outbox::Intake;
use crate::runtime::clock::Clock;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::trace::Tracer;
use quota::Quotas;
use slowdown::Slowdown;

/// Most events in a batch.
pub const BATCH_ITEMS_MAX: usize = 500;

/// Memory for bodies that are being read and judged, beyond 16 KiB of each.
const BODIES_BYTES_MAX: usize = 32 << 20;

/// Says for which source a bearer key may post events, if for any.
pub type KeyCheck = Arc<dyn Fn(&str, Millis) -> Option<AppSlug> + Send + Sync>;

/// What the handlers work with; clones share it.
#[derive(Clone)]
pub struct Ingest {
    shared: Arc<Shared>,
}

struct Shared {
    intake: Intake,
    settings: Settings,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    tracer: Tracer,
    keys: KeyCheck,
    draining: Arc<AtomicBool>,
    slowdown: Slowdown,
    quotas: Quotas,
    bodies: Budget,
}

/// What ingest is given.
pub struct Parts {
    /// The way into the outbox.
    pub intake: Intake,
    /// `[ingest]`.
    pub settings: Settings,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Takes a span for each request.
    pub tracer: Tracer,
    /// Checks bearer keys.
    pub keys: KeyCheck,
    /// Set when the process stops taking events.
    pub draining: Arc<AtomicBool>,
}

impl Ingest {
    /// The handlers' state.
    pub fn new(parts: Parts) -> Self {
        let Parts { intake, settings, clock, metrics, tracer, keys, draining } = parts;
        let (slowdown, quotas) = (Slowdown::default(), Quotas::default());
        let bodies = Budget::new(BODIES_BYTES_MAX);
        Self {
            shared: Arc::new(Shared {
                intake,
                settings,
                clock,
                metrics,
                tracer,
                keys,
                draining,
                slowdown,
                quotas,
                bodies,
            }),
        }
    }

    /// The routes.
    pub fn routes(self) -> Router {
        Router::new()
            .route("/v1/events", post(single::post_event))
            .route("/v1/events/batch", post(batch::post_batch))
            .route("/api/ecosystem/webhooks", get(answer::what_it_is).post(single::post_event))
            .with_state(self)
    }
}
