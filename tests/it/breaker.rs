//! A receiver that keeps failing is left alone: its backlog waits, burns no attempts, and comes back slowly.

use std::time::Duration;

use camino_broker::testing::clock::ManualClock;
use camino_broker::testing::receiver::{Answer, FakeReceiver};

use crate::app::{Setup, TestApp};

const STATE: &str = "camino_breaker_state{receiver=\"mancha\"}";
const OPEN: u64 = 2;

/// A broker whose breaker opens at the third failure in a row, one attempt at a time.
async fn start(clock: &ManualClock, receiver: &FakeReceiver) -> TestApp {
    let setup = Setup::on(clock.clone()).receiver("mancha", receiver).with(|config| {
        config.delivery.endpoint_in_flight_max = 1;
        config.delivery.breaker.failures = 3;
        config.delivery.breaker.drain_per_second = 1;
        config.delivery.retry.first = Duration::from_mins(1);
        config.delivery.retry.max_attempts = 2;
    });
    setup.start().await
}

#[tokio::test]
async fn the_breaker_opens_parks_the_backlog_and_drains_it() {
    let clock = ManualClock::default();
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::status(500));
    let app = start(&clock, &receiver).await;
    for n in 1..=10 {
        app.send(&app.payment(n)).await.taken(202);
    }
    app.until(STATE, OPEN).await;
    assert_eq!(receiver.count(), 3, "nothing is sent while it is open");
    // Probes only, and more of them than max_attempts would allow one delivery each.
    app.turn_until(&clock, Duration::from_secs(5), receiver.wait_for(30)).await;
    receiver.otherwise(Answer::status(200));
    app.turn_until(&clock, Duration::from_secs(1), app.until_ended("mancha", "delivered", 10)).await;
    assert_eq!(app.metric(STATE).await, 0);
    assert_eq!(app.metric("camino_deliveries_total{outcome=\"dead\",receiver=\"mancha\"}").await, 0);
    // One a second, once it is closed.
    let requests = receiver.all();
    let at: Vec<u64> = requests[requests.len() - 10..]
        .iter()
        .map(|request| request.header("webhook-timestamp").unwrap().parse().unwrap())
        .collect();
    assert!(at[9] - at[1] >= 7, "{at:?}");
}

#[tokio::test]
async fn rejections_in_a_row_open_the_breaker_instead_of_filling_the_dead_letters() {
    let clock = ManualClock::default();
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::status(401));
    let app = start(&clock, &receiver).await;
    for n in 1..=10 {
        app.send(&app.payment(n)).await.taken(202);
    }
    app.until(STATE, OPEN).await;
    assert_eq!(receiver.count(), 3);
    app.until_ended("mancha", "dead", 3).await;
    receiver.otherwise(Answer::status(200));
    app.turn_until(&clock, Duration::from_secs(5), app.until_ended("mancha", "delivered", 7)).await;
    assert_eq!(app.metric("camino_deliveries_total{outcome=\"dead\",receiver=\"mancha\"}").await, 3);
}
