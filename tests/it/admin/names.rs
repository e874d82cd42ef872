//! Names in filters: what nobody knows is refused with the nearest name, what was known once still finds.

use camino_broker::testing::receiver::{Answer, FakeReceiver};
use serde_json::{Value, json};

use crate::app::Setup;

/// Every path that takes the names of apps and types.
const PATHS: [&str; 5] = ["/v1/events", "/v1/deliveries", "/v1/dead-letters", "/v1/journal", "/v1/stream"];

#[tokio::test]
async fn a_name_that_nobody_knows_is_refused_with_the_nearest() {
    let app = Setup::new().start().await;
    let desk = app.desk();
    let table = [
        ("receiver", "manchaa", json!("mancha")),
        ("source", "colectva", json!("colectiva")),
        ("eventType", "payment.complete", json!("payment.completed")),
        ("receiver", "nobody-at-all", Value::Null),
    ];
    for (field, name, near) in &table {
        for path in PATHS {
            let problem = desk.refused(&format!("{path}?{field}={name}"), 404, "resource.not_found").await;
            assert_eq!((&problem["field"], &problem["didYouMean"]), (&json!(field), near), "{path}");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.starts_with(&format!("`{field}`: there is no ")), "{detail}");
            assert_eq!(detail.ends_with("`?"), near.is_string(), "{detail}");
        }
        let body = json!({ *field: name, "dryRun": true }).to_string();
        let problem = desk.post("/v1/replays", &body).await.problem(404, "resource.not_found");
        assert_eq!(problem["field"], *field);
    }
    for path in ["/v1/quarantine?source=colectva", "/v1/drift?eventType=payment.complete"] {
        desk.refused(path, 404, "resource.not_found").await;
    }
    // Whoever goes on from a place was let in by the name that it gave then.
    let end = desk.get("/v1/journal?cursor=end").await["next"].as_str().unwrap().to_owned();
    desk.get(&format!("/v1/journal?receiver=nobody-at-all&cursor={end}")).await;
}

#[tokio::test]
async fn a_type_that_only_events_have_is_known_by_them() {
    let app = Setup::new().start().await;
    let desk = app.desk();
    let path = "/v1/quarantine?eventType=no.such_type";
    desk.refused(path, 404, "resource.not_found").await;
    app.send(&app.payment(1).with("eventType", "\"no.such_type\"")).await.taken(202);
    desk.until_items(path, 1).await;
}

#[tokio::test]
async fn an_app_that_has_left_the_registry_is_still_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |apps: &[&str]| {
        let receivers: Vec<&&str> = apps.iter().filter(|app| **app == "mancha").collect();
        let events = json!({ "events": [{ "type": "payment.completed", "receivers": receivers }] });
        let apps: Vec<Value> = apps.iter().map(|slug| json!({ "slug": slug })).collect();
        std::fs::write(folder.path().join("apps.json"), json!({ "apps": apps }).to_string()).unwrap();
        std::fs::write(folder.path().join("events.json"), events.to_string()).unwrap();
    };
    write(&["colectiva", "mancha", "hoja"]);
    let mancha = FakeReceiver::start().await.unwrap();
    mancha.script([Answer::status(400)]);
    let setup = Setup::new().receiver("mancha", &mancha);
    let app = setup.with(|config| config.registry.path = Some(folder.path().to_owned())).start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.desk().until_items("/v1/dead-letters?receiver=mancha", 1).await;
    let (setup, dir) = app.stop().await;
    write(&["hoja"]);
    let app = setup.start_in(dir).await;
    let desk = app.desk();
    assert_eq!(desk.items("/v1/dead-letters?receiver=mancha&source=colectiva").await.len(), 1);
    let counted = desk.post("/v1/replays", r#"{"receiver":"mancha","state":"dead","dryRun":true}"#).await;
    assert_eq!(counted.taken(200)["matched"], 1);
    let problem = desk.refused("/v1/dead-letters?receiver=manchaa", 404, "resource.not_found").await;
    assert_eq!(problem["didYouMean"], "mancha");
    desk.refused("/v1/dead-letters?receiver=baul", 404, "resource.not_found").await;
}
