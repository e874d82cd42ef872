//! `/v1/deliveries`: every state as people see it, its filters, attempts, and one more try.

use std::time::Duration;

use camino_broker::testing::receiver::{Answer, FakeReceiver};
use serde_json::{Value, json};

use crate::app::Setup;
use crate::desk::{each, names};
use crate::draft::id;

const DELIVERY: [&str; 14] = [
    "deliveryId",
    "eventId",
    "eventType",
    "source",
    "receiver",
    "state",
    "reason",
    "attempts",
    "nextAttemptAt",
    "lastStatus",
    "lastError",
    "acceptedAt",
    "deliveredAt",
    "replayOf",
];

/// What `delivery` says of itself, but for ids and times.
fn told(delivery: &Value) -> (&str, Option<&str>, u64, Option<u64>) {
    let reason = delivery["reason"].as_str();
    (
        delivery["state"].as_str().unwrap(),
        reason,
        delivery["attempts"].as_u64().unwrap(),
        delivery["lastStatus"].as_u64(),
    )
}

#[tokio::test]
async fn each_state_is_shown_with_every_name_and_found_by_its_filters() {
    let [good, busy, strict] =
        [FakeReceiver::start().await, FakeReceiver::start().await, FakeReceiver::start().await];
    let (good, busy, strict) = (good.unwrap(), busy.unwrap(), strict.unwrap());
    busy.otherwise(Answer::status(503).with_body("later"));
    strict.otherwise(Answer::status(422).with_body("no thanks"));
    let setup = Setup::new().receiver("mancha", &good).receiver("baul", &busy);
    let setup = setup.receiver("constanza", &strict).receiver("cosmos-pet", &good);
    let app = setup.with(|config| config.delivery.retry.first = Duration::from_hours(1)).start().await;
    let desk = app.desk();
    desk.post("/v1/endpoints/cosmos-pet/pause", "").await.taken(200);
    let accepted = app.send(&app.payment(1)).await.taken(202);
    let of = async |receiver: &str, state: &str| {
        let path = format!("/v1/deliveries?receiver={receiver}&state={state}");
        desk.until(&path, |list| list["items"].as_array().is_some_and(|items| items.len() == 1)).await["items"]
            [0]
        .clone()
    };
    let delivered = of("mancha", "delivered").await;
    assert_eq!(names(&delivered), DELIVERY);
    assert_eq!(told(&delivered), ("delivered", None, 1, Some(200)));
    assert!(delivered["deliveredAt"].is_string() && delivered["nextAttemptAt"].is_null());
    let path = "/v1/deliveries?receiver=baul";
    let retried = desk.until(path, |list| list["items"][0]["attempts"] == 1).await["items"][0].clone();
    assert_eq!(told(&retried), ("pending", Some("status"), 1, Some(503)));
    assert!(retried["nextAttemptAt"].is_string(), "{retried}");
    let dead = of("constanza", "dead").await;
    assert_eq!(told(&dead), ("dead", Some("rejected"), 1, Some(422)));
    assert!(dead["lastError"].as_str().unwrap().contains("no thanks"), "{dead}");
    let parked = of("cosmos-pet", "parked").await;
    assert_eq!(told(&parked), ("parked", Some("paused"), 0, None));
    for shown in accepted["deliveries"].as_array().unwrap() {
        let one = desk.get(&format!("/v1/deliveries/{}", shown["deliveryId"].as_str().unwrap())).await;
        assert_eq!((&one["receiver"], &one["eventId"]), (&shown["receiver"], &json!(id(1))));
        assert_eq!(names(&one), DELIVERY);
    }
    let table: [(&str, &[&str]); 12] = [
        ("reason=status", &["baul"]),
        ("reason=rejected", &["constanza"]),
        ("reason=paused", &["cosmos-pet"]),
        ("reason=paused&state=parked", &["cosmos-pet"]),
        ("reason=paused&state=dead", &[]),
        ("reason=disabled", &[]),
        ("reason=breaker_open", &[]),
        ("state=pending", &["baul"]),
        ("state=cancelled", &[]),
        ("source=hoja", &[]),
        ("eventType=payment.completed&state=dead&organization=org_1", &["constanza"]),
        ("q=000000000001&receiver=mancha", &["mancha"]),
    ];
    for (query, wanted) in table {
        assert_eq!(
            each(&desk.items(&format!("/v1/deliveries?{query}")).await, "receiver"),
            wanted,
            "{query}"
        );
    }
    let problem = desk.refused("/v1/deliveries?reason=tired", 400, "request.invalid").await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("rejected") && detail.contains("breaker_open"), "{detail}");
    let pages = desk.pages("/v1/deliveries?limit=3").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1]);
}

#[tokio::test]
async fn what_waits_behind_an_open_breaker_says_so() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::status(503));
    let setup = Setup::new().receiver("mancha", &receiver).with(|config| {
        config.delivery.breaker.failures = 1;
        config.delivery.breaker.cooldown = Duration::from_hours(1);
        config.delivery.breaker.cooldown_max = Duration::from_hours(1);
    });
    let app = setup.start().await;
    let first = app.send(&app.payment(1)).await.taken(202);
    let desk = app.desk();
    desk.until("/v1/endpoints/mancha", |endpoint| endpoint["breaker"] == "open").await;
    // Until the journal has its attempt, the first one seems to wait for the breaker alone.
    let first = format!("/v1/deliveries/{}", first["deliveries"][0]["deliveryId"].as_str().unwrap());
    desk.until(&first, |delivery| delivery["attempts"] == 1).await;
    app.send(&app.payment(2)).await.taken(202);
    let waits = desk.until_items("/v1/deliveries?reason=breaker_open", 1).await;
    assert_eq!(told(&waits[0]), ("parked", Some("breaker_open"), 0, None), "{:#}", waits[0]);
    assert_eq!(waits[0]["eventId"], json!(id(2)));
    assert!(desk.items("/v1/deliveries?reason=paused").await.is_empty());
}

#[tokio::test]
async fn attempts_are_listed_oldest_first() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(503).with_body("busy"), Answer::HangUp]);
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let accepted = app.send(&app.payment(1)).await.taken(202);
    let desk = app.desk();
    let path = format!("/v1/deliveries/{}", accepted["deliveries"][0]["deliveryId"].as_str().unwrap());
    desk.until(&path, |delivery| delivery["state"] == "delivered").await;
    let attempts = desk.items(&format!("{path}/attempts")).await;
    assert_eq!(attempts.len(), 3);
    let wanted =
        ["number", "startedAt", "durationMs", "status", "reason", "error", "excerpt", "probe"].as_slice();
    assert!(attempts.iter().all(|attempt| names(attempt) == wanted), "{attempts:?}");
    let told = |n: usize| (&attempts[n]["number"], &attempts[n]["status"], &attempts[n]["reason"]);
    assert_eq!(told(0), (&json!(1), &json!(503), &json!("status")));
    assert_eq!(attempts[0]["excerpt"], "busy");
    assert_eq!(told(1), (&json!(2), &json!(null), &json!("connect")));
    assert_eq!(told(2), (&json!(3), &json!(200), &json!(null)));
}

#[tokio::test]
async fn a_retry_is_a_new_delivery_of_the_same_event() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(400)]);
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    app.send(&app.payment(1)).await.taken(202);
    let desk = app.desk();
    let dead = desk.until_items("/v1/dead-letters", 1).await[0].clone();
    let old = dead["deliveryId"].as_str().unwrap();
    let new = desk.post(&format!("/v1/deliveries/{old}/retry"), "").await.taken(202);
    assert_eq!(names(&new), DELIVERY);
    assert_eq!((&new["replayOf"], &new["state"]), (&dead["deliveryId"], &json!("pending")));
    assert_ne!(new["deliveryId"], dead["deliveryId"]);
    let path = format!("/v1/deliveries/{}", new["deliveryId"].as_str().unwrap());
    let delivered = desk.until(&path, |delivery| delivery["state"] == "delivered").await;
    assert_eq!(delivered["replayOf"], dead["deliveryId"]);
    let requests = receiver.wait_for(2).await;
    assert_eq!(requests[0].body, requests[1].body);
    assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
    assert_eq!(requests[0].header("idempotency-key"), requests[1].header("idempotency-key"));
    assert_eq!(requests[1].header("x-camino-delivery-id"), new["deliveryId"].as_str());
    // The old one stays dead, and nobody has to look at it any more.
    desk.until_items("/v1/dead-letters", 0).await;
    assert_eq!(desk.get(&format!("/v1/deliveries/{old}")).await["state"], "dead");
    // What was delivered can be sent again too.
    let again = desk.post(&format!("{path}/retry"), "").await.taken(202);
    assert_eq!(again["replayOf"], new["deliveryId"]);
    receiver.wait_for(3).await;
}

#[tokio::test]
async fn what_is_not_over_is_not_retried() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).receiver("cosmos-pet", &receiver).start().await;
    let desk = app.desk();
    desk.post("/v1/endpoints/mancha/pause", "").await.taken(200);
    app.send(&app.payment(1)).await.taken(202);
    let parked = desk.until_items("/v1/deliveries?state=parked", 1).await;
    let retry = format!("/v1/deliveries/{}/retry", parked[0]["deliveryId"].as_str().unwrap());
    desk.post(&retry, "").await.problem(409, "resource.state_conflict");
    assert_eq!(receiver.wait_for(1).await.len(), 1);
}
