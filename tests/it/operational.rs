//! What happens to the broker itself, told by events to the app `operations`.

use std::collections::BTreeMap;
use std::time::Duration;

use camino_broker::testing::clock::ManualClock;
use camino_broker::testing::receiver::{Answer, FakeReceiver, Received};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};

const TURN: Duration = Duration::from_secs(1);

async fn answering(status: u16) -> FakeReceiver {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::status(status));
    receiver
}

/// The bodies of `received`, by type.
fn by_type(received: &[Received]) -> BTreeMap<String, Value> {
    let body = |one: &Received| serde_json::from_slice::<Value>(&one.body).unwrap();
    received.iter().map(body).map(|body| (body["eventType"].as_str().unwrap().to_owned(), body)).collect()
}

/// Turns the clock until `operations` got `count` events.
async fn told(app: &TestApp, clock: &ManualClock, operations: &FakeReceiver, count: usize) -> Vec<Received> {
    app.turn_until(clock, TURN, operations.wait_for(count)).await
}

#[tokio::test]
async fn each_is_told_once_a_restart_included() {
    let clock = ManualClock::default();
    let (refusing, gone, operations) = (answering(400).await, answering(410).await, answering(200).await);
    let going = answering(410).await;
    going.script([Answer::status(200)]);
    let setup = Setup::on(clock.clone())
        .receiver("mancha", &refusing)
        .receiver("cosmos-pet", &gone)
        .receiver("constanza", &going)
        .receiver("operations", &operations);
    let app = setup.start().await;
    app.send(&app.draft(1, "colectiva", "payment.completed", r#"{"paymentId":7}"#)).await.taken(202);
    app.until_ended("mancha", "dead", 1).await;

    let received = told(&app, &clock, &operations, 3).await;
    let told_of = by_type(&received);
    let types: Vec<&str> = told_of.keys().map(String::as_str).collect();
    assert!(
        types.contains(&"camino.endpoint.disabled") && types.contains(&"camino.dead_letters.grown"),
        "{types:?}"
    );
    let grown = &told_of["camino.dead_letters.grown"]["data"];
    assert_eq!(
        (&grown["receiver"], &grown["count"], &grown["reached"]),
        (&json!("mancha"), &json!(1), &json!(1))
    );
    assert_eq!(grown["newest"]["lastStatus"], 400);
    let disabled = &told_of["camino.endpoint.disabled"];
    assert_eq!((&disabled["source"], &disabled["organizationId"]), (&json!("camino"), &json!("camino")));
    assert_eq!(
        (&disabled["data"]["receiver"], &disabled["data"]["reason"]),
        (&json!("cosmos-pet"), &json!("gone"))
    );
    let drift = &told_of["camino.drift.found"]["data"];
    assert_eq!((&drift["source"], &drift["eventType"]), (&json!("colectiva"), &json!("payment.completed")));

    let before = operations.count();
    let app = app.restart().await;
    app.send(&app.payment(2)).await.taken(202);
    let received = told(&app, &clock, &operations, before + 1).await;
    assert_eq!(received.len(), before + 1);
    let last: Value = serde_json::from_slice(&received[before].body).unwrap();
    assert_eq!((&last["data"]["receiver"], &last["data"]["reason"]), (&json!("constanza"), &json!("gone")));
}

#[tokio::test]
async fn who_listens_is_not_told_of_itself() {
    let clock = ManualClock::default();
    let (refusing, operations) = (answering(400).await, answering(400).await);
    let setup = Setup::on(clock.clone()).receiver("mancha", &refusing).receiver("operations", &operations);
    refusing.script([Answer::status(400)]);
    refusing.otherwise(Answer::status(410));
    let app = setup.start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.until_ended("mancha", "dead", 1).await;
    told(&app, &clock, &operations, 1).await;
    app.until_ended("operations", "dead", 1).await;
    app.send(&app.payment(2)).await.taken(202);
    told(&app, &clock, &operations, 2).await;
    app.until_ended("operations", "dead", 2).await;
    let own = app.desk().until_items("/v1/events?source=camino", 2).await;
    assert!(own.iter().all(|event| event["eventType"].as_str().unwrap().starts_with("camino.")), "{own:?}");
}

#[tokio::test]
async fn without_a_listener_nothing_is_made() {
    let clock = ManualClock::default();
    let refusing = answering(400).await;
    let app = Setup::on(clock.clone()).receiver("mancha", &refusing).start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.until_ended("mancha", "dead", 1).await;
    let turns = async {
        for _ in 0..20 {
            app.get("/healthz").await;
        }
    };
    app.turn_until(&clock, TURN, turns).await;
    assert_eq!(app.desk().until_items("/v1/events", 1).await[0]["source"], "colectiva");
}
