//! The management API: what operators and their tools read and steer.
//!
//! Never takes events in and never delivers; it reads the journal, changes the control store, and
//! appends to the outbox where a person asks for a delivery again.

mod again;
mod audit;
pub mod backup;
mod blocking;
mod contract;
mod dismissal;
mod endpoints;
mod filters;
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
pub mod steering;

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::sync::{Notify, Semaphore};

use crate::domain::id::AppSlug;
use crate::http::failures::Failures;
use crate::http::key;
use crate::http::problem::{Code, Problem};
use crate::hub::Hub;
use crate::hub::subscriptions::Access;
use crate::outbox::Intake;
use crate::runtime::clock::Clock;
use crate::runtime::entropy::Entropy;
use crate::runtime::task::Tasks;
use crate::store::control::Control;
use crate::store::control::audit::{Actor, Entry};
use crate::store::control::key::{Principal, Scope};
use crate::store::journal::Reader;
pub use again::release_learned;
pub use contract::chapters;
pub use dismissal::dismiss_older;
pub use replays::carry_out_replays;
use steering::Steering;

/// What the handlers work with.
pub struct Parts {
    /// Keys, overlays, audit.
    pub control: Arc<Control>,
    /// Changes of endpoints.
    pub steering: Steering,
    /// The way into the outbox.
    pub intake: Intake,
    /// Events, deliveries, attempts.
    pub journal: Arc<Reader>,
    /// Organizations, contacts, and what happened to them.
    pub hub: Arc<Hub>,
    /// Answers about features, from memory.
    pub access: Access,
    /// Where they lie, for backups.
    pub store: backup::Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// For new keys and secrets.
    pub entropy: Arc<dyn Entropy>,
    /// Carries out what was asked, whether or not the caller waits for it.
    pub tasks: Tasks,
}

/// The handlers' state; clones share it.
#[derive(Clone)]
pub struct Admin {
    parts: Arc<Parts>,
    /// Changes that may be carried out at a time; more wait.
    changes: Arc<Semaphore>,
    /// The backup under way, or the last one.
    backups: backup::Backups,
    /// Wrong keys, by address.
    guesses: Arc<Failures>,
    /// Refused changes that were recorded, by address.
    refusals: Arc<Failures>,
    /// A replay has begun or was cancelled.
    replays: Arc<Notify>,
}

impl Admin {
    /// The state over `parts`.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            changes: Arc::new(Semaphore::new(idempotency::CHANGES_MAX)),
            backups: backup::Backups::default(),
            guesses: Arc::default(),
            refusals: Arc::default(),
            replays: Arc::default(),
        }
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
        let caller = self.allow_own(headers, scope)?;
        if caller.organizations.is_some() {
            let detail =
                "this key is bound to organizations, and opens nothing but what is theirs below /api";
            return Err(Problem::new(Code::ScopeMissing, detail));
        }
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

    /// Says why a receiver's deliveries are parked, if they are.
    fn why_parked(&self) -> impl Fn(&AppSlug) -> Option<&'static str> + Send + 'static {
        let board = self.parts.steering.dispatch.board().clone();
        move |receiver| board.get(receiver).parked()
    }

    /// The line that the audit log keeps of what `caller` does.
    fn entry(&self, caller: &Principal, action: &str, target: &str) -> Entry {
        Entry::new(self.parts.clock.now(), Actor::from(caller), action, target)
    }
}
