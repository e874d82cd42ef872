//! Signing and checking events, by both schemes of the ecosystem.
//!
//! | scheme | headers | signed text | key |
//! |---|---|---|---|
//! | ecosystem | `X-Webhook-Signature: sha256=<hex>`, `X-Webhook-Timestamp` | the body | the secret as written |
//! | Standard Webhooks v1 | `webhook-id`, `webhook-timestamp`, `webhook-signature` | `id.timestamp.body` | decoded after `whsec_` |
//!
//! Never parses the body and never leaves early: every secret is tried, each comparison takes the same
//! time, and a source without secrets costs as much as one with two, so that a caller learns nothing
//! from how long the answer took. Works on raw bytes only, because a re-serialized body signs differently.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

use super::secret::Secret;
use super::time::Millis;

mod explain;

pub use explain::{Diagnosis, Finding, Mistake, explain};

/// Header of the ecosystem's signature.
pub const ECOSYSTEM_SIGNATURE: &str = "x-webhook-signature";
/// Header of the ecosystem's timestamp.
pub const ECOSYSTEM_TIMESTAMP: &str = "x-webhook-timestamp";
/// Header of the message id of Standard Webhooks.
pub const STANDARD_ID: &str = "webhook-id";
/// Header of the timestamp of Standard Webhooks.
pub const STANDARD_TIMESTAMP: &str = "webhook-timestamp";
/// Header of the signatures of Standard Webhooks.
pub const STANDARD_SIGNATURE: &str = "webhook-signature";

/// What stands before the hex digits of an ecosystem signature.
const ECOSYSTEM_PREFIX: &str = "sha256=";
/// The version tag of an HMAC in `webhook-signature`.
const STANDARD_VERSION: &str = "v1";
/// Signatures looked at in one `webhook-signature`; a rotation needs two.
const STANDARD_ITEMS_MAX: usize = 16;
/// Secrets tried at least, so that one, two or none take the same time.
const SECRETS_TRIED_MIN: usize = 2;
/// Stands in for the secrets that a source doesn't have. A match with it counts for nothing.
const DECOY: &[u8] = b"a stand-in of the length of an ordinary secret";

type Digest = [u8; 32];
type Keyed = Hmac<Sha256>;

/// A way of proving where an event comes from by a shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `X-Webhook-Signature` over the body.
    Ecosystem,
    /// `webhook-signature` over id, timestamp and body.
    Standard,
}

impl Scheme {
    /// The name in logs and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ecosystem => "ecosystem",
            Self::Standard => "standard_webhooks",
        }
    }
}

/// The headers a proof can be made of, as they came.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProofHeaders<'a> {
    /// `X-Webhook-Signature`.
    pub signature: Option<&'a str>,
    /// `X-Webhook-Timestamp`.
    pub timestamp: Option<&'a str>,
    /// `webhook-id`.
    pub webhook_id: Option<&'a str>,
    /// `webhook-timestamp`.
    pub webhook_timestamp: Option<&'a str>,
    /// `webhook-signature`.
    pub webhook_signature: Option<&'a str>,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// One scheme holds, and its timestamp lies inside the window.
    Valid {
        /// The scheme that holds; the one that signs its timestamp, when both do.
        scheme: Scheme,
        /// The secret that holds, counted from the newest.
        secret_index: usize,
    },
    /// The signature holds, the timestamp lies outside the window.
    OutOfWindow {
        /// How far beyond the tolerance.
        by: Duration,
    },
    /// Proof was offered and doesn't hold.
    BadSignature,
    /// No scheme's headers are complete.
    Missing,
}

/// A secret made ready to sign many bodies: both its keys are set up once. Wiped when it goes.
#[derive(Clone)]
pub struct Signer {
    ecosystem: Keyed,
    standard: Keyed,
}

/// Never shows its keys.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(..)")
    }
}

impl Signer {
    /// Sets `secret` up.
    pub fn new(secret: &Secret) -> Self {
        Self { ecosystem: keyed(secret.text_key()), standard: keyed(secret.webhook_key()) }
    }

    /// The value of `X-Webhook-Signature` for `body`.
    pub fn ecosystem(&self, body: &[u8]) -> String {
        let mut digits = hex::Buffer::<32>::new();
        [ECOSYSTEM_PREFIX, digits.format(&digest(self.ecosystem.clone(), &[body]))].concat()
    }

    /// The value of `webhook-signature` for `body`: one item per signer, in the given order (newest first).
    pub fn standard<'a>(
        signers: impl IntoIterator<Item = &'a Self>,
        id: &str,
        timestamp_s: u64,
        body: &[u8],
    ) -> String {
        let timestamp = timestamp_s.to_string();
        let mut items = String::new();
        for signer in signers {
            if !items.is_empty() {
                items.push(' ');
            }
            items.push_str(STANDARD_VERSION);
            items.push(',');
            let signed = digest(signer.standard.clone(), &standard_text(id, &timestamp, body));
            BASE64.encode_string(signed, &mut items);
        }
        items
    }
}

/// The value of `X-Webhook-Signature` for `body`.
pub fn sign_ecosystem(secret: &Secret, body: &[u8]) -> String {
    Signer::new(secret).ecosystem(body)
}

/// The value of `webhook-signature` for `body`: one item per secret, in the given order (newest first).
pub fn sign_standard(secrets: &[&Secret], id: &str, timestamp_s: u64, body: &[u8]) -> String {
    let signers: Vec<Signer> = secrets.iter().map(|secret| Signer::new(secret)).collect();
    Signer::standard(&signers, id, timestamp_s, body)
}

/// Checks the proof of origin in `headers` over `body`.
///
/// `secrets` are the source's live ones, newest first, none for an unknown source. The window is
/// `now` plus or minus `tolerance`, both edges inside, in whole seconds as the headers count them.
pub fn verify(
    headers: ProofHeaders<'_>,
    body: &[u8],
    secrets: &[Secret],
    now: Millis,
    tolerance: Duration,
) -> Verdict {
    let standard = check_standard(headers, body, secrets);
    let ecosystem = check_ecosystem(headers, body, secrets);
    if standard == Check::Absent && ecosystem == Check::Absent {
        return Verdict::Missing;
    }
    let mut verdict = Verdict::BadSignature;
    for (scheme, check) in [(Scheme::Standard, standard), (Scheme::Ecosystem, ecosystem)] {
        let Check::Holds { secret_index, timestamp_s } = check else { continue };
        match outside(timestamp_s, now, tolerance) {
            None => return Verdict::Valid { scheme, secret_index },
            Some(by) => verdict = Verdict::OutOfWindow { by },
        }
    }
    verdict
}

/// One scheme's result before the window is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// A header that the scheme needs isn't there.
    Absent,
    Fails,
    Holds {
        secret_index: usize,
        timestamp_s: u64,
    },
}

fn check_ecosystem(headers: ProofHeaders<'_>, body: &[u8], secrets: &[Secret]) -> Check {
    let (Some(signature), Some(timestamp)) = (headers.signature, headers.timestamp) else {
        return Check::Absent;
    };
    let given = ecosystem_digest(signature);
    let found = first_match(given.as_slice(), secrets, Secret::text_key, &[body]);
    conclude(found, timestamp)
}

fn check_standard(headers: ProofHeaders<'_>, body: &[u8], secrets: &[Secret]) -> Check {
    let (Some(id), Some(timestamp), Some(signature)) =
        (headers.webhook_id, headers.webhook_timestamp, headers.webhook_signature)
    else {
        return Check::Absent;
    };
    let given = standard_digests(signature);
    let found = first_match(&given, secrets, Secret::webhook_key, &standard_text(id, timestamp, body));
    conclude(found, timestamp)
}

fn conclude(found: Option<usize>, timestamp: &str) -> Check {
    match (found, parse_timestamp(timestamp)) {
        (Some(secret_index), Some(timestamp_s)) => Check::Holds { secret_index, timestamp_s },
        _ => Check::Fails,
    }
}

/// The first secret whose MAC over `text` is among `given`. Does the same work whatever the result.
fn first_match(
    given: &[Digest],
    secrets: &[Secret],
    key: fn(&Secret) -> &[u8],
    text: &[&[u8]],
) -> Option<usize> {
    let mut found = None;
    for index in 0..secrets.len().max(SECRETS_TRIED_MIN) {
        let secret = secrets.get(index);
        let expected = mac(secret.map_or(DECOY, key), text);
        let mut equal = Choice::from(0);
        for digest in given {
            equal |= digest.ct_eq(&expected);
        }
        if bool::from(equal) && secret.is_some() && found.is_none() {
            found = Some(index);
        }
    }
    found
}

/// The digest of `sha256=<hex>`, either case of the digits.
fn ecosystem_digest(signature: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    hex::decode_to_slice(signature.strip_prefix(ECOSYSTEM_PREFIX)?, &mut digest).ok()?;
    Some(digest)
}

/// The digests of all well-formed `v1` items; other versions are somebody else's.
fn standard_digests(signatures: &str) -> Vec<Digest> {
    signatures
        .split(' ')
        .take(STANDARD_ITEMS_MAX)
        .filter_map(|item| item.split_once(','))
        .filter(|(version, _)| *version == STANDARD_VERSION)
        .filter_map(|(_, text)| BASE64.decode(text).ok()?.try_into().ok())
        .collect()
}

fn standard_text<'a>(id: &'a str, timestamp: &'a str, body: &'a [u8]) -> [&'a [u8]; 5] {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body]
}

/// Seconds since the epoch, as plain decimal digits: no sign, no fraction, no leading zero.
fn parse_timestamp(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// How far beyond the window, if it is.
fn outside(timestamp_s: u64, now: Millis, tolerance: Duration) -> Option<Duration> {
    let away = timestamp_s.abs_diff(now.seconds());
    let beyond = away.saturating_sub(tolerance.as_secs());
    (beyond > 0).then(|| Duration::from_secs(beyond))
}

fn mac(key: &[u8], text: &[&[u8]]) -> Digest {
    digest(keyed(key), text)
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn keyed(key: &[u8]) -> Keyed {
    Keyed::new_from_slice(key).expect("any length of key is taken")
}

fn digest(mut keyed: Keyed, text: &[&[u8]]) -> Digest {
    for part in text {
        keyed.update(part);
    }
    keyed.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;
