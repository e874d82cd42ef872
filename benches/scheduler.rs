//! The scheduler's step with the outbox's index under it, by the deliveries that wait and by receivers.
//!
//! No I/O: what ended is settled in the index at once, and as much comes in anew, so that the backlog stays.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop there")]

#[path = "material/tempo.rs"]
mod tempo;

use std::collections::VecDeque;

use camino_broker::domain::delivery::Next;
use camino_broker::domain::id::AppSlug;
use camino_broker::domain::outcome::Outcome;
use camino_broker::domain::scheduler::{Action, Claims, Finished, Input, LaneId, LanePolicy, Scheduler};
use camino_broker::domain::time::Millis;
use camino_broker::store::outbox::index::Index;
use camino_broker::store::outbox::record::{Change, CommitRecord, Head, Move, PackSize};
use criterion::{BenchmarkId, Criterion, Throughput};

const WAITING: [usize; 3] = [10_000, 100_000, 1_000_000];
const RECEIVERS: [LaneId; 3] = [5, 50, 1_000];
/// Attempts that end in one round, and deliveries that come in anew.
const ROUND: usize = 1_000;
const IN_FLIGHT_MAX: usize = 256;
/// Events in each of the commits that the backlog came in.
const COMMIT_EVENTS: usize = 200;
const T0: Millis = Millis(1_776_340_800_000);

fn main() {
    let mut criterion = tempo::criterion();
    by(&mut criterion, "scheduler by waiting", WAITING.map(|waiting| (waiting, waiting, 5)));
    let cases = RECEIVERS.map(|receivers| (usize::from(receivers), 100_000, receivers));
    by(&mut criterion, "scheduler by receivers", cases);
    criterion.final_summary();
}

/// Each of `cases` is the number that is shown, the deliveries that wait and the receivers.
fn by(criterion: &mut Criterion, name: &str, cases: [(usize, usize, LaneId); 3]) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(ROUND as u64));
    for (shown, waiting, receivers) in cases {
        let mut broker = Broker::new(waiting, receivers);
        group.bench_function(BenchmarkId::new("step", shown), |bencher| bencher.iter(|| broker.round()));
        let left: u64 = (0..receivers).map(|lane| broker.index.counts(lane).open).sum();
        assert_eq!(left, waiting as u64, "the backlog has changed");
    }
    group.finish();
}

/// The brain, the index, and attempts that end in the order in which they began.
struct Broker {
    scheduler: Scheduler,
    index: Index,
    receivers: LaneId,
    commits: u64,
    flying: VecDeque<(LaneId, u64, u16)>,
    ended: Vec<Move>,
    actions: Vec<Action>,
}

impl Broker {
    fn new(waiting: usize, receivers: LaneId) -> Self {
        let mut broker = Self {
            scheduler: Scheduler::new(IN_FLIGHT_MAX),
            index: Index::default(),
            receivers,
            commits: 0,
            flying: VecDeque::new(),
            ended: Vec::new(),
            actions: Vec::new(),
        };
        let names = (0..receivers).map(|lane| (lane, AppSlug::new(&format!("bench-{lane:04}")).unwrap()));
        broker.commit(&CommitRecord { names: names.collect(), ..CommitRecord::default() });
        let mut events = waiting / usize::from(receivers);
        while events > 0 {
            let count = events.min(COMMIT_EVENTS);
            broker.take_in(count);
            events -= count;
        }
        for lane in 0..receivers {
            let policy = LanePolicy { in_flight_max: 64, ..LanePolicy::idle() };
            broker.on(Input::Policy(lane, Box::new(policy)));
            broker.on(Input::Available(lane));
        }
        broker
    }

    /// One commit's worth: attempts end and are settled, and as many deliveries come in.
    fn round(&mut self) {
        for _ in 0..ROUND {
            let (lane, seq, attempt) = self.flying.pop_front().unwrap();
            self.on(Input::Finished(Finished {
                lane,
                seq,
                attempt,
                outcome: Outcome::Delivered,
                accepted_at: T0,
                entropy: 7,
            }));
        }
        self.take_in(ROUND / usize::from(self.receivers));
        // As the outbox does after each commit: a receiver that had claimed all it had must hear of more.
        for lane in 0..self.receivers {
            self.on(Input::Available(lane));
        }
        self.index.take_spent(self.commits, ROUND);
    }

    /// A commit of so many events for everybody, and of all that has ended since the last one.
    fn take_in(&mut self, events: usize) {
        let from = self.index.next_seq();
        let heads = (from..).take(events).map(|seq| Head {
            seq,
            lanes: (0..self.receivers).collect(),
            quarantined: false,
        });
        let record = CommitRecord {
            heads: heads.collect(),
            pack: Some(PackSize { chunks: 1, bytes: 1_024 }),
            moves: std::mem::take(&mut self.ended),
            ..CommitRecord::default()
        };
        self.commit(&record);
    }

    fn commit(&mut self, record: &CommitRecord) {
        self.commits += 1;
        self.index.apply(self.commits, record);
    }

    fn on(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.scheduler.on(input, T0, &mut self.actions);
            for action in self.actions.drain(..) {
                match action {
                    Action::Claim { lane, limit } => {
                        let next_seq = self.index.next_seq();
                        let found = self.index.claim(lane, limit, T0);
                        let (deliveries, next_due, more) = (found.deliveries, found.next_due, found.more);
                        inputs
                            .push_back(Input::Claimed(lane, Claims { deliveries, next_due, more, next_seq }));
                    }
                    Action::Send { lane, seq, attempt, .. } => self.flying.push_back((lane, seq, attempt)),
                    Action::Settle { lane, seq, progress, next: Next::Delivered } => {
                        let (change, note) = (Change::Delivered, None);
                        self.ended.push(Move { seq, lane, at: T0, progress, change, note });
                    }
                    other => assert!(matches!(other, Action::Breaker { .. }), "{other:?}"),
                }
            }
        }
    }
}
