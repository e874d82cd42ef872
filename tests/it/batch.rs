//! Up to 500 events of one source in one request.

use camino_broker::config::SchemaCheck;
use camino_broker::testing::receiver::FakeReceiver;
use serde_json::{Value, json};

use crate::app::{BATCH, Setup, TestApp, with};
use crate::client::Answer;
use crate::draft::{SALE, id};

async fn post(app: &TestApp, source: &str, items: &[String]) -> Answer {
    let body = format!("{{\"events\":[{}]}}", items.join(","));
    app.post(BATCH, &app.signed(source, &body), body).await
}

/// Status and code of each item.
fn verdicts(answer: &Answer) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let json = answer.taken(200);
    let items = json["items"].as_array().unwrap();
    items.iter().map(|item| (text(&item["status"]).unwrap(), text(&item["code"]))).collect()
}

#[tokio::test]
async fn a_batch_answers_each_item_in_its_place() {
    let receiver = FakeReceiver::start().await.unwrap();
    let setup = Setup::new().with(|config| config.ingest.schema = SchemaCheck::Reject);
    let app = setup.receiver("constanza", &receiver).start().await;
    let sale = |n: u32| app.draft(n, "hoja", "sale.completed", SALE);
    let known = sale(1);
    app.send(&known).await.taken(202);
    let items = [
        sale(2).body(),
        known.body(),
        known.with("organizationId", "\"org_2\"").body(),
        sale(3).with("eventType", "\"sale.complete\"").body(),
        sale(4).with("data", "7").body(),
        sale(5).with("eventType", "\"cfdi.stamped\"").body(),
        sale(6).without("data").body(),
        sale(7).with("timestamp", "\"2020-01-01T00:00:00Z\"").body(),
        "7".to_owned(),
        sale(8).body(),
    ];
    let answer = post(&app, "hoja", &items).await;
    let rejected = |code: &str| ("rejected".to_owned(), Some(code.to_owned()));
    let plain = |status: &str| (status.to_owned(), None);
    assert_eq!(
        verdicts(&answer),
        [
            plain("accepted"),
            plain("duplicate"),
            rejected("idempotency.body_mismatch"),
            plain("quarantined"),
            rejected("event.schema_invalid"),
            rejected("event.sender_not_allowed"),
            rejected("envelope.invalid"),
            rejected("event.too_old"),
            rejected("envelope.malformed"),
            plain("accepted"),
        ]
    );
    let json = answer.json();
    assert_eq!(json["items"][0]["eventId"], id(2));
    assert_eq!(json["items"][0]["deliveries"][0]["receiver"], "constanza");
    assert_eq!(json["items"][3]["didYouMean"], "sale.completed");
    let mut ids: Vec<String> = receiver
        .wait_for(3)
        .await
        .iter()
        .map(|received| received.header("webhook-id").unwrap().to_owned())
        .collect();
    ids.sort();
    assert_eq!(ids, [id(1), id(2), id(8)]);
}

#[tokio::test]
async fn an_items_raw_slice_is_delivered_byte_for_byte() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let item = app.payment(1).with("data", "{ \"z\":1.0,\t\"a\": \"\\u00e9 é\",\r\n \"n\":1e400 }").body();
    let item = item.replacen(',', " ,\n  ", 3);
    let spaced = format!(" \n {item}\t ");
    assert_eq!(verdicts(&post(&app, "colectiva", &[spaced]).await), [("accepted".to_owned(), None)]);
    assert_eq!(receiver.received().await.body, item.as_bytes());
    // The same bytes alone are the same event.
    app.send_as("colectiva", item).await.taken(200);
}

#[tokio::test]
async fn a_repeat_inside_a_batch_is_a_duplicate() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let first = app.payment(1);
    let other = first.clone().with("organizationId", "\"org_2\"").body();
    let items = [first.body(), first.body(), other, app.payment(2).body()];
    let answer = post(&app, "colectiva", &items).await;
    let statuses: Vec<String> = verdicts(&answer).into_iter().map(|(status, _)| status).collect();
    assert_eq!(statuses, ["accepted", "duplicate", "rejected", "accepted"]);
    let json = answer.json();
    assert_eq!(json["items"][0]["deliveries"], json["items"][1]["deliveries"]);
    app.send(&app.payment(3)).await.taken(202);
    assert_eq!(receiver.wait_for(3).await.len(), 3);
}

#[tokio::test]
async fn a_batch_has_1_to_500_items() {
    let app = Setup::new().start().await;
    post(&app, "colectiva", &[]).await.problem(400, "batch.invalid");
    let many: Vec<String> = (0..501).map(|n| app.payment(n).body()).collect();
    post(&app, "colectiva", &many).await.problem(400, "batch.invalid");
    let answer = post(&app, "colectiva", &many[..500]).await;
    assert!(verdicts(&answer).iter().all(|(status, _)| status == "accepted"));
    assert_eq!(verdicts(&answer).len(), 500);
    app.send(&app.payment(500)).await.taken(202);
}

#[tokio::test]
async fn a_batch_that_is_no_batch_is_refused_as_a_whole() {
    let app = Setup::new().start().await;
    for (body, code) in [
        ("{", "envelope.malformed"),
        ("[]", "envelope.malformed"),
        ("{}", "batch.invalid"),
        (r#"{"events":{}}"#, "batch.invalid"),
        (r#"{"events":[1,2]}"#, "batch.invalid"),
    ] {
        app.post(BATCH, &app.signed("colectiva", body), body).await.problem(400, code);
    }
}

#[tokio::test]
async fn a_batch_has_one_source_and_that_is_its_signer() {
    let app = Setup::new().start().await;
    let (own, other) = (app.payment(1).body(), app.draft(2, "hoja", "sale.completed", SALE).body());
    post(&app, "colectiva", &[own.clone(), other]).await.problem(400, "batch.invalid");
    post(&app, "hoja", std::slice::from_ref(&own)).await.problem(401, "webhook.signature_invalid");
    // The proof is over the whole body, so an item's own signature proves nothing.
    let body = format!("{{\"events\":[{own}]}}");
    app.post(BATCH, &app.signed("colectiva", &own), body).await.problem(401, "webhook.signature_invalid");
    assert_eq!(verdicts(&post(&app, "colectiva", &[own]).await), [("accepted".to_owned(), None)]);
}

#[tokio::test]
async fn an_item_that_is_refused_names_its_fields() {
    let app = Setup::new().with(|config| config.ingest.schema = SchemaCheck::Reject).start().await;
    let items =
        [app.payment(1).with("data", "{\"amount\":\"much\"}").body(), app.payment(2).without("data").body()];
    let json = post(&app, "colectiva", &items).await.taken(200);
    let fields = json["items"][0]["errors"].as_array().unwrap();
    assert!(fields.iter().any(|error| error["field"] == "/data/amount"), "{json}");
    assert_eq!(json["items"][1]["field"], "data");
}

#[tokio::test]
async fn an_item_may_be_nested_as_deep_as_an_event() {
    let app = Setup::new().start().await;
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    // The envelope itself is the first level.
    app.send(&app.payment(1).with("data", &deep(63))).await.taken(202);
    app.send(&app.payment(2).with("data", &deep(64))).await.problem(400, "envelope.malformed");
    let item = |n: u32, depth: usize| app.payment(n).with("data", &deep(depth)).body();
    assert_eq!(verdicts(&post(&app, "colectiva", &[item(3, 63)]).await), [("accepted".to_owned(), None)]);
    // Nobody reads on in what is nested deeper, so there are no items to answer.
    post(&app, "colectiva", &[item(4, 64)]).await.problem(400, "envelope.malformed");
}

#[tokio::test]
async fn a_refused_batch_names_correlation_and_tenant() {
    let app = Setup::new().start().await;
    let headers = with(app.signed("colectiva", "{}"), "x-tenant-id", "clinic-7");
    let headers = with(headers, "x-correlation-id", "cid-batch");
    let json = app.post(BATCH, &headers, "{}").await.problem(400, "batch.invalid");
    assert_eq!((&json["tenantId"], &json["correlationId"]), (&json!("clinic-7"), &json!("cid-batch")));
}

#[tokio::test]
async fn a_batch_over_the_quota_is_refused_as_a_whole() {
    let app = Setup::new().app("colectiva", |app| app.ingest_quota = Some(2)).start().await;
    let items: Vec<String> = (1..=3).map(|n| app.payment(n).body()).collect();
    post(&app, "colectiva", &items).await.later(429, "quota.exceeded");
    let json = post(&app, "colectiva", &items[..2]).await.taken(200);
    assert_eq!(json["items"][1]["status"], json!("accepted"));
}
