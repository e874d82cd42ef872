//! `camino registry show`: one event type.

use std::process::ExitCode;

use serde_json::Value;

use super::Which;
use super::list::names;
use crate::cli::output;
use crate::domain::catalog::{EventDef, Lookup, Status};
use crate::domain::id::EventType;

/// Which registry, which type, and how to tell.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The event type.
    #[arg(value_name = "TYPE")]
    event: EventType,
    #[command(flatten)]
    pub(super) which: Which,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let catalog = super::open(args.which.path.as_deref())?;
    let event = match catalog.lookup(args.event.as_str()) {
        Lookup::Known(event) | Lookup::Incomplete(event) => event,
        Lookup::Unknown { did_you_mean } => return Err(super::unknown(&args.event, did_you_mean).into()),
    };
    if args.json {
        output::json(event)?;
    } else {
        tell(event)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(event: &EventDef) -> anyhow::Result<()> {
    let status = match event.status {
        Status::Active => "",
        Status::Incomplete => "  (known by name only: held, never routed)",
    };
    output::line(&format!("{}{status}", event.event_type))?;
    if !event.description.is_empty() {
        output::line(&event.description)?;
    }
    output::line(&format!("senders    {}", names(&event.senders, event.senders_complete)))?;
    output::line(&format!("receivers  {}", names(&event.receivers, event.receivers_complete)))?;
    block("schema", event.schema.as_ref().map(|schema| schema.source()))?;
    block("example", event.example.as_ref())
}

fn block(name: &str, value: Option<&Value>) -> anyhow::Result<()> {
    let Some(value) = value else { return Ok(output::line(&format!("{name:9}  none"))?) };
    output::line(name)?;
    let text = serde_json::to_string_pretty(value)?;
    text.lines().try_for_each(|line| output::line(&format!("  {line}")))?;
    Ok(())
}
