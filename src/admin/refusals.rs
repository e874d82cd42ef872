//! Who is not let in, who tries too often, and what was refused to whom.
//!
//! Wrong keys are counted by address, and past a bound they are answered 429; a valid key never is. A
//! change that was asked with a valid key and refused stands in the audit log, without anything that the
//! caller wrote: a path may hold a key that somebody pasted into it.
//!
//! A crash loses the counts, and refusals that were under way.

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Admin;
use crate::http::correlation::Correlation;
use crate::http::key;
use crate::http::problem::Problem;
use crate::http::server::Peer;
use crate::operations::refusals::Refused;

/// Refuses whoever brings no valid key, before anything else of the request is looked at.
pub(super) async fn keyed(State(admin): State<Admin>, peer: Peer, request: Request, next: Next) -> Response {
    match admin.caller(request.headers()) {
        Ok(_) => next.run(request).await,
        // Without a key nothing was guessed.
        Err(problem) if key::presented(request.headers()).is_none() => problem.into_response(),
        Err(problem) => {
            let slowed = admin.guesses.wrong_key(peer.0.ip(), admin.parts.clock.now());
            slowed.unwrap_or(problem).into_response()
        }
    }
}

/// Records a change that was refused.
pub(super) async fn recorded(
    State(admin): State<Admin>,
    peer: Peer,
    correlation: Correlation,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let caller = admin.caller(request.headers()).ok();
    let Some(caller) = caller.filter(|_| !matches!(method, Method::GET | Method::HEAD)) else {
        return next.run(request).await;
    };
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let response = next.run(request).await;
    let Some(problem) = response.extensions().get::<Problem>().cloned() else { return response };
    let route = path.as_deref().unwrap_or_default();
    let refused = Refused { method: &method, route, problem: &problem, correlation: correlation.0 };
    admin.operations.record_refused(&caller, peer.0.ip(), refused).await;
    response
}
