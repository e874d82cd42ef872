//! `/v1/events/{id}/explain`: why each receiver does or does not get an event.

use camino_broker::config::Filter;
use camino_broker::testing::receiver::FakeReceiver;
use serde_json::json;

use crate::app::Setup;
use crate::desk::names;
use crate::draft::id;

#[tokio::test]
async fn every_receiver_of_the_type_has_a_reason() {
    let receiver = FakeReceiver::start().await.unwrap();
    let setup = Setup::new().receiver("mancha", &receiver).receiver("cosmos-pet", &receiver);
    let setup = setup.receiver("constanza", &receiver).app("constanza", |app| {
        app.filter = Filter { sources: Some(vec![crate::app::slug("hoja")]), ..Filter::default() };
    });
    let app = setup.start().await;
    let desk = app.desk();
    desk.post("/v1/endpoints/cosmos-pet/pause", "").await.taken(200);
    app.send(&app.payment(1)).await.taken(202);
    let path = format!("/v1/events/{}/explain", id(1));
    let explained = desk.until(&path, |explained| explained["decisions"].is_array()).await;
    assert_eq!(names(&explained), ["eventId", "decisions"]);
    assert_eq!(explained["eventId"], json!(id(1)));
    let decisions = explained["decisions"].as_array().unwrap();
    let told: Vec<_> = decisions.iter().map(|d| (&d["receiver"], &d["decision"])).collect();
    let wanted =
        [("baul", "no_endpoint"), ("constanza", "filtered"), ("cosmos-pet", "parked"), ("mancha", "queued")];
    let wanted = wanted.map(|(receiver, decision)| (json!(receiver), json!(decision)));
    assert_eq!(told, wanted.iter().map(|(receiver, decision)| (receiver, decision)).collect::<Vec<_>>());
    assert!(decisions.iter().all(|decision| names(decision) == ["receiver", "decision", "detail"]));
    assert_eq!(decisions[2]["detail"], "the endpoint is paused");
    assert_eq!(decisions[3]["detail"], json!(null));
}

#[tokio::test]
async fn a_source_does_not_get_its_own_event() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("colectiva", &receiver).start().await;
    // Colectiva sends it, and is among its receivers.
    let draft = app.draft(1, "colectiva", "subscription.activated", "{}");
    app.send(&draft).await.taken(202);
    let path = format!("/v1/events/{}/explain", id(1));
    let explained = app.desk().until(&path, |explained| explained["decisions"].is_array()).await;
    let decisions = explained["decisions"].as_array().unwrap();
    let own = decisions.iter().find(|decision| decision["receiver"] == "colectiva").unwrap();
    assert_eq!(own["decision"], "own_event");
}
