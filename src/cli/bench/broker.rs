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
/// What is read of its metrics.
const LAG: &str = "camino_journal_lag_events";
const LIVE: &str = r#"camino_store_bytes{kind="outbox_live"}"#;
const PAYLOADS: &str = r#"camino_store_bytes{kind="payloads"}"#;
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
            // It listens before it has opened its store, so that this is answered when it is ready, and not before.
            let is_ready = get(address, "/readyz").await.is_some_and(|(status, _)| status.is_success());
            let took = clock.monotonic().saturating_sub(began);
            if is_ready {
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
        gauge(&self.metrics().await?, LAG)
    }

    /// What its outbox holds beside payloads: dedupe records, and the records since its last checkpoint.
    pub(super) async fn records_bytes(&self) -> Option<u64> {
        let metrics = self.metrics().await?;
        Some(gauge(&metrics, LIVE)?.saturating_sub(gauge(&metrics, PAYLOADS)?))
    }

    async fn metrics(&self) -> Option<String> {
        let (_, page) = get(self.address, "/metrics").await?;
        String::from_utf8(page.into()).ok()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Killed on purpose: what it has acknowledged must be on the disk.
        let _ = self.kill();
    }
}

fn gauge(metrics: &str, name: &str) -> Option<u64> {
    let rest = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    rest.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;

    #[test]
    fn gauges_are_read_from_the_metrics() {
        let metrics = Metrics::new().unwrap();
        metrics.journal_lag_events.set(17);
        for (kind, bytes) in [("outbox", 1), ("outbox_live", 30), ("payloads", 20)] {
            metrics.store_bytes.with_label_values(&[kind]).set(bytes);
        }
        let page = metrics.render();
        assert_eq!([LAG, LIVE, PAYLOADS].map(|name| gauge(&page, name)), [17, 30, 20].map(Some));
        assert_eq!(gauge(&page, "camino_journal"), None);
    }
}
