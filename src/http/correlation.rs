//! Correlation ids at the door: taken over from the caller where well formed, given back always.
//!
//! A handler that knows better (the envelope's metadata, the event's own) sets the response header
//! itself; it is left as it is. A problem without an id gets the request's, or a made-up one.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::domain::id::CorrelationId;
use crate::runtime::entropy::Entropy;

/// The header that carries the id, both ways.
pub const CORRELATION_HEADER: HeaderName = HeaderName::from_static("x-correlation-id");

/// The correlation id that the caller sent; `None` if it sent none, or none that is well formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlation(pub Option<CorrelationId>);

impl Correlation {
    /// Reads the id from a request's headers.
    pub fn of(headers: &HeaderMap) -> Self {
        let text = headers.get(CORRELATION_HEADER).and_then(|value| value.to_str().ok());
        Self(text.and_then(|text| CorrelationId::new(text).ok()))
    }
}

impl<S: Sync> FromRequestParts<S> for Correlation {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// Middleware (`axum::middleware::from_fn_with_state`) that puts the id on every answer.
pub async fn correlate(State(entropy): State<Arc<dyn Entropy>>, request: Request, next: Next) -> Response {
    let Correlation(given) = Correlation::of(request.headers());
    let mut response = next.run(request).await;
    if response.headers().contains_key(CORRELATION_HEADER) {
        return response;
    }
    let problem = response.extensions_mut().remove::<Problem>();
    let own = problem.as_ref().and_then(Problem::correlation_id).cloned();
    let id = match own.or(given) {
        Some(id) => id,
        None if problem.is_some() => made_up(&*entropy),
        None => return response,
    };
    if let Some(problem) = problem.filter(|problem| problem.correlation_id().is_none()) {
        response = rewritten(&response, problem.correlation(id.clone()));
    }
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(CORRELATION_HEADER, value);
    }
    response
}

/// `problem` with the headers that were added to its first form, such as `Allow`.
fn rewritten(old: &Response, problem: Problem) -> Response {
    let mut new = problem.into_response();
    for (name, value) in old.headers() {
        if !new.headers().contains_key(name) && name != CONTENT_LENGTH {
            new.headers_mut().append(name, value.clone());
        }
    }
    new
}

fn made_up(entropy: &dyn Entropy) -> CorrelationId {
    let mut bytes = [0; 12];
    entropy.fill(&mut bytes);
    CorrelationId::from_entropy(bytes)
}
