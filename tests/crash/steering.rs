//! What was decided about endpoints outlives the process that decided it, and a reload.

use std::time::Duration;

use camino_broker::domain::secret::Secret;
use camino_broker::runtime::clock::{Clock as _, SystemClock};
use camino_broker::testing::receiver::{Answer, FakeReceiver};
use http::StatusCode;
use serde_json::{Value, json};

use crate::broker::{Broker, Engine};
use crate::client::{Connection, until};
use crate::load::{Event, RECEIVERS, SENDERS, post};

async fn endpoint(broker: &Broker, app: &str) -> Value {
    let (status, endpoint) = broker.ask("GET", &format!("/v1/endpoints/{app}"), &Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{endpoint}");
    endpoint
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_410_a_pause_and_a_rotated_secret_survive_kill_9_and_a_reload() {
    let [gone, paused, rotated] = RECEIVERS;
    let receivers = [FakeReceiver::start().await, FakeReceiver::start().await, FakeReceiver::start().await]
        .map(Result::unwrap);
    receivers[0].otherwise(Answer::status(410));
    let endpoints: Vec<_> =
        RECEIVERS.into_iter().zip(&receivers).map(|(name, receiver)| (name, receiver.address())).collect();
    let mut broker = Broker::new(Engine::Sled, Duration::from_secs(20), &endpoints);
    broker.start().await;
    let (status, _) = broker.ask("POST", &format!("/v1/endpoints/{paused}/pause"), &json!({})).await;
    assert_eq!(status, StatusCode::OK);
    let (status, answer) =
        broker.ask("POST", &format!("/v1/endpoints/{rotated}/rotate-secret"), &json!({})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let newest = Secret::new(answer["secret"].as_str().unwrap()).unwrap();
    let mut connection = Connection::open(broker.address()).await.unwrap();
    let first = Event::of_organization(&SENDERS[0], "first", "org-1");
    assert_eq!(post(&mut connection, &first).await.unwrap().0, StatusCode::ACCEPTED);
    until("the 410 is known", async || (endpoint(&broker, gone).await["state"] == "disabled").then_some(()))
        .await;

    broker.kill();
    broker.start().await;
    for n in 0..2 {
        if n > 0 {
            broker.reload().await;
        }
        let of_gone = endpoint(&broker, gone).await;
        assert_eq!((&of_gone["state"], &of_gone["reason"]), (&json!("disabled"), &json!("gone")));
        assert_eq!(endpoint(&broker, paused).await["state"], "paused");
        assert_eq!(endpoint(&broker, rotated).await["secrets"], 2);
        let id = format!("after-{n}");
        let mut connection = Connection::open(broker.address()).await.unwrap();
        let event = Event::of_organization(&SENDERS[0], &id, "org-1");
        assert_eq!(post(&mut connection, &event).await.unwrap().0, StatusCode::ACCEPTED);
        let signed = until("it arrives", async || {
            receivers[2].all().into_iter().find(|one| one.header("webhook-id") == Some(id.as_str()))
        })
        .await;
        assert!(signed.is_signed_by(std::slice::from_ref(&newest), SystemClock::new().now()));
        assert_eq!(receivers[0].count(), 1, "nothing more goes to who is gone");
        assert_eq!(receivers[1].count(), 0, "nothing goes to who is paused");
    }

    let (status, _) = broker.ask("POST", &format!("/v1/endpoints/{paused}/resume"), &json!({})).await;
    assert_eq!(status, StatusCode::OK);
    receivers[1].wait_for(3).await;
    broker.assert_log_is_clean();
}
