//! `camino doctor`: looks a store over while no broker uses it, and says what it found and what to do.
//!
//! Mends nothing. Exit code 1 if anything must be mended before a start, or soon after.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::output::{self, Paint};
use crate::config::{Config, process_vars};
use crate::registry;
use crate::store::checkup::{self, Finding, Patient, Verdict};

/// How it is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What was found as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let findings = match Config::load(config, process_vars()) {
        Ok(settings) => of(&settings),
        Err(error) => {
            vec![Finding::bad("config", error.to_string(), "mend that; the store was not looked at")]
        }
    };
    let is_healthy = findings.iter().all(|finding| finding.verdict != Verdict::Bad);
    if args.json {
        tell_tools(&findings, is_healthy)?;
    } else {
        tell_people(&findings)?;
    }
    Ok(if is_healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn of(settings: &Config) -> Vec<Finding> {
    let mut doubts = settings.warnings();
    let registry = registry::load::load(&registry::Source::of(settings));
    if let Ok(catalog) = &registry {
        doubts.extend(registry::doubts::of(settings, catalog));
    }
    let mut findings: Vec<Finding> = doubts
        .iter()
        .map(|doubt| {
            Finding::doubtful("config", doubt.to_string(), "change the setting, if that is not meant")
        })
        .collect();
    if doubts.is_empty() {
        findings.push(Finding::good("config", "nothing in it is doubtful"));
    }
    if let Err(error) = registry {
        findings.push(Finding::bad(
            "registry",
            error.to_string(),
            "mend that: the broker does not start with it",
        ));
    }
    let store = &settings.store;
    findings.extend(checkup::examine(&Patient {
        store: &store.path,
        engine: store.engine.into(),
        keys: &store.secret_key,
        free_bytes_min: store.free_bytes_min,
    }));
    findings
}

fn tell_tools(findings: &[Finding], is_healthy: bool) -> anyhow::Result<()> {
    let all: Vec<_> = findings
        .iter()
        .map(|Finding { subject, verdict, what, mend }| {
            json!({ "subject": subject, "verdict": verdict.as_str(), "what": what, "mend": mend })
        })
        .collect();
    output::json(&json!({ "healthy": is_healthy, "findings": all }))
}

fn tell_people(findings: &[Finding]) -> anyhow::Result<()> {
    let paint = Paint::for_stdout();
    for Finding { subject, verdict, what, mend } in findings {
        let word = format!("{:<8}", verdict.as_str());
        let word = match verdict {
            Verdict::Good => paint.good(&word),
            Verdict::Doubtful => paint.doubtful(&word),
            Verdict::Bad => paint.bad(&word),
        };
        output::line(&format!("{word}  {subject:<11}  {what}"))?;
        if let Some(mend) = mend {
            output::line(&format!("{:<8}  {:<11}  -> {mend}", "", ""))?;
        }
    }
    Ok(())
}
