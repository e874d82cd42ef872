//! Whether a request comes from Camino, by either scheme. Looks at the raw bytes, before anything parses them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::Sha256;

/// How far the timestamp of a request may be from now, in seconds.
const TOLERANCE_S: i64 = 300;

/// By Standard Webhooks, which signs id and timestamp too.
pub fn standard(headers: &HeaderMap, body: &[u8], secrets: &[String], now_s: i64) -> bool {
    let (Some(id), Some(sent_at), Some(signatures)) =
        (text(headers, "webhook-id"), text(headers, "webhook-timestamp"), text(headers, "webhook-signature"))
    else {
        return false;
    };
    let signed = [format!("{id}.{sent_at}.").as_bytes(), body].concat();
    is_fresh(sent_at, now_s)
        && secrets.iter().filter_map(|secret| key(secret)).any(|key| {
            // One signature for each live secret of Camino's, while one is being replaced.
            let given =
                signatures.split(' ').filter_map(|item| BASE64.decode(item.strip_prefix("v1,")?).ok());
            given.into_iter().any(|given| is_mac(&key, &signed, &given))
        })
}

/// By the ecosystem's scheme, which signs the body and nothing else.
pub fn ecosystem(headers: &HeaderMap, body: &[u8], secrets: &[String], now_s: i64) -> bool {
    let (Some(sent_at), Some(signature)) =
        (text(headers, "x-webhook-timestamp"), text(headers, "x-webhook-signature"))
    else {
        return false;
    };
    let given = signature.strip_prefix("sha256=").and_then(|digits| hex::decode(digits).ok());
    let is_from = |given: Vec<u8>| secrets.iter().any(|secret| is_mac(secret.as_bytes(), body, &given));
    is_fresh(sent_at, now_s) && given.is_some_and(is_from)
}

/// Compares in constant time.
fn is_mac(key: &[u8], signed: &[u8], given: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
    mac.update(signed);
    mac.verify_slice(given).is_ok()
}

/// What follows `whsec_`, decoded; a secret without it is taken as it is.
fn key(secret: &str) -> Option<Vec<u8>> {
    match secret.strip_prefix("whsec_") {
        Some(encoded) => BASE64.decode(encoded).ok(),
        None => Some(secret.as_bytes().to_vec()),
    }
}

fn is_fresh(sent_at: &str, now_s: i64) -> bool {
    sent_at.parse::<i64>().is_ok_and(|sent_at| now_s.abs_diff(sent_at) <= TOLERANCE_S.unsigned_abs())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
