//! `/v1/events`: the list, its filters and pages, and one event.

use camino_broker::testing::receiver::{Answer, FakeReceiver};
use serde_json::{Value, json};

use crate::app::Setup;
use crate::desk::{each, names};
use crate::draft::{SALE, id};

const EVENT: [&str; 13] = [
    "eventId",
    "eventType",
    "source",
    "organizationId",
    "correlationId",
    "tenantId",
    "acceptedAt",
    "timestamp",
    "proof",
    "status",
    "reason",
    "didYouMean",
    "deliveries",
];

#[tokio::test]
async fn an_event_is_shown_with_every_name_and_the_bytes_that_came() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let draft = app.payment(1).with("unknown", "[1, 2]").with("metadata", r#"{"correlationId":"mine"}"#);
    let tenant = crate::app::with(app.signed("colectiva", draft.body()), "x-tenant-id", "tenant-1");
    app.post("/v1/events", &tenant, draft.body()).await.taken(202);
    let desk = app.desk();
    let path = format!("/v1/events/{}", id(1));
    let event = desk.until(&path, |event| event["deliveries"]["delivered"] == 1).await;
    let body = event["body"].clone();
    assert_eq!(names(&event)[..13], EVENT);
    assert_eq!(names(&event)[13..], ["body"]);
    let sent: Value = serde_json::from_str(&draft.body()).unwrap();
    assert_eq!(body, sent);
    assert_eq!(body["unknown"], json!([1, 2]));
    let counts = json!({ "pending": 0, "delivered": 1, "parked": 0, "dead": 0, "cancelled": 0 });
    let wanted = [
        ("eventType", json!("payment.completed")),
        ("source", json!("colectiva")),
        ("organizationId", json!("org_1")),
        ("correlationId", json!("mine")),
        ("tenantId", json!("tenant-1")),
        ("timestamp", sent["timestamp"].clone()),
        ("proof", json!("ecosystem")),
        ("status", json!("routed")),
        ("reason", json!(null)),
        ("deliveries", counts),
    ];
    for (name, value) in wanted {
        assert_eq!(event[name], value, "{name}");
    }
    let items = desk.items("/v1/events").await;
    assert_eq!(names(&items[0]), EVENT, "the list shows the same, without bodies");
}

#[tokio::test]
async fn filters_hold_alone_and_together() {
    let (good, bad) = (FakeReceiver::start().await.unwrap(), FakeReceiver::start().await.unwrap());
    bad.otherwise(Answer::status(400));
    let app = Setup::new().receiver("mancha", &good).receiver("constanza", &bad).start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.send(&app.payment(2).with("organizationId", "\"org_2\"")).await.taken(202);
    app.send(&app.draft(3, "hoja", "sale.completed", SALE)).await.taken(202);
    app.send(&app.payment(4).with("eventType", "\"payment.complete\"")).await.taken(202);
    let desk = app.desk();
    desk.until_items("/v1/dead-letters", 3).await;
    desk.until_items("/v1/deliveries?state=delivered", 2).await;
    let table: [(&str, &[u32]); 17] = [
        ("", &[4, 3, 2, 1]),
        ("?source=hoja", &[3]),
        ("?eventType=payment.completed", &[2, 1]),
        ("?organization=org_2", &[2]),
        ("?receiver=mancha", &[2, 1]),
        ("?receiver=constanza&organization=org_1", &[3, 1]),
        ("?receiver=comal", &[]),
        ("?state=dead", &[3, 2, 1]),
        ("?state=delivered", &[2, 1]),
        ("?state=delivered&receiver=constanza", &[]),
        ("?state=parked", &[]),
        ("?reason=unknown_type", &[4]),
        ("?reason=type_incomplete", &[]),
        ("?since=2100-01-01T00:00:00Z", &[]),
        ("?until=2100-01-01T00:00:00%2B02:00", &[4, 3, 2, 1]),
        ("?q=org_2", &[2]),
        ("?q=000000000003", &[3]),
    ];
    for (query, wanted) in table {
        let items = desk.items(&format!("/v1/events{query}")).await;
        let wanted: Vec<String> = wanted.iter().map(|n| id(*n)).collect();
        assert_eq!(each(&items, "eventId"), wanted, "{query}");
    }
    for query in ["state=over", "reason=rejected", "since=yesterday", "receiver=No%20Slug", "eventType=%20"] {
        let problem = desk.refused(&format!("/v1/events?{query}"), 400, "request.invalid").await;
        assert_eq!(problem["field"].as_str(), query.split('=').next(), "{problem}");
    }
}

#[tokio::test]
async fn pages_by_cursor_hold_every_event_once() {
    let app = Setup::new().start().await;
    for n in 1..=7 {
        app.send(&app.payment(n)).await.taken(202);
    }
    let desk = app.desk();
    desk.until_items("/v1/events", 7).await;
    let pages = desk.pages("/v1/events?limit=3").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    let ids: Vec<&str> = pages.iter().flat_map(|page| each(page, "eventId")).collect();
    let wanted: Vec<String> = (1..=7).rev().map(id).collect();
    assert_eq!(ids, wanted, "newest first");
}

#[tokio::test]
async fn an_id_of_two_sources_needs_its_source() {
    let app = Setup::new().start().await;
    app.send(&app.draft(1, "hoja", "sale.completed", SALE)).await.taken(202);
    app.send(&app.draft(1, "caracol", "sale.completed", SALE)).await.taken(202);
    let desk = app.desk();
    desk.until_items("/v1/events", 2).await;
    for rest in ["", "/deliveries", "/explain"] {
        let path = format!("/v1/events/{}{rest}", id(1));
        let problem = desk.refused(&path, 400, "request.invalid").await;
        assert_eq!(problem["sources"].as_array().unwrap().len(), 2, "{problem}");
        desk.get(&format!("{path}?source=hoja")).await;
        desk.refused(&format!("{path}?source=colectiva"), 404, "resource.not_found").await;
    }
    assert_eq!(desk.get(&format!("/v1/events/{}?source=hoja", id(1))).await["source"], "hoja");
}

#[tokio::test]
async fn an_events_deliveries_are_listed_with_those_of_its_retries() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(400)]);
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    app.send(&app.payment(1)).await.taken(202);
    let desk = app.desk();
    let dead = desk.until_items("/v1/dead-letters", 1).await;
    let retry = format!("/v1/deliveries/{}/retry", dead[0]["deliveryId"].as_str().unwrap());
    desk.post(&retry, "").await.taken(202);
    let path = format!("/v1/events/{}/deliveries", id(1));
    let list = desk.until(&path, |list| list["items"][1]["state"] == "delivered").await;
    assert_eq!(list["next"], json!(null));
    assert_eq!(list["items"][1]["replayOf"], list["items"][0]["deliveryId"]);
}
