//! Why a proof doesn't hold: what `camino verify` tells a person who has the secret and the request.
//!
//! For whoever owns the secret, at a terminal. Never called on the way of an event: it tries the
//! likely mistakes one by one, so its time says a lot about the secret.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;

use super::{
    BASE64, ECOSYSTEM_PREFIX, ECOSYSTEM_SIGNATURE, ECOSYSTEM_TIMESTAMP, ProofHeaders, STANDARD_ID,
    STANDARD_SIGNATURE, STANDARD_TIMESTAMP, Scheme, Verdict, ecosystem_digest, mac, outside, parse_timestamp,
    standard_digests, standard_text, verify,
};
use crate::domain::secret::{Secret, WEBHOOK_PREFIX};
use crate::domain::time::Millis;

/// Timestamps above this are milliseconds: as seconds they lie beyond the year 5000.
const SECONDS_PLAUSIBLE_MAX: u64 = 100_000_000_000;

/// The verdict, and what a person needs to know to change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// What ingest would say.
    pub verdict: Verdict,
    /// What was found, the headers first, then the signature.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong, or would make the signature match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// None of the headers of either scheme is there.
    NoProof,
    /// One header of a scheme is missing while another is there.
    HeaderMissing(&'static str),
    /// Hex digits without `sha256=` before them.
    PrefixMissing,
    /// Something after `sha256=` that isn't a hex digit.
    NotHex,
    /// Hex of another length than 64 digits.
    HexLength(usize),
    /// No `v1,<base64 of 32 bytes>` among the items.
    NoVersionOneItem,
    /// A timestamp that isn't a plain decimal integer.
    TimestampMalformed(&'static str),
    /// A timestamp in milliseconds where seconds are meant.
    TimestampInMilliseconds(&'static str),
    /// A timestamp outside the window.
    OutOfWindow {
        /// The header that carries it.
        header: &'static str,
        /// How far beyond the tolerance.
        by: Duration,
        /// Whether it lies ahead of the clock here.
        ahead: bool,
    },
    /// The signature holds, with the secret of this index.
    Holds {
        /// The scheme.
        scheme: Scheme,
        /// Counted from the newest.
        secret_index: usize,
    },
    /// The signature would hold after this one change.
    Would {
        /// The scheme.
        scheme: Scheme,
        /// What the sender did differently.
        mistake: Mistake,
    },
    /// The signature matches nothing that was tried: another secret, or another body.
    NothingMatches(Scheme),
}

/// What a sender may have done differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// Signed the body plus a line end.
    BodyPlusNewline,
    /// Signed the body without the line end it was sent with.
    BodyWithoutNewline,
    /// Signed the JSON without blanks.
    BodyCompact,
    /// Signed the JSON indented by two blanks.
    BodyIndented,
    /// Used the base64-decoded key where the text is the key.
    KeyDecoded,
    /// Used the text with its prefix where the decoded bytes are the key.
    KeyText,
    /// Used the text after `whsec_`, not decoded.
    KeyWithoutPrefix,
    /// Signed `id.timestamp.body` where the body alone is signed.
    TextOfStandard,
    /// Signed `timestamp.body`.
    TextWithTimestamp,
    /// Signed the body alone where `id.timestamp.body` is signed.
    TextOfEcosystem,
}

/// Says what is wrong with a proof, trying the usual mistakes with every secret.
pub fn explain(
    headers: ProofHeaders<'_>,
    body: &[u8],
    secrets: &[Secret],
    now: Millis,
    tolerance: Duration,
) -> Diagnosis {
    let verdict = verify(headers, body, secrets, now, tolerance);
    let mut findings = Vec::new();
    let ecosystem = headers.signature.is_some();
    let standard = headers.webhook_signature.is_some() || headers.webhook_id.is_some();
    if !ecosystem && !standard {
        findings.push(Finding::NoProof);
    }
    if ecosystem {
        look_at_timestamp(ECOSYSTEM_TIMESTAMP, headers.timestamp, now, tolerance, &mut findings);
        look_at_ecosystem(headers, body, secrets, &mut findings);
    }
    if standard {
        look_at_timestamp(STANDARD_TIMESTAMP, headers.webhook_timestamp, now, tolerance, &mut findings);
        look_at_standard(headers, body, secrets, &mut findings);
    }
    Diagnosis { verdict, findings }
}

fn look_at_timestamp(
    header: &'static str,
    value: Option<&str>,
    now: Millis,
    tolerance: Duration,
    findings: &mut Vec<Finding>,
) {
    let Some(text) = value else { return findings.push(Finding::HeaderMissing(header)) };
    match parse_timestamp(text) {
        None => findings.push(Finding::TimestampMalformed(header)),
        Some(at) if at > SECONDS_PLAUSIBLE_MAX => findings.push(Finding::TimestampInMilliseconds(header)),
        Some(at) => {
            if let Some(by) = outside(at, now, tolerance) {
                findings.push(Finding::OutOfWindow { header, by, ahead: at > now.seconds() });
            }
        }
    }
}

fn look_at_ecosystem(
    headers: ProofHeaders<'_>,
    body: &[u8],
    secrets: &[Secret],
    findings: &mut Vec<Finding>,
) {
    let scheme = Scheme::Ecosystem;
    let signature = headers.signature.unwrap_or_default();
    let digits = signature.strip_prefix(ECOSYSTEM_PREFIX).unwrap_or(signature);
    if digits.len() == signature.len() {
        findings.push(Finding::PrefixMissing);
    }
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return findings.push(Finding::NotHex);
    }
    // Digits without their prefix are tried all the same: only one thing may be wrong.
    let Some(given) = ecosystem_digest(&format!("{ECOSYSTEM_PREFIX}{digits}")) else {
        return findings.push(Finding::HexLength(digits.len()));
    };
    let timestamp = headers.timestamp.or(headers.webhook_timestamp).unwrap_or_default();
    let id = headers.webhook_id.unwrap_or_default();
    let standard = standard_text(id, timestamp, body);
    for (secret_index, secret) in secrets.iter().enumerate() {
        let matches = |key: &[u8], text: &[&[u8]]| mac(key, text) == given;
        if matches(secret.text_key(), &[body]) {
            return findings.push(Finding::Holds { scheme, secret_index });
        }
        let mut tried: Vec<(Mistake, bool)> = other_bodies(body)
            .into_iter()
            .map(|(mistake, other)| (mistake, matches(secret.text_key(), &[&other])))
            .collect();
        tried.push((Mistake::KeyDecoded, matches(secret.webhook_key(), &[body])));
        tried.push((Mistake::KeyWithoutPrefix, matches(without_prefix(secret), &[body])));
        for key in [secret.text_key(), secret.webhook_key()] {
            tried.push((Mistake::TextOfStandard, matches(key, &standard)));
            tried.push((Mistake::TextWithTimestamp, matches(key, &standard[2..])));
        }
        if let Some((mistake, _)) = tried.into_iter().find(|(_, hit)| *hit) {
            return findings.push(Finding::Would { scheme, mistake });
        }
    }
    findings.push(Finding::NothingMatches(scheme));
}

fn look_at_standard(headers: ProofHeaders<'_>, body: &[u8], secrets: &[Secret], findings: &mut Vec<Finding>) {
    let scheme = Scheme::Standard;
    let Some(signature) = headers.webhook_signature else {
        return findings.push(Finding::HeaderMissing(STANDARD_SIGNATURE));
    };
    let Some(id) = headers.webhook_id else {
        return findings.push(Finding::HeaderMissing(STANDARD_ID));
    };
    let given = standard_digests(signature);
    if given.is_empty() {
        return findings.push(Finding::NoVersionOneItem);
    }
    let timestamp = headers.webhook_timestamp.unwrap_or_default();
    let text = standard_text(id, timestamp, body);
    for (secret_index, secret) in secrets.iter().enumerate() {
        let matches = |key: &[u8], text: &[&[u8]]| given.contains(&mac(key, text));
        if matches(secret.webhook_key(), &text) {
            return findings.push(Finding::Holds { scheme, secret_index });
        }
        let mut tried: Vec<(Mistake, bool)> = other_bodies(body)
            .into_iter()
            .map(|(mistake, other)| {
                (mistake, matches(secret.webhook_key(), &standard_text(id, timestamp, &other)))
            })
            .collect();
        tried.push((Mistake::KeyText, matches(secret.text_key(), &text)));
        tried.push((Mistake::KeyWithoutPrefix, matches(without_prefix(secret), &text)));
        if let Ok(decoded) = BASE64.decode(secret.text_key()) {
            // The reference libraries decode a secret without the prefix as well.
            tried.push((Mistake::KeyDecoded, matches(&decoded, &text)));
        }
        for key in [secret.text_key(), secret.webhook_key()] {
            tried.push((Mistake::TextOfEcosystem, matches(key, &[body])));
            tried.push((Mistake::TextWithTimestamp, matches(key, &text[2..])));
        }
        if let Some((mistake, _)) = tried.into_iter().find(|(_, hit)| *hit) {
            return findings.push(Finding::Would { scheme, mistake });
        }
    }
    findings.push(Finding::NothingMatches(scheme));
}

/// The bodies that a sender may have signed instead of the one it sent.
fn other_bodies(body: &[u8]) -> Vec<(Mistake, Vec<u8>)> {
    let mut others = vec![
        (Mistake::BodyPlusNewline, [body, b"\n"].concat()),
        (Mistake::BodyPlusNewline, [body, b"\r\n"].concat()),
    ];
    let trimmed = body.trim_ascii_end();
    if trimmed.len() < body.len() {
        others.push((Mistake::BodyWithoutNewline, trimmed.to_vec()));
    }
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) {
        others.extend(serde_json::to_vec(&value).map(|bytes| (Mistake::BodyCompact, bytes)));
        others.extend(serde_json::to_vec_pretty(&value).map(|bytes| (Mistake::BodyIndented, bytes)));
    }
    others
}

fn without_prefix(secret: &Secret) -> &[u8] {
    secret.text_key().strip_prefix(WEBHOOK_PREFIX.as_bytes()).unwrap_or(secret.text_key())
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProof => write!(f, "there is no signature header of either scheme"),
            Self::HeaderMissing(name) => write!(f, "the header {name} is missing"),
            Self::PrefixMissing => write!(f, "{ECOSYSTEM_SIGNATURE} must begin with {ECOSYSTEM_PREFIX}"),
            Self::NotHex => write!(f, "{ECOSYSTEM_SIGNATURE} holds something that is not a hex digit"),
            Self::HexLength(got) => write!(f, "{ECOSYSTEM_SIGNATURE} has {got} hex digits instead of 64"),
            Self::NoVersionOneItem => {
                write!(f, "{STANDARD_SIGNATURE} has no item of the form v1,<base64 of 32 bytes>")
            }
            Self::TimestampMalformed(name) => {
                write!(f, "{name} must be Unix seconds as plain decimal digits")
            }
            Self::TimestampInMilliseconds(name) => {
                write!(f, "{name} is in milliseconds; seconds are meant")
            }
            Self::OutOfWindow { header, by, ahead } => {
                let side = if *ahead { "in the future" } else { "in the past" };
                write!(f, "{header} lies {side}, {} s beyond the tolerance", by.as_secs())
            }
            Self::Holds { scheme, secret_index: 0 } => {
                write!(f, "the {} signature matches", scheme.as_str())
            }
            Self::Holds { scheme, secret_index } => {
                write!(
                    f,
                    "the {} signature matches secret {}, an older one",
                    scheme.as_str(),
                    secret_index + 1
                )
            }
            Self::Would { scheme, mistake } => {
                write!(f, "the {} signature was made another way: {mistake}", scheme.as_str())
            }
            Self::NothingMatches(scheme) => write!(
                f,
                "the {} signature matches nothing that was tried: another secret, or another body",
                scheme.as_str()
            ),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BodyPlusNewline => "over the body and a line end that was not sent",
            Self::BodyWithoutNewline => "over the body without the line end that was sent",
            Self::BodyCompact => "over the JSON without blanks; sign the very bytes that are sent",
            Self::BodyIndented => "over indented JSON; sign the very bytes that are sent",
            Self::KeyDecoded => "with the base64-decoded key; the text as written is the key",
            Self::KeyText => "with the text as key; the base64-decoded part after whsec_ is the key",
            Self::KeyWithoutPrefix => "with the text after whsec_ as key",
            Self::TextOfStandard => "over id.timestamp.body; this scheme signs the body alone",
            Self::TextWithTimestamp => "over timestamp.body",
            Self::TextOfEcosystem => "over the body alone; this scheme signs id.timestamp.body",
        })
    }
}
