//! The hub as a receiver: routed, delivered, paused, emitting.

use camino_broker::testing::receiver::FakeReceiver;
use http::Method;
use serde_json::{Value, json};

use crate::app::{Setup, TestApp, signing_secret};
use crate::desk::each;
use crate::draft::id;

pub fn setup() -> Setup {
    Setup::new()
        .app("rito", |app| app.signing_secrets = vec![signing_secret("rito")])
        .app("comal", |app| app.signing_secrets = vec![signing_secret("comal")])
        .app("constanza", |app| app.signing_secrets = vec![signing_secret("constanza")])
        .app("mancha", |app| app.signing_secrets = vec![signing_secret("mancha")])
}

/// Posts one event about `organization`.
pub async fn post(app: &TestApp, n: u32, source: &str, event_type: &str, data: &Value, organization: &str) {
    let draft = app.draft(n, source, event_type, &data.to_string());
    app.send(&draft.with("organizationId", &format!("\"{organization}\""))).await.taken(202);
}

fn won() -> Value {
    json!({"dealId": "deal_1", "dealName": "Torre", "previousStatus": "analysis", "newStatus": "won", "clientId": "c_1"})
}

#[tokio::test]
async fn the_hub_is_a_receiver_like_any_other() {
    let app = setup().start().await;
    let desk = app.desk();
    post(&app, 1, "rito", "deal.status_changed", &won(), "org_1").await;
    app.until_ended("camino", "delivered", 1).await;
    let deliveries = desk.until_items("/v1/deliveries?receiver=camino&state=delivered", 1).await;
    assert_eq!(deliveries[0]["eventId"], json!(id(1)));
    let explained = desk.get(&format!("/v1/events/{}/explain", id(1))).await;
    assert_eq!(explained["decisions"][0]["decision"], "queued");
    let attempts = desk
        .items(&format!("/v1/deliveries/{}/attempts", deliveries[0]["deliveryId"].as_str().unwrap()))
        .await;
    assert_eq!(attempts.len(), 1);
    let endpoint = desk.get("/v1/endpoints/camino").await;
    assert_eq!((&endpoint["url"], &endpoint["state"]), (&Value::Null, &json!("active")));
    let tested = desk.post("/v1/endpoints/camino/test", "").await.taken(200);
    assert_eq!(tested["outcome"], "delivered");
    for (method, path) in [(Method::PUT, ""), (Method::POST, "/rotate-secret")] {
        let path = format!("/v1/endpoints/camino{path}");
        desk.ask(method, &path, "{}").await.problem(409, "resource.state_conflict");
    }
    assert_eq!(app.metric("camino_hub_events_total{outcome=\"taken\"}").await, 2);
}

#[tokio::test]
async fn a_paused_hub_waits_and_then_gets_all() {
    let app = setup().start().await;
    let desk = app.desk();
    desk.post("/v1/endpoints/camino/pause", "").await.taken(200);
    post(&app, 1, "rito", "deal.status_changed", &won(), "org_1").await;
    let explained =
        desk.until(&format!("/v1/events/{}/explain", id(1)), |json| json["decisions"].is_array()).await;
    assert_eq!(explained["decisions"][0]["decision"], "parked");
    assert!(desk.items("/api/crm/deals").await.is_empty());
    desk.post("/v1/endpoints/camino/resume", "").await.taken(200);
    let deals = desk.until_items("/api/crm/deals", 1).await;
    assert_eq!(deals[0]["phase"], "won");
}

#[tokio::test]
async fn what_the_hub_emits_goes_to_its_receivers_once_and_not_to_itself() {
    let agora = FakeReceiver::start().await.unwrap();
    let app = setup().receiver("agora", &agora).start().await;
    let desk = app.desk();
    post(&app, 1, "rito", "deal.status_changed", &won(), "org_1").await;
    let received = agora.received().await;
    let body: Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!((&body["eventType"], &body["source"]), (&json!("deal.won"), &json!("camino")));
    assert_eq!(body["organizationId"], "org_1");
    let events = desk.until_items("/v1/events?source=camino", 1).await;
    assert_eq!(events[0]["eventId"], body["eventId"]);
    let cause = desk.get(&format!("/v1/events/{}", id(1))).await;
    assert_eq!(events[0]["correlationId"], cause["correlationId"]);
    app.until("camino_hub_emissions_total{outcome=\"relayed\"}", 1).await;

    // A customer that the hub makes known is one whom it would be told of itself.
    let owner = json!({"customerId": "m_1", "name": "Rodrigo Peña", "email": "rodrigo@example.com"});
    let draft = app.draft(3, "mancha", "customer.identified", &owner.to_string());
    app.send(&draft).await.taken(202);
    let events = desk.until_items("/v1/events?source=camino", 2).await;
    let made = events[0]["eventId"].as_str().unwrap();
    let explained = desk.get(&format!("/v1/events/{made}/explain")).await;
    let own =
        explained["decisions"].as_array().unwrap().iter().find(|decided| decided["receiver"] == "camino");
    assert_eq!(own.unwrap()["decision"], "own_event");
}

#[tokio::test]
async fn a_contact_has_a_timeline_and_people_change_what_no_event_says() {
    let app = setup().start().await;
    let desk = app.desk();
    let ana = json!({"customerId": "c_1", "name": "Ana Sofía Luna", "email": "Ana@Example.com"});
    post(&app, 1, "caracol", "customer.created", &ana, "org_1").await;
    post(
        &app,
        2,
        "comal",
        "customer.created",
        &json!({"customerId": "c_9", "email": "ana@example.com"}),
        "org_1",
    )
    .await;
    let paid = json!({"invoiceId": "inv_1", "amount": 1_425_000, "currency": "MXN", "paidAt": "2026-04-16T15:30:00.000Z"});
    post(&app, 3, "colectiva", "invoice.paid", &paid, "org_1").await;
    let owed = desk.until_items("/api/cobranza", 1).await;
    let contact = desk.until_items("/api/crm/contacts?q=sof%C3%ADa", 1).await.remove(0);
    assert_eq!(contact["externalIds"], json!(["caracol:c_1", "comal:c_9"]));
    let path = format!("/api/crm/contacts/{}", contact["contactId"].as_str().unwrap());
    let pages = desk.pages(&format!("{path}/timeline?limit=1")).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(each(&[pages[1][0].clone()], "eventType"), ["customer.created"]);
    assert_eq!(pages[1][0]["summary"]["es"], "Cliente nuevo: Ana Sofía Luna, Ana@Example.com");
    desk.refused(&format!("{path}/timeline?cursor=x"), 400, "request.invalid").await;

    let bill = format!("/api/cobranza/{}", owed[0]["receivableId"].as_str().unwrap());
    let changed = desk.patch(&bill, &json!({"status": "written_off", "note": "acordado"})).await.taken(200);
    assert_eq!(changed["status"], "written_off");
    desk.patch(&bill, &json!({"status": "maybe"})).await.problem(400, "request.invalid");
    desk.patch("/api/cobranza/rcv_none", &json!({"status": "paid"})).await.problem(404, "resource.not_found");
    desk.once("key-1", &format!("{path}/deletion-request"), "").await.taken(200);
    desk.once("key-1", &format!("{path}/deletion-request"), "").await.taken(200);
    let marked = desk.get(&path).await;
    assert!(marked["deletionRequestedAt"].is_string());
    let audit = desk.items("/v1/audit").await;
    let mut changes = each(&audit, "action");
    changes.retain(|action| action.starts_with("crm."));
    // The hub's file is another than the log's: what was asked is written down first, and then its refusal.
    assert_eq!(changes, ["crm.request_deletion", "crm.receivable", "crm.receivable"]);
    let refused =
        |line: &Value| line["action"] == "request.refused" && line["target"] == "/api/cobranza/{id}";
    let after =
        |n: usize| audit.iter().rev().skip_while(|line| line["action"] != "crm.receivable").nth(n).unwrap();
    assert!(after(1)["action"] == "crm.receivable" && refused(after(2)), "{audit:?}");
    let events = desk.until_items("/v1/events?source=camino", 1).await;
    assert_eq!(events[0]["eventType"], "account.deletion_requested");
}
