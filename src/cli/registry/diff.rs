//! `camino registry diff`: what changes from one registry to another.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::output;
use crate::domain::catalog::Status;
use crate::domain::id::AppSlug;
use crate::registry::diff::{Change, SchemaChange, diff};

/// The name of the registry in the binary.
const EMBEDDED: &str = "embedded";

/// Which registries, and how to tell.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The registry as it was: a folder, or `embedded` for the one in the binary.
    #[arg(value_name = "A")]
    old: String,
    /// The registry as it would be.
    #[arg(value_name = "B")]
    new: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let open = |name: &str| super::open((name != EMBEDDED).then(|| Path::new(name)));
    let diff = diff(&open(&args.old)?, &open(&args.new)?);
    if args.json {
        output::json(&diff)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = Vec::new();
    let mut row = |sign: &str, name: String, what: String| rows.push([sign.to_owned(), name, what]);
    for slug in &diff.apps_added {
        row("+", format!("app {slug}"), String::new());
    }
    for slug in &diff.apps_removed {
        row("-", format!("app {slug}"), "breaking".to_owned());
    }
    for name in &diff.added {
        row("+", name.to_string(), String::new());
    }
    for name in &diff.removed {
        row("-", name.to_string(), "breaking".to_owned());
    }
    for change in &diff.changed {
        let breaking = if change.breaking { "breaking: " } else { "" };
        row("~", change.event_type.to_string(), format!("{breaking}{}", words(change)));
    }
    output::aligned(&rows).iter().try_for_each(|line| output::line(line))?;
    output::line(match (diff.is_empty(), diff.breaking) {
        (true, _) => "the same",
        (false, true) => "breaking: somebody may be refused, or may miss or misread an event",
        (false, false) => "not breaking",
    })?;
    Ok(ExitCode::SUCCESS)
}

fn words(change: &Change) -> String {
    let mut words = Vec::new();
    let mut list = |what: &str, apps: &[AppSlug]| {
        if !apps.is_empty() {
            let apps = apps.iter().map(AppSlug::as_str).collect::<Vec<_>>().join(", ");
            words.push(format!("{what} {apps}"));
        }
    };
    list("receivers +", &change.receivers_added);
    list("receivers -", &change.receivers_removed);
    list("senders +", &change.senders_added);
    list("senders -", &change.senders_removed);
    if let Some(refuses) = change.senders_complete {
        words.push(format!("other senders {}", if refuses { "refused" } else { "let in" }));
    }
    if let Some(schema) = change.schema {
        words.push(format!(
            "schema {}",
            match schema {
                SchemaChange::Added => "added",
                SchemaChange::Removed => "removed",
                SchemaChange::Extended => "extended",
                SchemaChange::Changed => "changed",
            }
        ));
    }
    if let Some(status) = change.status {
        words.push(match status {
            Status::Active => "now routed".to_owned(),
            Status::Incomplete => "now known by name only".to_owned(),
        });
    }
    if change.wording {
        words.push("wording".to_owned());
    }
    words.join("; ")
}
