//! The shell around the scheduler: it claims from the outbox, sends through the sink and settles.
//!
//! All decisions are `domain::scheduler`'s; this task feeds it what happens and does what it says.
//! Never waits for a receiver: attempts are tasks of its crew. Each turn takes a bounded part of one
//! source, whichever is ready, so that no flood of results keeps a pause or a stop waiting. A crash
//! loses only what is in memory here, and the outbox offers every unsettled delivery again.

mod act;
mod attempt;
mod board;
mod endpoints;
mod ordered;
mod timeline;

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::deliver::{Report, Sink};
use crate::domain::id::{AppSlug, EventType};
use crate::domain::outcome::Outcome;
use crate::domain::scheduler::{Action, Block, Finished, Input, LaneId, LanePolicy, Scheduler};
use crate::domain::time::{Millis, Moment};
use crate::outbox::directory::Directory;
use crate::runtime::clock::Clock;
use crate::runtime::entropy::Entropy;
use crate::runtime::task::{Crew, TaskKind, Tasks};
use crate::store::outbox::Outbox;
use crate::store::outbox::record::Move;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::trace::Tracer;
use attempt::{Kit, Landed};
pub use board::{Board, LaneView};
use endpoints::{Endpoints, Served};
use timeline::Timeline;

/// Most results taken between two looks at the other sources.
const RESULTS_PER_TURN: usize = 256;
/// The longest sleep: after it the wall clock is looked at.
const IDLE: Duration = Duration::from_secs(1);

/// Why the dispatcher can't go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An accepted event cannot be read back.
    #[error("event {seq} cannot be read back: {reason}")]
    Damaged {
        /// The event.
        seq: u64,
        /// What the store said.
        reason: String,
    },
}

/// What the dispatcher works with.
pub struct Parts {
    /// The deliveries.
    pub outbox: Arc<Outbox>,
    /// Who takes part.
    pub directory: Directory,
    /// Where attempts go.
    pub sink: Arc<dyn Sink>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// For jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Says when to stop, and runs what is no delivery's attempt.
    pub tasks: Tasks,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Takes a span for each attempt.
    pub tracer: Tracer,
    /// Most attempts at a time.
    pub in_flight_max: usize,
    /// Called when a receiver is gone: it must make the block last.
    pub on_gone: Box<dyn Fn(&AppSlug) + Send + Sync>,
}

/// What others ask of the dispatcher.
#[derive(Debug)]
enum Order {
    /// The directory has changed; the block of the one named, if it was gone, is lifted.
    Refresh(Option<AppSlug>),
    /// What was claimed in order, with its keys.
    Resolved(ordered::Resolved),
    /// A person wants to know what an endpoint answers now.
    Test(AppSlug, Option<Example>, oneshot::Sender<Report>),
}

/// What a test event looks like.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its type.
    pub event_type: EventType,
    /// Its data.
    pub data: Value,
}

/// The dispatcher as others see it.
#[derive(Clone, Debug)]
pub struct Handle {
    orders: mpsc::Sender<Order>,
    board: Board,
}

impl Handle {
    /// Takes the directory's new snapshot in.
    pub async fn refresh(&self) {
        // A dispatcher that has stopped needs no news.
        let _ = self.orders.send(Order::Refresh(None)).await;
    }

    /// Takes the directory's new snapshot in, in which a person lets `app` be sent to again.
    pub async fn lift(&self, app: &AppSlug) {
        // A dispatcher that has stopped needs no news.
        let _ = self.orders.send(Order::Refresh(Some(app.clone()))).await;
    }

    /// Sends one signed test event to `app` now, outside its queue, and says what came of it: one that stands
    /// in no registry, or one that looks like `example`. `None` if it has no endpoint or the dispatcher is
    /// stopping.
    pub async fn probe(&self, app: &AppSlug, example: Option<Example>) -> Option<Report> {
        let (report, answer) = oneshot::channel();
        self.orders.send(Order::Test(app.clone(), example, report)).await.ok()?;
        answer.await.ok()
    }

    /// How the receivers are doing.
    pub fn board(&self) -> &Board {
        &self.board
    }
}

/// The dispatcher.
pub struct Dispatcher {
    parts: Parts,
    /// What every attempt needs.
    kit: Arc<Kit>,
    scheduler: Scheduler,
    endpoints: Endpoints,
    /// By number.
    lanes: Vec<Served>,
    /// Those that answered 410 and whose block no snapshot has shown yet.
    gone: HashSet<LaneId>,
    /// Ordered ones whose tried deliveries' keys are known.
    primed: HashSet<LaneId>,
    /// How many were cancelled when the orders were last looked through for them.
    cancelled: u64,
    order_in: mpsc::Sender<Order>,
    orders: mpsc::Receiver<Order>,
    attempts: Crew<Landed>,
    timeline: Timeline,
    /// The instant of this turn.
    now: Moment,
    /// Settled in this turn.
    moves: Vec<Move>,
    inputs: VecDeque<Input>,
    actions: Vec<Action>,
    board: Board,
}

/// What woke the dispatcher.
enum Woken {
    Stop,
    Landed(Landed),
    Order(Order),
    Available(Vec<LaneId>),
    Alarm,
}

/// The next wake-up, kept until it rings or an earlier one is needed.
struct Alarm {
    at: Millis,
    rings: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Dispatcher {
    /// A dispatcher and the handle to it.
    pub fn new(parts: Parts) -> (Self, Handle) {
        let (order_in, orders) = mpsc::channel(64);
        let board = Board::default();
        let handle = Handle { orders: order_in.clone(), board: board.clone() };
        let timeline = Timeline::new(Arc::clone(&parts.clock));
        let dispatcher = Self {
            kit: Arc::new(Kit::of(&parts)),
            scheduler: Scheduler::new(parts.in_flight_max),
            endpoints: Endpoints::default(),
            lanes: Vec::new(),
            gone: HashSet::new(),
            primed: HashSet::new(),
            cancelled: 0,
            order_in,
            orders,
            attempts: Crew::new(TaskKind::Attempt),
            now: timeline.moment(),
            timeline,
            moves: Vec::new(),
            inputs: VecDeque::new(),
            actions: Vec::new(),
            board,
            parts,
        };
        (dispatcher, handle)
    }

    /// Runs until the soft token asks to stop and what is in flight has ended. An error means that the
    /// store is damaged and the process must stop.
    pub async fn run(mut self) -> Result<(), Error> {
        let stop = self.parts.tasks.soft();
        let (clock, outbox) = (Arc::clone(&self.parts.clock), Arc::clone(&self.parts.outbox));
        let mut stopping = false;
        let mut alarm = Alarm { at: self.timeline.schedule(), rings: clock.sleep(Duration::ZERO) };
        self.refresh(None);
        while !(stopping && self.scheduler.in_flight() == 0) {
            // In no fixed order, so that none of them waits for ever.
            let woken = tokio::select! {
                () = stop.cancelled(), if !stopping => Woken::Stop,
                landed = self.attempts.next() => Woken::Landed(landed),
                Some(order) = self.orders.recv(), if !stopping => Woken::Order(order),
                lanes = outbox.available(), if !stopping => Woken::Available(lanes),
                () = &mut alarm.rings => Woken::Alarm,
            };
            self.now = self.timeline.moment();
            match woken {
                Woken::Stop => {
                    stopping = true;
                    self.feed(Input::Drain, None);
                }
                Woken::Landed(landed) => self.landed(landed)?,
                Woken::Order(order) => self.order(order)?,
                Woken::Available(lanes) => self.available(&lanes),
                Woken::Alarm => {
                    alarm.at = Millis(u64::MAX);
                    self.tick();
                }
            }
            self.settle();
            let due = self.next_wake();
            if due < alarm.at {
                alarm = Alarm { at: due, rings: clock.sleep(due.since(self.timeline.schedule())) };
            }
        }
        Ok(())
    }

    fn next_wake(&self) -> Millis {
        let idle = self.now.schedule.plus(IDLE);
        self.scheduler.next_wakeup().map_or(idle, |at| at.min(idle))
    }

    fn tick(&mut self) {
        if self.timeline.jumped(self.now) {
            // Written due times have come nearer or gone further: every lane looks again.
            for (lane, _) in (0..).zip(&self.lanes.clone()) {
                self.feed(Input::Available(lane), None);
            }
        }
        self.feed(Input::Tick { entropy: self.parts.entropy.u64() }, None);
    }

    /// Takes results in, as many as one turn may.
    fn landed(&mut self, first: Landed) -> Result<(), Error> {
        let mut next = Some(first);
        for taken in 1..=RESULTS_PER_TURN {
            let Some(landed) = next.take() else { break };
            if let Some(reason) = landed.damage {
                return Err(Error::Damaged { seq: landed.seq, reason });
            }
            let finished = Finished {
                lane: landed.lane,
                seq: landed.seq,
                attempt: landed.attempt,
                outcome: landed.outcome,
                accepted_at: self.now.to_schedule(landed.accepted_at),
                // What arrived needs no jitter.
                entropy: if landed.outcome == Outcome::Delivered { 0 } else { self.parts.entropy.u64() },
            };
            self.feed(Input::Finished(finished), Some(landed));
            if taken < RESULTS_PER_TURN {
                next = self.attempts.try_next();
            }
        }
        Ok(())
    }

    fn order(&mut self, order: Order) -> Result<(), Error> {
        match order {
            Order::Refresh(lifted) => self.refresh(lifted.as_ref()),
            Order::Test(app, example, report) => self.test(&app, example, report),
            Order::Resolved(resolved) => return self.resolved(resolved),
        }
        Ok(())
    }

    fn available(&mut self, lanes: &[LaneId]) {
        if lanes.iter().any(|lane| usize::from(*lane) >= self.lanes.len()) {
            self.refresh(None);
        }
        self.withdraw_cancelled();
        for lane in lanes {
            self.feed(Input::Available(*lane), None);
        }
    }

    fn test(&self, app: &AppSlug, example: Option<Example>, report: oneshot::Sender<Report>) {
        let Some(endpoint) = self.endpoints.get(app) else { return };
        let mut entropy = [0; 16];
        self.parts.entropy.fill(&mut entropy);
        let Some(attempt) = attempt::test_event(app, endpoint, example, (self.now.wall, entropy)) else {
            return;
        };
        let sink = Arc::clone(&self.parts.sink);
        self.parts.tasks.spawn(TaskKind::Attempt, async move {
            // Whoever asked may have gone.
            let _ = report.send(sink.send(attempt).await);
        });
    }

    /// Brings lanes and endpoints up to date with the directory; the block of `lifted` is a person's
    /// business again.
    fn refresh(&mut self, lifted: Option<&AppSlug>) {
        let snapshot = self.parts.directory.current();
        self.endpoints.update(&snapshot);
        let known = self.lanes.len();
        let names = self.parts.outbox.lanes();
        self.lanes = names
            .iter()
            .map(|name| Served {
                name: name.clone(),
                endpoint: self.endpoints.get(name),
                is_ordered: snapshot
                    .get(name)
                    .and_then(|app| app.endpoint.as_ref())
                    .is_some_and(|endpoint| endpoint.is_ordered),
            })
            .collect();
        for (lane, name) in (0..).zip(&names) {
            let settings = snapshot.get(name).and_then(|app| app.endpoint.as_ref());
            // Without an endpoint (any more) what is queued waits until the config has one again.
            let mut block = match settings {
                Some(settings) => settings.block.as_ref().map(|blocked| blocked.block),
                None => Some(Block::Disabled),
            };
            if block == Some(Block::Disabled) || lifted == Some(name) {
                self.gone.remove(&lane);
            }
            if self.gone.contains(&lane) {
                // The snapshot may be older than the 410, or making it last may have failed.
                block = Some(Block::Disabled);
            }
            let new = usize::from(lane) >= known;
            let policy = settings.map(|settings| settings.policy.clone());
            if let Some(policy) = policy.or_else(|| new.then(LanePolicy::idle)) {
                self.feed(Input::Policy(lane, Box::new(policy)), None);
            }
            if !self.lanes[usize::from(lane)].is_ordered {
                self.primed.remove(&lane);
            }
            if new {
                let now = self.now;
                let parked = self.parts.outbox.parked(lane).by(|at| now.to_schedule(at));
                self.feed(Input::Restored(lane, parked), None);
            }
            self.board.set_block(name, block, &self.parts.metrics);
            self.feed(Input::Block(lane, block), None);
        }
    }

    /// Hands over what this turn has settled.
    fn settle(&mut self) {
        if !self.moves.is_empty() {
            self.parts.outbox.settle(self.moves.drain(..));
        }
    }
}

#[cfg(test)]
mod tests;
