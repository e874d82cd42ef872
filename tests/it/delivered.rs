//! What a receiver gets: the sender's bytes, signed for this receiver, with ids that stay.

use std::collections::HashSet;

use camino_broker::domain::secret::Secret;
use camino_broker::domain::signature::sign_ecosystem;
use camino_broker::testing::receiver::{Answer, FakeReceiver, Received};

use crate::app::{EVENTS, Setup, endpoint_secret, endpoint_secret_text, slug, with};
use crate::draft::{SALE, id};

fn reference(receiver: &str, generation: u32, received: &Received) -> bool {
    let webhook = standardwebhooks::Webhook::new(&endpoint_secret_text(receiver, generation)).unwrap();
    webhook.verify(&received.body, &received.headers).is_ok()
}

#[tokio::test]
async fn any_2xx_is_delivered() {
    let receiver = FakeReceiver::start().await.unwrap();
    let statuses = [200, 201, 202, 204, 206, 299];
    receiver.script(statuses.map(Answer::status));
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    for (n, _) in (1..).zip(statuses) {
        app.send(&app.payment(n)).await.taken(202);
    }
    app.until_ended("mancha", "delivered", 6).await;
    assert_eq!(receiver.count(), 6);
    assert_eq!(app.metric("camino_delivery_lag_seconds_count{receiver=\"mancha\"}").await, 6);
}

#[tokio::test]
async fn the_bytes_are_unchanged() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let data = "{ \"z\":1.0,\t\"a\": \"\\u00e9 é\",\r\n \"n\" : 1e400 , \"z2\":[ ] }";
    let draft = app.payment(1).with("data", data).with("x-own", "[1, 2 ,3]").with("aaa", "null");
    let body = format!("\n\t {} \r\n", draft.body().replace("\":", "\" :\n "));
    app.send_as("colectiva", body.clone()).await.taken(202);
    let received = receiver.received().await;
    assert_eq!(received.body, body.as_bytes());
    assert_eq!(received.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_large_body_arrives_whole() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let noise: Vec<String> = (0..100_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_string()).collect();
    let noise = noise.concat();
    let body = app.payment(1).with("data", &format!("\"{noise}\"")).body();
    app.send_as("colectiva", body.clone()).await.taken(202);
    assert_eq!(receiver.received().await.body, body.as_bytes());
}

#[tokio::test]
async fn both_signatures_hold_by_the_ecosystems_check_and_by_the_reference_library() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).receiver("cosmos-pet", &receiver).start().await;
    app.send(&app.payment(1)).await.taken(202);
    for received in receiver.wait_for(2).await {
        let own = ["mancha", "cosmos-pet"].into_iter().filter(|app| reference(app, 0, &received));
        let own: Vec<&str> = own.collect();
        assert_eq!(own.len(), 1, "signed for one receiver and no other");
        assert!(received.is_signed_by(&[endpoint_secret(own[0])], app.clock.now()));
        assert!(!received.is_signed_by(&[crate::app::signing_secret("colectiva")], app.clock.now()));
    }
}

#[tokio::test]
async fn a_rotation_of_the_endpoints_secrets_signs_with_both() {
    let receiver = FakeReceiver::start().await.unwrap();
    let secret = |generation| Secret::new(&endpoint_secret_text("mancha", generation)).unwrap();
    let rotating = Setup::new()
        .receiver("mancha", &receiver)
        .app("mancha", |app| app.endpoint_secrets = vec![secret(1), secret(0)]);
    let app = rotating.start().await;
    app.send(&app.payment(1)).await.taken(202);
    let received = receiver.received().await;
    assert!(reference("mancha", 0, &received) && reference("mancha", 1, &received));
    assert!(!reference("mancha", 2, &received));
    assert_eq!(received.header("webhook-signature").unwrap().split(' ').count(), 2);
    let newest = sign_ecosystem(&secret(1), &received.body);
    assert_eq!(received.header("x-webhook-signature"), Some(newest.as_str()));
}

#[tokio::test]
async fn a_receiver_that_knows_only_the_older_secret_is_served_in_the_same_attempt() {
    fn knows_the_older(received: &Received) -> Answer {
        let older = Secret::new(&endpoint_secret_text("mancha", 0)).unwrap();
        let signed = received.header("x-webhook-signature") == Some(&sign_ecosystem(&older, &received.body));
        Answer::status(if signed { 200 } else { 401 })
    }
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::Decided(knows_the_older));
    let rotating = Setup::new().receiver("mancha", &receiver).app("mancha", |app| {
        let newer = Secret::new(&endpoint_secret_text("mancha", 1)).unwrap();
        app.endpoint_secrets.insert(0, newer);
    });
    let app = rotating.start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.until_ended("mancha", "delivered", 1).await;
    let both = receiver.wait_for(2).await;
    assert!(both.iter().all(|received| received.header("x-camino-attempt") == Some("1")));
    // What worked is remembered.
    app.send(&app.payment(2)).await.taken(202);
    app.until_ended("mancha", "delivered", 2).await;
    assert_eq!(receiver.count(), 3);
}

#[tokio::test]
async fn a_secret_for_one_source_signs_the_events_of_that_source() {
    let receiver = FakeReceiver::start().await.unwrap();
    let keyed = Setup::new().receiver("constanza", &receiver).app("constanza", |app| {
        let own = Secret::new(&endpoint_secret_text("from-hoja", 0)).unwrap();
        app.endpoint_secrets_by_source.insert(slug("hoja"), vec![own]);
    });
    let app = keyed.start().await;
    app.send(&app.draft(1, "hoja", "sale.completed", SALE)).await.taken(202);
    let from_hoja = receiver.received().await;
    app.send(&app.draft(2, "caracol", "sale.completed", SALE)).await.taken(202);
    let from_caracol = receiver.received().await;
    assert!(reference("from-hoja", 0, &from_hoja) && !reference("constanza", 0, &from_hoja));
    assert!(reference("constanza", 0, &from_caracol) && !reference("from-hoja", 0, &from_caracol));
}

#[tokio::test]
async fn the_headers_tell_what_it_is_and_the_idempotency_key_is_one_per_receiver() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).receiver("cosmos-pet", &receiver).start().await;
    app.send(&app.payment(1)).await.taken(202);
    let both = receiver.wait_for(2).await;
    for received in &both {
        for (name, value) in [
            ("webhook-id", id(1).as_str()),
            ("x-camino-event-type", "payment.completed"),
            ("x-camino-source", "colectiva"),
            ("x-camino-attempt", "1"),
            ("user-agent", concat!("Camino/", env!("CARGO_PKG_VERSION"))),
        ] {
            assert_eq!(received.header(name), Some(value));
        }
        assert_eq!(received.header("x-webhook-timestamp"), received.header("webhook-timestamp"));
        // Who posted to us is nothing that a receiver could use.
        assert_eq!(received.header("authorization"), None);
    }
    for name in ["idempotency-key", "x-camino-delivery-id"] {
        let values: HashSet<_> = both.iter().map(|received| received.header(name).unwrap()).collect();
        assert_eq!(values.len(), 2, "{name}");
    }
}

#[tokio::test]
async fn correlation_id_and_traceparent_are_passed_on() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let body = app.payment(1).with("metadata", r#"{"correlationId":"metas"}"#).body();
    let headers = with(app.signed("colectiva", &body), "x-correlation-id", "headers");
    app.post(EVENTS, &with(headers, "traceparent", trace), body).await.taken(202);
    let received = receiver.received().await;
    assert_eq!(received.header("x-correlation-id"), Some("headers"));
    assert_eq!(received.header("traceparent"), Some(trace));
    app.send(&app.payment(2).with("metadata", r#"{"correlationId":"metas"}"#)).await.taken(202);
    let received = receiver.received().await;
    assert_eq!(received.header("x-correlation-id"), Some("metas"));
    assert_eq!(received.header("traceparent"), None);
    let made = app.send(&app.payment(3)).await.taken(202);
    assert_eq!(receiver.received().await.header("x-correlation-id"), made["correlationId"].as_str());
}

#[tokio::test]
async fn a_source_does_not_get_its_own_event_back_unless_it_wants_to() {
    let receiver = FakeReceiver::start().await.unwrap();
    for (echo, expected) in [(false, vec!["colectiva"]), (true, vec!["colectiva", "constanza"])] {
        let app = Setup::new()
            .receiver("constanza", &receiver)
            .receiver("colectiva", &receiver)
            .app("constanza", |app| app.echo = echo)
            .start()
            .await;
        let json = app.send(&app.draft(1, "constanza", "customer.updated", "{}")).await.taken(202);
        let deliveries = json["deliveries"].as_array().unwrap();
        let got: Vec<&str> = deliveries.iter().map(|d| d["receiver"].as_str().unwrap()).collect();
        assert_eq!(got, expected);
    }
}

#[tokio::test]
async fn a_filter_keeps_out_what_a_receiver_does_not_want() {
    let (choosy, other) = (FakeReceiver::start().await.unwrap(), FakeReceiver::start().await.unwrap());
    let app = Setup::new()
        .receiver("constanza", &choosy)
        .receiver("colectiva", &other)
        .app("constanza", |app| app.filter.sources = Some(vec![slug("caracol")]))
        .start()
        .await;
    app.send(&app.draft(1, "hoja", "sale.completed", SALE)).await.taken(202);
    app.send(&app.draft(2, "caracol", "sale.completed", SALE)).await.taken(202);
    other.wait_for(2).await;
    assert_eq!(choosy.received().await.header("webhook-id"), Some(id(2).as_str()));
}
