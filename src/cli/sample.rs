//! Events to send: an envelope around some `data`, and the headers that prove where it comes from.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::domain::id::{AppSlug, EventType};
use crate::domain::secret::Secret;
use crate::domain::signature::{self, Scheme};
use crate::domain::time::Millis;
use crate::runtime::entropy::Entropy;

/// A new UUID.
pub(super) fn uuid(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// The bytes of an envelope.
pub(super) fn envelope(
    event_id: &str,
    event_type: &EventType,
    source: &AppSlug,
    organization: &str,
    now: Millis,
    data: &Value,
) -> Vec<u8> {
    let envelope = json!({
        "eventId": event_id,
        "eventType": event_type,
        "timestamp": now.rfc3339(),
        "source": source,
        "organizationId": organization,
        "data": data,
    });
    envelope.to_string().into_bytes()
}

/// The headers of a post of `body`, signed by `scheme`. `id` is the `webhook-id`, where there is one.
pub(super) fn signed_headers(
    scheme: Scheme,
    secret: &Secret,
    id: &str,
    now: Millis,
    body: &[u8],
) -> Result<HeaderMap, http::header::InvalidHeaderValue> {
    let at_s = now.seconds();
    let mut headers = HeaderMap::new();
    let mut put =
        |name: &'static str, value: HeaderValue| headers.insert(HeaderName::from_static(name), value);
    match scheme {
        Scheme::Ecosystem => {
            let signature = signature::sign_ecosystem(secret, body);
            put(signature::ECOSYSTEM_SIGNATURE, HeaderValue::try_from(signature)?);
            put(signature::ECOSYSTEM_TIMESTAMP, at_s.into());
        }
        Scheme::Standard => {
            let signature = signature::sign_standard(&[secret], id, at_s, body);
            put(signature::STANDARD_ID, HeaderValue::from_str(id)?);
            put(signature::STANDARD_TIMESTAMP, at_s.into());
            put(signature::STANDARD_SIGNATURE, HeaderValue::try_from(signature)?);
        }
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::event;
    use crate::domain::signature::{ProofHeaders, Verdict, verify};
    use crate::runtime::entropy::OsEntropy;

    #[test]
    fn what_is_made_here_is_an_envelope_that_proves_itself_by_either_scheme() {
        let now = Millis(1_776_340_800_000);
        let secret = Secret::new("correct horse battery staple").unwrap();
        let id = uuid(&OsEntropy);
        let (event_type, source) =
            (EventType::new("sale.completed").unwrap(), AppSlug::new("caracol").unwrap());
        let body = envelope(&id, &event_type, &source, "org_demo", now, &json!({"total": 1}));
        let read = event::parse(&body).unwrap();
        assert!(read.has_uuid());
        assert_eq!((read.event_id.as_str(), read.timestamp, read.data), (&*id, now, r#"{"total":1}"#));
        for scheme in [Scheme::Ecosystem, Scheme::Standard] {
            let headers = signed_headers(scheme, &secret, &id, now, &body).unwrap();
            let text = |name: &str| headers.get(name)?.to_str().ok();
            let proof = ProofHeaders {
                signature: text("x-webhook-signature"),
                timestamp: text("x-webhook-timestamp"),
                webhook_id: text("webhook-id"),
                webhook_timestamp: text("webhook-timestamp"),
                webhook_signature: text("webhook-signature"),
            };
            let verdict = verify(proof, &body, std::slice::from_ref(&secret), now, Duration::ZERO);
            assert_eq!(verdict, Verdict::Valid { scheme, secret_index: 0 });
        }
    }
}
