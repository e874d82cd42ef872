//! What else a person changes from a page: keys, tickets, subscriptions; and the example of a type, sent as a test.

use camino_broker::testing::receiver::FakeReceiver;
use serde_json::{Value, json};

use super::browser::{Browser, value};
use crate::app::{Setup, TestApp, signing_secret};
use crate::draft::id;

async fn post(app: &TestApp, n: u32, source: &str, event_type: &str, data: &Value) {
    app.send(&app.draft(n, source, event_type, &data.to_string())).await.taken(202);
}

#[tokio::test]
async fn a_key_is_made_shown_once_and_revoked() {
    let app = Setup::new().start().await;
    let browser = app.signed_in().await;
    let refused = browser.submit("/keys", &[("name", "night shift")]).await.text();
    assert!(refused.contains("a key needs at least one scope"), "{refused}");
    let made = browser.submit("/keys", &[("name", "night shift"), ("read", "yes")]).await;
    assert_eq!((made.status.as_u16(), made.header("cache-control")), (200, Some("no-store")));
    let page = made.text();
    let (_, rest) = page.split_once("<code class=\"secret\">").expect("a key");
    let key = rest.split_once('<').unwrap().0;
    assert_eq!(app.desk_of(key).ask(http::Method::GET, "/v1/stats", "").await.status, 200);
    assert!(!browser.page("/keys").await.contains(key), "shown once");
    let own = app.signed_in_with(key).await;
    assert_eq!(own.get("/keys").await.status, 403);
    assert_eq!(own.submit("/keys", &[("name", "mine"), ("admin", "yes")]).await.status, 403);
    let key_id = app.desk().items("/v1/keys").await[0]["keyId"].as_str().unwrap().to_owned();
    assert_eq!(browser.submit(&format!("/keys/{key_id}/revoke"), &[]).await.status, 303);
    assert!(browser.page("/keys").await.contains("The key opens nothing any more."));
    assert!(own.page("/").await.contains("name=\"key\""), "signed out with its key");
}

/// Sends the form on the ticket's page, as it was `opened`, with `changes` made in it.
async fn save(browser: &Browser<'_>, path: &str, opened: &str, changes: &[(&str, &str)]) {
    let mut fields = Vec::new();
    for name in ["status", "category", "priority", "area", "assignee", "note"] {
        let was = format!("was_{name}");
        let shown = value(opened, &was);
        let change = changes.iter().find(|(other, _)| *other == name);
        fields
            .push((name.to_owned(), change.map_or_else(|| shown.clone(), |(_, value)| (*value).to_owned())));
        fields.push((was, shown));
    }
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(browser.submit(path, &fields).await.status, 303);
}

#[tokio::test]
async fn a_ticket_is_corrected_and_only_what_was_touched_is() {
    let app = Setup::new().start().await;
    let ticket = json!({
        "source_ticket_id": "t_1", "subject": "La pantalla sale en blanco", "description": "No carga nada",
    });
    post(&app, 1, "caracol", "support.ticket_created", &ticket).await;
    let tickets = app.desk().until_items("/api/support/tickets", 1).await;
    let path = format!("/tickets/{}", tickets[0]["ticketId"].as_str().unwrap());
    let made = &tickets[0]["classification"];
    let browser = app.signed_in().await;
    save(&browser, &path, &browser.page(&path).await, &[]).await;
    assert!(browser.page(&path).await.contains("Nothing was changed."));
    let opened = browser.page(&path).await;
    save(&browser, &path, &opened, &[("assignee", "Inés"), ("note", "habla francés")]).await;
    assert!(browser.page(&path).await.contains("Saved."));
    // By somebody who had opened the page before that.
    save(&browser, &path, &opened, &[("status", "in_progress")]).await;
    let standing = ["status", "assignee", "note"];
    let now = app.desk().get(&format!("/api/support{path}")).await;
    assert_eq!(standing.map(|name| &now[name]), ["in_progress", "Inés", "habla francés"]);
    assert_eq!(now["classification"]["by"], made["by"], "nobody judged");
    save(&browser, &path, &browser.page(&path).await, &[("assignee", ""), ("note", "")]).await;
    let now = app.desk().get(&format!("/api/support{path}")).await;
    assert_eq!(standing.map(|name| &now[name]), [&json!("in_progress"), &Value::Null, &Value::Null]);
    save(&browser, &path, &opened, &[("priority", "frightful")]).await;
    assert!(browser.page(&path).await.contains("`priority` must be one of"));
}

#[tokio::test]
async fn a_subscription_is_changed_as_far_as_its_state_allows() {
    let app = Setup::new().start().await;
    let paid = json!({"app": "cosmos-pet", "planId": "pro", "nextBillingDate": "2099-01-01"});
    post(&app, 1, "colectiva", "subscription.activated", &paid).await;
    let held = app.desk().until_items("/api/subscriptions", 1).await;
    let path = format!("/subscriptions/{}", held[0]["subscriptionId"].as_str().unwrap());
    let browser = app.signed_in().await;
    browser.submit(&path, &[("action", "suspend")]).await;
    let page = browser.page(&path).await;
    assert!(page.contains("Saved.") && page.contains("suspended"), "{page}");
    browser.submit(&path, &[("action", "cancel")]).await;
    assert!(browser.page(&path).await.contains("notice bad"));
    browser.submit(&path, &[("action", "resume")]).await;
    assert_eq!(app.desk().get(&format!("/api{path}")).await["state"], "active");
    let spanish = app.signed_in().await.speaking("es");
    assert!(spanish.page(&path).await.contains("activa"));
}

#[tokio::test]
async fn the_example_of_a_type_goes_to_one_receiver_as_a_test() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let browser = app.signed_in().await;
    assert!(browser.page("/registry/payment.completed").await.contains("/registry/payment.completed/test"));
    let sent = browser.submit("/registry/payment.completed/test", &[("receiver", "mancha")]).await;
    assert!(sent.status == 200 && sent.text().contains("HTTP 200"), "{}", sent.text());
    let got: Value = serde_json::from_slice(&receiver.received().await.body).unwrap();
    assert_eq!((&got["eventType"], &got["test"]), (&json!("payment.completed"), &json!(true)));
    assert!(got["data"]["paymentId"].is_string(), "{got}");
    assert_eq!(browser.submit("/registry/payment.completed/test", &[("receiver", "x")]).await.status, 404);
    let audit = app.desk().items("/v1/audit").await;
    assert!(audit.iter().any(|line| line["detail"]["eventType"] == "payment.completed"), "{audit:?}");
}

#[tokio::test]
async fn a_quarantined_event_goes_to_whom_a_person_names() {
    let receiver = FakeReceiver::start().await.unwrap();
    let signing =
        |config: &mut camino_broker::config::App| config.signing_secrets = vec![signing_secret("rito")];
    let app = Setup::new().receiver("mancha", &receiver).app("rito", signing).start().await;
    post(&app, 1, "rito", "none.such", &json!({})).await;
    app.desk().until_items("/v1/quarantine", 1).await;
    let browser = app.signed_in().await;
    let trip = format!("/events/rito/{}", id(1));
    assert!(browser.page(&trip).await.contains("name=\"receivers\""));
    let path = format!("/quarantine/rito/{}/release", id(1));
    assert_eq!(browser.submit(&path, &[("receivers", "nobody")]).await.status, 404);
    let sent = browser.submit(&path, &[("receivers", "mancha, "), ("next", &trip)]).await;
    assert_eq!((sent.status.as_u16(), sent.header("location")), (303, Some(trip.as_str())));
    app.desk().until_items("/v1/deliveries?receiver=mancha&state=delivered", 1).await;
    assert!(!browser.page(&trip).await.contains("name=\"receivers\""));
}
