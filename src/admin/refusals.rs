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
use serde_json::json;

use super::{Admin, blocking};
use crate::http::correlation::Correlation;
use crate::http::failures::Failures;
use crate::http::key;
use crate::http::problem::{Code, Problem};
use crate::http::server::Peer;
use crate::store::control::audit::{Actor, Entry};
use crate::telemetry::event;

/// Wrong keys of one address in a minute before more are answered 429.
const GUESSES_FREE: u32 = 20;
/// Refused changes of one address in a minute that are recorded; each costs a durable write.
const RECORDED_MAX: u32 = 60;

/// Refuses whoever brings no valid key, before anything else of the request is looked at.
pub(super) async fn keyed(State(admin): State<Admin>, peer: Peer, request: Request, next: Next) -> Response {
    match admin.caller(request.headers()) {
        Ok(_) => next.run(request).await,
        // Without a key nothing was guessed.
        Err(problem) if key::presented(request.headers()).is_none() => problem.into_response(),
        Err(problem) => guessed(&admin, peer, problem).into_response(),
    }
}

fn guessed(admin: &Admin, Peer(peer): Peer, problem: Problem) -> Problem {
    let now = admin.parts.clock.now();
    let guesses = admin.guesses.count(peer.ip(), now);
    if guesses <= GUESSES_FREE {
        return problem;
    }
    if guesses == GUESSES_FREE + 1 {
        event::KeysGuessed { address: peer.ip() }.emit();
    }
    Problem::new(Code::KeysSlowed, "too many wrong keys from this address within a minute")
        .retry_after(Failures::left(now))
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
    let Some(problem) = response.extensions().get::<Problem>() else { return response };
    let now = admin.parts.clock.now();
    if admin.refusals.count(peer.0.ip(), now) <= RECORDED_MAX {
        let detail = json!({
            "method": method.as_str(),
            "status": problem.status().as_u16(),
            "code": problem.code().as_str(),
        });
        let target = path.unwrap_or_default();
        let entry = Entry::new(now, Actor::from(caller.as_ref()), "request.refused", &target).detail(detail);
        let entry = correlation.0.into_iter().fold(entry, Entry::correlation);
        let control = admin.parts.control.clone();
        if let Err(error) = blocking::run(move || control.record(&entry)).await {
            tracing::warn!(error = %error, "a refused change could not be recorded");
        }
    }
    response
}
