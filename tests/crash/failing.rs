//! An engine whose disk fails: nothing more is acknowledged, the process ends with an error, and the next
//! start has all that was.

use std::time::Duration;

use camino_broker::testing::receiver::{FakeReceiver, PATIENCE};
use http::StatusCode;

use crate::broker::{Broker, Engine};
use crate::client::{Connection, get};
use crate::load::{Event, RECEIVERS, SENDERS, post};

/// Nearly as large as an event may be.
const FILLING_BYTES: usize = 900_000;
/// Less than three of them take in the outbox, and more than two take in the journal, which comes after it.
const FILE_BYTES_MAX: u64 = 2_500_000;

async fn engine_failing_503(engine: Engine) {
    let receiver = FakeReceiver::start().await.unwrap();
    let mut broker = Broker::new(engine, Duration::from_secs(20), &[(RECEIVERS[0], receiver.address())]);
    broker.start().await;
    let address = broker.address();
    let mut connection = Connection::open(address).await.unwrap();
    let mut kept = Vec::new();
    let event = Event::of_size(&SENDERS[0], "before", 100);
    assert_eq!(post(&mut connection, &event).await.unwrap().0, StatusCode::ACCEPTED);
    kept.push(event.id);

    broker.limit_files(Some(FILE_BYTES_MAX));
    let refused = loop {
        let event = Event::of_size(&SENDERS[0], &format!("large-{}", kept.len()), FILLING_BYTES);
        let answer = post(&mut connection, &event).await.expect("an answer, also to what is refused");
        if answer.0 != StatusCode::ACCEPTED {
            break answer;
        }
        kept.push(event.id);
        assert!(kept.len() < 100, "the engine notices that its file can't grow");
    };
    let problem: serde_json::Value = serde_json::from_slice(&refused.1).unwrap();
    assert_eq!((refused.0, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &"store.failing".into()));
    let (status, log) = broker.failed().await;
    assert_eq!(status.code(), Some(1), "{status}\n{log}");
    assert!(log.contains("the store has failed"), "{log}");

    // On a disk that works again, all that was acknowledged is there.
    broker.start().await;
    assert!(get(address, "/readyz").await.unwrap().0.is_success());
    let arrived = async {
        while !kept.iter().all(|id| came(&receiver, id)) {
            receiver.wait_for(receiver.count() + 1).await;
        }
    };
    tokio::time::timeout(PATIENCE, arrived).await.expect("all that was acknowledged arrives");
    broker.terminate();
    assert_eq!(broker.failed().await.0.code(), Some(0));
}

fn came(receiver: &FakeReceiver, id: &str) -> bool {
    receiver.all().iter().any(|request| request.header("webhook-id") == Some(id))
}

#[tokio::test]
async fn engine_failing_503_on_sled() {
    engine_failing_503(Engine::Sled).await;
}

#[tokio::test]
async fn engine_failing_503_on_redb() {
    engine_failing_503(Engine::Redb).await;
}
