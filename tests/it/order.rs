//! The order in which ingest decides: what is asked first hides what would be asked later.

use std::time::Duration;

use camino_broker::config::SchemaCheck;
use camino_broker::runtime::clock::Clock as _;
use camino_broker::testing::clock::ManualClock;
use camino_broker::testing::receiver::FakeReceiver;
use serde_json::json;

use crate::app::{EVENTS, Setup, headers, with};
use crate::draft::SALE;

#[tokio::test]
async fn size_content_type_envelope_proof_window_age_type_sender_schema_quota_in_this_order() {
    let clock = ManualClock::default();
    let strict = Setup::on(clock.clone()).with(|config| {
        config.ingest.body_bytes_max = 2048;
        config.ingest.schema = SchemaCheck::Reject;
    });
    let app = strict.app("caracol", |app| app.ingest_quota = Some(1)).start().await;
    let text = headers(&[("content-type", "text/plain")]);
    app.post(EVENTS, &text, "x".repeat(2049)).await.problem(413, "body.too_large");
    app.post(EVENTS, &text, "not JSON").await.problem(415, "content_type.unsupported");
    app.post(EVENTS, &with(text, "content-type", "application/json"), "not JSON")
        .await
        .problem(400, "envelope.malformed");
    let ancient = "\"2020-01-01T00:00:00Z\"";
    let worst = app.draft(1, "colectiva", "sale.completed", "7").with("timestamp", ancient);
    let late = with(app.signed("colectiva", worst.body()), "x-webhook-timestamp", "1000");
    let forged = with(app.signed("hoja", worst.body()), "x-webhook-timestamp", "1000");
    app.post(EVENTS, &forged, worst.body()).await.problem(401, "webhook.signature_invalid");
    app.post(EVENTS, &late, worst.body()).await.problem(401, "webhook.timestamp_out_of_window");
    app.send(&worst.clone().with("eventType", "\"no.such.type\"")).await.problem(422, "event.too_old");
    app.send(&worst).await.problem(422, "event.too_old");
    let now = format!("\"{}\"", clock.now());
    let worst = worst.with("timestamp", &now);
    app.send(&worst).await.problem(403, "event.sender_not_allowed");
    app.send(&app.draft(1, "caracol", "sale.completed", SALE)).await.taken(202);
    app.send(&app.draft(2, "caracol", "sale.completed", "7")).await.problem(422, "event.schema_invalid");
    app.send(&app.draft(2, "caracol", "sale.completed", SALE)).await.later(429, "quota.exceeded");
    let unknown = worst.with("eventType", "\"no.such.type\"");
    assert_eq!(app.send(&unknown).await.taken(202)["status"], "quarantined");
}

#[tokio::test]
async fn proof_and_window_come_before_dedupe() {
    let app = Setup::new().start().await;
    let body = app.payment(1).body();
    let signed = app.signed("colectiva", &body);
    app.post(EVENTS, &signed, body.clone()).await.taken(202);
    let forged = app.signed("hoja", &body);
    app.post(EVENTS, &forged, body.clone()).await.problem(401, "webhook.signature_invalid");
    let late = with(signed, "x-webhook-timestamp", "1000");
    app.post(EVENTS, &late, body).await.problem(401, "webhook.timestamp_out_of_window");
}

#[tokio::test]
async fn a_repeat_is_200_although_its_age_has_passed_meanwhile() {
    let clock = ManualClock::default();
    let app = Setup::on(clock.clone()).start().await;
    let (known, unknown) = (app.payment(1), app.payment(2));
    app.send(&known).await.taken(202);
    clock.advance(Duration::from_hours(72) + Duration::from_mins(1));
    assert_eq!(app.send(&known).await.taken(200)["status"], "duplicate");
    app.send(&unknown).await.problem(422, "event.too_old");
    // Once ids may be forgotten, what is signed is too old, whether its id is remembered or not.
    clock.advance(Duration::from_hours(24));
    let answer = app.send(&known).await;
    assert!([200, 422].contains(&answer.status.as_u16()), "{answer:?}");
}

#[tokio::test]
async fn a_repeat_is_200_although_the_registry_and_the_receivers_have_changed_since() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let draft = app.payment(1);
    let mut first = app.send(&draft).await.taken(202);
    receiver.wait_for(1).await;
    let registry = app.folder().join("registry");
    std::fs::create_dir(&registry).unwrap();
    std::fs::write(registry.join("apps.json"), r#"{"apps":[]}"#).unwrap();
    std::fs::write(registry.join("events.json"), r#"{"events":[]}"#).unwrap();
    let (setup, dir) = app.stop().await;
    let changed = setup.with(|config| {
        config.registry.path = Some(registry);
        config.apps.remove(&crate::app::slug("mancha"));
    });
    let app = changed.start_in(dir).await;
    first["status"] = json!("duplicate");
    assert_eq!(app.send(&draft).await.taken(200), first);
    assert_eq!(app.send(&app.payment(2)).await.taken(202)["status"], "quarantined");
}

#[tokio::test]
async fn a_repeat_is_200_although_the_quota_is_used_up() {
    let app = Setup::new().app("colectiva", |app| app.ingest_quota = Some(1)).start().await;
    let draft = app.payment(1);
    app.send(&draft).await.taken(202);
    for _ in 0..3 {
        app.send(&draft).await.taken(200);
    }
}
