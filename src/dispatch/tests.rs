//! The dispatcher driven turn by turn, over a real outbox, with a sink that answers as it is told.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

use super::*;
use crate::config::Config;
use crate::deliver::Attempt;
use crate::domain::breaker::State;
use crate::domain::delivery::Progress;
use crate::domain::outcome::Reason;
use crate::domain::parked::Parked;
use crate::domain::secret::Secret;
use crate::outbox::directory::Snapshot;
use crate::runtime::entropy::OsEntropy;
use crate::store::log::{self, Batch, EngineKind, Log, RowId, Space};
use crate::store::outbox::Options;
use crate::store::outbox::open::Surroundings;
use crate::store::outbox::record::{AttemptNote, Change, StoredEvent};
use crate::testing::clock::ManualClock;
use crate::testing::event::routed;

const READS: u8 = 0;
const READ_FAILS: u8 = 1;
const DAMAGED: u8 = 2;

/// A log whose reads fail when told to.
struct Brittle {
    log: Box<dyn Log>,
    reads: Arc<AtomicU8>,
}

impl Log for Brittle {
    fn append(&self, batch: &Batch) -> Result<(), log::Error> {
        self.log.append(batch)
    }

    fn replay(
        &self,
        space: Space,
        from_commit: u64,
        visit: &mut dyn FnMut(RowId, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), log::Error> {
        self.log.replay(space, from_commit, visit)
    }

    fn read(&self, row: RowId) -> Result<Option<Vec<u8>>, log::Error> {
        let (path, detail) = ("outbox".into(), "told to".to_owned());
        match self.reads.load(Ordering::Relaxed) {
            READ_FAILS => Err(log::Error::Failed { path, detail }),
            DAMAGED => Err(log::Error::Damaged { path, detail }),
            _ => self.log.read(row),
        }
    }

    fn stats(&self) -> Result<log::Stats, log::Error> {
        self.log.stats()
    }

    fn compact(
        &self,
        progress: &mut dyn FnMut(log::Progress) -> ControlFlow<()>,
    ) -> Result<log::Compacted, log::Error> {
        self.log.compact(progress)
    }

    fn close(&self) -> Result<(), log::Error> {
        self.log.close()
    }
}

/// Answers each attempt with the next outcome; without one it hangs.
#[derive(Default)]
struct Script(Mutex<VecDeque<Outcome>>);

impl Sink for Script {
    fn send(&self, _: Attempt) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        let next = self.0.lock().unwrap().pop_front();
        Box::pin(async move {
            let Some(outcome) = next else { return std::future::pending().await };
            let duration = Duration::ZERO;
            Report { outcome, status: None, error: None, excerpt: None, duration, secret_index: 0 }
        })
    }
}

struct Bench {
    dispatcher: Dispatcher,
    board: Board,
    script: Arc<Script>,
    clock: ManualClock,
    config: Config,
    directory: Directory,
    reads: Arc<AtomicU8>,
    _dir: tempfile::TempDir,
}

fn slug() -> AppSlug {
    AppSlug::new("mancha").unwrap()
}

impl Bench {
    /// With `events` deliveries that wait for one receiver.
    async fn new(events: usize) -> Self {
        let (dir, clock, reads) =
            (tempfile::tempdir().unwrap(), ManualClock::default(), Arc::new(AtomicU8::new(READS)));
        let log = log::open(&dir.path().join("outbox"), EngineKind::Redb, log::Options::default()).unwrap();
        let brittle = Brittle { log, reads: Arc::clone(&reads) };
        let options = Options {
            free_bytes_min: 0,
            dedupe_keep: Duration::from_secs(3600),
            cache_bytes: 0,
            ..Options::default()
        };
        let around = Surroundings {
            clock: Arc::new(clock.clone()),
            free_bytes: Box::new(|| None),
            on_commit: Box::new(|_| {}),
        };
        let outbox = Arc::new(Outbox::open(Box::new(brittle), options, around).unwrap());
        let waiting = (0..events).map(|n| event(n, clock.now())).collect();
        outbox.append(waiting).await.unwrap();
        let mut config = Config::default();
        let app = config.apps.entry(slug()).or_default();
        app.endpoint = Some("http://127.0.0.1:9/".parse().unwrap());
        app.endpoint_secrets = vec![Secret::new("a secret of some length, for one test").unwrap()];
        config.delivery.retry.max_attempts = 1;
        let script = Arc::new(Script::default());
        let directory = Directory::new(Snapshot::new(&config, &BTreeMap::default()));
        let (dispatcher, handle) = Dispatcher::new(Parts {
            outbox,
            directory: directory.clone(),
            sink: Arc::<Script>::clone(&script),
            clock: Arc::new(clock.clone()),
            entropy: Arc::new(OsEntropy),
            tasks: Tasks::new(),
            metrics: Arc::new(Metrics::new().unwrap()),
            tracer: Tracer::off(),
            in_flight_max: 16,
            on_gone: Box::new(|_| {}),
        });
        let board = handle.board().clone();
        Self { dispatcher, board, script, clock, config, directory, reads, _dir: dir }
    }

    fn answers(&self, outcomes: impl IntoIterator<Item = Outcome>) {
        self.script.0.lock().unwrap().extend(outcomes);
    }

    /// Takes in the results that are there, at least one.
    async fn land(&mut self) -> Result<(), Error> {
        let landed = self.dispatcher.attempts.next().await;
        self.dispatcher.landed(landed)
    }

    fn tick(&mut self) {
        self.dispatcher.now = self.dispatcher.timeline.moment();
        self.dispatcher.tick();
    }

    fn settled(&self) -> Vec<(Change, Progress)> {
        self.dispatcher.moves.iter().map(|step| (step.change, step.progress)).collect()
    }

    fn block(&self) -> Option<Block> {
        self.board.get(&slug()).block
    }
}

fn event(n: usize, at: Millis) -> StoredEvent {
    routed("colectiva", &format!("event-{n}"), &[slug().as_str()], at)
}

#[tokio::test]
async fn a_turn_takes_a_bounded_number_of_results() {
    let mut bench = Bench::new(0).await;
    let dispatcher = &mut bench.dispatcher;
    dispatcher.feed(Input::Policy(0, Box::new(LanePolicy::idle())), None);
    // Results that nobody waits for: each is only counted.
    let stale = |seq| Landed {
        lane: 0,
        seq,
        attempt: 1,
        outcome: Outcome::Delivered,
        accepted_at: Millis(0),
        sent: None,
        note: Box::new(AttemptNote {
            started_at: Millis(0),
            duration_ms: 0,
            probe: false,
            status: None,
            reason: None,
            error: None,
            excerpt: None,
        }),
        damage: None,
    };
    let done = Arc::new(tokio::sync::Semaphore::new(0));
    for seq in 1..1000 {
        let done = Arc::clone(&done);
        dispatcher.attempts.spawn(async move {
            done.add_permits(1);
            stale(seq)
        });
    }
    let _all = done.acquire_many(999).await.unwrap();
    dispatcher.landed(stale(0)).unwrap();
    assert_eq!(dispatcher.scheduler.stale_results(), RESULTS_PER_TURN as u64);
}

#[tokio::test]
async fn our_own_unreadable_disk_is_not_held_against_the_receiver() {
    let mut bench = Bench::new(12).await;
    bench.reads.store(READ_FAILS, Ordering::Relaxed);
    bench.dispatcher.refresh(None);
    while bench.settled().len() < 12 {
        bench.land().await.unwrap();
    }
    for (change, progress) in bench.settled() {
        assert!(matches!(change, Change::Retry { due } if due > bench.clock.now()), "{change:?}");
        assert_eq!(progress, Progress { attempts: 1, charged: 0 });
    }
    let reason = |step: &Move| step.note.as_ref().and_then(|note| note.reason);
    assert!(bench.dispatcher.moves.iter().all(|step| reason(step) == Some(Reason::Unsent)));
    assert_eq!(bench.dispatcher.scheduler.breaker(0), Some(State::Closed));
}

#[tokio::test]
async fn a_damaged_store_ends_the_dispatcher() {
    let mut bench = Bench::new(1).await;
    bench.reads.store(DAMAGED, Ordering::Relaxed);
    bench.dispatcher.refresh(None);
    let Err(Error::Damaged { reason, .. }) = bench.land().await else { panic!("it goes on") };
    assert!(reason.contains("told to"), "{reason}");
    assert!(bench.settled().is_empty());
}

#[tokio::test]
async fn a_jump_of_the_wall_clock_ends_no_lease_and_only_shows_in_what_is_written() {
    for forwards in [true, false] {
        let mut bench = Bench::new(1).await;
        bench.config.delivery.retry.max_attempts = 5;
        bench.directory.update(|| Ok::<_, ()>(Snapshot::new(&bench.config, &BTreeMap::default()))).unwrap();
        bench.dispatcher.refresh(None);
        assert_eq!(bench.dispatcher.scheduler.in_flight(), 1);
        let (start, day) = (bench.clock.now(), Duration::from_secs(86_400));
        bench.clock.jump_to(if forwards { start.plus(day) } else { start.minus(day) });
        bench.tick();
        assert_eq!((bench.dispatcher.scheduler.in_flight(), bench.settled().len()), (1, 0));
        let lease = bench.config.delivery.timeout + Duration::from_secs(11);
        bench.clock.advance(lease);
        bench.tick();
        let [(Change::Retry { due }, _)] = bench.settled()[..] else { panic!("{:?}", bench.settled()) };
        let wait = due.since(bench.clock.now());
        assert!(!wait.is_zero() && wait <= bench.config.delivery.retry.max, "{wait:?}");
    }
}

#[tokio::test]
async fn a_receiver_that_is_gone_stays_blocked_until_a_person_lifts_it() {
    let mut bench = Bench::new(20).await;
    bench.answers([Outcome::Gone]);
    bench.dispatcher.refresh(None);
    bench.land().await.unwrap();
    assert_eq!(bench.block(), Some(Block::Disabled));
    // Making it last has failed: the directory knows nothing of it.
    bench.dispatcher.refresh(None);
    assert_eq!(bench.block(), Some(Block::Disabled));
    let in_flight = bench.dispatcher.scheduler.in_flight();
    bench.dispatcher.available(&[0]);
    assert_eq!(bench.dispatcher.scheduler.in_flight(), in_flight, "nothing more is sent");
    bench.dispatcher.refresh(Some(&slug()));
    assert_eq!(bench.block(), None);
    assert!(bench.dispatcher.scheduler.in_flight() > in_flight);
}

#[tokio::test]
async fn parked_time_outlives_a_start_without_the_endpoint() {
    let mut bench = Bench::new(1).await;
    let (accepted, hour) = (bench.clock.now(), Duration::from_secs(3600));
    let mut before = Parked::default();
    before.begin(accepted);
    before.end(accepted.plus(hour));
    let outbox = Arc::clone(&bench.dispatcher.parts.outbox);
    outbox.park(0, before);
    outbox.append(vec![event(100, accepted)]).await.unwrap();
    bench.directory.update(|| Ok::<_, ()>(Snapshot::default())).unwrap();
    bench.clock.advance(2 * hour);
    bench.dispatcher.now = bench.dispatcher.timeline.moment();
    bench.dispatcher.refresh(None);
    bench.clock.advance(hour);
    bench.dispatcher.now = bench.dispatcher.timeline.moment();
    bench.directory.update(|| Ok::<_, ()>(Snapshot::new(&bench.config, &BTreeMap::default()))).unwrap();
    bench.dispatcher.refresh(None);
    outbox.append(vec![event(101, accepted)]).await.unwrap();
    assert_eq!(outbox.parked(0).age(accepted, bench.clock.now()), hour, "of three hours two were parked");
}

#[tokio::test]
async fn a_delivery_that_dies_of_a_lost_attempt_is_counted() {
    let mut bench = Bench::new(1).await;
    bench.dispatcher.refresh(None);
    bench.clock.advance(bench.config.delivery.timeout + Duration::from_secs(11));
    bench.tick();
    assert!(matches!(bench.settled()[..], [(Change::Dead(Reason::Exhausted), _)]));
    bench.dispatcher.settle();
    bench.dispatcher.parts.tasks.drain(&bench.clock, Duration::from_secs(1)).await;
    let dead = bench.dispatcher.parts.metrics.deliveries.with_label_values(&["mancha", "dead"]);
    assert_eq!(dead.get(), 1);
}

#[tokio::test]
async fn the_results_of_a_turn_are_handed_over_together() {
    let mut bench = Bench::new(3).await;
    bench.answers([Outcome::Delivered; 3]);
    bench.dispatcher.refresh(None);
    while bench.settled().len() < 3 {
        bench.land().await.unwrap();
    }
    bench.dispatcher.settle();
    assert!(bench.settled().is_empty());
    let outbox = Arc::clone(&bench.dispatcher.parts.outbox);
    outbox.append(vec![event(100, bench.clock.now())]).await.unwrap();
    assert_eq!(outbox.counts(0).open, 1, "the three are done");
}
