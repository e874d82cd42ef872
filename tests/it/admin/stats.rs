//! `/v1/stats`: the journal in numbers.

use camino_broker::testing::receiver::{Answer, FakeReceiver};
use serde_json::json;

use crate::app::Setup;
use crate::desk::names;

#[tokio::test]
async fn the_numbers_add_up() {
    let (good, bad) = (FakeReceiver::start().await.unwrap(), FakeReceiver::start().await.unwrap());
    bad.otherwise(Answer::status(400));
    let app = Setup::new().receiver("mancha", &good).receiver("baul", &bad).start().await;
    let desk = app.desk();
    assert_eq!(desk.get("/v1/stats").await["events"], 0);
    for n in 1..=3 {
        app.send(&app.payment(n)).await.taken(202);
    }
    app.send(&app.payment(4).with("eventType", "\"payment.complete\"")).await.taken(202);
    let settled = |stats: &serde_json::Value| {
        stats["events"] == 4 && stats["deliveries"]["delivered"] == 3 && stats["deliveries"]["dead"] == 3
    };
    let stats = desk.until("/v1/stats", settled).await;
    assert_eq!(names(&stats), ["events", "quarantined", "deliveries", "receivers"]);
    assert_eq!(stats["quarantined"], 1);
    let counts = json!({ "pending": 0, "delivered": 3, "parked": 0, "dead": 3, "cancelled": 0 });
    assert_eq!(stats["deliveries"], counts);
    let baul = json!({
        "receiver": "baul", "pending": 0, "delivered": 0, "parked": 0, "dead": 3, "cancelled": 0
    });
    assert_eq!(stats["receivers"][0], baul);
}
