//! What the machine can do with nothing between: the ceiling of throughput and the floor of latency.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::disk;
use super::plan::Plan;
use super::protocol::{FromGenerator, Load, Manner, Posted};
use super::receiver;
use super::report::{Floor, Raw};
use super::rig::Rig;
use crate::runtime::clock::Clock as _;

/// Posts, one after the other, whose median is a round trip.
const ROUND_TRIPS: u64 = 2_000;
/// The ceiling is measured with at least so many times the run's events, for at most so long.
const CEILING_TIMES: u64 = 20;
const CEILING_POSTS_MAX: u64 = 300_000;
const CEILING_SECONDS: u64 = 3;

/// One sync of the store's disk, and one post answered by the receiver.
pub(super) async fn floor(rig: &mut Rig, plan: &Plan, folder: &Path) -> anyhow::Result<Floor> {
    let (sync, round_trip) = least(rig, plan, folder, None).await?;
    let paced = match plan.rate {
        Some(rate) => Some(least(rig, plan, folder, Some(rate)).await?),
        None => None,
    };
    Ok(Floor::new(sync, round_trip, paced.map(|(sync, round_trip)| sync + round_trip)))
}

/// Both, so many times a second; without a rate one after the other.
async fn least(
    rig: &mut Rig,
    plan: &Plan,
    folder: &Path,
    rate: Option<u64>,
) -> anyhow::Result<(Duration, Duration)> {
    let pause = rate.map_or(Duration::ZERO, |rate| {
        Duration::from_secs(1) / u32::try_from(rate).unwrap_or(u32::MAX).max(1)
    });
    let sync = disk::sync_time(folder, &rig.clock, pause).await?;
    let messages = plan.messages.unwrap_or(ROUND_TRIPS).min(ROUND_TRIPS);
    let posted = straight(rig, plan, Straight { connections: 1, messages, rate }).await?;
    Ok((sync, posted.answer.quantile(5_000).unwrap_or_default()))
}

/// The same posts over the same connections, straight to the receiver.
pub(super) async fn ceiling(rig: &mut Rig, plan: &Plan) -> anyhow::Result<Raw> {
    // As many as there are deliveries, where that is more: few events to many endpoints make a long run.
    let times = CEILING_TIMES.max(plan.endpoints as u64);
    let wanted = plan.messages.unwrap_or(CEILING_POSTS_MAX).saturating_mul(times);
    let before = rig.cpu();
    let messages = wanted.min(CEILING_POSTS_MAX);
    let posted =
        straight(rig, plan, Straight { connections: plan.connections, messages, rate: None }).await?;
    let after = rig.cpu();
    Ok(Raw::new(&posted, before, after))
}

/// How posts go straight to the receiver.
struct Straight {
    connections: usize,
    messages: u64,
    rate: Option<u64>,
}

async fn straight(rig: &mut Rig, plan: &Plan, how: Straight) -> anyhow::Result<Posted> {
    rig.behave(Manner { endpoints: 1, ..Manner::default() }).await?;
    let target = rig.endpoints.first().copied().context("the receiver has no endpoint")?;
    let load = Load {
        path: format!("{}0", receiver::PATH),
        batch: 1,
        rate: how.rate,
        connections: how.connections,
        messages: Some(how.messages),
        seconds: Some(CEILING_SECONDS),
        ..plan.load(target, &rig.secrets.signing, rig.run)
    };
    rig.begin(&load).await?;
    loop {
        match rig.heard().await? {
            FromGenerator::Posted(posted) => {
                let arrived = rig.tally().await?.arrived;
                anyhow::ensure!(
                    arrived == posted.accepted && arrived > 0,
                    "of {} posts that the receiver accepted, {arrived} are known to it",
                    posted.accepted,
                );
                return Ok(posted);
            }
            FromGenerator::Ready | FromGenerator::Progress(_) => {
                let now = rig.clock.monotonic();
                rig.progress.tell(now, "measuring the ceiling");
            }
        }
    }
}
