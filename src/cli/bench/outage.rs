//! All endpoints down: how much a backlog weighs, and how fast the broker is back after a `kill -9`.

use std::path::Path;
use std::time::Duration;

use super::broker::Broker;
use super::disk;
use super::number::{float, ms, ratio};
use super::plan::Plan;
use super::report::{Found, Measured, Outage};
use super::rig::Rig;
use super::stage::Retries;
use super::stopwatch::now_ns;
use super::trial::Trial;

/// Fills a backlog, kills the broker, starts it again and lets the backlog drain.
pub(super) async fn run(rig: &mut Rig, plan: &Plan, folder: &Path) -> anyhow::Result<Found> {
    let mut trial = Trial::start(rig, plan, folder, Retries::Down).await?;
    trial.rig.close().await?;
    let before = trial.spent();
    let posted = trial.post(plan).await?;
    let full = trial.spent();
    let store_full_bytes = disk::bytes_below(&trial.stage.store);
    let address = trial.broker.address();
    trial.broker.kill()?;
    let (broker, ready) = Broker::start(&trial.stage, address, &trial.rig.clock).await?;
    trial.broker = broker;
    let ready_usage = trial.broker.usage().unwrap_or_default();
    let restarted = trial.spent();
    trial.rig.open().await?;
    let opened_ns = now_ns();
    let expected = posted.accepted * plan.healthy() as u64;
    trial.arrived(expected).await?;
    let then = trial.spent();
    let journalled_ns = trial.journalled().await.map(|()| now_ns());
    let after = trial.spent();
    let tally = trial.rig.tally().await?;
    trial.rig.progress.clear();
    let since_open = |at_ns: u64| ms(Duration::from_nanos(at_ns.saturating_sub(opened_ns)));
    let outage = Outage {
        rss_full_bytes: full.broker.rss_bytes,
        rss_full_peak_bytes: full.broker.rss_peak_bytes,
        store_full_bytes,
        ready_ms: ms(ready),
        rss_ready_bytes: ready_usage.rss_bytes,
        first_delivery_ms: (tally.arrived > 0).then(|| since_open(tally.first_ns)),
        drained_ms: (tally.arrived >= expected).then(|| since_open(tally.last_ns)),
        cpu_us_per_event: ratio(ms(full.broker_cpu_since(&before)) * 1e3, float(posted.accepted)),
    };
    let measured = Measured {
        store_bytes: disk::bytes_below(&trial.stage.store),
        posted,
        expected,
        tally,
        delivering_from_ns: opened_ns,
        latency: None,
        before: restarted,
        then,
        after,
        journalled_ns,
    };
    Ok(Found { measured, thirds: Vec::new(), soak: None, outage: Some(outage) })
}
