//! Changes that were asked with a valid key and refused: they stand in the audit log.
//!
//! Never keeps anything that the caller wrote: a path may hold a key that somebody pasted into it. A crash
//! loses those that were under way.

use std::net::IpAddr;

use axum::http::Method;
use serde_json::json;

use super::Operations;
use crate::domain::id::CorrelationId;
use crate::http::problem::Problem;
use crate::store::control::audit::{Actor, Entry};
use crate::store::control::key::Principal;

/// Refused changes of one address in a minute that are recorded; each costs a durable write.
const RECORDED_MAX: u32 = 60;

/// What was refused.
pub struct Refused<'a> {
    /// By which method.
    pub method: &'a Method,
    /// The route, without what stood in it.
    pub route: &'a str,
    /// Why.
    pub problem: &'a Problem,
    /// The request it came with.
    pub correlation: Option<CorrelationId>,
}

impl Operations {
    /// Records that `caller`, who sent from `address`, was refused.
    pub async fn record_refused(&self, caller: &Principal, address: IpAddr, refused: Refused<'_>) {
        let now = self.parts.clock.now();
        if self.refusals.count(address, now) > RECORDED_MAX {
            return;
        }
        let detail = json!({
            "method": refused.method.as_str(),
            "status": refused.problem.status().as_u16(),
            "code": refused.problem.code().as_str(),
        });
        let entry = Entry::new(now, Actor::from(caller), "request.refused", refused.route).detail(detail);
        let entry = refused.correlation.into_iter().fold(entry, Entry::correlation);
        if let Err(problem) = self.on_control(move |control| control.record(&entry)).await {
            tracing::warn!(problem = problem.detail(), "a refused change could not be recorded");
        }
    }
}
