//! `camino serve`: runs the broker until it is told to stop.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::registry::unusable;
use super::restore;
use crate::app::signals::Signals;
use crate::app::{App, Error, Ports};
use crate::config::{Config, LogFormat, process_vars};
use crate::registry;
use crate::runtime::clock::SystemClock;
use crate::runtime::entropy::OsEntropy;
use crate::store;
use crate::telemetry::log;

/// Runs the verb.
pub(super) fn run(config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let config = Config::load(config, process_vars())?;
    let format = match config.telemetry.format {
        LogFormat::Text => log::Format::Text,
        LogFormat::Json => log::Format::Json,
    };
    log::init(&config.telemetry.log, format)?;
    let registry = config.registry.path.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let ports = Ports { clock: Arc::new(SystemClock::new()), entropy: Arc::new(OsEntropy) };
        let app = App::build(config, ports).await.map_err(|error| in_one_line(error, registry.as_deref()))?;
        // Listened to before anything runs, so that no signal is missed.
        app.run(Signals::listen()?).await?;
        Ok(ExitCode::SUCCESS)
    });
    // Blocking work that is still stuck must not keep a finished process alive.
    runtime.shutdown_background();
    ended
}

/// The error of a start on one line, with the setting that mends it.
fn in_one_line(error: Error, registry: Option<&Path>) -> anyhow::Error {
    match error {
        Error::Registry(registry::Error::Invalid(problems)) => {
            let dir = registry.map(|path| path.display().to_string()).unwrap_or_default();
            anyhow::anyhow!(
                "{}; `camino registry check --path {dir}` lists all, and without registry.path the one in the \
                 binary is used",
                unusable(registry, &problems)
            )
        }
        Error::Log(error) => {
            let mend = mend(&error);
            anyhow::anyhow!("{error}; {mend}")
        }
        Error::Backup(error) => {
            let mend = restore::mend(&error);
            anyhow::anyhow!("{error}; {mend}")
        }
        other => other.into(),
    }
}

fn mend(error: &store::log::Error) -> &'static str {
    match error {
        store::log::Error::Locked { .. } => "stop that one, or give this one a store.path of its own",
        store::log::Error::Format { .. } => {
            "set store.engine to the one that made it, start the version that made it, or set store.path to an empty folder"
        }
        store::log::Error::Damaged { .. } => {
            "nothing was changed: restore a backup, or move the folder away to start anew (store.path)"
        }
        _ => "check that store.path can be written",
    }
}
