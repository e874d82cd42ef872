//! Answers that mean "later": tried again, signed anew, until the receiver has it.

use std::time::Duration;

use camino_broker::domain::time::Millis;
use camino_broker::runtime::clock::Clock as _;
use camino_broker::testing::clock::ManualClock;
use camino_broker::testing::receiver::{Answer, FakeReceiver, Received};

use crate::app::{Setup, endpoint_secret};
use crate::draft::id;

fn sent_at(received: &Received) -> u64 {
    received.header("webhook-timestamp").unwrap().parse().unwrap()
}

fn attempts(requests: &[Received]) -> Vec<&str> {
    requests.iter().map(|request| request.header("x-camino-attempt").unwrap()).collect()
}

/// Gets `answer` first and 200 then; the two requests.
async fn retried(answer: Answer) -> Vec<Received> {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([answer.clone()]);
    let mut setup = Setup::new().receiver("mancha", &receiver);
    if matches!(answer, Answer::Held(_)) {
        setup = setup.with(|config| config.delivery.timeout = Duration::from_secs(1));
    }
    let app = setup.start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.until_ended("mancha", "delivered", 1).await;
    let requests = receiver.all();
    assert_eq!(attempts(&requests), ["1", "2"], "{answer:?}");
    requests
}

#[tokio::test]
async fn a_408_425_429_or_5xx_is_retried() {
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        retried(Answer::status(status)).await;
    }
}

#[tokio::test]
async fn a_timeout_is_retried() {
    retried(Answer::hang()).await;
}

#[tokio::test]
async fn a_connection_that_breaks_is_retried() {
    retried(Answer::HangUp).await;
}

#[tokio::test]
async fn a_refused_connection_is_retried() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let app = Setup::new().endpoint("mancha", &url).with(|c| c.delivery.retry.max_attempts = 3).start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.until_ended("mancha", "dead", 1).await;
    assert_eq!(app.metric("camino_delivery_attempt_seconds_count{receiver=\"mancha\"}").await, 3);
}

#[tokio::test]
async fn a_failed_tls_handshake_is_retried() {
    let receiver = FakeReceiver::start().await.unwrap();
    let url = receiver.url().replace("http://", "https://");
    let app = Setup::new().endpoint("mancha", &url).with(|c| c.delivery.retry.max_attempts = 2).start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.until_ended("mancha", "dead", 1).await;
    assert_eq!(app.metric("camino_delivery_attempt_seconds_count{receiver=\"mancha\"}").await, 2);
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn a_3xx_is_retried_and_never_followed() {
    let elsewhere = FakeReceiver::start().await.unwrap();
    for status in [301, 302, 303, 304, 307, 308] {
        retried(Answer::redirect(status, &elsewhere.url())).await;
    }
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test]
async fn each_attempt_has_its_number_and_a_fresh_signature_and_the_ids_stay() {
    let clock = ManualClock::default();
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.fail(2, 503);
    let setup = Setup::on(clock.clone()).receiver("mancha", &receiver);
    let app = setup.with(|config| config.delivery.retry.first = Duration::from_secs(400)).start().await;
    let draft = app.payment(1);
    let accepted = app.send(&draft).await.taken(202);
    let requests = app.turn_until(&clock, Duration::from_secs(20), receiver.wait_for(3)).await;
    assert_eq!(attempts(&requests), ["1", "2", "3"]);
    for pair in requests.windows(2) {
        assert!(sent_at(&pair[1]) >= sent_at(&pair[0]) + 200, "half of the wait at least");
        for name in ["webhook-id", "idempotency-key", "x-camino-delivery-id", "x-correlation-id"] {
            assert_eq!(pair[0].header(name), pair[1].header(name), "{name}");
        }
        assert_ne!(pair[0].header("webhook-signature"), pair[1].header("webhook-signature"));
    }
    for request in &requests {
        assert_eq!(request.body, draft.body().as_bytes());
        assert_eq!(request.header("x-webhook-timestamp"), request.header("webhook-timestamp"));
        let then = Millis(sent_at(request) * 1000);
        assert!(request.is_signed_by(&[endpoint_secret("mancha")], then));
        assert_eq!(request.header("x-camino-delivery-id"), accepted["deliveries"][0]["deliveryId"].as_str());
    }
    app.until_ended("mancha", "delivered", 1).await;
}

#[tokio::test]
async fn retry_after_is_obeyed() {
    let clock = ManualClock::default();
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(503).with_header("retry-after", "10000")]);
    let app = Setup::on(clock.clone()).receiver("mancha", &receiver).start().await;
    app.send(&app.payment(1)).await.taken(202);
    let first = receiver.received().await;
    app.until_queued(&clock, "mancha", "retrying", 1).await;
    let nearly = Millis((sent_at(&first) + 9_990) * 1000);
    clock.advance(nearly.since(clock.now()));
    // What is asked for is about this delivery: another one goes at once, and this one not yet.
    app.send(&app.payment(2)).await.taken(202);
    assert_eq!(receiver.received().await.header("webhook-id"), Some(id(2).as_str()));
    app.turn_until(&clock, Duration::from_secs(10), receiver.wait_for(3)).await;
    let again = receiver.received().await;
    assert_eq!(
        (again.header("webhook-id"), again.header("x-camino-attempt")),
        (Some(id(1).as_str()), Some("2"))
    );
    assert!(sent_at(&again) >= sent_at(&first) + 10_000);
}

#[tokio::test]
async fn retry_after_is_capped() {
    let clock = ManualClock::default();
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(429).with_header("retry-after", "999999")]);
    let setup = Setup::on(clock.clone()).receiver("mancha", &receiver);
    let app = setup.with(|config| config.delivery.retry.max = Duration::from_mins(1)).start().await;
    app.send(&app.payment(1)).await.taken(202);
    receiver.wait_for(1).await;
    app.until_queued(&clock, "mancha", "retrying", 1).await;
    // The cap and a tenth of it, so that those who were told the same don't come back at once.
    clock.advance(Duration::from_secs(66));
    receiver.wait_for(2).await;
}

#[tokio::test]
async fn an_app_may_have_a_retry_policy_of_its_own() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::status(500));
    let setup = Setup::new().receiver("mancha", &receiver).receiver("cosmos-pet", &receiver);
    let setup = setup.with(|config| config.delivery.retry.max_attempts = 4);
    let app = setup.app("mancha", |app| app.retry.max_attempts = Some(2)).start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.until_ended("mancha", "dead", 1).await;
    app.until_ended("cosmos-pet", "dead", 1).await;
    assert_eq!(receiver.count(), 2 + 4);
}
