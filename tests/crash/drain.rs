//! SIGTERM under load, with a receiver that hangs, and twice.

use std::time::Duration;

use camino_broker::testing::receiver::{Answer, FakeReceiver};

use crate::broker::{Broker, Engine};
use crate::client::{Connection, until};
use crate::dice::seed;
use crate::judge::judge;
use crate::kill::{endpoints, inboxes, receivers};
use crate::load::{Load, RECEIVERS};

/// Far longer than any test: a stop that takes this long has waited for what it should not.
const LONG: Duration = Duration::from_mins(10);

async fn a_stop_under_load_loses_and_repeats_nothing(engine: Engine) {
    let seed = seed();
    println!("{}: CAMINO_CRASH_SEED={seed}", engine.name());
    let receivers = receivers(seed).await;
    // What is in flight needs 10 ms, so a drain that waits for its bound would be seen.
    let mut broker = Broker::new(engine, LONG, &endpoints(&receivers));
    let load = Load::start(broker.address(), seed);
    for _ in 0..2 {
        broker.start().await;
        load.broker_is_ready();
        load.acked_more(200).await;
        broker.terminate();
        assert_eq!(broker.ended().await.code(), Some(0));
    }
    let ledger = load.stop().await;
    broker.start().await;
    broker.idle().await;
    let verdict = judge(&ledger, &inboxes(&receivers));
    println!("{}: {verdict}", engine.name());
    verdict.assert_clean();
    assert_eq!(
        verdict.duplicates, 0,
        "a drained broker has settled what it delivered: {:?}",
        verdict.repeated
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_loses_and_repeats_nothing_on_sled() {
    a_stop_under_load_loses_and_repeats_nothing(Engine::Sled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_loses_and_repeats_nothing_on_redb() {
    a_stop_under_load_loses_and_repeats_nothing(Engine::Redb).await;
}

/// A broker with an event under way to a receiver that doesn't answer.
async fn hanging(drain: Duration) -> (Broker, FakeReceiver) {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::hang());
    let mut broker = Broker::new(Engine::Sled, drain, &[(RECEIVERS[0], receiver.address())]);
    let load = Load::start(broker.address(), seed());
    broker.start().await;
    load.broker_is_ready();
    load.acked_more(1).await;
    load.stop().await;
    receiver.received().await;
    (broker, receiver)
}

/// What hung is delivered by the next broker.
async fn delivered_after_all(mut broker: Broker, receiver: FakeReceiver) {
    let before = receiver.count();
    let hung = receiver.all()[0].header("webhook-id").map(str::to_owned);
    receiver.otherwise(Answer::status(200));
    broker.start().await;
    broker.idle().await;
    let again = receiver.all().split_off(before);
    assert!(again.iter().any(|request| request.header("webhook-id") == hung.as_deref()), "{again:?}");
}

#[tokio::test]
async fn a_second_stop_does_not_wait_for_a_receiver_that_hangs() {
    let (mut broker, receiver) = hanging(LONG).await;
    broker.terminate();
    // Its closed listener says that the first one has arrived.
    let address = broker.address();
    until("the listener closes", async || Connection::open(address).await.err()).await;
    broker.terminate();
    assert_eq!(broker.ended().await.code(), Some(1));
    delivered_after_all(broker, receiver).await;
}

#[tokio::test]
async fn a_stop_cuts_a_receiver_that_hangs_at_the_bound() {
    let (mut broker, receiver) = hanging(Duration::from_millis(100)).await;
    broker.terminate();
    assert_eq!(broker.ended().await.code(), Some(0));
    delivered_after_all(broker, receiver).await;
}
