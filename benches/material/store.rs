//! A real outbox in a folder of its own on the build's disk, where a sync costs what it costs.
//!
//! Gone with its value. Never on a memory filesystem on purpose: `tempfile`'s default may be one.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use camino_broker::domain::id::{AppSlug, CorrelationId, EventId, EventType};
use camino_broker::domain::routing::{Decided, Decision};
use camino_broker::domain::time::Millis;
use camino_broker::runtime::clock::SystemClock;
use camino_broker::store::log::{self, EngineKind};
use camino_broker::store::outbox::open::Surroundings;
use camino_broker::store::outbox::record::{Admission, Proof, StoredEvent};
use camino_broker::store::outbox::{Options, Outbox};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// When everything happens.
pub const T0: Millis = Millis(1_776_340_800_000);
/// Bytes of an event.
const BODY_BYTES: usize = 1_024;

/// An outbox over one of the engines.
pub struct Store {
    /// The outbox.
    pub outbox: Outbox,
    runtime: Runtime,
    made: Cell<u64>,
    body: Bytes,
    _folder: TempDir,
}

impl Store {
    /// An empty one.
    pub fn new(engine: EngineKind) -> Self {
        let folder = folder();
        let log = log::open(&folder.path().join("outbox"), engine, log::Options::default()).unwrap();
        let around = Surroundings {
            clock: Arc::new(SystemClock::new()),
            free_bytes: Box::new(|| None),
            on_commit: Box::new(|_| {}),
        };
        Self {
            outbox: Outbox::open(log, Options::default(), around).unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
            made: Cell::new(0),
            body: Bytes::from(vec![b'x'; BODY_BYTES]),
            _folder: folder,
        }
    }

    /// So many new events for each of the first `receivers`.
    pub fn events(&self, count: usize, receivers: usize) -> Vec<StoredEvent> {
        let decisions: Vec<Decided> = (0..receivers).map(queued).collect();
        (0..count).map(|_| self.event(decisions.clone())).collect()
    }

    /// Appends `events` in one commit and returns when they are durable.
    pub fn append(&self, events: Vec<StoredEvent>) {
        self.runtime.block_on(self.outbox.append(events)).unwrap();
    }

    fn event(&self, decisions: Vec<Decided>) -> StoredEvent {
        let number = self.made.replace(self.made.get() + 1);
        let source = AppSlug::new("bench-sender").unwrap();
        let event_id = EventId::new(&format!("00000000-0000-4000-8000-{number:012x}")).unwrap();
        StoredEvent {
            seq: 0,
            accepted_at: T0,
            correlation: CorrelationId::derive(&source, &event_id),
            source,
            event_id,
            event_type: EventType::new("bench.sent").unwrap(),
            organization: "org_bench".to_owned(),
            timestamp: T0,
            tenant: None,
            traceparent: None,
            proof: Proof::Ecosystem,
            admission: Admission::Routed,
            decisions,
            drift: Vec::new(),
            generation: 0,
            replay: None,
            body: self.body.clone(),
        }
    }
}

/// A new folder on the disk that the build is on.
pub fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn queued(receiver: usize) -> Decided {
    let receiver = AppSlug::new(&format!("bench-{receiver:04}")).unwrap();
    Decided { receiver, decision: Decision::Queued, detail: None }
}
