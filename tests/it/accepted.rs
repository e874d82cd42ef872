//! What ingest takes: new, repeated, quarantined, with drift.

use camino_broker::config::{SchemaCheck, SenderCheck};
use http::Method;
use serde_json::{Value, json};

use camino_broker::testing::receiver::FakeReceiver;

use crate::app::{EVENTS, Setup, headers, with};
use crate::draft::{SALE, id};

const DRIFT_OF_SALES: &str = "camino_drift_total{event_type=\"sale.completed\",source=\"hoja\"}";

#[tokio::test]
async fn new_routed_202() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).receiver("cosmos-pet", &receiver).start().await;
    let answer = app.send(&app.payment(1)).await;
    let json = answer.taken(202);
    assert_eq!((&json["eventId"], &json["status"]), (&json!(id(1)), &json!("accepted")));
    assert_eq!(json["correlationId"].as_str(), answer.header("x-correlation-id"));
    assert!(json["correlationId"].as_str().unwrap().starts_with("cid_"));
    let deliveries = json["deliveries"].as_array().unwrap();
    let receivers: Vec<&str> = deliveries.iter().map(|d| d["receiver"].as_str().unwrap()).collect();
    assert_eq!(receivers, ["cosmos-pet", "mancha"], "in the registry's order, and only who takes part");
    for delivery in receiver.wait_for(2).await {
        let own = delivery.header("x-camino-delivery-id");
        assert!(deliveries.iter().any(|d| d["deliveryId"].as_str() == own));
    }
    assert!(json.get("reason").is_none());
}

#[tokio::test]
async fn an_event_that_nobody_receives_is_taken_all_the_same() {
    let app = Setup::new().start().await;
    let json = app.send(&app.payment(1)).await.taken(202);
    assert_eq!((&json["status"], &json["deliveries"]), (&json!("accepted"), &json!([])));
}

#[tokio::test]
async fn same_id_same_body_200_with_the_first_answers_body() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).receiver("cosmos-pet", &receiver).start().await;
    let draft = app.payment(1).with("metadata", r#"{"correlationId":"first"}"#);
    let mut first = app.send(&draft).await.taken(202);
    receiver.wait_for(2).await;
    // The repeat's own correlation id doesn't replace the first one's.
    let again = with(app.signed("colectiva", draft.body()), "x-correlation-id", "second");
    let repeat = app.post(EVENTS, &again, draft.body()).await;
    first["status"] = json!("duplicate");
    assert_eq!(repeat.taken(200), first);
    assert_eq!(repeat.header("x-correlation-id"), Some("first"));
    app.send(&app.payment(2)).await.taken(202);
    assert_eq!(receiver.wait_for(4).await.len(), 4, "the repeat was not delivered again");
}

#[tokio::test]
async fn a_repeat_of_a_quarantined_event_gets_the_first_answers_body() {
    let app = Setup::new().start().await;
    let draft = app.payment(1).with("eventType", r#""payment.complete""#);
    let mut first = app.send(&draft).await.taken(202);
    first["status"] = json!("duplicate");
    assert_eq!(app.send(&draft).await.taken(200), first);
}

#[tokio::test]
async fn a_repeat_after_a_restart_is_still_a_repeat() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let draft = app.payment(1);
    let mut first = app.send(&draft).await.taken(202);
    app.until("camino_deliveries_total{outcome=\"delivered\",receiver=\"mancha\"}", 1).await;
    let app = app.restart().await;
    first["status"] = json!("duplicate");
    assert_eq!(app.send(&draft).await.taken(200), first);
    app.send(&draft.with("data", "7")).await.problem(409, "idempotency.body_mismatch");
}

#[tokio::test]
async fn same_id_other_body_409() {
    let app = Setup::new().start().await;
    app.send(&app.payment(1)).await.taken(202);
    let other = app.payment(1).with("organizationId", "\"org_2\"");
    app.send(&other).await.problem(409, "idempotency.body_mismatch");
    // Bytes count, not meaning.
    let spaced = app.payment(1).body().replacen(',', ", ", 1);
    app.send_as("colectiva", spaced).await.problem(409, "idempotency.body_mismatch");
}

#[tokio::test]
async fn the_same_id_of_another_source_is_another_event() {
    let app = Setup::new().start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.send(&app.draft(1, "caracol", "sale.completed", SALE)).await.taken(202);
}

#[tokio::test]
async fn concurrent_identical_posts_make_one_event() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let draft = app.payment(1);
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (client, headers, body) =
            (app.client.clone(), app.signed("colectiva", draft.body()), draft.body());
        posts.spawn(async move { client.ask(Method::POST, EVENTS, &headers, body).await });
    }
    let mut answers = posts.join_all().await;
    answers.sort_by_key(|answer| answer.status.as_u16());
    let first = answers.pop().unwrap().taken(202);
    for repeat in answers {
        assert_eq!(repeat.taken(200)["deliveries"], first["deliveries"]);
    }
    app.send(&app.payment(2)).await.taken(202);
    let ids: Vec<String> =
        receiver.wait_for(2).await.iter().map(|r| r.header("webhook-id").unwrap().to_owned()).collect();
    assert_eq!(ids, [id(1), id(2)]);
    assert_eq!(app.metric("camino_events_accepted_total{event_type=\"payment.completed\"}").await, 2);
}

#[tokio::test]
async fn type_not_in_the_registry_202_quarantined_with_did_you_mean() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let table = [("payment.complete", json!("payment.completed")), ("zzz_no_such_thing", Value::Null)];
    for (n, (event_type, meant)) in (1..).zip(table) {
        let draft = app.draft(n, "colectiva", event_type, "{}");
        let json = app.send(&draft).await.taken(202);
        assert_eq!((&json["status"], &json["reason"]), (&json!("quarantined"), &json!("unknown_type")));
        assert_eq!((&json["didYouMean"], &json["deliveries"]), (&meant, &json!([])));
    }
    app.send(&app.payment(9)).await.taken(202);
    assert_eq!(receiver.received().await.header("webhook-id"), Some(id(9).as_str()));
    assert_eq!(app.metric("camino_events_accepted_total{event_type=\"unregistered\"}").await, 2);
}

#[tokio::test]
async fn type_known_by_name_only_202_quarantined() {
    let app = Setup::new().start().await;
    let json = app.send(&app.draft(1, "colectiva", "booking.cancelled", "{}")).await.taken(202);
    assert_eq!((&json["status"], &json["reason"]), (&json!("quarantined"), &json!("type_incomplete")));
    assert_eq!(json["didYouMean"], Value::Null);
}

#[tokio::test]
async fn source_not_among_the_declared_senders_of_a_complete_list_403() {
    let app = Setup::new().start().await;
    let draft = app.draft(1, "colectiva", "sale.completed", SALE);
    let problem = app.send(&draft).await.problem(403, "event.sender_not_allowed");
    assert_eq!(problem["senders"], json!(["caracol", "cosmos-pet", "hoja"]));
    // A refusal is not remembered as an event.
    app.send(&draft).await.problem(403, "event.sender_not_allowed");
}

#[tokio::test]
async fn source_not_among_the_declared_senders_passes_where_that_only_warns() {
    let app = Setup::new().with(|config| config.ingest.senders = SenderCheck::Warn).start().await;
    let json = app.send(&app.draft(1, "colectiva", "sale.completed", SALE)).await.taken(202);
    assert_eq!(json["status"], "accepted");
    let drift = "camino_drift_total{event_type=\"sale.completed\",source=\"colectiva\"}";
    assert_eq!(app.metric(drift).await, 1);
}

#[tokio::test]
async fn source_not_among_the_declared_senders_of_an_open_list_is_counted_as_drift() {
    let app = Setup::new().start().await;
    // A type that no document names a sender of.
    let json = app.send(&app.draft(1, "colectiva", "payment.cancelled", "{}")).await.taken(202);
    assert_eq!(json["status"], "accepted");
    let drift = "camino_drift_total{event_type=\"payment.cancelled\",source=\"colectiva\"}";
    assert!(app.metric(drift).await >= 1);
}

#[tokio::test]
async fn data_against_the_schema_is_taken_and_counted_as_drift() {
    let app = Setup::new().start().await;
    app.send(&app.draft(1, "hoja", "sale.completed", SALE)).await.taken(202);
    assert_eq!(app.metric(DRIFT_OF_SALES).await, 0);
    app.send(&app.draft(2, "hoja", "sale.completed", r#"{"saleId":7}"#)).await.taken(202);
    assert!(app.metric(DRIFT_OF_SALES).await >= 2, "one for each field");
}

#[tokio::test]
async fn data_against_the_schema_422_where_that_rejects() {
    let app = Setup::new().with(|config| config.ingest.schema = SchemaCheck::Reject).start().await;
    app.send(&app.draft(1, "hoja", "sale.completed", SALE)).await.taken(202);
    let wrong = SALE.replace("2380", "\"much\"");
    let draft = app.draft(2, "hoja", "sale.completed", &wrong);
    let problem = app.send(&draft).await.problem(422, "event.schema_invalid");
    let fields: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["/data/total"]);
    app.send(&draft.with("data", SALE)).await.taken(202);
}

#[tokio::test]
async fn data_against_the_schema_is_not_looked_at_where_that_is_off() {
    let app = Setup::new().with(|config| config.ingest.schema = SchemaCheck::Off).start().await;
    app.send(&app.draft(1, "hoja", "sale.completed", "null")).await.taken(202);
    assert_eq!(app.metric(DRIFT_OF_SALES).await, 0);
}

#[tokio::test]
async fn an_event_id_that_is_no_uuid_is_drift_and_no_error() {
    let app = Setup::new().start().await;
    let draft = app.draft(1, "hoja", "sale.completed", SALE).with("eventId", "\"evt_1-a\"");
    assert_eq!(app.send(&draft).await.taken(202)["eventId"], "evt_1-a");
    assert_eq!(app.metric(DRIFT_OF_SALES).await, 1);
}

#[tokio::test]
async fn get_of_the_ecosystems_address_says_what_it_is_and_a_post_there_is_taken() {
    let app = Setup::new().start().await;
    let what = app.get("/api/ecosystem/webhooks").await.taken(200);
    assert_eq!(what["name"], "Camino");
    let body = app.payment(1).body();
    let answer = app.post("/api/ecosystem/webhooks", &app.signed("colectiva", &body), body.clone()).await;
    assert_eq!(answer.taken(202)["status"], "accepted");
    assert_eq!(app.send_as("colectiva", body).await.taken(200)["status"], "duplicate");
}

#[tokio::test]
async fn the_correlation_id_is_the_headers_else_the_metadatas_else_made() {
    let app = Setup::new().start().await;
    let own = r#"{"correlationId":"from-metadata"}"#;
    let table = [
        (Some("from-header"), Some(own), "from-header"),
        (None, Some(own), "from-metadata"),
        (Some("no id: it has blanks"), Some(own), "from-metadata"),
        (Some("from-header"), None, "from-header"),
        (None, None, "cid_"),
    ];
    for (n, (header, metadata, expected)) in (1..).zip(table) {
        let mut draft = app.payment(n);
        if let Some(metadata) = metadata {
            draft = draft.with("metadata", metadata);
        }
        let mut headers = app.signed("colectiva", draft.body());
        if let Some(header) = header {
            headers = with(headers, "x-correlation-id", header);
        }
        let answer = app.post(EVENTS, &headers, draft.body()).await;
        let id = answer.taken(202)["correlationId"].as_str().unwrap().to_owned();
        assert!(id.starts_with(expected), "{id} {expected}");
        assert_eq!(answer.header("x-correlation-id"), Some(id.as_str()));
    }
}

#[tokio::test]
async fn a_problem_tells_correlation_id_and_tenant_where_they_are_known() {
    let app = Setup::new().start().await;
    let draft =
        app.draft(1, "colectiva", "sale.completed", SALE).with("metadata", r#"{"correlationId":"mine"}"#);
    for header in ["x-tenant-id", "x-ecosystem-org-id"] {
        let headers = with(app.signed("colectiva", draft.body()), header, "org_7");
        let answer = app.post(EVENTS, &headers, draft.body()).await;
        let problem = answer.problem(403, "event.sender_not_allowed");
        assert_eq!((&problem["correlationId"], &problem["tenantId"]), (&json!("mine"), &json!("org_7")));
    }
    // Before there is an envelope, the header's id is all there is; without one, an id is made.
    let json = headers(&[("content-type", "application/json")]);
    let problem = app.post(EVENTS, &with(json.clone(), "x-correlation-id", "yours"), "{").await;
    assert_eq!(problem.problem(400, "envelope.malformed")["correlationId"], "yours");
    let made = app.post(EVENTS, &json, "{").await.problem(400, "envelope.malformed");
    assert!(made["correlationId"].as_str().unwrap().starts_with("cid_"));
    assert!(made.get("tenantId").is_none());
}
