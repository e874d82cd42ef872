//! `/v1/drift`: where sources depart from the registry, counted by field.

use serde_json::json;

use crate::app::Setup;
use crate::desk::{each, names};
use crate::draft::id;

#[tokio::test]
async fn departures_are_counted_filtered_and_paged() {
    let app = Setup::new().start().await;
    for n in 1..=2 {
        app.send(&app.draft(n, "hoja", "sale.completed", r#"{"saleId":"s","total":"much"}"#))
            .await
            .taken(202);
    }
    app.send(&app.payment(3).with("data", r#"{"paymentId":7}"#)).await.taken(202);
    let desk = app.desk();
    desk.until_items("/v1/events", 3).await;
    let all = desk.items("/v1/drift").await;
    let wanted =
        ["source", "eventType", "field", "count", "firstSeen", "lastSeen", "problem", "eventId"].as_slice();
    assert!(!all.is_empty() && all.iter().all(|row| names(row) == wanted), "{all:?}");
    let total = all.iter().find(|row| row["field"] == "data.total").unwrap();
    assert_eq!((&total["count"], &total["eventId"]), (&json!(2), &json!(id(2))));
    let sources = |rows: &[serde_json::Value]| {
        let mut sources: Vec<String> = each(rows, "source").into_iter().map(ToOwned::to_owned).collect();
        sources.dedup();
        sources
    };
    assert_eq!(sources(&all).len(), 2);
    assert_eq!(sources(&desk.items("/v1/drift?source=hoja").await), ["hoja"]);
    assert_eq!(sources(&desk.items("/v1/drift?eventType=payment.completed").await), ["colectiva"]);
    assert_eq!(desk.items("/v1/drift?until=2100-01-01T00:00:00Z").await, all);
    for none in ["source=comal", "source=hoja&eventType=payment.completed", "since=2100-01-01T00:00:00Z"] {
        assert!(desk.items(&format!("/v1/drift?{none}")).await.is_empty(), "{none}");
    }
    let pages = desk.pages("/v1/drift?limit=1").await;
    assert!(pages.iter().all(|page| page.len() == 1) && pages.concat() == all);
}
