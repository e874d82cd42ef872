//! The management API: what operators and their tools read and steer.
//!
//! Never takes events in and never delivers; it reads the journal, changes the control store, and
//! appends to the outbox where a person asks for a delivery again.

mod again;
mod audit;
pub mod backup;
mod contract;
mod endpoints;
pub mod health;
mod hub;
mod idempotency;
mod journal;
mod keys;
mod onward;
mod refusals;
mod registry;
mod replays;
mod secret_shown;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::http::failures::Failures;
use crate::http::key;
use crate::http::problem::{Code, Problem};
use crate::operations::{self, Operations, Parts, blocking};
use crate::store::control::audit::Entry;
use crate::store::control::key::{Principal, Scope};
pub use contract::chapters;

/// The handlers' state; clones share it.
#[derive(Clone)]
pub struct Admin {
    operations: Operations,
    parts: Arc<Parts>,
    /// Where the store lies, for backups.
    store: backup::Store,
    /// The backup under way, or the last one.
    backups: backup::Backups,
    /// Wrong keys, by address.
    guesses: Arc<Failures>,
}

impl Admin {
    /// The state over `operations`; wrong keys are counted in `guesses`, and `store` says what a backup takes.
    pub fn new(operations: Operations, guesses: Arc<Failures>, store: backup::Store) -> Self {
        let parts = Arc::clone(&operations.parts);
        Self { operations, parts, store, backups: backup::Backups::default(), guesses }
    }

    /// The routes. All need a key; those that write take an `Idempotency-Key`.
    pub fn routes(self) -> Router {
        let keyed = from_fn_with_state(self.clone(), refusals::keyed);
        let recorded = from_fn_with_state(self.clone(), refusals::recorded);
        let once = from_fn_with_state(self.clone(), idempotency::once);
        Router::new()
            .route("/v1/keys", get(keys::list).post(keys::create))
            .route("/v1/keys/{id}", axum::routing::delete(keys::revoke))
            .route("/v1/audit", get(audit::list))
            .route("/v1/backup", get(backup::show).post(backup::begin))
            .route("/v1/endpoints", get(endpoints::list))
            .route("/v1/endpoints/{app}", get(endpoints::show).put(endpoints::put).patch(endpoints::patch))
            .route("/v1/endpoints/{app}/pause", post(endpoints::pause))
            .route("/v1/endpoints/{app}/resume", post(endpoints::resume))
            .route("/v1/endpoints/{app}/rotate-secret", post(endpoints::rotate_secret))
            .route("/v1/endpoints/{app}/test", post(endpoints::test))
            .route("/v1/endpoints/{app}/reset", post(endpoints::reset))
            .route("/v1/events", get(journal::events))
            .route("/v1/events/{id}", get(journal::event))
            .route("/v1/events/{id}/deliveries", get(journal::event_deliveries))
            .route("/v1/events/{id}/explain", get(journal::explain))
            .route("/v1/deliveries", get(journal::deliveries))
            .route("/v1/deliveries/{id}", get(journal::delivery))
            .route("/v1/deliveries/{id}/attempts", get(journal::attempts))
            .route("/v1/deliveries/{id}/retry", post(again::retry))
            .route("/v1/dead-letters", get(journal::dead_letters))
            .route("/v1/replays", get(replays::list).post(replays::begin))
            .route("/v1/replays/{id}", get(replays::show))
            .route("/v1/replays/{id}/cancel", post(replays::cancel))
            .route("/v1/quarantine", get(journal::quarantine))
            .route("/v1/quarantine/{id}/release", post(again::release))
            .route("/v1/drift", get(journal::drift))
            .route("/v1/journal", get(onward::list))
            .route("/v1/stats", get(journal::stats))
            .route("/v1/stream", get(stream::tail))
            .route("/v1/registry/apps", get(registry::apps))
            .route("/v1/registry/apps/{id}", get(registry::app))
            .route("/v1/registry/events", get(registry::events))
            .route("/v1/registry/events/{id}", get(registry::event))
            .merge(hub::routes())
            .layer(recorded)
            .layer(once)
            .layer(keyed)
            .with_state(self)
    }

    /// Whoever calls, if the presented key allows `scope` over everybody's things.
    fn allow(&self, headers: &HeaderMap, scope: Scope) -> Result<Arc<Principal>, Problem> {
        let caller = self.caller(headers)?;
        operations::allow(&caller, scope)?;
        Ok(caller)
    }

    /// Whoever calls, if the presented key allows `scope`, perhaps only over some organizations' things.
    fn allow_own(&self, headers: &HeaderMap, scope: Scope) -> Result<Arc<Principal>, Problem> {
        let caller = self.caller(headers)?;
        if caller.allows(scope) {
            return Ok(caller);
        }
        let detail = format!("this needs a key with the scope `{}`", scope.as_str());
        Err(Problem::new(Code::ScopeMissing, detail))
    }

    fn caller(&self, headers: &HeaderMap) -> Result<Arc<Principal>, Problem> {
        let detail = "send a valid key as Authorization: Bearer <key>, or as X-API-Key";
        key::presented(headers)
            .and_then(|presented| self.parts.control.authenticate(presented, self.parts.clock.now()))
            .ok_or_else(|| Problem::new(Code::KeyMissing, detail))
    }

    /// The line that the audit log keeps of what `caller` does.
    fn entry(&self, caller: &Principal, action: &str, target: &str) -> Entry {
        self.operations.entry(caller, action, target)
    }
}
