//! A replay under kills: it goes on where it was, makes every delivery, and makes none twice.

use std::collections::BTreeSet;
use std::time::Duration;

use camino_broker::testing::receiver::FakeReceiver;
use http::StatusCode;
use serde_json::{Value, json};

use crate::broker::{Broker, Engine};
use crate::client::{Connection, until};
use crate::dice::{Dice, seed};
use crate::kill::cycles;
use crate::load::{Event, RECEIVERS, SENDERS, post};

const EVENTS: u32 = 300;
const RATE: u32 = 400;

/// The replayed deliveries that came so far: what each repeats.
fn replayed(receiver: &FakeReceiver) -> BTreeSet<String> {
    receiver.all().iter().filter_map(|one| one.header("x-camino-replay-of").map(str::to_owned)).collect()
}

async fn a_replay_goes_on_after_kills(engine: Engine) {
    let mut dice = Dice::new(seed());
    println!("{}: CAMINO_CRASH_SEED={}", engine.name(), seed());
    let receiver = FakeReceiver::start().await.unwrap();
    let endpoints = [(RECEIVERS[0], receiver.address())];
    let mut broker = Broker::new(engine, Duration::from_secs(20), &endpoints);
    broker.start().await;
    let mut connection = Connection::open(broker.address()).await.unwrap();
    for n in 0..EVENTS {
        let event = Event::of_organization(&SENDERS[0], &format!("event-{n}"), "org-1");
        assert_eq!(post(&mut connection, &event).await.unwrap().0, StatusCode::ACCEPTED);
    }
    receiver.wait_for(EVENTS as usize).await;
    broker.idle().await;
    let dry = json!({ "receiver": RECEIVERS[0], "dryRun": true });
    until("the journal has all of them", async || {
        let (_, counted) = broker.ask("POST", "/v1/replays", &dry).await;
        (counted["matched"] == EVENTS).then_some(())
    })
    .await;
    // As new, so that each says what it repeats.
    let body = json!({ "receiver": RECEIVERS[0], "ratePerSecond": RATE, "asNew": true });
    let (status, job) = broker.ask("POST", "/v1/replays", &body).await;
    assert_eq!((status, &job["matched"]), (StatusCode::ACCEPTED, &json!(EVENTS)));
    let path = format!("/v1/replays/{}", job["replayId"].as_str().unwrap());
    for _ in 0..cycles() {
        let before = replayed(&receiver).len();
        let goal = (before + 1 + usize::try_from(dice.below(30)).unwrap()).min(EVENTS as usize);
        until("more is replayed", async || (replayed(&receiver).len() >= goal).then_some(())).await;
        broker.kill();
        broker.start().await;
    }
    let job = until("the replay ends", async || {
        let (_, job) = broker.ask("GET", &path, &Value::Null).await;
        (job["state"] == "done").then_some(job)
    })
    .await;
    broker.idle().await;
    assert_eq!((&job["done"], &job["skipped"]), (&json!(EVENTS), &json!(0)), "{job}");
    assert_eq!(replayed(&receiver).len(), EVENTS as usize, "every delivery was made again");
    // A kill may repeat an attempt, never the making of a delivery.
    let made: BTreeSet<String> = receiver
        .all()
        .iter()
        .filter(|one| one.header("x-camino-replay-of").is_some())
        .map(|one| one.header("x-camino-delivery-id").unwrap().to_owned())
        .collect();
    assert_eq!(made.len(), EVENTS as usize, "none was made twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_goes_on_after_kills_on_sled() {
    a_replay_goes_on_after_kills(Engine::Sled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_goes_on_after_kills_on_redb() {
    a_replay_goes_on_after_kills(Engine::Redb).await;
}
