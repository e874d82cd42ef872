//! `/v1/quarantine`: events of types that the registry can't route, and their way out.

use camino_broker::testing::receiver::FakeReceiver;
use http::Method;
use serde_json::json;

use crate::app::Setup;
use crate::desk::each;
use crate::draft::{SALE, id};

#[tokio::test]
async fn held_events_are_listed_filtered_and_paged() {
    let app = Setup::new().start().await;
    app.send(&app.payment(1).with("eventType", "\"payment.complete\"")).await.taken(202);
    app.send(&app.draft(2, "hoja", "sale.complete", SALE)).await.taken(202);
    app.send(&app.draft(3, "hoja", "booking.cancelled", "{}").with("organizationId", "\"org_3\""))
        .await
        .taken(202);
    app.send(&app.payment(4)).await.taken(202);
    let desk = app.desk();
    let held = desk.until_items("/v1/quarantine", 3).await;
    assert_eq!(each(&held, "eventId"), [id(3), id(2), id(1)]);
    assert_eq!(each(&held, "status"), ["quarantined"; 3]);
    assert_eq!(each(&held, "reason"), ["type_incomplete", "unknown_type", "unknown_type"]);
    assert_eq!(each(&held, "didYouMean"), ["-", "sale.completed", "payment.completed"]);
    let table: [(&str, &[u32]); 9] = [
        ("source=hoja", &[3, 2]),
        ("source=comal", &[]),
        ("eventType=sale.complete", &[2]),
        ("organization=org_3", &[3]),
        ("reason=unknown_type", &[2, 1]),
        ("reason=type_incomplete&source=colectiva", &[]),
        ("since=2100-01-01T00:00:00Z", &[]),
        ("until=2100-01-01T00:00:00Z&source=colectiva", &[1]),
        ("q=000000000002", &[2]),
    ];
    for (query, wanted) in table {
        let wanted: Vec<String> = wanted.iter().map(|n| id(*n)).collect();
        assert_eq!(each(&desk.items(&format!("/v1/quarantine?{query}")).await, "eventId"), wanted, "{query}");
    }
    let pages = desk.pages("/v1/quarantine?limit=2").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    let pages = desk.pages("/v1/quarantine?limit=1&source=hoja").await;
    assert_eq!(each(&pages.concat(), "eventId"), [id(3), id(2)]);
}

#[tokio::test]
async fn a_release_to_named_receivers_is_delivered() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let draft = app.payment(1).with("eventType", "\"payment.complete\"");
    app.send(&draft).await.taken(202);
    let desk = app.desk();
    desk.until_items("/v1/quarantine", 1).await;
    let release = format!("/v1/quarantine/{}/release", id(1));
    // The registry can't say who gets it.
    desk.post(&release, "").await.problem(409, "resource.state_conflict");
    desk.post(&release, r#"{"recievers":["mancha"]}"#).await.problem(400, "request.invalid");
    let released = desk.post(&release, r#"{"receivers":["mancha"]}"#).await.taken(202);
    assert_eq!((&released["eventId"], &released["status"]), (&json!(id(1)), &json!("released")));
    assert_eq!(released["deliveries"][0]["receiver"], "mancha");
    let request = receiver.received().await;
    assert_eq!(request.body, draft.body());
    assert_eq!(request.header("x-camino-delivery-id"), released["deliveries"][0]["deliveryId"].as_str());
    let path = format!("/v1/events/{}", id(1));
    desk.until(&path, |event| event["status"] == "released").await;
    desk.until_items("/v1/quarantine", 0).await;
    desk.post(&release, r#"{"receivers":["mancha"]}"#).await.problem(409, "resource.state_conflict");
    assert_eq!(desk.items("/v1/events?reason=unknown_type").await.len(), 1, "what was held is still found");
}

#[tokio::test]
async fn an_event_that_is_not_held_is_not_released() {
    let app = Setup::new().start().await;
    app.send(&app.payment(1)).await.taken(202);
    let desk = app.desk();
    desk.until_items("/v1/events", 1).await;
    let release = format!("/v1/quarantine/{}/release", id(1));
    desk.ask(Method::POST, &release, "").await.problem(409, "resource.state_conflict");
}
