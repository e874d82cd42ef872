//! The dashboard: pages made on the server, for people who watch over the broker and steer it.
//!
//! Reads and changes through `operations`, as the management API does, and never goes around it. Never
//! serves a page without its headers (`guard`), never writes a secret into one but the one that was just
//! made, and never needs anything from another host. Every page works without scripts; the one script
//! keeps what is shown fresh.
//!
//! A crash ends all sign-ins and forgets the samples of the overview.

mod assets;
mod audit;
mod chart;
mod contacts;
mod cookie;
mod dead_letters;
mod endpoints;
mod event;
mod events;
mod form;
mod guard;
mod keys;
mod overview;
mod quarantine;
mod registry;
mod replays;
pub mod samples;
mod sent;
mod session;
mod sign_in;
mod subscriptions;
mod text;
mod tickets;
mod view;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::http::failures::Failures;
use crate::http::problem::method_not_allowed;
use crate::operations::{Operations, live};
use crate::store::control::key::Fingerprint;
use samples::Samples;
use sent::Sent;
use session::Sessions;

/// The pages' state; clones share it.
#[derive(Clone)]
pub struct Web {
    ops: Operations,
    sessions: Arc<Sessions>,
    sent: Arc<Sent>,
    /// Wrong keys, by address; counted together with those of the API.
    guesses: Arc<Failures>,
    samples: Arc<Samples>,
    /// Whether the listener speaks TLS, so that cookies may go over nothing else.
    is_tls: bool,
}

impl Web {
    /// The pages over `ops`.
    pub fn new(ops: Operations, guesses: Arc<Failures>, samples: Arc<Samples>, is_tls: bool) -> Self {
        Self { ops, sessions: Arc::default(), sent: Arc::default(), guesses, samples, is_tls }
    }

    /// Begins a session for whoever has `key`; its id.
    fn begin(&self, key: Fingerprint) -> String {
        let parts = &self.ops.parts;
        let id = self.sessions.begin(key, parts.entropy.as_ref(), parts.clock.monotonic());
        // Another one may have ended for it.
        live::recheck(&self.ops);
        id
    }

    /// Ends the session `id`, with its streams.
    fn end(&self, id: &str) {
        self.sessions.end(id);
        live::recheck(&self.ops);
    }

    /// The routes. All but the assets, the sign-in and the language need a session.
    pub fn routes(self) -> Router {
        let written = from_fn_with_state(self.clone(), guard::written);
        let framed = from_fn_with_state(self.clone(), guard::framed);
        Router::new()
            .route("/", get(overview::show))
            .route("/sign-in", post(sign_in::sign_in))
            .route("/sign-out", post(sign_in::sign_out))
            .route("/language/{lang}", get(sign_in::language))
            .route("/events", get(events::list))
            .route(visit::STREAM, get(events::stream))
            .route("/events/{source}/{id}", get(event::show))
            .route("/deliveries/{id}/retry", post(event::retry))
            .route("/endpoints", get(endpoints::list))
            .route("/endpoints/{app}", get(endpoints::show))
            .route("/endpoints/{app}/{action}", post(endpoints::change))
            .route("/dead-letters", get(dead_letters::list))
            .route("/quarantine", get(quarantine::list))
            .route("/quarantine/{source}/{id}/release", post(quarantine::release))
            .route("/registry", get(registry::list))
            .route("/registry/{type}", get(registry::show))
            .route("/registry/{type}/test", post(registry::test))
            .route("/replays", get(replays::list).post(replays::begin))
            .route("/replays/{id}/cancel", post(replays::cancel))
            .route("/contacts", get(contacts::list))
            .route("/contacts/{id}", get(contacts::show))
            .route("/subscriptions", get(subscriptions::list))
            .route("/subscriptions/{id}", get(subscriptions::show).post(subscriptions::change))
            .route("/tickets", get(tickets::list))
            .route("/tickets/{id}", get(tickets::show).post(tickets::change))
            .route("/keys", get(keys::list).post(keys::create))
            .route("/keys/{id}/revoke", post(keys::revoke))
            .route("/audit", get(audit::list))
            // Before the layers, so that what is wrong with the method is a page too.
            .method_not_allowed_fallback(method_not_allowed)
            .layer(written)
            .layer(framed)
            .merge(assets::routes())
            .with_state(self)
    }
}
