//! The two workers and what the bench asks of them.

use std::net::SocketAddr;
use std::time::Duration;

use super::WorkerRole;
use super::histogram::Histogram;
use super::progress::Progress;
use super::protocol::{FromGenerator, FromReceiver, Load, Manner, Tally, ToReceiver};
use super::stage::Secrets;
use super::worker::Worker;
use crate::runtime::clock::SystemClock;
use crate::runtime::entropy::{Entropy as _, OsEntropy};

/// The workers, running.
pub(super) struct Rig {
    generator: Worker,
    receiver: Worker,
    /// Where each endpoint is.
    pub(super) endpoints: Vec<SocketAddr>,
    /// Where nobody does.
    pub(super) refusing: SocketAddr,
    /// Made up for this run.
    pub(super) secrets: Secrets,
    /// Tells apart the ids of runs.
    pub(super) run: u32,
    /// Measures spans and waits.
    pub(super) clock: SystemClock,
    /// Tells how far it is.
    pub(super) progress: Progress,
}

/// CPU time of both workers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WorkersCpu {
    /// The generator's.
    pub(super) generator: Duration,
    /// The receiver's.
    pub(super) receiver: Duration,
}

impl Rig {
    /// Starts the workers.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let mut generator = Worker::start(WorkerRole::Generator)?;
        let mut receiver = Worker::start(WorkerRole::Receiver)?;
        let FromGenerator::Ready = generator.hear().await? else {
            anyhow::bail!("the generator is not ready")
        };
        let FromReceiver::Ready { refusing } = receiver.hear().await? else {
            anyhow::bail!("the receiver is not ready");
        };
        Ok(Self {
            generator,
            receiver,
            endpoints: Vec::new(),
            refusing,
            secrets: Secrets::make(&OsEntropy),
            run: u32::try_from(OsEntropy.u64() >> 32).unwrap_or_default(),
            clock: SystemClock::new(),
            progress: Progress::new(),
        })
    }

    /// Has the generator post `load`; what comes of it is heard.
    pub(super) async fn begin(&mut self, load: &Load) -> anyhow::Result<()> {
        self.generator.tell(load).await
    }

    /// The next thing that the generator says.
    pub(super) async fn heard(&mut self) -> anyhow::Result<FromGenerator> {
        self.generator.hear().await
    }

    /// Forgets all arrivals; there are new endpoints, which behave like `manner`.
    pub(super) async fn behave(&mut self, manner: Manner) -> anyhow::Result<()> {
        match self.ask(ToReceiver::Behave(manner)).await? {
            FromReceiver::Listening(endpoints) => self.endpoints = endpoints,
            other => anyhow::bail!("the receiver does not tell where it listens: {other:?}"),
        }
        Ok(())
    }

    /// No endpoint is there any more.
    pub(super) async fn close(&mut self) -> anyhow::Result<()> {
        self.ask(ToReceiver::Close).await.map(drop)
    }

    /// All endpoints are back.
    pub(super) async fn open(&mut self) -> anyhow::Result<()> {
        self.ask(ToReceiver::Open).await.map(drop)
    }

    /// What has arrived.
    pub(super) async fn tally(&mut self) -> anyhow::Result<Tally> {
        match self.ask(ToReceiver::Tally).await? {
            FromReceiver::Tally(tally) => Ok(tally),
            other => anyhow::bail!("the receiver does not tell what arrived: {other:?}"),
        }
    }

    /// How long it took to arrive.
    pub(super) async fn latency(&mut self) -> anyhow::Result<Histogram> {
        match self.ask(ToReceiver::Latency).await? {
            FromReceiver::Latency(latency) => Ok(latency),
            other => anyhow::bail!("the receiver does not tell how long it took: {other:?}"),
        }
    }

    /// What the workers have used so far.
    pub(super) fn cpu(&self) -> WorkersCpu {
        let cpu = |worker: &Worker| worker.usage().unwrap_or_default().cpu;
        WorkersCpu { generator: cpu(&self.generator), receiver: cpu(&self.receiver) }
    }

    async fn ask(&mut self, question: ToReceiver) -> anyhow::Result<FromReceiver> {
        self.receiver.tell(&question).await?;
        self.receiver.hear().await
    }
}
