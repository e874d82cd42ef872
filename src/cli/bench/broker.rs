//! The broker under test: `camino serve` as a process of its own, killed at the end.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

use super::stage::Stage;
use super::usage::Usage;
use super::wire::get;
use crate::cli::failure::Failure;
use crate::runtime::clock::Clock;

const READY_EVERY: Duration = Duration::from_millis(2);
/// A store with a long backlog takes its time.
const READY_WITHIN: Duration = Duration::from_mins(5);
/// Settings from the environment would be settings that the report does not know of.
const VARIABLES: &str = "CAMINO_";
/// Lines of its log that are worth showing.
const LOG_LINES: usize = 5;

/// A broker that runs.
#[derive(Debug)]
pub(super) struct Broker {
    child: Child,
    address: SocketAddr,
}

impl Broker {
    /// Starts one, and says how long it took until it was ready.
    pub(super) async fn start(
        stage: &Stage,
        address: SocketAddr,
        clock: &dyn Clock,
    ) -> anyhow::Result<(Self, Duration)> {
        let began = clock.monotonic();
        let log = File::options().create(true).append(true).open(&stage.log)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").arg("--config").arg(&stage.config);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with(VARIABLES) {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().context("the broker does not start")?;
        let mut broker = Self { child, address };
        loop {
            let took = clock.monotonic().saturating_sub(began);
            if get(address, "/readyz").await.is_some_and(|(status, _)| status.is_success()) {
                return Ok((broker, took));
            }
            broker.check(stage)?;
            anyhow::ensure!(took < READY_WITHIN, "the broker is not ready after {} s", took.as_secs());
            clock.sleep(READY_EVERY).await;
        }
    }

    /// An error if it has ended.
    pub(super) fn check(&mut self, stage: &Stage) -> anyhow::Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let log = fs::read_to_string(&stage.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n  ");
        let mend = if last.is_empty() { "it wrote no log".to_owned() } else { format!("its log:\n  {last}") };
        Err(Failure::new(format!("the broker has ended by itself: {status}"), mend).into())
    }

    /// Kills it on the spot.
    pub(super) fn kill(&mut self) -> std::io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has used so far.
    pub(super) fn usage(&self) -> Option<Usage> {
        Usage::of(self.child.id())
    }

    /// The events that its journal does not hold yet.
    pub(super) async fn journal_lag(&self) -> Option<u64> {
        let (_, page) = get(self.address, "/metrics").await?;
        lag(std::str::from_utf8(&page).ok()?)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Killed on purpose: what it has acknowledged must be on the disk.
        let _ = self.kill();
    }
}

fn lag(metrics: &str) -> Option<u64> {
    let rest = metrics.lines().find_map(|line| line.strip_prefix("camino_journal_lag_events "))?;
    rest.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;

    #[test]
    fn the_lag_is_read_from_the_metrics() {
        let metrics = Metrics::new().unwrap();
        metrics.journal_lag_events.set(17);
        assert_eq!(lag(&metrics.render()), Some(17));
    }
}
