//! Deliveries to the hub, which lives in this process: the same attempts as over HTTP, without a network.
//!
//! One thread hands events to the [`Host`] in batches, in the order in which they were decided on, and
//! answers an attempt only once the batch is durable. Never retries: what failed is reported, and the
//! dispatcher tries again as with any receiver. A crash before the answer delivers again, and the host
//! knows what it has had.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::turn::{Line, Ordered, Turn};
use super::{Attempt, Endpoint, Report, Sink};
use crate::domain::outcome::Outcome;
use crate::runtime::clock::Clock;

/// How long events are gathered into one batch, unless there are many. Nobody waits for it: the events
/// are accepted.
const GATHER: Duration = Duration::from_millis(100);
/// Events in one batch.
pub const BATCH_MAX: usize = 128;

/// Why the host cannot go on; the process must stop, and the next start reads what is there.
#[derive(Debug, thiserror::Error)]
#[error("the hub cannot go on: {0}")]
pub struct Error(pub String);

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is durable, now or since before.
    Taken,
    /// It can never be taken: a dead letter with this reason. It has changed nothing.
    Refused(String),
    /// Not now, for a reason that is not the event's.
    Failed(String),
}

/// Who takes the events in: it runs the subscribers.
pub trait Host: Send + Sync + 'static {
    /// Takes events in, each at most once whatever is handed over. When this returns, what was taken is
    /// durable. One verdict for each event, in their order.
    fn handle(&self, events: &[Attempt]) -> Result<Vec<Verdict>, Error>;
}

/// The sink of the hub.
pub struct InternalSink {
    line: Arc<Waiting>,
    clock: Arc<dyn Clock>,
}

/// The other end of it: what the hub's thread runs.
pub struct Inbound {
    line: Arc<Waiting>,
}

/// An event on its way, and who waits for its verdict.
struct Handed {
    attempt: Attempt,
    answer: oneshot::Sender<Verdict>,
}

#[derive(Default)]
struct Waiting(Ordered<Handed>);

impl Line for Waiting {
    fn pass(&self, number: u64) {
        self.0.pass(number);
    }
}

/// A sink and its other end.
pub fn pair(clock: Arc<dyn Clock>) -> (InternalSink, Inbound) {
    let line = Arc::<Waiting>::default();
    (InternalSink { line: Arc::clone(&line), clock }, Inbound { line })
}

impl Inbound {
    /// Hands events to `host` until the sink is dropped and nothing is left. Blocks: meant for a thread of
    /// its own.
    pub fn run(&self, host: &dyn Host) -> Result<(), Error> {
        while let Some(mut batch) = self.line.0.take(GATHER, BATCH_MAX) {
            // Whoever waited too long has been told so, and comes again.
            batch.retain(|handed| !handed.answer.is_closed());
            let (attempts, answers): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|handed| (handed.attempt, handed.answer)).unzip();
            if attempts.is_empty() {
                continue;
            }
            for (answer, verdict) in answers.into_iter().zip(host.handle(&attempts)?) {
                // It may have run out of patience meanwhile.
                let _ = answer.send(verdict);
            }
        }
        Ok(())
    }
}

impl Drop for InternalSink {
    fn drop(&mut self) {
        self.line.0.close();
    }
}

impl Sink for InternalSink {
    fn turn(&self, _: &Endpoint) -> Option<Turn> {
        let number = self.line.0.reserve();
        Some(Turn::new(Arc::clone(&self.line) as Arc<dyn Line>, number))
    }

    fn send(&self, mut attempt: Attempt) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        let started = self.clock.monotonic();
        let patience = self.clock.sleep(attempt.endpoint.timeout);
        let (answer, verdict) = oneshot::channel();
        let turn = attempt.turn.take();
        let number = turn.as_ref().map_or_else(|| self.line.0.reserve(), Turn::number);
        self.line.0.put(number, Handed { attempt, answer }, BATCH_MAX);
        Box::pin(async move {
            let verdict = tokio::select! {
                biased;
                verdict = verdict => verdict.unwrap_or_else(|_| Verdict::Failed("the hub has stopped".to_owned())),
                () = patience => Verdict::Failed("the hub did not get to it in time".to_owned()),
            };
            let (outcome, error) = match verdict {
                Verdict::Taken => (Outcome::Delivered, None),
                Verdict::Refused(reason) => (Outcome::Rejected, Some(reason)),
                // Not the event's doing: it is charged nothing, and comes again.
                Verdict::Failed(reason) => (Outcome::Unsent, Some(reason)),
            };
            report(outcome, error, started, self.clock.as_ref())
        })
    }
}

fn report(outcome: Outcome, error: Option<String>, started: Duration, clock: &dyn Clock) -> Report {
    let duration = clock.monotonic().saturating_sub(started);
    Report { outcome, status: None, error, excerpt: None, duration, secret_index: 0 }
}
