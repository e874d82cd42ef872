//! `camino serve`: runs the broker until it is told to stop.

use std::path::Path;
use std::sync::Arc;

use crate::app::signals::Signals;
use crate::app::{App, Ports};
use crate::config::{Config, LogFormat, process_vars};
use crate::runtime::clock::SystemClock;
use crate::runtime::entropy::OsEntropy;
use crate::telemetry::log;

/// Runs the verb.
pub(super) fn run(config: Option<&Path>) -> anyhow::Result<()> {
    let config = Config::load(config, process_vars())?;
    let format = match config.telemetry.format {
        LogFormat::Text => log::Format::Text,
        LogFormat::Json => log::Format::Json,
    };
    log::init(&config.telemetry.log, format)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let ports = Ports { clock: Arc::new(SystemClock::new()), entropy: Arc::new(OsEntropy) };
        let app = App::build(config, ports).await?;
        // Listened to before anything runs, so that no signal is missed.
        app.run(Signals::listen()?).await.map_err(anyhow::Error::from)
    });
    // Blocking work that is still stuck must not keep a finished process alive.
    runtime.shutdown_background();
    ended
}
