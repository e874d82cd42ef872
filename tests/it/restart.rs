//! Stop and start on the same store: what was owed is still owed, what was done is not done again.

use std::time::Duration;

use camino_broker::testing::clock::ManualClock;
use camino_broker::testing::receiver::{Answer, FakeReceiver};

use crate::app::{BATCH, Setup};
use crate::draft::id;

#[tokio::test]
async fn a_pending_delivery_goes_on_where_it_was() {
    let clock = ManualClock::default();
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.fail(1, 503);
    let setup = Setup::on(clock.clone()).receiver("mancha", &receiver).with(|config| {
        config.delivery.retry.first = Duration::from_hours(60);
        config.delivery.retry.max = Duration::from_hours(60);
    });
    let app = setup.start().await;
    app.send(&app.payment(1)).await.taken(202);
    receiver.wait_for(1).await;
    app.until_queued(&clock, "mancha", "retrying", 1).await;
    let app = app.restart().await;
    app.send(&app.payment(2)).await.taken(202);
    let requests = receiver.wait_for(2).await;
    assert_eq!(requests[1].header("webhook-id"), Some(id(2).as_str()), "the first isn't due yet");
    let requests = app.turn_until(&clock, Duration::from_hours(1), receiver.wait_for(3)).await;
    let (before, after) = (&requests[0], &requests[2]);
    assert_eq!(after.header("x-camino-attempt"), Some("2"));
    for name in ["webhook-id", "idempotency-key", "x-camino-delivery-id", "x-correlation-id"] {
        assert_eq!(before.header(name), after.header(name), "{name}");
    }
    assert_eq!(before.body, after.body);
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(200).held()]);
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let draft = app.payment(1);
    app.send(&draft).await.taken(202);
    receiver.wait_for(1).await;
    app.ask_to_stop();
    receiver.release(1);
    let app = app.restart().await;
    app.send(&draft).await.taken(200);
    app.send(&app.payment(2)).await.taken(202);
    app.until_ended("mancha", "delivered", 1).await;
    let requests = receiver.all();
    let ids: Vec<_> = requests.iter().map(|request| request.header("webhook-id").unwrap()).collect();
    assert_eq!(ids, [id(1), id(2)], "each once");
}

#[tokio::test]
async fn what_the_drain_had_to_cut_is_delivered_after_the_start() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::hang()]);
    let setup = Setup::new().receiver("mancha", &receiver);
    let app = setup.with(|config| config.server.drain = Duration::from_millis(50)).start().await;
    app.send(&app.payment(1)).await.taken(202);
    receiver.wait_for(1).await;
    let app = app.restart().await;
    app.until_ended("mancha", "delivered", 1).await;
    let requests = receiver.all();
    assert_eq!(requests.len(), 2);
    for name in ["webhook-id", "idempotency-key", "x-camino-delivery-id"] {
        assert_eq!(requests[0].header(name), requests[1].header(name), "{name}");
    }
}

#[tokio::test]
async fn a_backlog_survives_a_restart_and_is_delivered_once_each() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::hang());
    let setup = Setup::new().receiver("mancha", &receiver).with(|config| {
        config.server.drain = Duration::from_millis(50);
        config.delivery.endpoint_in_flight_max = 4;
    });
    let app = setup.start().await;
    let items: Vec<String> = (1..=300).map(|n| app.payment(n).body()).collect();
    let body = format!("{{\"events\":[{}]}}", items.join(","));
    app.post(BATCH, &app.signed("colectiva", &body), body.clone()).await.taken(200);
    receiver.wait_for(4).await;
    let (setup, dir) = app.stop().await;
    receiver.otherwise(Answer::status(200));
    let app = setup.start_in(dir).await;
    app.until_ended("mancha", "delivered", 300).await;
    let requests = receiver.all();
    let mut ids: Vec<_> = requests[4..].iter().map(|request| request.header("webhook-id").unwrap()).collect();
    ids.sort_unstable();
    let all: Vec<String> = (1..=300).map(id).collect();
    assert_eq!(ids, all);
    let json = app.post(BATCH, &app.signed("colectiva", &body), body).await.taken(200);
    assert!(json["items"].as_array().unwrap().iter().all(|item| item["status"] == "duplicate"));
}

#[tokio::test]
async fn dead_letters_stay_after_a_restart_and_are_not_sent_again() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(400)]);
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.until_ended("mancha", "dead", 1).await;
    let app = app.restart().await;
    app.until("camino_dead_letters{receiver=\"mancha\"}", 1).await;
    app.send(&app.payment(2)).await.taken(202);
    app.until_ended("mancha", "delivered", 1).await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn a_backlog_of_a_receiver_that_left_the_config_waits_until_it_is_back() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::hang());
    let setup = Setup::new().receiver("mancha", &receiver).receiver("cosmos-pet", &receiver);
    let app = setup.with(|config| config.server.drain = Duration::from_millis(50)).start().await;
    app.send(&app.payment(1)).await.taken(202);
    receiver.wait_for(2).await;
    let (setup, dir) = app.stop().await;
    receiver.otherwise(Answer::status(200));
    let mancha = setup.config.apps[&crate::app::slug("mancha")].clone();
    let without = setup.app("mancha", |app| app.endpoint = None);
    let app = without.start_in(dir).await;
    app.until_ended("cosmos-pet", "delivered", 1).await;
    assert_eq!(receiver.count(), 3);
    let (setup, dir) = app.stop().await;
    let app = setup.app("mancha", |app| *app = mancha).start_in(dir).await;
    app.until_ended("mancha", "delivered", 1).await;
    assert_eq!(receiver.count(), 4);
}
