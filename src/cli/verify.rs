//! `camino verify`: says whether a request proves where it comes from, and if not, which part differs.
//!
//! For whoever has the request and the secret at hand. It knows nothing that ingest would not accept.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use super::{credential, input, output};
use crate::config::parse_span;
use crate::domain::secret::Secret;
use crate::domain::signature::{self, Diagnosis, ProofHeaders, Verdict, explain};
use crate::domain::time::Millis;
use crate::runtime::clock::{Clock as _, SystemClock};

/// The request to judge.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The body as it was received, byte for byte; `-` for stdin.
    #[arg(value_name = "BODY")]
    body: PathBuf,
    /// A secret that it may be signed with, newest first: text, env:NAME or file:PATH.
    #[arg(long, value_name = "SECRET", required = true)]
    secret: Vec<String>,
    /// A header of the request; those without a signature are ignored.
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// X-Webhook-Signature
    #[arg(long, value_name = "VALUE")]
    signature: Option<String>,
    /// X-Webhook-Timestamp
    #[arg(long, value_name = "VALUE")]
    timestamp: Option<String>,
    /// webhook-id
    #[arg(long, value_name = "VALUE")]
    webhook_id: Option<String>,
    /// webhook-timestamp
    #[arg(long, value_name = "VALUE")]
    webhook_timestamp: Option<String>,
    /// webhook-signature
    #[arg(long, value_name = "VALUE")]
    webhook_signature: Option<String>,
    /// How far the timestamp may be from now, either way.
    #[arg(long, value_name = "SPAN", default_value = "5m", value_parser = span)]
    tolerance: Duration,
    /// Judge as if it were this time: RFC 3339, or Unix seconds.
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Millis>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let body = input::read(&args.body)?;
    let secrets: Vec<Secret> =
        args.secret.iter().map(|text| credential::read(text)).collect::<Result<_, _>>()?;
    let headers: HeaderMap = args.header.iter().cloned().collect();
    let pick = |flag: &Option<String>, name: &str| {
        let given = headers.get(name).and_then(|value| value.to_str().ok());
        flag.clone().or_else(|| given.map(str::to_owned))
    };
    let picked = [
        pick(&args.signature, signature::ECOSYSTEM_SIGNATURE),
        pick(&args.timestamp, signature::ECOSYSTEM_TIMESTAMP),
        pick(&args.webhook_id, signature::STANDARD_ID),
        pick(&args.webhook_timestamp, signature::STANDARD_TIMESTAMP),
        pick(&args.webhook_signature, signature::STANDARD_SIGNATURE),
    ];
    let [signature, timestamp, webhook_id, webhook_timestamp, webhook_signature] =
        picked.each_ref().map(Option::as_deref);
    let proof = ProofHeaders { signature, timestamp, webhook_id, webhook_timestamp, webhook_signature };
    let now = args.at.unwrap_or_else(|| SystemClock::new().now());
    let diagnosis = explain(proof, &body, &secrets, now, args.tolerance);
    tell(&diagnosis, args.json)?;
    let valid = matches!(diagnosis.verdict, Verdict::Valid { .. });
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(diagnosis: &Diagnosis, json: bool) -> anyhow::Result<()> {
    let findings: Vec<String> = diagnosis.findings.iter().map(ToString::to_string).collect();
    let (verdict, words, scheme, secret) = match diagnosis.verdict {
        Verdict::Valid { scheme, secret_index } => {
            ("valid", "valid".to_owned(), Some(scheme.as_str()), Some(secret_index))
        }
        Verdict::OutOfWindow { by } => {
            let words = format!("not valid: signed well, but {} s outside the window", by.as_secs());
            ("out_of_window", words, None, None)
        }
        Verdict::BadSignature => ("bad_signature", "not valid".to_owned(), None, None),
        Verdict::Missing => ("missing", "not valid: no proof".to_owned(), None, None),
    };
    if json {
        return output::json(&json!({
            "verdict": verdict,
            "scheme": scheme,
            "secretIndex": secret,
            "findings": findings,
        }));
    }
    output::line(&words)?;
    findings.iter().try_for_each(|finding| output::line(&format!("  {finding}")))?;
    Ok(())
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write it as `Name: value`")?;
    let name = name.trim().parse().map_err(|_| "the part before the colon is no header's name")?;
    let value = value.trim().parse().map_err(|_| "the part after the colon is no header's value")?;
    Ok((name, value))
}

fn span(text: &str) -> Result<Duration, String> {
    parse_span(text).map_err(|error| error.to_string())
}

fn time(text: &str) -> Result<Millis, String> {
    let seconds = || text.parse().ok().and_then(|seconds: u64| seconds.checked_mul(1000)).map(Millis);
    Millis::parse_rfc3339(text)
        .or_else(seconds)
        .ok_or_else(|| "write it as 2026-04-16T12:00:00Z, or as Unix seconds".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_spellings() {
        let at = Millis(1_776_340_800_000);
        assert_eq!((time("2026-04-16T12:00:00Z"), time("1776340800")), (Ok(at), Ok(at)));
        assert!(time("noon").is_err() && time("-1").is_err());
    }

    #[test]
    fn a_header_is_a_name_a_colon_and_a_value() {
        let (name, value) = header("X-Webhook-Timestamp:  17").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-webhook-timestamp", "17"));
        assert!(header("X-Webhook-Timestamp").is_err() && header("a b: c").is_err());
    }
}
