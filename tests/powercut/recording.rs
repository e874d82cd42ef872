//! A broker's life under load, written down: it dies some times between two steps, compacts, and ends in peace.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::broker::{Broker, Engine, OUTBOX_LOG, Setup, free_address};
use crate::client::{Connection, Gone, until};
use crate::dice::Dice;
use crate::disk::{Disk, Survivors};
use crate::interposer::Interposer;
use crate::load::{Event, Ledger, Load, RECEIVERS, SENDERS, post};
use crate::receiver::{Manner, Receiver};
use crate::trace::Trace;

/// Processes that die; another one follows.
const DEATHS: u64 = 3;
/// A compaction as soon as there is anything to gain, and looked for all the time.
pub const STORE_SETTINGS: &str =
    "free_bytes_min = \"1MiB\"\ncompact_bytes_min = \"1MiB\"\ncompact_every = \"100ms\"\n";
/// With so much on the disk and nearly nothing alive, a compaction pays.
const ENGINE_BYTES: u64 = 4 << 20;

pub struct Recording {
    pub engine: Engine,
    pub trace: Trace,
    /// Every event that was posted.
    pub ledger: Ledger,
    pub receivers: Vec<(&'static str, SocketAddr)>,
    /// Ids of API keys that somebody wanted to revoke, whatever came of it.
    pub doomed: BTreeSet<String>,
}

/// Three receivers: one that is prompt, one that is slow, one that fails now and then.
pub async fn receivers(seed: u64, manners: [Manner; 3]) -> Vec<Receiver> {
    let mut started = Vec::new();
    for ((name, manner), number) in RECEIVERS.into_iter().zip(manners).zip(100..) {
        started.push(Receiver::start(name, manner, Dice::split(seed, number)).await);
    }
    started
}

pub fn addresses(receivers: &[Receiver]) -> Vec<(&'static str, SocketAddr)> {
    receivers.iter().map(|receiver| (receiver.name, receiver.address)).collect()
}

/// Records one. Syncs of files with `unsynced` in their path are swallowed.
pub async fn record(engine: Engine, seed: u64, unsynced: Option<&str>) -> Recording {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("disk");
    fs::create_dir(&root).unwrap();
    let trace = folder.path().join("trace");
    let mut dice = Dice::split(seed, 200);
    let receivers = receivers(seed, [Manner::Prompt, Manner::Slow, Manner::Failing]).await;
    let endpoints = addresses(&receivers);
    // Made by the broker: the store's own name has to last too.
    let store = root.join("data");
    let setup = Setup {
        engine,
        folder: folder.path(),
        store: &store,
        address: free_address(),
        receivers: &endpoints,
        store_settings: STORE_SETTINGS,
    };
    let interposer = || {
        let plain = Interposer::below(&root).recording(&trace);
        if let Some(part) = unsynced { plain.not_syncing(part) } else { plain }
    };
    let load = Load::start(setup.address, seed);
    let mut doomed = BTreeSet::new();
    for _ in 0..DEATHS {
        let changes = 300 + dice.below(1_200);
        let mut broker = setup.spawn(&interposer().dying_after(changes).environment);
        if broker.ready().await.is_ok() {
            load.broker_is_ready();
            // It may die before it answers.
            let _ = change_keys(&broker, &mut doomed).await;
        }
        assert_eq!(broker.ended().await.code(), None, "{}", broker.log());
    }
    let mut broker = setup.spawn(&interposer().environment);
    broker.ready().await.unwrap();
    let before = generation(setup.store);
    load.broker_is_ready();
    change_keys(&broker, &mut doomed).await.unwrap();
    load.acked_more(100).await;
    let mut ledger = load.stop().await;
    let mut connection = Connection::open(setup.address).await.unwrap();
    let mut events = worth_compacting(&receivers[0], &store);
    until("a compaction", async || {
        let event = events.next().unwrap();
        assert!(post(&mut connection, &event).await.unwrap().0.is_success());
        ledger.insert(event.id.clone(), (event, true));
        (generation(setup.store) > before).then_some(())
    })
    .await;
    broker.terminate();
    assert_eq!(broker.ended().await.code(), Some(0), "{}", broker.log());
    let trace = Trace::read(&trace);
    println!("{}: {} steps, {} MB", engine.name(), trace.steps.len(), trace.bytes.len() >> 20);
    assert_complete(&trace, &root);
    Recording { engine, trace, ledger, receivers: endpoints, doomed }
}

/// Events one after the other that make a compaction pay. Large ones wait for `receiver`, as what dies at once dies in the log in front
/// of the engine; when the engine of `store` has got enough of them, they are delivered, and little lives.
pub fn worth_compacting(receiver: &Receiver, store: &Path) -> impl Iterator<Item = Event> {
    receiver.hold(true);
    let mut bytes = 900_000;
    (0..).map(move |number| {
        if engine_bytes(&store.join("outbox")) >= ENGINE_BYTES {
            bytes = 100;
            receiver.hold(false);
        }
        Event::of_size(&SENDERS[0], &format!("late-{number}"), bytes)
    })
}

/// What the engine has on the disk below `folder`, without the log in front of it.
fn engine_bytes(folder: &Path) -> u64 {
    // What vanishes meanwhile counts nothing.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => engine_bytes(&entry.path()),
        Ok(found) if !entry.path().to_string_lossy().contains(OUTBOX_LOG) => found.blocks() * 512,
        _ => 0,
    });
    bytes.sum()
}

/// Makes an API key and makes and revokes another one.
async fn change_keys(broker: &Broker, doomed: &mut BTreeSet<String>) -> Result<(), Gone> {
    let new = json!({ "name": "a key", "scopes": ["read"] });
    for revoke in [false, true] {
        let (status, made) = broker.ask(Method::POST, "/v1/keys", &new).await?;
        assert!(status.is_success(), "{status} {made}");
        if revoke {
            let id = made["keyId"].as_str().unwrap();
            doomed.insert(id.to_owned());
            let path = format!("/v1/keys/{id}");
            let (status, revoked) = broker.ask(Method::DELETE, &path, &Value::Null).await?;
            assert!(status.is_success(), "{status} {revoked}");
        }
    }
    Ok(())
}

/// Which generation of the outbox holds.
fn generation(store: &Path) -> u64 {
    let format = fs::read_to_string(store.join("outbox/format")).unwrap();
    format.lines().find_map(|line| line.strip_prefix("generation ")).unwrap().parse().unwrap()
}

/// A broker that is told what to do step by step, on a disk that is written down.
pub struct Stage {
    engine: Engine,
    folder: TempDir,
    address: SocketAddr,
    pub receivers: Vec<Receiver>,
}

impl Stage {
    pub async fn new(engine: Engine) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("disk")).unwrap();
        let receivers = receivers(0, [Manner::Prompt; 3]).await;
        Self { engine, folder, address: free_address(), receivers }
    }

    /// The folder with config, log, trace and disk.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a process behind what `change` makes of the interposer, and doesn't wait for it.
    pub fn spawn(&self, change: impl FnOnce(Interposer) -> Interposer) -> Broker {
        let interposer = Interposer::below(&self.folder().join("disk"));
        let interposer = change(interposer.recording(&self.folder().join("trace")));
        self.start(self.folder(), &interposer.environment)
    }

    /// The same without compactions: the segments of the log in front of the engine are used again and again.
    pub fn spawn_uncompacted(&self) -> Broker {
        let interposer =
            Interposer::below(&self.folder().join("disk")).recording(&self.folder().join("trace"));
        self.start_with(self.folder(), &interposer.environment, "free_bytes_min = \"1MiB\"\n")
    }

    /// Starts a process on the disk in another folder.
    pub fn on(&self, folder: &Path) -> Broker {
        self.start(folder, &[])
    }

    fn start(&self, folder: &Path, environment: &[(&str, OsString)]) -> Broker {
        self.start_with(folder, environment, STORE_SETTINGS)
    }

    fn start_with(&self, folder: &Path, environment: &[(&str, OsString)], store_settings: &str) -> Broker {
        let setup = Setup {
            engine: self.engine,
            folder,
            store: &folder.join("disk/data"),
            address: self.address,
            receivers: &addresses(&self.receivers),
            store_settings,
        };
        setup.spawn(environment)
    }

    /// Nothing is sent to `receiver` until [`Self::resume`].
    pub async fn pause(&self, broker: &Broker, receiver: &str) {
        self.steer(broker, receiver, "pause").await;
    }

    pub async fn resume(&self, broker: &Broker, receiver: &str) {
        self.steer(broker, receiver, "resume").await;
    }

    async fn steer(&self, broker: &Broker, receiver: &str, how: &str) {
        let path = format!("/v1/endpoints/{receiver}/{how}");
        let (status, answer) = broker.ask(Method::POST, &path, &Value::Null).await.unwrap();
        assert!(status.is_success(), "{status} {answer}");
    }

    /// What was recorded until now, when these events had been posted.
    pub fn recording(&self, posted: &[Event]) -> Recording {
        let trace = Trace::read(&self.folder().join("trace"));
        let ledger = posted.iter().map(|event| (event.id.clone(), (event.clone(), false))).collect();
        Recording {
            engine: self.engine,
            trace,
            ledger,
            receivers: addresses(&self.receivers),
            doomed: BTreeSet::new(),
        }
    }
}

/// The whole trace gives what is really there: nothing was written past the interposer.
fn assert_complete(trace: &Trace, root: &Path) {
    let mut disk = Disk::new(trace);
    trace.steps.iter().for_each(|step| disk.apply(step));
    let copy = TempDir::new().unwrap();
    disk.write(copy.path(), &mut Survivors::All);
    let [real, replayed] = [root, copy.path()].map(|root| files(root, Path::new("")));
    assert_eq!(real, replayed);
    for file in real.iter().filter(|file| root.join(file).is_file()) {
        let [real, replayed] = [root, copy.path()].map(|root| fs::read(root.join(file)).unwrap());
        assert!(real == replayed, "{} differs from what was recorded", file.display());
    }
}

/// Everything below `root`, but what SQLite keeps in shared memory.
fn files(root: &Path, below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(root, &path));
        }
        if !path.to_string_lossy().ends_with("-shm") {
            found.push(path);
        }
    }
    found.sort();
    found
}
