//! Who sent it: a signature over the raw bytes, or a bearer key bound to the source.
//!
//! Unknown source, wrong source and bad signature are the same answer after the same work.

use axum::http::HeaderMap;

use super::Shared;
use crate::domain::id::AppSlug;
use crate::domain::signature::{ProofHeaders, Scheme, Verdict, verify};
use crate::http::key;
use crate::http::problem::{Code, Problem};
use crate::store::outbox::record::Proof;

/// Checks that `source` sent `body`.
pub(super) fn check(
    shared: &Shared,
    headers: &HeaderMap,
    body: &[u8],
    source: &AppSlug,
) -> Result<Proof, Problem> {
    let now = shared.clock.now();
    if let Some(presented) = key::presented(headers)
        && (shared.keys)(presented, now).as_ref() == Some(source)
    {
        return Ok(Proof::Bearer);
    }
    let directory = shared.intake.directory.current();
    let secrets = directory.get(source).map(|app| app.signing_secrets.as_slice()).unwrap_or_default();
    match verify(proof_headers(headers), body, secrets, now, shared.settings.timestamp_tolerance) {
        Verdict::Valid { scheme: Scheme::Ecosystem, .. } => Ok(Proof::Ecosystem),
        Verdict::Valid { scheme: Scheme::Standard, .. } => Ok(Proof::Standard),
        Verdict::OutOfWindow { by } => Err(Problem::new(
            Code::OutOfWindow,
            format!(
                "the request's timestamp is {} s outside the {} s window; sign anew, and check the clock (NTP)",
                by.as_secs().max(1),
                shared.settings.timestamp_tolerance.as_secs(),
            ),
        )),
        // One answer for all of these: which of them it was is nobody's business.
        Verdict::BadSignature | Verdict::Missing => Err(Problem::new(
            Code::SignatureInvalid,
            "no proof of origin holds for this source: sign the raw body (X-Webhook-Signature with \
             X-Webhook-Timestamp, or webhook-id, webhook-timestamp and webhook-signature), or send a bearer \
             key bound to the source; `camino verify` shows which part differs",
        )),
    }
}

fn proof_headers(headers: &HeaderMap) -> ProofHeaders<'_> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    ProofHeaders {
        signature: text("x-webhook-signature"),
        timestamp: text("x-webhook-timestamp"),
        webhook_id: text("webhook-id"),
        webhook_timestamp: text("webhook-timestamp"),
        webhook_signature: text("webhook-signature"),
    }
}
