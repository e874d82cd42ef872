//! `/v1/audit`: who changed what, newest first, and never a secret.

use serde_json::json;

use crate::app::Setup;
use crate::desk::{each, names};

#[tokio::test]
async fn every_change_is_recorded_with_who_made_it() {
    let app = Setup::new().endpoint("mancha", "http://127.0.0.1:9/").start().await;
    let admin = app.desk();
    let (id, key) = admin.make_key("operate", None).await;
    let operator = app.desk_of(&key);
    operator.post("/v1/endpoints/mancha/pause", "").await.taken(200);
    operator.post("/v1/endpoints/mancha/resume", "").await.taken(200);
    admin.patch("/v1/endpoints/mancha", &json!({ "inFlightMax": 2 })).await.taken(200);
    admin.put("/v1/endpoints/mancha", &json!({ "inFlightMax": 3 })).await.taken(200);
    let rotated = admin.post("/v1/endpoints/mancha/rotate-secret", "").await.taken(200);
    admin.post("/v1/endpoints/mancha/reset", "").await.taken(200);
    operator.post("/v1/endpoints/mancha/test", "").await.taken(200);
    // What is refused changes nothing and is recorded as refused; reads are not.
    operator.patch("/v1/endpoints/mancha", &json!({})).await.problem(403, "key.scope_missing");
    operator.get("/v1/endpoints").await;
    admin.ask(http::Method::DELETE, &format!("/v1/keys/{id}"), "").await.taken(200);
    let all = admin.items("/v1/audit").await;
    let wanted = [
        "keys.revoke",
        "request.refused",
        "endpoints.test",
        "endpoints.reset",
        "endpoints.rotate_secret",
        "endpoints.put",
        "endpoints.patch",
        "endpoints.resume",
        "endpoints.pause",
        "keys.create",
    ];
    assert_eq!(each(&all, "action"), wanted);
    assert_eq!(names(&all[0]), ["seq", "at", "actor", "action", "target", "detail", "correlationId"]);
    assert_eq!(all[8]["actor"], json!({ "keyId": id, "name": "for operate" }));
    assert_eq!((&all[8]["target"], &all[9]["target"]), (&json!("mancha"), &json!(id)));
    assert_eq!(all[9]["actor"]["keyId"], "admin");
    assert_eq!((&all[1]["actor"], &all[1]["target"]), (&all[8]["actor"], &json!("/v1/endpoints/{app}")));
    let refusal = json!({ "method": "PATCH", "status": 403, "code": "key.scope_missing" });
    assert_eq!(all[1]["detail"], refusal);
    let text = json!(all).to_string();
    assert!(!text.contains(rotated["secret"].as_str().unwrap()) && !text.contains(&key));
    let pages = admin.pages("/v1/audit?limit=4").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
    assert_eq!(pages.concat(), all);
    let app = app.restart().await;
    assert_eq!(app.desk().items("/v1/audit").await, all);
}

#[tokio::test]
async fn what_was_refused_is_recorded_without_what_the_caller_wrote_and_within_a_bound() {
    let app = Setup::new().start().await;
    let admin = app.desk();
    let (_, key) = admin.make_key("read", None).await;
    // Somebody takes the key's text for its id.
    let path = format!("/v1/keys/{key}");
    admin.ask(http::Method::DELETE, &path, "").await.problem(404, "resource.not_found");
    let refused = &admin.items("/v1/audit").await[0];
    assert_eq!(
        (&refused["action"], &refused["target"]),
        (&json!("request.refused"), &json!("/v1/keys/{id}"))
    );
    assert!(!refused.to_string().contains(&key), "{refused}");
    for _ in 0..100 {
        app.desk_of(&key).post("/v1/keys", "{}").await.problem(403, "key.scope_missing");
    }
    let recorded = admin.items("/v1/audit?limit=200").await;
    let refusals = each(&recorded, "action").iter().filter(|action| **action == "request.refused").count();
    // Two minutes may have had a part in it.
    assert!((60..=101).contains(&refusals), "{refusals}");
}
