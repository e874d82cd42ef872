//! One event in one request.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bytes::Bytes;

use super::answer;
use super::judge::{Context, Judged, Noted, judge, mismatch};
use super::{Ingest, Shared, proof};
use crate::domain::event::{self as envelope, Envelope};
use crate::http::body::{Share, read_shared};
use crate::http::correlation::Correlation;
use crate::http::problem::{Code, Problem, refused};
use crate::http::server::Peer;
use crate::outbox::Receipt;
use crate::store::outbox::Error;
use crate::telemetry::event;
use crate::telemetry::trace::{Ended, Kind};

/// `POST /v1/events`.
pub(super) async fn post_event(
    State(ingest): State<Ingest>,
    peer: Peer,
    correlation: Correlation,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let shared = &ingest.shared;
    let started = shared.clock.monotonic();
    let context = Context::of(shared, &headers, correlation.0);
    let outcome = take(shared, peer, &context, &headers, body).await;
    let elapsed = shared.clock.monotonic().saturating_sub(started);
    trace(shared, &context, outcome.as_ref(), elapsed);
    answer::event(shared, outcome, elapsed)
}

async fn take(
    shared: &Shared,
    peer: Peer,
    context: &Context,
    headers: &HeaderMap,
    body: Body,
) -> Result<Receipt, Problem> {
    let mut share = shared.bodies.share();
    let body =
        read(shared, headers, body, &mut share).await.map_err(|problem| tied(problem, context, None))?;
    let envelope = envelope::parse(&body).map_err(|error| tied(envelope_problem(&error), context, None))?;
    take_proven(shared, peer, headers, &body, &envelope, context)
        .await
        .map_err(|problem| tied(problem, context, Some(&envelope)))
}

/// The request's span. Refusals make none, so that strangers fill no collector.
fn trace(shared: &Shared, context: &Context, outcome: Result<&Receipt, &Problem>, elapsed: Duration) {
    let (attributes, failure) = match outcome {
        Ok(receipt) => {
            let attributes = vec![
                ("event.id", receipt.event_id.as_str().into()),
                ("event.deliveries", (receipt.deliveries.len() as u64).into()),
                ("ingest.result", receipt.status.as_str().into()),
                ("correlation_id", receipt.correlation.as_str().into()),
            ];
            (attributes, None)
        }
        Err(problem) if problem.code().status().is_server_error() => {
            (Vec::new(), Some(problem.code().as_str()))
        }
        Err(_) => return,
    };
    shared.tracer.end(context.span, |begun| Ended {
        begun,
        name: "accept event",
        kind: Kind::Server,
        elapsed,
        attributes,
        failure,
    });
}

async fn take_proven(
    shared: &Shared,
    peer: Peer,
    headers: &HeaderMap,
    body: &Bytes,
    envelope: &Envelope<'_>,
    context: &Context,
) -> Result<Receipt, Problem> {
    let proof = match proof::check(shared, headers, body, &envelope.source) {
        Ok(proof) => proof,
        Err(problem) => {
            return Err(shared.slowdown.failed(peer.0.ip(), shared.clock.as_ref(), problem).await);
        }
    };
    let (stored, noted) = match judge(shared, envelope, body, proof, context).await? {
        Judged::Repeat(receipt) => return Ok(receipt),
        Judged::New(event, noted) => (event, noted),
    };
    let taken =
        shared.quotas.take(&shared.intake.directory.current(), &envelope.source, 1, shared.clock.now())?;
    let mut receipts = shared.intake.accept(vec![*stored]).await.map_err(|error| refused(&error))?;
    taken.used();
    let receipt = receipts.pop().flatten().ok_or_else(mismatch)?;
    accepted(shared, envelope, &receipt, &noted);
    Ok(receipt)
}

/// Says that an event was accepted, unless it was a repeat after all.
pub(super) fn accepted(shared: &Shared, envelope: &Envelope<'_>, receipt: &Receipt, noted: &Noted) {
    if receipt.status != crate::outbox::ReceiptStatus::Duplicate {
        let (source, event_type) = (&envelope.source, &envelope.event_type);
        for field in &noted.drift {
            event::DriftFound { source, event_type, field }.emit(&shared.metrics);
        }
        event::EventAccepted {
            source,
            event_id: &envelope.event_id,
            event_type,
            registered: noted.registered,
            deliveries: receipt.deliveries.len(),
            correlation_id: &receipt.correlation,
        }
        .emit(&shared.metrics);
    }
}

/// The raw bytes of a request that may be looked at: not draining, not too large, JSON.
pub(super) async fn read(
    shared: &Shared,
    headers: &HeaderMap,
    body: Body,
    share: &mut Share<'_>,
) -> Result<Bytes, Problem> {
    if shared.draining.load(Ordering::Relaxed) {
        // A store that has failed is why it stops, and says more.
        return Err(refused(&match shared.intake.store.refusal() {
            Some(Error::Failed) => Error::Failed,
            _ => Error::Closed,
        }));
    }
    let bytes_max = usize::try_from(shared.settings.body_bytes_max).unwrap_or(usize::MAX);
    let body = read_shared(body, bytes_max, share, shared.clock.as_ref()).await?;
    if !is_json(headers) {
        let detail = "Content-Type must be application/json (a charset, if given, utf-8)";
        return Err(Problem::new(Code::ContentTypeUnsupported, detail));
    }
    Ok(body)
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(text) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let json = media.eq_ignore_ascii_case("application/json")
        || (media.len() > 17 && media[..12].eq_ignore_ascii_case("application/") && media.ends_with("+json"));
    json && parts.all(|part| match part.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    })
}

pub(super) fn envelope_problem(error: &envelope::Error) -> Problem {
    match error {
        envelope::Error::Malformed(detail) => Problem::new(Code::EnvelopeMalformed, detail.clone()),
        envelope::Error::Invalid { field, .. } => {
            Problem::new(Code::EnvelopeInvalid, error.to_string()).with("field", (*field).into())
        }
    }
}

/// Ties a problem to its request, and to the event that it is about where that is known.
pub(super) fn tied(problem: Problem, context: &Context, envelope: Option<&Envelope<'_>>) -> Problem {
    let own = context.correlation.clone().or_else(|| envelope?.correlation_id.clone());
    let problem = match own {
        Some(id) => problem.correlation(id),
        None => problem,
    };
    match &context.tenant {
        Some(tenant) => problem.tenant(tenant.clone()),
        None => problem,
    }
}
