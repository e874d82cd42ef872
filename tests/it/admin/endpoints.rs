//! `/v1/endpoints`: what is in force, and what operators change about it.

use camino_broker::testing::receiver::{Answer, FakeReceiver};
use http::Method;
use serde_json::json;

use crate::app::{Setup, endpoint_secret};
use crate::desk::{each, names};

const ENDPOINT: [&str; 16] = [
    "app",
    "url",
    "state",
    "reason",
    "origin",
    "breaker",
    "nextProbeAt",
    "secrets",
    "echo",
    "inFlightMax",
    "ratePerSecond",
    "timeoutMs",
    "pending",
    "retrying",
    "inFlight",
    "dead",
];

#[tokio::test]
async fn endpoints_are_shown_with_every_name_and_without_secrets() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).receiver("baul", &receiver).start().await;
    let desk = app.desk();
    let items = desk.items("/v1/endpoints").await;
    let apps = ["baul", "camino", "mancha"];
    assert_eq!(each(&items, "app"), apps, "those that only send have none, and the hub always has");
    assert!(items.iter().all(|item| names(item) == ENDPOINT));
    let items = [items[0].clone(), items[2].clone()];
    assert_eq!(items[1], desk.get("/v1/endpoints/mancha").await);
    assert_eq!(items[1]["url"], receiver.url());
    assert_eq!((&items[1]["state"], &items[1]["origin"]), (&json!("active"), &json!("config")));
    assert_eq!((&items[1]["secrets"], &items[1]["breaker"]), (&json!(1), &json!("closed")));
    assert!(!items[1].to_string().contains("whsec_"));
    let pages = desk.pages("/v1/endpoints?limit=1").await;
    assert_eq!(each(&pages.concat(), "app"), apps);
}

#[tokio::test]
async fn a_pause_parks_a_restart_keeps_it_and_a_resume_drains() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).receiver("baul", &receiver).start().await;
    let paused = app.desk().post("/v1/endpoints/mancha/pause", "").await.taken(200);
    assert_eq!((&paused["state"], &paused["reason"]), (&json!("paused"), &json!("paused")));
    assert_eq!(paused["origin"], "overlay");
    for n in 1..=3 {
        app.send(&app.payment(n)).await.taken(202);
    }
    app.desk().until_items("/v1/deliveries?receiver=mancha&state=parked", 3).await;
    app.desk().until_items("/v1/deliveries?receiver=baul&state=delivered", 3).await;
    assert_eq!(receiver.count(), 3);
    let app = app.restart().await;
    let desk = app.desk();
    let still = desk.get("/v1/endpoints/mancha").await;
    assert_eq!((&still["state"], &still["pending"]), (&json!("paused"), &json!(3)));
    desk.until_items("/v1/deliveries?reason=paused", 3).await;
    let resumed = desk.post("/v1/endpoints/mancha/resume", "").await.taken(200);
    assert_eq!((&resumed["state"], &resumed["origin"]), (&json!("active"), &json!("config")));
    desk.until_items("/v1/deliveries?receiver=mancha&state=delivered", 3).await;
    assert_eq!(receiver.wait_for(6).await.len(), 6);
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_null_goes_back_to_the_config() {
    let (old, new) = (FakeReceiver::start().await.unwrap(), FakeReceiver::start().await.unwrap());
    let app = Setup::new().receiver("mancha", &old).start().await;
    let desk = app.desk();
    let path = "/v1/endpoints/mancha";
    let base = desk.get(path).await;
    let change = json!({ "url": new.url(), "inFlightMax": 3, "ratePerSecond": 50, "paused": true });
    let changed = desk.patch(path, &change).await.taken(200);
    for (name, value) in [("url", json!(new.url())), ("inFlightMax", json!(3)), ("ratePerSecond", json!(50))]
    {
        assert_eq!(changed[name], value, "{name}");
    }
    assert_eq!((&changed["state"], &changed["origin"]), (&json!("paused"), &json!("overlay")));
    let kept = desk.patch(path, &json!({ "inFlightMax": null })).await.taken(200);
    assert_eq!(kept["inFlightMax"], base["inFlightMax"]);
    assert_eq!((&kept["url"], &kept["state"]), (&json!(new.url()), &json!("paused")));
    let active = desk.patch(path, &json!({ "paused": null })).await.taken(200);
    assert_eq!(active["state"], "active", "the config pauses nobody");
    app.send(&app.payment(1)).await.taken(202);
    new.wait_for(1).await;
    // All of it survives a restart, and goes with a reset.
    let app = app.restart().await;
    let desk = app.desk();
    assert_eq!(desk.get(path).await["url"], new.url());
    assert_eq!(desk.get(path).await["ratePerSecond"], 50);
    let reset = desk.post("/v1/endpoints/mancha/reset", "").await.taken(200);
    for name in ["url", "state", "origin", "inFlightMax", "ratePerSecond"] {
        assert_eq!(reset[name], base[name], "{name}");
    }
    app.send(&app.payment(2)).await.taken(202);
    old.wait_for(1).await;
    assert_eq!(new.count(), 1);
    let app = app.restart().await;
    assert_eq!(app.desk().get(path).await["origin"], "config");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let app = Setup::new().endpoint("mancha", "http://127.0.0.1:9/").start().await;
    let desk = app.desk();
    let path = "/v1/endpoints/mancha";
    let base = desk.get(path).await;
    for body in [
        json!({ "url": "ftp://a.example/" }),
        json!({ "url": "https://user:pw@a.example/" }),
        json!({ "inFlightMax": 0 }),
        json!({ "ratePerSecond": 0 }),
        json!({ "paused": "yes" }),
        json!({ "secrets": ["x"] }),
    ] {
        for method in [Method::PATCH, Method::PUT] {
            let problem = desk.ask(method, path, &body.to_string()).await.problem(400, "request.invalid");
            assert!(!problem.to_string().contains("pw@"), "{problem}");
        }
    }
    assert_eq!(desk.get(path).await, base);
}

#[tokio::test]
async fn a_test_sends_one_signed_event_and_says_what_came_of_it() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(200).with_body("fine"), Answer::status(401).with_body("who are you")]);
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let desk = app.desk();
    let told = desk.post("/v1/endpoints/mancha/test", "").await.taken(200);
    assert_eq!(names(&told), ["app", "outcome", "reason", "status", "error", "answer", "durationMs"]);
    assert_eq!((&told["outcome"], &told["status"]), (&json!("delivered"), &json!(200)));
    let request = receiver.received().await;
    assert!(request.is_signed_by(&[endpoint_secret("mancha")], app.clock.now()));
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&body["eventType"], &body["source"]), (&json!("camino.endpoint_test"), &json!("camino")));
    let told = desk.post("/v1/endpoints/mancha/test", "").await.taken(200);
    assert_eq!((&told["outcome"], &told["reason"]), (&json!("rejected"), &json!("rejected")));
    assert_eq!((&told["status"], &told["answer"]), (&json!(401), &json!("who are you")));
    // It is no event: nothing is in the lists for it.
    app.send(&app.payment(1)).await.taken(202);
    let events = desk.until_items("/v1/events", 1).await;
    assert_eq!(each(&events, "eventType"), ["payment.completed"]);
}
