//! Up to 500 events of one source in one request: one proof, one commit, an answer for each.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::Told;
use super::judge::{Context, Judged, Noted, judge, mismatch};
use super::single::{accepted, envelope_problem, read, tied};
use super::{BATCH_ITEMS_MAX, Ingest, Shared, answer, proof};
use crate::domain::event::{self as envelope, Envelope};
use crate::domain::id::AppSlug;
use crate::http::correlation::Correlation;
use crate::http::problem::{Code, Problem, refused};
use crate::http::server::Peer;
use crate::store::outbox::record::StoredEvent;
use crate::telemetry::trace::{Ended, Kind};

/// What a sender is told of an item.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Told(Told),
    Rejected(Value),
}

#[derive(Serialize)]
struct Answers {
    items: Vec<Answer>,
}

/// One item on its way to its answer.
enum Item<'a> {
    Answered(Answer),
    Pending { envelope: Envelope<'a>, event: Box<StoredEvent>, noted: Noted },
}

/// `POST /v1/events/batch`.
pub(super) async fn post_batch(
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
    let outcome = outcome.map_err(|problem| tied(problem, &context, None));
    let elapsed: Duration = shared.clock.monotonic().saturating_sub(started);
    if let Ok(items) = &outcome {
        shared.tracer.end(context.span, |begun| Ended {
            begun,
            name: "accept batch",
            kind: Kind::Server,
            elapsed,
            attributes: vec![("batch.items", (items.len() as u64).into())],
            failure: None,
        });
    }
    answer::batch(
        shared,
        outcome.map(|items| (StatusCode::OK, axum::Json(Answers { items })).into_response()),
        elapsed,
    )
}

async fn take(
    shared: &Shared,
    peer: Peer,
    context: &Context,
    headers: &HeaderMap,
    body: Body,
) -> Result<Vec<Answer>, Problem> {
    let mut share = shared.bodies.share();
    let body = read(shared, headers, body, &mut share).await?;
    let raws = envelope::parse_batch(&body, BATCH_ITEMS_MAX).map_err(|error| match error {
        envelope::Error::Malformed(_) => envelope_problem(&error),
        envelope::Error::Invalid { .. } => Problem::new(Code::BatchInvalid, error.to_string()),
    })?;
    let parsed: Vec<_> = raws.iter().map(|raw| envelope::parse(raw.as_bytes())).collect();
    let source = signer(&parsed)?;
    let proof = match proof::check(shared, headers, &body, &source) {
        Ok(proof) => proof,
        Err(problem) => {
            return Err(shared.slowdown.failed(peer.0.ip(), shared.clock.as_ref(), problem).await);
        }
    };
    let mut items = Vec::with_capacity(parsed.len());
    for (raw, parsed) in raws.iter().zip(parsed) {
        let item = match parsed {
            Err(error) => Item::Answered(rejected(None, &envelope_problem(&error))),
            Ok(envelope) => {
                // The item's own raw bytes are its body, and what its digest is of.
                let own = body.slice_ref(raw.as_bytes());
                match judge(shared, &envelope, &own, proof, context).await {
                    Ok(Judged::Repeat(receipt)) => Item::Answered(Answer::Told(Told(receipt))),
                    Ok(Judged::New(event, noted)) => Item::Pending { envelope, event, noted },
                    Err(problem) => Item::Answered(rejected(Some(&envelope), &problem)),
                }
            }
        };
        items.push(item);
    }
    store(shared, &source, items).await
}

/// Stores what is pending in one commit and answers each item.
async fn store(shared: &Shared, source: &AppSlug, items: Vec<Item<'_>>) -> Result<Vec<Answer>, Problem> {
    let mut pending = Vec::new();
    let mut slots: Vec<Result<Answer, (Envelope<'_>, Noted)>> = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Item::Answered(answer) => slots.push(Ok(answer)),
            Item::Pending { envelope, event, noted } => {
                pending.push(compact(*event));
                slots.push(Err((envelope, noted)));
            }
        }
    }
    let mut receipts = Vec::new();
    if !pending.is_empty() {
        let now = shared.clock.now();
        let taken = shared.quotas.take(&shared.intake.directory.current(), source, pending.len(), now)?;
        receipts = shared.intake.accept(pending).await.map_err(|error| refused(&error))?;
        taken.used();
    }
    let mut receipts = receipts.into_iter();
    Ok(slots
        .into_iter()
        .map(|slot| match slot {
            Ok(answer) => answer,
            Err((envelope, noted)) => match receipts.next().flatten() {
                Some(receipt) => {
                    accepted(shared, &envelope, &receipt, &noted);
                    Answer::Told(Told(receipt))
                }
                None => rejected(Some(&envelope), &mismatch()),
            },
        })
        .collect())
}

/// An event whose body does not keep the whole batch in memory.
fn compact(mut event: StoredEvent) -> StoredEvent {
    event.body = Bytes::copy_from_slice(&event.body);
    event
}

/// The one source of a batch, which must have signed it.
fn signer(parsed: &[Result<Envelope<'_>, envelope::Error>]) -> Result<AppSlug, Problem> {
    let mut sources = parsed.iter().flatten().map(|envelope| &envelope.source);
    let Some(first) = sources.next() else {
        return Err(Problem::new(Code::BatchInvalid, "no item of the batch is an envelope"));
    };
    match sources.find(|other| *other != first) {
        None => Ok(first.clone()),
        Some(other) => {
            let detail =
                format!("a batch has one source, its signer, but this one names {first} and {other}");
            Err(Problem::new(Code::BatchInvalid, detail))
        }
    }
}

fn rejected(envelope: Option<&Envelope<'_>>, problem: &Problem) -> Answer {
    let mut item = json!({
        "eventId": envelope.map(|envelope| envelope.event_id.as_str()),
        "status": "rejected",
        "code": problem.code().as_str(),
        "detail": problem.detail(),
    });
    // Such as `errors`, which names the fields.
    for (name, value) in problem.members() {
        item[name] = value.clone();
    }
    Answer::Rejected(item)
}
