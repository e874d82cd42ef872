//! The hub's API: organizations, contacts and their timeline, the pipeline, receivables, tickets.
//!
//! A key that is bound to organizations sees theirs only: anything else is not there (404), and lists leave
//! it out. Reads go to the hub's file, and changes are commands of the hub.

mod contract;
mod crm;
mod ecosystem;
mod orgs;
mod pipeline;
mod subscriptions;
mod tickets;

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use rusqlite::Connection;
use serde_json::Value;

pub(super) use contract::chapters;

use super::Admin;
use crate::http::json::object_or_nothing as body;
use crate::http::page::{Page, Paging};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Given, Parameters};
use crate::hub::crm::reading::{Found, Reach};
use crate::store::control::key::{Principal, Scope};

/// The routes.
pub(super) fn routes() -> Router<Admin> {
    Router::new()
        .route("/api/orgs/resolve", post(orgs::resolve))
        .route("/api/orgs/{id}", get(orgs::show))
        .route("/api/orgs/{id}/timeline", get(orgs::timeline))
        .route("/api/crm/contacts", get(crm::contacts))
        .route("/api/crm/contacts/{id}", get(crm::contact))
        .route("/api/crm/contacts/{id}/timeline", get(crm::timeline))
        .route("/api/crm/contacts/{id}/merge", post(crm::merge))
        .route("/api/crm/contacts/{id}/deletion-request", post(crm::request_deletion))
        .route("/api/crm/duplicates", get(crm::duplicates))
        .route("/api/crm/deals", get(pipeline::deals))
        .route("/api/crm/deals/{id}", axum::routing::patch(pipeline::change_deal))
        .route("/api/crm/deadlines", get(pipeline::deadlines))
        .route("/api/crm/products", get(pipeline::products))
        .route("/api/crm/alerts", get(pipeline::alerts))
        .route("/api/analytics/conversion-funnel", get(pipeline::funnel))
        .route("/api/support/tickets", get(tickets::list))
        .route("/api/support/tickets/{id}", get(tickets::show).patch(tickets::change))
        .route("/api/cobranza", get(pipeline::receivables))
        .route("/api/cobranza/{id}", axum::routing::patch(pipeline::change_receivable))
        .route("/api/subscriptions", get(subscriptions::list).post(subscriptions::create))
        .route("/api/subscriptions/{id}", get(subscriptions::show).patch(subscriptions::change))
        .route("/api/ecosystem/feature-access", get(ecosystem::feature_access))
        .route("/api/ecosystem/upsell-recommendations", get(ecosystem::recommendations))
        .route("/api/ecosystem/upsell-track", post(ecosystem::track))
        .route("/api/ecosystem/register", post(ecosystem::register))
        .route("/api/ecosystem/customer-insights", get(ecosystem::insights))
}

/// Whoever calls, and whose things they see.
pub(super) struct Caller {
    pub(super) principal: Arc<Principal>,
    pub(super) reach: Reach,
}

impl Admin {
    /// The caller, if the presented key allows `scope`.
    pub(super) fn hub_caller(&self, headers: &HeaderMap, scope: Scope) -> Result<Caller, Problem> {
        let principal = self.allow_own(headers, scope)?;
        let reach = match &principal.organizations {
            None => Reach::All,
            Some(organizations) => Reach::Of(organizations.iter().cloned().collect()),
        };
        Ok(Caller { principal, reach })
    }

    /// Runs a read of the hub off the serving threads.
    pub(super) async fn hub_read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        self.operations.hub_read(query).await
    }

    /// One page of a list of the hub.
    pub(super) async fn hub_list<T: Send + 'static>(
        &self,
        paging: Paging,
        query: impl FnOnce(&Connection, (Option<&str>, usize)) -> rusqlite::Result<Option<Found<T>>>
        + Send
        + 'static,
    ) -> Result<axum::Json<Page<T>>, Problem> {
        self.operations.hub_list(paging, query).await.map(axum::Json)
    }

    /// Has the hub carry out `kind` for `caller`, about a thing of `organization`.
    pub(super) async fn hub_command(
        &self,
        caller: &Principal,
        organization: String,
        kind: &'static str,
        body: Value,
    ) -> Result<axum::Json<Value>, Problem> {
        self.operations.hub_command(caller, organization, kind, body).await.map(axum::Json)
    }
}

/// What is not there, or not for this caller: both look the same.
pub(super) fn missing(what: &str, id: &str) -> Problem {
    Problem::new(Code::NotFound, format!("there is no {what} `{id}`"))
}

/// The filter that every list takes.
#[derive(Debug)]
pub(super) struct Organization(pub(super) Option<String>);

impl Organization {
    pub(super) fn of(given: &Given) -> Self {
        Self(given.get("organization").map(ToOwned::to_owned))
    }

    /// What of `reach` the filter leaves: another's organization leaves nothing.
    pub(super) fn within(self, reach: Reach) -> Reach {
        match (self.0, reach) {
            (None, reach) => reach,
            (Some(organization), reach) if reach.covers(&organization) => Reach::Of(vec![organization]),
            (Some(_), _) => Reach::Of(Vec::new()),
        }
    }
}

impl Parameters for Organization {
    const NAMES: &'static [&'static str] = &["organization"];

    fn read(given: &Given) -> Result<Self, Problem> {
        Ok(Self::of(given))
    }
}

/// A filter that takes one of `known`; another word would find nothing, and look like an empty list.
pub(super) fn one_of(given: &Given, name: &'static str, known: &[&str]) -> Result<Option<String>, Problem> {
    match given.get(name) {
        Some(word) if !known.contains(&word) => {
            let detail = format!("`{name}` must be one of {}, and not `{word}`", known.join(", "));
            Err(Problem::new(Code::RequestInvalid, detail).with("field", name.into()))
        }
        word => Ok(word.map(ToOwned::to_owned)),
    }
}
