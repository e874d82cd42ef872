//! Answers that end a delivery or its endpoint: refusals, blocked addresses, spent attempts, 410.

use std::time::Duration;

use camino_broker::testing::clock::ManualClock;
use camino_broker::testing::receiver::{Answer, FakeReceiver};

use crate::app::{BATCH, Setup};

const DEAD_LETTERS: &str = "camino_dead_letters{receiver=\"mancha\"}";

#[tokio::test]
async fn any_other_4xx_is_dead_at_once() {
    let receiver = FakeReceiver::start().await.unwrap();
    let statuses = [400, 401, 402, 403, 404, 405, 409, 413, 415, 422, 451, 499];
    receiver.script(statuses.map(Answer::status));
    let setup = Setup::new().receiver("mancha", &receiver);
    let app = setup.with(|config| config.delivery.breaker.failures = 100).start().await;
    for (n, _) in (1..).zip(statuses) {
        app.send(&app.payment(n)).await.taken(202);
    }
    app.until_ended("mancha", "dead", 12).await;
    app.until(DEAD_LETTERS, 12).await;
    app.send(&app.payment(99)).await.taken(202);
    app.until_ended("mancha", "delivered", 1).await;
    assert_eq!(receiver.count(), 13, "none was tried twice");
}

#[tokio::test]
async fn retry_on_adds_statuses_that_are_tried_again() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(404), Answer::status(409), Answer::status(422)]);
    let setup = Setup::new().receiver("mancha", &receiver);
    let app = setup.app("mancha", |app| app.retry_on = vec![404, 409]).start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.until_ended("mancha", "dead", 1).await;
    assert_eq!(receiver.count(), 3);
}

#[tokio::test]
async fn a_blocked_address_is_dead_and_never_called() {
    let receiver = FakeReceiver::start().await.unwrap();
    let port = receiver.address().port();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"] {
        let url = format!("http://{host}:{port}/");
        let setup = Setup::new().endpoint("mancha", &url);
        let app = setup.with(|config| config.delivery.allowed_networks.clear()).start().await;
        app.send(&app.payment(1)).await.taken(202);
        app.until_ended("mancha", "dead", 1).await;
        assert_eq!(app.metric("camino_delivery_attempt_seconds_count{receiver=\"mancha\"}").await, 1);
    }
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn max_attempts_makes_it_dead() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::status(500));
    let setup = Setup::new().receiver("mancha", &receiver);
    let app = setup.with(|config| config.delivery.retry.max_attempts = 3).start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.until_ended("mancha", "dead", 1).await;
    app.until(DEAD_LETTERS, 1).await;
    let requests = receiver.all();
    let numbers: Vec<&str> = requests.iter().map(|r| r.header("x-camino-attempt").unwrap()).collect();
    assert_eq!(numbers, ["1", "2", "3"]);
}

#[tokio::test]
async fn max_age_makes_it_dead_after_a_failed_attempt() {
    let clock = ManualClock::default();
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::status(500));
    let setup = Setup::on(clock.clone()).receiver("mancha", &receiver).with(|config| {
        config.delivery.retry.first = Duration::from_mins(40);
        config.delivery.retry.max_age = Duration::from_hours(1);
    });
    let app = setup.start().await;
    app.send(&app.payment(1)).await.taken(202);
    receiver.wait_for(1).await;
    app.until_queued(&clock, "mancha", "retrying", 1).await;
    app.turn_until(&clock, Duration::from_mins(1), app.until_ended("mancha", "dead", 1)).await;
    let requests = receiver.all();
    let at = |index: usize| -> u64 { requests[index].header("webhook-timestamp").unwrap().parse().unwrap() };
    assert!(requests.len() >= 2);
    assert!(at(requests.len() - 1) >= at(0) + 3600, "the last attempt is the one past the age");
    assert!(at(requests.len() - 2) < at(0) + 3600);
}

#[tokio::test]
async fn a_410_disables_the_endpoint_and_parks_its_backlog() {
    let clock = ManualClock::default();
    let (gone, there) = (FakeReceiver::start().await.unwrap(), FakeReceiver::start().await.unwrap());
    gone.script([Answer::status(410)]);
    let setup = Setup::on(clock.clone()).receiver("mancha", &gone).receiver("cosmos-pet", &there);
    let app = setup.start().await;
    app.send(&app.payment(1)).await.taken(202);
    gone.wait_for(1).await;
    app.until_queued(&clock, "mancha", "retrying", 1).await;
    for n in [2, 3] {
        let json = app.send(&app.payment(n)).await.taken(202);
        assert_eq!(json["deliveries"].as_array().unwrap().len(), 2, "the delivery exists and waits");
    }
    there.wait_for(3).await;
    // However long one waits: nothing more is sent, and nothing dies of it.
    clock.advance(Duration::from_hours(100));
    app.until_queued(&clock, "mancha", "pending", 2).await;
    assert_eq!((gone.count(), app.metric(DEAD_LETTERS).await), (1, 0));
    let dead = "camino_deliveries_total{outcome=\"dead\",receiver=\"mancha\"}";
    assert_eq!(app.metric(dead).await, 0);
}

#[tokio::test]
async fn what_is_past_its_retention_is_let_go_of_to_the_last() {
    let clock = ManualClock::default();
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::status(400));
    let setup = Setup::on(clock.clone()).receiver("mancha", &receiver);
    let app = setup.with(|config| config.delivery.breaker.failures = 10_000).start().await;
    // More than goes with one commit.
    let counts = [400, 300];
    for (first, count) in [(1, counts[0]), (1_001, counts[1])] {
        let events: Vec<String> = (first..first + count).map(|n| app.payment(n).body()).collect();
        let body = format!("{{\"events\":[{}]}}", events.join(","));
        app.post(BATCH, &app.signed("colectiva", &body), body).await.taken(200);
    }
    let all = u64::from(counts[0] + counts[1]);
    app.turn_until(&clock, Duration::from_secs(1), app.until(DEAD_LETTERS, all)).await;
    clock.advance(Duration::from_hours(24 * 91));
    app.turn_until(&clock, Duration::from_secs(1), app.until(DEAD_LETTERS, 0)).await;
}

#[tokio::test]
async fn a_receiver_that_never_returns_does_not_keep_its_backlog_for_ever() {
    let clock = ManualClock::default();
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(410)]);
    let app = Setup::on(clock.clone()).receiver("mancha", &receiver).start().await;
    app.send(&app.payment(1)).await.taken(202);
    receiver.wait_for(1).await;
    app.until_queued(&clock, "mancha", "retrying", 1).await;
    for n in [2, 3] {
        app.send(&app.payment(n)).await.taken(202);
    }
    clock.advance(Duration::from_hours(24 * 89));
    app.until_queued(&clock, "mancha", "pending", 2).await;
    clock.advance(Duration::from_hours(24 * 2));
    app.until_queued(&clock, "mancha", "pending", 0).await;
    app.until_queued(&clock, "mancha", "retrying", 0).await;
    assert_eq!(app.metric(DEAD_LETTERS).await, 0);
}
