//! What a receiver sees: the headers, both signatures, and the rotation of secrets.

use std::sync::Arc;
use std::time::Duration;

use camino_broker::deliver::{Endpoint, LiveSecrets, SecretSet, Sink as _};
use camino_broker::domain::id::DeliveryId;
use camino_broker::domain::outcome::Outcome;
use camino_broker::domain::signature::{Scheme, Verdict, sign_ecosystem};
use camino_broker::runtime::clock::{Clock as _, SystemClock};
use camino_broker::testing::clock::ManualClock;
use camino_broker::testing::receiver::{Answer, FakeReceiver, Received};

use crate::fixture::{
    NEWEST, OLDER, attempt, attempt_at, deliver, endpoint, secret, secrets, sink, sink_on, slug, target,
};

fn rotating(url: &str) -> Arc<Endpoint> {
    let mut endpoint = endpoint(url);
    let both = SecretSet::new(LiveSecrets::new(secret(NEWEST), Some(secret(OLDER))));
    endpoint.target = target(url, both);
    Arc::new(endpoint)
}

fn holds(text: &str, received: &Received) -> bool {
    received.header("x-webhook-signature") == Some(&sign_ecosystem(&secret(text), &received.body))
}

fn knows_only_the_older(received: &Received) -> Answer {
    Answer::status(if holds(OLDER, received) { 200 } else { 401 })
}

fn knows_only_the_newest(received: &Received) -> Answer {
    Answer::status(if holds(NEWEST, received) { 200 } else { 403 })
}

#[tokio::test]
async fn the_headers_are_these_and_no_others() {
    let clock = ManualClock::default();
    let receiver = FakeReceiver::start().await.unwrap();
    let mut third = attempt(endpoint(&receiver.url()));
    third.attempt = 3;
    third.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    let delivery_id = third.delivery_id.to_string();
    let signature = sign_ecosystem(&secret(NEWEST), &third.body);
    sink_on(Arc::new(clock.clone())).send(third).await;
    let received = receiver.received().await;
    let host = receiver.address().to_string();
    let length = received.body.len().to_string();
    let mut expected = vec![
        ("content-length", length.as_str()),
        ("content-type", "application/json"),
        ("host", &host),
        ("idempotency-key", "key-1"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("user-agent", concat!("Camino/", env!("CARGO_PKG_VERSION"))),
        ("webhook-id", "0192f0c1-7a3b-7c11-9d55-0a1b2c3d4e5f"),
        ("webhook-timestamp", "1776340800"),
        ("x-camino-attempt", "3"),
        ("x-camino-delivery-id", &delivery_id),
        ("x-camino-event-type", "payment.received"),
        ("x-camino-source", "colectiva"),
        ("x-correlation-id", "cid_1"),
        ("x-webhook-signature", &signature),
        ("x-webhook-timestamp", "1776340800"),
    ];
    let standard = received.header("webhook-signature").unwrap().to_owned();
    expected.push(("webhook-signature", &standard));
    expected.sort_unstable();
    let mut got: Vec<(&str, &str)> =
        received.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    got.sort_unstable();
    assert_eq!(got, expected);
}

#[tokio::test]
async fn both_signatures_hold_by_our_check_and_by_the_reference_library() {
    let receiver = FakeReceiver::start().await.unwrap();
    deliver(&receiver.url()).await;
    let received = receiver.received().await;
    assert!(received.is_signed_by(&[secret(NEWEST)], SystemClock::new().now()));
    assert!(!received.is_signed_by(&[secret(OLDER)], SystemClock::new().now()));
    let reference = standardwebhooks::Webhook::new(NEWEST).unwrap();
    reference.verify(&received.body, &received.headers).unwrap();
}

#[tokio::test]
async fn the_timestamp_is_fresh_and_the_ids_stay() {
    let clock = ManualClock::default();
    let receiver = FakeReceiver::start().await.unwrap();
    let sink = sink_on(Arc::new(clock.clone()));
    let endpoint = Arc::new(endpoint(&receiver.url()));
    sink.send(attempt_at(Arc::clone(&endpoint))).await;
    clock.advance(Duration::from_hours(2));
    sink.send(attempt_at(endpoint)).await;
    let (first, second) = (receiver.received().await, receiver.received().await);
    for name in ["x-webhook-timestamp", "webhook-timestamp"] {
        assert_eq!(first.header(name), Some("1776340800"));
        assert_eq!(second.header(name), Some("1776348000"));
    }
    for name in ["webhook-id", "idempotency-key", "x-camino-delivery-id", "x-webhook-signature"] {
        assert_eq!(first.header(name), second.header(name), "{name}");
    }
    assert!(second.is_signed_by(&[secret(NEWEST)], clock.now()));
    let stale = first.verdicts(&[secret(NEWEST)], clock.now()).1;
    assert!(matches!(stale, Verdict::OutOfWindow { .. }));
}

#[tokio::test]
async fn a_rotation_signs_with_both_in_the_one_header_and_the_newest_in_the_other() {
    let receiver = FakeReceiver::start().await.unwrap();
    let report = sink().send(attempt_at(rotating(&receiver.url()))).await;
    assert_eq!((report.outcome, report.secret_index), (Outcome::Delivered, 0));
    let received = receiver.received().await;
    assert!(holds(NEWEST, &received));
    for text in [NEWEST, OLDER] {
        let reference = standardwebhooks::Webhook::new(text).unwrap();
        reference.verify(&received.body, &received.headers).unwrap();
    }
    let (_, standard) = received.verdicts(&[secret(NEWEST)], SystemClock::new().now());
    assert_eq!(standard, Verdict::Valid { scheme: Scheme::Standard, secret_index: 0 });
}

#[tokio::test]
async fn a_receiver_that_knows_only_the_older_secret_is_served_and_remembered() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::Decided(knows_only_the_older));
    let (sink, endpoint) = (sink(), rotating(&receiver.url()));
    for requests in [2, 3] {
        let report = sink.send(attempt_at(Arc::clone(&endpoint))).await;
        assert_eq!((report.outcome, report.secret_index), (Outcome::Delivered, 1));
        assert_eq!(receiver.count(), requests, "the second attempt begins with what worked");
    }
    // The receiver learns the newest and forgets the older.
    receiver.otherwise(Answer::Decided(knows_only_the_newest));
    for requests in [5, 6] {
        let report = sink.send(attempt_at(Arc::clone(&endpoint))).await;
        assert_eq!((report.outcome, report.secret_index), (Outcome::Delivered, 0));
        assert_eq!(receiver.count(), requests);
    }
}

#[tokio::test]
async fn a_receiver_that_takes_neither_secret_is_asked_twice_and_no_more() {
    for status in [401, 403] {
        let receiver = FakeReceiver::start().await.unwrap();
        receiver.otherwise(Answer::status(status));
        let endpoint = rotating(&receiver.url());
        let report = sink().send(attempt_at(Arc::clone(&endpoint))).await;
        assert_eq!((report.outcome, report.status), (Outcome::Rejected, Some(status)));
        assert_eq!((receiver.count(), secrets(&endpoint).of(&slug("colectiva")).working()), (2, 0));
    }
}

#[tokio::test]
async fn other_refusals_are_not_repeated_with_the_other_secret() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::status(400));
    sink().send(attempt_at(rotating(&receiver.url()))).await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn a_source_with_its_own_secret_is_signed_with_that() {
    let receiver = FakeReceiver::start().await.unwrap();
    let mut endpoint = endpoint(&receiver.url());
    let own = SecretSet::new(LiveSecrets::new(secret(NEWEST), None))
        .with_source(slug("colectiva"), LiveSecrets::new(secret(OLDER), None));
    endpoint.target = target(&receiver.url(), own);
    sink().send(attempt(endpoint)).await;
    let received = receiver.received().await;
    assert!(received.is_signed_by(&[secret(OLDER)], SystemClock::new().now()));
}

#[tokio::test]
async fn a_replay_as_new_says_what_it_repeats_and_a_plain_one_does_not() {
    let receiver = FakeReceiver::start().await.unwrap();
    let original = DeliveryId::parse("dlv_000102030405060708090a0b0c0d0e0f");
    let mut plain = attempt(endpoint(&receiver.url()));
    plain.replay_of = original;
    let mut as_new = plain.clone();
    as_new.webhook_id = "another-id".to_owned();
    let sink = sink();
    sink.send(plain).await;
    sink.send(as_new).await;
    assert_eq!(receiver.received().await.header("x-camino-replay-of"), None);
    let second = receiver.received().await;
    assert_eq!(second.header("x-camino-replay-of"), Some("dlv_000102030405060708090a0b0c0d0e0f"));
    assert_eq!(second.header("webhook-id"), Some("another-id"));
    assert!(second.is_signed_by(&[secret(NEWEST)], SystemClock::new().now()));
}
