//! The headers of a delivery: the two signatures, the ids a receiver dedupes by, and where it comes from.
//!
//! Signs the very bytes that are sent, anew for each request, because the timestamp moves.

use ::http::header::{CONTENT_TYPE, HeaderName, InvalidHeaderValue, USER_AGENT};
use ::http::{HeaderMap, HeaderValue};

use crate::deliver::{Attempt, LiveSecrets};
use crate::domain::signature::{self, Signer};
use crate::domain::time::Millis;

const CAMINO: HeaderValue = HeaderValue::from_static(concat!("Camino/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");

const ECOSYSTEM_SIGNATURE: HeaderName = HeaderName::from_static(signature::ECOSYSTEM_SIGNATURE);
const ECOSYSTEM_TIMESTAMP: HeaderName = HeaderName::from_static(signature::ECOSYSTEM_TIMESTAMP);
const STANDARD_ID: HeaderName = HeaderName::from_static(signature::STANDARD_ID);
const STANDARD_TIMESTAMP: HeaderName = HeaderName::from_static(signature::STANDARD_TIMESTAMP);
const STANDARD_SIGNATURE: HeaderName = HeaderName::from_static(signature::STANDARD_SIGNATURE);
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const EVENT_TYPE: HeaderName = HeaderName::from_static("x-camino-event-type");
const SOURCE: HeaderName = HeaderName::from_static("x-camino-source");
const DELIVERY_ID: HeaderName = HeaderName::from_static("x-camino-delivery-id");
const ATTEMPT: HeaderName = HeaderName::from_static("x-camino-attempt");
const REPLAY_OF: HeaderName = HeaderName::from_static("x-camino-replay-of");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The headers of `attempt` at `now`, with `X-Webhook-Signature` by the secret of `secret_index` in `secrets`.
///
/// An error means that an id holds a character no header can carry; ids are checked where they enter.
pub(super) fn headers(
    attempt: &Attempt,
    secrets: &LiveSecrets,
    secret_index: u8,
    now: Millis,
) -> Result<HeaderMap, InvalidHeaderValue> {
    let at_s = now.seconds();
    let ecosystem = secrets.signer(secret_index).ecosystem(&attempt.body);
    let standard = Signer::standard(secrets.signers(), &attempt.webhook_id, at_s, &attempt.body);
    // Values that stand in two headers are made once: a clone shares its bytes.
    let timestamp = HeaderValue::from(at_s);
    let delivery_id = HeaderValue::try_from(attempt.delivery_id.to_string())?;
    let key = if delivery_id == attempt.idempotency_key {
        delivery_id.clone()
    } else {
        HeaderValue::from_str(&attempt.idempotency_key)?
    };

    let mut headers = HeaderMap::with_capacity(20);
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(USER_AGENT, CAMINO);
    headers.insert(ECOSYSTEM_SIGNATURE, HeaderValue::try_from(ecosystem)?);
    headers.insert(ECOSYSTEM_TIMESTAMP, timestamp.clone());
    headers.insert(STANDARD_ID, HeaderValue::from_str(&attempt.webhook_id)?);
    headers.insert(STANDARD_TIMESTAMP, timestamp);
    headers.insert(STANDARD_SIGNATURE, HeaderValue::try_from(standard)?);
    headers.insert(IDEMPOTENCY_KEY, key);
    headers.insert(EVENT_TYPE, HeaderValue::from_str(attempt.event_type.as_str())?);
    headers.insert(SOURCE, HeaderValue::from_str(attempt.source.as_str())?);
    headers.insert(DELIVERY_ID, delivery_id);
    headers.insert(ATTEMPT, HeaderValue::from(attempt.attempt));
    headers.insert(CORRELATION_ID, HeaderValue::from_str(attempt.correlation_id.as_str())?);
    // Somebody else's text: one that fits no header is not worth the delivery.
    if let Some(Ok(trace)) = attempt.traceparent.as_deref().map(HeaderValue::from_str) {
        headers.insert(TRACEPARENT, trace);
    }
    // A replay with the same ids is the same message; only one sent as new says where it comes from.
    if attempt.webhook_id != attempt.event_id.as_str()
        && let Some(original) = attempt.replay_of
    {
        headers.insert(REPLAY_OF, HeaderValue::try_from(original.to_string())?);
    }
    Ok(headers)
}
