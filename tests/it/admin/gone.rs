//! A receiver that answers 410: disabled, reported, and enabled again by a person only.

use camino_broker::testing::receiver::{Answer, FakeReceiver};
use serde_json::json;

use crate::app::Setup;
use crate::desk::each;

#[tokio::test]
async fn a_410_is_reported_survives_a_restart_and_ends_with_a_resume() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(410)]);
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    app.send(&app.payment(1)).await.taken(202);
    let desk = app.desk();
    let endpoint = desk.until("/v1/endpoints/mancha", |endpoint| endpoint["state"] == "disabled").await;
    assert_eq!((&endpoint["reason"], &endpoint["origin"]), (&json!("gone"), &json!("overlay")));
    let audit = desk.items("/v1/audit").await;
    assert_eq!(each(&audit, "action"), ["endpoints.disable"]);
    assert_eq!(audit[0]["actor"], json!({ "keyId": null, "name": "camino" }));
    let first = desk.until_items("/v1/deliveries?reason=gone", 1).await;
    assert_eq!((&first[0]["state"], &first[0]["lastStatus"]), (&json!("parked"), &json!(410)));
    app.send(&app.payment(2)).await.taken(202);
    desk.until_items("/v1/deliveries?reason=disabled", 1).await;
    let app = app.restart().await;
    let desk = app.desk();
    assert_eq!(desk.get("/v1/endpoints/mancha").await["reason"], "gone");
    app.send(&app.payment(3)).await.taken(202);
    desk.until_items("/v1/deliveries?state=parked", 3).await;
    assert_eq!(receiver.count(), 1, "nothing more was sent");
    let resumed = desk.post("/v1/endpoints/mancha/resume", "").await.taken(200);
    assert_eq!((&resumed["state"], &resumed["reason"]), (&json!("active"), &json!(null)));
    desk.until_items("/v1/deliveries?state=delivered", 3).await;
    assert_eq!(receiver.wait_for(4).await.len(), 4);
}
