//! The shell around the scheduler: it claims from the outbox, sends through the sink and settles.
//!
//! All decisions are `domain::scheduler`'s; this task feeds it what happens and does what it says.
//! Never waits for a receiver: attempts are tasks of their own. A crash loses only what is in
//! memory here, and the outbox offers every unsettled delivery again.

mod attempt;
mod board;
mod endpoints;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::deliver::{Report, Sink};
use crate::domain::delivery::Next;
use crate::domain::id::AppSlug;
use crate::domain::scheduler::{Action, Block, Claims, Finished, Input, LaneId, Scheduler};
use crate::domain::time::Millis;
use crate::outbox::directory::Directory;
use crate::runtime::clock::Clock;
use crate::runtime::entropy::Entropy;
use crate::runtime::task::{TaskKind, Tasks};
use crate::store::outbox::record::{AttemptNote, Change, Move};
use crate::store::outbox::{Outbox, index};
use crate::telemetry::event;
use crate::telemetry::metrics::Metrics;
use attempt::Landed;
pub use board::{Board, LaneView};
use endpoints::Endpoints;

/// Most inputs taken between two looks at the other sources.
const INPUTS_PER_TURN: usize = 256;

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
    /// Runs the attempts.
    pub tasks: Tasks,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Most attempts at a time.
    pub in_flight_max: usize,
    /// Called when a receiver is gone: it must make the block last.
    pub on_gone: Box<dyn Fn(&AppSlug) + Send + Sync>,
}

/// What others ask of the dispatcher.
#[derive(Debug)]
enum Order {
    /// The directory has changed.
    Refresh,
    /// A person wants to know what an endpoint answers now.
    Test(AppSlug, oneshot::Sender<Report>),
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
        let _ = self.orders.send(Order::Refresh).await;
    }

    /// Sends one signed test event to `app` now, outside its queue, and says what came of it. `None` if
    /// it has no endpoint or the dispatcher is stopping.
    pub async fn probe(&self, app: &AppSlug) -> Option<Report> {
        let (report, answer) = oneshot::channel();
        self.orders.send(Order::Test(app.clone(), report)).await.ok()?;
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
    scheduler: Scheduler,
    endpoints: Endpoints,
    names: Vec<AppSlug>,
    orders: mpsc::Receiver<Order>,
    landed_in: mpsc::Sender<Landed>,
    landed: mpsc::Receiver<Landed>,
    board: Board,
}

impl Dispatcher {
    /// A dispatcher and the handle to it.
    pub fn new(parts: Parts) -> (Self, Handle) {
        let (order_in, orders) = mpsc::channel(64);
        // Each attempt under way has a place, so none ever waits to report.
        let (landed_in, landed) = mpsc::channel(parts.in_flight_max + 1);
        let board = Board::default();
        let handle = Handle { orders: order_in, board: board.clone() };
        let dispatcher = Self {
            scheduler: Scheduler::new(parts.in_flight_max),
            endpoints: Endpoints::default(),
            names: Vec::new(),
            orders,
            landed_in,
            landed,
            board,
            parts,
        };
        (dispatcher, handle)
    }

    /// Runs until the soft token asks to stop and what is in flight has ended.
    pub async fn run(mut self) {
        let stop = self.parts.tasks.soft();
        let mut stopping = false;
        self.refresh();
        loop {
            let wake = self.next_wake();
            let clock = Arc::clone(&self.parts.clock);
            let outbox = Arc::clone(&self.parts.outbox);
            tokio::select! {
                biased;
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    self.feed(Input::Drain, None);
                }
                Some(landed) = self.landed.recv() => self.landed(landed),
                Some(order) = self.orders.recv(), if !stopping => self.order(order),
                lanes = outbox.available(), if !stopping => self.available(&lanes),
                () = clock.sleep(wake) => self.feed(Input::Tick, None),
            }
            if stopping && self.scheduler.in_flight() == 0 {
                return;
            }
        }
    }

    fn next_wake(&self) -> Duration {
        const IDLE: Duration = Duration::from_secs(1);
        let due = self.scheduler.next_wakeup().map(|at| at.since(self.parts.clock.now()));
        due.map_or(IDLE, |due| due.min(IDLE))
    }

    fn landed(&mut self, first: Landed) {
        let mut next = Some(first);
        for _ in 0..INPUTS_PER_TURN {
            let Some(landed) = next.take() else { return };
            let finished = Finished {
                lane: landed.lane,
                seq: landed.seq,
                attempt: landed.attempt,
                outcome: landed.outcome,
                accepted_at: landed.accepted_at,
                entropy: self.parts.entropy.u64(),
            };
            self.feed(Input::Finished(finished), Some(landed));
            next = self.landed.try_recv().ok();
        }
        if let Some(landed) = next {
            self.landed(landed);
        }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Refresh => self.refresh(),
            Order::Test(app, report) => self.test(&app, report),
        }
    }

    fn available(&mut self, lanes: &[LaneId]) {
        if lanes.iter().any(|lane| usize::from(*lane) >= self.names.len()) {
            self.refresh();
        }
        for lane in lanes {
            self.feed(Input::Available(*lane), None);
        }
    }

    fn test(&self, app: &AppSlug, report: oneshot::Sender<Report>) {
        let Some(endpoint) = self.endpoints.get(app) else { return };
        let mut entropy = [0; 16];
        self.parts.entropy.fill(&mut entropy);
        let Some(attempt) = attempt::test_event(app, endpoint, self.parts.clock.now(), entropy) else {
            return;
        };
        let sink = Arc::clone(&self.parts.sink);
        self.parts.tasks.spawn(TaskKind::Attempt, async move {
            // Whoever asked may have gone.
            let _ = report.send(sink.send(attempt).await);
        });
    }

    /// Brings lanes and endpoints up to date with the directory.
    fn refresh(&mut self) {
        let snapshot = self.parts.directory.current();
        self.endpoints.update(&snapshot);
        let known = self.names.len();
        self.names = self.parts.outbox.lanes();
        for (lane, name) in (0..).zip(self.names.clone()) {
            let settings = snapshot.get(&name).and_then(|app| app.endpoint.as_ref());
            // Without an endpoint (any more) what is queued waits until the config has one again.
            let block = match settings {
                Some(settings) => settings.block.as_ref().map(|blocked| blocked.block),
                None => Some(Block::Disabled),
            };
            if let Some(settings) = settings {
                self.feed(Input::Policy(lane, Box::new(settings.policy.clone())), None);
            }
            if usize::from(lane) >= known {
                self.feed(Input::Restored(lane, self.parts.outbox.parked(lane)), None);
            }
            self.board.set_block(&name, block);
            self.feed(Input::Block(lane, block), None);
        }
    }

    /// Gives the scheduler one input and does what it says, until it has nothing more to say.
    fn feed(&mut self, input: Input, landed: Option<Landed>) {
        let mut inputs = VecDeque::from([input]);
        let mut actions = Vec::new();
        let mut moves = Vec::new();
        let mut note = landed;
        let now = self.parts.clock.now();
        while let Some(input) = inputs.pop_front() {
            self.scheduler.on(input, now, &mut actions);
            for action in actions.drain(..) {
                self.act(action, now, &mut note, &mut inputs, &mut moves);
            }
        }
        if !moves.is_empty() {
            self.parts.outbox.settle(moves);
        }
    }

    fn act(
        &mut self,
        action: Action,
        now: Millis,
        landed: &mut Option<Landed>,
        inputs: &mut VecDeque<Input>,
        moves: &mut Vec<Move>,
    ) {
        match action {
            Action::Claim { lane, limit } => {
                let claims = self.parts.outbox.claim(lane, limit, now);
                let index::Claims { deliveries, next_due, more } = claims;
                let next_seq = self.parts.outbox.next_seq();
                inputs.push_back(Input::Claimed(lane, Claims { deliveries, next_due, more, next_seq }));
            }
            Action::Send { lane, seq, attempt, probe } => self.send(lane, seq, attempt, probe),
            Action::Settle { lane, seq, progress, next } => {
                let landed = landed.take_if(|landed| landed.lane == lane && landed.seq == seq);
                let change = change(next);
                self.tell(lane, change, progress.attempts, landed.as_ref(), now);
                let note = landed.map_or_else(|| lost_note(now), |landed| landed.note);
                moves.push(Move { seq, lane, at: now, progress, change, note: Some(Box::new(note)) });
            }
            Action::Release { lane, deliveries } => self.parts.outbox.release(lane, &deliveries),
            Action::Breaker { lane, state } => {
                if let Some(receiver) = self.names.get(usize::from(lane)) {
                    self.board.set_breaker(receiver, state, &self.parts.metrics);
                }
            }
            Action::Disable { lane } => {
                if let Some(receiver) = self.names.get(usize::from(lane)).cloned() {
                    event::EndpointDisabled { receiver: &receiver, reason: "gone" }.emit(&self.parts.metrics);
                    self.board.set_block(&receiver, Some(Block::Disabled));
                    (self.parts.on_gone)(&receiver);
                }
            }
            Action::Parked { lane, parked } => self.parts.outbox.park(lane, parked),
        }
    }

    /// Says what became of a delivery, in the log and the metrics.
    fn tell(&self, lane: LaneId, change: Change, attempts: u16, landed: Option<&Landed>, now: Millis) {
        let (Some(receiver), Some(landed)) = (self.names.get(usize::from(lane)), landed) else { return };
        let (Some(delivery_id), Some(event_id)) = (landed.delivery_id, landed.event_id.as_ref()) else {
            return;
        };
        let (outcome, reason) = match change {
            Change::Delivered => (event::Terminal::Delivered, None),
            Change::Dead(reason) => (event::Terminal::Dead, Some(reason.as_str())),
            _ => return,
        };
        event::DeliveryTerminal {
            receiver,
            delivery_id,
            event_id,
            outcome,
            reason,
            attempts: attempts.into(),
            lag: now.since(landed.accepted_at),
        }
        .emit(&self.parts.metrics);
    }

    fn send(&self, lane: LaneId, seq: u64, attempt: u16, probe: bool) {
        let receiver = self.names.get(usize::from(lane)).cloned();
        let endpoint = receiver.as_ref().and_then(|receiver| self.endpoints.get(receiver));
        attempt::start(
            &self.parts,
            self.landed_in.clone(),
            attempt::Order { lane, seq, attempt, probe, receiver, endpoint },
        );
    }
}

fn change(next: Next) -> Change {
    match next {
        Next::Delivered => Change::Delivered,
        Next::Retry { due } => Change::Retry { due },
        Next::Dead(reason) => Change::Dead(reason),
        Next::Park => Change::Park,
    }
}

/// What is written of an attempt whose task never reported.
fn lost_note(now: Millis) -> AttemptNote {
    AttemptNote {
        started_at: now,
        duration_ms: 0,
        probe: false,
        status: None,
        reason: Some(crate::domain::outcome::Reason::Timeout),
        error: Some("the attempt did not report within its lease".to_owned()),
        excerpt: None,
    }
}
