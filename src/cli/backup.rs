//! `camino backup`: has a running broker copy its store into a folder of its own host.
//!
//! Waits until the broker says that it is done. If this verb is killed, the broker goes on.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::broker::{self, Broker};
use super::failure::Failure;
use super::output;
use crate::config::show_size;

/// Between two questions how it goes.
const EVERY: Duration = Duration::from_millis(250);

/// Where the backup goes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder on the broker's host that is empty or not there yet.
    dir: PathBuf,
    #[command(flatten)]
    broker: broker::Args,
    /// What was backed up as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let broker = Broker::find(&args.broker, config)?;
    let dir = std::path::absolute(&args.dir)?;
    let dir = dir.to_str().ok_or_else(|| {
        Failure::new(format!("{} is not UTF-8", dir.display()), "give the folder another name")
    })?;
    let mut shown = broker.ask(Method::POST, "/v1/backup", Some(&json!({ "dir": dir })))?;
    let began = shown["beganAt"].clone();
    while shown["state"] == "running" {
        broker.wait(EVERY);
        shown = broker.ask(Method::GET, "/v1/backup", None)?;
        if shown["beganAt"] != began {
            let what = "the broker was started anew, or takes another backup: this one's end is not known";
            let mend = format!("{dir} is whole if it has a manifest.json; else remove it and ask again");
            return Err(Failure::new(what, mend).into());
        }
    }
    if shown["state"] != "done" {
        let why = shown["error"].as_str().unwrap_or("the broker does not say why");
        let mend = "nothing of it is left there; the broker's log has the same";
        return Err(Failure::new(format!("the backup failed: {why}"), mend).into());
    }
    if args.json {
        output::json(&shown)?;
    } else {
        told(dir, &shown)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn told(dir: &str, shown: &Value) -> anyhow::Result<()> {
    let size = shown["bytes"].as_u64().map(show_size).unwrap_or_default();
    output::line(&format!(
        "backed up to {dir}: {size}, commit {}, events in the journal {}",
        shown["outbox"]["commit"], shown["journal"]["events"]
    ))?;
    if shown["control"]["sealedWith"].as_array().is_some_and(|names| !names.is_empty()) {
        output::say(
            "the key for secrets at rest is not in it: keep secret.key, or store.secret_key, in another place",
        );
    }
    Ok(())
}
