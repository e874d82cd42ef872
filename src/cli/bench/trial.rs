//! The broker under load: posts, waits until all has arrived and is in the journal, and adds up.

use std::path::Path;
use std::time::Duration;

use super::broker::Broker;
use super::disk;
use super::plan::Plan;
use super::port;
use super::protocol::{FromGenerator, Posted, Tally};
use super::report::{Found, Measured};
use super::rig::{Rig, WorkersCpu};
use super::soak::{self, Sample, Soak};
use super::stage::{Cast, Retries, Stage};
use super::stopwatch::now_ns;
use super::usage::Usage;
use crate::cli::output;
use crate::runtime::clock::Clock as _;
use crate::runtime::entropy::OsEntropy;

/// How long nothing may arrive before what is missing counts as lost.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks at the receiver's counts.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// The broker measures its lag every second, so one look earlier says nothing.
const LAG_AFTER: Duration = Duration::from_millis(1_100);
const LAG_EVERY: Duration = Duration::from_millis(50);

/// A broker, its files, and what was seen of it.
pub(super) struct Trial<'a> {
    /// The workers.
    pub(super) rig: &'a mut Rig,
    /// The broker.
    pub(super) broker: Broker,
    /// Its files.
    pub(super) stage: Stage,
    accepted: u64,
    /// Whether it is a long run, of which more is kept.
    is_long: bool,
    samples: Vec<Sample>,
    sampled_at: Option<Duration>,
}

/// What everybody has used, at one instant.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    /// The broker.
    pub(super) broker: Usage,
    /// The workers.
    pub(super) workers: WorkersCpu,
    /// The instant, in nanoseconds since the epoch.
    pub(super) at_ns: u64,
}

impl Spent {
    /// The broker's CPU time since `earlier`.
    pub(super) fn broker_cpu_since(&self, earlier: &Self) -> Duration {
        self.broker.cpu.saturating_sub(earlier.broker.cpu)
    }
}

impl<'a> Trial<'a> {
    /// Starts a broker in `folder`.
    pub(super) async fn start(
        rig: &'a mut Rig,
        plan: &Plan,
        folder: &Path,
        retries: Retries,
    ) -> anyhow::Result<Self> {
        // The endpoints' ports are taken by then.
        rig.behave(plan.manner()).await?;
        let address = port::listen(&OsEntropy)?.local_addr()?;
        let cast = Cast { endpoints: &rig.endpoints, dead: plan.dead, refusing: rig.refusing };
        let stage = Stage::set(folder, address, plan.engine, &cast, retries, &rig.secrets)?;
        let (broker, _) = Broker::start(&stage, address, &rig.clock).await?;
        rig.progress.clear();
        output::say(&format!("the broker is process {}, at {address}", broker.pid()));
        let is_long = plan.seconds.is_some();
        Ok(Self { rig, broker, stage, accepted: 0, is_long, samples: Vec::new(), sampled_at: None })
    }

    /// Posts the events of `plan`.
    pub(super) async fn post(&mut self, plan: &Plan) -> anyhow::Result<Posted> {
        let load = plan.load(self.broker.address(), &self.rig.secrets.signing, self.rig.run);
        self.look().await?;
        self.rig.begin(&load).await?;
        loop {
            match self.rig.heard().await? {
                FromGenerator::Ready => {}
                FromGenerator::Progress(accepted) => {
                    self.accepted = accepted;
                    self.look().await?;
                }
                FromGenerator::Posted(posted) => {
                    self.accepted = posted.accepted;
                    return Ok(posted);
                }
            }
        }
    }

    /// Waits until `expected` deliveries have arrived, or none has for a long time.
    pub(super) async fn arrived(&mut self, expected: u64) -> anyhow::Result<Tally> {
        let mut tally = self.look().await?;
        let mut moved_at = self.rig.clock.monotonic();
        while tally.arrived < expected {
            self.rig.clock.sleep(LOOK_EVERY).await;
            let next = self.look().await?;
            let now = self.rig.clock.monotonic();
            if next.arrived > tally.arrived {
                moved_at = now;
            } else if now.saturating_sub(moved_at) > PATIENCE {
                break;
            }
            tally = next;
        }
        Ok(tally)
    }

    /// Waits until the journal holds everything; `None` if that takes too long.
    pub(super) async fn journalled(&mut self) -> Option<()> {
        let began = self.rig.clock.monotonic();
        self.rig.clock.sleep(LAG_AFTER).await;
        while self.rig.clock.monotonic().saturating_sub(began) < PATIENCE {
            if self.broker.journal_lag().await == Some(0) {
                return Some(());
            }
            self.rig.progress.tell(self.rig.clock.monotonic(), "waiting for the journal");
            self.rig.clock.sleep(LAG_EVERY).await;
        }
        None
    }

    /// What a long run came to; the broker is killed for it, because only then its outbox can be read.
    fn soak(
        &mut self,
        posted: &Posted,
        samples: &[Sample],
        engine: &str,
        store_bytes: u64,
    ) -> anyhow::Result<Option<Soak>> {
        self.broker.kill()?;
        let counted = disk::dedupe_bytes(&self.stage.store, engine);
        if let Err(error) = &counted {
            output::say(&format!("warning: the dedupe records cannot be counted: {error:#}"));
        }
        // Progress comes once a second, so the last look may lag behind what was accepted in the end.
        let last = samples.last().map(|last| Sample { accepted: posted.accepted, ..*last });
        let seen: Vec<Sample> = samples.first().copied().into_iter().chain(last).collect();
        Ok(Soak::of(&seen, counted.ok(), store_bytes))
    }

    /// What everybody has used so far.
    pub(super) fn spent(&self) -> Spent {
        let broker = self.broker.usage().unwrap_or_default();
        Spent { broker, workers: self.rig.cpu(), at_ns: now_ns() }
    }

    /// Looks at what has arrived, and at the broker now and then.
    async fn look(&mut self) -> anyhow::Result<Tally> {
        self.broker.check(&self.stage)?;
        let tally = self.rig.tally().await?;
        let now = self.rig.clock.monotonic();
        if self.sampled_at.is_none_or(|at| now.saturating_sub(at) >= SAMPLE_EVERY) {
            self.sampled_at = Some(now);
            let records_bytes = if self.is_long { self.broker.records_bytes().await } else { None };
            self.samples.push(Sample {
                records_bytes,
                at_ns: now_ns(),
                accepted: self.accepted,
                delivered: tally.arrived,
                rss_bytes: self.broker.usage().unwrap_or_default().rss_bytes,
                store_bytes: disk::bytes_below(&self.stage.store),
            });
        }
        let text = format!("{} events accepted, {} deliveries arrived", self.accepted, tally.arrived);
        self.rig.progress.tell(now, &text);
        Ok(tally)
    }
}

/// Runs the broker under the load of `plan`.
pub(super) async fn run(rig: &mut Rig, plan: &Plan, folder: &Path) -> anyhow::Result<Found> {
    let retries = if plan.fail_percent > 0 { Retries::Failing } else { Retries::Default };
    let mut trial = Trial::start(rig, plan, folder, retries).await?;
    let before = trial.spent();
    let posted = trial.post(plan).await?;
    let samples = std::mem::take(&mut trial.samples);
    let expected = posted.accepted * plan.healthy() as u64;
    let arrived = trial.arrived(expected).await?;
    let then = trial.spent();
    let journalled = trial.journalled().await.map(|()| now_ns());
    let after = trial.spent();
    let last = trial.rig.tally().await?;
    let latency = trial.rig.latency().await?;
    trial.rig.progress.clear();
    let store_bytes = disk::bytes_below(&trial.stage.store);
    let long = plan.seconds.is_some();
    let soak = if long { trial.soak(&posted, &samples, plan.engine, store_bytes)? } else { None };
    let measured = Measured {
        delivering_from_ns: posted.began_ns,
        store_bytes,
        posted,
        expected,
        tally: Tally { last_ns: arrived.last_ns, ..last },
        latency: Some(latency),
        before,
        then,
        after,
        journalled_ns: journalled,
    };
    let thirds = if long { soak::thirds(&samples) } else { Vec::new() };
    Ok(Found { measured, thirds, soak, outage: None })
}
