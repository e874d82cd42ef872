//! `/v1/replays`: many deliveries made again, by filter, at a rate, to their end or until cancelled.

use std::time::Duration;

use camino_broker::testing::clock::ManualClock;
use camino_broker::testing::receiver::{Answer, FakeReceiver, Received};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};
use crate::draft::id;

async fn begin(app: &TestApp, body: Value) -> Value {
    app.desk().post("/v1/replays", &body.to_string()).await.taken(202)
}

async fn ended(app: &TestApp, job: &Value, state: &str) -> Value {
    let path = format!("/v1/replays/{}", job["replayId"].as_str().unwrap());
    app.desk().until(&path, |job| job["state"] == state).await
}

/// A broker whose receiver has got `count` events.
async fn delivered(receiver: &FakeReceiver, count: u32) -> TestApp {
    let app = Setup::new().receiver("mancha", receiver).start().await;
    for n in 1..=count {
        app.send(&app.payment(n)).await.taken(202);
    }
    app.until_ended("mancha", "delivered", count.into()).await;
    let path = "/v1/deliveries?receiver=mancha&state=delivered";
    app.desk().until_items(path, count as usize).await;
    app
}

#[tokio::test]
async fn a_dry_run_counts_and_makes_nothing() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = delivered(&receiver, 3).await;
    let desk = app.desk();
    let dry = json!({ "receiver": "mancha", "dryRun": true }).to_string();
    let counted = desk.post("/v1/replays", &dry).await.taken(200);
    assert_eq!(counted, json!({ "replayId": null, "matched": 3, "state": "dry_run", "done": 0 }));
    assert!(desk.items("/v1/replays").await.is_empty());
    assert_eq!(receiver.all().len(), 3);
}

#[tokio::test]
async fn what_was_delivered_comes_again_under_the_same_ids() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = delivered(&receiver, 3).await;
    let job = begin(&app, json!({ "receiver": "mancha" })).await;
    assert_eq!((&job["matched"], &job["state"]), (&json!(3), &json!("running")));
    let job = ended(&app, &job, "done").await;
    assert_eq!((&job["done"], &job["skipped"]), (&json!(3), &json!(0)));
    let requests = receiver.wait_for(6).await;
    for n in 1..=3 {
        let of_event = |one: &&Received| one.header("webhook-id") == Some(id(n).as_str());
        let first = requests[..3].iter().find(of_event).unwrap();
        let again = requests[3..].iter().find(of_event).unwrap();
        assert_eq!(first.header("idempotency-key"), again.header("idempotency-key"));
        assert_eq!(first.body, again.body);
        assert_ne!(again.header("x-camino-delivery-id"), first.header("x-camino-delivery-id"));
        assert_eq!(again.header("x-camino-replay-of"), None, "the same message");
    }
}

#[tokio::test]
async fn as_new_changes_the_ids() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = delivered(&receiver, 1).await;
    let job = begin(&app, json!({ "receiver": "mancha", "asNew": true })).await;
    ended(&app, &job, "done").await;
    let requests = receiver.wait_for(2).await;
    for name in ["webhook-id", "idempotency-key", "x-camino-delivery-id"] {
        assert_ne!(requests[0].header(name), requests[1].header(name), "{name}");
    }
    assert_eq!(requests[1].header("x-camino-replay-of"), requests[0].header("x-camino-delivery-id"));
}

#[tokio::test]
async fn dead_letters_are_let_go_of_with_their_replay() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::status(422));
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    for n in 1..=3 {
        app.send(&app.payment(n)).await.taken(202);
    }
    let desk = app.desk();
    desk.until_items("/v1/dead-letters?receiver=mancha", 3).await;
    receiver.otherwise(Answer::status(200));
    let job = begin(&app, json!({ "state": "dead" })).await;
    assert_eq!(job["matched"], 3);
    ended(&app, &job, "done").await;
    app.until_ended("mancha", "delivered", 3).await;
    desk.until_items("/v1/dead-letters?receiver=mancha", 0).await;
    let again = desk.post("/v1/replays", r#"{"state":"dead","dryRun":true}"#).await.taken(200);
    assert_eq!(again["matched"], 0);
}

#[tokio::test]
async fn a_receiver_that_takes_part_later_gets_what_it_missed() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().start().await;
    for n in 1..=4 {
        app.send(&app.payment(n)).await.taken(202);
    }
    app.desk().until_items("/v1/events", 4).await;
    let (setup, dir) = app.stop().await;
    let app = setup.receiver("mancha", &receiver).start_in(dir).await;
    let job = begin(&app, json!({ "receiver": "mancha" })).await;
    assert_eq!(job["matched"], 4);
    ended(&app, &job, "done").await;
    let requests = receiver.wait_for(4).await;
    assert!(requests.iter().all(|request| request.header("x-camino-replay-of").is_none()));
    let none = app.desk().post("/v1/replays", r#"{"receiver":"mancha","state":"dead","dryRun":true}"#).await;
    assert_eq!(none.taken(200)["matched"], 0, "a state asks for deliveries that there were");
}

#[tokio::test]
async fn filters_leave_out_what_was_not_asked_for() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = delivered(&receiver, 2).await;
    let desk = app.desk();
    let far = "2200-01-01T00:00:00Z";
    let table = [
        (json!({}), 2),
        (json!({ "source": "colectiva" }), 2),
        (json!({ "source": "hoja" }), 0),
        (json!({ "eventType": "payment.completed" }), 2),
        (json!({ "eventType": "sale.completed" }), 0),
        (json!({ "organization": "nobody" }), 0),
        (json!({ "state": "delivered" }), 2),
        (json!({ "state": "cancelled" }), 0),
        (json!({ "since": far }), 0),
        (json!({ "until": far }), 2),
        (json!({ "until": "2000-01-01T00:00:00Z" }), 0),
        (json!({ "receiver": "baul", "state": "delivered" }), 0),
    ];
    for (mut body, wanted) in table {
        body["dryRun"] = true.into();
        let counted = desk.post("/v1/replays", &body.to_string()).await.taken(200);
        assert_eq!(counted["matched"], wanted, "{body}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let app = Setup::new().start().await;
    let desk = app.desk();
    for body in [
        "",
        "[]",
        r#"{"reciever":"mancha"}"#,
        r#"{"state":"pending"}"#,
        r#"{"state":"parked"}"#,
        r#"{"since":"yesterday"}"#,
        r#"{"ratePerSecond":0}"#,
        r#"{"ratePerSecond":10001}"#,
        r#"{"since":"2026-01-02T00:00:00Z","until":"2026-01-01T00:00:00Z"}"#,
    ] {
        desk.post("/v1/replays", body).await.problem(400, "request.invalid");
    }
    desk.refused("/v1/replays/rpl_none", 404, "resource.not_found").await;
    desk.post("/v1/replays/rpl_none/cancel", "").await.problem(404, "resource.not_found");
    let (_, key) = desk.make_key("read", None).await;
    app.desk_of(&key).post("/v1/replays", "{}").await.problem(403, "key.scope_missing");
}

#[tokio::test]
async fn it_keeps_its_rate_and_stops_when_cancelled() {
    let clock = ManualClock::default();
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::on(clock.clone()).receiver("mancha", &receiver).start().await;
    for n in 1..=40 {
        app.send(&app.payment(n)).await.taken(202);
    }
    receiver.wait_for(40).await;
    let desk = app.desk();
    desk.until_items("/v1/deliveries?receiver=mancha&state=delivered", 40).await;
    let job = begin(&app, json!({ "receiver": "mancha", "ratePerSecond": 2 })).await;
    for count in 41..=60 {
        // Half a second each: no less, and no more.
        assert_eq!(receiver.wait_for(count).await.len(), count);
        clock.advance(Duration::from_millis(500));
    }
    let path = format!("/v1/replays/{}/cancel", job["replayId"].as_str().unwrap());
    let cancelled = desk.post(&path, "").await.taken(200);
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(desk.post(&path, "").await.taken(200)["state"], "cancelled", "again it changes nothing");
    let sent = receiver.all().len();
    for _ in 0..50 {
        clock.advance(Duration::from_millis(500));
        app.get("/healthz").await;
    }
    assert!(receiver.all().len() <= sent + 1, "at most what was under way");
    let actions = desk.items("/v1/audit").await;
    let own = actions.iter().filter(|entry| entry["target"] == job["replayId"]).count();
    assert_eq!(own, 2, "begun and cancelled once: {actions:?}");
}

#[tokio::test]
async fn the_same_idempotency_key_begins_one_replay() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = delivered(&receiver, 1).await;
    let desk = app.desk();
    let first = desk.once("once", "/v1/replays", r#"{"receiver":"mancha"}"#).await.taken(202);
    let second = desk.once("once", "/v1/replays", r#"{"receiver":"mancha"}"#).await.taken(202);
    assert_eq!(first["replayId"], second["replayId"]);
    ended(&app, &first, "done").await;
    assert_eq!(desk.items("/v1/replays").await.len(), 1);
}

#[tokio::test]
async fn a_stop_in_the_middle_makes_nothing_twice() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = delivered(&receiver, 30).await;
    let job = begin(&app, json!({ "receiver": "mancha", "ratePerSecond": 40, "asNew": true })).await;
    receiver.wait_for(35).await;
    let app = app.restart().await;
    let job = ended(&app, &job, "done").await;
    assert_eq!((&job["done"], &job["skipped"]), (&json!(30), &json!(0)));
    let requests = receiver.wait_for(60).await;
    let mut again: Vec<_> =
        requests[30..].iter().map(|one| one.header("x-camino-replay-of").unwrap()).collect();
    again.sort_unstable();
    again.dedup();
    assert_eq!(again.len(), 30, "each once");
}

#[tokio::test]
async fn what_a_receiver_without_an_endpoint_would_get_is_left_out() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = delivered(&receiver, 3).await;
    let (setup, dir) = app.stop().await;
    let app = setup.app("mancha", |app| app.endpoint = None).start_in(dir).await;
    let job = begin(&app, json!({ "receiver": "mancha" })).await;
    assert_eq!(job["matched"], 3);
    let job = ended(&app, &job, "done").await;
    assert_eq!((&job["done"], &job["skipped"]), (&json!(0), &json!(3)));
    assert_eq!(receiver.count(), 3);
}

#[tokio::test]
async fn what_passes_its_retention_meanwhile_is_left_out() {
    let clock = ManualClock::default();
    let receiver = FakeReceiver::start().await.unwrap();
    let setup = Setup::on(clock.clone()).receiver("mancha", &receiver);
    let app = setup.with(|config| config.journal.retention = Duration::from_hours(2)).start().await;
    for n in 1..=40 {
        app.send(&app.payment(n)).await.taken(202);
    }
    receiver.wait_for(40).await;
    let desk = app.desk();
    desk.until_items("/v1/deliveries?receiver=mancha&state=delivered", 40).await;
    let job = begin(&app, json!({ "receiver": "mancha", "ratePerSecond": 1 })).await;
    let path = format!("/v1/replays/{}", job["replayId"].as_str().unwrap());
    // Two a turn are made up for at most, so that the events are past it before half of them are made.
    let end = desk.until(&path, |job| job["state"] == "done");
    let job = app.turn_until(&clock, Duration::from_mins(30), end).await;
    let count = |name: &str| job[name].as_u64().unwrap();
    assert_eq!(count("done") + count("skipped"), 40, "{job}");
    assert!(count("skipped") > 0, "{job}");
}

#[tokio::test]
async fn two_at_once_make_each_dead_letter_again_once() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::status(422));
    let app = Setup::new()
        .receiver("mancha", &receiver)
        .with(|config| config.delivery.breaker.failures = 10_000)
        .start()
        .await;
    for n in 1..=30 {
        app.send(&app.payment(n)).await.taken(202);
    }
    app.desk().until_items("/v1/dead-letters?receiver=mancha", 30).await;
    receiver.otherwise(Answer::status(200));
    let body = json!({ "state": "dead", "ratePerSecond": 100 });
    let (one, other) = tokio::join!(begin(&app, body.clone()), begin(&app, body));
    let (one, other) = tokio::join!(ended(&app, &one, "done"), ended(&app, &other, "done"));
    for job in [&one, &other] {
        let counted = job["done"].as_u64().unwrap() + job["skipped"].as_u64().unwrap();
        assert!(job["matched"].as_u64().unwrap() == 30 && counted <= 30, "{job}");
    }
    app.until_ended("mancha", "delivered", 30).await;
    assert_eq!(receiver.count(), 60, "each once");
    app.desk().until_items("/v1/dead-letters?receiver=mancha", 0).await;
}
