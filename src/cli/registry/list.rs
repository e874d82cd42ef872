//! `camino registry list`: the event types at a glance.

use std::process::ExitCode;

use super::Which;
use crate::cli::output;
use crate::domain::catalog::{EventDef, Status};
use crate::domain::id::AppSlug;

/// Which registry, which types, and how to tell.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    pub(super) which: Which,
    /// Only the types that this app sends or receives.
    #[arg(long, value_name = "APP")]
    app: Option<AppSlug>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let catalog = super::open(args.which.path.as_deref())?;
    let concerns = |event: &&EventDef| {
        args.app.as_ref().is_none_or(|app| event.senders.contains(app) || event.receivers.contains(app))
    };
    let events = catalog.events().filter(concerns);
    if args.json {
        events.into_iter().try_for_each(output::json)?;
    } else {
        let heading = ["TYPE", "SENDERS", "RECEIVERS"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(heading).chain(events.map(row)).collect();
        output::aligned(&rows).iter().try_for_each(|line| output::line(line))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(event: &EventDef) -> [String; 3] {
    let name = match event.status {
        Status::Active => event.event_type.to_string(),
        Status::Incomplete => format!("{} (name only)", event.event_type),
    };
    [name, names(&event.senders, event.senders_complete), names(&event.receivers, event.receivers_complete)]
}

/// The apps with commas; an open list ends in dots.
pub(super) fn names(apps: &[AppSlug], complete: bool) -> String {
    let open = if complete { None } else { Some("...") };
    let names = apps.iter().map(AppSlug::as_str).chain(open);
    names.collect::<Vec<_>>().join(", ")
}
