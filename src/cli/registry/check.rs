//! `camino registry check`: everything that is wrong with a registry.

use std::process::ExitCode;

use super::Which;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::registry::check::check;

/// Which registry, and how to tell.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    pub(super) which: Which,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let path = args.which.path.as_deref();
    let report = check(&super::source(path));
    if args.json {
        output::json(&report)?;
    } else {
        for problem in &report.problems {
            output::line(&format!("error    {problem}"))?;
        }
        for warning in &report.warnings {
            output::line(&format!("warning  {warning}"))?;
        }
        if let Some(counts) = report.counts {
            output::line(&format!(
                "ok       {} apps, {} event types: {} with a schema, {} with an example, {} known by name only",
                counts.apps, counts.events, counts.with_schema, counts.with_example, counts.incomplete
            ))?;
        }
    }
    if report.ok {
        return Ok(ExitCode::SUCCESS);
    }
    let what = format!("the registry {} cannot be used: {} errors", super::name(path), report.problems.len());
    Err(Failure::new(what, "correct the places named above").into())
}
