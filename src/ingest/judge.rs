//! One proven event: repeat, too old, refused, or to be stored.

use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::json;

use super::Shared;
use crate::domain::event::Envelope;
use crate::domain::id::{AppSlug, CorrelationId, EventId};
use crate::domain::time::Millis;
use crate::http::problem::{Code, Problem, refused};
use crate::outbox::admission::{Refusal, Rules, admit};
use crate::outbox::{Intake, Receipt};
use crate::store::outbox::dedupe::{DedupeRecord, body_digest};
use crate::store::outbox::record::{Proof, StoredEvent};
use crate::telemetry::trace::Begun;

/// Longest tenant header kept, in bytes.
const TENANT_BYTES_MAX: usize = 256;

/// What a request says beside its body.
pub(super) struct Context {
    pub(super) correlation: Option<CorrelationId>,
    pub(super) tenant: Option<String>,
    pub(super) traceparent: Option<String>,
    pub(super) span: Option<Begun>,
}

impl Context {
    pub(super) fn of(shared: &Shared, headers: &HeaderMap, correlation: Option<CorrelationId>) -> Self {
        let text = |name: &str| {
            let value = headers.get(name)?.to_str().ok()?.trim();
            (!value.is_empty() && value.len() <= TENANT_BYTES_MAX).then(|| value.to_owned())
        };
        let given = text("traceparent");
        let span = shared.tracer.begin(given.as_deref(), shared.clock.now());
        Self {
            correlation,
            tenant: text("x-tenant-id").or_else(|| text("x-ecosystem-org-id")),
            traceparent: span.map(|span| span.context.to_string()).or(given),
            span,
        }
    }
}

/// What a proven event is.
pub(super) enum Judged {
    /// Accepted before, with this body.
    Repeat(Receipt),
    /// To be stored, and what is counted once it is.
    New(Box<StoredEvent>, Noted),
}

/// What is counted of an event once it was accepted.
pub(super) struct Noted {
    /// Whether the registry has its type.
    pub(super) registered: bool,
    /// The fields that differ from what the registry declares.
    pub(super) drift: Vec<String>,
}

/// Judges a proven event: dedupe, age, type, sender, schema.
pub(super) async fn judge(
    shared: &Shared,
    envelope: &Envelope<'_>,
    body: &Bytes,
    proof: Proof,
    context: &Context,
) -> Result<Judged, Problem> {
    let (source, event_id) = (&envelope.source, &envelope.event_id);
    if let Some(record) = shared.intake.repeat(source, event_id).await.map_err(|error| refused(&error))? {
        return repeat(&shared.intake, source, event_id, body, record).map(Judged::Repeat);
    }
    let now = shared.clock.now();
    check_age(shared, envelope, proof, now)?;
    let rules = Rules { senders: shared.settings.senders, schema: shared.settings.schema };
    let (catalog, directory) = (shared.intake.catalog.current(), shared.intake.directory.current());
    let admitted =
        admit(envelope, &catalog, &directory, rules).map_err(|refusal| refusal_problem(refusal, envelope))?;
    // Source and type become labels of a metric, so only names that the registry has are counted.
    let counts = !admitted.drift.is_empty() && admitted.registered && catalog.app(source.as_str()).is_some();
    let drift =
        if counts { admitted.drift.iter().map(|drift| drift.field.clone()).collect() } else { Vec::new() };
    let noted = Noted { registered: admitted.registered, drift };
    let correlation = context.correlation.clone().or_else(|| envelope.correlation_id.clone());
    let event = StoredEvent {
        seq: 0,
        accepted_at: now,
        source: source.clone(),
        event_id: event_id.clone(),
        event_type: envelope.event_type.clone(),
        organization: envelope.organization_id.clone(),
        timestamp: envelope.timestamp,
        correlation: correlation.unwrap_or_else(|| CorrelationId::derive(source, event_id)),
        tenant: context.tenant.clone(),
        traceparent: context.traceparent.clone(),
        proof,
        admission: admitted.admission,
        decisions: admitted.decisions,
        drift: admitted.drift,
        generation: 0,
        replay: None,
        body: body.clone(),
    };
    Ok(Judged::New(Box::new(event), noted))
}

fn repeat(
    intake: &Intake,
    source: &AppSlug,
    event: &EventId,
    body: &[u8],
    record: DedupeRecord,
) -> Result<Receipt, Problem> {
    if record.body == body_digest(body) {
        Ok(intake.repeat_receipt(source, event, record))
    } else {
        Err(mismatch())
    }
}

/// The same id came before with another body.
pub(super) fn mismatch() -> Problem {
    let detail = "this source has posted this eventId before with another body; a new event needs a new eventId, \
                  and a retry must send the same bytes";
    Problem::new(Code::BodyMismatch, detail)
}

/// What is signed is also dated; without this, a request captured longer ago than ids are remembered
/// could be sent again. Bearer keys are exempt: backfills carry old times.
fn check_age(shared: &Shared, envelope: &Envelope<'_>, proof: Proof, now: Millis) -> Result<(), Problem> {
    if proof == Proof::Bearer {
        return Ok(());
    }
    let (window, tolerance) = (shared.settings.dedupe_window, shared.settings.timestamp_tolerance);
    if envelope.timestamp < now.minus(window) {
        let detail = format!(
            "the event's own timestamp is older than {} s, the time ids are remembered; backfills use a bearer key",
            window.as_secs()
        );
        return Err(Problem::new(Code::TooOld, detail));
    }
    if envelope.timestamp > now.plus(tolerance) {
        let detail = format!(
            "the event's own timestamp lies more than {} s ahead of this broker's clock",
            tolerance.as_secs()
        );
        return Err(Problem::new(Code::InFuture, detail));
    }
    Ok(())
}

fn refusal_problem(refusal: Refusal, envelope: &Envelope<'_>) -> Problem {
    match refusal {
        Refusal::SenderNotAllowed { senders } => Problem::new(
            Code::SenderNotAllowed,
            format!("{} is not among the declared senders of {}", envelope.source, envelope.event_type),
        )
        .with("senders", json!(senders)),
        Refusal::SchemaMismatch(drift) => Problem::new(
            Code::SchemaInvalid,
            format!("`data` does not fit the schema of {} in {} places", envelope.event_type, drift.len()),
        )
        .with(
            "errors",
            drift.iter().map(|drift| json!({"field": format!("/data{}", drift.field.trim_end_matches('/')), "detail": drift.problem})).collect(),
        ),
    }
}
