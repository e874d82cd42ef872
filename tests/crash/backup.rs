//! SIGKILL in the middle of a backup, and a disk that is too small for one.
//!
//! The store loses nothing by it, and what it leaves is refused, unless it is whole.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use camino_broker::store::backup::{self, Error};
use camino_broker::testing::receiver::FakeReceiver;
use http::header::AUTHORIZATION;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::broker::{Broker, Engine};
use crate::client::{Connection, until};
use crate::dice::{Dice, seed};
use crate::judge::judge;
use crate::kill::{DRAIN, endpoints, inboxes, receivers, up_to};
use crate::load::{Event, Load, RECEIVERS, SENDERS, post};

/// Backups that are cut short, for each engine.
const ROUNDS: usize = 6;
/// Files in the order in which they come, and the whole of it.
const SIGHTS: [&str; 3] = ["control.db", "journal.db", "outbox.rows"];
/// More than the outbox of one large event takes, again and again, and less than the journal of all of them.
const SMALL_BYTES: u64 = 9 << 20;

/// What `/v1/backup` answers to the administrator.
async fn ask(broker: &Broker, method: Method, body: &Value) -> (StatusCode, Value) {
    let key = std::fs::read_to_string(broker.folder().join("data/admin.key")).unwrap();
    let request = Request::builder()
        .method(method)
        .uri("/v1/backup")
        .header(AUTHORIZATION, format!("Bearer {}", key.trim()))
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap();
    let (status, body) = Connection::open(broker.address()).await.unwrap().send(request).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn begin(broker: &Broker, dir: &Path) {
    let (status, shown) = ask(broker, Method::POST, &json!({ "dir": dir })).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{shown}");
}

async fn ended(broker: &Broker) -> Value {
    until("the backup ends", async || {
        let (_, shown) = ask(broker, Method::GET, &Value::Null).await;
        (shown["state"] != "running").then_some(shown)
    })
    .await
}

/// Puts the backup in `dir` back into a folder beside it.
fn restored(dir: &Path, engine: Engine) -> Result<(), Error> {
    let engine = engine.name().parse().unwrap();
    backup::restore(dir, &dir.with_extension("restored"), engine, &[], 0).map(drop)
}

async fn killed_in_the_middle(engine: Engine) {
    let seed = seed();
    println!("{}: CAMINO_CRASH_SEED={seed}", engine.name());
    let mut dice = Dice::new(seed);
    let receivers = receivers(seed).await;
    let mut broker = Broker::new(engine, DRAIN, &endpoints(&receivers));
    let load = Load::start(broker.address(), seed);
    broker.start().await;
    load.broker_is_ready();
    let (mut refused, mut whole) = (0, 0);
    for round in 0..ROUNDS {
        load.acked_more(50 + dice.below(200)).await;
        let dir: PathBuf = broker.folder().join(format!("backup-{round}"));
        begin(&broker, &dir).await;
        let sight = dir.join(SIGHTS[round % SIGHTS.len()]);
        until("the backup comes so far", async || sight.exists().then_some(())).await;
        up_to(&mut dice, Duration::from_millis(10)).await;
        broker.kill();
        match restored(&dir, engine) {
            Ok(()) => whole += 1,
            Err(Error::Unfinished { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
        assert_eq!(dir.join(backup::MANIFEST).exists(), dir.with_extension("restored").exists());
        broker.start().await;
        load.broker_is_ready();
    }
    println!("{}: {refused} refused, {whole} whole", engine.name());
    assert!(refused > 0, "not one of them was cut short");

    let last = broker.folder().join("last");
    begin(&broker, &last).await;
    assert_eq!(ended(&broker).await["state"], "done");
    restored(&last, engine).unwrap();
    let ledger = load.stop().await;
    broker.idle().await;
    let verdict = judge(&ledger, &inboxes(&receivers));
    println!("{}: {verdict}", engine.name());
    verdict.assert_clean();
    broker.terminate();
    assert_eq!(broker.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_a_backup_costs_the_backup_alone_on_sled() {
    killed_in_the_middle(Engine::Sled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_a_backup_costs_the_backup_alone_on_redb() {
    killed_in_the_middle(Engine::Redb).await;
}

#[tokio::test]
async fn a_disk_too_small_for_the_journal_costs_the_backup_alone() {
    let receiver = FakeReceiver::start().await.unwrap();
    let mut broker = Broker::new(Engine::Redb, DRAIN, &[(RECEIVERS[0], receiver.address())]);
    broker.start().await;
    let mut connection = Connection::open(broker.address()).await.unwrap();
    for number in 0..12 {
        let event = Event::of_size(&SENDERS[0], &format!("event-{number}"), 900_000);
        assert_eq!(post(&mut connection, &event).await.unwrap().0, StatusCode::ACCEPTED);
        broker.idle().await;
    }
    // What it has is in the journal now, and nothing is written any more: only the backup meets the limit.
    broker.terminate();
    assert_eq!(broker.ended().await.code(), Some(0));
    broker.start().await;

    let dir = broker.folder().join("backup");
    broker.limit_files(Some(SMALL_BYTES));
    begin(&broker, &dir).await;
    let shown = ended(&broker).await;
    assert_eq!(shown["state"], "failed", "{shown}");
    assert!(shown["error"].as_str().unwrap().contains("journal.db"), "{shown}");
    assert!(!dir.exists(), "what was there is removed: {shown}");

    broker.limit_files(None);
    let event = Event::of_size(&SENDERS[0], "later", 100);
    let mut connection = Connection::open(broker.address()).await.unwrap();
    assert_eq!(post(&mut connection, &event).await.unwrap().0, StatusCode::ACCEPTED, "the broker goes on");
    begin(&broker, &dir).await;
    assert_eq!(ended(&broker).await["state"], "done");
    restored(&dir, Engine::Redb).unwrap();
    broker.terminate();
    assert_eq!(broker.failed().await.0.code(), Some(0));
}
