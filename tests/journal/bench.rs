//! An outbox and a journal in a folder of their own, and the steps of a delivery in short.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use camino_broker::domain::delivery::Progress;
use camino_broker::domain::id::AppSlug;
use camino_broker::domain::outcome::Reason;
use camino_broker::domain::scheduler::LaneId;
use camino_broker::domain::time::Millis;
use camino_broker::runtime::clock::SystemClock;
use camino_broker::store::journal::{self, Writer};
use camino_broker::store::log::{self, EngineKind};
use camino_broker::store::outbox::open::Surroundings;
use camino_broker::store::outbox::record::{AttemptNote, Change, Move, Proof, StoredEvent};
use camino_broker::store::outbox::{Appended, Options, Outbox};
use camino_broker::testing::event::routed;
use rusqlite::Connection;

pub const T0: Millis = Millis(1_776_340_800_000);

pub struct Bench {
    pub dir: tempfile::TempDir,
    pub engine: EngineKind,
}

impl Bench {
    pub fn new(engine: EngineKind) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), engine }
    }

    pub fn outbox(&self) -> Outbox {
        let log = log::open(&self.dir.path().join("outbox"), self.engine, log::Options::default()).unwrap();
        let options = Options {
            free_bytes_min: 0,
            dedupe_keep: Duration::from_secs(3600),
            cache_bytes: 1 << 20,
            ..Options::default()
        };
        let around = Surroundings {
            clock: Arc::new(SystemClock::new()),
            free_bytes: Box::new(|| None),
            on_commit: Box::new(|_| {}),
        };
        Outbox::open(log, options, around).unwrap()
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("journal.db")
    }

    pub fn writer(&self) -> Writer {
        journal::open(&self.path()).unwrap().0
    }

    /// Takes in all there is, with a writer of its own.
    pub fn catch_up(&self, outbox: &Outbox) {
        let mut writer = self.writer();
        writer.begin(outbox).unwrap();
        writer.follow(outbox).unwrap();
    }

    /// A look past the journal's own queries.
    pub fn sql(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    pub fn count(&self, sql: &str) -> i64 {
        self.sql().query_row(sql, (), |row| row.get(0)).unwrap()
    }

    /// Everything in the journal's tables, row by row as text.
    pub fn content(&self) -> Vec<String> {
        let db = self.sql();
        let tables: Vec<String> = db
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .unwrap()
            .query_map((), |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let mut content = Vec::new();
        for table in tables {
            let mut statement = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns = statement.column_count();
            let mut rows = statement.query(()).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let cells: Vec<_> =
                    (0..columns).map(|at| row.get::<_, rusqlite::types::Value>(at).unwrap()).collect();
                content.push(format!("{table}: {cells:?}"));
            }
        }
        content
    }
}

pub fn slug(text: &str) -> AppSlug {
    AppSlug::new(text).unwrap()
}

pub fn event(id: &str, receivers: &[&str]) -> StoredEvent {
    let body = format!("{{\"eventId\":\"{id}\"}}").repeat(20).into();
    StoredEvent { organization: "org-1".to_owned(), body, ..routed("colectiva", id, receivers, T0) }
}

/// Appends events and gives their numbers.
pub async fn append(outbox: &Outbox, events: Vec<StoredEvent>) -> Vec<u64> {
    let answers = outbox.append(events).await.unwrap();
    let seq = |answer| match answer {
        Appended::New(event) => event.seq,
        other => panic!("not new: {other:?}"),
    };
    answers.into_iter().map(seq).collect()
}

/// Settles and waits until that is committed.
pub async fn settle(outbox: &Outbox, moves: Vec<Move>) {
    for step in moves {
        // One commit takes one move of a delivery.
        let before = outbox.tail().head();
        outbox.settle([step]);
        assert!(tokio::task::block_in_place(|| {
            while outbox.tail().head() == before {
                outbox.tail().wait(before, Duration::from_secs(10));
            }
            true
        }));
    }
}

pub fn delivered(lane: LaneId, seq: u64, attempt: u16) -> Move {
    step(lane, seq, attempt, Change::Delivered, None)
}

pub fn failed(lane: LaneId, seq: u64, attempt: u16) -> Move {
    let due = Millis(T0.0 + 60_000);
    step(lane, seq, attempt, Change::Retry { due }, Some(Reason::Status))
}

pub fn dead(lane: LaneId, seq: u64, attempt: u16) -> Move {
    step(lane, seq, attempt, Change::Dead(Reason::Rejected), Some(Reason::Rejected))
}

/// A dead one let go of.
pub fn dismissed(lane: LaneId, seq: u64) -> Move {
    let progress = Progress::default();
    Move { seq, lane, at: T0, progress, change: Change::Dismissed, note: None }
}

fn step(lane: LaneId, seq: u64, attempt: u16, change: Change, reason: Option<Reason>) -> Move {
    let at = Millis(T0.0 + 1_000 * u64::from(attempt));
    let note = AttemptNote {
        started_at: Millis(at.0 - 40),
        duration_ms: 40,
        probe: false,
        status: Some(if reason.is_none() { 200 } else { 503 }),
        reason,
        error: None,
        excerpt: reason.map(|_| "no room".to_owned()),
    };
    let progress = Progress { attempts: attempt, charged: attempt };
    Move { seq, lane, at, progress, change, note: Some(Box::new(note)) }
}

/// A further delivery of `first` to `receivers`.
pub fn again(first: &StoredEvent, generation: u32, receivers: &[&str]) -> StoredEvent {
    let mut event = event(first.event_id.as_str(), receivers);
    event.body = first.body.clone();
    event.generation = generation;
    event.proof = Proof::Internal;
    event
}
