//! What the outbox takes on the disk when its work is done: payloads gone, the file back under its bound.
//!
//! `CAMINO_SPACE_EVENTS` asks for another number of events than 20,000.

use std::ops::ControlFlow;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use camino_broker::domain::delivery::Progress as Attempts;
use camino_broker::domain::id::{AppSlug, EventId};
use camino_broker::domain::scheduler::LaneId;
use camino_broker::domain::time::Millis;
use camino_broker::store::log::{
    self, Batch, Compacted, EngineKind, Error, Log, Progress, RowId, Space, SpaceBound, Stats, should_compact,
};
use camino_broker::store::outbox::open::Surroundings;
use camino_broker::store::outbox::record::{Change, Move, StoredEvent};
use camino_broker::store::outbox::{Options, Outbox};
use camino_broker::testing::clock::ManualClock;
use camino_broker::testing::event::routed;
use camino_broker::testing::log_conformance::bytes;

const RECEIVERS: [&str; 3] = ["comal", "cosmos-pet", "colectiva"];
const BODY_BYTES: usize = 3_000;
const BATCH_EVENTS: usize = 100;
/// What is left of a settled event until its dedupe record and its commit records go too.
const LEFT_BYTES_MAX: u64 = 128;
/// Longer than any commit takes: only a committer that has stopped is waited for so long.
const PATIENCE: Duration = Duration::from_secs(60);
const T0: Millis = Millis(1_776_340_800_000);

/// A log that can be looked at while an outbox owns it.
struct Seen(Arc<dyn Log>);

impl Log for Seen {
    fn append(&self, batch: &Batch) -> Result<(), Error> {
        self.0.append(batch)
    }

    fn replay(
        &self,
        space: Space,
        from_commit: u64,
        visit: &mut dyn FnMut(RowId, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.0.replay(space, from_commit, visit)
    }

    fn read(&self, row: RowId) -> Result<Option<Vec<u8>>, Error> {
        self.0.read(row)
    }

    fn stats(&self) -> Result<Stats, Error> {
        self.0.stats()
    }

    fn compact(&self, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Compacted, Error> {
        self.0.compact(progress)
    }

    fn close(&self) -> Result<(), Error> {
        self.0.close()
    }
}

struct Bench {
    outbox: Outbox,
    log: Arc<dyn Log>,
    commits: mpsc::Receiver<()>,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new(engine: EngineKind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let opened = log::open(&dir.path().join("outbox"), engine, log::Options::default());
        let log: Arc<dyn Log> = Arc::from(opened.unwrap());
        let (committed, commits) = mpsc::channel();
        let options = Options {
            free_bytes_min: 0,
            dedupe_keep: Duration::from_hours(72),
            cache_bytes: 1 << 20,
            ..Options::default()
        };
        let around = Surroundings {
            clock: Arc::new(ManualClock::new(T0)),
            free_bytes: Box::new(|| None),
            on_commit: Box::new(move |_| committed.send(()).unwrap_or_default()),
        };
        let outbox = Outbox::open(Box::new(Seen(Arc::clone(&log))), options, around).unwrap();
        Self { outbox, log, commits, _dir: dir }
    }

    fn rows(&self, space: Space) -> u64 {
        let mut rows = 0;
        let mut visit = |_, _: &[u8]| {
            rows += 1;
            ControlFlow::Continue(())
        };
        self.log.replay(space, 0, &mut visit).unwrap();
        rows
    }

    /// Accepts a batch and delivers all of it.
    async fn batch(&self, first: usize) {
        let events = (first..first + BATCH_EVENTS).map(event).collect();
        self.outbox.append(events).await.unwrap();
        for lane in 0..LaneId::try_from(RECEIVERS.len()).unwrap() {
            let claims = self.outbox.claim(lane, BATCH_EVENTS, T0);
            assert_eq!(claims.deliveries.len(), BATCH_EVENTS);
            self.outbox.settle(claims.deliveries.iter().map(|claimed| Move {
                seq: claimed.seq,
                lane,
                at: T0,
                progress: Attempts { attempts: 1, charged: 1 },
                change: Change::Delivered,
                note: None,
            }));
        }
    }

    /// Waits until every delivery is settled where all can see it.
    fn wait_settled(&self) {
        let tail = self.outbox.tail();
        loop {
            let head = tail.head();
            if self.open() == 0 {
                return;
            }
            assert!(tail.wait(head, PATIENCE) && tail.head() > head, "deliveries stay open");
        }
    }

    /// Waits, commit by commit, until no payload is left.
    fn wait_removed(&self) {
        while self.rows(Space::Events) > 0 {
            self.commits.recv_timeout(PATIENCE).expect("a commit that removes what is left");
        }
    }

    fn open(&self) -> u64 {
        (0..3).map(|lane| self.outbox.counts(lane).open).sum()
    }
}

fn event(n: usize) -> StoredEvent {
    let body = bytes(n as u64, BODY_BYTES).into();
    StoredEvent { body, ..routed("voz", &format!("e{n}"), &RECEIVERS, T0) }
}

async fn settled_events_give_their_space_back(engine: EngineKind) {
    let events: usize = std::env::var("CAMINO_SPACE_EVENTS").map_or(20_000, |count| count.parse().unwrap());
    let bench = Bench::new(engine);
    for first in (0..events).step_by(BATCH_EVENTS) {
        bench.batch(first).await;
    }
    bench.wait_settled();
    let full = bench.log.stats().unwrap();
    let packs = bench.rows(Space::Events);
    println!("{engine:?}: {events} events settled, not journalled: {full:?}, {packs} rows of payload");
    assert!(full.live_bytes > (events * BODY_BYTES) as u64, "the journal has nothing yet: all is kept");
    bench.outbox.journalled(bench.outbox.tail().head());
    bench.wait_removed();
    let empty = bench.log.stats().unwrap();
    println!("{engine:?}: journalled: {empty:?}");
    assert_eq!(bench.outbox.stats().unwrap().1, 0, "no bytes are held");
    let left = events as u64 * LEFT_BYTES_MAX;
    assert!(empty.live_bytes < left, "{} bytes are left, {left} expected", empty.live_bytes);
    let compacted = bench.outbox.compact_if_due().unwrap();
    let after = bench.log.stats().unwrap();
    println!("{engine:?}: compacted = {compacted}: {after:?}");
    assert!(!should_compact(&after, &SpaceBound::default()), "the bound holds: {after:?}");
    if compacted {
        assert!(after.disk_bytes < left * 6, "{} bytes on disk after a compaction", after.disk_bytes);
    }
    let known = bench.outbox.lookup(&AppSlug::new("voz").unwrap(), &EventId::new("e0").unwrap());
    assert!(known.unwrap().is_some(), "the dedupe record outlives its payload");
}

#[tokio::test]
async fn settled_events_give_their_space_back_in_sled() {
    settled_events_give_their_space_back(EngineKind::Sled).await;
}

#[tokio::test]
async fn settled_events_give_their_space_back_in_redb() {
    settled_events_give_their_space_back(EngineKind::Redb).await;
}
